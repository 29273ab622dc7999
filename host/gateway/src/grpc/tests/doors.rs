//! Who gets in: TLS, clients' certificates, tokens, and the port for health checks.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use wasm_flow_contract::door::{Door, ServerTls, Tokens};
use wasm_flow_contract::remote::{Secret, TlsConfig};

use super::authority::Authority;
use super::*;

impl Authority {
    /// What a gateway is secured with.
    fn server(&self, clients: Option<&Authority>) -> ServerTls {
        let (cert, key) = self.signed();
        ServerTls {
            cert,
            key,
            client_ca: clients.map(Authority::pem),
        }
    }

    /// What a client that trusts it has.
    fn trusted(&self, identity: Option<(String, Secret)>) -> TlsConfig {
        TlsConfig {
            ca: Some(self.pem()),
            identity,
        }
    }
}

async fn behind(door: Door) -> Served {
    let config = GatewayConfig {
        door,
        ..GatewayConfig::default()
    };
    Served::configured(exclaiming(), config).await
}

fn secured(tls: ServerTls) -> Door {
    Door {
        tls: Some(tls),
        tokens: None,
    }
}

fn tokens(tokens: &str) -> Door {
    Door {
        tls: None,
        tokens: Some(Tokens::parse(tokens).unwrap()),
    }
}

impl Served {
    fn secure_address(&self) -> String {
        format!("grpcs://localhost:{}", self.address.port())
    }

    /// The texts that a client with this gets, or why it gets none.
    async fn asked(&self, tls: &TlsConfig, token: Option<&str>) -> Result<Vec<String>, String> {
        let token = token.map(Secret::new);
        let client = Client::connect_secure(&self.secure_address(), tls, token.as_ref()).await;
        let client = client.map_err(|error| error.to_string())?;
        let docs = client
            .post("/x")
            .docs(DocumentArray::from_texts(["a"]))
            .await;
        let docs = docs.map_err(|error| error.to_string())?;
        Ok(docs.texts().map(str::to_owned).collect())
    }

    /// A unary call without TLS, with these headers.
    async fn with_metadata(&self, name: &'static str, value: &str) -> Result<(), Status> {
        let mut request = Request::new(frame("id", Some("/x"), b""));
        request.metadata_mut().insert(name, value.parse().unwrap());
        let path = http::uri::PathAndQuery::from_static(SINGLE);
        let answer = self.raw().await.unary(request, path, BytesCodec).await;
        answer.map(|_| ())
    }
}

async fn health_at(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    HealthClient::new(endpoint.unwrap().connect().await.unwrap())
}

fn serving() -> HealthCheckResponse {
    HealthCheckResponse {
        status: ServingStatus::Serving.into(),
    }
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered_over_tls() {
    let authority = Authority::new();
    let served = behind(secured(authority.server(None))).await;
    let trusting = authority.trusted(None);
    assert_eq!(
        served.asked(&trusting, None).await,
        Ok(vec!["a!".to_owned()])
    );
    let others = Authority::new().trusted(None);
    let untrusted = served.asked(&others, None).await.unwrap_err();
    assert!(
        untrusted.contains("invalid peer certificate"),
        "{untrusted}"
    );
}

#[tokio::test]
async fn who_comes_without_tls_is_told_so() {
    let authority = Authority::new();
    let served = behind(secured(authority.server(None))).await;
    let refused = served.single(frame("id", Some("/x"), b"")).await;
    let refused = refused.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("served over TLS"), "{refused}");
    // A stream, and a health check, are no different.
    let (answers, refused) = served.frames(vec![frame("id", Some("/x"), b"")]).await;
    assert!(answers.is_empty());
    assert_eq!(refused.unwrap().code(), Code::FailedPrecondition);
    let checked = health_at(served.address)
        .await
        .check(HealthCheckRequest::default())
        .await;
    assert_eq!(checked.unwrap_err().code(), Code::FailedPrecondition);

    let mut http1 = TcpStream::connect(served.address).await.unwrap();
    let get = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    http1.write_all(get).await.unwrap();
    let mut answer = String::new();
    http1.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert!(answer.contains("a gRPC gateway with TLS"), "{answer}");
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_authority_does_not_get_in() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let served = behind(secured(authority.server(Some(&clients)))).await;
    let known = authority.trusted(Some(clients.signed()));
    assert_eq!(served.asked(&known, None).await, Ok(vec!["a!".to_owned()]));
    let nobody = served.asked(&authority.trusted(None), None).await;
    let nobody = nobody.unwrap_err();
    assert!(
        nobody.contains("wants a certificate of this side"),
        "{nobody}"
    );
    let stranger = authority.trusted(Some(authority.signed()));
    assert!(served.asked(&stranger, None).await.is_err());
    assert_eq!(served.asked(&known, None).await, Ok(vec!["a!".to_owned()]));
}

