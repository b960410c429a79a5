//! Saved answers, an existing configuration, and changes of it.

use super::*;

const CONFIGURATION: &str = "[account.main]\ntoken_file = \"/etc/arkmeter/main.token\"\n[bus.rail]\nserial = \"/dev/ttyUSB0\"\n\
    [meter.sauna]\nbus = \"rail\"\nunit = 2\nprofile = \"eastron-sdm630\"\nmax_power = \"11kW\"\n\
    client_id = \"0x5555555555555555555555555555555555555555555555555555555555555555\"\n";

fn with_configuration() -> SetupSession {
    let config = Config::of_text(Path::new("arkmeter.toml"), CONFIGURATION, &Environment::default()).unwrap().0;
    let existing = ExistingConfiguration::Valid(Box::new(config));
    SetupSession::new(SetupSituation { existing, ..situation() })
}

#[test]
fn an_interrupted_set_up_is_resumed_or_started_over() {
    let saved = after_scan().answers().clone();
    let situation = SetupSituation { saved: Some((saved, "4 min ago".to_owned())), ..situation() };
    let mut session = SetupSession::new(situation);
    let asked = question(&session);
    assert_eq!(asked.intro, ["Saved 4 min ago: lines, meters."]);
    let mut over = session.clone();
    session.answer("").unwrap();
    assert_eq!(question(&session).key, QuestionKey::Names, "the lines are not scanned again");
    over.answer("s").unwrap();
    assert_eq!(question(&over).key, QuestionKey::Lines);
}

#[test]
fn the_example_is_no_configuration_to_keep() {
    let session = SetupSession::new(SetupSituation { existing: ExistingConfiguration::Example, ..situation() });
    assert_eq!(question(&session).key, QuestionKey::Lines);
}

#[test]
fn a_second_run_adds_meters_to_the_configuration() {
    let mut session = with_configuration();
    let asked = question(&session);
    assert!(asked.intro[0].contains("1 meter and no error. It is kept"), "{asked:?}");
    session.answer("a").unwrap();
    session.answer("2").unwrap();
    let meters = [2, 3].map(|unit| scanned(serial(), unit, "eastron-sdm630", 100));
    assert_eq!(session.scanned(meters.to_vec()), ["unit 2 on rail is sauna already"]);
    assert!(session.answer("sauna").unwrap_err().contains("in the configuration already"));
    for text in ["workshop", "3x16"] {
        session.answer(text).unwrap();
    }
    let taken = id('5');
    assert!(session.answer(&taken).unwrap_err().contains("is the client of sauna already"));
    session.answer(&id('6')).unwrap();
    assert_eq!(question(&session).key, QuestionKey::Confirm, "the account has its token");
    let paths = ConfigurationPaths::new(Path::new("/etc/arkmeter/arkmeter.toml"), "main");
    let added = added_tables(session.answers(), &session.situation().existing, &paths);
    assert!(!added.contains("[account") && !added.contains("[bus") && !added.contains("[status]"), "{added}");
    let text = format!("{CONFIGURATION}{added}");
    let config = Config::of_text(Path::new("arkmeter.toml"), &text, &Environment::default()).unwrap().0;
    assert_eq!(config.meters[&name("workshop")].bus, name("rail"));
}

#[test]
fn a_line_with_other_settings_is_left_out() {
    let mut session = with_configuration();
    for text in ["a", "2"] {
        session.answer(text).unwrap();
    }
    let Link::Serial(settings) = serial() else { unreachable!() };
    let other = Link::Serial(SerialSettings { baud: 19_200, ..settings });
    let remarks = session.scanned(vec![scanned(other, 3, "eastron-sdm630", 1)]);
    assert!(remarks[0].contains("with another baud rate"), "{remarks:?}");
    assert_eq!(question(&session).key, QuestionKey::NothingFound);
}

#[test]
fn a_meter_is_changed_by_one_line() {
    let mut session = with_configuration();
    session.answer("c").unwrap();
    for (text, words) in [
        ("sauna", "METER fuses 3x25"),
        ("garage fuses 3x25", "no meter is named \"garage\"; there is sauna"),
        ("sauna fuses 25", "such as 3x25"),
        ("sauna client 0x12", "64 hex digits"),
    ] {
        let why = session.answer(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
    session.answer("sauna fuses 3x32").unwrap();
    let change = ConfigurationChange { meter: name("sauna"), key: "max_power", value: "\"22080W\"".to_owned() };
    assert_eq!(action(&session), SetupAction::Change(change.clone()));
    session.done(SetupAction::Change(change));
    assert_eq!(session.next(), SetupStep::Finished);
}

#[test]
fn a_token_is_replaced_only_after_a_yes() {
    let mut session = with_configuration();
    session.answer("t").unwrap();
    let mut kept = session.clone();
    kept.answer("").unwrap();
    assert_eq!(kept.next(), SetupStep::Finished);
    session.answer("y").unwrap();
    assert_eq!(question(&session).key, QuestionKey::Token);
    session.answer(&id('7')).unwrap();
    assert_eq!(action(&session), SetupAction::ReplaceToken(name("main")));
}

#[test]
fn a_new_beginning_needs_a_yes_and_a_broken_file_stays() {
    let broken = ExistingConfiguration::Broken("error: unknown key".to_owned());
    for existing in [with_configuration().situation().existing.clone(), broken] {
        let kept = SetupAnswers { socket: Some("/run/a.sock".to_owned()), ..SetupAnswers::default() };
        let mut session = SetupSession::new(SetupSituation { existing, kept, ..situation() });
        let mut quit = session.clone();
        quit.answer("").unwrap();
        assert_eq!(quit.next(), SetupStep::Finished);
        session.answer("n").unwrap();
        let mut no = session.clone();
        no.answer("").unwrap();
        assert_eq!(no.next(), SetupStep::Finished);
        session.answer("y").unwrap();
        assert_eq!(question(&session).key, QuestionKey::Lines);
        assert!(session.answers().replace);
        assert_eq!(session.answers().socket.as_deref(), Some("/run/a.sock"), "nobody is asked for it");
    }
}
