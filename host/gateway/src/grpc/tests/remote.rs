//! A remote executor: a gateway of functions behind it.

use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::net::TcpListener;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use wasm_flow_contract::failure::FailureDetails;
use wasm_flow_contract::remote::{Predecessors, RemoteAddress, RemoteConfig, Secret, TlsConfig};
use wasm_flow_contract::{Call, Failure, FailureKind, Part, Reply, Stage};
use wasm_flow_flow::stages::Retried;

use super::authority::Authority;
use super::*;
use crate::drain::Drain;
use crate::grpc::proto::jina_single_data_request_r_p_c_server::JinaSingleDataRequestRPCServer;
use crate::grpc::remote::RemoteExecutor;
use crate::grpc::service::JinaService;
use crate::grpc::services;

fn config(address: &str) -> RemoteConfig {
    RemoteConfig {
        name: "far".to_owned(),
        address: RemoteAddress::parse(address).unwrap(),
        tls: TlsConfig::default(),
        token: None,
        timeout: Duration::from_secs(60),
        timeout_send: None,
        reply: 1 << 20,
        predecessors: Predecessors::Together,
    }
}

pub(super) fn remote(address: &str) -> RemoteExecutor {
    RemoteExecutor::new(config(address)).unwrap()
}

impl Served {
    fn remote(&self) -> RemoteExecutor {
        remote(&format!("grpc://{}", self.address))
    }
}

fn call(endpoint: &str, parts: &[(&str, &str)]) -> Call {
    let parts: Vec<Part> = parts
        .iter()
        .map(|(executor, text)| Part {
            executor: Arc::from(*executor),
            docs: DocumentArray::from_texts([*text]),
        })
        .collect();
    Call {
        request_id: Arc::from("id"),
        endpoint: Arc::from(endpoint),
        parameters: Arc::new(map(json!({ "k": 1.5 }))),
        docs: DocumentArray::concat(parts.iter().map(|part| &part.docs)),
        parts,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .map(|trace| wasm_flow_contract::TraceContext::parse(trace).unwrap()),
    }
}

pub(super) fn hello(endpoint: &str) -> Call {
    call(endpoint, &[("gateway", "hello")])
}

fn texts(outcome: Result<Reply, Failure>) -> Vec<String> {
    outcome.unwrap().docs.texts().map(str::to_owned).collect()
}

/// Tells in texts what it was called with.
fn echo() -> Functions {
    Functions::default()
        .on("/x", |call| async move {
            let parts = call.parts.iter();
            let told = parts.map(|part| {
                let texts: Vec<&str> = part.docs.texts().collect();
                format!("{}: {}", part.executor, texts.join(","))
            });
            let trace = call.trace.map(|trace| trace.to_string());
            let rest = format!(
                "{} {} {}",
                call.request_id,
                call.parameters["k"],
                trace.unwrap_or_default()
            );
            reply(DocumentArray::from_texts(told.chain([rest])))
        })
        .on("/results", |call| async move {
            results(call, json!({ "found": 3 }), 1)
        })
        .on("/fails", |_| async { Err(failure("ValueError")) })
        .on("/sleep", |call| async move {
            tokio::time::sleep(Duration::from_secs(600)).await;
            reply(call.docs)
        })
        .on("/large", |_| async {
            reply(DocumentArray::from_texts(["x".repeat(16 << 20)]))
        })
}

async fn served() -> Served {
    Served::new(flow([("executor", &[], echo())])).await
}

#[tokio::test]
async fn a_call_goes_there_and_back_with_all_that_belongs_to_it() {
    let served = served().await;
    let remote = served.remote();
    remote.connect().await.unwrap();
    let rest = "id 1.5 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(
        texts(remote.call(hello("/x")).await),
        ["gateway: hello", rest]
    );
    let both = || call("/x", &[("a", "1"), ("b", "2")]);
    assert_eq!(texts(remote.call(both()).await), ["a: 1,2", rest]);
    for predecessors in [Predecessors::Apart, Predecessors::ApartIfTaken] {
        let apart = RemoteExecutor::new(RemoteConfig {
            predecessors,
            ..config(&format!("grpc://{}", served.address))
        });
        assert_eq!(
            texts(apart.unwrap().call(both()).await),
            ["a: 1", "b: 2", rest]
        );
    }
    // What became one is not taken apart again.
    let reduced = || Call {
        docs: DocumentArray::from_texts(["12"]),
        ..both()
    };
    let if_taken = RemoteExecutor::new(RemoteConfig {
        predecessors: Predecessors::ApartIfTaken,
        ..config(&format!("grpc://{}", served.address))
    });
    assert_eq!(
        texts(if_taken.unwrap().call(reduced()).await),
        ["a: 12", rest]
    );
    let reply = remote.call(hello("/results")).await.unwrap();
    assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["hello"]);
    let [results] = reply.results.as_slice() else {
        panic!("{:?}", reply.results);
    };
    assert_eq!(results.origin.to_string(), "rep-1");
    assert_eq!(results.values, map(json!({ "found": 3 })));
}

