//! What is wrong at the moment, of an account or a client: said when it starts or gets worse and when it ends, not each time.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
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
    grade: Grade,
    /// The worst that was said.
    said: Grade,
    text: String,
    failures: u64,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Trouble that starts or gets worse.
    Warning(String),
    /// The same, where an operator has to act.
    Alert(String),
    /// Trouble that is over.
    Over(String),
}

impl Trouble {
    pub(crate) fn grade(&self) -> Grade {
        self.grade
    }

    /// What is wrong and what to do.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Notes trouble; gives a line where it is new or worse than what was said of it.
pub(crate) fn note(trouble: &mut Option<Trouble>, grade: Grade, text: String) -> Option<Line> {
    let failures = trouble.as_ref().map_or(0, |trouble| trouble.failures) + 1;
    let said = trouble.as_ref().map(|trouble| trouble.said);
    let speak = said.is_none_or(|said| grade > said);
    let said = said.map_or(grade, |said| said.max(grade));
    *trouble = Some(Trouble { grade, said, text: text.clone(), failures });
    speak.then(|| if grade == Grade::Alert { Line::Alert(text) } else { Line::Warning(text) })
}

/// Ends trouble; gives a line where there was any. `well` says what is well again.
pub(crate) fn end(trouble: &mut Option<Trouble>, well: &str) -> Option<Line> {
    let over = trouble.take()?;
    let times = if over.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", over.failures) };
    Some(Line::Over(format!("{well} after {times}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_trouble_is_said_once_when_it_starts_worsens_and_ends() {
        let mut trouble = None;
        let mut lines = Vec::new();
        for grade in [Grade::Retrying, Grade::Retrying, Grade::Alert, Grade::Retrying, Grade::Alert] {
            lines.extend(note(&mut trouble, grade, format!("{grade:?}")));
        }
        assert_eq!(lines, [Line::Warning("Retrying".into()), Line::Alert("Alert".into())]);
        assert_eq!(end(&mut trouble, "well"), Some(Line::Over("well after 5 failures".into())));
        assert_eq!(end(&mut trouble, "well"), None);
    }
}
