use super::*;
use crate::meter::Function;
use crate::meter::profile::tests::{good, parsed};

const METER: &str =
    "vendor = \"A\"\nmodel = \"B\"\n[power]\nregister = 0\nfunction = \"input\"\ntype = \"u16\"\nunit = \"W\"\n";

fn toml(keys: &str) -> String {
    format!("{METER}[[identity]]\nregister = 11\nfunction = \"holding\"\n{keys}\n")
}

/// What these registers are found to be.
fn found(keys: &str, words: &[u16]) -> CheckResult {
    let profile = good(&toml(keys));
    let expectation = &profile.identity[0];
    let answers = [(expectation.range, words.to_vec())].into_iter().collect();
    expectation.check(&answers, &[])
}

#[track_caller]
fn is_wrong(found: &CheckResult, part: &str) {
    assert!(matches!(found, CheckResult::Failed(why) if why.contains(part)), "{found:?}");
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let values = "type = \"u16\"\nvalues = [71, 72, 73]";
    assert_eq!(found(values, &[72]), CheckResult::Passed);
    is_wrong(&found(values, &[74]), "holding 0x000B holds 74, where the profile expects 71, 72 or 73");
    let signed = "type = \"i32\"\nword_order = \"little\"\nvalues = [-2]";
    assert_eq!(found(signed, &[0xFFFE, 0xFFFF]), CheckResult::Passed);
    is_wrong(&found(signed, &[0xFFFF, 0xFFFE]), "holds -65537, where the profile expects -2");
    let range = "type = \"u16\"\nrange = [100, 121]";
    for (word, right) in [(99, false), (100, true), (121, true), (122, false)] {
        assert_eq!(found(range, &[word]) == CheckResult::Passed, right, "{word}");
    }
    is_wrong(&found(range, &[0]), "the profile expects 100 to 121");
    let one_letter_a_register = "type = \"u64\"\nvalues = [0x0053004F0043004F]";
    assert_eq!(found(one_letter_a_register, &[0x53, 0x4F, 0x43, 0x4F]), CheckResult::Passed);
    let large = "type = \"u64\"\nvalues = [0xFFFFFFFFFFFFFFFF]";
    assert_eq!(found(large, &[0xFFFF; 4]), CheckResult::Passed);
    is_wrong(&found("type = \"bcd16\"\nvalues = [12]", &[0x00FA]), "holds 0xFA");
}

#[test]
fn any_number_but_some_is_accepted() {
    let any = "type = \"u16\"\nexcept = [0, 0xFFFF]";
    assert_eq!(found(any, &[1]), CheckResult::Passed);
    assert_eq!(found(any, &[0xFFFE]), CheckResult::Passed);
    is_wrong(&found(any, &[0]), "holds 0, where the profile expects anything but 0 or 65535");
    is_wrong(&found(any, &[0xFFFF]), "anything but");
    let (_, findings) = parsed(&toml("type = \"u16\"\nexcept = [0]\nvalues = [1]"));
    assert!(findings.iter().any(|(_, message)| message.contains("cannot be used with `values`")), "{findings:?}");
}

#[test]
fn bits_beside_the_mask_do_not_matter() {
    let masked = "type = \"u16\"\nmask = 0xFF00\nvalues = [0x4100]";
    assert_eq!(found(masked, &[0x4133]), CheckResult::Passed);
    is_wrong(&found(masked, &[0x4233]), "holds 16896, where the profile expects 16640 under the mask 0xFF00");
}