#[tokio::test]
async fn what_fails_there_fails_here_in_its_words() {
    let served = served().await;
    let failed = served.remote().call(hello("/fails")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Method);
    assert_eq!(failed.name, "ValueError");
    assert_eq!(&*failed.executor, "Class");
    assert_eq!(
        (failed.args, failed.stacks),
        (vec!["why".into()], vec!["line".into()])
    );
    assert_eq!(
        failed.description,
        format!(
            "executor `far` at {} failed: ValueError('why')",
            served.address
        )
    );
}

/// Fails with each of these, one after the other, and then succeeds.
fn failing(failures: impl IntoIterator<Item = Failure>) -> (Functions, Arc<AtomicUsize>) {
    let failures: Mutex<Vec<Failure>> = Mutex::new(failures.into_iter().collect());
    let calls: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&calls);
    let functions = Functions::default().on("/x", move |call| {
        counted.fetch_add(1, Ordering::SeqCst);
        let failure = failures.lock().unwrap().pop();
        async move { failure.map_or_else(|| reply(call.docs), Err) }
    });
    (functions, calls)
}

fn of_kind(kind: FailureKind) -> Failure {
    Failure {
        kind,
        ..failure("Busy")
    }
}

/// A failure of which the executor says that it may be tried again.
fn busy(after: Option<Duration>) -> Failure {
    Failure {
        details: Some(Box::new(FailureDetails {
            retry: true,
            retry_after: after,
            documents: Vec::new(),
        })),
        ..failure("Busy")
    }
}

#[tokio::test]
async fn what_may_be_tried_again_there_is_tried_again_here() {
    use FailureKind::{Lost, Method, Timeout, Trap, Unreachable};

    let few = Some(Duration::from_millis(2));
    for (failure, repeatable, expected) in [
        (of_kind(Lost), true, 2),
        (of_kind(Lost), false, 1),
        (of_kind(Unreachable), true, 2),
        // What is there has got it.
        (of_kind(Unreachable), false, 1),
        (busy(few), true, 2),
        (busy(few), false, 1),
        (of_kind(Method), true, 1),
        (of_kind(Timeout), true, 1),
        (of_kind(Trap), true, 1),
    ] {
        let (functions, calls) = failing([failure.clone()]);
        let functions = match repeatable {
            true => functions.repeatable(),
            false => functions,
        };
        let served = Served::new(flow([("executor", &[], functions)])).await;
        let remote = served.remote();
        remote.connect().await.unwrap();
        let retried = Retried::new(Arc::new(remote), 2);
        let outcome = retried.call(hello("/x")).await;
        assert_eq!(outcome.is_ok(), expected == 2, "{failure:?}");
        assert_eq!(calls.load(Ordering::SeqCst), expected, "{failure:?}");
    }
}

#[tokio::test]
async fn whether_it_may_be_tried_again_reaches_the_client() {
    use wasm_flow_contract::Retry;

    let after = Some(Duration::from_millis(1500));
    for (failure, kind, retry) in [
        (busy(after), FailureKind::Method, Retry::May { after }),
        (
            of_kind(FailureKind::Lost),
            FailureKind::Lost,
            Retry::May { after: None },
        ),
        (
            of_kind(FailureKind::Timeout),
            FailureKind::Timeout,
            Retry::No,
        ),
    ] {
        let (functions, _) = failing(vec![failure; 3]);
        let near = Served::new(flow([("executor", &[], functions)])).await;
        let client = near.client().await;
        let alone = client.send(post("/x", "a")).await.unwrap();
        let requests = futures::stream::iter([post("/x", "a")]);
        let answers = client.call(requests, PostOptions::default()).await.unwrap();
        let mut answers: Vec<_> = answers.try_collect().await.unwrap();
        let streamed = answers.pop().unwrap();
        // Past another flow, too.
        let remote = near.remote().call(hello("/x")).await.unwrap_err();
        assert_eq!((remote.kind, remote.retry()), (kind, retry));
        for answer in [alone, streamed] {
            let failure = answer.failure.unwrap();
            assert_eq!((failure.kind, failure.retry), (Some(kind), Some(retry)));
        }
    }
}

