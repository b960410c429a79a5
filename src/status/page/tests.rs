use std::time::{Duration, Instant};

use super::*;
use crate::config::{self, Environment};
use crate::history::{Calendar, EnergyPeriod, PowerPoint};
use crate::ledger::shown::{ShownEntry, ShownJournal};
use crate::reporter::ClientTrouble;
use crate::status::compose::StatusInputs;
use crate::status::compose::tests::{cabinet, document, guarded, poll};
use crate::units::MilliwattHours;

fn inputs(status: &StatusInputs) -> PageInputs {
    let document = document(status);
    let histories = document.meters.keys().map(|name| (name.clone(), history(document.at, 366)));
    PageInputs {
        histories: histories.collect(),
        config: status.config.clone(),
        document,
        history_note: None,
        calendar: Calendar::Utc,
        local_zone: TimeZone::UTC,
        host: "box-01".to_owned(),
    }
}

/// 24 h of power and as many days of energy as the charts keep of a year, until `at`.
fn history(at: Timestamp, days: i64) -> MeterHistory {
    let today = at.to_zoned(TimeZone::UTC).date();
    let point = |index: i32| PowerPoint::new(1000.0 + 700.0 * (index as f32 / 9.0).sin(), 200.0, 2900.0 + index as f32);
    let back = |back: i64| today.saturating_sub(jiff::Span::new().days(back));
    let kilowatt_hours = |number: i64| MilliwattHours::new(number.unsigned_abs() * 1_000_000).unwrap();
    let day = |ago: i64| EnergyPeriod {
        begins: back(ago),
        energy: kilowatt_hours(10 + ago % 7),
        covered: Some(Duration::from_secs(if ago == 3 { 3600 } else { 86_400 })),
    };
    let month = |ago: i64| {
        let begins = today.first_of_month().saturating_sub(jiff::Span::new().months(ago));
        EnergyPeriod { begins, energy: kilowatt_hours(300 + ago), covered: None }
    };
    MeterHistory {
        from: at.saturating_sub(Duration::from_secs(86_400)).unwrap(),
        point: Duration::from_secs(300),
        power: (0..288).map(|index| Some(point(index)).filter(|_| !(100..110).contains(&index))).collect(),
        days: (0..days.min(31)).rev().filter(|ago| *ago != 5).map(day).collect(),
        months: (0..(days / 30).min(13)).rev().map(month).collect(),
    }
}

fn heat_pump() -> Name {
    Name::new("heat_pump").unwrap()
}

fn journal(reason: &str) -> Journal {
    let entry = serde_json::json!({
        "id": 41, "meter": "heat_pump", "word": "held", "at": "2025-06-15T15:06:40Z", "last": "2025-06-15T15:16:40Z", "count": 3,
        "reason": reason,
    });
    let entry: ShownEntry = serde_json::from_value(entry).unwrap();
    Journal { entries: Ok(ShownJournal { schema: 1, entries: vec![entry] }), serial: Some("24117902".to_owned()) }
}

fn all(inputs: &PageInputs, reason: &str) -> [String; 3] {
    [overview(inputs, 1), meter(inputs, &heat_pump(), &journal(reason)).unwrap(), client(inputs, &heat_pump()).unwrap()]
}

