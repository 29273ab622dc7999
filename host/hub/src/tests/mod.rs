//! Registries that are broken, or mean harm.

mod server;
mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use self::server::*;
use crate::HubErrorKind as Kind;
use crate::credentials::Secret;
use crate::digest_of;

const MANIFEST: &str = "/v2/team/clean/manifests";
const BLOBS: &str = "/v2/team/clean/blobs";
const TAGS: &str = "GET /v2/team/clean/tags/list?n=1000";
/// `ada:secret`.
const ADA: &str = r#"{"auth":"YWRhOnNlY3JldA=="}"#;
const BASIC: &str = "Basic YWRhOnNlY3JldA==";

/// Pulls what a registry has, and gives the error. Nothing of it may be left.
async fn refused(content: Content, rest: &str) -> (Kind, String) {
    let server = content.serve().await;
    let place = place();
    let pulled = place
        .hub
        .pull(&server.reference(rest), &Anything::default())
        .await;
    let error = pulled.map(|pulled| pulled.digest).unwrap_err();
    let component = digest_of(COMPONENT).hex();
    let kept = place
        .hub
        .store()
        .folder()
        .join("blobs/sha256")
        .join(component);
    assert!(!kept.exists(), "{error}");
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    (error.kind(), text)
}

fn executor() -> Content {
    let mut content = Content::default();
    content.executor(COMPONENT);
    content
}

/// An executor whose component is answered in this way.
fn component(answer: Answer) -> Content {
    let mut content = executor();
    content.put(format!("GET {BLOBS}/{}", digest_of(COMPONENT)), answer);
    content
}