#[tokio::test]
async fn endpoints_are_known_once_it_was_reached() {
    let served = served().await;
    let remote = served.remote();
    assert!(remote.binds("/anything"));
    remote.connect().await.unwrap();
    assert!(remote.binds("/x") && !remote.binds("/anything"));
    let info = remote.info();
    let endpoints: Vec<_> = info
        .endpoints
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(endpoints, ["/fails", "/large", "/results", "/sleep", "/x"]);
    assert!(!remote.is_repeatable("/x"));
}

/// A port that nobody listens on.
async fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_call_that_nobody_got_says_so_and_where() {
    let (one, two) = (free().await, free().await);
    let remote = remote(&format!("grpc://{one},{two}"));
    let failed = remote.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unreachable);
    assert_eq!(failed.name, "ExecutorUnreachable");
    for address in [one, two] {
        let expected = format!("cannot reach {address}: Connection refused");
        assert!(failed.description.contains(&expected), "{failed}");
    }
    let tried = remote.connect().await.unwrap_err().to_string();
    assert_eq!(tried.matches("cannot reach ").count(), 2, "{tried}");
    let unknown = self::remote("grpc://no-such-host.invalid:1");
    let failed = unknown.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unreachable);
    assert!(
        failed
            .description
            .contains("no-such-host.invalid:1: the name is not known"),
        "{failed}"
    );
}

#[tokio::test]
async fn calls_go_to_the_addresses_that_can_be_reached() {
    let served = served().await;
    let remote = remote(&format!("grpc://{},{}", free().await, served.address));
    for _ in 0..10 {
        remote.call(hello("/x")).await.unwrap();
    }
    // A name with several addresses of which one is served.
    let local = self::remote(&format!("grpc://localhost:{}", served.address.port()));
    local.call(hello("/x")).await.unwrap();
}

#[tokio::test]
async fn calls_are_spread_over_the_addresses() {
    let counts: Vec<Arc<AtomicUsize>> = (0..3).map(|_| Arc::default()).collect();
    let mut addresses = Vec::new();
    let mut servers = Vec::new();
    for count in &counts {
        let count = Arc::clone(count);
        let counting = Functions::default().on("/x", move |call| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { reply(call.docs) }
        });
        let server = Served::new(flow([("e", &[], counting)])).await;
        addresses.push(server.address.to_string());
        servers.push(server);
    }
    let remote = remote(&format!("grpc://{}", addresses.join(",")));
    // Whoever is not known yet is left out.
    remote.connect().await.unwrap();
    for _ in 0..30 {
        remote.call(hello("/x")).await.unwrap();
    }
    for count in counts {
        assert_eq!(count.load(Ordering::SeqCst), 10);
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_called_again() {
    let address = free().await;
    let remote = remote(&format!("grpc://{address}"));
    for _ in 0..2 {
        assert!(remote.call(hello("/x")).await.is_err());
        let config = GatewayConfig {
            port: address.port(),
            ..GatewayConfig::default()
        };
        let gateway = Gateway::bind(&config, Arc::new(flow([("executor", &[], echo())])));
        let gateway = gateway.await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.serve(async {
            let _ = stopped.await;
        }));
        remote.call(hello("/x")).await.unwrap();
        let _ = stop.send(());
        task.await.unwrap().unwrap();
    }
}

/// Whoever breaks off may have done it, so nobody else is asked.
#[tokio::test]
async fn a_call_that_breaks_off_is_not_sent_to_another_address() {
    let gone = Arc::new(AtomicUsize::new(0));
    let (server, other) = (served().await, never(&gone).await);
    let remote = remote(&format!("grpc://{},{}", server.address, other.address));
    // Both are known, and the first has the first turn.
    remote.connect().await.unwrap();
    let calling = tokio::spawn(remote.call(hello("/sleep")));
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.task.abort();
    let failed = calling.await.unwrap().unwrap_err();
    assert_eq!(failed.kind, FailureKind::Lost, "{failed}");
    assert!(
        failed.description.contains(&server.address.to_string()),
        "{failed}"
    );
    assert!(
        failed
            .description
            .contains("whether it was carried out is not known"),
        "{failed}"
    );
    assert_eq!(gone.load(Ordering::SeqCst), 0);
}

