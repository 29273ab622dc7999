//! Requests to servers of this machine, over names whose addresses a test chooses.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;
use wasm_flow_contract::origin::HttpOrigin;

use super::resolver::Resolve;
use super::*;
use crate::bounds::HTTP_CONNECT_EACH;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(30);

/// Gives one list of addresses after the other, and then the last one again.
#[derive(Clone, Default)]
struct Fake {
    answers: Arc<Vec<Vec<SocketAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Fake {
    fn of(answers: &[&[SocketAddr]]) -> Fake {
        Fake {
            answers: Arc::new(answers.iter().map(|answer| answer.to_vec()).collect()),
            asked: Arc::default(),
        }
    }
}

impl Resolve for Fake {
    fn resolve(&self, _: String, _: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.get(asked).or(self.answers.last()).cloned();
        Box::pin(async { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// Does not answer before it is told to.
struct Slow(Arc<Notify>);

impl Resolve for Slow {
    fn resolve(&self, _: String, _: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let answer = self.0.clone();
        Box::pin(async move {
            answer.notified().await;
            Ok(Vec::new())
        })
    }
}

fn grant(origin: &str, private: bool) -> HttpGrant {
    HttpGrant {
        origin: HttpOrigin::parse(origin).unwrap(),
        private,
    }
}

fn outgoing(grants: &[HttpGrant], connector: Connector) -> OutgoingHttp {
    let all: &'static Semaphore = Box::leak(Box::new(Semaphore::new(100)));
    OutgoingHttp {
        grants: grants.into(),
        refusals: Arc::new(Refusals::unlogged()),
        connections: Connections::new(2, all),
        connector,
    }
}

type Answered = Result<(http::Response<WasiBody>, Pin<Io>), HttpError>;

/// A request that the guest gives so much time to connect.
fn send_within(
    outgoing: &mut OutgoingHttp,
    url: &str,
    connect_timeout: Option<Duration>,
) -> BoxFuture<'static, Answered> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {});
    let request = http::Request::get(url).header("host", "a").body(body);
    let request = request.unwrap().map(|body| body.boxed_unsync());
    let options = RequestOptions {
        connect_timeout,
        ..RequestOptions::default()
    };
    let sending = outgoing.send_request(request, Some(options), Box::new(async { Ok(()) }));
    let sending = Box::into_pin(sending);
    Box::pin(async move {
        let (response, io) = sending.await?;
        Ok((response, Box::into_pin(io)))
    })
}

fn send(outgoing: &mut OutgoingHttp, url: &str) -> BoxFuture<'static, Answered> {
    send_within(outgoing, url, None)
}

/// The body of a response.
async fn text(answered: Answered) -> String {
    let (response, io) = answered.unwrap();
    let (body, _) = futures::join!(response.into_body().collect(), io);
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

fn error(answered: Answered) -> HttpError {
    answered.map(|_| ()).unwrap_err()
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"GET /x?y HTTP/1.1\r\n"), "{head:?}");
}

/// Answers one request.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, body: &str) {
    read_head(&mut stream).await;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    // Until the client closes.
    drop(stream.read_u8().await);
}

/// A server that answers with `body`.
async fn server(address: &str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, body));
        }
    });
    address
}

/// A server that takes connections and says nothing.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_name_may_not_stand_for_what_is_not_on_the_internet() {
    let port = server("127.0.0.1:0", "inside").await.port();
    let url = format!("http://public.example:{port}/x?y");
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "fd00::1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ] {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let resolver = Fake::of(&[&[address]]);
        let mut outgoing = outgoing(&[grant(&url[..url.len() - 4], false)], {
            Connector::with(resolver, Duration::from_millis(300))
        });
        let refused = error(send(&mut outgoing, &url).await);
        assert!(
            matches!(refused, HttpError::DestinationIpProhibited),
            "{address}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn what_a_grant_says_may_be_reached() {
    let address = server("127.0.0.1:0", "inside").await;
    let port = address.port();
    for (origin, private) in [
        (format!("http://public.example:{port}"), true),
        (format!("http://localhost:{port}"), false),
        (format!("http://127.0.0.1:{port}"), false),
    ] {
        let connector = Connector::with(Fake::of(&[&[address]]), LONG);
        let mut outgoing = outgoing(&[grant(&origin, private)], connector);
        let answered = send(&mut outgoing, &format!("{origin}/x?y")).await;
        assert_eq!(text(answered).await, "inside", "{origin}");
        let other = format!("http://other.example:{port}/x?y");
        let refused = error(send(&mut outgoing, &other).await);
        assert!(
            matches!(refused, HttpError::HttpRequestDenied),
            "{refused:?}"
        );
    }
}

