use std::os::unix::fs::PermissionsExt;

use super::*;

const TOKEN: &str = "7777777777777777777777777777777777777777777777777777777777777777";

/// The bundle of a configuration in a folder of its own, with a token beside it.
async fn bundle(text: &str) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arkmeter.toml");
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("secret"), format!("0x{TOKEN}\n")).unwrap();
    fs::write(folder.path().join("odd"), "correct horse battery\n").unwrap();
    let (environment, state) = (Environment::default(), folder.path().join("state"));
    let socket = folder.path().join("control.sock");
    let site = Installation { path: &path, environment: &environment, state: &state, socket: &socket };
    collect(&site, &Clock::system()).await
}

#[tokio::test]
async fn a_bundle_is_written_without_daemon_ledger_or_configuration() {
    let text = bundle("").await.text;
    for part in [
        "== arkmeter\nversion",
        "does not run",
        "== problems\n",
        "== status\nno arkmeter daemon answers at",
        "== ledger\nthere is no ledger in",
        "== system\n-- /proc/version\nLinux",
        "== serial devices\n",
        "== log, the newest line first\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn no_token_is_in_the_bundle_even_if_the_configuration_is_broken() {
    let broken = format!(
        "[account.a]\ntoken_file = \"secret\"\ntoken = \"hunter2hunter2\"\n# {TOKEN}, correct horse battery\n\
         [account.b]\ntoken_file = 'odd'\nnonsense\n[bus.b{}]\n",
        &TOKEN[..9]
    );
    for text in [&broken, &broken.replace("nonsense\n", "")] {
        let bundle = bundle(text).await;
        assert!(bundle.text.contains("token_file = \"secret\""), "{}", bundle.text);
        for secret in [&TOKEN[..9], "hunter2", "horse battery"] {
            assert!(!bundle.text.contains(secret), "{secret} is in\n{}", bundle.text);
        }
    }
}

#[test]
fn a_section_is_masked_before_it_is_cut() {
    let mut secrets = Secrets::default();
    secrets.add(TOKEN);
    let mut sections = Sections { text: String::new(), secrets };
    sections.add("one", &format!("{}{TOKEN}\n", "é".repeat(MAX_SECTION / 2 - 3)));
    assert!(!sections.text.contains("777") && sections.text.ends_with("(cut here)\n\n"));
    assert!(sections.text.len() < MAX_SECTION + 100);
}

#[test]
fn only_the_owner_can_read_the_file_and_it_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.txt");
    let bundle = Bundle { text: "== arkmeter\n".into(), made: Timestamp::UNIX_EPOCH };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    save(&bundle, Some(&path), &mut out, &mut err).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(out.is_empty() && String::from_utf8(err).unwrap().contains("read it before you send it"));
    fs::write(&path, "precious").unwrap();
    let refused = save(&bundle, Some(&path), &mut out, &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("exists already: give another name"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    save(&bundle, Some(Path::new("-")), &mut out, &mut Vec::new()).unwrap();
    assert_eq!(out, b"== arkmeter\n");
    assert_eq!(bundle.name(), Path::new("arkmeter-support-19700101-000000.txt"));
}
