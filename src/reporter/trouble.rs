//! The present trouble of an account or a client. It is logged when it starts, gets worse and ends, not each time. Pure: the time is an
//! argument.

use std::time::Duration;

/// Trouble that begins within this time after the last that was logged is logged only if it is worse, or lasts.
const QUIET_FOR: Duration = Duration::from_secs(3600);
/// Trouble lasts with so many failures in a row.
const LASTING: u64 = 3;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TroubleLevel {
    /// The next slot tries again.
    Watched,
    /// It is tried again, with back-off.
    Retrying,
    /// An operator must act: probed slowly.
    Refused,
    /// An operator must act, and it is not expected in a working installation.
    Alert,
}

/// Trouble that lasts.
#[derive(Clone, Debug)]
struct Trouble {
    level: TroubleLevel,
    text: String,
    /// The worst level that was logged.
    logged: Option<TroubleLevel>,
    failures: u64,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    /// Trouble that starts or gets worse.
    Warning(String),
    /// The same, if an operator has to act.
    Alert(String),
    /// Trouble that is over.
    Over(String),
}

/// The trouble of one account or client over time. Times are since the boot.
#[derive(Debug, Default)]
pub(crate) struct TroubleLog {
    present: Option<Trouble>,
    /// What was last logged, and when.
    lately: Option<(TroubleLevel, Duration)>,
    /// Failures of troubles that were not logged.
    unlogged: u64,
}

impl TroubleLog {
    /// The level of the present trouble.
    pub(crate) fn level(&self) -> Option<TroubleLevel> {
        self.present.as_ref().map(|trouble| trouble.level)
    }

    /// What is wrong at present and what to do.
    pub(crate) fn text(&self) -> Option<String> {
        self.present.as_ref().map(|trouble| trouble.text.clone())
    }

    /// Notes trouble. Returns a line if it is new or worse than what was logged. Trouble that comes and goes is logged once an hour.
    pub(crate) fn note(&mut self, level: TroubleLevel, text: String, now: Duration) -> Option<LogLine> {
        let failures = self.present.as_ref().map_or(0, |trouble| trouble.failures) + 1;
        let before = self.present.as_ref().and_then(|trouble| trouble.logged);
        let lately = self.lately.filter(|(_, at)| now < *at + QUIET_FOR && failures < LASTING).map(|(level, _)| level);
        let is_news = Some(level) > before.max(lately);
        let logged = if is_news { Some(level) } else { before };
        self.present = Some(Trouble { level, logged, text: text.clone(), failures });
        if !is_news {
            return None;
        }
        self.lately = Some((level, now));
        Some(if level == TroubleLevel::Alert { LogLine::Alert(text) } else { LogLine::Warning(text) })
    }

    /// Ends trouble. Returns a line if its beginning was logged, with all failures since the last such line. `well` names what works again.
    pub(crate) fn end(&mut self, well: &str) -> Option<LogLine> {
        let over = self.present.take()?;
        self.unlogged += over.failures;
        over.logged?;
        let failures = std::mem::take(&mut self.unlogged);
        let times = if failures == 1 { "1 failure".to_owned() } else { format!("{failures} failures") };
        Some(LogLine::Over(format!("{well} after {times}")))
    }
}

#[cfg(test)]
mod tests;
