use super::*;
use crate::units::{MilliwattHours, Name};

/// Four meters with a client each, at a fixed time.
fn document() -> Document {
    let mut document: Document = serde_json::from_str(include_str!("../../../status/compose/well.json")).unwrap();
    let (meter, client) = (document.meters["heat_pump"].clone(), document.clients["heat_pump"].clone());
    let site = [
        ("heat_pump", 1, 1_500_000, 180_004_166),
        ("office", 5, 734_000, 4_918_206),
        ("sauna", 2, 2_100, 2_475_107),
        ("workshop", 3, 4_610_000, 20_523_326),
    ];
    for (name, unit, power, energy) in site {
        let (name, energy) = (Name::new(name).unwrap(), MilliwattHours::new(energy * 1000));
        let meter =
            MeterStatus { unit: Some(unit), power_mw: Some(Milliwatts(power)), published_mwh: energy, ..meter.clone() };
        document.meters.insert(name.clone(), meter);
        document
            .clients
            .insert(name.clone(), ClientStatus { accepted_mwh: energy, meters: vec![name], ..client.clone() });
    }
    document.accounts.get_mut("main").unwrap().next_report_at = Some(document.at + std::time::Duration::from_secs(96));
    document
}

fn with_trouble() -> Document {
    let mut document = document();
    document.well = false;
    let workshop = document.meters.get_mut("workshop").unwrap();
    workshop.state = MeterState::Held;
    workshop.verdict = Some("held".to_owned());
    document.trouble = vec![
        "Meter workshop is held: a meter with another serial number, 24117902, reads 0.412 kWh; the last accepted reading was 20523.326 kWh."
            .to_owned(),
    ];
    document.advice =
        vec!["sauna, unit 2: 12 % CRC errors, other units none: check its wiring, terminals and shield.".to_owned()];
    document
}

fn shown(document: &Document, size: Option<(usize, usize)>) -> String {
    let screen = Screen { size, colour: false, utf8: true };
    glance(document, Some(5_123_000_000), false, &screen).join("\n") + "\n"
}

const AT_80: &str = "\
! 1 meter is held. Reports go on.                           15 Jun, 15:23:21 UTC

! Meter workshop is held: a meter with another serial number, 24117902, reads
  0.412 kWh; the last accepted reading was 20523.326 kWh.

METER      STATE    POWER       PUBLISHED  READ     LINE       VERDICT
heat_pump  ok     1.50 kW  180004.166 kWh  1 s ago  cabinet 1  advanced
office     ok       734 W    4918.206 kWh  1 s ago  cabinet 5  advanced
sauna      ok       2.1 W    2475.107 kWh  1 s ago  cabinet 2  advanced
workshop   HELD   4.61 kW   20523.326 kWh  1 s ago  cabinet 3  held
                  6.85 kW

CLIENT           ACCEPTED  WHEN      THIS HOUR   THIS WEEK  NEXT
heat_pump  180004.166 kWh  11 s ago    5 of 12  17 of 2016  in 96 s
office       4918.206 kWh  11 s ago    5 of 12  17 of 2016  in 96 s
sauna        2475.107 kWh  11 s ago    5 of 12  17 of 2016  in 96 s
workshop    20523.326 kWh  11 s ago    5 of 12  17 of 2016  in 96 s

main   ok, 8 accepted, 0 refused        clock  synchronised
disk   5.1 GB free                      up     16 min, arkmeter V

* sauna, unit 2: 12 % CRC errors, other units none: check its wiring, terminals
  and shield.
";

#[test]
fn a_terminal_of_80_columns_shows_everything_at_a_glance() {
    assert_eq!(shown(&with_trouble(), Some((80, 50))), AT_80);
}

#[test]
fn a_pipe_gets_the_text_of_80_columns() {
    assert_eq!(shown(&with_trouble(), None), AT_80);
}

