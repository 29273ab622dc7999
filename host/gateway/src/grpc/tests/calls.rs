//! What is decided about a call before its service sees it.

use futures::FutureExt as _;

use super::*;
use crate::bounds::STREAMS;
use crate::grpc::channel::Keepalive;

/// Opens a call with a deadline that its client leaves to the gateway, and sends these
/// messages. The call stays open.
async fn with_deadline(
    served: &Served,
    path: &str,
    messages: &[Bytes],
) -> (h2::client::ResponseFuture, impl Sized + use<>) {
    let stream = tokio::net::TcpStream::connect(served.address)
        .await
        .unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}{path}", served.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "300m")
        .body(())
        .unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    for message in messages {
        let mut framed = vec![0];
        framed.extend((message.len() as u32).to_be_bytes());
        framed.extend(message);
        body.send_data(framed.into(), false).unwrap();
    }
    (response, (client, body))
}

fn is_deadline_exceeded(headers: &http::HeaderMap) {
    let status = Status::from_header_map(headers).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("within the 300ms"), "{status}");
}

/// A flow that never answers at `/never`. Whether its requests were given up is counted.
fn never(given_up: &Arc<AtomicUsize>) -> Flow {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let given_up = Arc::clone(given_up);
    let functions = Functions::default()
        .on("/x", |call| async move { reply(call.docs) })
        .on("/never", move |_| {
            let guard = Guard(Arc::clone(&given_up));
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        });
    flow([("e", &[], functions)])
}

#[tokio::test]
async fn a_client_gets_no_answer_after_its_deadline() {
    let given_up = Arc::new(AtomicUsize::new(0));
    let served = Served::new(never(&given_up)).await;
    let message = frame("id", Some("/never"), b"");
    let (response, _call) = with_deadline(&served, SINGLE, &[message]).await;
    let response = tokio::time::timeout(Duration::from_secs(8), response)
        .await
        .unwrap()
        .unwrap();
    is_deadline_exceeded(response.headers());
    assert_eq!(given_up.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_ends_with_its_deadline() {
    let given_up = Arc::new(AtomicUsize::new(0));
    let served = Served::new(never(&given_up)).await;
    let messages = [
        frame("id", Some("/x"), b""),
        frame("id", Some("/never"), b""),
    ];
    let (response, _call) = with_deadline(&served, "/jina.JinaRPC/Call", &messages).await;
    let (head, mut body) = response.await.unwrap().into_parts();
    assert_eq!(Status::from_header_map(&head.headers).map(|_| ()), None);
    let rest = async {
        let mut bytes = 0;
        while let Some(data) = body.data().await {
            bytes += data.unwrap().len();
        }
        (bytes, body.trailers().await.unwrap().unwrap())
    };
    let (bytes, trailers) = tokio::time::timeout(Duration::from_secs(8), rest)
        .await
        .unwrap();
    assert!(bytes > 5, "the first request is answered");
    is_deadline_exceeded(&trailers);
    assert_eq!(given_up.load(Ordering::SeqCst), 1);
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

/// As if its path were cut: it takes the connection and then is silent.
#[tokio::test]
async fn a_client_gives_up_a_gateway_that_fell_silent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = h2::server::handshake(stream).await.unwrap();
        // The first call is taken, and nothing more is read.
        let call = server.accept().await.unwrap().unwrap();
        std::future::pending::<()>().await;
        drop((server, call));
    });
    let time = Duration::from_millis(200);
    let keepalive = |answer| Keepalive {
        after: time,
        answer,
    };
    let client = Client::connect_with(&address, keepalive(time));
    let client = client.await.unwrap();
    let error = tokio::time::timeout(Duration::from_secs(8), client.send(post("/x", "a")))
        .await
        .unwrap()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("timed out"),
        "{text}"
    );
    silent.abort();

    // One that is slow answers while it works.
    let slow = Functions::default().on("/x", |call| async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        reply(call.docs)
    });
    let served = Served::new(flow([("e", &[], slow)])).await;
    let address = served.address.to_string();
    let client = Client::connect_with(&address, keepalive(time * 10));
    let client = client.await.unwrap();
    assert_eq!(client.send(post("/x", "a")).await.unwrap().docs.len(), 1);
}
