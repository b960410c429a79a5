//! A line on a terminal's standard error that says how far a long command is; nothing where it is no terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

/// Drawn anew so often.
const EVERY: Duration = Duration::from_millis(200);
/// The bar's width in characters.
const WIDTH: usize = 20;

/// The line; it is wiped away when this is dropped.
pub struct Bar {
    err: Option<Box<dyn Write>>,
    begin: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    /// On standard error, where that is a terminal.
    pub fn on_terminal() -> Self {
        let err = std::io::stderr();
        let terminal = err.is_terminal();
        Bar { err: terminal.then(|| Box::new(err) as Box<dyn Write>), begin: Instant::now(), drawn: None }
    }

    /// `part` of the whole is done, 0 to 1.
    pub fn draw(&mut self, part: f64, text: &str) {
        let now = Instant::now();
        if self.drawn.is_some_and(|drawn| now < drawn + EVERY) {
            return;
        }
        let Some(err) = &mut self.err else { return };
        self.drawn = Some(now);
        let line = line(part, now - self.begin, text);
        // Who cannot be written to is not told.
        let _ = write!(err, "\r\x1b[K{line}").and_then(|()| err.flush());
    }

    /// Begins a new estimate.
    pub fn restart(&mut self) {
        (self.begin, self.drawn) = (Instant::now(), None);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let (Some(err), Some(_)) = (&mut self.err, self.drawn) {
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

/// `[#####               ]  25 %, 30s left: 9600 baud 8N1, unit 7`.
fn line(part: f64, elapsed: Duration, text: &str) -> String {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let filled = (part * WIDTH as f64) as usize;
    let left = match elapsed.as_secs_f64() * (1.0 - part) / part {
        // An estimate from the first few steps would be none.
        seconds if part > 0.005 && seconds.is_finite() => {
            let left = Duration::from_secs(seconds.ceil() as u64);
            format!(", {} left", humantime::format_duration(left))
        }
        _ => String::new(),
    };
    format!("[{:<WIDTH$}] {:>3.0} %{left}: {text}", "#".repeat(filled), part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_estimated_by_what_was_done() {
        let line = |part| line(part, Duration::from_secs(10), "unit 7");
        assert_eq!(line(0.25), "[#####               ]  25 %, 30s left: unit 7");
        assert_eq!(line(1.0), "[####################] 100 %, 0s left: unit 7");
        assert_eq!(line(0.0), "[                    ]   0 %: unit 7");
        assert_eq!(line(f64::NAN), line(0.0));
    }
}
