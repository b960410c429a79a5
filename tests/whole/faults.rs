//! Every test name in `tests/FAULTS.md` is the name of a test.

use std::fs;
use std::path::Path;

/// Appends the text of all Rust files below this folder.
fn append_sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            append_sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_named_in_the_list_of_faults_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    append_sources(&root.join("src"), &mut all);
    append_sources(&root.join("tests"), &mut all);
    let list = fs::read_to_string(root.join("tests/FAULTS.md")).unwrap();
    let is_name =
        |word: &&str| word.len() > 12 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let named: Vec<_> = list.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 100, "{} names", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}
