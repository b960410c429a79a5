use super::*;
use crate::finding::Severity;

#[test]
fn a_credential_that_a_reload_cannot_read_is_not_an_error() {
    let name = Name::new("main").unwrap();
    let path = PathBuf::from("/run/credentials/arkmeter.service/main");
    let denied = TokenError::Denied(path.clone());
    assert!(of_token(&name, &TokenSource::Credential("main".into()), &denied).is_none());
    assert_eq!(of_token(&name, &TokenSource::File(path), &denied).unwrap().severity, Severity::Error);
    let none = TokenError::NoCredential { name: "main".into() };
    assert_eq!(of_token(&name, &TokenSource::Credential("main".into()), &none).unwrap().severity, Severity::Error);
}

#[test]
fn a_unit_that_allows_too_little_memory_is_a_warning_with_the_lines_to_write() {
    let text = |meters: usize| {
        let bus = "[account.main]\ntoken_file = \"/token\"\n[bus.gateway]\ntcp = \"192.0.2.1:502\"\n".to_owned();
        let meter = |number| {
            format!(
                "[meter.m{number}]\nbus = \"gateway\"\nunit = {number}\nprofile = \"eastron-sdm630\"\nmax_power = \"9kW\"\n"
            )
        };
        bus + &(1..=meters).map(meter).collect::<String>()
    };
    let config =
        |meters| crate::config::parse("arkmeter.toml".as_ref(), &text(meters), &Environment::default()).unwrap().0;
    let needed = memory::estimate(200, 1);
    assert!(too_little_memory(&config(200), needed).is_none());
    let remark = too_little_memory(&config(200), needed - 1).unwrap();
    assert_eq!(remark.severity, Severity::Warning);
    let max = memory::memory_max(needed);
    let remedy = format!("write `[Service]` and `MemoryMax={max}M` into a drop-in (systemctl edit arkmeter)");
    assert!(remark.message.starts_with("200 meters on 1 bus may need"), "{}", remark.message);
    assert!(remark.message.ends_with(&remedy), "{}", remark.message);
}
