//! The gateway before a flow of functions, with real clients.

mod answers;
mod authority;
mod calls;
mod clients;
mod doors;
mod openings;
mod refusals;
mod remote;
mod stopping;
mod stream_doc;
mod unanswered;

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_document::{DocumentArray, Struct};
use wasm_flow_flow::Flow;
use wasm_flow_flow::testing::{Functions, failure, flow, map, reply, results, suffixed};

use super::client::{Client, PostOptions, PostRequest};
use super::frame::{Data, Frame, Incoming, RawCodec};
use super::methods::LISTED;
use super::proto::{EndpointsProto, HeaderProto, JinaInfoProto};
use super::{answer, options, proto};
use crate::server::StopTimes;
use crate::{Doorkeeper, Gateway, ServeError};

/// A gateway that serves in the background.
struct Served {
    address: SocketAddr,
    health: Option<SocketAddr>,
    doorkeeper: Doorkeeper,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn new(flow: Flow) -> Served {
        Served::configured(flow, GatewayConfig::default()).await
    }

    async fn configured(flow: Flow, config: GatewayConfig) -> Served {
        let times = StopTimes::of(&config);
        Served::stopping_in(flow, config, times).await
    }

    async fn stopping_in(flow: Flow, config: GatewayConfig, times: StopTimes) -> Served {
        Served::serving(Arc::new(flow), config, times).await
    }

    async fn serving(
        service: Arc<dyn wasm_flow_contract::Service>,
        config: GatewayConfig,
        times: StopTimes,
    ) -> Served {
        let config = GatewayConfig { port: 0, ..config };
        let mut gateway = Gateway::bind(&config, service).await.unwrap();
        gateway.stop_times = times;
        let (address, health) = (gateway.local_addr(), gateway.health_addr());
        let doorkeeper = gateway.doorkeeper().clone();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(gateway.serve(async {
            let _ = stopped.await;
        }));
        Served {
            address,
            health,
            doorkeeper,
            stop: Some(stop),
            task,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(&format!("grpc://{}", self.address))
            .await
            .unwrap()
    }

    async fn channel(&self) -> Channel {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address));
        endpoint.unwrap().connect().await.unwrap()
    }

    /// A client that sends whatever it is given.
    async fn raw(&self) -> Grpc<Channel> {
        let channel = self.channel().await;
        let mut grpc = Grpc::new(channel).max_decoding_message_size(64 << 20);
        grpc.ready().await.unwrap();
        grpc
    }

    /// Sends these frames in one stream.
    async fn frames(&self, frames: Vec<Bytes>) -> (Vec<Incoming>, Option<Status>) {
        let path = http::uri::PathAndQuery::from_static("/jina.JinaRPC/Call");
        let sent = futures::stream::iter(frames);
        let response = self
            .raw()
            .await
            .streaming(Request::new(sent), path, BytesCodec)
            .await;
        let mut stream = match response {
            Ok(response) => response.into_inner(),
            Err(status) => return (Vec::new(), Some(status)),
        };
        let mut answers = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(frame)) => answers.push(Incoming::decode(frame).unwrap()),
                Ok(None) => return (answers, None),
                Err(status) => return (answers, Some(status)),
            }
        }
    }

    /// Calls a method with one frame.
    async fn unary(&self, path: &'static str, frame: Bytes) -> Result<Bytes, Status> {
        let path = http::uri::PathAndQuery::from_static(path);
        self.raw()
            .await
            .unary(Request::new(frame), path, BytesCodec)
            .await
            .map(Response::into_inner)
    }

    async fn single(&self, frame: Bytes) -> Result<Incoming, Status> {
        self.unary(SINGLE, frame)
            .await
            .map(|frame| Incoming::decode(frame).unwrap())
    }
}

const SINGLE: &str = "/jina.JinaSingleDataRequestRPC/process_single_data";

/// Bytes both ways.
#[derive(Clone, Copy)]
struct BytesCodec;

impl tonic::codec::Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> BytesCodec {
        *self
    }

    fn decoder(&mut self) -> RawCodec {
        RawCodec
    }
}

impl tonic::codec::Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(
        &mut self,
        frame: Bytes,
        out: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), Status> {
        bytes::BufMut::put(out, frame);
        Ok(())
    }
}

