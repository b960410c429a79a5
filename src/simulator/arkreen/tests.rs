//! The simulated endpoint is strict: each test breaks a rule and expects a violation.

mod tls;

pub(crate) use tls::TestCertificate;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

fn token() -> String {
    format!("0x{}", "1".repeat(64))
}

fn id(digit: &str) -> ClientId {
    ClientId::parse(&format!("0x{}", digit.repeat(64))).unwrap()
}

fn request(id: u64, client: &str, energy: &str) -> String {
    let client = client.repeat(64);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"edr_reportConsumeData","params":{{"clientId":"0x{client}","power":5,"energy":{energy}}}}}"#
    )
}

/// Sends a request unchanged and returns the answer unchanged.
async fn send(arkreen: &Arkreen, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", arkreen.url().port().unwrap())).await.unwrap();
    let length = body.len();
    let text =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn headers(token: &str) -> String {
    format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n")
}

async fn post(arkreen: &Arkreen, body: &str) -> String {
    send(arkreen, "POST /v1", &headers(&token()), body).await
}

#[tokio::test]
async fn the_endpoint_answers_like_arkreen() {
    let arkreen = Arkreen::start(&token(), [id("a")]).unwrap();
    let mut events = arkreen.events();
    assert!(post(&arkreen, &request(1, "a", "10")).await.contains(r#"{"id":1,"jsonrpc":"2.0","result":"OK"}"#));
    assert!(post(&arkreen, &request(2, "a", "10")).await.contains("OK"), "the same value is not smaller");
    assert!(post(&arkreen, &request(3, "a", "9")).await.contains("4003"));
    assert!(post(&arkreen, &request(4, "b", "9")).await.contains("4002"));
    let wrong = format!("0x{}", "2".repeat(64));
    assert!(send(&arkreen, "POST /v1", &headers(&wrong), &request(5, "a", "99")).await.contains("1000"));
    let batch = format!("[{},{}]", request(6, "a", "11"), request(7, "b", "1"));
    let answer = post(&arkreen, &batch).await;
    assert!(answer.contains("OK") && answer.contains("4002"), "{answer}");
    assert_eq!(arkreen.energy(id("a")), MilliwattHours::new(11));
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    assert_eq!(arkreen.calls().len(), 6);
    let first =
        EndpointEvent::Accepted { client: id("a"), power: Milliwatts(5), energy: MilliwattHours::new(10).unwrap() };
    assert_eq!(events.recv().await.unwrap(), first);
}

#[tokio::test]
async fn every_broken_rule_is_a_violation() {
    let good = request(1, "a", "10");
    let right = headers(&token());
    let twice = format!("{right}authorization: Bearer {}\r\n", token());
    let rows = [
        ("PUT /v1", right.as_str(), good.clone(), "PUT instead"),
        ("POST /v2", &right, good.clone(), "a call of"),
        ("POST /v1?x=1", &right, good.clone(), "a call of"),
        ("POST /v1", &right.replace("json", "text"), good.clone(), "content-type"),
        ("POST /v1", &right.replace("Bearer", "bearer"), good.clone(), "not Bearer"),
        ("POST /v1", &right.replace("111", "11"), good.clone(), "not Bearer"),
        ("POST /v1", &right.replace("authorization", "x"), good.clone(), "0 authorization"),
        ("POST /v1", &twice, good.clone(), "2 authorization"),
        ("POST /v1", &right, String::new(), "not JSON"),
        ("POST /v1", &right, "[]".into(), "empty batch"),
        ("POST /v1", &right, "[1]".into(), "not an object"),
        ("POST /v1", &right, good.replace("2.0", "1.0"), "jsonrpc"),
        ("POST /v1", &right, good.replace("edr_", "x_"), "method"),
        ("POST /v1", &right, good.replace("\"id\":1,", ""), "keys"),
        ("POST /v1", &right, good.replace("\"power\":5", "\"power\":5,\"x\":1"), "keys"),
        ("POST /v1", &right, good.replace("\"id\":1", "\"id\":\"1\""), "id is"),
        ("POST /v1", &right, good.replace("\"power\":5", "\"power\":-5"), "power is"),
        ("POST /v1", &right, good.replace("\"power\":5", "\"power\":5.0"), "power is"),
        ("POST /v1", &right, request(1, "a", "9007199254740992"), "energy is"),
        ("POST /v1", &right, request(1, "a", "1e3"), "energy is"),
        ("POST /v1", &right, good.replace("0xaa", "0x"), "clientId"),
        ("POST /v1", &right, format!("[{good},{}]", request(2, "a", "10")), "two entries for 0xaaaa"),
        ("POST /v1", &right, format!("[{good},{}]", request(1, "b", "10")), "two entries with the id 1"),
    ];
    for (line, headers, body, violation) in rows {
        let arkreen = Arkreen::start(&token(), [id("a")]).unwrap();
        send(&arkreen, line, headers, &body).await;
        let violations = arkreen.violations();
        assert!(violations.iter().any(|text| text.contains(violation)), "{violation}: {violations:?}");
    }
}

#[tokio::test]
async fn two_requests_in_flight_for_a_client_are_a_violation() {
    let arkreen = Arkreen::start(&token(), [id("a"), id("b")]).unwrap();
    let slow = || arkreen.behave(EndpointBehaviour::Slow(Duration::from_millis(700)));
    slow();
    slow();
    let (one, other) = (request(1, "a", "10"), request(2, "b", "10"));
    tokio::join!(post(&arkreen, &one), post(&arkreen, &other));
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    slow();
    slow();
    let (one, other) = (request(3, "a", "10"), request(4, "a", "10"));
    tokio::join!(post(&arkreen, &one), post(&arkreen, &other));
    assert_eq!(arkreen.violations(), ["two requests in flight for 0xaaaa…aaaa"]);
}

#[tokio::test]
async fn the_endpoint_ends_when_it_is_dropped() {
    let arkreen = Arkreen::start(&token(), [id("a")]).unwrap();
    let port = arkreen.url().port().unwrap();
    drop(arkreen);
    let closed = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the port is closed");
}
