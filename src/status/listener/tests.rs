use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::*;
use crate::heartbeat::Hearts;
use crate::status::server::{HEAD_WITHIN, RETRY_EVERY};
use crate::status::snapshot::tests::empty;

struct Served {
    address: SocketAddr,
    sources: StatusSources,
    hearts: Hearts,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// A listener on a free port of the loopback that also answers to `meters.example`.
async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sources, hearts) = empty();
    let (stop, mut shutdown) = watch::channel(false);
    let served = StatusListener::new(
        address,
        vec!["meters.example".to_owned(), "[fd00::5]".to_owned(), "192.168.1.5".to_owned()],
        sources.clone(),
    );
    let heart = hearts.heart("listener");
    let task = tokio::spawn(async move { served.serve(listener, &heart, &mut shutdown).await });
    Served { address, sources, hearts, stop, task }
}

/// Sends `request` unchanged and returns the whole answer. A reset ends it like a close.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    everything(&mut stream).await
}

async fn everything(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

#[tokio::test]
async fn each_path_answers_with_its_media_type_and_hardened_headers() {
    let served = served().await;
    for (path, media_type, part) in [
        ("/", "text/html; charset=utf-8", "All is well."),
        ("/status.json", "application/json", "\"schema\": 1"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "arkmeter_build_info{"),
        ("/healthz", "text/plain; charset=utf-8", "\r\n\r\nok\n"),
    ] {
        let answer = get(served.address, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        assert!(
            answer.contains(&format!("content-type: {media_type}\r\n")) && answer.contains(part),
            "{path}: {answer}"
        );
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "default-src 'none'",
        ] {
            assert!(answer.contains(header), "{path} lacks {header}");
        }
    }
    assert!(get(served.address, "/etc/passwd").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn pages_may_load_their_own_style_and_script_and_nothing_else() {
    let served = served().await;
    let page = get(served.address, "/").await;
    assert!(
        page.contains("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"),
        "{page}"
    );
    for (path, kind) in [("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")] {
        assert!(page.contains(&format!("\"{path}?")), "{path}");
        let answer = get(served.address, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(kind), "{answer}");
    }
}

#[tokio::test]
async fn unknown_meters_clients_and_pages_are_answered_in_words() {
    let served = served().await;
    for (path, text) in [
        ("/meter/nobody", "no meter of this name"),
        ("/meter/%3Cscript%3E", "no meter"),
        ("/client/nobody", "no client"),
    ] {
        let answer = get(served.address, path).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains(text) && !answer.contains("<script"),
            "{answer}"
        );
    }
    for path in ["/?page=0", "/?page=2", "/?page=99999"] {
        assert!(get(served.address, path).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    assert!(get(served.address, "/?page=-1").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    let served = served().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer =
            exchange(served.address, &format!("{method} / HTTP/1.1\r\nHost: localhost\r\ncontent-length: 0\r\n\r\n"))
                .await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let head = exchange(served.address, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let served = served().await;
    let status = async |head: String| {
        let answer = exchange(served.address, &head).await;
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let named = |host: &str| format!("GET /status.json HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for host in [
        "localhost",
        "LOCALHOST:1234",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:9826",
        "[::1]:9826",
        "[::1]",
        "Meters.Example:80",
        "[fd00::5]:9826",
        "[FD00:0:0::5]",
        "192.168.1.5:9826",
    ] {
        assert_eq!(status(named(host)).await, "200", "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.7",
        "[fd00::6]",
        "",
        "localhost:x",
        "[::1",
        "0.0.0.0",
        "a@localhost",
    ] {
        assert_eq!(status(named(host)).await, "421", "{host}");
    }
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n".to_owned()).await, "400");
    assert_eq!(status("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n".to_owned()).await, "400");
    assert_eq!(status("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()).await, "421");
}

/// Probes of an engine for containers name the address that it gave out, which no configuration can know.
#[test]
fn the_address_at_which_a_connection_arrived_is_an_own_name() {
    let names = |reached: Option<&str>| OwnNames {
        address: "0.0.0.0".parse().unwrap(),
        reached: reached.map(|address| address.parse().unwrap()),
        hosts: Arc::default(),
    };
    assert!(names(Some("10.1.2.3")).include("10.1.2.3:9826"));
    assert!(names(Some("fd00::7")).include("[fd00::7]:9826"));
    assert!(!names(Some("10.1.2.3")).include("10.1.2.4:9826"));
    assert!(!names(Some("10.1.2.3")).include("10.1.2.3.evil.example"));
    assert!(!names(None).include("10.1.2.3"));
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let served = served().await;
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let answer = exchange(served.address, &huge).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "x: y\r\n".repeat(500));
    let answer = exchange(served.address, &many).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(get(served.address, "/healthz").await.ends_with("ok\n"), "and the next is served");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_disconnected() {
    let served = served().await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let answer = everything(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    assert!((HEAD_WITHIN..CONNECTION_WITHIN).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn idle_connections_cost_nobody_an_answer_and_the_oldest_is_closed() {
    let served = served().await;
    let mut idle = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    // A part of a head is no request either.
    for stream in &mut idle[CONNECTIONS..] {
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    }
    for _ in 0..CONNECTIONS / 2 {
        assert!(get(served.address, "/healthz").await.ends_with("ok\n"));
    }
    assert_eq!(everything(&mut idle.remove(0)).await, "", "the first was closed");
    let mut last = idle.pop().unwrap();
    last.write_all(b"Host: localhost\r\n\r\n").await.unwrap();
    assert!(everything(&mut last).await.contains("All is well."), "the last one is still served");
}

#[tokio::test(start_paused = true)]
async fn views_are_rendered_at_most_once_a_second_and_then_forgotten() {
    let served = served().await;
    let paths = ["/", "/status.json", "/metrics"];
    let mut before = Vec::new();
    for path in paths {
        before.push(body(&get(served.address, path).await));
    }
    served.sources.remark("cloud", Some("Arkreen is away.".to_owned()));
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(body(&get(served.address, path).await), *before, "{path}");
    }
    sleep(RENDER_EVERY).await;
    for (path, before) in paths.iter().zip(&before) {
        assert_ne!(body(&get(served.address, path).await), *before, "{path}");
    }
}

/// The body of an answer.
fn body(answer: &str) -> String {
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test(start_paused = true)]
async fn health_follows_the_watchdog() {
    let served = served().await;
    let _hung = served.hearts.heart("bus cabinet");
    served.sources.remark("cloud", Some("Arkreen is away.".to_owned()));
    assert!(get(served.address, "/healthz").await.ends_with("ok\n"), "trouble elsewhere is not the daemon's");
    sleep(Duration::from_secs(40)).await;
    let answer = get(served.address, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("no progress: bus cabinet\n"), "{answer}");
}

#[tokio::test]
async fn the_listener_ends_at_shutdown_with_its_connections() {
    let served = served().await;
    let mut waiting = TcpStream::connect(served.address).await.unwrap();
    get(served.address, "/healthz").await;
    served.stop.send(true).unwrap();
    served.task.await.unwrap();
    assert_eq!(everything(&mut waiting).await, "");
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_busy_port_is_reported_and_tried_again() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    let (sources, hearts) = empty();
    let (_stop, shutdown) = watch::channel(false);
    let heart = hearts.heart("listener");
    let task = tokio::spawn(StatusListener::new(address, Vec::new(), sources.clone()).run(heart, shutdown));
    while sources.document().well {
        tokio::task::yield_now().await;
    }
    let trouble = sources.document().trouble.concat();
    assert!(trouble.contains(&address.to_string()) && trouble.contains("`listen` in [status]"), "{trouble}");
    drop(busy);
    sleep(RETRY_EVERY * 2).await;
    assert!(get(address, "/healthz").await.ends_with("ok\n"));
    assert!(sources.document().well);
    assert!(!task.is_finished());
}
