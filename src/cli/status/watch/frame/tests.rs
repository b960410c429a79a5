use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

/// The screen as text.
fn shown(state: &WatchState, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(line).collect()
}

/// Two meters that were read for half an hour, one of them with a gap.
fn state() -> WatchState {
    let mut document: Document = serde_json::from_str(include_str!("../../../../status/compose/well.json")).unwrap();
    let meter = document.meters["heat_pump"].clone();
    let sauna = crate::units::Name::new("sauna").unwrap();
    document.meters.insert(sauna, crate::status::MeterStatus { state: MeterState::Held, ..meter });
    (document.well, document.trouble) = (false, vec!["Meter sauna is held: another serial number.".to_owned()]);
    let mut state = WatchState { utf8: true, ..WatchState::default() };
    for (name, power) in document.meters.keys().zip([800_000, 6_000_000]) {
        let ago = |minutes: i64| document.at - jiff::SignedDuration::from_mins(minutes);
        state.trails.add_span(name, ago(30), ago(16), Milliwatts(power / 2));
        state.trails.add_span(name, ago(9), ago(0), Milliwatts(power));
    }
    state.document = Some(document);
    state
}

#[test]
fn a_frame_of_80_by_20_shows_verdict_plots_clients_and_trouble() {
    let text = shown(&state(), 80, 20);
    for words in [
        "! 1 meter is held. Reports go on.",
        "15:23:21 UTC  q quits\n",
        "\nall     3.00 kW",
        "\nmost    6.80 kW",
        "LAST 1 H",
        "heat_pump  ok",
        "sauna      HELD",
        "6.00 kW\n",
        "\nCLIENT",
        "! Meter sauna is held: another serial number.",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let row = text.lines().find(|line| line.starts_with("sauna")).unwrap();
    assert!(row.contains("▄▄▄") && row.contains("···") && row.contains("███"), "{row}");
}

#[test]
fn a_small_screen_leaves_out_plots_and_clients_and_never_fails() {
    let state = state();
    let text = shown(&state, 30, 9);
    assert!(text.contains("sauna      HELD") && !text.contains("LAST") && !text.contains("CLIENT"), "{text}");
    assert!(shown(&state, 24, 9).starts_with("! 1 meter is held...\n"), "the verdict ends at a word");
    for width in [1, 2, 10, 27, 45, 200] {
        for height in [1, 2, 5, 19, 60] {
            shown(&state, width, height);
        }
    }
}

#[test]
fn without_utf_8_the_plot_is_ascii() {
    assert!(shown(&WatchState { utf8: false, ..state() }, 80, 24).is_ascii());
}

#[test]
fn a_daemon_that_is_gone_is_named_and_its_last_figures_stay() {
    let mut state = state();
    let gone = || Err(super::super::StatusError::Control(crate::status::control::ControlError::NoDaemon("x".into())));
    state.take(gone());
    let text = shown(&state, 80, 24);
    assert!(
        text.starts_with("! The daemon is gone since 15:23:21 UTC. Waiting for it. ") && text.contains("sauna"),
        "{text}"
    );
    let mut first = WatchState::default();
    first.take(gone());
    assert!(shown(&first, 80, 24).starts_with("! No daemon runs. Waiting for it. "));
}
