//! The session from the first question to the last action, and everything that an answer can be.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{Config, Environment};
use crate::meter::library;
use crate::modbus::{Link, LinkSettings, SerialSettings};
use crate::survey::{Candidate, Confidence, Examination, FoundUnit};
use crate::units::{MilliwattHours, Milliwatts, Name, Parity, UnitId};

mod answers_file;
mod opening;

fn id(digit: char) -> String {
    format!("0x{}", digit.to_string().repeat(64))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn serial() -> Link {
    Link::Serial(SerialSettings { path: "/dev/ttyUSB0".into(), baud: 9600, parity: Parity::None, stop_bits: 1 })
}

/// A unit that a scan found, with this model and power in watts; no model if it is empty.
fn scanned(link: Link, unit: i64, model: &str, watts: i64) -> ScannedMeter {
    let timeout = Duration::from_secs(1);
    let settings =
        LinkSettings { link, timeout, request_gap: Duration::ZERO, connect_delay: Duration::ZERO, lender: None };
    let found = FoundUnit { settings, unit: UnitId::new(unit).unwrap(), any_unit: false };
    let candidates = library().find(model).map(|entry| Candidate {
        profile: entry.profile.clone(),
        alike: Vec::new(),
        confidence: Confidence::Certain,
        score: 9,
        reasons: Vec::new(),
        power: Some(Milliwatts(watts * 1000)),
        energy: MilliwattHours::new(8_403_112_000),
        serial: Some("19440817".to_owned()),
    });
    let examined = Examination { candidates: candidates.into_iter().collect(), ..Examination::default() };
    ScannedMeter { found, examined }
}

fn adapter(path: &str, user: LineUser) -> OfferedLine {
    OfferedLine { line: LineChoice::Serial(path.into()), kind: "USB".to_owned(), user }
}

fn situation() -> SetupSituation {
    SetupSituation {
        lines: vec![
            adapter("/dev/serial/by-id/usb-held", LineUser::Program("ModemManager (pid 612)".into())),
            adapter("/dev/ttyUSB0", LineUser::Nobody),
        ],
        may_write: true,
        has_service: true,
        ..SetupSituation::default()
    }
}

fn question(session: &SetupSession) -> Question {
    match session.next() {
        SetupStep::Ask(question) => *question,
        step => panic!("a question is next: {step:?}"),
    }
}

fn action(session: &SetupSession) -> SetupAction {
    match session.next() {
        SetupStep::Do(action) => action,
        step => panic!("an action is next: {step:?}"),
    }
}

fn reading(watts: i64) -> Result<MeterReading, String> {
    let (power, energy) = (Some(Milliwatts(watts * 1000)), MilliwattHours::new(8_403_112_000));
    Ok(MeterReading { power, energy, serial: None })
}

/// A session after the scan of one line with three meters, the first of them reversed.
fn after_scan() -> SetupSession {
    let mut session = SetupSession::new(situation());
    session.answer("").unwrap();
    assert_eq!(action(&session), SetupAction::Scan);
    assert_eq!(session.answers().lines, [LineChoice::Serial("/dev/ttyUSB0".into())]);
    let models = [(1, "eastron-sdm630", -1480), (2, "eastron-sdm120", 2), (3, "eastron-sdm630", 3920)];
    session.scanned(models.map(|(unit, model, watts)| scanned(serial(), unit, model, watts)).to_vec());
    session
}

fn configuration(session: &SetupSession) -> Config {
    let paths = ConfigurationPaths::new(Path::new("/etc/arkmeter/arkmeter.toml"), "main");
    let text = added_tables(session.answers(), &session.situation().existing, &paths);
    let loaded = Config::of_text(Path::new("arkmeter.toml"), &text, &Environment::default());
    loaded.unwrap_or_else(|error| panic!("{}\n{text}", error.render(false))).0
}

#[test]
fn three_meters_on_one_line_take_at_most_ten_answers() {
    let mut session = after_scan();
    let mut typed = 1;
    let mut answer = |session: &mut SetupSession, key: QuestionKey, text: &str| {
        assert_eq!(question(session).key, key);
        typed += 1;
        session.answer(text).unwrap()
    };
    answer(&mut session, QuestionKey::Names, "heat_pump sauna workshop");
    answer(&mut session, QuestionKey::Direction(name("heat_pump")), "y");
    assert_eq!(action(&session), SetupAction::Read(vec![name("heat_pump")]));
    assert_eq!(session.read(vec![(name("heat_pump"), reading(1480))]), ["heat_pump now reads 1.48 kW."]);
    let remarks = answer(&mut session, QuestionKey::Fuses, "3x25 3x16 17kW");
    assert_eq!(remarks[0], "heat_pump    3 x 25 A x 230 V = 17.25 kW");
    answer(&mut session, QuestionKey::Client(name("heat_pump")), &id('1'));
    answer(&mut session, QuestionKey::Client(name("sauna")), &format!("building={}", id('3')));
    answer(&mut session, QuestionKey::Client(name("workshop")), "building");
    answer(&mut session, QuestionKey::Token, &id('7'));
    answer(&mut session, QuestionKey::Confirm, "");
    assert!(typed <= 10, "{typed}");
    for next in [SetupAction::Write, SetupAction::Start] {
        assert_eq!(action(&session), next);
        session.done(next);
    }
    assert_eq!(session.next(), SetupStep::Finished);
    assert_eq!(session.new_clients(), [name("heat_pump"), name("building")]);

    let config = configuration(&session);
    assert_eq!(config.clients[&name("building")].meters, [name("sauna"), name("workshop")]);
    let heat_pump = &config.meters[&name("heat_pump")];
    assert!(heat_pump.installation.reversed && heat_pump.max_power == Milliwatts(17_250_000));
    assert_eq!(config.meters[&name("workshop")].max_power, Milliwatts(17_000_000));
    assert_eq!(config.buses[&name("cabinet")].link, serial());
}

#[test]
fn the_checklist_shows_live_values_and_fits_80_columns() {
    let session = after_scan();
    let asked = question(&session);
    let text = asked.intro.join("\n");
    for words in
        ["cabinet 1", "Eastron SDM630", "-1.48 kW", "8403.112 kWh", "19440817", "certain: it identifies itself"]
    {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert!(asked.intro.iter().all(|line| line.chars().count() <= 78), "{text}");
    assert_eq!(asked.prompt, "Names [meter_1 meter_2 meter_3]:");
}

#[test]
fn a_wrong_answer_says_what_to_write_and_changes_nothing() {
    let mut session = SetupSession::new(situation());
    let refuse = |session: &mut SetupSession, text: &str, words: &str| {
        let before = session.next();
        let why = session.answer(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
        assert_eq!(session.next(), before);
    };
    refuse(&mut session, "3", "the list ends with 2");
    refuse(&mut session, "/dev/", "not the path of a device");
    refuse(&mut session, "rtu:10.0.0.7", "write rtu:HOST:PORT");
    refuse(&mut session, "10.0.0.0/64", "not a network");
    refuse(&mut session, "-1", "neither an address nor the name");
    let mut session = after_scan();
    refuse(&mut session, "a b", "2 names for 3 meters");
    refuse(&mut session, "heat pump b c", "without a space in it");
    refuse(&mut session, "a b b", "b is there twice");
    refuse(&mut session, "ä b c", "letters from a to z");
    refuse(&mut session, "a b c=nosuchmodel", "no model `nosuchmodel`: `arkmeter profiles list`");
    refuse(&mut session, "a b c/d", "`c/d` is not a name");
    refuse(&mut session, "a b c=eastron-sdm639", "no model `eastron-sdm639`: did you mean eastron-sdm");
    refuse(&mut session, "- - -", "name at least one");
    session.answer("a b -").unwrap();
    assert!(question(&session).prompt.len() <= 70, "the answer has room beside it");
    refuse(&mut session, "maybe", "write y or n");
    session.answer("n").unwrap();
    refuse(&mut session, "", "there is no default");
    refuse(&mut session, "2x16", "1 or 3 phases");
    refuse(&mut session, "3x0", "1 to 2000 A");
    refuse(&mut session, "3x25 3x25 3x25", "3 fuses for 2 meters");
    assert_eq!(
        session.answer("3 x 25 A, 17 kW").unwrap(),
        ["a            3 x 25 A x 230 V = 17.25 kW", "b            17 kW"],
        "as it is printed"
    );
    refuse(&mut session, &id('1')[..60], "58 characters after 0x");
    refuse(&mut session, "building", "no client that was started with NAME=0x... (none)");
    refuse(&mut session, "a", "no client that was started");
    refuse(&mut session, "12", "12 is no identifier");
    refuse(&mut session, &id('1').replace('1', "g"), "another character among them");
    refuse(&mut session, &format!("a={}", id('1')), "a is the name of a meter");
    session.answer(&id('1')).unwrap();
    refuse(&mut session, &id('1'), "is the client of a already");
    session.answer("-").unwrap();
    refuse(&mut session, &id('7')[2..], "this does not begin with 0x");
    refuse(&mut session, &format!("\"{}\"", id('7')), "leave out the quotes");
    refuse(&mut session, &id('7').replace('7', "g"), "another character among them");
    refuse(&mut session, &id('7')[..65], "this has 63 characters after 0x");
    refuse(&mut session, &id('1'), "this is the client identifier of a");
    session.answer(&id('7')).unwrap();
    refuse(&mut session, "maybe", "write y, n or show");
}

#[test]
fn a_secret_is_never_repeated() {
    let mut session = after_scan();
    session.answer("a - -").unwrap();
    session.answer("n").unwrap();
    session.answer("3x25").unwrap();
    let token = id('7');
    let said = session.answer(&token).unwrap().join("\n") + &session.answer(&format!("{token}7")).unwrap_err();
    assert!(!said.contains(&"7".repeat(10)), "{said}");
    session.answer(&id('8')).unwrap();
    assert!(!format!("{session:?}").contains(&"8".repeat(10)));
    assert!(!written_answers(session.answers()).contains(&"8".repeat(10)));
}

#[test]
fn a_meter_that_is_silent_can_be_written_unread_or_left_out() {
    let mut session = after_scan();
    session.answer("a=eastron-sdm120 b c").unwrap();
    assert_eq!(action(&session), SetupAction::Read(vec![name("a")]), "another model has other registers");
    session.read(vec![(name("a"), Err("no answer from unit 1 within 1s".to_owned()))]);
    let asked = question(&session);
    assert_eq!(asked.key, QuestionKey::Silent(name("a")));
    assert!(asked.intro[0].contains("no answer from unit 1"), "{asked:?}");
    let mut other = session.clone();
    session.answer("").unwrap();
    assert_eq!(action(&session), SetupAction::Read(vec![name("a")]));
    session.read(vec![(name("a"), Err("no answer".to_owned()))]);
    session.answer("u").unwrap();
    assert_eq!(question(&session).key, QuestionKey::Fuses);
    other.answer("x").unwrap();
    assert_eq!(other.answers().meters.len(), 2);
}

#[test]
fn nothing_found_leads_to_another_scan_another_line_or_unread_meters() {
    let mut session = SetupSession::new(situation());
    session.answer("2 192.168.10.20").unwrap();
    session.scanned(Vec::new());
    assert_eq!(question(&session).key, QuestionKey::NothingFound);
    let (mut again, mut other, mut demo) = (session.clone(), session.clone(), session.clone());
    again.answer("").unwrap();
    assert_eq!(action(&again), SetupAction::Scan);
    other.answer("l").unwrap();
    assert_eq!(question(&other).key, QuestionKey::Lines);
    demo.answer("d").unwrap();
    assert_eq!(action(&demo), SetupAction::Demo);
    session.answer("u").unwrap();
    assert!(session.answer("1").unwrap_err().contains("UNIT=MODEL"));
    session.answer("1=eastron-sdm630,2=eastron-sdm120").unwrap();
    assert!(question(&session).intro.iter().any(|line| line.contains("as you wrote it")), "no empty line");
    session.answer("a b").unwrap();
    assert_eq!(question(&session).key, QuestionKey::Fuses, "it is not read");
    session.answer("3x25").unwrap();
    assert_eq!(configuration(&session).meters.len(), 2);
}

#[test]
fn without_root_the_answers_are_saved_and_nothing_is_written() {
    let mut session = SetupSession::new(SetupSituation { may_write: false, ..situation() });
    session.answer("").unwrap();
    session.scanned(vec![scanned(serial(), 1, "eastron-sdm630", 100)]);
    for text in ["a", "3x25"] {
        session.answer(text).unwrap();
    }
    session.answer(&id('1')).unwrap();
    let asked = question(&session);
    assert_eq!((&asked.key, &asked.prompt[..16]), (&QuestionKey::Confirm, "Save the answers"), "no token is asked for");
    session.answer("y").unwrap();
    assert_eq!(session.next(), SetupStep::Finished);
}

#[test]
fn the_names_of_lines_and_the_devices_of_this_box() {
    let mut session = SetupSession::new(situation());
    let asked = question(&session);
    assert!(asked.intro[0].contains("held by ModemManager (pid 612)") && asked.intro[1].ends_with("free"), "{asked:?}");
    assert_eq!(asked.default.as_deref(), Some("2"), "the first that is free");
    let mut polled = situation();
    polled.lines.push(OfferedLine {
        line: LineChoice::Tcp("10.0.0.7:502".into()),
        kind: "gateway".into(),
        user: LineUser::Daemon,
    });
    let asked = question(&SetupSession::new(polled));
    let shown = asked
        .intro
        .iter()
        .any(|line| line.starts_with("3  gateway, 10.0.0.7:502") && line.ends_with("polled by arkmeter"));
    assert!(shown && asked.intro.iter().any(|line| line.contains("between its polls")), "{asked:?}");
    assert_eq!(asked.default.as_deref(), Some("3"), "beside a running daemon its line");
    assert!(asked.intro.iter().all(|line| line.len() <= 78), "{asked:?}");
    session.answer("2 rtu:10.0.0.9:4196 10.0.0.7 2").unwrap();
    assert_eq!(session.answers().lines.len(), 3);
    let links = [serial(), Link::Tcp("10.0.0.7:502".into()), Link::Tcp("10.0.0.8:502".into())];
    session.scanned(links.map(|link| scanned(link, 1, "eastron-sdm630", 100)).to_vec());
    let buses: Vec<_> = session.answers().buses.keys().map(Name::as_str).collect();
    assert_eq!(buses, ["cabinet", "gateway", "gateway_2"]);
    assert_eq!(LineChoice::Serial("/dev/ttyUSB0".into()), session.situation().lines[1].line);
}
