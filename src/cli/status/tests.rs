use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const WELL: &str = include_str!("../../status/compose/well.json");

/// Runs the command against a socket that answers one request with `document`; exit code, output, errors.
async fn run_against(document: &str, json: bool, colour: bool) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", document.len());
        stream.write_all((head + document).as_bytes()).await.unwrap();
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (code, ()) = tokio::join!(status(&path, json, colour, &mut out, &mut err), daemon);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn a_daemon_without_trouble_gives_0_and_tables() {
    let (code, out, err) = run_against(WELL, false, false).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let expected = "\
All is well.
arkmeter V, started 16m ago

 METER      STATE    POWER         REGISTER        PUBLISHED  READ    VERDICT
 heat_pump  ok     1.50 kW  180004.166 kWh   180004.166 kWh  1s ago  advanced

";
    let squeezed =
        |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(squeezed(&out)[..6], squeezed(expected)[..], "{out}");
    assert!(out.contains("0x1212…1212") && out.contains("11s ago"), "{out}");
    assert!(!out.contains('\x1b'));
}

#[tokio::test]
async fn trouble_gives_1_and_comes_first() {
    let trouble = WELL
        .replace("\"well\": true", "\"well\": false")
        .replace("\"trouble\": []", "\"trouble\": [\"Bus cabinet is closed.\"]");
    let (code, out, _) = run_against(&trouble, false, false).await;
    assert_eq!(code, 1);
    assert!(out.starts_with("! Bus cabinet is closed.\n"), "{out}");
    let (code, out, _) = run_against(&trouble, false, true).await;
    assert_eq!(code, 1);
    assert!(out.starts_with("\x1b[31m!\x1b[0m Bus"), "{out:?}");
}

#[tokio::test]
async fn silent_meters_are_shown_with_the_time_of_a_round_of_probes() {
    let silent =
        WELL.replace("\"silent\": 0", "\"silent\": 120").replace("\"probe_round_s\": null", "\"probe_round_s\": 133.0");
    let (_, out, _) = run_against(&silent, false, false).await;
    assert!(out.contains("On bus cabinet, 120 meters do not answer; one round of probes takes 2m 13s\n"), "{out}");
}

#[tokio::test]
async fn json_is_the_unchanged_document_of_the_daemon() {
    assert_eq!(run_against(WELL, true, true).await, (0, WELL.to_owned(), String::new()));
}

#[tokio::test]
async fn no_daemon_gives_69_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = status(&folder.path().join("none.sock"), false, false, &mut out, &mut err).await;
    let err = String::from_utf8(err).unwrap();
    assert_eq!((code, out.len()), (69, 0));
    assert!(
        err.starts_with("arkmeter: no arkmeter daemon answers") && err.contains("systemctl start arkmeter"),
        "{err}"
    );
}

#[tokio::test]
async fn another_schema_is_an_error() {
    let (code, out, err) = run_against("{\"schema\": 2, \"meters\": 7}", false, false).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("schema 2"), "{err}");
    let (code, _, err) = run_against("{\"schema\": 1}", false, false).await;
    assert_eq!(code, 1);
    assert!(err.contains("not understood"), "{err}");
    assert_eq!(run_against("<html>", false, false).await.0, 1);
}

#[tokio::test]
async fn hostile_text_does_not_control_the_terminal() {
    let hostile =
        WELL.replace("\"advanced\",", "\"\\u001b[2Jx\\nMETER\",").replace("0x1212…1212", "\\u001b]0;x\\u0007");
    let (_, out, _) = run_against(&hostile, false, false).await;
    assert!(!out.contains(['\x1b', '\x07']), "{out:?}");
}
