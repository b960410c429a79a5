//! A configuration in parts: how they are found, merged and blamed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use super::super::{ConfigFiles, SourceFile, parse_files};
use super::*;

fn files(texts: &[(&str, &str)]) -> Vec<SourceFile> {
    texts.iter().map(|(path, text)| SourceFile { path: path.into(), text: (*text).to_owned() }).collect()
}

/// The configuration of [`GOOD`] and this part.
fn with_part(part: &str) -> Result<(Config, Problems), Problems> {
    parse_files(&files(&[("arkmeter.toml", GOOD), ("conf.d/10.toml", part)]), &environment())
}

fn messages(part: &str) -> String {
    with_part(part).map_or_else(|problems| problems, |(_, problems)| problems).to_string()
}

#[test]
fn a_part_adds_things_and_overrides_single_keys() {
    let part = "meter.house.poll_every = \"3s\"\n[meter.sauna]\nbus = \"cabinet\"\nunit = 2\nprofile = \"eastron-sdm630\"\nmax_power = \"5kW\"\n";
    let (config, warnings) = with_part(part).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(warnings.is_empty(), "{warnings}");
    let house = &config.meters["house"];
    assert_eq!((house.poll_every, house.unit.get()), (Duration::from_secs(3), 1));
    assert_eq!(config.meters["sauna"].unit.get(), 2);
    assert_eq!(config.accounts, valid(GOOD).accounts);
}

#[test]
fn a_list_is_replaced_as_a_whole_and_the_last_file_wins() {
    let hosts = |hosts: &str| format!("[status]\nlisten = \"0.0.0.0:1\"\nallow_remote = true\nhosts = {hosts}\n");
    let (one, two) = (hosts("[\"a\", \"b\"]"), hosts("[\"c\"]"));
    let texts = [("arkmeter.toml", GOOD), ("1.toml", one.as_str()), ("2.toml", two.as_str())];
    let (config, _) = parse_files(&files(&texts), &environment()).unwrap();
    assert_eq!(config.status.hosts, ["c"]);
}

#[test]
fn a_message_names_the_file_and_the_line_of_the_part() {
    assert_eq!(
        messages("\n[meter.house]\npoll_evry = \"3s\"\n"),
        "error: unknown key `poll_evry` in [meter.house]
 --> conf.d/10.toml:3:1
  |
3 | poll_evry = ***
  | ^^^^^^^^^ did you mean `poll_every`?

arkmeter.toml and 1 part: 1 error
"
    );
    let value = messages("meter.house.unit = 0\n");
    assert!(value.contains("conf.d/10.toml:1:20") && !value.contains("arkmeter.toml:"), "{value}");
    let syntax = messages("[meter.house]\nunit = \n[bus.x]\ntcp = 5\n");
    assert!(syntax.contains("this is not TOML") && syntax.contains("conf.d/10.toml:2:"), "{syntax}");
    assert!(syntax.contains("conf.d/10.toml:4:7"), "what follows is read as well: {syntax}");
}

#[test]
fn suggestions_and_other_places_reach_across_files() {
    let sauna = "[meter.sauna]\nunit = 1\nprofile = \"eastron-sdm630\"\nmax_power = \"5kW\"\n";
    let misspelled = messages(&format!("{sauna}bus = \"cabinte\"\n"));
    assert!(
        misspelled.contains("conf.d/10.toml:5:7") && misspelled.contains("did you mean \"cabinet\"?"),
        "{misspelled}"
    );
    let taken = messages(&format!("{sauna}bus = \"cabinet\"\n"));
    assert!(taken.contains("unit 1 of bus cabinet is taken in line 8 of arkmeter.toml"), "{taken}");
    let id =
        format!("{sauna}bus = \"cabinet\"\nclient_id = \"0x{}\"\n", "1".repeat(64)).replace("unit = 1", "unit = 2");
    let twice = messages(&id);
    assert!(twice.contains("used twice, in line 10 of arkmeter.toml and line 6 of conf.d/10.toml"), "{twice}");
    let link = messages("[bus.other]\nserial = \"/dev/ttyUSB0\"\n");
    assert!(link.contains("is the same line as [bus.cabinet] (line 4 of arkmeter.toml)"), "{link}");
}

#[test]
fn a_meter_that_exists_only_in_a_part_is_blamed_there() {
    let lacks = messages("[meter.huose]\npoll_every = \"3s\"\n");
    assert!(lacks.contains("[meter.huose] lacks `bus`") && lacks.contains("conf.d/10.toml:1:8"), "{lacks}");
}

#[test]
fn what_is_replaced_is_not_judged_and_not_shown() {
    let main = format!("{GOOD}timeout = 5 # wrong\n[status]\nsocket = \"hunter2\"\n").replace("timeout", "poll_every");
    let part = "[meter.house]\npoll_every = \"5s\"\n[status]\nsocket = \"/run/other\"\n";
    let files = files(&[("arkmeter.toml", &main), ("10.toml", part)]);
    let (config, _) = parse_files(&files, &environment()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.meters["house"].poll_every, Duration::from_secs(5));
    let shown = super::super::parse::shown_files(&files, &environment());
    assert!(!shown.contains("hunter2") && shown.contains("/run/other"), "{shown}");
    assert!(shown.starts_with("# == arkmeter.toml\n") && shown.contains("\n# == 10.toml\n[meter.house]\n"), "{shown}");
}