/// One grant does not say what another one's name may stand for.
#[tokio::test]
async fn another_grant_does_not_open_a_name() {
    let address = server("127.0.0.1:0", "inside").await;
    let port = address.port();
    let grants = [
        grant(&format!("http://public.example:{port}"), false),
        grant(&format!("http://inside.example:{port}"), true),
        grant(&format!("http://public.example:{port}/below"), true),
    ];
    let connector = Connector::with(Fake::of(&[&[address]]), LONG);
    let mut outgoing = outgoing(&grants, connector);
    let url = format!("http://public.example:{port}/x?y");
    let refused = error(send(&mut outgoing, &url).await);
    assert!(matches!(refused, HttpError::DestinationIpProhibited));
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    let checked = server("127.0.0.1:0", "checked").await;
    let other = server(&format!("127.0.0.2:{}", checked.port()), "other").await;
    let resolver = Fake::of(&[&[checked], &[other]]);
    let origin = format!("http://localhost:{}", checked.port());
    let connector = Connector::with(resolver.clone(), LONG);
    let mut outgoing = outgoing(&[grant(&origin, false)], connector);
    let answered = send(&mut outgoing, &format!("{origin}/x?y")).await;
    assert_eq!(text(answered).await, "checked");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    // The next request is looked up anew.
    let answered = send(&mut outgoing, &format!("{origin}/x?y")).await;
    assert_eq!(text(answered).await, "other");
}

