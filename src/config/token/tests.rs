use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const TOKEN: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";

fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.token");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

/// The error for a file with this content, with its path replaced by PATH.
fn error_of(content: &[u8], mode: u32) -> String {
    let (_folder, path) = file(content, mode);
    let result = TokenSource::File(path.clone()).read(None);
    let message = result.unwrap_err().to_string();
    assert!(!message.contains("2222"), "{message}");
    message.replace(path.to_str().unwrap(), "PATH")
}

#[test]
fn a_token_is_read_and_never_shown() {
    for content in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!("{TOKEN}\r\n"), format!("\u{FEFF}{TOKEN}\n")] {
        let (_folder, path) = file(content.as_bytes(), 0o640);
        let token = TokenSource::File(path).read(None).unwrap();
        assert_eq!(token.header_value(), format!("Bearer {TOKEN}"));
        assert_eq!(format!("{token} {token:?}"), "(hidden) Token(hidden)");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let remedy = "chown root:arkmeter PATH && chmod 640 PATH";
    for mode in [0o644, 0o642, 0o641, 0o604] {
        let message = error_of(TOKEN.as_bytes(), mode);
        assert_eq!(
            message,
            format!("the token file PATH is open to every user of this machine (mode {mode:04o}): {remedy}")
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none");
    let missing = TokenSource::File(path.clone()).read(None).unwrap_err().to_string();
    let missing = missing.replace(path.to_str().unwrap(), "PATH");
    assert_eq!(missing, format!("there is no token file PATH: put the token there, then: {remedy}"));
}

#[test]
fn a_file_without_a_token_is_refused_without_showing_its_content() {
    let not =
        "the token file PATH does not hold a token: 0x and 64 hex digits, without quotes, spaces or the word Bearer";
    let several = "the token file PATH has several lines: it has to hold the token alone on one line";
    let empty = "the token file PATH is empty: put the token there, 0x and 64 hex digits";
    let large = "the token file PATH is larger than 4 KiB: it has to hold the token and nothing else";
    let with = |characters: &str| format!("{not}; it has invisible characters: {characters}");
    let cases = [
        ("Bearer ", "space U+0020 at 7"),
        (" ", "space U+0020 at 1"),
        ("\u{FEFF}\u{FEFF}\u{200B}", "byte-order mark U+FEFF at 1, zero-width space U+200B at 2"),
        ("\t\u{A0}\u{AD}", "tab U+0009 at 1, no-break space U+00A0 at 2, soft hyphen U+00AD at 3"),
        (
            "\u{202A}\u{2060}\u{1}",
            "direction mark U+202A at 1, invisible operator U+2060 at 2, control character U+0001 at 3",
        ),
    ];
    for (before, named) in cases {
        assert_eq!(error_of(format!("{before}{TOKEN}").as_bytes(), 0o600), with(named));
    }
    for (content, expected) in [
        ("", empty),
        ("\n", empty),
        ("  \n", empty),
        (&TOKEN[2..], not),
        (&TOKEN[..65], not),
        (&format!("{TOKEN}2"), not),
        (&format!("\"{TOKEN}\""), not),
        (&format!("{TOKEN}\n\n"), several),
        (&format!("{TOKEN}\n{TOKEN}\n"), several),
        (&TOKEN.repeat(63), large),
    ] {
        assert_eq!(error_of(content.as_bytes(), 0o600), expected, "{content:?}");
    }
    assert_eq!(error_of(&[0xff, 0xfe], 0o600), format!("{not}; it is UTF-16: save it as plain text (UTF-8)"));
    assert_eq!(error_of(&[0x80], 0o600), format!("{not}; it is not plain text (UTF-8)"));
}

#[test]
fn a_path_that_is_not_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let read_error = |path: &Path| TokenSource::File(path.to_owned()).read(None).unwrap_err();
    assert!(matches!(read_error(folder.path()), TokenError::Folder(_)));
    assert!(matches!(read_error(Path::new("/dev/null")), TokenError::NotAFile { kind: "a device", .. }));
}

#[test]
fn a_credential_stays_within_its_folder() {
    let (folder, _path) = file(TOKEN.as_bytes(), 0o400);
    let credential = |name: &str| TokenSource::Credential(name.to_owned()).read(Some(folder.path()));
    assert!(credential("main.token").is_ok());
    for name in ["../main.token", "a/b", "..", ".", "", "/etc/passwd", "a\0b", "a b"] {
        assert!(matches!(credential(name), Err(TokenError::CredentialName)), "{name:?}");
    }
    let help = "add LoadCredential=main:/etc/arkmeter/main.token to the unit";
    let absent = credential("main").unwrap_err().to_string();
    assert_eq!(absent, format!("systemd gave no credential \"main\": {help}"));
    let unset = TokenSource::Credential("main".into()).read(None).unwrap_err().to_string();
    assert!(unset.ends_with(&format!("$CREDENTIALS_DIRECTORY is not set: {help}")), "{unset}");
}
