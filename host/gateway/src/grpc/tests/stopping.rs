//! What a stop waits for, and what it does not wait for.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// Far less than the half minute that connections may take to close.
const AT_ONCE: Duration = Duration::from_secs(8);

impl Served {
    /// Stops it while `client` is connected.
    #[track_caller]
    fn stops_at_once<T>(mut self, what: &str, client: T) -> impl Future<Output = ()> {
        let what = what.to_owned();
        async move {
            self.stop.take().unwrap().send(()).unwrap();
            let stopped = tokio::time::timeout(AT_ONCE, self.task).await;
            stopped
                .unwrap_or_else(|_| panic!("{what} keeps it from stopping"))
                .unwrap()
                .unwrap();
            drop(client);
        }
    }
}

/// Time for what was sent to arrive.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn connections_that_have_not_begun_are_closed() {
    for sent in [
        "",
        "PRI * HTT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x",
    ] {
        let served = Served::new(exclaiming()).await;
        let mut client = TcpStream::connect(served.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        a_moment().await;
        served.stops_at_once(&format!("{sent:?}"), client).await;
    }
}

#[tokio::test]
async fn a_connection_without_a_call_is_closed() {
    let served = Served::new(exclaiming()).await;
    let client = served.client().await;
    client.send(post("/x", "a")).await.unwrap();
    served.stops_at_once("an idle client", client).await;
}

/// It does not acknowledge that its connection ends.
#[tokio::test]
async fn a_client_that_fell_silent_is_cut() {
    let served = Served::new(exclaiming()).await;
    let stream = TcpStream::connect(served.address).await.unwrap();
    let silent = h2::client::handshake(stream).await.unwrap();
    a_moment().await;
    served.stops_at_once("a silent client", silent).await;
}

#[tokio::test]
async fn calls_to_other_services_are_not_waited_for() {
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Watch",
        "/jina.JinaInfoRPC/_status",
        "/jina.JinaGatewayDryRunRPC/dry_run",
        "/no.Such/thing",
    ] {
        let served = Served::new(exclaiming()).await;
        let path = http::uri::PathAndQuery::from_static(path);
        let mut grpc = served.raw().await;
        // Opened, and neither used nor ended.
        let call = tokio::spawn(async move {
            let request = Request::new(futures::stream::pending());
            let answers = grpc.streaming(request, path, BytesCodec).await;
            if let Ok(answers) = answers {
                drop(answers.into_inner().message().await);
            }
        });
        a_moment().await;
        served.stops_at_once("an open call", call).await;
    }
}

