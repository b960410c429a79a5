//! The chain of a profile, and the problems reported for it.

use crate::meter::Chain;
use crate::meter::profile::tests::{good, parsed};

/// A valid profile, changed by each test.
const GOOD: &str = r#"
vendor = "Acme"
model = "100"
gaps = true
max_registers_per_read = 60
models = [203, 204]
chain = { bases = [50000, 0x9C40], meter = 2, manufacturer = "Acme" }
[power]
register = 18
function = "holding"
type = "i16"
unit = "W"
exponent = { register = 22 }
[energy]
register = 46
function = "holding"
type = "u32"
unit = "Wh"
"#;

#[track_caller]
fn assert_problem(old: &str, new: &str, span: &str, message: &str) {
    assert!(GOOD.contains(old), "{old}");
    let (profile, told) = parsed(&GOOD.replacen(old, new, 1));
    assert_eq!(profile, None, "{new}");
    let found = told.iter().any(|(at, what)| at.contains(span) && what.contains(message));
    assert!(found, "no {message:?} at {span:?} in {told:?}");
}

#[test]
fn a_chain_is_read_with_its_defaults() {
    let chain = good(GOOD).chain.unwrap();
    let wanted = Chain {
        bases: vec![50000, 40000],
        models: vec![203, 204],
        meter: Some(2),
        manufacturer: Some("Acme".to_owned()),
    };
    assert_eq!(chain, wanted);
    let plain: String =
        GOOD.lines().filter(|line| !line.starts_with("chain")).map(|line| format!("{line}\n")).collect();
    let chain = good(&plain).chain.unwrap();
    assert_eq!((chain.bases, chain.meter), (vec![40000, 50000, 0, 40001], None));
    assert_eq!(good(&plain.replace("models", "# models")).chain, None);
}

#[test]
fn registers_that_cannot_be_in_a_chain_are_refused() {
    assert_problem("register = 18", "register = 1", "[power]", "`power` reads the header of its model");
    assert_problem("register = 46", "register = 60", "[energy]", "`energy` is too far from the start of its model");
    assert_problem(
        "gaps = true",
        "gaps = true\nholes = [[30, 31]]",
        "[energy]",
        "has a hole between the start of its model",
    );
    assert_problem(
        "register = 46\nfunction = \"holding\"",
        "register = 46\nfunction = \"input\"",
        "[energy]",
        "another function",
    );
    assert_problem("models = [203, 204]", "", "bases", "`chain` needs `models`");
    assert_problem("[203, 204]", "[1]", "1", "out of range");
    assert_problem("[203, 204]", "[]", "[]", "too many values, or none");
    assert_problem("0x9C40", "65534", "65534", "out of range");
    assert_problem("\"Acme\" }", "\"\u{e4}\" }", "\u{e4}", "is not a text that a meter can hold");
    assert_problem("meter = 2", "metre = 2", "metre", "unknown key `metre` in [chain]");
}

#[test]
fn all_maps_are_in_a_chain_or_none() {
    let maps = GOOD.replace("models = [203, 204]\n", "").replace("chain = {", "# {")
        + "[map.a]\nmodels = [203]\n[map.b]\nnote = \"at fixed addresses\"\n";
    let (profile, told) = parsed(&maps);
    assert!(profile.is_none());
    let message = "[.map.b] differs from map a in that one is found in a chain of models";
    assert!(told.iter().any(|(_, what)| what.contains(message)), "{told:?}");
}