/// A flow of one executor, `e`, which adds `!` to the texts at `/x`, fails at
/// `/fail` and gives results at `/results`.
fn exclaiming() -> Flow {
    flow([(
        "e",
        &[],
        Functions::default()
            .on("/x", |call| async move { reply(suffixed(&call.docs, "!")) })
            .on("/fail", |_| async { Err(failure("ValueError")) })
            .on("/results", |call| async {
                results(call, json!({"n": 1}), 0)
            }),
    )])
}

/// An encoded request, from header to documents.
fn frame(id: &str, endpoint: Option<&str>, docs: &[u8]) -> Bytes {
    use prost::Message;
    let header = HeaderProto {
        request_id: id.to_owned(),
        exec_endpoint: endpoint.map(str::to_owned),
        ..HeaderProto::default()
    };
    let mut frame = field(1, &header.encode_to_vec());
    frame.extend(field(4, &field(1, docs)));
    frame.into()
}

fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn documents<const N: usize>(texts: [&str; N]) -> Vec<u8> {
    let docs = DocumentArray::from_texts(texts);
    let mut out = Vec::new();
    docs.encoding().write(&mut out);
    out
}

fn texts(incoming: &Incoming) -> Vec<String> {
    match &incoming.data {
        Data::Docs(bytes) => DocumentArray::decode(bytes.clone())
            .unwrap()
            .texts()
            .map(str::to_owned)
            .collect(),
        _ => panic!("no documents"),
    }
}

/// The description of an answer's error.
fn error(incoming: &Incoming) -> &str {
    let status = incoming.header.status.as_ref().unwrap();
    assert_eq!(status.code, 1, "{status:?}");
    &status.description
}

fn post(endpoint: &str, text: &str) -> PostRequest {
    PostRequest {
        endpoint: endpoint.to_owned(),
        docs: DocumentArray::from_texts([text]),
        ..PostRequest::default()
    }
}

#[tokio::test]
async fn an_answer_has_jinas_form() {
    let served = Served::new(exclaiming()).await;
    let parameters = Struct::from_map(&map(json!({"k": 1.5, "__results__": {}}))).unwrap();
    let mut request = frame("id", Some("/x"), &documents(["a", "b"])).to_vec();
    request.extend(field(2, parameters.as_bytes()));
    let answer = served.single(request.into()).await.unwrap();
    assert_eq!(answer.header.request_id, "id");
    assert_eq!(answer.header.exec_endpoint.as_deref(), Some("/x"));
    assert_eq!(answer.header.target_executor.as_deref(), Some(""));
    assert_eq!(answer.header.status, None);
    assert_eq!(answer.parameters.as_ref(), Some(parameters.as_bytes()));
    assert_eq!(texts(&answer), ["a!", "b!"]);
    let routes: Vec<proto::RouteProto> = answer
        .routes
        .iter()
        .map(|route| prost::Message::decode(route.clone()).unwrap())
        .collect();
    let [gateway, e] = routes.as_slice() else {
        panic!("two routes")
    };
    assert_eq!(
        (gateway.executor.as_str(), e.executor.as_str()),
        ("gateway", "e")
    );
    for route in [gateway, e] {
        assert!(route.start_time.is_some() && route.end_time.is_some());
    }

    let answer = served
        .single(frame("id", Some("/unbound"), &documents(["a"])))
        .await
        .unwrap();
    assert_eq!(texts(&answer), ["a"]);
    let route: proto::RouteProto = prost::Message::decode(answer.routes[1].clone()).unwrap();
    assert!(route.start_time.is_some() && route.end_time.is_none());
}

#[tokio::test]
async fn failures_and_results_travel_in_the_answer() {
    let served = Served::new(exclaiming()).await;
    let client = served.client().await;
    let response = client.send(post("/fail", "a")).await.unwrap();
    let failed = response.failure.unwrap();
    assert_eq!(
        (failed.name.as_str(), failed.executor.as_str()),
        ("ValueError", "Class")
    );
    assert_eq!(response.docs.texts().collect::<Vec<_>>(), ["a"]);

    let response = client
        .send(PostRequest {
            parameters: map(json!({"k": [1, null], "__results__": {"earlier": 1}})),
            ..post("/results", "a")
        })
        .await
        .unwrap();
    assert_eq!(
        Value::Object(response.parameters),
        json!({"k": [1, null], "__results__": {"earlier": 1, "e/rep-0": {"n": 1}}})
    );
    assert_eq!(response.routes, ["gateway", "e"]);
}

