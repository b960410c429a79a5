//! Faulty and hostile endpoints: no answer, a foreign server, or a machine in between that wants the token.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

fn url(scheme: &str, address: SocketAddr) -> Url {
    Url::parse(&format!("{scheme}://localhost:{}/v1", address.port())).unwrap()
}

/// A listener on the loopback.
async fn loopback_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The first bytes that the client sends to a server that sends `answer` and closes.
async fn first_bytes(listener: TcpListener, answer: &[u8]) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = vec![0; 16 * 1024];
    let count = stream.read(&mut received).await.unwrap();
    received.truncate(count);
    stream.write_all(answer).await.unwrap();
    let mut rest = Vec::new();
    // The client's TLS alert, if any.
    let _ = stream.read_to_end(&mut rest).await;
    received.extend(rest);
    received
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unreachable() {
    let account = account(Url::parse("https://arkreen.invalid/v1").unwrap(), LONG);
    match client(&account).call(&single(), &credentials()).await {
        // If the resolver does not answer, the call ends at the account's timeout.
        CallResult::Failed(CallFailure::Unreachable(_) | CallFailure::TimedOut) => {}
        result => panic!("{result:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_any_answer_ends_at_the_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Once the listener's queue is full, the kernel drops further connections like a firewall.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(LONG, TcpStream::connect(address)).await {
        queue.push(stream);
    }
    let account = account(Url::parse(&format!("http://{address}/v1")).unwrap(), LONG);
    assert_eq!(client(&account).call(&single(), &credentials()).await, CallResult::Failed(CallFailure::TimedOut));
}

#[tokio::test]
async fn versions_below_tls_1_2_are_neither_offered_nor_accepted() {
    let (listener, address) = loopback_listener().await;
    // A ServerHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA. Source: RFC 4346, section 7.4.1.3.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 0x2F, 0]].concat();
    let handshake = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    let record = [&[22, 3, 2, 0, handshake.len() as u8][..], &handshake].concat();
    let account = account(url("https", address), LONG);
    let (result, hello) =
        tokio::join!(async { client(&account).call(&single(), &credentials()).await }, first_bytes(listener, &record));
    assert!(matches!(&result, CallResult::Failed(CallFailure::Unreachable(_))), "{result:?}");
    // The extension supported_versions with two of them, 1.3 and 1.2. Source: RFC 8446, section 4.2.1.
    let offered = [0, 43, 0, 5, 4, 3, 4, 3, 3];
    assert!(hello.windows(offered.len()).any(|bytes| bytes == offered), "{hello:?}");
    // The alert protocol_version. Source: RFC 8446, section 6.
    assert_eq!(hello.last(), Some(&70), "{hello:?}");
}

#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    let (listener, address) = loopback_listener().await;
    let content = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"OK\"}";
    let length = content.len() as u16;
    // One stored block of valid gzip. Source: RFC 1952 and RFC 1951, section 3.2.4.
    let body = [
        &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        content,
        &crc32fast::hash(content).to_le_bytes(),
        &u32::from(length).to_le_bytes(),
    ]
    .concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), &body].concat();
    let account = account(url("http", address), LONG);
    let (result, request) =
        tokio::join!(async { client(&account).call(&single(), &credentials()).await }, first_bytes(listener, &answer));
    assert!(matches!(&result, CallResult::Failed(CallFailure::Unintelligible(_))), "{result:?}");
    assert!(!String::from_utf8(request).unwrap().to_lowercase().contains("accept-encoding"));
}

/// Sends these bytes repeatedly until the client closes; returns how many were sent.
async fn send_without_end(listener: TcpListener, head: &[u8], again: &[u8], each: Duration) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let _ = stream.read(&mut [0; 16 * 1024]).await;
    stream.write_all(head).await.unwrap();
    let mut taken = head.len();
    while stream.write_all(again).await.is_ok() {
        taken += again.len();
        tokio::time::sleep(each).await;
    }
    taken
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_not_kept() {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let headers = b"x-more: and more and more and more\r\n".repeat(1000);
    for (head, again, why) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk.as_slice(), "too long"),
        ("HTTP/1.1 200 OK\r\n", headers.as_slice(), "incomplete"),
    ] {
        let (listener, address) = loopback_listener().await;
        let account = account(url("http", address), LONG);
        // The call is over and its connection is closed.
        let (result, taken) = tokio::join!(
            async { client(&account).call(&single(), &credentials()).await },
            send_without_end(listener, head.as_bytes(), again, Duration::ZERO)
        );
        let CallResult::Failed(CallFailure::Unintelligible(what)) = &result else { panic!("{result:?}") };
        assert!(what.contains(why), "{what}");
        // The kernel's buffers take some bytes, too.
        assert!(taken < 32 << 20, "{taken} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_head_that_arrives_very_slowly_ends_at_the_timeout() {
    let (listener, address) = loopback_listener().await;
    // The paused clock does not wait for the thread that looks up a name.
    let account = account(Url::parse(&format!("http://{address}/v1")).unwrap(), LONG);
    let trickle = send_without_end(listener, b"HTTP/1.1 200 OK\r\nx-more: ", b"a", Duration::from_secs(1));
    let (result, _) = tokio::join!(async { client(&account).call(&single(), &credentials()).await }, trickle);
    assert_eq!(result, CallResult::Failed(CallFailure::TimedOut));
}

#[tokio::test]
async fn a_proxy_before_https_sees_the_host_and_never_the_token() {
    let (listener, address) = loopback_listener().await;
    let https = Url::parse("https://arkreen.invalid/v1").unwrap();
    let account = AccountConfig { proxy: Some(url("http", address)), ..account(https, LONG) };
    let (result, request) = tokio::join!(
        async { client(&account).call(&single(), &credentials()).await },
        first_bytes(listener, b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
    );
    assert!(matches!(&result, CallResult::Failed(CallFailure::Unreachable(_))), "{result:?}");
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("CONNECT arkreen.invalid:443 HTTP/1.1\r\n"), "{request}");
    let lower = request.to_lowercase();
    assert!(!lower.contains("bearer") && !lower.contains("1f1f"), "{request}");
}
