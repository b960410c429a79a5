//! The present trouble of an account or a client. It is logged when it starts, gets worse and ends, not each time.

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
pub(crate) struct Trouble {
    /// How bad it is.
    pub(crate) level: TroubleLevel,
    /// What is wrong and what to do.
    pub(crate) text: String,
    /// The worst level that was logged.
    logged: TroubleLevel,
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

/// Notes trouble. Returns a line if it is new or worse than what was logged.
pub(crate) fn note(trouble: &mut Option<Trouble>, level: TroubleLevel, text: String) -> Option<LogLine> {
    let failures = trouble.as_ref().map_or(0, |trouble| trouble.failures) + 1;
    let logged = trouble.as_ref().map(|trouble| trouble.logged);
    let is_worse = logged.is_none_or(|logged| level > logged);
    let logged = logged.map_or(level, |logged| logged.max(level));
    *trouble = Some(Trouble { level, logged, text: text.clone(), failures });
    is_worse.then(|| if level == TroubleLevel::Alert { LogLine::Alert(text) } else { LogLine::Warning(text) })
}

/// Ends trouble. Returns a line if there was any. `well` names what works again.
pub(crate) fn end(trouble: &mut Option<Trouble>, well: &str) -> Option<LogLine> {
    let over = trouble.take()?;
    let times = if over.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", over.failures) };
    Some(LogLine::Over(format!("{well} after {times}")))
}

#[cfg(test)]
mod tests;