#[tokio::test]
async fn garbage_ends_the_stream_after_what_came_before_it() {
    let release = Arc::new(Notify::new());
    let wait = Arc::clone(&release);
    let served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/slow", move |call| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                reply(call.docs)
            }
        }),
    )]))
    .await;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        release.notify_one();
    });
    let (answers, status) = served
        .frames(vec![
            frame("slow", Some("/slow"), &documents(["a"])),
            Bytes::from_static(b"garbage"),
        ])
        .await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].header.request_id, "slow");
    let status = status.unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status
            .message()
            .starts_with("message 2 of this call is not a jina.DataRequestProto: "),
        "{status}"
    );

    let status = served
        .single(Bytes::from_static(b"garbage"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    // And it goes on serving.
    assert!(served.single(frame("id", Some("/y"), b"")).await.is_ok());
}

#[tokio::test]
async fn documents_that_cannot_be_read_are_answered() {
    let served = Served::new(exclaiming()).await;
    let mut deep = Vec::new();
    for _ in 0..200 {
        deep = field(14, &deep);
    }
    let dense = [field(1, &[0; 7]), vec![0x10, 2], field(3, b"<f4")].concat();
    let tensor = field(3, &field(1, &dense));
    let cut = frame("id", Some("/x"), &documents(["a"]));
    let cut = cut.slice(..cut.len() - 1);
    let mut pickle = frame("id", Some("/x"), b"").to_vec();
    pickle.truncate(pickle.len() - 4);
    pickle.extend(field(4, &field(2, b"\x80\x05.")));
    let mut parameters = frame("id", Some("/x"), b"").to_vec();
    parameters.extend(field(2, b"\xff"));

    let mut frames = Vec::new();
    let bad: [(Bytes, &str); 5] = [
        (frame("id", Some("/x"), &field(1, &deep)), "docs[0]"),
        (
            frame("id", Some("/x"), &field(1, &tensor)),
            "docs[0].tensor",
        ),
        (cut, "the bytes end in the middle of a value"),
        (pickle.into(), "pickle"),
        (parameters.into(), "parameters"),
    ];
    for (bad, expected) in bad {
        let answer = served.single(bad.clone()).await.unwrap();
        assert_eq!(answer.header.request_id, "id");
        assert!(error(&answer).contains(expected), "{}", error(&answer));
        frames.extend([bad, frame("good", Some("/x"), &documents(["a"]))]);
    }
    let (answers, status) = served.frames(frames).await;
    assert!(status.is_none());
    let good = answers
        .iter()
        .filter(|answer| answer.header.request_id == "good" && texts(answer) == ["a!"]);
    assert_eq!((answers.len(), good.count()), (10, 5));
}

#[tokio::test]
async fn no_bytes_break_it() {
    let flow = exclaiming();
    let mut whole = frame("id", Some("/results"), &documents(["a", "b"])).to_vec();
    let parameters = Struct::from_map(&map(json!({"k": {"l": [1]}, "__results__": {}}))).unwrap();
    whole.extend(field(2, parameters.as_bytes()));
    for at in 0..whole.len() {
        let mut variants = vec![whole[..at].to_vec()];
        for byte in [0, 1, 0x0a, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 8] {
            let mut changed = whole.clone();
            changed[at] = byte;
            variants.push(changed);
        }
        for variant in variants {
            // Answered or refused: either is fine, as long as it ends.
            let _ = answer::answer(&flow, 1 << 20, None, Frame::Request(variant.into())).await;
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_made_up_for() {
    let served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/default", |call| async move {
            reply(suffixed(&call.docs, "!"))
        }),
    )]))
    .await;
    for (frame, expected) in [
        (Bytes::new(), vec![]),
        (field(4, &field(1, &documents(["a"]))).into(), vec!["a!"]),
        (frame("", None, &documents(["a"])), vec!["a!"]),
    ] {
        let answer = served.single(frame).await.unwrap();
        assert_eq!(texts(&answer), expected);
        assert_eq!(answer.header.request_id.len(), 32);
        let status = answer.header.status.unwrap();
        assert_eq!(status.code, 0);
        assert!(status.description.contains("names no endpoint"));
    }
    let answer = served.single(field(1, &[]).into()).await.unwrap();
    assert!(texts(&answer).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streams_requests_run_at_once_and_come_back_as_asked() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/sleep", move |call| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&seen));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let millis = call.docs.texts().next().unwrap_or("0").parse().unwrap();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                reply(call.docs)
            }
        }),
    )]))
    .await;
    let client = served.client().await;
    let times = ["700", "500", "300", "100"];
    for (in_order, expected) in [(true, times), (false, ["100", "300", "500", "700"])] {
        most.store(0, Ordering::SeqCst);
        let options = PostOptions {
            in_order,
            ..PostOptions::default()
        };
        let requests = futures::stream::iter(times.map(|time| post("/sleep", time)));
        let answers: Vec<String> = client
            .call(requests, options)
            .await
            .unwrap()
            .map_ok(|answer| answer.docs.texts().collect())
            .try_collect()
            .await
            .unwrap();
        assert_eq!(answers, expected);
        assert_eq!(most.load(Ordering::SeqCst), 4);
    }
}