fn has((kind, text): (Kind, String), expected: Kind, words: &[&str]) {
    assert_eq!(kind, expected, "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn an_honest_registry_is_asked_once() {
    let server = executor().serve().await;
    let place = place();
    let accept = Anything::default();
    let reference = server.reference(":1.0");
    let pulled = place.hub.pull(&reference, &accept).await.unwrap();
    assert_eq!(pulled.component, COMPONENT);
    assert_eq!(pulled.component_digest, digest_of(COMPONENT));
    assert_eq!(
        pulled.digest,
        digest_of(server::executor(COMPONENT).as_bytes())
    );
    let asked = server.seen().len();
    // Everything but the tag is known.
    place.hub.pull(&reference, &accept).await.unwrap();
    assert_eq!(server.seen().len(), asked + 1);
    // With a digest, no registry is needed.
    let pinned = reference.at(pulled.digest);
    drop(server);
    let again = place.hub.pull(&pinned, &accept).await.unwrap();
    assert_eq!(again.component, COMPONENT);
    assert_eq!(accept.0.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn other_bytes_are_told_from_those_that_were_named() {
    let mut content = executor();
    let named = digest_of(b"another");
    let bytes = server::executor(COMPONENT).into_bytes();
    let found = digest_of(&bytes);
    content.put(format!("GET {MANIFEST}/{named}"), Answer::ok(bytes.clone()));
    let words = [
        format!("@{named}: the registry sent other bytes than this digest names (they have"),
        found.to_string(),
    ];
    let words = words.each_ref().map(String::as_str);
    has(
        refused(content, &format!("@{named}")).await,
        Kind::Altered,
        &words,
    );

    // The tag means one thing for HEAD, and another one for GET.
    let mut content = executor();
    let lying = vec![("docker-content-digest", named.to_string())];
    let answer = Answer::Full(200, lying, bytes);
    content.put(format!("GET {MANIFEST}/1.0"), answer.clone());
    content.put(format!("HEAD {MANIFEST}/1.0"), Answer::status(500));
    let words = ["says that its bytes have sha256:", "do not use them"];
    has(
        refused(content.clone(), ":1.0").await,
        Kind::Altered,
        &words,
    );
    content.put(format!("HEAD {MANIFEST}/1.0"), answer);
    has(
        refused(content, ":1.0").await,
        Kind::Missing,
        &["does not have it"],
    );

    let mut other = COMPONENT.to_vec();
    other[7] = 1;
    let words = [
        "the registry sent other bytes than this digest names",
        ", blob sha256:",
    ];
    has(
        refused(component(Answer::ok(other)), ":1.0").await,
        Kind::Altered,
        &words,
    );
}

#[tokio::test]
async fn a_blob_has_the_size_that_its_manifest_says() {
    let short = &COMPONENT[..5];
    let words = ["the registry sent 5 bytes, and the manifest says 8 bytes"];
    has(
        refused(component(Answer::ok(short)), ":1.0").await,
        Kind::Altered,
        &words,
    );
    let long = [COMPONENT, b"more"].concat();
    let words = ["the registry sent 12 bytes, and the manifest says 8 bytes"];
    has(
        refused(component(Answer::ok(long)), ":1.0").await,
        Kind::Altered,
        &words,
    );
    let words = ["the registry sent more, and the manifest says 8 bytes"];
    let endless = Answer::endless(200, "and more");
    has(
        refused(component(endless), ":1.0").await,
        Kind::Altered,
        &words,
    );
    // It says what is right, and sends less.
    let lying = b"HTTP/1.1 200 X\r\ncontent-length: 8\r\n\r\n\0asm";
    let words = ["the registry sent 4 of 8 bytes, then nothing more"];
    has(
        refused(component(Answer::Cut(lying.to_vec())), ":1.0").await,
        Kind::Unreachable,
        &words,
    );
    // It says nothing of the length, and the connection drops in the middle.
    let dropped = Answer::Cut(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n\0asm".to_vec());
    has(
        refused(component(dropped), ":1.0").await,
        Kind::Unreachable,
        &words,
    );
    let dropped = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\n\0asm\r\n";
    has(
        refused(component(Answer::Cut(dropped.to_vec())), ":1.0").await,
        Kind::Unreachable,
        &words,
    );
}

#[tokio::test]
async fn a_connection_that_drops_in_the_middle_is_made_again() {
    let content = executor();
    let tries = AtomicUsize::new(0);
    let blob = format!("GET {BLOBS}/{}", digest_of(COMPONENT));
    let server = Server::start(move |request| {
        if request.line() == blob && tries.fetch_add(1, Ordering::Relaxed) == 0 {
            return Answer::Cut(b"HTTP/1.1 200 X\r\ncontent-length: 8\r\n\r\n\0asm".to_vec());
        }
        content.answer(request)
    });
    let server = server.await;
    let place = place();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    assert_eq!(pulled.unwrap().component, COMPONENT);
    let names = std::fs::read_dir(place.hub.store().folder().join("blobs/sha256")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
}

#[tokio::test]
async fn bodies_without_end_are_cut() {
    let text = "x".repeat(64 << 10);
    let endless = || Answer::endless(200, &text);
    let mut content = executor();
    content.put(format!("HEAD {MANIFEST}/1.0"), Answer::status(200));
    content.put(format!("GET {MANIFEST}/1.0"), endless());
    let words = ["sends a manifest of more than 4194304 bytes, which is not read"];
    has(refused(content, ":1.0").await, Kind::Registry, &words);

    // It says beforehand how long it is, and nothing is read.
    let mut content = executor();
    let long = b"HTTP/1.1 200 X\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    content.put(format!("GET {MANIFEST}/2.0"), Answer::Cut(long));
    content.put(format!("HEAD {MANIFEST}/2.0"), Answer::status(200));
    has(refused(content, ":2.0").await, Kind::Registry, &words);

    let mut content = Content::default();
    content.put(TAGS, endless());
    let server = content.serve().await;
    let place = place();
    let error = place
        .hub
        .tags(server.reference(":1").repository())
        .await
        .unwrap_err();
    let text = "sends a list of tags of more than 4194304 bytes";
    assert!(error.to_string().contains(text), "{error}");

    // An error's body is cut without a word: the status is what counts.
    let mut content = executor();
    let error = Answer::endless(500, &"no \u{1b}[2J".repeat(1000));
    content.put(format!("GET {MANIFEST}/3.0"), error);
    content.put(format!("HEAD {MANIFEST}/3.0"), Answer::status(500));
    let (kind, text) = refused(content, ":3.0").await;
    assert_eq!(kind, Kind::Registry);
    assert!(
        text.contains("answered 500 (it says: no \u{fffd}[2J"),
        "{text}"
    );
    assert!(text.len() < 1500, "{}", text.len());
}

#[tokio::test]
async fn lists_have_an_end() {
    let mut content = Content::default();
    let link = (
        "link",
        "</v2/team/clean/tags/list?n=1000>; rel=\"next\"".to_owned(),
    );
    let page = r#"{"tags": ["1.0", "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.sig", "\u001b[2J"]}"#;
    content.put(TAGS, Answer::Full(200, vec![link], page.into()));
    let server = content.clone().serve().await;
    let place = place();
    let repository = server.reference(":1").repository().clone();
    let error = place.hub.tags(&repository).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("more than 1000 pages of one list"),
        "{error}"
    );

    let many = format!(r#"{{"tags":[{}"1"]}}"#, r#""1","#.repeat(100_000));
    content.put(TAGS, Answer::ok(many));
    let server = content.serve().await;
    let repository = server.reference(":1").repository().clone();
    let error = place.hub.tags(&repository).await.unwrap_err();
    assert!(
        error.to_string().contains("more than 100000 tags"),
        "{error}"
    );

    let mut content = Content::default();
    let link = ("link", "</next>; rel=\"next\"".to_owned());
    content.put(TAGS, Answer::Full(200, vec![link], page.into()));
    content.put("GET /next", Answer::ok(r#"{"name": "x", "tags": ["2.0"]}"#));
    let server = content.serve().await;
    let repository = server.reference(":1").repository().clone();
    assert_eq!(place.hub.tags(&repository).await.unwrap(), ["1.0", "2.0"]);

    let mut content = Content::default();
    let link = ("link", "<http://127.0.0.1:1/>; rel=\"next\"".to_owned());
    content.put(TAGS, Answer::Full(200, vec![link], page.into()));
    let server = content.serve().await;
    let repository = server.reference(":1").repository().clone();
    let error = place.hub.tags(&repository).await.unwrap_err();
    assert!(
        error.to_string().contains("on another host, 127.0.0.1:1"),
        "{error}"
    );
    content_is_refused(r#"{"tags": 1}"#).await;
    content_is_refused(&"[".repeat(100_000)).await;
}

async fn content_is_refused(list: &str) {
    let mut content = Content::default();
    content.put(TAGS, Answer::ok(list));
    let server = content.serve().await;
    let place = place();
    let error = place
        .hub
        .tags(server.reference(":1").repository())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a list of tags that cannot be used"),
        "{error}"
    );
}

/// Asks for a password, and has a blob elsewhere.
async fn led(to: impl Fn(&Content) -> String) -> (Server, Place) {
    let content = executor();
    let to = to(&content);
    let server = Server::start(move |request| {
        if request.authorization.as_deref() != Some(BASIC) {
            let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
            return Answer::Full(401, vec![challenge], vec![]);
        }
        match request.path.contains("/blobs/") {
            true => Answer::redirect(to.clone()),
            false => content.answer(request),
        }
    });
    let server = server.await;
    let place = place_of(server.address, ADA);
    (server, place)
}

#[tokio::test]
async fn a_password_goes_to_nobody_else() {
    let other = Server::start(|_| Answer::ok(COMPONENT)).await;
    let target = format!("http://{}/there?signed=1", other.address);
    let (server, place) = led(|_| target.clone()).await;
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    assert_eq!(pulled.unwrap().component, COMPONENT);
    assert_eq!(other.lines(), ["GET /there?signed=1"]);
    assert_eq!(other.seen()[0].authorization, None);
    let with = server
        .seen()
        .into_iter()
        .filter(|seen| seen.authorization.is_some());
    assert!(with.count() > 2);

    // A storage server that refuses is not the one that has the password.
    let other = Server::start(|_| {
        let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
        Answer::Full(401, vec![challenge], vec![])
    });
    let other = other.await;
    let target = format!("http://{}/there", other.address);
    let (server, place) = led(|_| target.clone()).await;
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    assert!(pulled.is_err());
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_registry_does_not_lead_to_where_it_should_not() {
    for (target, expected) in [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        (
            "https://169.254.169.254/latest/meta-data",
            "which is a link-local",
        ),
        ("https://[fe80::1]/", "which is a link-local"),
        ("https://0.0.0.0/", "which is a link-local, unspecified"),
        (
            "http://registry.example.com/a",
            "registry.example.com without TLS",
        ),
        ("ftp://127.0.0.1/", "an address of `ftp:`"),
        ("file:///etc/passwd", "an address that cannot be read"),
        ("http://[", "an address that cannot be read"),
    ] {
        let (server, place) = led(|_| target.to_owned()).await;
        let pulled = place
            .hub
            .pull(&server.reference(":1.0"), &Anything::default())
            .await;
        let text = pulled.map(|pulled| pulled.digest).unwrap_err().to_string();
        assert!(text.contains("the registry leads to"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("nothing was sent there"), "{text}");
    }
    let content = executor();
    let server = Server::start(move |request| match request.path.contains("/blobs/") {
        true => Answer::redirect(request.path.clone() + "x"),
        false => content.answer(request),
    });
    let server = server.await;
    let place = place();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &Anything::default())
        .await;
    let text = pulled.map(|pulled| pulled.digest).unwrap_err().to_string();
    assert!(
        text.contains("a further address, the sixth in a row"),
        "{text}"
    );
    let blobs = server
        .lines()
        .iter()
        .filter(|line| line.contains("/blobs/"))
        .count();
    assert_eq!(blobs, 6);
}

#[tokio::test]
async fn what_is_not_an_executor_is_told() {
    let wasm = descriptor("application/vnd.wasm.config.v0+json", b"{}");
    let layer = descriptor("application/wasm", COMPONENT);
    let image = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    for (bytes, expected) in [
        (index.to_owned(), "it is a list of several artifacts"),
        (
            manifest(&image, std::slice::from_ref(&layer), ""),
            "so it is a container image",
        ),
        (
            manifest(&wasm, &[layer.clone(), layer.clone()], ""),
            "it has 2 layers",
        ),
        ("<html>".to_owned(), "its manifest cannot be read"),
    ] {
        let mut content = executor();
        content.manifest(Some("x"), bytes.as_bytes());
        let words = [":x is not an executor: ", expected];
        has(refused(content, ":x").await, Kind::NotExecutor, &words);
    }
    for (bytes, expected) in [
        (&b"\0asm\x01\0\0\0"[..], "it is a core module"),
        (b"\x7fELF\x02\x01\x01", "it is machine code"),
        (b"#!/bin/sh", "it is not WebAssembly"),
    ] {
        let mut content = Content::default();
        content.executor(bytes);
        let words = [":1.0 is not an executor: ", expected];
        has(refused(content, ":1.0").await, Kind::NotExecutor, &words);
    }
    // What is too large is not asked for.
    let mut content = Content::default();
    let large = layer.replace("\"size\":8", "\"size\":268435457");
    content.manifest(Some("1.0"), manifest(&wasm, &[large], "").as_bytes());
    let words = ["its component has 268435457 bytes, and may have 268435456"];
    has(refused(content, ":1.0").await, Kind::NotExecutor, &words);
}

#[tokio::test]
async fn a_missing_tag_is_said_with_those_that_there_are() {
    let mut content = executor();
    content.put(TAGS, Answer::ok(r#"{"tags":["0.8","0.9"]}"#));
    let server = content.serve().await;
    let place = place();
    let reference = server.reference(":2.0");
    let error = place.hub.resolve(&reference).await.unwrap_err();
    let repository = reference.repository();
    let expected = format!(
        "{reference}: the registry has no such tag; it has 0.9, 0.8 (wasm-flow hub list \
         {repository})"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), Kind::Missing);
    let server = Content::default().serve().await;
    let error = place
        .hub
        .resolve(&server.reference(":2.0"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("has no such repository"),
        "{error}"
    );
}

#[tokio::test]
async fn errors_of_a_registry_are_said_in_short() {
    let page = "<html>\u{1b}[2J<h1>oops</h1>";
    let mut content = executor();
    let html = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    content.put(
        format!("GET {MANIFEST}/1.0"),
        Answer::Full(500, html, page.into()),
    );
    content.put(format!("HEAD {MANIFEST}/1.0"), Answer::status(500));
    let words = ["answered 500 (it says: a page of HTML, so it may be a proxy that answers)"];
    has(
        refused(content.clone(), ":1.0").await,
        Kind::Registry,
        &words,
    );

    let errors = r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J"},{"code":"X"}]}"#;
    content.put(
        format!("GET {MANIFEST}/1.0"),
        Answer::Full(403, vec![], errors.into()),
    );
    let words = [
        "does not allow that (it says: DENIED: no\u{fffd}[2J; X); if it is private: wasm-flow hub \
         login 127.0.0.1:",
    ];
    has(refused(content, ":1.0").await, Kind::Unauthorized, &words);

    let place = place();
    let nowhere = "127.0.0.1:1/team/clean:1.0".parse().unwrap();
    let error = place.hub.resolve(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1 cannot be reached: "), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_when_it_says() {
    let tries = AtomicUsize::new(0);
    let content = executor();
    let server = Server::start(move |request| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            return Answer::Full(429, vec![("retry-after", "1".to_owned())], vec![]);
        }
        content.answer(request)
    });
    let server = server.await;
    let place = place();
    let begin = Instant::now();
    place.hub.resolve(&server.reference(":1.0")).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));

    // Too long is an error at once.
    let busy = Answer::Full(
        429,
        vec![("retry-after", "3600".to_owned())],
        "slow down".into(),
    );
    let mut content = Content::default();
    content.put(format!("HEAD {MANIFEST}/1.0"), busy);
    let server = content.serve().await;
    let error = place
        .hub
        .resolve(&server.reference(":1.0"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    let text = error.to_string();
    assert!(
        text.contains("it wants to be asked again in 3600 s"),
        "{text}"
    );
    assert_eq!(server.seen().len(), 1);

    // And without end is an error in the end.
    let server = Server::start(|_| Answer::status(503)).await;
    let error = place
        .hub
        .resolve(&server.reference(":1.0"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("answered 503"), "{error}");
    let heads = server.count(&format!("HEAD {MANIFEST}/1.0"));
    assert_eq!(heads, 3);
}

/// A registry that wants the token `good` of the server at `realm`, in which `HOST` is the
/// registry itself. `tokens` answers under its path `/token`.
async fn asking(
    realm: impl Into<String>,
    tokens: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Server {
    let content = executor();
    asking_for(realm, move |request| content.answer(request), tokens).await
}

async fn asking_for(
    realm: impl Into<String>,
    content: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    tokens: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> Server {
    let realm = realm.into();
    let answer = move |request: &Seen| {
        if request.path.starts_with("/token") {
            return tokens(request);
        }
        match request.authorization.as_deref() {
            Some("Bearer good") => content(request),
            _ => {
                let realm = realm.replace("HOST", &request.host);
                let challenge =
                    format!("Bearer realm=\"{realm}\",service=\"me\",scope=\"registry:all:*\"");
                Answer::Full(401, vec![("www-authenticate", challenge)], vec![])
            }
        }
    };
    Server::start(answer).await
}

async fn resolve(server: &Server, place: &Place) -> Result<(), (Kind, String)> {
    let resolved = place.hub.resolve(&server.reference(":1.0")).await;
    resolved
        .map(drop)
        .map_err(|error| (error.kind(), error.to_string()))
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_for_no_more_than_is_needed() {
    let tokens = |request: &Seen| match request.authorization.as_deref() {
        Some(BASIC) => Answer::ok(r#"{"token":"good"}"#),
        _ => Answer::status(401),
    };
    let server = asking("http://HOST/token?a=b", tokens).await;
    let place = place_of(server.address, ADA);
    resolve(&server, &place).await.unwrap();
    resolve(&server, &place).await.unwrap();
    let token = "GET /token?a=b&service=me&scope=repository%3Ateam%2Fclean%3Apull";
    assert_eq!(server.count(token), 1);
    assert_eq!(server.seen().len(), 4);

    // Without a password, and with a wrong one.
    has(
        resolve(&server, &server::place()).await.unwrap_err(),
        Kind::Unauthorized,
        &[&format!(
            "wants a password: wasm-flow hub login {}",
            server.address
        )],
    );
    // `eve:secret`
    let place = place_of(server.address, r#"{"auth":"ZXZlOnNlY3JldA=="}"#);
    let (kind, text) = resolve(&server, &place).await.unwrap_err();
    assert!(!text.contains("secret"), "{text}");
    has(
        (kind, text),
        Kind::Unauthorized,
        &["does not take the password of eve: wasm-flow"],
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let tokens = |request: &Seen| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let is_right = request.method == "POST"
            && request.authorization.is_none()
            && body.contains("grant_type=refresh_token")
            && body.contains("refresh_token=a%26b")
            && body.contains("scope=repository%3Ateam%2Fclean%3Apull");
        match is_right {
            true => Answer::ok(r#"{"access_token":"good"}"#),
            false => Answer::status(401),
        }
    };
    let server = asking("http://HOST/token", tokens).await;
    let place = place_of(server.address, r#"{"identitytoken":"a&b"}"#);
    resolve(&server, &place).await.unwrap();
    let place = place_of(server.address, r#"{"identitytoken":"old"}"#);
    let words = ["does not take the token that is stored for it"];
    has(
        resolve(&server, &place).await.unwrap_err(),
        Kind::Unauthorized,
        &words,
    );
}

#[tokio::test]
async fn a_token_that_has_become_old_is_replaced() {
    let count = AtomicUsize::new(0);
    let content = executor();
    let server = Server::start(move |request| {
        if request.path.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::Relaxed);
            return Answer::ok(format!(r#"{{"token":"t{number}"}}"#));
        }
        let right = format!("Bearer t{}", count.load(Ordering::Relaxed).wrapping_sub(1));
        if request.authorization.as_deref() == Some(&right) && !request.path.contains("/old") {
            return content.answer(request);
        }
        // Whoever asks for this makes all tokens old.
        if request.path.contains("/old") && request.method == "HEAD" {
            count.fetch_add(1, Ordering::Relaxed);
            return Answer::status(404);
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", request.host);
        Answer::Full(401, vec![("www-authenticate", challenge)], vec![])
    });
    let server = server.await;
    let place = place();
    resolve(&server, &place).await.unwrap();
    let _ = place.hub.resolve(&server.reference(":old")).await;
    resolve(&server, &place).await.unwrap();
}

#[tokio::test]
async fn a_hostile_realm_gets_nothing() {
    let good = |_: &Seen| Answer::ok(r#"{"token":"good"}"#);
    for (realm, expected) in [
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("https://169.254.169.254/latest", "which is a link-local"),
        (
            "http://tokens.example.com/",
            "tokens.example.com without TLS",
        ),
        ("file:///etc/passwd", "an address that cannot be read"),
        ("/token", "an address that cannot be read"),
        ("", "an address that cannot be read"),
        // The password is for 127.0.0.1, and anybody could listen at another name.
        (
            "http://localhost:1/token",
            "wants its credentials sent to localhost:1",
        ),
    ] {
        let server = asking(realm, good).await;
        let place = place_of(server.address, ADA);
        let (kind, text) = resolve(&server, &place).await.unwrap_err();
        assert_eq!(kind, Kind::Registry, "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(server.seen().len(), 1);
    }
    // Where it leads from there, nothing is sent at all.
    let other = Server::start(|_| Answer::ok(r#"{"token":"good"}"#)).await;
    let target = format!("http://{}/token", other.address);
    let server = asking("http://HOST/token", move |_| {
        Answer::redirect(target.clone())
    })
    .await;
    let place = place_of(server.address, ADA);
    let (_, text) = resolve(&server, &place).await.unwrap_err();
    assert!(text.contains("answered 307"), "{text}");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_a_token_server_answers_is_bounded_and_not_shown() {
    let text = "hidden".repeat(10_000);
    let endless = move |_: &Seen| Answer::endless(200, &text);
    let mut servers = vec![asking("http://HOST/token", endless).await];
    let mut words = vec!["sends a token of more than 1048576 bytes"];
    for (body, expected) in [
        (r#"{"token":"hidden"#, "line 1 of it"),
        (r#"{"token":["hidden"]}"#, "line 1 of it"),
        (r#"{"other":"hidden"}"#, "there is none in it"),
        (r#"{"token":"hidden\r\nx: y"}"#, "it has control characters"),
    ] {
        servers.push(asking("http://HOST/token", move |_| Answer::ok(body)).await);
        words.push(expected);
    }
    for (server, words) in servers.iter().zip(words) {
        let (kind, text) = resolve(server, &server::place()).await.unwrap_err();
        assert!(!text.contains("hidden"), "{text}");
        has((kind, text), Kind::Registry, &[words]);
    }
    // A token that is not taken is no reason to go on and on.
    let server = asking("http://HOST/token", |_| Answer::ok(r#"{"token":"bad"}"#)).await;
    let place = server::place();
    let words = ["wants a password"];
    has(
        resolve(&server, &place).await.unwrap_err(),
        Kind::Unauthorized,
        &words,
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_password_is_tried_before_it_is_stored() {
    let server = Server::start(|request| match request.authorization.as_deref() {
        Some(BASIC) => Answer::ok("{}"),
        _ => {
            let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
            Answer::Full(401, vec![challenge], vec![])
        }
    });
    let server = server.await;
    let host = server.address.to_string();
    let place = place_of(([127, 0, 0, 1], 1).into(), "{}");
    let file = place.folder.path().join("config.json");
    let before = std::fs::read_to_string(&file).unwrap();
    let error = place
        .hub
        .login(&host, "ada", Secret::new("wrong"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("does not take the password of ada"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(
        place
            .hub
            .login(&host, "ada", Secret::new("secret"))
            .await
            .unwrap()
    );
    assert!(std::fs::read_to_string(&file).unwrap().contains(&host));
    assert!(place.hub.logout(&host).await.unwrap());
    assert!(!place.hub.logout(&host).await.unwrap());
    for host in ["", "clean", "https://a.b", "a.b/c", "a.b/", "a.b:1/c"] {
        let error = place
            .hub
            .login(host, "ada", Secret::new("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is not a registry"), "{error}");
    }
    // It lets everybody in, so the password was not looked at.
    let server = Server::start(|_| Answer::ok("{}")).await;
    let host = server.address.to_string();
    assert!(
        !place
            .hub
            .login(&host, "ada", Secret::new("any"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_upload_goes_where_the_registry_says_and_its_password_does_not() {
    use crate::artifact::Artifact;
    use bytes::Bytes;

    let storage = Server::start(|_| Answer::status(201)).await;
    let target = format!("http://{}/upload?id=1", storage.address);
    let server = Server::start(move |request| {
        if request.authorization.as_deref() != Some(BASIC) {
            let challenge = ("www-authenticate", "Basic realm=\"x\"".to_owned());
            return Answer::Full(401, vec![challenge], vec![]);
        }
        match request.method.as_str() {
            "POST" => Answer::Full(202, vec![("location", target.clone())], vec![]),
            "PUT" => Answer::status(201),
            _ => Answer::status(404),
        }
    });
    let server = server.await;
    let place = place_of(server.address, ADA);
    let artifact = Artifact::new(Bytes::from_static(COMPONENT)).unwrap();
    let reference = server.reference(":1.0");
    let pushed = place.hub.push(&reference, &artifact, None).await.unwrap();
    let seen = storage.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.authorization.is_none()));
    assert_eq!(seen[0].body, COMPONENT);
    let digest = digest_of(COMPONENT).hex();
    assert_eq!(
        seen[0].line(),
        format!("PUT /upload?id=1&digest=sha256%3A{digest}")
    );
    // The tag is written last.
    let puts = server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("PUT"));
    let expected = [
        format!("PUT {MANIFEST}/{}", pushed.digest),
        format!("PUT {MANIFEST}/1.0"),
    ];
    // Each was sent again with the password that was asked for, once at most.
    let mut puts: Vec<_> = puts.collect();
    puts.dedup();
    assert_eq!(puts, expected);

    for (location, expected) in [
        (Some("http://169.254.169.254/"), "169.254.169.254"),
        (Some("http://["), "an address that cannot be read"),
        (None, "an address for an upload that cannot be used"),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "POST" => {
                let headers = location.map(|to| ("location", to.to_owned()));
                Answer::Full(202, headers.into_iter().collect(), vec![])
            }
            _ => Answer::status(404),
        });
        let server = server.await;
        let pushed = place
            .hub
            .push(&server.reference(":1.0"), &artifact, None)
            .await;
        let error = pushed.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let pinned = reference.at(pushed.digest);
    let error = place.hub.push(&pinned, &artifact, None).await.unwrap_err();
    assert!(error.to_string().contains("names a digest"), "{error}");
}

#[tokio::test]
async fn what_was_damaged_is_fetched_again_or_said_with_the_reason() {
    let server = executor().serve().await;
    let place = place();
    let accept = Anything::default();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &accept)
        .await
        .unwrap();
    let reference = server.reference(":1.0").at(pulled.digest);
    let blobs = place.hub.store().folder().join("blobs/sha256");
    let damage = |digest: wasm_flow_contract::hub::Digest| {
        let path = blobs.join(digest.hex());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, "other").unwrap();
    };
    for digest in [pulled.digest, pulled.component_digest] {
        damage(digest);
        let again = place.hub.pull(&reference, &accept).await.unwrap();
        assert_eq!(again.component, COMPONENT);
    }
    drop(server);
    damage(pulled.component_digest);
    let error = place.hub.pull(&reference, &accept).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    let text = error.to_string();
    assert!(
        text.contains("is damaged (its bytes have sha256:"),
        "{text}"
    );
    assert!(text.contains("cannot be fetched again: "), "{text}");
    assert!(text.contains("cannot be reached"), "{text}");
}

/// An artifact that is a signature of another one.
fn signature(bundle: &[u8]) -> String {
    let config = descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let layer = descriptor("application/vnd.dev.sigstore.bundle.v0.3+json", bundle);
    manifest(&config, &[layer], "")
}

/// A list of these.
fn index(manifests: &[String]) -> String {
    let entries = manifests.iter().map(|manifest| {
        descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.as_bytes(),
        )
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#)
}

#[tokio::test]
async fn signatures_are_asked_about_before_the_component_is_fetched() {
    let mut content = executor();
    let digest = digest_of(server::executor(COMPONENT).as_bytes());
    let server = content.clone().serve().await;
    let place = place();
    let error = place
        .hub
        .pull(&server.reference(":1.0"), &Only(b"right"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(
        error
            .to_string()
            .contains(":1.0 is refused: it is not signed"),
        "{error}"
    );
    assert!(server.lines().iter().all(|line| !line.contains("/blobs/")));

    // Those that cannot be used are left out: they are not the only ones.
    let large = signature(b"large").replace("\"size\":5", "\"size\":1048577");
    let manifests = [
        large,
        "<html>".to_owned(),
        signature(b"lost"),
        signature(b"right"),
    ];
    for manifest in &manifests {
        content.manifest(None, manifest.as_bytes());
    }
    content.blob(b"large");
    content.blob(b"right");
    let absent = signature(b"absent");
    let all = [&manifests[..], &[absent]].concat();
    content.put(
        format!("GET /v2/team/clean/referrers/{digest}"),
        Answer::ok(index(&all)),
    );
    // And those of the older form.
    let layer = descriptor(
        "application/vnd.dev.cosign.simplesigning.v1+json",
        b"payload",
    );
    let annotated = r#","annotations":{"dev.cosignproject.cosign/signature":"c2ln"}}"#;
    let annotated = format!("{}{annotated}", layer.strip_suffix('}').unwrap());
    let image = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let simple = manifest(&image, &[layer, annotated], "");
    content.manifest(
        Some(&format!("sha256-{}.sig", digest.hex())),
        simple.as_bytes(),
    );
    content.blob(b"payload");
    let server = content.serve().await;
    let reference = server.reference(":1.0");
    let accept = Anything::default();
    place.hub.pull(&reference, &accept).await.unwrap();
    let asked = accept.0.lock().unwrap().clone();
    let expected = [
        crate::RawSignature::Bundle("right".into()),
        crate::RawSignature::Simple {
            payload: "payload".into(),
            signature: "c2ln".to_owned(),
        },
    ];
    assert_eq!(asked, [expected]);
    let pulled = place.hub.pull(&reference, &Only(b"right")).await.unwrap();
    assert_eq!(pulled.signer.as_deref(), Some("a key"));
    // They are kept, too.
    drop(server);
    let pinned = reference.at(digest);
    let pulled = place.hub.pull(&pinned, &Only(b"right")).await.unwrap();
    assert_eq!(pulled.signer.as_deref(), Some("a key"));
    let error = place
        .hub
        .pull(&pinned, &Only(b"another"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    let text = error.to_string();
    assert!(
        text.contains("whether it has other signatures by now cannot be asked"),
        "{text}"
    );
}

#[tokio::test]
async fn signatures_are_not_looked_at_without_end() {
    let mut content = executor();
    let digest = digest_of(server::executor(COMPONENT).as_bytes());
    let manifests: Vec<_> = (0..200)
        .map(|number| {
            let bundle = number.to_string();
            content.blob(bundle.as_bytes());
            let manifest = signature(bundle.as_bytes());
            content.manifest(None, manifest.as_bytes());
            manifest
        })
        .collect();
    // By the tag that stands in for the API of referrers.
    let tag = format!("sha256-{}", digest.hex());
    content.manifest(Some(&tag), index(&manifests).as_bytes());
    let server = content.serve().await;
    let place = place();
    let accept = Anything::default();
    place
        .hub
        .pull(&server.reference(":1.0"), &accept)
        .await
        .unwrap();
    assert_eq!(accept.0.lock().unwrap()[0].len(), 64);
    // A list that goes on and on.
    let mut content = executor();
    let text = "x".repeat(64 << 10);
    let list = format!("GET /v2/team/clean/referrers/{digest}");
    content.put(list.clone(), Answer::endless(200, &text));
    let words = ["sends a list of referrers of more than 4194304 bytes"];
    has(
        refused(content.clone(), ":1.0").await,
        Kind::Registry,
        &words,
    );
    // What cannot be asked is not what is not signed.
    content.put(list, Answer::status(500));
    has(
        refused(content, ":1.0").await,
        Kind::Registry,
        &["answered 500"],
    );
}

/// An executor with this list of files.
fn with_assets(layers: &[String]) -> Content {
    let mut content = Content::default();
    let empty = descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let kind = r#","artifactType":"application/vnd.wasm-flow.assets.v1""#;
    let assets = manifest(&empty, layers, kind);
    let assets = content.manifest(None, assets.as_bytes());
    let config = descriptor("application/vnd.wasm.config.v0+json", b"{}");
    let layer = descriptor("application/wasm", COMPONENT);
    let annotation = format!(r#","annotations":{{"dev.wasm-flow.assets":"{assets}"}}"#);
    let executor = manifest(&config, &[layer], &annotation);
    content.manifest(Some("1.0"), executor.as_bytes());
    content.blob(COMPONENT);
    content
}

fn asset(path: &str, bytes: &[u8]) -> String {
    let layer = descriptor("application/octet-stream", bytes);
    let title = serde_json::json!({ "org.opencontainers.image.title": path });
    format!(
        "{},\"annotations\":{title}}}",
        layer.strip_suffix('}').unwrap()
    )
}

#[tokio::test]
async fn assets_stay_in_their_folder_and_are_what_was_named() {
    let mut content = with_assets(&[asset("a/b", b"one"), asset("c", b"")]);
    content.blob(b"one");
    content.blob(b"");
    let server = content.serve().await;
    let place = place();
    let accept = Anything::default();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &accept)
        .await
        .unwrap();
    let assets = pulled.assets.unwrap();
    assert_eq!((assets.files, assets.bytes), (2, 3));
    assert_eq!(std::fs::read(assets.folder.join("a/b")).unwrap(), b"one");
    // A changed file is made again.
    std::fs::remove_file(assets.folder.join("a/b")).unwrap();
    std::fs::write(assets.folder.join("a/b"), "two").unwrap();
    let pulled = place
        .hub
        .pull(&server.reference(":1.0"), &accept)
        .await
        .unwrap();
    assert_eq!(pulled.assets.unwrap(), assets);
    assert_eq!(std::fs::read(assets.folder.join("a/b")).unwrap(), b"one");
    // What the executor names is kept, and else nothing.
    let hub = &place.hub;
    let pruned = hub
        .prune([pulled.digest].into(), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(pruned.entries, 0);
    let pruned = hub.prune([].into(), Duration::ZERO).await.unwrap();
    assert_eq!(pruned.entries, 7);

    for (layers, expected) in [
        (
            vec![asset("../../evil", b"x")],
            "`../../evil` has a path that is not used",
        ),
        (vec![asset("/etc/evil", b"x")], "it is absolute"),
        (vec![asset("a\\b", b"x")], "it has a backslash"),
        (
            vec![asset("a\u{1b}[2J", b"x")],
            "it has a character that a terminal would act on",
        ),
        (
            vec![asset("a", b"x"), asset("a", b"y")],
            "two assets have the path `a`",
        ),
        (
            vec![asset("a", b"x"), asset("a/b", b"y")],
            "and the folder of another one",
        ),
        (
            vec![asset("a", b"x").replace("\"size\":1", "\"size\":8589934593")],
            "and may have 8589934592",
        ),
    ] {
        let server = with_assets(&layers).serve().await;
        let pulled = place.hub.pull(&server.reference(":1.0"), &accept).await;
        let error = pulled.map(|pulled| pulled.digest).unwrap_err();
        assert_eq!(error.kind(), Kind::NotExecutor);
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let mut content = with_assets(&[asset("a", b"one")]);
    let named = digest_of(b"one");
    content.put(format!("GET {BLOBS}/{named}"), Answer::ok("two"));
    let server = content.serve().await;
    let pulled = place.hub.pull(&server.reference(":1.0"), &accept).await;
    let error = pulled.map(|pulled| pulled.digest).unwrap_err();
    assert_eq!(error.kind(), Kind::Altered, "{error}");
    let trees = std::fs::read_dir(place.hub.store().folder().join("assets")).unwrap();
    assert_eq!(trees.count(), 0);
}

#[tokio::test]
async fn a_blob_that_comes_byte_by_byte_is_given_up() {
    let server = executor().serve().await;
    let place = place();
    let remote = place.hub.client().at(server.reference(":1.0").repository());
    let blob = || remote.blob(digest_of(COMPONENT), 8);
    let mut patient = blob().await.unwrap();
    patient.age(Duration::from_secs(119));
    assert_eq!(patient.next().await.unwrap().unwrap(), COMPONENT);
    let mut blob = blob().await.unwrap();
    blob.age(Duration::from_secs(121));
    let text = blob.next().await.unwrap_err().to_string();
    assert!(
        text.contains("been sending one blob, byte by byte, for 121 s"),
        "{text}"
    );
}

/// A key whose password is wrong, or that signs in a form that nobody would read.
struct BadKey(usize);

impl crate::Sign for BadKey {
    fn sign(&self, _: wasm_flow_contract::hub::Digest) -> Result<bytes::Bytes, crate::Refusal> {
        match self.0 {
            0 => Err(crate::Refusal::new("the password is wrong")),
            size => Ok(vec![0; size].into()),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_pushed_whole_is_not_begun() {
    use crate::artifact::{Artifact, AssetFile};

    let server = Content::default().serve().await;
    let place = place();
    let reference = server.reference(":1.0");
    let artifact = Artifact::new(bytes::Bytes::from_static(COMPONENT)).unwrap();
    for (key, expected) in [
        (
            BadKey(0),
            "cannot be signed, and was not pushed: the password is wrong",
        ),
        (BadKey((1 << 20) + 1), "the signature has over 1 MiB"),
    ] {
        let error = place
            .hub
            .push(&reference, &artifact, Some(&key))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let much = [("dev.wasm-flow.wit".to_owned(), "x".repeat(4 << 20))];
    let much = artifact.clone().annotations(much.into());
    let error = place.hub.push(&reference, &much, None).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("with all annotations, and may have 4194304"),
        "{error}"
    );

    // Five thousand paths of nearly a thousand bytes.
    let folder = tempfile::tempdir().unwrap();
    let parts: Vec<_> = (0..4).map(|_| "x".repeat(230)).collect();
    let deep = folder.path().join(parts.join("/"));
    std::fs::create_dir_all(&deep).unwrap();
    for number in 0..5000 {
        std::fs::write(deep.join(number.to_string()), "").unwrap();
    }
    let files = AssetFile::of_folder(folder.path()).unwrap();
    let error = place
        .hub
        .push(&reference, &artifact.assets(files), None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("put them into fewer files"),
        "{error}"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_password_is_tried_where_tokens_are_given() {
    let tokens = |request: &Seen| match request.authorization.as_deref() {
        Some(BASIC) if request.path == "/token?service=me" => Answer::ok(r#"{"token":"good"}"#),
        _ => Answer::status(401),
    };
    let content = |request: &Seen| match request.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::status(404),
    };
    let server = asking_for("http://HOST/token", content, tokens).await;
    let place = place_of(([127, 0, 0, 1], 1).into(), "{}");
    let host = server.address.to_string();
    let wrong = place
        .hub
        .login(&host, "eve", Secret::new("secret"))
        .await
        .unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("does not take the password of eve"),
        "{wrong}"
    );
    assert!(
        place
            .hub
            .login(&host, "ada", Secret::new("secret"))
            .await
            .unwrap()
    );
}