#[tokio::test]
async fn a_call_needs_one_of_the_tokens_and_a_health_check_none() {
    let served = behind(tokens("hush-1\nhush-2")).await;
    for right in ["Bearer hush-1", "bearer hush-2"] {
        let answered = served.with_metadata("authorization", right).await;
        answered.unwrap();
    }
    for (name, value, said) in [
        ("authorization", "Bearer hush", "is not one that"),
        ("authorization", "Basic hush-1", "wants a token"),
        ("x-api-key", "hush-1", "wants a token"),
    ] {
        let refused = served.with_metadata(name, value).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{value}");
        assert!(refused.message().contains(said), "{refused}");
        assert!(!refused.message().contains("hush"), "{refused}");
    }
    // What is not served, or is about the gateway, is told to nobody either.
    for path in [
        "/jina.JinaInfoRPC/_status",
        "/jina.JinaDiscoverEndpointsRPC/endpoint_discovery",
        "/jina.JinaGatewayDryRunRPC/dry_run",
        "/no.Such/method",
    ] {
        let refused = served.unary(path, Bytes::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{path}");
    }
    let (answers, refused) = served.frames(vec![frame("id", Some("/x"), b"")]).await;
    assert!(answers.is_empty());
    assert_eq!(refused.unwrap().code(), Code::Unauthenticated);
    let checked = health_at(served.address)
        .await
        .check(HealthCheckRequest::default())
        .await;
    assert_eq!(checked.unwrap().into_inner(), serving());
}

#[tokio::test]
async fn a_token_and_tls_go_together() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let served = behind(Door {
        tls: Some(authority.server(Some(&clients))),
        tokens: Some(Tokens::parse("hush").unwrap()),
    })
    .await;
    let known = authority.trusted(Some(clients.signed()));
    let answered = served.asked(&known, Some("hush")).await;
    assert_eq!(answered, Ok(vec!["a!".to_owned()]));
    let refused = served.asked(&known, None).await.unwrap_err();
    assert!(refused.contains("UNAUTHENTICATED"), "{refused}");
}

#[tokio::test]
async fn another_certificate_is_for_new_connections_and_another_token_for_new_calls() {
    let (before, after) = (Authority::new(), Authority::new());
    let served = behind(secured(before.server(None))).await;
    let trusting = before.trusted(None);
    let old = Client::connect_secure(&served.secure_address(), &trusting, None).await;
    let old = old.unwrap();
    assert!(old.dry_run().await.unwrap().is_none());

    let broken = ServerTls {
        cert: after.signed().0,
        ..before.server(None)
    };
    assert!(served.doorkeeper.set_tls(&broken).is_err());
    assert!(served.asked(&trusting, None).await.is_ok());

    served.doorkeeper.set_tls(&after.server(None)).unwrap();
    assert!(served.asked(&after.trusted(None), None).await.is_ok());
    assert!(served.asked(&trusting, None).await.is_err());
    // What is open stays open.
    assert!(old.dry_run().await.unwrap().is_none());

    served.doorkeeper.set_tokens(Tokens::parse("hush").unwrap());
    let refused = old.dry_run().await.unwrap_err().to_string();
    assert!(refused.contains("UNAUTHENTICATED"), "{refused}");
    let answered = served.asked(&after.trusted(None), Some("hush")).await;
    assert!(answered.is_ok(), "{answered:?}");
}

#[tokio::test]
async fn half_handshakes_hold_nobody_up() {
    let authority = Authority::new();
    let served = behind(secured(authority.server(None))).await;
    let trusting = authority.trusted(None);
    let mut half = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // The beginning of a client's first message, of different lengths.
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        stream.write_all(&hello[..n % hello.len()]).await.unwrap();
        half.push(stream);
    }
    let start = Instant::now();
    assert!(served.asked(&trusting, None).await.is_ok());
    assert!(start.elapsed() < Duration::from_secs(5));
    // They are given up soon.
    let mut ended = 0;
    for mut stream in half {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        ended += usize::from(
            tokio::time::timeout(Duration::from_secs(20), end)
                .await
                .is_ok(),
        );
    }
    assert_eq!(ended, 100);
}

#[tokio::test]
async fn the_port_for_health_checks_answers_nothing_else() {
    let authority = Authority::new();
    let mut served = Served::configured(
        exclaiming(),
        GatewayConfig {
            port_health: Some(0),
            door: Door {
                tls: Some(authority.server(Some(&authority))),
                tokens: Some(Tokens::parse("hush").unwrap()),
            },
            ..GatewayConfig::default()
        },
    )
    .await;
    let address = served.health.unwrap();
    assert_ne!(address.port(), served.address.port());
    let mut health = health_at(address).await;
    let checked = health.check(HealthCheckRequest::default()).await;
    assert_eq!(checked.unwrap().into_inner(), serving());
    let watching = health.watch(HealthCheckRequest::default()).await;
    let mut watching = watching.unwrap().into_inner();
    assert_eq!(watching.message().await.unwrap(), Some(serving()));

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    let mut grpc = Grpc::new(endpoint.unwrap().connect().await.unwrap());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(SINGLE);
    let request = Request::new(frame("id", Some("/x"), b""));
    let refused = grpc.unary(request, path, BytesCodec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(
        refused.message().contains("health checks alone"),
        "{refused}"
    );

    drop(grpc);
    served.stop.take().unwrap().send(()).unwrap();
    let last = watching.message().await.unwrap().unwrap();
    assert_eq!(last.status, i32::from(ServingStatus::NotServing));
    drop((watching, health));
    let stopped = tokio::time::timeout(Duration::from_secs(8), &mut served.task).await;
    stopped.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_does_not_begin_with_a_wrong_certificate_or_a_port_that_is_taken() {
    let authority = Authority::new();
    let wrong = ServerTls {
        cert: authority.signed().0,
        ..authority.server(None)
    };
    let bind = async |config: GatewayConfig| {
        let flow: Arc<dyn wasm_flow_contract::Service> = Arc::new(exclaiming());
        let bound = Gateway::bind(&GatewayConfig { port: 0, ..config }, flow).await;
        bound.map(|_| ()).unwrap_err()
    };
    let mismatch = bind(GatewayConfig {
        door: secured(wrong),
        ..GatewayConfig::default()
    });
    let mismatch = mismatch.await.to_string();
    assert!(
        mismatch.contains("that of another certificate"),
        "{mismatch}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = bind(GatewayConfig {
        port_health: Some(taken.local_addr().unwrap().port()),
        ..GatewayConfig::default()
    });
    let taken = taken.await;
    assert!(taken.is_about_health());
    assert!(taken.to_string().contains("`port_health`"), "{taken}");
}
