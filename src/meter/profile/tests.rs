//! Profiles, and the problems reported for them.

use toml::de::DeTable;

use super::*;
use crate::form::Findings;
use crate::form::Form;
use crate::meter::{Function, Kind, ReadPlan};

/// A valid profile, changed by each test.
const GOOD: &str = r#"
vendor = "Acme"
model = "100"
max_power = "23kW"
max_registers_per_read = 60
[power]
register = 0x000C
function = "input"
type = "f32"
unit = "W"
[energy]
register = 0x0048
function = "input"
type = "u32"
word_order = "little"
unit = "kWh"
scale = 0.010
rollover = 100000000
"#;

/// The profile with these keys, and each problem: the text in its span and its message.
pub(in crate::meter) fn parsed(toml: &str) -> (Option<Profile>, Vec<(String, String)>) {
    let document = DeTable::parse(toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let findings = Findings::default();
    let profile = Profile::from_form(&Name::new("acme-100").unwrap(), Form::root(&document, &findings));
    let problems = findings.into_vec().into_iter().map(|it| (toml[it.span].to_owned(), it.message)).collect();
    (profile, problems)
}

pub(in crate::meter) fn good(toml: &str) -> Profile {
    let (profile, problems) = parsed(toml);
    assert_eq!(problems, [], "{toml}");
    profile.unwrap()
}

/// The problems after `old` in the valid profile is replaced by `new`.
fn problems_after(old: &str, new: &str) -> Vec<(String, String)> {
    assert!(GOOD.contains(old), "{old}");
    let (profile, problems) = parsed(&GOOD.replacen(old, new, 1));
    assert_eq!(profile, None, "{new}");
    problems
}

#[track_caller]
fn assert_problem(problems: &[(String, String)], span: &str, message: &str) {
    let found = problems.iter().any(|(at, what)| at == span && what.contains(message));
    assert!(found, "no {message:?} at {span:?} in {problems:?}");
}

#[test]
fn a_complete_profile_is_read() {
    let profile = good(GOOD);
    assert_eq!(profile.max_power, Some(Milliwatts(23_000_000)));
    assert_eq!(profile.max_registers_per_read, 60);
    assert!(profile.has_counter() && !profile.can_reverse() && !profile.gaps.everywhere);
    let energy = profile.energy.unwrap();
    assert_eq!(energy.terms[0].range.function, Function::Input);
    assert_eq!((energy.terms[0].format.kind, energy.terms[0].format.low_word_first), (Kind::U32, true));
    assert_eq!((energy.terms[0].scale_text().as_str(), energy.unit.word()), ("0.01", "kWh"));
    assert_eq!(energy.rollover, Some(100_000_000));
}

#[test]
fn each_problem_is_reported_with_its_span() {
    for (old, new, span, message) in [
        ("0x000C", "65536", "65536", "`power.register` is out of range"),
        ("0x000C", "65535", "65535", "ends beyond register 65535"),
        ("= 60", "= 1", "0x000C", "takes more than max_registers_per_read"),
        ("= 60", "= 126", "126", "out of range"),
        ("0.010", "\"1/3\"", "\"1/3\"", "is not a decimal number"),
        ("0.010", "0", "0", "is not a decimal number"),
        ("\"kWh\"\nscale = 0.010", "\"mWh\"\nscale = \"1e-15\"", "\"1e-15\"", "loses every digit"),
        ("0.010", "\"1e15\"", "\"1e15\"", "makes one digit more than"),
        ("0.010", "-1", "-1", "makes the energy negative"),
        ("0.010", "nan", "nan", "is not a decimal number"),
        ("\"kWh\"", "\"W\"", "\"W\"", "a unit of power, but this is an energy"),
        ("\"W\"", "\"Wh\"", "\"Wh\"", "a unit of energy, but this is a power"),
        ("\"kWh\"", "\"VAh\"", "\"VAh\"", "not an allowed value"),
        ("= 100000000", "= 4294967297", "4294967297", "not a count that the type reaches"),
        ("= 100000000", "= 0", "0", "not a count that the type reaches"),
        ("rollover", "roll_over", "roll_over", "unknown key `roll_over`"),
        ("vendor", "maker", "maker", "unknown key `maker`"),
        ("\"f32\"", "\"float\"", "\"float\"", "not an allowed value"),
        ("unit = \"W\"", "unit = \"W\"\nrollover = 5", "rollover", "unknown key `rollover`"),
        ("unit = \"W\"", "unit = \"W\"\ninvalid = [0x1_0000_0000]", "0x1_0000_0000", "too large for f32"),
        ("unit = \"W\"", "unit = \"W\"\nratio = { register = 5 }", "ratio", "lacks `type`"),
        ("[energy]", "[export_energy]", "[export_energy]", "needs `energy`"),
        ("vendor", "aliases = [\"a b\"]\nvendor", "\"a b\"", "not a name"),
        ("vendor", "delay = \"1m\"\nvendor", "\"1m\"", "out of range"),
    ] {
        assert_problem(&problems_after(old, new), span, message);
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let (profile, problems) = parsed("[power]\nregister = 70000\ntype = \"f33\"\nscale = 0\n[energy]\nunit = \"W\"\n");
    assert_eq!(profile, None);
    for message in ["lacks `vendor`", "lacks `model`", "[power] lacks `function`", "[power] lacks `unit`"] {
        assert!(problems.iter().any(|(_, what)| what.contains(message)), "{message}: {problems:?}");
    }
    for message in ["[energy] lacks `register`", "[energy] lacks `type`", "[energy] lacks `function`"] {
        assert!(problems.iter().any(|(_, what)| what.contains(message)), "{message}: {problems:?}");
    }
    assert_problem(&problems, "70000", "out of range");
    assert_problem(&problems, "\"f33\"", "not an allowed value");
    assert_problem(&problems, "0", "is not a decimal number");
    assert_problem(&problems, "\"W\"", "a unit of power");
    assert!(problems.iter().all(|(_, what)| !what.contains("[power] lacks `type`")), "reported twice: {problems:?}");
}

#[test]
fn a_power_is_required_and_a_counter_is_not() {
    let (profile, problems) = parsed("vendor = \"A\"\nmodel = \"B\"");
    assert_eq!(profile, None);
    assert!(problems[0].1.contains("lacks `power`"), "{problems:?}");
    let profile = good(GOOD.split("[energy]").next().unwrap());
    assert!(!profile.has_counter() && profile.can_reverse());
    assert!(!ReadPlan::new(&profile, &Installation::default()).has_counter());
}

#[test]
fn a_3xxxx_number_from_a_manual_is_accepted_with_a_warning() {
    let (profile, problems) = parsed(&GOOD.replace("0x000C", "30013"));
    assert!(profile.is_some());
    assert_problem(&problems, "30013", "looks like a 3xxxx number of a manual");
}

#[test]
fn a_sum_must_come_in_one_response() {
    let sum = |terms: &str| GOOD.replace("register = 0x0048", &format!("sum = [{terms}]")).replace("rollover", "#");
    assert_eq!(good(&sum("{ register = 30 }, { register = 32, scale = 1 }")).energy.unwrap().terms.len(), 2);
    let (_, problems) = parsed(&sum("{ register = 30 }, { register = 34 }"));
    assert!(problems[0].1.contains("registers between its own"), "{problems:?}");
    let across = sum("{ register = 30 }, { register = 34 }").replace("model", "gaps = true\nmodel");
    assert!(good(&across).gaps.everywhere);
    for apart in
        ["{ register = 30 }, { register = 190 }", "{ register = 30 }, { register = 32, function = \"holding\" }"]
    {
        let (_, problems) = parsed(&sum(apart).replace("model", "gaps = true\nmodel"));
        assert!(problems[0].1.contains("cannot be read in one response"), "{problems:?}");
    }
    let (_, problems) = parsed(&sum("{ register = 30 }").replace("unit = \"kWh\"", "unit = \"kWh\"\nregister = 3"));
    assert_problem(&problems, "3", "cannot be used with `sum`");
    let uneven = sum("{ register = 30 }, { register = 32, scale = 1 }").replace("# =", "rollover =");
    assert_problem(&parsed(&uneven).1, "100000000", "differently scaled terms");
}

#[test]
fn ratings_grow_with_the_transformers() {
    let profile = good(GOOD);
    let installed = |ct, pt| Installation {
        ct_ratio: TransformerRatio::parse(ct).unwrap(),
        pt_ratio: TransformerRatio::parse(pt).unwrap(),
        ..Installation::default()
    };
    assert_eq!(profile.rated_power(&installed("1", "1")), Some(Milliwatts(23_000_000)));
    assert_eq!(profile.rated_power(&installed("200/5", "1")), Some(Milliwatts(920_000_000)));
    assert_eq!(profile.rated_power(&installed("1000000", "1000")), None);
    let unrated = good(&GOOD.replace("max_power", "#"));
    assert_eq!(unrated.rated_power(&installed("1", "1")), None);
}

#[test]
fn the_documentation_matches_the_form() {
    let text = include_str!("../../../docs/profiles.md");
    let examples: Vec<_> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 7);
    for example in examples {
        let document = DeTable::parse(example).unwrap();
        let findings = Findings::default();
        let profiles = Form::root(&document, &findings).named_tables("profile");
        let read: Vec<_> = profiles.into_iter().map(|(name, form)| Profile::from_form(&name, form)).collect();
        assert_eq!(*findings.all(), []);
        assert!(read.len() == 1 && read[0].is_some());
    }
    // Every key that the form asks for is documented: the help of an unknown key names them all.
    let number = "[power]\nregister = 0\nfunction = \"input\"\ntype = \"u16\"\nunit = \"W\"";
    let beside = ["exponent", "sign"].map(|key| format!("{number}\n[power.{key}]"));
    let plain = [
        "",
        "[chain]",
        "[power]",
        "[energy]",
        "[serial_number]",
        "[serial_defaults]",
        "[[identity]]",
        "[[settings]]",
        "[map.a]",
    ];
    let text = text.replace(']', "`");
    for table in plain.into_iter().chain(beside.iter().map(String::as_str)) {
        let toml = format!("{table}\nzzzzzz = 1\n");
        let document = DeTable::parse(&toml).unwrap();
        let findings = Findings::default();
        Profile::from_form(&Name::new("acme-100").unwrap(), Form::root(&document, &findings));
        let help = findings.into_vec().into_iter().find(|it| it.message.contains("unknown key `zzzzzz`")).unwrap().help;
        for key in help.unwrap().trim_start_matches("known keys: ").split(", ") {
            let documented = ["`KEY`", ".KEY`", ".KEY."].map(|form| text.contains(&form.replace("KEY", key)));
            assert!(documented.contains(&true), "{key} of {table:?} is not in the documentation");
        }
    }
}

#[test]
fn values_do_not_share_registers() {
    for (old, new, message) in [
        ("0x0048", "0x000D", "`energy` reads input 0x000D..0x000E, which belongs to `power`"),
        ("0x0048", "0x000C", "which belongs to `power`"),
        ("[energy]", "sum = [{ register = 1 }, { register = 2 }]\n[energy]", "cannot be used with `sum`"),
    ] {
        let problems = problems_after(old, new);
        assert!(problems.iter().any(|(_, what)| what.contains(message)), "{problems:?}");
    }
    let twice = GOOD.replacen("register = 0x000C", "sum = [{ register = 1 }, { register = 2 }]", 1);
    let (_, problems) = parsed(&twice);
    assert!(
        problems.iter().any(|(_, what)| what.contains("`power` reads input 0x0002..0x0003, which belongs to `power`")),
        "{problems:?}"
    );
}