#[tokio::test]
async fn prefetch_bounds_what_is_in_flight() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let config = GatewayConfig {
        prefetch: NonZeroUsize::new(4).unwrap(),
        ..GatewayConfig::default()
    };
    let served = Served::configured(
        flow([(
            "e",
            &[],
            Functions::default().on("/x", move |call| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&seen));
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    reply(call.docs)
                }
            }),
        )]),
        config,
    )
    .await;
    let client = served.client().await;
    for (prefetch, expected) in [(None, 4), (Some(3), 3), (Some(7), 7)] {
        most.store(0, Ordering::SeqCst);
        let requests = futures::stream::iter((0..30).map(|_| post("/x", "a")));
        let options = PostOptions {
            prefetch,
            ..PostOptions::default()
        };
        let answers = client.call(requests, options).await.unwrap();
        assert_eq!(answers.count().await, 30);
        assert_eq!(most.load(Ordering::SeqCst), expected);
    }
    let mut request = Request::new(futures::stream::iter([Bytes::new()]));
    let metadata = request.metadata_mut();
    metadata.insert("__prefetch__", "none".parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/jina.JinaRPC/Call");
    let refused = served
        .raw()
        .await
        .streaming(request, path, BytesCodec)
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn leaving_a_stream_gives_its_requests_up() {
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (entered, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, drop_it) = (Arc::clone(&entered), Arc::clone(&dropped));
    let served = Served::new(flow([(
        "e",
        &[],
        Functions::default().on("/x", move |_| {
            let guard = Guard(Arc::clone(&drop_it));
            enter.notify_one();
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        }),
    )]))
    .await;
    let client = served.client().await;
    let requests = futures::stream::iter([post("/x", "a")]).chain(futures::stream::pending());
    let answers = client.call(requests, PostOptions::default()).await.unwrap();
    entered.notified().await;
    drop(answers);
    tokio::time::timeout(Duration::from_secs(5), dropped.notified())
        .await
        .unwrap();
}

#[tokio::test]
async fn too_large_a_message_is_refused_with_the_bound() {
    let config = GatewayConfig {
        max_message: 10_240,
        ..GatewayConfig::default()
    };
    let served = Served::configured(exclaiming(), config).await;
    let large = "x".repeat(20_000);
    let (answers, status) = served
        .frames(vec![
            frame("id", Some("/x"), &documents(["a"])),
            frame("id", Some("/x"), &documents([&large])),
        ])
        .await;
    assert_eq!(answers.len(), 1);
    let status = status.unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .starts_with("message 2 of this call is larger than 10 KiB"),
        "{status}"
    );
    let status = served
        .single(frame("id", Some("/x"), &documents([&large])))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);

    // Small on the wire, large when it is opened.
    let client = served.client().await;
    let options = PostOptions {
        compress: true,
        ..PostOptions::default()
    };
    let requests = futures::stream::iter([post("/x", &large)]);
    let mut answers = client.call(requests, options).await.unwrap();
    let error = answers.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("10 KiB"), "{error}");
}

