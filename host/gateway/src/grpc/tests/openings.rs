//! Connections that do not begin as HTTP/2.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Sends this, in pieces, and gives all that comes back until the gateway closes.
async fn answer_to(served: &Served, pieces: &[&[u8]]) -> String {
    let mut client = TcpStream::connect(served.address).await.unwrap();
    client.set_nodelay(true).unwrap();
    for piece in pieces {
        client.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(8), client.read_to_end(&mut answer))
        .await
        .expect("an answer, or the end")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn http1_is_answered_in_http1() {
    let served = Served::new(exclaiming()).await;
    let get =
        b"GET / HTTP/1.1\r\nhost: localhost:54321\r\nuser-agent: curl/8.5.0\r\naccept: */*\r\n\r\n";
    let upgrade = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let post = b"POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    // It begins with the preface's first two letters.
    let propfind = b"PROPFIND / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let body = [b'x'; 100_000];
    for request in [
        &[&get[..]][..],
        &[b"G", b"ET / HTTP/1.0\r\n", b"\r\n"],
        &[upgrade],
        &[post, &body],
        &[&propfind[..1], &propfind[1..2], &propfind[2..]],
    ] {
        let answer = answer_to(&served, request).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 505 "), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", text.len())));
        assert!(
            text.starts_with("this is a gRPC gateway: HTTP/2 only"),
            "{text}"
        );
    }
    let head = answer_to(&served, &[b"HEAD / HTTP/1.1\r\nhost: localhost\r\n\r\n"]).await;
    assert!(head.starts_with("HTTP/1.1 505 ") && head.ends_with("\r\n\r\n"));
    assert!(served.single(frame("id", Some("/x"), b"")).await.is_ok());
}

#[tokio::test]
async fn what_is_not_http_is_not_answered() {
    let served = Served::new(exclaiming()).await;
    let endless = [b'A'; 64 << 10];
    for sent in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\0\0\0\0",
        &endless[..16 << 10],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        assert_eq!(answer_to(&served, &[sent]).await, "");
    }
    assert!(served.single(frame("id", Some("/x"), b"")).await.is_ok());
}

/// The preface may come in any pieces.
#[tokio::test]
async fn http2_in_pieces_is_http2() {
    let served = Served::new(exclaiming()).await;
    let mut client = TcpStream::connect(served.address).await.unwrap();
    client.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    for byte in preface {
        client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The gateway's own settings, and its acknowledgement of the client's.
    let mut frames = Vec::new();
    let acknowledged = async {
        while !frames.windows(5).any(|head: &[u8]| head == [0, 0, 0, 4, 1]) {
            let mut more = [0; 256];
            let read = client.read(&mut more).await.unwrap();
            assert!(read > 0, "closed after {frames:?}");
            frames.extend_from_slice(&more[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(8), acknowledged)
        .await
        .unwrap();
}