#[tokio::test]
async fn who_watches_health_is_told() {
    for (service, statuses) in [
        ("", &[1, 2][..]),
        ("jina.JinaRPC", &[1, 2]),
        // 3: there is no such service, and that is no reason to end the call.
        ("no.Such", &[3]),
    ] {
        let mut served = Served::new(exclaiming()).await;
        let mut client = HealthClient::new(served.channel().await);
        let service = service.to_owned();
        let mut watch = client
            .watch(HealthCheckRequest { service })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status, statuses[0]);
        let more = tokio::time::timeout(Duration::from_millis(300), watch.message()).await;
        assert!(more.is_err(), "{more:?}");
        served.stop.take().unwrap().send(()).unwrap();
        for status in &statuses[1..] {
            assert_eq!(watch.message().await.unwrap().unwrap().status, *status);
        }
        assert!(watch.message().await.unwrap().is_none());
        tokio::time::timeout(AT_ONCE, served.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight() {
    let entered = Arc::new(Notify::new());
    let release = Arc::new(Notify::new());
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let mut served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/x", move |call| {
            let wait = Arc::clone(&wait);
            enter.notify_one();
            async move {
                wait.notified().await;
                reply(call.docs)
            }
        }),
    )]))
    .await;
    let client = served.client().await;
    // A client that never says that it is done, and one that watches.
    let requests = futures::stream::iter([post("/x", "a")]).chain(futures::stream::pending());
    let mut answers = client.call(requests, PostOptions::default()).await.unwrap();
    entered.notified().await;
    served.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = Client::connect(&served.address.to_string()).await;
    assert!(refused.is_err(), "the port is closed");
    assert!(!served.task.is_finished());
    release.notify_one();
    assert!(answers.next().await.unwrap().is_ok());
    let end = answers.next().await.unwrap().unwrap_err().to_string();
    assert!(
        end.contains("is being stopped") && end.contains("UNAVAILABLE"),
        "{end}"
    );
    tokio::time::timeout(Duration::from_secs(5), served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// An answer is larger than what the two ends keep on the way, so that most of it
/// is still here when its call is over.
#[tokio::test]
async fn stopping_lets_a_slow_client_have_its_whole_answer() {
    let mut served = Served::new(exclaiming()).await;
    let text = "x".repeat(16 << 20);
    let path = http::uri::PathAndQuery::from_static("/jina.JinaRPC/Call");
    let sent = futures::stream::iter([frame("id", None, &documents([&text]))]);
    let mut stream = served
        .raw()
        .await
        .streaming(Request::new(sent), path, BytesCodec)
        .await
        .unwrap()
        .into_inner();
    // The request has to have arrived: one that is under way at a stop is not read.
    tokio::time::sleep(Duration::from_secs(1)).await;
    served.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!served.task.is_finished(), "the client has nothing yet");
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(texts(&Incoming::decode(answer).unwrap()), [text]);
    assert!(stream.message().await.unwrap().is_none());
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// A client that never sends the one message of its call.
#[tokio::test]
async fn a_unary_call_without_its_message_is_ended() {
    let mut served = Served::new(exclaiming()).await;
    for begun in [false, true] {
        let stream = TcpStream::connect(served.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("http://{}{SINGLE}", served.address))
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        if begun {
            // A message of 16 bytes, without the last of them.
            let mut part = vec![0, 0, 0, 0, 16];
            part.extend([0; 15]);
            body.send_data(part.into(), false).unwrap();
        }
        a_moment().await;
        let stop = served.stop.take().unwrap();
        stop.send(()).unwrap();
        let response = tokio::time::timeout(AT_ONCE, response)
            .await
            .unwrap()
            .unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("has not arrived"), "{status}");
        drop((client, body));
        tokio::time::timeout(AT_ONCE, served.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        served = Served::new(exclaiming()).await;
    }
}

/// Requests that wait for others, with an executor that takes one at a time, can take
/// any time together.
#[tokio::test]
async fn requests_that_take_too_long_together_are_cut_off() {
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let guards = Arc::clone(&dropped);
    let slow = Functions::default().on("/x", move |call| {
        let (turn, guard) = (Arc::clone(&turn), Guard(Arc::clone(&guards)));
        async move {
            let _guard = guard;
            let _turn = turn.lock().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            reply(call.docs)
        }
    });
    let times = StopTimes {
        total: Duration::from_millis(700),
        ..StopTimes::of(&GatewayConfig::default())
    };
    let flow = flow([("e", &[], slow)]);
    let mut served = Served::stopping_in(flow, GatewayConfig::default(), times).await;
    let client = served.client().await;
    let requests = futures::stream::iter((0..1000).map(|_| post("/x", "a")));
    let answers = client.call(requests, PostOptions::default()).await.unwrap();
    a_moment().await;
    served.stop.take().unwrap().send(()).unwrap();
    let served = tokio::time::timeout(AT_ONCE, served.task).await.unwrap();
    let error = served.unwrap().unwrap_err();
    let ServeError::CutOff {
        calls: 1, requests, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!((900..1000).contains(&requests), "{requests}");
    let text = error.to_string();
    let expected = format!(
        "a call was cut off by the stop: {requests} requests were not answered within \
         700ms; raise `grace` in `[gateway]` of flow.toml if they need longer"
    );
    assert_eq!(text, expected);
    // And they are given up.
    drop(answers);
    a_moment().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1000);
}

/// The frame of HTTP/2 that begins a call, and one with all of its message.
fn call_frames(path: &str, message: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // A literal that is not indexed.
        headers.extend([0, name.len() as u8]);
        headers.extend(name.as_bytes());
        headers.push(value.len() as u8);
        headers.extend(value.as_bytes());
    }
    let mut data = vec![0];
    data.extend((message.len() as u32).to_be_bytes());
    data.extend(message);
    let mut frames = Vec::new();
    // HEADERS with END_HEADERS, DATA with END_STREAM.
    for (kind, flags, payload) in [(1, 4, headers), (0, 1, data)] {
        frames.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        frames.extend([kind, flags, 0, 0, 0, 1]);
        frames.extend(payload);
    }
    frames
}

/// Its client has not heard of the stop yet.
#[tokio::test]
async fn a_call_that_comes_just_after_a_stop_is_answered() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let slow = Functions::default().on("/x", move |call| {
        let count = Arc::clone(&count);
        async move {
            tokio::time::sleep(Duration::from_millis(1200)).await;
            count.fetch_add(1, Ordering::SeqCst);
            reply(call.docs)
        }
    });
    let times = StopTimes {
        close: Duration::from_millis(400),
        ..StopTimes::of(&GatewayConfig::default())
    };
    let flow = flow([("e", &[], slow)]);
    let mut served = Served::stopping_in(flow, GatewayConfig::default(), times).await;
    let mut client = TcpStream::connect(served.address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    client.write_all(preface).await.unwrap();
    a_moment().await;
    served.stop.take().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let message = frame("id", Some("/x"), &documents(["a"]));
    client
        .write_all(&call_frames(SINGLE, &message))
        .await
        .unwrap();
    tokio::time::timeout(AT_ONCE, served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}
