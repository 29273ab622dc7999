//! Signatures, and who is asked about them.

use super::*;

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
    // Who accepts says all of it.
    assert_eq!(error.to_string(), "it is not signed");
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
    // One with a digest of another kind, and one that is not even an object.
    let other = descriptor("application/x", b"other").replace("sha256:", "sha512:00");
    let list = index(&all).replace("[{", &format!("[{other},7,{{"));
    content.put(
        format!("GET /v2/team/clean/referrers/{digest}"),
        Answer::ok(list),
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
        crate::trust::RawSignature::Bundle("right".into()),
        crate::trust::RawSignature::Simple {
            payload: "payload".into(),
            signature: "c2ln".to_owned(),
            has_certificate: false,
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

#[tokio::test]
async fn what_is_no_list_of_referrers_is_no_api_of_them() {
    let digest = digest_of(server::executor(COMPONENT).as_bytes());
    let answer = |status, kind: &str, body: &str| {
        let kind = ("content-type", kind.to_owned());
        Answer::Full(status, vec![kind], body.into())
    };
    for answer in [
        answer(200, "text/html; charset=utf-8", "<html>"),
        answer(200, "application/json", "{}"),
        answer(406, "application/json", "{}"),
    ] {
        let mut content = executor();
        let right = signature(b"right");
        content.blob(b"right");
        content.manifest(None, right.as_bytes());
        let tag = format!("sha256-{}", digest.hex());
        content.manifest(Some(&tag), index(&[right]).as_bytes());
        content.put(format!("GET /v2/team/clean/referrers/{digest}"), answer);
        let server = content.serve().await;
        let place = place();
        let reference = server.reference(":1.0");
        let pulled = place.hub.pull(&reference, &Only(b"right"));
        assert_eq!(pulled.await.unwrap().signer.as_deref(), Some("a key"));
    }
}
