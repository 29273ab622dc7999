//! The files of an executor.

use super::*;

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
    drop(pulled.in_use);
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
    // What the executor names is kept as long as it is used, and else nothing.
    let hub = &place.hub;
    let digest = pulled.digest;
    let in_use = pulled.in_use;
    assert!(in_use.is_some());
    let pruned = hub.prune([].into(), Duration::ZERO).await.unwrap();
    assert_eq!((pruned.entries, pruned.in_use), (0, 1));
    drop(in_use);
    let pruned = hub.prune([digest].into(), Duration::ZERO).await.unwrap();
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