/// A hostile text adds no `<` or `>` to a page.
#[test]
fn foreign_text_is_escaped_on_every_page() {
    let mut status = cabinet();
    let hostile = "</li><script>alert(1)</script><img src=x onerror='alert(2)'> \"&amp;";
    poll(&mut status).error = Some(hostile.to_owned());
    let main = status.accounts.get_mut("main").unwrap();
    main.error = Some(hostile.to_owned());
    main.clients.insert(heat_pump(), ClientTrouble::Answer(hostile.to_owned()));
    status.remarks = vec![hostile.to_owned()];
    status.stalled = vec![hostile.to_owned()];
    let mut inputs = inputs(&status);
    inputs.document.version = hostile.to_owned();
    inputs.document.meters.get_mut("heat_pump").unwrap().map = Some(hostile.to_owned());
    inputs.document.clients.get_mut("heat_pump").unwrap().client_id = hostile.to_owned();
    inputs.history_note = Some(hostile.to_owned());
    inputs.host = hostile.to_owned();
    for html in all(&inputs, hostile) {
        let scripts = html.matches("<script").count();
        assert!(scripts == 1 && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
}

#[test]
fn pages_load_nothing_from_elsewhere_and_have_no_inline_style_or_script() {
    for html in all(&inputs(&cabinet()), "x") {
        for forbidden in ["http:", "https:", "<style", " style=\"", " onclick", "javascript:", "<script>"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn the_overview_shows_total_power_energy_reports_and_each_meter() {
    let html = overview(&inputs(&cabinet()), 1);
    for text in [
        "All is well.</h1>",
        "<p class=\"big\">1.50<span class=\"u\">kW</span></p>",
        "10.0<span class=\"u\">kWh</span>",
        "yesterday 11.0 kWh",
        "in order",
        "1 of 1 clients in order",
        "href=\"/meter/heat_pump\"",
        "href=\"/client/heat_pump\"",
        "180<span class=\"t\">004</span><span class=\"d\">.166</span> kWh",
        "cabinet, unit 7",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
}

#[test]
fn trouble_comes_first_with_the_command_to_copy() {
    let mut status = cabinet();
    guarded(&mut status).held = Some("the register fell; `arkmeter ledger accept heat_pump` takes it now".to_owned());
    let html = overview(&inputs(&status), 1);
    assert!(html.contains("1 meter is held.</h1>"), "{html}");
    let trouble = html.find("<code class=\"cmd\">sudo arkmeter ledger accept heat_pump</code>").unwrap();
    assert!(trouble < html.find("class=\"outs\"").unwrap());
    assert!(html.contains("<span class=\"st held\">"), "a shape and a word");
    let html = meter(&inputs(&status), &heat_pump(), &journal("x")).unwrap();
    assert!(html.contains("This meter is held") && html.contains("sudo arkmeter ledger accept heat_pump"));
}

#[test]
fn the_meters_page_shows_its_energy_journal_line_and_serial_number() {
    let html = meter(
        &inputs(&cabinet()),
        &heat_pump(),
        &journal("the register fell; `arkmeter ledger accept heat_pump` takes it"),
    )
    .unwrap();
    for text in [
        "<title>heat_pump: ok – box-01 – arkmeter</title>",
        "Eastron ",
        "<span class=\"reg\" data-z=\"\">180004<span>.166</span></span>",
        "heat_pump, energy per day, last 30 days",
        "<b>not recorded</b>",
        "</b> with gaps",
        "heat_pump, energy per month, last 12 months",
        "<b>10.0 kWh</b> so far",
        "The register fell; <code>arkmeter ledger accept heat_pump</code>",
        "3 times, last on 15 Jun 2025, 15:16:40",
        "no. 41",
        "24117902",
        "eastron-sdm630",
        "Timeouts",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
    let unread = Journal { entries: Err("the ledger's disk does not answer".to_owned()), serial: None };
    let html = meter(&inputs(&cabinet()), &heat_pump(), &unread).unwrap();
    assert!(
        html.contains("The journal cannot be shown now: the ledger&#39;s disk")
            || html.contains("The journal cannot be shown now: the ledger's disk")
    );
    assert!(meter(&inputs(&cabinet()), &Name::new("nobody").unwrap(), &unread).is_none());
}

#[test]
fn the_clients_page_shows_reports_by_the_hour() {
    let mut inputs = inputs(&cabinet());
    let client_status = inputs.document.clients.get_mut("heat_pump").unwrap();
    client_status.week = [vec![0; 100], vec![12; 67], vec![4]].concat();
    (client_status.hour_reports, client_status.week_reports) = (4, 808);
    let html = client(&inputs, &heat_pump()).unwrap();
    for text in [
        "of 12",
        "808<span class=\"u\">of 2\u{202f}016",
        "<b>before the first</b>",
        "<b>4 of 12</b>",
        "808 reports in 68 hours",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
}

#[test]
fn an_absent_history_is_said_and_hides_no_figure() {
    let mut inputs = inputs(&cabinet());
    inputs.histories.values_mut().for_each(|history| {
        history.power.fill(None);
        history.days.clear();
        history.months.clear();
    });
    inputs.history_note = Some("The history was damaged (x): a new one was started.".to_owned());
    for html in &all(&inputs, "x")[..2] {
        assert!(
            html.contains("The history was damaged (x)") && html.to_lowercase().contains("nothing recorded yet"),
            "{html}"
        );
        assert!(html.contains("1.50<span") && !html.contains("NaN"), "{html}");
    }
}

#[test]
fn days_are_those_of_utc_or_by_a_link_those_of_the_box() {
    let mut inputs = inputs(&cabinet());
    let utc = all(&inputs, "the register fell");
    assert!(
        utc.iter().all(|html| !html.contains("days=local") && !html.contains("Days in UTC")),
        "a box in UTC has no choice"
    );
    inputs.local_zone = TimeZone::posix("XYZ-14").unwrap();
    for html in all(&inputs, "the register fell") {
        assert!(html.contains("href=\"?days=local\">Days of this box") && html.contains("UTC"), "{html}");
    }
    inputs.calendar = Calendar::Local;
    let today = inputs.today();
    assert_eq!(today, inputs.document.at.to_zoned(TimeZone::UTC).date().tomorrow().unwrap(), "14 hours ahead");
    for html in all(&inputs, "the register fell") {
        assert!(html.contains("href=\"?\">Days in UTC") && html.contains("the time zone of this box"), "{html}");
        assert!(html.contains("href=\"/?days=local#meters\"") && !html.contains("style="), "{html}");
        for link in html.split("<a ").skip(1).filter_map(|tag| tag.split("href=\"").nth(1)?.split('"').next()) {
            assert!(!link.starts_with('/') || link.contains("days=local"), "{link} forgets the choice");
        }
    }
}

#[test]
fn every_link_of_many_meters_keeps_the_choice_of_days() {
    let mut inputs = hundred();
    (inputs.local_zone, inputs.calendar) = (TimeZone::posix("XYZ-14").unwrap(), Calendar::Local);
    inputs.document.clients.values_mut().next().unwrap().error = Some("not reported".to_owned());
    inputs.document.trouble.push("Meter apartment_1 was not read".to_owned());
    let html = overview(&inputs, 1);
    let links: Vec<_> = html.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let pages = links.iter().filter(|link| ["meter/", "client/", "#", "?"].iter().any(|begin| link.starts_with(begin)));
    assert!(pages.clone().count() > 200);
    assert!(pages.clone().all(|link| link.contains("days=local")), "{links:?}");
    assert!(overview(&inputs, 2).contains("href=\"?page=2\">Days in UTC"));
}

/// A hundred meters, each with a client of its own.
fn hundred() -> PageInputs {
    let mut text = "[account.main]\ntoken_file = \"/token\"\n[bus.cabinet]\ntcp = \"10.0.0.1:502\"\n".to_owned();
    for unit in 1..=100 {
        text += &format!(
            "[meter.apartment_{unit}]\nbus = \"cabinet\"\nunit = {unit}\nprofile = \"eastron-sdm630\"\nmax_power = \"20kW\"\nclient_id = \"0x{unit:064x}\"\n"
        );
    }
    let config = config::parse("arkmeter.toml".as_ref(), &text, &Environment::default()).unwrap().0;
    let mut status = cabinet();
    let (poll, guarded) = (poll(&mut status).clone(), guarded(&mut status).clone());
    let (client, bus) = (status.ledger.clients["heat_pump"].clone(), status.buses.get_mut("cabinet").unwrap());
    for name in config.meters.keys() {
        bus.meters.insert(name.clone(), poll.clone().into());
        status.ledger.meters.insert(name.clone(), guarded.clone().into());
        status.ledger.clients.insert(name.clone(), client.clone());
    }
    status.config = std::sync::Arc::new(config);
    inputs(&status)
}

#[test]
#[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "sizes and times of the pages")]
fn a_hundred_meters_and_a_year_of_days_fit_in_80_kb_a_page() {
    let mut inputs = hundred();
    assert!(inputs.document.well, "{:?}", inputs.document.trouble);
    // Loads that come and go have the longest paths.
    for history in inputs.histories.values_mut() {
        for (index, point) in history.power.iter_mut().enumerate() {
            let mean = [300.0, 2700.0][index / 9 % 2] + (index % 9) as f32;
            *point = point.map(|point| PowerPoint::new(mean, point.min, point.max));
        }
    }
    let name = Name::new("apartment_7").unwrap();
    let render: [(&str, &dyn Fn() -> String); 3] = [
        ("overview", &|| overview(&inputs, 1)),
        ("meter", &|| meter(&inputs, &name, &journal("the register fell")).unwrap()),
        ("client", &|| client(&inputs, &name).unwrap()),
    ];
    for (page, render) in render {
        render();
        let begin = Instant::now();
        let html = render();
        eprintln!(
            "{page} of 100 meters: {:.1} ms, {:.1} KB",
            begin.elapsed().as_secs_f64() * 1e3,
            html.len() as f64 / 1e3
        );
        assert!(html.len() < 80_000, "{page}: {} bytes", html.len());
        let ids: Vec<_> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{page}: an id is there twice");
    }
    eprintln!("style {:.1} KB, script {:.1} KB", STYLE.len() as f64 / 1e3, SCRIPT.len() as f64 / 1e3);
}

#[test]
fn many_meters_are_shown_page_by_page() {
    let mut inputs = hundred();
    let meter = inputs.document.meters.values().next().unwrap().clone();
    for number in 0..150 {
        inputs.document.meters.insert(Name::new(&format!("shop_{number}")).unwrap(), meter.clone());
    }
    let (first, last) = (overview(&inputs, 1), overview(&inputs, 3));
    assert!(
        first.contains("Page 1 of 3, 250 meters")
            && first.contains("href=\"/?page=2#meters\"")
            && !first.contains("rel=\"prev\"")
    );
    assert!(last.contains("Page 3 of 3") && last.contains("rel=\"prev\"") && !last.contains("rel=\"next\""));
    assert_eq!(last.matches("class=\"mr\"").count(), 50);
}
