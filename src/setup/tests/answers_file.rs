//! Answers files: what they hold, what they lack, and that they repeat a dialogue.

use super::*;

fn parse(text: &str) -> Result<SetupAnswers, String> {
    parse_answers(Path::new("setup.toml"), text).map_err(|problems| problems.render(false))
}

const WHOLE: &str = "start = false\n[account]\nurl = \"http://127.0.0.1:1/v1\"\n[bus.cabinet]\nserial = \"/dev/ttyUSB0\"\nparity = \"even\"\n\
    [meter.b]\nbus = \"cabinet\"\nunit = 2\nprofile = \"eastron-sdm630\"\nfuses = \"3x25\"\nclient = \"-\"\n[meter.a]\nbus = \"cabinet\"\n\
    unit = 1\nfuses = \"17kW\"\nclient = \"-\"\nreversed = true\npoll_every = \"1s\"\n";

#[test]
fn a_dialogue_is_repeated_by_its_file() {
    let mut session = after_scan();
    for text in ["a b c", "y"] {
        session.answer(text).unwrap();
    }
    session.read(vec![(name("a"), reading(1480))]);
    let building = format!("building={}", id('3'));
    for text in ["3x25", &id('1'), &building, "building", &id('7')] {
        session.answer(text).unwrap();
    }
    let text = written_answers(session.answers());
    let answers = parse(&text).unwrap();
    assert_eq!(written_answers(&answers), text);
    let mut repeated = SetupSession::with_answers(SetupSituation { has_token: true, ..situation() }, answers);
    assert_eq!(missing_answers(repeated.answers(), repeated.situation()), [""; 0]);
    repeated.check_answers().unwrap();
    assert_eq!(action(&repeated), SetupAction::Read(vec![name("a"), name("b"), name("c")]));
    repeated.read(["a", "b", "c"].map(|meter| (name(meter), reading(100))).to_vec());
    assert_eq!(action(&repeated), SetupAction::Write);
    assert_eq!(configuration(&repeated), configuration(&session));
}

#[test]
fn meters_keep_the_order_of_the_file() {
    let answers = parse(WHOLE).unwrap();
    let names: Vec<_> = answers.meters.iter().map(|meter| meter.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(parse(&written_answers(&answers)).unwrap(), answers);
}

#[test]
fn unknown_keys_and_wrong_values_are_named_with_their_line() {
    for (text, other, words) in [
        ("fuses = \"3x25\"", "fusse = \"3x25\"", "did you mean `fuses`?"),
        ("fuses = \"3x25\"", "fuses = \"25\"", "such as 3x25"),
        ("client = \"-\"", "client = \"0x12\"", "0x and 64 hex digits"),
        ("unit = 2", "unit = 300", "out of range"),
        ("\"eastron-sdm630\"", "\"eastron-sdm639\"", "did you mean"),
        ("start = false", "start = 1", "write true or false"),
        ("start = false", "lines = [\"/dev/\"]", "not the path of a device"),
        ("[account]", "[account]\ntoken = \"0x77\"", "no secret belongs in this file"),
        ("[account]", "[acount]", "unknown key `acount`"),
    ] {
        let message = parse(&WHOLE.replacen(text, other, 1)).unwrap_err();
        assert!(message.contains(words) && message.contains("setup.toml:"), "{other}: {message}");
        assert!(!message.contains("0x77"), "{message}");
    }
}

#[test]
fn everything_that_is_missing_is_listed_at_once() {
    let text = "[meter.a]\nbus = \"cabinet\"\nunit = 1\nunread = true\n";
    let missing = missing_answers(&parse(text).unwrap(), &situation());
    let words = ["[bus.cabinet]", "`profile` in [meter.a]", "`fuses` in [meter.a]", "`client` in [meter.a]"];
    assert_eq!(missing.len(), words.len(), "{missing:?}");
    missing.iter().zip(words).for_each(|(line, words)| assert!(line.contains(words), "{missing:?}"));
    assert!(missing_answers(&parse("").unwrap(), &situation())[0].contains("no [meter.NAME]"));
}

#[test]
fn a_meter_without_a_model_is_identified_and_an_uncertain_one_is_asked_for() {
    let mut session = SetupSession::with_answers(situation(), parse(WHOLE).unwrap());
    assert_eq!(action(&session), SetupAction::Identify(vec![name("a")]));
    let mut uncertain = session.clone();
    let mut examined = scanned(serial(), 1, "eastron-sdm120", 100).examined;
    session.identified(vec![(name("a"), examined.clone())]);
    assert_eq!(session.meter(&name("a")).unwrap().profile, Some(name("eastron-sdm120")));
    examined.candidates[0].confidence = Confidence::Possible;
    uncertain.identified(vec![(name("a"), examined)]);
    uncertain.read(vec![(name("b"), reading(1))]);
    assert_eq!(question(&uncertain).in_file, "`profile` in [meter.a]");
}

#[test]
fn answers_that_contradict_each_other_are_refused() {
    let text = WHOLE.replace("client = \"-\"", &format!("client = \"{}\"", id('1')));
    let session = SetupSession::with_answers(situation(), parse(&text).unwrap());
    let wrong = session.check_answers().unwrap_err();
    assert!(wrong[0].contains("`client` in [meter.b]") && wrong[0].contains("is the client of a already"), "{wrong:?}");
    assert!(!wrong.concat().contains(&"1".repeat(10)), "{wrong:?}");
}
