use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const WELL: &str = include_str!("../../status/compose/well.json");

fn view(json: bool, colour: bool) -> StatusView {
    StatusView { json, lines: true, free: Some(5_100_000_000), screen: Screen { size: None, colour, utf8: true } }
}

/// A daemon that answers one request on this socket; returns the request. The socket exists at once.
fn answer_once<'a>(path: &Path, answer: &'a str, body: &'a str) -> impl Future<Output = String> + 'a {
    let listener = UnixListener::bind(path).unwrap();
    async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 {answer}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    }
}

/// Runs `status --alive` against a socket that answers one request with this status and body; exit code, errors.
async fn alive_against(answer: &str, body: &str) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let mut err = Vec::new();
    let (code, request) = tokio::join!(alive(&path, &mut err), answer_once(&path, answer, body));
    assert!(request.starts_with("GET /healthz "), "{request}");
    (code, String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn alive_is_the_daemons_own_verdict() {
    assert_eq!(alive_against("200 OK", "ok\n").await, (0, String::new()));
    let (code, err) = alive_against("503 Service Unavailable", "no progress: ledger\n").await;
    assert_eq!((code, err.as_str()), (1, "arkmeter: the daemon refused: no progress: ledger\n"));
    let mut err = Vec::new();
    assert_eq!(alive(Path::new("/nowhere/none.sock"), &mut err).await, 69);
    assert!(String::from_utf8(err).unwrap().contains("no arkmeter daemon answers"));
}

/// Runs the command against a socket that answers one request with `document`; exit code, output, errors.
async fn run_against(document: &str, json: bool, colour: bool) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let view = view(json, colour);
    let daemon = answer_once(&path, "200 OK", document);
    let (code, _) = tokio::join!(status(&path, folder.path(), &view, &mut out, &mut err), daemon);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn a_daemon_without_trouble_gives_0() {
    let (code, out, err) = run_against(WELL, false, false).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("ok  1 meter is read, 1 client is reported. ") && !out.contains('\x1b'), "{out}");
}

#[tokio::test]
async fn trouble_gives_1_and_comes_first() {
    let trouble = WELL
        .replace("\"well\": true", "\"well\": false")
        .replace("\"trouble\": []", "\"trouble\": [\"Bus cabinet is closed.\"]");
    let (code, out, _) = run_against(&trouble, false, false).await;
    assert_eq!(code, 1);
    assert!(
        out.starts_with("! All meters are read, but 1 problem needs attention.")
            && out.contains("\n! Bus cabinet is closed.\n"),
        "{out}"
    );
    let (code, out, _) = run_against(&trouble, false, true).await;
    assert_eq!(code, 1);
    assert!(out.starts_with("\x1b[31m!\x1b[0m All") && out.contains("\x1b[31m!\x1b[0m Bus"), "{out:?}");
}

#[tokio::test]
async fn json_is_the_unchanged_document_of_the_daemon() {
    assert_eq!(run_against(WELL, true, true).await, (0, WELL.to_owned(), String::new()));
}

#[tokio::test]
async fn no_daemon_gives_69_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = status(&folder.path().join("none.sock"), folder.path(), &view(false, false), &mut out, &mut err).await;
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
