use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::socket_file::{SocketFile, SocketFileError};
use super::*;
use crate::clock::Clock;
use crate::heartbeat::Hearts;
use crate::ledger::command::may_change;
use crate::recorder::Recorder;
use crate::status::Document;
use crate::status::snapshot::tests::empty;

struct Served {
    folder: tempfile::TempDir,
    path: PathBuf,
    commands: mpsc::Sender<ControlRequest>,
    requests: mpsc::Receiver<ControlRequest>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _hearts: Hearts,
}

/// A control socket in a new folder, not served yet.
fn served_at(relative: &str) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(relative);
    let (sources, hearts) = empty();
    let (commands, requests) = mpsc::channel(QUEUE);
    let (stop, shutdown) = watch::channel(false);
    let recorder = Recorder::new(Clock::system());
    let control = ControlSocket::new(path.clone(), sources, commands.clone(), recorder);
    let task = tokio::spawn(control.run(hearts.heart("control"), shutdown));
    Served { folder, path, commands, requests, stop, task, _hearts: hearts }
}

async fn served() -> Served {
    let served = served_at("control.sock");
    connected(&served.path).await;
    served
}

async fn connected(path: &Path) {
    while UnixStream::connect(path).await.is_err() {
        tokio::task::yield_now().await;
    }
}

fn read_all() -> ControlCommand {
    ControlCommand::Read { meters: Vec::new() }
}

#[tokio::test]
async fn the_document_can_be_read() {
    let served = served().await;
    let bytes = get(&served.path, "/status.json").await.unwrap();
    assert!(serde_json::from_slice::<Document>(&bytes).unwrap().well);
    assert_eq!(get(&served.path, "/healthz").await.unwrap(), b"ok\n");
    let refused = get(&served.path, "/elsewhere").await.unwrap_err();
    assert!(matches!(&refused, ControlError::Refused(text) if text.starts_with("not found")), "{refused}");
}

#[tokio::test]
async fn the_socket_belongs_to_the_group_and_is_removed_at_the_end() {
    let served = served().await;
    assert_eq!(fs::symlink_metadata(&served.path).unwrap().permissions().mode() & 0o7777, 0o660);
    served.stop.send(true).unwrap();
    served.task.await.unwrap();
    assert!(!served.path.exists());
    let gone = get(&served.path, "/healthz").await.unwrap_err();
    assert!(
        matches!(gone, ControlError::NoDaemon(_)) && gone.to_string().contains("systemctl start arkmeter"),
        "{gone}"
    );
}

#[tokio::test]
async fn an_aborted_task_removes_its_socket_too() {
    let served = served().await;
    served.task.abort();
    assert!(served.task.await.unwrap_err().is_cancelled());
    assert!(!served.path.exists());
}

#[tokio::test]
async fn a_socket_of_a_dead_daemon_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(get(&path, "/healthz").await, Err(ControlError::NoDaemon(_))), "a dead one's socket");
    let (_listener, place) = SocketFile::bind(&path).await.unwrap();
    assert!(matches!(SocketFile::bind(&path).await, Err(SocketFileError::Taken)));
    assert!(path.exists(), "a living daemon's socket stays");

    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    assert!(matches!(SocketFile::bind(&path).await, Err(SocketFileError::NoSocket)));
    drop(place);
    assert_eq!(fs::read(&path).unwrap(), b"precious", "another's file stays");
}

#[tokio::test(start_paused = true)]
async fn a_missing_folder_is_waited_for() {
    let served = served_at("run/control.sock");
    let folder = served.folder.path().join("run");
    let missing = SocketFile::bind(&served.path).await.unwrap_err();
    assert!(matches!(&missing, SocketFileError::NoFolder(missing) if *missing == folder), "{missing}");
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    assert!(!served.task.is_finished());
    fs::create_dir(&folder).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(get(&served.path, "/healthz").await.unwrap(), b"ok\n");
    served.stop.send(true).unwrap();
    served.task.await.unwrap();
}

#[tokio::test]
async fn a_command_reaches_the_daemon_and_its_answer_returns() {
    let mut served = served().await;
    let commands = [
        ControlCommand::Read { meters: vec![Name::new("heat_pump").unwrap()] },
        ControlCommand::Report { dry_run: true, account: None },
    ];
    for command in commands {
        let daemon = async {
            let request = served.requests.recv().await.unwrap();
            request.reply.send(json!({ "did": request.command })).unwrap();
        };
        let (answer, ()) = tokio::join!(post(&served.path, &command), daemon);
        assert_eq!(answer.unwrap(), json!({ "did": command }));
    }
}

