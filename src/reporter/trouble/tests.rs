use super::*;

#[test]
fn lasting_trouble_is_logged_when_it_starts_worsens_and_ends() {
    let mut trouble = None;
    let mut lines = Vec::new();
    for level in [
        TroubleLevel::Retrying,
        TroubleLevel::Retrying,
        TroubleLevel::Alert,
        TroubleLevel::Retrying,
        TroubleLevel::Alert,
    ] {
        lines.extend(note(&mut trouble, level, format!("{level:?}")));
    }
    assert_eq!(lines, [LogLine::Warning("Retrying".into()), LogLine::Alert("Alert".into())]);
    assert_eq!(end(&mut trouble, "well"), Some(LogLine::Over("well after 5 failures".into())));
    assert_eq!(end(&mut trouble, "well"), None);
}