#[tokio::test]
async fn only_the_admitted_addresses_of_a_name_are_tried() {
    let good = server("127.0.0.1:0", "good").await;
    let bad = server(&format!("127.0.0.2:{}", good.port()), "bad").await;
    let forbidden = SocketAddr::new("10.255.255.1".parse().unwrap(), good.port());
    let closed = SocketAddr::new("127.0.0.3".parse().unwrap(), good.port());
    let origin = format!("http://localhost:{}", good.port());
    let resolver = Fake::of(&[&[forbidden, closed, good, bad]]);
    let mut outgoing = outgoing(&[grant(&origin, false)], Connector::with(resolver, LONG));
    let begun = Instant::now();
    let answered = send(&mut outgoing, &format!("{origin}/x?y")).await;
    assert_eq!(text(answered).await, "good");
    // 10.255.255.1 was not waited for.
    assert!(begun.elapsed() < HTTP_CONNECT_EACH, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_has_one_time_limit() {
    let silent = silent().await;
    let short = Duration::from_millis(200);
    let url = format!("https://127.0.0.1:{}/x?y", silent.port());
    let grants = [grant(&url[..url.len() - 4], false), grant("http://a", true)];
    let slow = || Slow(Arc::default());
    let begun = Instant::now();
    // TLS has it, too.
    let mut bounded = outgoing(&grants, Connector::with(slow(), short));
    let late = error(send(&mut bounded, &url).await);
    assert!(matches!(late, HttpError::ConnectionTimeout), "{late:?}");
    let late = error(send(&mut bounded, "http://a/x?y").await);
    assert!(matches!(late, HttpError::DnsTimeout), "{late:?}");
    // And what the guest says counts if it is less.
    let mut patient = outgoing(&grants, Connector::with(slow(), LONG));
    let late = error(send_within(&mut patient, &url, Some(short)).await);
    assert!(matches!(late, HttpError::ConnectionTimeout), "{late:?}");
    let late = error(send_within(&mut patient, "http://a/x?y", Some(short)).await);
    assert!(matches!(late, HttpError::DnsTimeout), "{late:?}");
    assert!(begun.elapsed() < LONG / 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn places_are_held_until_connections_end() {
    let (silent, answering) = (silent().await, server("127.0.0.1:0", "hello").await);
    let origins = [silent, answering].map(|address| format!("http://{address}"));
    let grants = origins.each_ref().map(|origin| grant(origin, false));
    let mut outgoing = outgoing(&grants, Connector::with(Fake::default(), LONG));
    let [silent, answering] = origins.map(|origin| format!("{origin}/x?y"));

    let waiting = tokio::spawn(send(&mut outgoing, &silent));
    let (response, io) = send(&mut outgoing, &answering).await.unwrap();
    // One waits for its response, the other for somebody who reads it.
    let full = error(send(&mut outgoing, &answering).await);
    assert!(
        matches!(full, HttpError::ConnectionLimitReached),
        "{full:?}"
    );
    drop(io);
    let answered = send(&mut outgoing, &answering).await;
    assert_eq!(text(answered).await, "hello");
    drop(response);
    // A request that is given up gives its place up.
    let again = tokio::spawn(send(&mut outgoing, &silent));
    let full = error(send(&mut outgoing, &answering).await);
    assert!(
        matches!(full, HttpError::ConnectionLimitReached),
        "{full:?}"
    );
    waiting.abort();
    assert!(waiting.await.is_err());
    let answered = send(&mut outgoing, &answering).await;
    assert_eq!(text(answered).await, "hello");
    drop(again);
}

/// Else a guest could occupy all threads for look-ups with names that nobody answers for.
#[tokio::test]
async fn a_look_up_that_is_given_up_keeps_its_place() {
    let release = Arc::new(Notify::new());
    let connector = Connector::with(Slow(release.clone()), Duration::from_millis(50));
    let mut outgoing = outgoing(&[grant("http://a", true)], connector);
    for _ in 0..2 {
        let late = error(send(&mut outgoing, "http://a/x?y").await);
        assert!(matches!(late, HttpError::DnsTimeout), "{late:?}");
    }
    let full = error(send(&mut outgoing, "http://a/x?y").await);
    assert!(
        matches!(full, HttpError::ConnectionLimitReached),
        "{full:?}"
    );
    release.notify_waiters();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let late = error(send(&mut outgoing, "http://a/x?y").await);
    assert!(matches!(late, HttpError::DnsTimeout), "{late:?}");
}

#[tokio::test]
async fn a_server_has_to_have_the_names_certificate() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["right.example".to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(answer(stream, "secure"));
            }
        }
    });

    let port = address.port();
    let [right, wrong] = ["right", "wrong"].map(|name| format!("https://{name}.example:{port}"));
    let grants = [grant(&right, true), grant(&wrong, true)];
    let connector = Connector::with(Fake::of(&[&[address]]), LONG);
    let mut trusting = outgoing(&grants, connector.clone().trusting(roots));
    let answered = send(&mut trusting, &format!("{right}/x?y")).await;
    assert_eq!(text(answered).await, "secure");
    let refused = error(send(&mut trusting, &format!("{wrong}/x?y")).await);
    assert!(
        matches!(refused, HttpError::TlsCertificateError),
        "{refused:?}"
    );
    // Browsers do not trust whoever signed it.
    let mut other = outgoing(&grants, connector);
    let refused = error(send(&mut other, &format!("{right}/x?y")).await);
    assert!(
        matches!(refused, HttpError::TlsCertificateError),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_body_may_not_stand_still() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x?y", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        stream.write_all(head).await.unwrap();
        pending::<()>().await;
    });
    let grants = [grant(&url[..url.len() - 4], false)];
    let mut outgoing = outgoing(&grants, Connector::with(Fake::default(), LONG));
    let body = Empty::<Bytes>::new().map_err(|never| match never {});
    let request = http::Request::get(&url).body(body.boxed_unsync()).unwrap();
    let options = RequestOptions {
        between_bytes_timeout: Some(Duration::from_millis(100)),
        ..RequestOptions::default()
    };
    let sending = outgoing.send_request(request, Some(options), Box::new(async { Ok(()) }));
    let (response, io) = Box::into_pin(sending).await.unwrap();
    let io = tokio::spawn(Box::into_pin(io));
    let ended = response.into_body().collect().await.map(|_| ());
    let ended = ended.unwrap_err();
    assert!(
        matches!(ended, HttpError::ConnectionReadTimeout),
        "{ended:?}"
    );
    drop(io);
}
