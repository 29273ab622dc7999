//! What is pushed.

use super::*;

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

/// What a registry answers that takes all that is sent, and has nothing.
fn taking(method: &str) -> Answer {
    match method {
        "POST" => Answer::Full(202, vec![("location", "/upload".to_owned())], vec![]),
        "PUT" => Answer::status(201),
        _ => Answer::status(404),
    }
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
    assert_eq!(puts.collect::<Vec<_>>(), expected);
    // Over HTTP/1.1 nobody says it if we do not.
    let posts = server.seen().into_iter();
    let mut posts = posts.filter(|seen| seen.method == "POST");
    assert!(posts.all(|seen| seen.length == Some(0)));

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
async fn what_cannot_be_pushed_whole_is_not_begun() {
    use crate::artifact::AssetFile;

    let server = Content::default().serve().await;
    let place = place();
    let reference = server.reference(":1.0");
    let artifact = artifact();
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
async fn a_registry_that_takes_no_upload_for_now_is_not_pressed() {
    let artifact = artifact();
    let busy = |status, after: &str| {
        let after = ("retry-after", after.to_owned());
        Answer::Full(status, vec![after], vec![])
    };
    for (method, status, after, times) in [
        // Longer than anybody waits here.
        ("POST", 429, "3600", 1),
        ("PUT", 429, "3600", 1),
        ("PUT", 503, "3600", 1),
        ("POST", 429, "0", 3),
        ("PUT", 429, "0", 3),
    ] {
        let answer = busy(status, after);
        let server = Server::start(move |request| match request.method.as_str() {
            found if found == method => answer.clone(),
            "POST" => Answer::Full(202, vec![("location", "/upload".to_owned())], vec![]),
            _ => Answer::status(404),
        });
        let server = server.await;
        let place = place();
        let reference = server.reference(":1.0");
        let pushed = place.hub.push(&reference, &artifact, None).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        let expected = format!("it wants to be asked again in {after} s");
        assert!(error.to_string().contains(&expected), "{error}");
        let asked = server.lines().into_iter();
        let asked = asked.filter(|line| line.starts_with(method));
        assert_eq!(asked.count(), times, "{method} {status} {after}");
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_whether_it_has_a_blob_is_sent_it() {
    let artifact = artifact();
    for status in [403, 405] {
        let server = Server::start(move |request| match request.method.as_str() {
            "HEAD" if request.path.contains("/blobs/") => Answer::status(status),
            method => taking(method),
        });
        let server = server.await;
        let place = place();
        let reference = server.reference(":1.0");
        let pushed = place.hub.push(&reference, &artifact, None);
        assert!(pushed.await.unwrap().sent > 0);
    }
}

/// Signs, in a form that nobody looks at here.
struct Key;

impl crate::Sign for Key {
    fn sign(&self, _: wasm_flow_contract::hub::Digest) -> Result<bytes::Bytes, crate::Refusal> {
        Ok(bytes::Bytes::from_static(b"{}"))
    }
}

#[tokio::test]
async fn a_list_that_nobody_could_read_any_more_is_not_written() {
    let entry = serde_json::json!({
        "mediaType": "application/x", "digest": digest_of(b"x").to_string(), "size": 1,
        "annotations": { "a": "x".repeat((4 << 20) - 400) },
    });
    let list = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    assert!(list.len() < 4 << 20, "it can be read");
    let server = Server::start(move |request| match request.method.as_str() {
        "GET" if request.path.contains("/manifests/sha256-") => Answer::ok(list.clone()),
        method => taking(method),
    });
    let server = server.await;
    let place = place();
    let (reference, artifact) = (server.reference(":1.0"), artifact());
    let pushed = place.hub.push(&reference, &artifact, Some(&Key));
    let error = pushed.await.unwrap_err().to_string();
    assert!(
        error.contains("the list of referrers, with this one,"),
        "{error}"
    );
    let mut lines = server.lines().into_iter();
    assert!(!lines.any(|line| line.contains("PUT /v2/team/clean/manifests/sha256-")));
}

#[tokio::test]
async fn a_manifest_is_sent_again_if_that_may_help() {
    let failures = std::sync::atomic::AtomicUsize::new(1);
    let server = Server::start(move |request| {
        let is_manifest = request.method == "PUT" && request.path.contains("/manifests/");
        let left = &failures;
        let fails = is_manifest && left.swap(0, std::sync::atomic::Ordering::SeqCst) > 0;
        match fails {
            true => Answer::status(502),
            false => taking(&request.method),
        }
    });
    let server = server.await;
    let place = place();
    let (reference, artifact) = (server.reference(":1.0"), artifact());
    let pushed = place.hub.push(&reference, &artifact, None);
    assert!(pushed.await.is_ok());
}

#[tokio::test]
async fn what_others_have_listed_stays_listed_as_it_was() {
    let theirs = serde_json::json!([
        { "mediaType": "application/x", "digest": "sha512:00", "size": 1 },
        {
            "mediaType": "application/x", "digest": digest_of(b"x").to_string(), "size": 1,
            "platform": { "os": "linux" }, "urls": ["https://a.b/c"],
        },
    ]);
    let list = serde_json::json!({
        "schemaVersion": 2, "artifactType": "application/y", "manifests": theirs,
    });
    let server = Server::start(move |request| match request.method.as_str() {
        "GET" if request.path.contains("/manifests/sha256-") => Answer::ok(list.to_string()),
        method => taking(method),
    });
    let server = server.await;
    let place = place();
    let artifact = artifact();
    let reference = server.reference(":1.0");
    place
        .hub
        .push(&reference, &artifact, Some(&Key))
        .await
        .unwrap();
    let seen = server.seen().into_iter();
    let mut seen = seen.filter(|seen| seen.line().contains("PUT /v2/team/clean/manifests/sha256-"));
    let written: serde_json::Value = serde_json::from_slice(&seen.next().unwrap().body).unwrap();
    assert_eq!(written["artifactType"], "application/y");
    let written = written["manifests"].as_array().unwrap();
    assert_eq!(written.len(), 3);
    assert_eq!(written[..2], theirs.as_array().unwrap()[..]);
}

#[tokio::test]
async fn a_tag_is_written_unless_it_is_known_to_mean_the_same() {
    let artifact = artifact();
    // Else each has the second in which it is made.
    let then = ("org.opencontainers.image.created", "then");
    let then = [then].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let artifact = artifact.annotations(then.into());
    let repository = "registry.example.com/team/clean".parse().unwrap();
    let (bytes, described) = artifact.manifest(&repository, None).0.write();
    assert_eq!(digest_of(&bytes), described.digest);
    let digest = vec![("docker-content-digest", described.digest.to_string())];
    for (answer, puts) in [
        (Answer::Full(200, digest, vec![]), 0),
        // It may be written, and not read.
        (Answer::status(403), 1),
        (Answer::status(404), 1),
    ] {
        let tag = format!("{MANIFEST}/1.0");
        let server = Server::start(move |request| match request.method.as_str() {
            "HEAD" | "GET" if request.path == tag => answer.clone(),
            method => taking(method),
        });
        let server = server.await;
        let place = place();
        let reference = server.reference(":1.0");
        let pushed = place.hub.push(&reference, &artifact, None).await.unwrap();
        assert_eq!(pushed.digest, described.digest);
        assert_eq!(pushed.replaced, None);
        assert_eq!(server.count(&format!("PUT {MANIFEST}/1.0")), puts);
    }
}