/// No call asks it: a flow passes a server by that had nothing for the endpoint before.
#[tokio::test]
async fn what_breaks_off_is_asked_anew_without_a_call() {
    let server = served().await;
    let address = server.address;
    let remote = server.remote();
    remote.connect().await.unwrap();
    let calling = tokio::spawn(remote.call(hello("/sleep")));
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.task.abort();
    let failed = calling.await.unwrap().unwrap_err();
    assert_eq!(failed.kind, FailureKind::Lost, "{failed}");
    assert!(!remote.binds("/new"));
    let renewed = echo().on("/new", |call| async move { reply(call.docs) });
    let config = GatewayConfig {
        port: address.port(),
        ..GatewayConfig::default()
    };
    let gateway = Gateway::bind(&config, Arc::new(flow([("executor", &[], renewed)])));
    tokio::spawn(gateway.await.unwrap().serve(std::future::pending()));
    let bound = async {
        while !remote.binds("/new") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, bound).await.unwrap();
}

async fn never(gone: &Arc<AtomicUsize>) -> Served {
    let gone = Arc::clone(gone);
    let counting = Functions::default().on("/sleep", move |call| {
        gone.fetch_add(1, Ordering::SeqCst);
        async move { reply(call.docs) }
    });
    Served::new(flow([("e", &[], counting)])).await
}

#[tokio::test]
async fn a_call_has_two_bounds_of_time() {
    let served = served().await;
    let address = format!("grpc://{}", served.address);
    let few = Duration::from_millis(200);
    for (timeout, timeout_send, named) in [
        (few, None, "`timeout` of 200ms"),
        (
            Duration::from_secs(60),
            Some(few),
            "`timeout_send` of 200ms",
        ),
    ] {
        let remote = RemoteExecutor::new(RemoteConfig {
            timeout,
            timeout_send,
            ..config(&address)
        })
        .unwrap();
        let start = Instant::now();
        let failed = remote.call(hello("/sleep")).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(failed.kind, FailureKind::Timeout, "{failed}");
        assert!(failed.description.contains(named), "{failed}");
    }
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let served = served().await;
    let failed = served.remote().call(hello("/large")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Reply);
    assert!(failed.description.contains("`limits.reply`"), "{failed}");
}

/// A server that answers calls with `answer`, compressed, and greets nobody.
async fn compressing(
    answer: impl Fn() -> Result<Response<Bytes>, Status> + Send + Sync + 'static,
) -> SocketAddr {
    use tonic::server::{Grpc, UnaryService};

    #[derive(Clone)]
    struct Answers(Arc<dyn Fn() -> Result<Response<Bytes>, Status> + Send + Sync>);

    impl UnaryService<Bytes> for Answers {
        type Response = Bytes;
        type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

        fn call(&mut self, _: Request<Bytes>) -> Self::Future {
            std::future::ready((self.0)())
        }
    }

    impl tower_service::Service<http::Request<tonic::body::Body>> for Answers {
        type Response = http::Response<tonic::body::Body>;
        type Error = std::convert::Infallible;
        type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
            let answers = self.clone();
            Box::pin(async move {
                if !request.uri().path().contains("process_single_data") {
                    return Ok(Status::unimplemented("").into_http());
                }
                let mut grpc = Grpc::new(BytesCodec)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .send_compressed(CompressionEncoding::Gzip);
                Ok(grpc.unary(answers, request).await)
            })
        }
    }

    impl tonic::server::NamedService for Answers {
        const NAME: &'static str = "jina.JinaSingleDataRequestRPC";
    }

    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = Server::builder().add_service(Answers(Arc::new(answer)));
    tokio::spawn(server.serve_with_incoming(tokio_stream(tcp)));
    address
}