#[tokio::test]
async fn a_full_queue_and_a_stopping_daemon_are_reported() {
    let mut served = served().await;
    for _ in 0..QUEUE {
        let (reply, _) = tokio::sync::oneshot::channel();
        served.commands.try_send(ControlRequest { command: read_all(), uid: 0, reply }).unwrap();
    }
    let busy = post(&served.path, &read_all()).await.unwrap_err().to_string();
    assert!(busy.contains("busy"), "{busy}");
    while served.requests.try_recv().is_ok() {}
    let command = read_all();
    let (stopping, ()) = tokio::join!(post(&served.path, &command), async {
        drop(served.requests.recv().await.unwrap().reply);
    });
    assert!(stopping.unwrap_err().to_string().contains("stopping"));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_answer_ends_at_the_timeout() {
    let mut served = served().await;
    let began = tokio::time::Instant::now();
    let hang = async {
        let _asked = served.requests.recv().await.unwrap();
        std::future::pending::<()>().await;
    };
    let command = read_all();
    let answer = tokio::select! {
        answer = post(&served.path, &command) => answer,
        () = hang => unreachable!(),
    };
    assert!(answer.unwrap_err().to_string().contains("within 2 minutes"));
    assert!(began.elapsed() >= ANSWER_WITHIN);
}

#[tokio::test]
async fn an_invalid_command_never_reaches_the_daemon() {
    let mut served = served().await;
    // A command that got through would be answered with 503.
    served.requests.close();
    let long = "{\"read\":{\"meters\":[]}}".to_owned() + &" ".repeat(COMMAND_MAX);
    let bodies = [
        "",
        "{",
        "[]",
        "{\"erase\":{}}",
        "{\"read\":{\"meters\":[\"a b\"]}}",
        "{\"report\":{\"dry_run\":true,\"file\":\"/\"}}",
        &long,
    ];
    for body in bodies {
        let answer = raw(
            &served.path,
            &format!("POST {COMMAND_PATH} HTTP/1.1\r\nHost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:.40}: {answer}");
    }
    let elsewhere = raw(&served.path, "POST /status.json HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\n\r\n{}").await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
}

async fn raw(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[test]
fn only_root_and_the_user_of_the_daemon_can_issue_commands() {
    assert!(may_change(0, 990) && may_change(990, 990));
    assert!(!may_change(1000, 990) && !may_change(1000, 0) && !may_change(u32::MAX, 990));
}

#[test]
fn each_refusal_names_its_remedy() {
    let error = |kind: io::ErrorKind| client::unreached(Path::new("/run/arkmeter/control.sock"), kind.into());
    assert!(matches!(error(io::ErrorKind::NotFound), ControlError::NoDaemon(_)));
    assert!(matches!(error(io::ErrorKind::ConnectionRefused), ControlError::NoDaemon(_)));
    let refused = error(io::ErrorKind::PermissionDenied);
    assert!(matches!(refused, ControlError::NotAllowed(_)) && refused.to_string().contains("join the group arkmeter"));
    assert!(matches!(error(io::ErrorKind::TimedOut), ControlError::Other(_)));
}

#[tokio::test]
async fn the_ledger_can_be_read_by_the_group() {
    let served = served().await;
    let error = |answer: Result<Vec<u8>, ControlError>| answer.unwrap_err().to_string();
    // These sources have no ledger's task, which is the only one that can read it.
    for path in ["/ledger.json", "/journal.json?meter=heat_pump&most=3", "/ledger.db"] {
        let refused = error(get(&served.path, path).await);
        assert!(refused.contains("the ledger has stopped"), "{path}: {refused}");
    }
    for wrong in ["?meter=a%20b", "?most=x", "?most", "?least=1"] {
        let refused = error(get(&served.path, &format!("/journal.json{wrong}")).await);
        assert!(refused.contains("/journal.json?meter=NAME&most=N"), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn idle_connections_keep_no_command_out() {
    let mut served = served().await;
    let mut idle = Vec::new();
    for _ in 0..3 * server::CONNECTIONS {
        idle.push(UnixStream::connect(&served.path).await.unwrap());
        if idle.len() % 5 == 0 {
            assert_eq!(get(&served.path, "/healthz").await.unwrap(), b"ok\n");
        }
    }
    let path = served.path.clone();
    let sent = tokio::spawn(async move { post(&path, &read_all()).await });
    let request = served.requests.recv().await.unwrap();
    // A command that is being carried out yields to nobody.
    for _ in 0..3 * server::CONNECTIONS {
        idle.push(UnixStream::connect(&served.path).await.unwrap());
    }
    assert_eq!(get(&served.path, "/healthz").await.unwrap(), b"ok\n");
    request.reply.send(json!("done")).unwrap();
    assert_eq!(sent.await.unwrap().unwrap(), json!("done"));
}
