//! A remote executor: a gateway of functions behind it.

use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use wasm_flow_contract::remote::{Predecessors, RemoteAddress, RemoteConfig, Secret, TlsConfig};
use wasm_flow_contract::{Call, Failure, FailureKind, Part, Reply, Stage};

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

fn remote(address: &str) -> RemoteExecutor {
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

fn hello(endpoint: &str) -> Call {
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
    let tried = remote.connect().await.unwrap_err();
    assert_eq!(tried.tried().len(), 2);
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
    let remote = remote(&format!("grpc://{}", server.address));
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
    drop(other);
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

/// What a listener does with each connection.
async fn listener<F: Future<Output = ()> + Send + 'static>(
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
    for (address, why) in [
        (http1, "does not speak gRPC"),
        (closes, "closed the connection"),
    ] {
        let remote = remote(&format!("grpc://{address}"));
        let failed = remote.call(hello("/x")).await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::Unreachable, "{failed}");
        assert!(
            failed.description.contains(&address.to_string()),
            "{failed}"
        );
        assert!(failed.description.contains(why), "{failed}");
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
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let signed = || {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (
            params.signed_by(&key, &ca).unwrap().pem(),
            key.serialize_pem(),
        )
    };
    let (server, client) = (signed(), signed());
    Certificates {
        ca: ca.pem(),
        server: Identity::from_pem(server.0, server.1),
        client: (client.0, Secret::new(client.1)),
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
    assert!(no_token.contains("it refuses: no token"), "{no_token}");
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
    assert!(nobody.contains("cannot reach"), "{nobody}");
    let plain = failure_of(config(&format!("grpc://localhost:{port}"))).await;
    assert!(plain.contains("cannot reach"), "{plain}");
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
             gateway's certificate comes from nobody who is trusted: name its authority's \
             certificate as `ca`"
        )
    );
    let other_name = failure_of(format!("grpcs://127.0.0.1:{port}"), &trusting, None).await;
    assert!(
        other_name.contains("certificate not valid for name \"127.0.0.1\""),
        "{other_name}"
    );
    let nobody = failure_of(known(), &trusting, None).await;
    // With TLS 1.3, the server refuses when the first call is on its way, and its reason may
    // be lost with the connection.
    assert!(
        nobody.contains("the gateway wants a certificate of this side")
            || nobody.contains("ended the call: "),
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
    let gateway = served().await;
    let plain = format!("grpcs://{}", gateway.address);
    let plain = failure_of(plain, &trusting, None).await;
    assert!(plain.contains("is it a grpc:// address"), "{plain}");
}