#[tokio::test]
async fn what_comes_out_of_a_compressed_answer_is_bounded_too() {
    let address = compressing(|| {
        let large = documents(["x".repeat(16 << 20).as_str()]);
        Ok(Response::new(frame("id", Some("/x"), &large)))
    })
    .await;
    let failed = remote(&format!("grpc://{address}"));
    let failed = failed.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Reply, "{failed}");
    for part in ["decompressing", "`limits.reply`"] {
        assert!(failed.description.contains(part), "{failed}");
    }
}

#[tokio::test]
async fn a_server_that_finds_a_request_too_large_says_nothing_of_answers() {
    for (status, code) in [
        (Status::out_of_range("too large"), "OUT_OF_RANGE"),
        (
            Status::resource_exhausted("too large"),
            "RESOURCE_EXHAUSTED",
        ),
    ] {
        let address = compressing(move || Err(status.clone())).await;
        let remote = remote(&format!("grpc://{address}"));
        let failed = remote.call(hello("/x")).await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::Unavailable, "{failed}");
        for part in [code, "too large", "send fewer documents a request"] {
            assert!(failed.description.contains(part), "{failed}");
        }
        assert!(!failed.description.contains("limits.reply"), "{failed}");
    }
}

/// What a listener does with each connection.
pub(super) async fn listener<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

#[tokio::test]
async fn what_is_not_an_executor_is_said_to_be_none() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let http1 = listener(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .await;
    })
    .await;
    let closes = listener(|stream| async move { drop(stream) }).await;
    for address in [http1, closes] {
        let remote = remote(&format!("grpc://{address}"));
        let failed = remote.call(hello("/x")).await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
        for part in [&address.to_string(), "it may be no gRPC server"] {
            assert!(failed.description.contains(part), "{failed}");
        }
    }
    // gRPC, but none of Jina's services.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let health = tonic_health::server::health_reporter().1;
    tokio::spawn(
        Server::builder()
            .add_service(health)
            .serve_with_incoming(tokio_stream(tcp)),
    );
    let remote = remote(&format!("grpc://{address}"));
    let failed = remote.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unavailable, "{failed}");
    assert!(
        failed.description.contains("it is not an executor"),
        "{failed}"
    );
    // It has carried out nothing, so another address may.
    let served = served().await;
    let both = self::remote(&format!("grpc://{address},{}", served.address));
    both.connect().await.unwrap();
    for _ in 0..4 {
        both.call(hello("/x")).await.unwrap();
    }
}

/// Takes connections, and never says anything. Gives how many there were.
async fn silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let count: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&count);
    let address = listener(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            std::future::pending::<()>().await;
            drop(stream);
        }
    })
    .await;
    (address, count)
}

