//! `arkmeter status --watch`: the glance, drawn again in place, with the power of the last hours.

mod frame;
mod trail;

use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{StatusError, request};
use crate::cli::context::runtime;
use crate::cli::screen::Screen;
use crate::cli::{exit, print_error};
use crate::history::query::{HistoryPage, HistoryQuery};
use crate::status::Document;
use crate::status::control::{self, ControlError};
use crate::units::Name;
use frame::draw;
use trail::PowerTrails;

/// How often the status is fetched and drawn.
const EVERY: Duration = Duration::from_secs(2);
/// The meters whose history is fetched: more do not fit a screen.
const HISTORIES: usize = 100;
/// Pages of a day of history: its slots may be as short as seconds.
const PAGES: usize = 4;

/// What is drawn.
#[derive(Debug, Default)]
struct WatchState {
    document: Option<Document>,
    trails: PowerTrails,
    /// Why the daemon does not answer, and since when by its own last time.
    gone: Option<String>,
    utf8: bool,
}

/// Watches the daemon at `socket` until q or Ctrl-C. The exit code: that of `status`, or 130 after Ctrl-C or a signal.
pub(super) fn watch(socket: &Path, screen: &Screen) -> u8 {
    if screen.size.is_none() {
        print_error("--watch needs a terminal: print the status once with `arkmeter status`");
        return exit::USAGE;
    }
    let Ok(runtime) = runtime() else { return exit::FAILED };
    // The first answer comes before the screen is taken: an error stays readable.
    let first = match runtime.block_on(fetch(socket, Duration::ZERO, true)) {
        Err(error) if !matches!(error, StatusError::Control(ControlError::NoDaemon(_))) => {
            print_error(&format!("arkmeter: {}", crate::text::chain(&error)));
            return exit::FAILED;
        }
        first => first,
    };
    let outcome = ratatui::try_init().and_then(|mut terminal| {
        let mut state = WatchState { utf8: screen.utf8, ..WatchState::default() };
        state.take(first);
        let code = runtime.block_on(run(socket, &mut state, &mut terminal));
        ratatui::restore();
        code
    });
    // The thread that waits for keys ends with the process.
    std::mem::forget(runtime);
    outcome.unwrap_or_else(|error| {
        ratatui::restore();
        let _ = writeln!(io::stderr(), "arkmeter: the terminal cannot be used: {error}");
        exit::FAILED
    })
}

/// What one fetch gave: the document, and at a new connection the recorded powers.
struct Fetched {
    document: Document,
    history: Vec<(Name, HistoryPage)>,
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, StatusError>> + 'a>>;

async fn run(socket: &Path, state: &mut WatchState, terminal: &mut ratatui::DefaultTerminal) -> io::Result<u8> {
    let mut keys = keys();
    let mut ends = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
    let [Ok(term), Ok(hangup), Ok(interrupt)] = &mut ends else { return Err(io::Error::other("no signals")) };
    let mut fetching: Fetching<'_> = Box::pin(fetch(socket, EVERY, false));
    loop {
        terminal.draw(|frame| draw(frame, state))?;
        tokio::select! {
            fetched = &mut fetching => {
                state.take(fetched);
                fetching = Box::pin(fetch(socket, EVERY, state.gone.is_some()));
            }
            key = keys.recv() => match key {
                Some(WatchKey::Quit) => return Ok(state.exit_code()),
                // Without keys the terminal is gone.
                Some(WatchKey::Interrupt) | None => return Ok(exit::INTERRUPTED),
                Some(WatchKey::Redraw) => {}
            },
            _ = term.recv() => return Ok(exit::INTERRUPTED),
            _ = hangup.recv() => return Ok(exit::INTERRUPTED),
            _ = interrupt.recv() => return Ok(exit::INTERRUPTED),
        }
    }
}

/// Fetches the document after a while, and `with_history` what was recorded of the meters in the last day.
async fn fetch(socket: &Path, after: Duration, with_history: bool) -> Result<Fetched, StatusError> {
    sleep(after).await;
    let (_, document) = request(socket).await?;
    let mut history = Vec::new();
    let from = document.at.checked_sub(trail::LONGEST).ok();
    for name in document.meters.keys().take(if with_history { HISTORIES } else { 0 }) {
        let mut query = HistoryQuery { meter: name.clone(), from, to: None, after: 0 };
        for _ in 0..PAGES {
            // Without a history the plot begins now.
            let Ok(bytes) = control::get(socket, &control::history_path(&query)).await else { break };
            let Ok(page) = serde_json::from_slice::<HistoryPage>(&bytes) else { break };
            let next = page.next;
            history.push((name.clone(), page));
            let Some(next) = next else { break };
            query.after = next;
        }
    }
    Ok(Fetched { document, history })
}

impl WatchState {
    fn take(&mut self, fetched: Result<Fetched, StatusError>) {
        match fetched {
            Ok(Fetched { document, history }) => {
                for (name, page) in &history {
                    for slot in &page.slots {
                        let Some(power) = slot.power else { continue };
                        self.trails.add_span(name, slot.interval.from, slot.interval.to, power.mean_mw);
                    }
                }
                for (name, meter) in &document.meters {
                    if let (Some(at), Some(power)) = (meter.read_at, meter.power_mw) {
                        self.trails.add(name, at, power);
                    }
                }
                self.trails.forget_before(document.at);
                (self.document, self.gone) = (Some(document), None);
            }
            Err(error) => {
                let since = self.document.as_ref().map(|document| clock_time(document.at));
                self.gone.get_or_insert_with(|| match (&error, since) {
                    (StatusError::Control(ControlError::NoDaemon(_)), Some(since)) => {
                        format!("The daemon is gone since {since}. Waiting for it.")
                    }
                    (StatusError::Control(ControlError::NoDaemon(_)), None) => {
                        "No daemon runs. Waiting for it.".to_owned()
                    }
                    (error, _) => format!("The daemon does not answer: {error}. Trying again."),
                });
            }
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.document {
            _ if self.gone.is_some() => exit::NO_DAEMON,
            Some(document) if document.well => 0,
            _ => exit::FAILED,
        }
    }
}

fn clock_time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

enum WatchKey {
    Quit,
    Interrupt,
    /// The window has another size, or a person pressed a key.
    Redraw,
}

/// The keys, from a thread of their own: reading them blocks.
fn keys() -> mpsc::Receiver<WatchKey> {
    /// Keys that wait while the screen is drawn.
    const WAITING: usize = 16;
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind == KeyEventKind::Release => continue,
                Event::Key(key) => match key.code {
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => WatchKey::Interrupt,
                    KeyCode::Char('q' | 'Q') | KeyCode::Esc => WatchKey::Quit,
                    _ => WatchKey::Redraw,
                },
                _ => WatchKey::Redraw,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}