#[test]
fn files_without_a_last_line_end_and_empty_ones_keep_their_lines() {
    let texts = [("a.toml", GOOD.trim_end()), ("b.toml", ""), ("c.toml", "# c"), ("d.toml", "\ncolour = 1")];
    let problems = parse_files(&files(&texts), &environment()).unwrap_err();
    let places: Vec<_> = problems.iter().map(|it| (it.file.as_str(), it.line, it.column)).collect();
    assert_eq!(places, [("d.toml", 2, 1)]);
    let crlf = GOOD.replace('\n', "\r\n");
    let texts = [("a.toml", crlf.as_str()), ("b.toml", "\u{feff}colour = 1\r\n")];
    let problems = parse_files(&files(&texts), &environment()).unwrap_err();
    assert_eq!(problems.iter().next().map(|it| (it.file.as_str(), it.line)), Some(("b.toml", 1)));
}

/// A tree with a main file in `etc/arkmeter`.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.put("etc/arkmeter/arkmeter.toml", GOOD);
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self) -> Result<ConfigFiles, ConfigError> {
        ConfigFiles::read(&self.path("etc/arkmeter/arkmeter.toml"))
    }

    fn names(&self) -> Vec<String> {
        let relative = |path: &Path| path.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned();
        self.read().unwrap().files().iter().map(|file| relative(&file.path)).collect()
    }

    fn error(&self) -> String {
        self.read().unwrap_err().render(false).replace(self.0.path().to_str().unwrap(), "")
    }
}

#[test]
fn parts_are_read_in_the_order_of_their_names_and_a_namesake_replaces() {
    let tree = Tree::new();
    for path in
        ["usr/lib/arkmeter/conf.d/10-vendor.toml", "run/arkmeter/conf.d/20-run.toml", "etc/arkmeter/conf.d/15-own.toml"]
    {
        tree.put(path, "");
    }
    tree.put("usr/lib/arkmeter/conf.d/50-both.toml", "");
    tree.put("run/arkmeter/conf.d/50-both.toml", "");
    tree.put("etc/arkmeter/conf.d/.hidden.toml", "wrong");
    tree.put("etc/arkmeter/conf.d/README", "wrong");
    let all = [
        "etc/arkmeter/arkmeter.toml",
        "usr/lib/arkmeter/conf.d/10-vendor.toml",
        "etc/arkmeter/conf.d/15-own.toml",
        "run/arkmeter/conf.d/20-run.toml",
        "run/arkmeter/conf.d/50-both.toml",
    ];
    assert_eq!(tree.names(), all);
    let files = tree.read().unwrap();
    let unused = &files.unused()[0];
    assert!(unused.path.ends_with("usr/lib/arkmeter/conf.d/50-both.toml"));
    assert!(unused.because_of.ends_with("run/arkmeter/conf.d/50-both.toml"));
}

#[test]
fn a_link_to_dev_null_masks_a_part_and_its_namesakes() {
    let tree = Tree::new();
    tree.put("usr/lib/arkmeter/conf.d/10-vendor.toml", "wrong");
    tree.put("etc/arkmeter/conf.d/20-own.toml", "");
    symlink("/dev/null", tree.path("etc/arkmeter/conf.d/10-vendor.toml")).unwrap();
    assert_eq!(tree.names(), ["etc/arkmeter/arkmeter.toml", "etc/arkmeter/conf.d/20-own.toml"]);
}

#[test]
fn another_main_file_has_only_the_parts_beside_it() {
    let tree = Tree::new();
    tree.put("usr/lib/arkmeter/conf.d/10.toml", "wrong");
    tree.put("srv/site/arkmeter.toml", GOOD);
    tree.put("srv/site/conf.d/20.toml", "");
    let files = ConfigFiles::read(&tree.path("srv/site/arkmeter.toml")).unwrap();
    assert_eq!(files.files().len(), 2);
    assert!(files.files()[1].path.ends_with("srv/site/conf.d/20.toml"));
}

#[test]
fn a_part_that_cannot_be_read_is_named() {
    let tree = Tree::new();
    let part = "etc/arkmeter/conf.d/10.toml";
    tree.put(part, "");
    fs::write(tree.path(part), b"# one\n\xff").unwrap();
    assert_eq!(tree.error(), "/etc/arkmeter/conf.d/10.toml, line 2: not UTF-8; save the file as UTF-8\n");
    fs::remove_file(tree.path(part)).unwrap();
    fs::create_dir(tree.path(part)).unwrap();
    let folder = "the part /etc/arkmeter/conf.d/10.toml of the configuration is a folder: move it away, or rename it so that it does not end in .toml\n";
    assert_eq!(tree.error(), folder);
    fs::remove_dir(tree.path(part)).unwrap();
    symlink("nowhere", tree.path(part)).unwrap();
    let link = "the part /etc/arkmeter/conf.d/10.toml of the configuration is a link to a file that does not exist: remove the link, or create the file\n";
    assert_eq!(tree.error(), link);
    fs::remove_dir_all(tree.path("etc/arkmeter/conf.d")).unwrap();
    tree.put("etc/arkmeter/conf.d", "");
    assert!(tree.error().starts_with("the configuration /etc/arkmeter/conf.d cannot be read"), "{}", tree.error());
}