#[tokio::test]
async fn compressed_calls_are_answered_compressed() {
    let served = Served::new(exclaiming()).await;
    let client = served.client().await;
    for compress in [false, true] {
        let options = PostOptions {
            compress,
            ..PostOptions::default()
        };
        let requests = futures::stream::iter([post("/x", &"a".repeat(1000))]);
        let mut answers = client.call(requests, options).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer.docs.texts().next().map(str::len), Some(1001));
    }
    // What it says of its answers, to a client that can read gzip in any case.
    for (sends, answered) in [(None, None), (Some("gzip"), Some("gzip"))] {
        let mut grpc = served
            .raw()
            .await
            .accept_compressed(CompressionEncoding::Gzip);
        if sends.is_some() {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        let path = http::uri::PathAndQuery::from_static(SINGLE);
        let response = grpc
            .unary(Request::new(frame("id", Some("/x"), b"")), path, BytesCodec)
            .await
            .unwrap();
        let encoding = response
            .metadata()
            .get("grpc-encoding")
            .map(|value| value.to_str().unwrap());
        assert_eq!(encoding, answered);
    }
}

#[tokio::test]
async fn the_services_beside_requests() {
    let served = Served::new(exclaiming()).await;
    assert_eq!(served.client().await.dry_run().await.unwrap(), None);

    let endpoints = served
        .unary(
            "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery",
            Bytes::new(),
        )
        .await
        .unwrap();
    let endpoints: EndpointsProto = prost::Message::decode(endpoints).unwrap();
    assert_eq!(
        endpoints.endpoints,
        ["/fail", "/results", "/x", "_jina_dry_run_"]
    );

    let info = served
        .unary("/jina.JinaInfoRPC/_status", Bytes::new())
        .await
        .unwrap();
    let info: JinaInfoProto = prost::Message::decode(info).unwrap();
    assert_eq!(info.jina["wasm-flow"], env!("CARGO_PKG_VERSION"));
    assert!(info.envs.is_empty());

    for path in ["/jina.JinaExecutorSnapshot/snapshot", "/no.Such/thing"] {
        let status = served.unary(path, Bytes::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(path), "{status}");
    }
}

#[tokio::test]
async fn health_of_every_listed_service() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let served = Served::new(exclaiming()).await;
    let mut client = HealthClient::new(served.channel().await);
    for service in LISTED.into_iter().chain([""]) {
        let service = service.to_owned();
        let answer = client.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status, 1);
    }
    let service = "no.Such".to_owned();
    let status = client.check(HealthCheckRequest { service }).await;
    assert_eq!(status.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_port_that_cannot_be_had() {
    let served = Served::new(exclaiming()).await;
    let port = served.address.port();
    for (host, port, expected) in [
        (
            "127.0.0.1",
            port,
            format!("cannot listen on 127.0.0.1:{port}: something else"),
        ),
        (
            "192.0.2.1",
            1234,
            "`192.0.2.1` is not an address of this machine".to_owned(),
        ),
        (
            "no-such-host.invalid",
            1,
            "`no-such-host.invalid` is not an address".to_owned(),
        ),
    ] {
        let config = GatewayConfig {
            host: host.to_owned(),
            port,
            ..GatewayConfig::default()
        };
        let error = Gateway::bind(&config, Arc::new(exclaiming()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_client_that_finds_nobody() {
    for (address, expected) in [
        ("localhost", "is not a gateway's address"),
        ("http://localhost:1", "is not a gateway's address"),
        ("grpc://127.0.0.1:1", "cannot reach 127.0.0.1:1"),
    ] {
        let error = Client::connect(address).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_client_cannot_ask_for_more_than_jina_gives_or_the_operator() {
    let most = |configured: usize, wanted: &str| {
        let mut metadata = tonic::metadata::MetadataMap::new();
        metadata.insert("__prefetch__", wanted.parse().unwrap());
        options::options(&metadata, configured, 1).unwrap().prefetch
    };
    assert_eq!(most(4, "7"), 7);
    assert_eq!(most(4, "1000000"), 1000);
    assert_eq!(most(5000, "1000000"), 5000);
}

#[tokio::test]
async fn requests_keep_to_their_own_ids() {
    let served = Served::new(exclaiming()).await;
    let frames = (0..200)
        .map(|n| frame(&n.to_string(), Some("/x"), &documents([&n.to_string()])))
        .collect();
    let (answers, status) = served.frames(frames).await;
    assert!(status.is_none());
    let seen = Mutex::new(vec![false; 200]);
    for answer in answers {
        let id = &answer.header.request_id;
        assert_eq!(texts(&answer), [format!("{id}!")]);
        seen.lock().unwrap()[id.parse::<usize>().unwrap()] = true;
    }
    assert!(seen.into_inner().unwrap().into_iter().all(|seen| seen));
}