/// Less than what a server has to answer in.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_silent_address_takes_no_calls_from_others() {
    let served = served().await;
    let ((one, _), (two, _)) = (silent().await, silent().await);
    let remote = remote(&format!("grpc://{one},{},{two}", served.address));
    let start = Instant::now();
    let calls = (0..30).map(|_| remote.call(hello("/x")));
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    for _ in 0..30 {
        remote.call(hello("/x")).await.unwrap();
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_call_that_nobody_got_in_its_time_says_so() {
    let (address, _) = silent().await;
    let limit = Duration::from_millis(200);
    let remote = RemoteExecutor::new(RemoteConfig {
        timeout: limit,
        ..config(&format!("grpc://{address}"))
    })
    .unwrap();
    let failed = remote.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
    let expected =
        format!("cannot reach {address}: no answer within the executor's `timeout` of 200ms");
    assert!(failed.description.contains(&expected), "{failed}");
}

/// The waiters of one question get one answer, however many they are.
#[tokio::test]
async fn calls_wait_for_a_silent_address_together() {
    let (address, _) = silent().await;
    let remote = remote(&format!("grpc://{address}"));
    let start = Instant::now();
    // If each asked for itself, the last would wait until 18 s are over.
    let calls = (0..5).map(|nth| {
        let remote = &remote;
        async move {
            tokio::time::sleep(Duration::from_secs(2 * nth)).await;
            remote.call(hello("/x")).await
        }
    });
    for outcome in futures::future::join_all(calls).await {
        let failed = outcome.unwrap_err();
        assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
    }
    assert!(start.elapsed() < crate::bounds::CONNECT + SOON);
}

/// A server of a version whose documents are of another form.
async fn of_other_documents() -> SocketAddr {
    use crate::grpc::proto::jina_info_r_p_c_server::{JinaInfoRPC, JinaInfoRPCServer};

    struct Other;

    #[tonic::async_trait]
    impl JinaInfoRPC for Other {
        async fn status(&self, _: Request<()>) -> Result<Response<JinaInfoProto>, Status> {
            Ok(Response::new(JinaInfoProto {
                jina: [("docarray".to_owned(), "0.40.0".to_owned())].into(),
                ..JinaInfoProto::default()
            }))
        }
    }

    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = Server::builder().add_service(JinaInfoRPCServer::new(Other));
    tokio::spawn(server.serve_with_incoming(tokio_stream(tcp)));
    address
}

#[tokio::test]
async fn who_refuses_is_passed_by_and_not_said_to_be_unreachable() {
    let (other, served) = (of_other_documents().await, served().await);
    let alone = remote(&format!("grpc://{other}"));
    let failed = alone.call(hello("/x")).await.unwrap_err();
    // Which is not tried again.
    assert_eq!(failed.kind, FailureKind::Unavailable, "{failed}");
    for part in [
        &format!("{other} takes no calls: it speaks docarray 0.40.0"),
        "serve it with docarray below 0.30",
    ] {
        assert!(failed.description.contains(part), "{failed}");
    }
    assert!(
        !failed.description.contains("may be sent again"),
        "{failed}"
    );
    let tried = alone.connect().await.unwrap_err();
    assert!(tried.is_refusal(), "{tried}");
    let both = remote(&format!("grpc://{other},{}", served.address));
    for _ in 0..4 {
        both.call(hello("/x")).await.unwrap();
    }
    // Somebody may come where nobody is.
    let nobody = free().await;
    let mixed = remote(&format!("grpc://{other},{nobody}"));
    let failed = mixed.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
}

/// A proxy that no longer knows the token answers without any gRPC.
#[tokio::test]
async fn a_refusal_may_be_a_status_of_http_alone() {
    let proxy = listener(|stream| async move {
        let mut server = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut answer))) = server.accept().await {
            let status = match request.uri().path().contains("process_single_data") {
                true => 401,
                false => 404,
            };
            let response = http::Response::builder().status(status).body(()).unwrap();
            answer.send_response(response, true).unwrap();
        }
    });
    let (proxy, served) = (proxy.await, served().await);
    let alone = remote(&format!("grpc://{proxy}"));
    let failed = alone.call(hello("/x")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unavailable, "{failed}");
    assert!(failed.description.contains("see to `token`"), "{failed}");
    let both = remote(&format!("grpc://{proxy},{}", served.address));
    both.connect().await.unwrap();
    both.call(hello("/x")).await.unwrap();
}

/// As in a rolling update.
#[tokio::test]
async fn what_one_server_says_does_not_stand_for_the_others() {
    let new = echo().on("/new", |call| async move {
        reply(suffixed(&call.docs, " anew"))
    });
    let old = echo().on("/old", |call| async move { reply(call.docs) });
    let (old, new) = (
        Served::new(flow([("executor", &[], old)])).await,
        Served::new(flow([("executor", &[], new)])).await,
    );
    let both = remote(&format!("grpc://{},{}", old.address, new.address));
    both.connect().await.unwrap();
    let endpoints = both.info().endpoints.into_iter();
    let endpoints: Vec<_> = endpoints.map(|(endpoint, _)| endpoint).collect();
    for endpoint in ["/new", "/old", "/x"] {
        assert!(
            endpoints.iter().any(|other| other == endpoint),
            "{endpoints:?}"
        );
    }
    for _ in 0..4 {
        assert!(both.binds("/new"));
        assert_eq!(texts(both.call(hello("/new")).await), ["hello anew"]);
    }
    let Served { stop, task, .. } = new;
    drop(stop);
    task.await.unwrap().unwrap();
    // It is not passed by as if nobody had anything for it.
    assert!(both.binds("/new"));
    let failed = both.call(hello("/new")).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
    assert!(!both.binds("/none"));
}