#[test]
fn a_wide_terminal_wraps_sentences_at_100_columns() {
    let text = shown(&with_trouble(), Some((120, 50)));
    let expected = "\
! 1 meter is held. Reports go on.                                               15 Jun, 15:23:21 UTC

! Meter workshop is held: a meter with another serial number, 24117902, reads 0.412 kWh; the last
  accepted reading was 20523.326 kWh.

METER      STATE    POWER       PUBLISHED  READ     LINE       VERDICT
";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_narrow_terminal_drops_columns_and_wraps_nothing_but_sentences() {
    let expected = "\
ok  4 meters are read, 4 clients are
    reported.

METER      STATE    POWER
heat_pump  ok     1.50 kW
office     ok       734 W
sauna      ok       2.1 W
workshop   ok     4.61 kW
                  6.85 kW

CLIENT           ACCEPTED  WHEN
heat_pump  180004.166 kWh  11 s ago
office       4918.206 kWh  11 s ago
sauna        2475.107 kWh  11 s ago
workshop    20523.326 kWh  11 s ago

main   ok, 8 accepted, 0 refused
clock  synchronised
disk   5.1 GB free
up     16 min, arkmeter V
";
    assert_eq!(shown(&document(), Some((40, 50))), expected);
    for width in [20, 30, 40, 50, 60, 70, 80] {
        let text = shown(&with_trouble(), Some((width, 60)));
        let tables = text.lines().filter(|line| line.contains(" ok ") || line.starts_with("METER"));
        assert!(
            tables.clone().count() >= 4 && tables.clone().all(|line| line.chars().count() <= width.max(25)),
            "{text}"
        );
    }
}

#[test]
fn ten_meters_fit_80_by_24_with_the_verdict_first() {
    let mut document = document();
    for number in 0..6 {
        let name = Name::new(&format!("floor_{number}")).unwrap();
        document.meters.insert(name.clone(), document.meters["office"].clone());
        document.clients.insert(name, document.clients["office"].clone());
    }
    let text = shown(&document, Some((80, 24)));
    assert!(
        text.lines().count() < 24 && text.starts_with("ok  10 meters are read, 10 clients are reported."),
        "{text}"
    );
    assert!(text.contains("\n10 clients are accepted, 11 s ago or later; each: --lines\n"), "{text}");
    // A client with trouble keeps its row.
    document.clients.get_mut("sauna").unwrap().error = Some("refused".to_owned());
    let text = shown(&document, Some((80, 24)));
    assert!(
        text.lines().count() < 24
            && text.contains("\nsauna   2475.107 kWh  11 s ago !    5 of 12  17 of 2016  in 96 s\n9 clients are"),
        "{text}"
    );
    // What does not fit at all ends with the verdict.
    let text = shown(&document, Some((80, 12)));
    assert_eq!(text.lines().next(), text.lines().last(), "{text}");
}

#[test]
fn a_screen_without_utf_8_gets_ascii_only() {
    let mut document = with_trouble();
    document.trouble[0].push('…');
    let screen = Screen { size: None, colour: false, utf8: false };
    let text = glance(&document, None, true, &screen).join("\n");
    assert!(text.is_ascii() && text.contains("kWh....") && text.contains("0x1212...1212"), "{text}");
}

#[test]
fn the_verdict_says_what_does_not_work() {
    let mut document = document();
    for account in document.accounts.values_mut() {
        account.state = ReportingState::Retrying;
    }
    document.well = false;
    assert_eq!(verdict(&document), "4 of 4 clients not reported.");
    document.meters.get_mut("sauna").unwrap().state = MeterState::Stale;
    document.meters.get_mut("office").unwrap().state = MeterState::Held;
    assert_eq!(verdict(&document), "1 of 4 meters not read, 1 meter is held, 4 of 4 clients not reported.");
    document.well = true;
    assert_eq!(verdict(&document), "3 of 4 meters are read so far, 0 of 4 clients reported so far.");
}
