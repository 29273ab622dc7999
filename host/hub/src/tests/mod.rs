//! Registries that are broken, or mean harm.

mod assets;
mod leading;
mod pushing;
mod server;
mod signatures;
mod tls;
mod tokens;

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

/// An executor that can be pushed.
fn artifact() -> crate::artifact::Artifact {
    crate::artifact::Artifact::new(bytes::Bytes::from_static(COMPONENT)).unwrap()
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
            .contains("more than 100 pages of one list"),
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

#[tokio::test]
async fn a_list_has_a_bound_for_all_its_pages_together() {
    let padding = "x".repeat(1 << 20);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let page = asked.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"name":"{padding}","tags":["1.{page}"]}}"#);
        let link = format!("</v2/team/clean/tags/list?last={page}>; rel=\"next\"");
        let links = (page < 20).then_some(("link", link));
        Answer::Full(200, links.into_iter().collect(), body.into())
    });
    let server = server.await;
    let place = place();
    let listed = place.hub.tags(server.reference(":1").repository()).await;
    let error = listed.unwrap_err().to_string();
    let expected = "sends a list of tags of more than 16777216 bytes";
    assert!(error.contains(expected), "{error}");
    assert_eq!(server.seen().len(), 16);
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
    let long = "x".repeat(1 << 20);
    for bytes in [
        manifest(&descriptor(&long, b"{}"), std::slice::from_ref(&layer), ""),
        manifest(&wasm, &[descriptor(&long, COMPONENT)], ""),
        format!(r#"{{"schemaVersion":2,"config":"{long}"}}"#),
    ] {
        let mut content = executor();
        content.manifest(Some("x"), bytes.as_bytes());
        let (kind, text) = refused(content, ":x").await;
        assert_eq!(kind, Kind::NotExecutor);
        assert!(text.len() < 1000, "{}", text.len());
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
    // Whether there are others cannot be asked.
    let mut content = executor();
    content.put(TAGS, Answer::status(403));
    let server = content.serve().await;
    let reference = server.reference(":2.0");
    let error = place.hub.resolve(&reference).await.unwrap_err();
    let expected = format!("{reference}: the registry has no such tag");
    assert_eq!(error.to_string(), expected);
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
    let text = error.to_string();
    assert!(text.contains("takes no more requests for now"), "{text}");
    let heads = server.count(&format!("HEAD {MANIFEST}/1.0"));
    assert_eq!(heads, 3);
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

#[tokio::test]
async fn a_manifest_cannot_have_what_is_kept_removed() {
    let place = place();
    let store = place.hub.store();
    // The weights of another executor.
    let weights = store.write(&vec![7; 5 << 20]).unwrap();
    let layer = descriptor("application/wasm", COMPONENT);
    let said = br#"{"architecture":"wasm","os":"wasip2"}"#;
    let config = descriptor("application/vnd.wasm.config.v0+json", said);
    let small = config.replace(&digest_of(said).to_string(), &weights.to_string());
    let assets = format!(r#","annotations":{{"dev.wasm-flow.assets":"{weights}"}}"#);
    // The weights are the component, and said to be longer than they are.
    let longer = layer.replace(&digest_of(COMPONENT).to_string(), &weights.to_string());
    let longer = longer.replace("\"size\":8", "\"size\":5242881");
    for (manifest, most) in [
        (
            manifest(&small, std::slice::from_ref(&layer), ""),
            "the manifest that names it says 37",
        ),
        (
            manifest(&config, &[longer], ""),
            "the manifest that names it says 5242881",
        ),
        (manifest(&config, &[layer], &assets), "may have 4194304"),
    ] {
        let mut content = executor();
        content.blob(said);
        content.manifest(Some("1.0"), manifest.as_bytes());
        let server = content.serve().await;
        let reference = server.reference(":1.0");
        // Only one of the two reads what it says of the component.
        let described = place.hub.describe(&reference).await.err();
        let pulled = place.hub.pull(&reference, &Anything::default()).await;
        let error = described.or(pulled.err()).unwrap();
        let words = format!("/team/clean ({weights}) has 5242880 bytes, and {most}");
        has(
            (error.kind(), error.to_string()),
            Kind::NotExecutor,
            &[&words],
        );
        let kept = store.check(weights, 5 << 20).unwrap();
        assert_eq!(kept, crate::store::Kept::Whole(5 << 20));
    }
}