#[tokio::test]
async fn a_new_endpoint_is_called_by_the_first_request_to_it() {
    let served = served().await;
    let address = served.address;
    let remote = served.remote();
    remote.connect().await.unwrap();
    assert!(!remote.binds("/new"));
    remote.age();
    assert!(remote.binds("/new"));
    // It has none, and says so once more.
    assert_eq!(texts(remote.call(hello("/new")).await), ["hello"]);
    assert!(!remote.binds("/new"));
    remote.age();

    let Served { stop, task, .. } = served;
    drop(stop);
    task.await.unwrap().unwrap();
    let renewed = echo().on("/new", |call| async move {
        reply(suffixed(&call.docs, " anew"))
    });
    let config = GatewayConfig {
        port: address.port(),
        ..GatewayConfig::default()
    };
    let gateway = Gateway::bind(&config, Arc::new(flow([("executor", &[], renewed)])));
    tokio::spawn(gateway.await.unwrap().serve(std::future::pending()));
    assert!(remote.binds("/new"));
    assert_eq!(texts(remote.call(hello("/new")).await), ["hello anew"]);
}

fn tokio_stream(
    listener: TcpListener,
) -> impl futures::Stream<Item = std::io::Result<tokio::net::TcpStream>> {
    futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    })
}

/// As the gateway of a Jina Deployment: it takes the documents of several predecessors as
/// one list alone.
async fn of_one_list() -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let functions: Arc<dyn wasm_flow_contract::Service> = Arc::new(flow([("e", &[], echo())]));
    let service = JinaService::new(functions, 10, 1 << 20, Drain::new());
    let server = Server::builder().add_service(JinaSingleDataRequestRPCServer::new(service));
    tokio::spawn(server.serve_with_incoming(tokio_stream(tcp)));
    address
}

#[tokio::test]
async fn who_does_not_take_documents_apart_gets_one_list_if_that_will_do() {
    let address = of_one_list().await;
    let call = || call("/x", &[("a", "1"), ("b", "2")]);
    let remote = |predecessors| {
        let config = config(&format!("grpc://{address}"));
        RemoteExecutor::new(RemoteConfig {
            predecessors,
            ..config
        })
        .unwrap()
    };
    let if_taken = remote(Predecessors::ApartIfTaken);
    for _ in 0..2 {
        assert_eq!(texts(if_taken.call(call()).await)[0], "a: 1,2");
    }
    let failed = remote(Predecessors::Apart).call(call()).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Unavailable);
    assert!(
        failed.description.contains(&address.to_string())
            && failed.description.contains("leave `no_reduce` out"),
        "{failed}"
    );
}

struct Certificates {
    ca: String,
    server: Identity,
    client: (String, Secret),
}

fn certificates() -> Certificates {
    let ca = Authority::new();
    let (server, client) = (ca.signed(), ca.signed());
    Certificates {
        ca: ca.pem(),
        server: Identity::from_pem(server.0, server.1.reveal()),
        client,
    }
}

/// A server with TLS that wants a client's certificate and a token.
async fn secured(certificates: &Certificates) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let drain = Drain::new();
    let functions: Arc<dyn wasm_flow_contract::Service> = Arc::new(flow([("e", &[], echo())]));
    let service = JinaService::new(functions, 10, 1 << 20, drain.clone());
    let tls = ServerTlsConfig::new()
        .identity(certificates.server.clone())
        .client_ca_root(Certificate::from_pem(&certificates.ca));
    let checked = |request: Request<()>| match request.metadata().get("authorization") {
        Some(token) if token == "Bearer hush" => Ok(request),
        _ => Err(Status::unauthenticated("no token")),
    };
    let server = Server::builder()
        .tls_config(tls)
        .unwrap()
        .layer(tonic::service::InterceptorLayer::new(checked))
        .add_routes(services::routes(service, &drain).unwrap());
    tokio::spawn(server.serve_with_incoming(tokio_stream(tcp)));
    address
}