#[test]
fn the_number_and_the_size_of_parts_are_limited() {
    let tree = Tree::new();
    tree.put("etc/arkmeter/conf.d/20.toml", &"#".repeat(super::super::load::MAX_BYTES as usize - GOOD.len() + 1));
    let error = tree.error();
    assert!(error.starts_with("the configuration is larger than"), "{error}");
    assert!(error.ends_with("with its part /etc/arkmeter/conf.d/20.toml: is it the right file?\n"), "{error}");
    fs::remove_file(tree.path("etc/arkmeter/conf.d/20.toml")).unwrap();
    for number in 0..=1000 {
        tree.put(&format!("etc/arkmeter/conf.d/{number:04}.toml"), "");
    }
    let error = tree.error();
    assert!(
        error.starts_with("there are more than 1000 parts of the configuration in /etc/arkmeter/conf.d"),
        "{error}"
    );
}

#[test]
fn the_hash_is_that_of_all_files_one_after_the_other() {
    let tree = Tree::new();
    let main = tree.read().unwrap().hash();
    tree.put("etc/arkmeter/arkmeter.toml", "abc");
    assert_eq!(tree.read().unwrap().hash(), "ba7816bf8f01cfea", "the test vector of FIPS 180");
    tree.put("etc/arkmeter/arkmeter.toml", "a");
    tree.put("etc/arkmeter/conf.d/1.toml", "bc");
    assert_eq!(tree.read().unwrap().hash(), "ba7816bf8f01cfea");
    assert_ne!(main, "ba7816bf8f01cfea");
}

/// One setting of a configuration, as a table with a single key.
fn settings() -> Vec<String> {
    let text = format!(
        "{GOOD}[meter.two]\nbus = \"cabinet\"\nunit = 2\nprofile = \"eastron-sdm630\"\nmax_power = \"5kW\"\n[site.labels]\nfloor = \"2\"\n[status]\nlisten = \"0.0.0.0:1\"\nallow_remote = true\nhosts = [\"a\", \"b\"]\n"
    );
    let mut table = String::new();
    let mut settings = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.starts_with('[') {
            true => table = line.to_owned(),
            false => settings.push(format!("{table}\n{line}\n")),
        }
    }
    settings
}

/// The settings as the text of one file: each table once.
fn one_file(settings: &[&String]) -> String {
    let mut tables = std::collections::BTreeMap::<&str, String>::new();
    for setting in settings {
        let (table, line) = setting.split_once('\n').unwrap();
        tables.entry(table).or_default().push_str(line);
    }
    tables.into_iter().map(|(table, lines)| format!("{table}\n{lines}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Each setting is in one of the files, or in several: then the last one has the right value.
    #[test]
    fn a_configuration_split_into_parts_is_the_same_configuration(
        places in prop::collection::vec((0_usize..5, 0_usize..8), 40),
    ) {
        let settings = settings();
        let whole = one_file(&settings.iter().collect::<Vec<_>>());
        let wrong: Vec<_> = settings.iter().map(|setting| {
            let (key, _) = setting.split_once(" = ").unwrap();
            format!("{key} = {{ overridden = true }}\n")
        }).collect();
        let texts: Vec<_> = (0..5).map(|file| {
            let here: Vec<_> = settings.iter().zip(&wrong).zip(&places).filter_map(|((setting, wrong), (place, before))| {
                match file {
                    _ if file == *place => Some(setting),
                    _ if file < *place && file == *before && !setting.contains("max_power") => Some(wrong),
                    _ => None,
                }
            }).collect();
            SourceFile { path: format!("{file}.toml").into(), text: one_file(&here) }
        }).collect();
        let (expected, _) = read(&whole).unwrap();
        match parse_files(&texts, &environment()) {
            Ok((config, _)) => prop_assert_eq!(config, expected),
            Err(problems) => prop_assert!(false, "{}", problems),
        }
    }

    #[test]
    fn any_parts_are_answered(parts in prop::collection::vec("[\\[\\]{}=\"'.,#\n\\\\ ab01_\r\t:+é-]{0,60}", 0..4)) {
        let mut texts = files(&[("arkmeter.toml", GOOD)]);
        texts.extend(parts.into_iter().map(|text| SourceFile { path: "part.toml".into(), text }));
        match parse_files(&texts, &environment()) {
            Ok((_, problems)) => prop_assert_eq!(problems.errors(), 0),
            Err(problems) => prop_assert!(problems.errors() > 0 && !problems.render(false).is_empty()),
        }
        let _ = super::super::parse::shown_files(&texts, &environment());
    }
}
