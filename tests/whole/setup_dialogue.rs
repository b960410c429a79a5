//! `setup` on a terminal: typed answers, Ctrl-C at each question, a window that changes its size, and a second run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use arkmeter::simulator::SimulatedGateway;

use crate::harness::*;
use crate::terminal::{CTRL_C, Terminal};

/// A site without a configuration, and a gateway with two meters that identify themselves; the first is wired the other way.
async fn site_and_gateway() -> (Site, SimulatedGateway) {
    let meters = [(1, -1480.0), (2, 2.0)].map(|(unit, watts)| {
        let meter = sdm630(unit, watts, 8403.0);
        meter.set_device_id(&["Eastron", "SDM630", "1.2"]);
        meter
    });
    let gateway = SimulatedGateway::start(meters).await.unwrap();
    gateway.behave(|gateway| gateway.reports_missing_units = true);
    let site = Site::new(&Plan::new());
    fs::remove_file(site.path("arkmeter.toml")).unwrap();
    (site, gateway)
}

/// Each question, and its answer.
fn dialogue(gateway: &SimulatedGateway) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("Lines to scan", gateway.address().to_string()),
        ("Names [meter_1 meter_2]:", text("heat_pump sauna")),
        ("Then reverse it [y/N]:", text("y")),
        ("Fuses, such as 3x25 or 1x16:", text("3x25 3x16")),
        ("Client of heat_pump:", client(1).to_hex()),
        ("Client of sauna:", text("-")),
        ("Token of account main:", token()),
        ("Write this? [Y/n/show]:", text("")),
        ("Send one report now, to try the token? [y/N]:", text("n")),
    ]
}

fn assert_is_set_up(site: &Site) {
    let text = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    for words in ["[meter.heat_pump]", "eastron-sdm630", "reversed = true", "max_power = \"17250W\"", "[meter.sauna]"] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert_eq!(fs::read_to_string(site.path("main.token")).unwrap().trim(), token());
    let mode = |name: &str| fs::metadata(site.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("main.token"), mode("arkmeter.toml")), (0o640, 0o644));
    assert!(!fs::read_to_string(site.path("setup.toml")).unwrap().contains(&token()));
    assert!(!site.path("setup.saved.toml").exists());
}

#[tokio::test]
async fn ten_typed_answers_set_up_a_line_and_a_second_run_overwrites_nothing() {
    let (site, gateway) = site_and_gateway().await;
    let mut terminal = Terminal::start(&site, &["setup"]);
    let dialogue = dialogue(&gateway);
    assert!(dialogue.len() <= 10);
    for (question, answer) in dialogue {
        terminal.shows(question).await;
        if question.starts_with("Client of heat_pump") {
            terminal.types("0x12").await;
            terminal.shows("characters after 0x").await;
            // A window that becomes narrow during a question does not disturb it.
            terminal.resize(50);
            terminal.shows(question).await;
        }
        if question.starts_with("Write this") {
            terminal.types("show").await;
            terminal.shows("The annotated example of the project explains every setting.").await;
            terminal.shows(question).await;
        }
        terminal.types(&answer).await;
    }
    let (code, shown) = terminal.end().await;
    assert_eq!(code, Some(0), "{shown}");
    let repeat = format!("sudo arkmeter setup --answers {} --config", site.path("setup.toml").display());
    assert!(shown.contains(&repeat), "a command to copy is not wrapped:\n{shown}");
    for words in ["certain: it identifies itself", "heat_pump now reads 1.48 kW", "format ok", "setup --answers"] {
        assert!(shown.contains(words), "{words} is missing:\n{shown}");
    }
    assert!(!shown.contains(&token()), "the token is hidden");
    assert_is_set_up(&site);

    let before = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers("start again, or quit? [a/c/t/n/Q]:", "").await;
    assert_eq!(terminal.end().await.0, Some(0));
    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers("start again, or quit? [a/c/t/n/Q]:", "c").await;
    terminal.answers("Change:", "sauna fuses 3x20").await;
    let (code, shown) = terminal.end().await;
    assert!(code == Some(0) && shown.contains("written: max_power of sauna"), "{shown}");
    assert!(!shown.contains("Nothing was written"), "{shown}");
    let after = fs::read_to_string(site.path("arkmeter.toml")).unwrap();
    assert_eq!(after, before.replace("\"11040W\"   # 3 x 16 A x 230 V = 11.04 kW", "\"13800W\""));

    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers("start again, or quit? [a/c/t/n/Q]:", "t").await;
    terminal.answers("Replace the token of account main? [y/N]:", "y").await;
    let other = token().replace('7', "8");
    terminal.answers("Token of account main:", &other).await;
    assert_eq!(terminal.end().await.0, Some(0));
    assert_eq!(fs::read_to_string(site.path("main.token")).unwrap().trim(), other);
    assert_eq!(fs::read_to_string(site.path("main.token.old")).unwrap().trim(), token());
}

#[tokio::test]
async fn ctrl_c_at_each_question_keeps_what_was_saved_and_the_next_run_resumes() {
    let (site, gateway) = site_and_gateway().await;
    let mut terminal = Terminal::start(&site, &["setup"]);
    for (number, (question, answer)) in dialogue(&gateway).into_iter().enumerate() {
        terminal.shows(question).await;
        let is_written = question.starts_with("Send one report");
        terminal.keys(CTRL_C).await;
        let (code, shown) = terminal.end().await;
        assert_eq!(code, Some(130), "{question}\n{shown}");
        assert_eq!(site.path("arkmeter.toml").exists(), is_written, "{question}");
        assert_eq!(site.path("main.token").exists(), is_written, "{question}");
        let said = match (number, is_written) {
            (0, _) => "Stopped. Nothing was changed.",
            (_, false) => "The configuration was not changed.",
            (_, true) => "Stopped. The configuration is written.",
        };
        assert!(shown.contains(said), "{question}\n{shown}");
        if is_written {
            return assert_is_set_up(&site);
        }
        terminal = Terminal::start(&site, &["setup"]);
        if number > 0 {
            terminal.answers("Resume, or start over? [R/s]:", "").await;
        }
        // A token is never saved: it is asked for again.
        if question.starts_with("Write this") {
            terminal.answers("Token of account main:", &token()).await;
        }
        terminal.answers(question, &answer).await;
    }
}

#[tokio::test]
async fn ctrl_c_during_the_scan_goes_on_with_what_was_found() {
    let (site, gateway) = site_and_gateway().await;
    // Each missing unit now waits for a timeout.
    gateway.behave(|gateway| gateway.reports_missing_units = false);
    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers("Lines to scan", &gateway.address().to_string()).await;
    terminal.shows("2 found").await;
    terminal.keys(CTRL_C).await;
    terminal.shows("2 meters answer (stopped)").await;
    terminal.shows("Names [meter_1 meter_2]:").await;
    terminal.keys(CTRL_C).await;
    assert_eq!(terminal.end().await.0, Some(130));

    let empty = SimulatedGateway::start([]).await.unwrap();
    let mut terminal = Terminal::start(&site, &["setup"]);
    terminal.answers("Resume, or start over? [R/s]:", "s").await;
    terminal.answers("Lines to scan", &empty.address().to_string()).await;
    terminal.shows("unit 2, 0 found").await;
    terminal.keys(CTRL_C).await;
    let (code, shown) = terminal.end().await;
    assert!(code == Some(130) && shown.contains("Stopped. Saved: lines."), "{shown}");
    assert!(!site.path("arkmeter.toml").exists());
}
