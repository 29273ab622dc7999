//! What is decided about a call before its service sees it.

use futures::FutureExt as _;

use super::*;
use crate::bounds::STREAMS;

/// With a client that leaves deadlines to the gateway.
#[tokio::test]
async fn a_client_gets_no_answer_after_its_deadline() {
    let served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/x", |_| std::future::pending()),
    )]))
    .await;
    let stream = tokio::net::TcpStream::connect(served.address)
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}{SINGLE}", served.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "100m")
        .body(())
        .unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    let message = frame("id", Some("/x"), b"");
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(&message);
    body.send_data(framed.into(), true).unwrap();
    let response = tokio::time::timeout(Duration::from_secs(8), response)
        .await
        .unwrap()
        .unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("within the 100ms"), "{status}");
}

/// Every library of HTTP/2 keeps to what its settings say.
#[tokio::test]
async fn a_client_is_told_how_many_calls_it_may_have_open() {
    let served = Served::new(exclaiming()).await;
    let stream = tokio::net::TcpStream::connect(served.address)
        .await
        .unwrap();
    let (_client, mut connection) = h2::client::handshake(stream).await.unwrap();
    // Until the gateway's settings are there.
    let told = std::future::poll_fn(|cx| {
        use std::task::Poll;
        assert!(connection.poll_unpin(cx).is_pending());
        match connection.max_concurrent_send_streams() {
            usize::MAX => Poll::Pending,
            most => Poll::Ready(most),
        }
    });
    let told = tokio::time::timeout(Duration::from_secs(8), told).await;
    assert_eq!(told.unwrap(), STREAMS as usize);
}
