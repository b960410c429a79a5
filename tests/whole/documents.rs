//! Checks of the documents: links resolve, named files and commands exist, and quoted messages are in the source.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The maximum length of the README.
const README_LINES: usize = 120;
/// Shorter pieces of a message are not checked: they match by chance.
const SHORTEST_QUOTE: usize = 4;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder`, with this extension.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != ".git" {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// Every document with its text.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut found = Vec::new();
    files(root(), "md", &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// All files of `src`, with string literals on one line, so that a printed text can be found.
fn source() -> String {
    let mut paths = Vec::new();
    files(&root().join("src"), "rs", &mut paths);
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.map(|text| joined(&text)).collect()
}

/// Joins continued string literals and removes escaped quotes.
fn joined(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start()).replace("\\\"", "\"")
}

/// The texts between two `mark`s on one line.
fn between<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    text.lines().flat_map(|line| line.split(mark).skip(1).step_by(2)).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines, {README_LINES} at most: move details into docs/");
}

#[test]
fn relative_links_resolve() {
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(linked.exists(), "{}: broken link {target}", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&linked).unwrap();
                assert!(anchors(&text).any(|it| it == anchor), "{}: no heading for {target}", path.display());
            }
        }
    }
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|character| character.is_alphanumeric() || "-_ ".contains(*character));
        kept.map(|character| if character == ' ' { '-' } else { character }).collect()
    })
}

#[test]
fn named_files_exist() {
    let folders =
        ["src/", "tests/", "docs/", "config/", "benches/", "fuzz/", "packaging/", "systemd/", "xtask/", ".ci/"];
    for (path, text) in documents() {
        let named =
            between(&text, "`").into_iter().filter(|name| folders.iter().any(|folder| name.starts_with(folder)));
        for name in named.filter(|name| !name.contains([' ', '*', '<'])) {
            assert!(root().join(name).exists(), "{}: there is no {name}", path.display());
        }
    }
}

#[test]
fn named_commands_and_options_exist() {
    let mut checked = 0;
    for (path, text) in documents() {
        let quoted = between(&text, "`").into_iter();
        for line in quoted.chain(text.lines().filter(|line| line.starts_with("    "))) {
            let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
            let Some(arguments) = line.strip_prefix("arkmeter ") else { continue };
            let arguments = arguments.split(" #").next().unwrap_or_default();
            let command = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase());
            let mut words: Vec<_> = arguments.split_whitespace().take_while(command).take(2).collect();
            let groups = ["ledger", "profiles", "shard"];
            words.truncate(if words.first().is_some_and(|word| groups.contains(word)) { 2 } else { 1 });
            if words.is_empty() {
                continue;
            }
            let help = help(&words).unwrap_or_else(|| panic!("{}: no command: {line}", path.display()));
            for option in arguments.split(|it: char| it.is_whitespace() || "[]|\\,".contains(it)) {
                if option.starts_with("--") && option.len() > 2 {
                    assert!(help.contains(option), "{}: {words:?} has no {option}", path.display());
                }
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} commands were found in the documents");
}

/// The help of this command, if there is one.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_arkmeter")).arg("help").args(words).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn explained_messages_exist_in_the_source() {
    let (source, text) = (source(), document("docs/messages.md"));
    let cells = text.lines().filter_map(|line| line.strip_prefix("| *"));
    let cells: Vec<_> = cells.map(|line| line.split(" | ").next().unwrap_or_default()).collect();
    assert!(cells.len() > 150, "only {} messages are explained", cells.len());
    for cell in cells {
        for message in format!("*{cell}").split('*').skip(1).step_by(2) {
            let pieces = message.split("...").map(|piece| piece.trim_matches([' ', '(', ')']));
            for piece in pieces.filter(|piece| piece.len() >= SHORTEST_QUOTE) {
                assert!(source.contains(piece), "docs/messages.md explains {piece:?}, which no message says");
            }
        }
    }
}

#[test]
fn explained_metrics_exist_in_the_source() {
    let (source, text) = (source(), document("docs/monitoring.md"));
    for metric in between(&text, "`").into_iter().filter_map(|name| name.strip_prefix("arkmeter_")) {
        let name = metric.split('{').next().unwrap_or_default().trim_end_matches('.');
        let of_each = name.trim_start_matches("meter_").trim_start_matches("bus_");
        assert!(source.contains(name) || source.contains(of_each), "docs/monitoring.md: no metric arkmeter_{name}");
    }
}
