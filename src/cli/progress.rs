//! The progress of a long command, on a terminal's standard error only.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Parts of the whole that the bar counts.
const PARTS: f64 = 10_000.0;
/// Redraws a second.
const RATE: u8 = 5;
/// The estimate of the time left is shown from this part on: the first few steps would give a wrong one.
const ESTIMATE_FROM: f64 = 0.005;

/// A progress bar; it is removed from the terminal when this is dropped.
pub(super) struct TerminalProgress(ProgressBar);

impl TerminalProgress {
    /// On standard error if that is a terminal, else nowhere.
    pub(super) fn on_terminal() -> Self {
        let bar = ProgressBar::with_draw_target(Some(PARTS as u64), ProgressDrawTarget::stderr_with_hz(RATE));
        let style = ProgressStyle::with_template("[{bar:20}] {percent:>3} %{prefix}: {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("## "));
        TerminalProgress(bar)
    }

    /// `part` of the whole is done (0 to 1); `text` says what is being done.
    pub(super) fn show(&self, part: f64, text: &str) {
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        self.0.set_prefix(if part > ESTIMATE_FROM { time_left(self.0.elapsed(), part) } else { String::new() });
        self.0.set_message(text.to_owned());
        self.0.set_position((part * PARTS) as u64);
    }

    /// Clears the bar while `print` prints lines.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// Clears what the terminal shows of Ctrl-C: it stands on the line below the bar, because the bar fills its line.
    pub(super) fn interrupted(&self) {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[K\x1b[1A");
        }
    }

    /// Begins a new estimate of the time left.
    pub(super) fn restart(&self) {
        self.0.reset();
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `, 30s left`
fn time_left(elapsed: Duration, part: f64) -> String {
    let seconds = (elapsed.as_secs_f64() * (1.0 - part) / part).ceil();
    format!(", {} left", humantime::format_duration(Duration::from_secs(seconds as u64)))
}

#[cfg(test)]
mod tests;
