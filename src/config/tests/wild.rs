//! No hostile text ends the program.

use proptest::prelude::*;

use super::{GOOD, read};

fn survives(text: &str) {
    match read(text) {
        Ok((_, problems)) => assert_eq!(problems.errors(), 0),
        Err(problems) => {
            assert!(problems.errors() > 0, "refused without a reason: {text}");
            assert!(!problems.render(false).is_empty());
        }
    }
}

#[test]
fn hostile_texts_are_answered() {
    let deep = 100_000;
    for text in [
        "a = ".to_owned() + &"[".repeat(deep),
        "a = ".to_owned() + &"{ a = ".repeat(deep),
        "a.".repeat(deep) + "a = 1",
        format!("[{}a]", "a.".repeat(deep)),
        format!("{}a = 1", "[a.a]\n".repeat(1000)),
        format!("[bus.a]\nbaud = {}", "9".repeat(deep)),
        format!("[bus.a]\nbaud = 1e{}", "9".repeat(deep)),
        format!("[bus.a]\ntimeout = \"{}s\"", "9".repeat(deep)),
        format!("[meter.a]\nmax_power = \"{}kW\"", "9".repeat(deep)),
        format!("[meter.a]\nct_ratio = \"{}/5\"", "9".repeat(deep)),
        format!("[bus.{}]\n", "a".repeat(deep)),
        "x = 1\n".repeat(10_000),
        "\u{feff}".to_owned() + GOOD,
        GOOD.replace('\n', "\r\n"),
        GOOD.replace('\n', "\r"),
        "\0".repeat(1000),
        "[[bus]]\n[bus.a]\n[bus.a.b]\n[[bus.a]]\nbus = 1\n".to_owned(),
        "[a]\n[a.b]\n[a]\n[a.b]\na.b.c = 1\n".to_owned(),
        "bus = 5\nmeter = []\naccount = \"x\"\nclient = 1979-05-27\nprofile = true\nstate = 1\nstatus = 1.0\n"
            .to_owned(),
    ] {
        survives(&text);
    }
    assert!(read(&GOOD.replace('\n', "\r\n")).is_ok());
    assert!(read(&("\u{feff}".to_owned() + GOOD)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn any_text_of_toml_characters_is_answered(text in "[\\[\\]{}=\"'.,#\n\\\\ ab01_\r\t:+é-]{0,200}") {
        survives(&text);
    }

    /// A valid configuration with parts removed, doubled and moved.
    #[test]
    fn a_damaged_configuration_is_answered(
        edits in prop::collection::vec((0_usize..2000, 0_usize..40, "[\\[\\]{}=\"'.,#\n\\\\a0é-]{0,6}"), 1..6),
    ) {
        let mut characters: Vec<char> = include_str!("../../../config/arkmeter.toml").chars().filter(|c| *c != '#').collect();
        characters.extend(GOOD.chars());
        for (at, length, with) in edits {
            let start = at * 7 % characters.len();
            let end = (start + length).min(characters.len());
            characters.splice(start..end, with.chars());
        }
        survives(&characters.into_iter().collect::<String>());
    }
}
