use super::*;

#[test]
fn only_the_stream_that_systemd_named_is_the_journal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let other = tempfile::NamedTempFile::new().unwrap();
    let metadata = |file: &tempfile::NamedTempFile| fs::metadata(file.path()).unwrap();
    let named = format!("{}:{}", metadata(&file).dev(), metadata(&file).ino());
    assert!(is_journal(Some(&named), &metadata(&file)));
    assert!(!is_journal(Some(&named), &metadata(&other)));
    for wrong in [None, Some(""), Some(":"), Some("7"), Some("a:b")] {
        assert!(!is_journal(wrong, &metadata(&file)), "{wrong:?}");
    }
}

#[test]
fn other_crates_are_quiet_unless_they_are_named() {
    let logged = |text: Option<&str>| filter(text).0.to_string();
    assert!(logged(None).contains("hyper=warn"));
    assert!(logged(None).ends_with("info") || logged(None).contains(",info"), "{}", logged(None));
    assert!(logged(Some("debug")).contains("rustls=warn"));
    assert!(logged(Some("debug,hyper=trace")).contains("hyper=trace"));
    assert!(!logged(Some("debug,hyper=trace")).contains("hyper=warn"));
}

#[test]
fn a_filter_with_an_error_is_reported_and_info_is_used() {
    let (used, problem) = filter(Some("arkmeter=loud"));
    assert!(problem.is_some());
    assert_eq!(used.to_string(), filter(None).0.to_string());
    assert_eq!(filter(Some(" ")).1, None);
}