#[test]
fn texts_are_compared_without_what_pads_them() {
    let prefix = "type = \"ascii\"\nregisters = 3\nprefix = \"A4\"";
    assert_eq!(found(prefix, &[0x4134, 0x3320, 0x2020]), CheckResult::Passed);
    is_wrong(&found(prefix, &[0x4232, 0x3320, 0]), "holds \"B23\", where the profile expects \"A4..\"");
    let whole = "type = \"ascii\"\nregisters = 2\nvalues = [\"A4\", \"SO\"]";
    assert_eq!(found(whole, &[0x4134, 0]), CheckResult::Passed);
    assert_eq!(found(whole, &[0x53, 0x4F]), CheckResult::Passed, "one letter a register");
    is_wrong(&found(whole, &[0x4134, 0x3300]), "holds \"A43\"");
    assert_eq!(found(&format!("{whole}\nbyte_order = \"little\""), &[0x3441, 0]), CheckResult::Passed);
    is_wrong(&found(whole, &[0x1B5B, 0x0A00]), "holds \"?[\"");
}

#[test]
fn a_refusal_says_something_unless_the_register_is_optional() {
    let expectation = |more: &str| good(&toml(&format!("type = \"u16\"\nvalues = [1]\n{more}"))).identity.remove(0);
    let (needed, optional) = (expectation(""), expectation("optional = true"));
    let range = RegisterRange { function: Function::Holding, address: 11, count: 1 };
    for code in [1, 2, 3] {
        is_wrong(
            &needed.check(&Answers::new(), &[(range, code)]),
            &format!("has no holding 0x000B (exception {code})"),
        );
        assert_eq!(optional.check(&Answers::new(), &[(range, code)]), CheckResult::Passed);
    }
    assert_eq!(optional.check(&Answers::new(), &[(range, 6)]), CheckResult::Unknown, "busy is no answer");
    assert_eq!(needed.check(&Answers::new(), &[]), CheckResult::Unknown);
}

#[test]
fn each_problem_is_reported_with_its_span() {
    for (keys, span, message) in [
        ("type = \"u16\"", "[[identity]]", "lacks `values`"),
        ("type = \"ascii\"\nregisters = 2", "[[identity]]", "lacks `values`"),
        ("type = \"ascii\"\nvalues = [\"A\"]", "[[identity]]", "lacks `registers`"),
        ("type = \"f32\"\nvalues = [1]", "\"f32\"", "not an allowed value"),
        ("type = \"u16\"\nvalues = []", "[]", "too many values, or none"),
        ("type = \"u16\"\nvalues = [65536]", "65536", "a number that the type cannot hold"),
        ("type = \"i16\"\nvalues = [-32769]", "-32769", "a number that the type cannot hold"),
        ("type = \"u16\"\nvalues = [\"A\"]", "\"A\"", "not a whole number"),
        ("type = \"u16\"\nrange = [2, 1]", "[2, 1]", "ends before it begins"),
        ("type = \"u16\"\nrange = [2]", "[2]", "is not a range"),
        ("type = \"u16\"\nvalues = [1]\nrange = [1, 2]", "[1, 2]", "cannot be used with `values`"),
        ("type = \"u16\"\nvalues = [1]\nprefix = \"A\"", "prefix", "unknown key"),
        ("type = \"u16\"\nvalues = [0x41]\nmask = 0x10000", "0x10000", "not a mask for this type"),
        ("type = \"u16\"\nvalues = [0x41]\nmask = 0x40", "[0x41]", "has bits that `mask` lacks"),
        ("type = \"ascii\"\nregisters = 2\nprefix = \" \"", "\" \"", "not a text that a meter can hold"),
        ("type = \"ascii\"\nregisters = 2\nprefix = \"A\"\nvalues = [\"B\"]", "\"A\"", "cannot be used with `values`"),
        ("type = \"u16\"\nvalues = [1]\nset = \"x\"", "set", "unknown key"),
    ] {
        let (profile, told) = parsed(&toml(keys));
        assert_eq!(profile, None, "{keys}");
        assert!(
            told.iter().any(|(at, what)| at == span && what.contains(message)),
            "no {message:?} at {span:?}: {told:?}"
        );
    }
    let (_, told) = parsed(&toml("type = \"u16\"\nvalues = [1]").replace("identity", "settings"));
    assert!(told.iter().any(|(_, what)| what.contains("lacks `set`")), "{told:?}");
}
