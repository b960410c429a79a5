//! What is wrong at the moment, of an account or a client: said when it starts or gets worse and when it ends, not each time.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TroubleLevel {
    /// The next slot tries again.
    Watched,
    /// Tried again on its own, with back-off.
    Retrying,
    /// Somebody has to mend it: probed slowly.
    Refused,
    /// Somebody has to mend it, and it is not what can be expected of a working installation.
    Alert,
}

/// Trouble that lasts.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    grade: TroubleLevel,
    /// The worst that was said.
    said: TroubleLevel,
    text: String,
    failures: u64,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    /// Trouble that starts or gets worse.
    Warning(String),
    /// The same, where an operator has to act.
    Alert(String),
    /// Trouble that is over.
    Over(String),
}

impl Trouble {
    pub(crate) fn grade(&self) -> TroubleLevel {
        self.grade
    }

    /// What is wrong and what to do.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Notes trouble; gives a line where it is new or worse than what was said of it.
pub(crate) fn note(trouble: &mut Option<Trouble>, grade: TroubleLevel, text: String) -> Option<LogLine> {
    let failures = trouble.as_ref().map_or(0, |trouble| trouble.failures) + 1;
    let said = trouble.as_ref().map(|trouble| trouble.said);
    let speak = said.is_none_or(|said| grade > said);
    let said = said.map_or(grade, |said| said.max(grade));
    *trouble = Some(Trouble { grade, said, text: text.clone(), failures });
    speak.then(|| if grade == TroubleLevel::Alert { LogLine::Alert(text) } else { LogLine::Warning(text) })
}

/// Ends trouble; gives a line where there was any. `well` says what is well again.
pub(crate) fn end(trouble: &mut Option<Trouble>, well: &str) -> Option<LogLine> {
    let over = trouble.take()?;
    let times = if over.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", over.failures) };
    Some(LogLine::Over(format!("{well} after {times}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_trouble_is_said_once_when_it_starts_worsens_and_ends() {
        let mut trouble = None;
        let mut lines = Vec::new();
        for grade in [
            TroubleLevel::Retrying,
            TroubleLevel::Retrying,
            TroubleLevel::Alert,
            TroubleLevel::Retrying,
            TroubleLevel::Alert,
        ] {
            lines.extend(note(&mut trouble, grade, format!("{grade:?}")));
        }
        assert_eq!(lines, [LogLine::Warning("Retrying".into()), LogLine::Alert("Alert".into())]);
        assert_eq!(end(&mut trouble, "well"), Some(LogLine::Over("well after 5 failures".into())));
        assert_eq!(end(&mut trouble, "well"), None);
    }
}