#[tokio::test]
async fn connections_are_secured_with_certificates_and_a_token() {
    let certificates = certificates();
    let port = secured(&certificates).await.port();
    let whole = RemoteConfig {
        tls: TlsConfig {
            ca: Some(certificates.ca.clone()),
            identity: Some(certificates.client.clone()),
        },
        token: Some(Secret::new("hush")),
        ..config(&format!("grpcs://localhost:{port}"))
    };
    let secured = RemoteExecutor::new(whole.clone()).unwrap();
    secured.call(hello("/x")).await.unwrap();
    let failure_of = async |config: RemoteConfig| {
        let remote = RemoteExecutor::new(config).unwrap();
        remote.call(hello("/x")).await.unwrap_err().description
    };
    let no_token = failure_of(RemoteConfig {
        token: None,
        ..whole.clone()
    });
    let no_token = no_token.await;
    assert!(
        no_token.contains("takes no calls: it refuses: no token")
            && no_token.contains("see to `token`"),
        "{no_token}"
    );
    let mut untrusted = whole.clone();
    untrusted.tls.ca = None;
    let untrusted = failure_of(untrusted).await;
    assert!(
        untrusted.contains("invalid peer certificate"),
        "{untrusted}"
    );
    let mut nobody = whole.clone();
    nobody.tls.identity = None;
    let nobody = failure_of(nobody).await;
    assert!(
        nobody.contains("wants a certificate of this side"),
        "{nobody}"
    );
    assert!(!nobody.contains("does not speak gRPC"), "{nobody}");
    let plain = failure_of(config(&format!("grpc://localhost:{port}"))).await;
    assert!(plain.contains("its address is a grpcs:// one"), "{plain}");
    let mut garbage = whole.clone();
    garbage.tls.ca = Some("no certificate".to_owned());
    let garbage = RemoteExecutor::new(garbage).unwrap_err().to_string();
    assert!(
        garbage.contains("the certificates cannot be used"),
        "{garbage}"
    );

    let address = format!("grpcs://localhost:{port}");
    let client = Client::connect_secure(&address, &whole.tls, whole.token.as_ref()).await;
    assert!(client.unwrap().dry_run().await.unwrap().is_none());
    let plain = format!("grpc://localhost:{port}");
    let refused = Client::connect_secure(&plain, &whole.tls, whole.token.as_ref()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("write grpcs://host:port"), "{refused}");
}

#[tokio::test]
async fn a_client_says_why_it_does_not_get_through_tls() {
    let others = certificates();
    let certificates = certificates();
    let port = secured(&certificates).await.port();
    let trusting = TlsConfig {
        ca: Some(certificates.ca.clone()),
        identity: None,
    };
    let failure_of = async |address: String, tls: &TlsConfig, token: Option<&Secret>| {
        match Client::connect_secure(&address, tls, token).await {
            Ok(client) => client.dry_run().await.unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    };
    let known = || format!("grpcs://localhost:{port}");
    assert_eq!(
        failure_of(known(), &TlsConfig::default(), None).await,
        format!(
            "cannot reach localhost:{port} over TLS: invalid peer certificate: UnknownIssuer; the \
             server's certificate comes from nobody who is trusted: name its authority's \
             certificate as `ca` (`--ca` or WASM_FLOW_CA for `wasm-flow post`)"
        )
    );
    let other_name = failure_of(format!("grpcs://127.0.0.1:{port}"), &trusting, None).await;
    assert!(
        other_name.contains("certificate not valid for name \"127.0.0.1\""),
        "{other_name}"
    );
    let nobody = failure_of(known(), &trusting, None).await;
    assert!(
        nobody.contains("the server wants a certificate of this side"),
        "{nobody}"
    );
    let mine = |key: &Secret| TlsConfig {
        identity: Some((certificates.client.0.clone(), key.clone())),
        ..trusting.clone()
    };
    let mixed = failure_of(known(), &mine(&others.client.1), None).await;
    assert!(
        mixed.ends_with("the key is that of another certificate"),
        "{mixed}"
    );
    let whole = mine(&certificates.client.1);
    let wrong = failure_of(known(), &whole, Some(&Secret::new("wrong"))).await;
    assert!(
        wrong.ends_with("no token (gRPC status UNAUTHENTICATED)"),
        "{wrong}"
    );
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let of_an_authority = Certificates {
        server: Identity::from_pem(&ca, key.serialize_pem()),
        client: certificates.client.clone(),
        ca,
    };
    let port = self::secured(&of_an_authority).await.port();
    let trusting_it = TlsConfig {
        ca: Some(of_an_authority.ca),
        identity: None,
    };
    let itself = failure_of(format!("grpcs://localhost:{port}"), &trusting_it, None).await;
    assert!(itself.contains("`basicConstraints=CA:FALSE`"), "{itself}");
    let gateway = served().await;
    let plain = format!("grpcs://{}", gateway.address);
    let plain = failure_of(plain, &trusting, None).await;
    assert!(plain.contains("is it a grpc:// address"), "{plain}");
}
