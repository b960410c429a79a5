use super::*;

#[test]
fn lasting_trouble_is_logged_when_it_starts_worsens_and_ends() {
    let mut trouble = TroubleLog::default();
    let mut lines = Vec::new();
    for level in [
        TroubleLevel::Retrying,
        TroubleLevel::Retrying,
        TroubleLevel::Alert,
        TroubleLevel::Retrying,
        TroubleLevel::Alert,
    ] {
        lines.extend(trouble.note(level, format!("{level:?}"), Duration::ZERO));
    }
    assert_eq!(lines, [LogLine::Warning("Retrying".into()), LogLine::Alert("Alert".into())]);
    assert_eq!(trouble.end("well"), Some(LogLine::Over("well after 5 failures".into())));
    assert_eq!(trouble.end("well"), None);
}

#[test]
fn trouble_that_comes_and_goes_is_logged_once_an_hour_and_counted() {
    let mut trouble = TroubleLog::default();
    let mut lines = Vec::new();
    // For two hours, every minute.
    for minute in 0..120 {
        lines.extend(trouble.note(TroubleLevel::Watched, "no".into(), Duration::from_secs(60 * minute)));
        lines.extend(trouble.end("well"));
    }
    let (begins, first) = (LogLine::Warning("no".into()), LogLine::Over("well after 1 failure".into()));
    assert_eq!(lines, [begins.clone(), first, begins, LogLine::Over("well after 60 failures".into())]);
}

#[test]
fn soon_after_another_worse_or_lasting_trouble_is_logged() {
    let mut trouble = TroubleLog::default();
    trouble.note(TroubleLevel::Retrying, "first".into(), Duration::ZERO);
    trouble.end("well");
    assert_eq!(trouble.note(TroubleLevel::Retrying, "again".into(), QUIET_FOR / 2), None);
    let worse = trouble.note(TroubleLevel::Alert, "worse".into(), QUIET_FOR / 2);
    assert_eq!(worse, Some(LogLine::Alert("worse".into())));
    trouble.end("well");
    let lasting = (0..5).filter_map(|_| trouble.note(TroubleLevel::Retrying, "lasts".into(), QUIET_FOR / 2));
    assert_eq!(lasting.collect::<Vec<_>>(), [LogLine::Warning("lasts".into())]);
}
