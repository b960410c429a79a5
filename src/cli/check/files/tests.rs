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
