//! A real registry: Debian's `docker-registry`.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs is there, or the test fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Reference};
use wasm_flow_hub::artifact::{Artifact, AssetFile, Interfaces, annotation};
use wasm_flow_hub::credentials::{Credentials, Secret};
use wasm_flow_hub::store::Store;
use wasm_flow_hub::trust::{NamedKey, Policy, Rules, Signer, TrustRule};
use wasm_flow_hub::{Hub, HubError, HubErrorKind, digest_of};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// Another one: with a custom section.
const OTHER: &[u8] = b"\0asm\x0d\0\x01\0\0\x02\x01x";

/// The password is `secret`.
const HTPASSWD: &str = "ada:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A registry with a folder of its own. It ends with the test.
struct Registry {
    folder: tempfile::TempDir,
    child: Child,
    host: String,
}

impl Registry {
    fn start(htpasswd: Option<&str>) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let mut config = format!(
            "version: 0.1\n\
             storage:\n  filesystem:\n    rootdirectory: {root}/storage\n\
             http:\n  addr: 127.0.0.1:0\n"
        );
        if let Some(htpasswd) = htpasswd {
            fs::write(folder.path().join("htpasswd"), htpasswd).unwrap();
            config += &format!("auth:\n  htpasswd:\n    realm: x\n    path: {root}/htpasswd\n");
        }
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let mut child = Command::new(program())
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let host = log.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
            Some(rest[..end.unwrap_or(rest.len())].to_owned())
        });
        // It would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Registry {
            folder,
            child,
            host: host.unwrap(),
        }
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/team/clean{rest}", self.host).parse().unwrap()
    }

    /// Where the registry keeps a blob.
    fn blob(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = "storage/docker/registry/v2/blobs/sha256";
        let blobs = self.folder.path().join(blobs);
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's registry, which `.ci/registry` finds or unpacks.
fn program() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/registry");
    let found = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    assert!(
        found.status.success(),
        "this test needs Debian's registry: apt-get install docker-registry"
    );
    PathBuf::from(path.trim())
}

/// A hub with a folder and a file of credentials of its own.
struct Place {
    folder: tempfile::TempDir,
    hub: Hub,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let credentials = Credentials::of_file(folder.path().join("docker/config.json"));
    let hub = Hub::new(store, credentials, [].into()).unwrap();
    Place { folder, hub }
}

/// What takes everything from a reference's registry.
fn anything(reference: &Reference) -> Policy {
    rule(reference, None)
}

/// A key, and what takes what it has signed.
fn signed(reference: &Reference) -> (Signer, Policy) {
    let signer = Signer::generate().unwrap();
    let key = NamedKey {
        name: "team.pub".to_owned(),
        key: signer.public(),
    };
    (signer, rule(reference, Some(vec![key])))
}

fn rule(reference: &Reference, keys: Option<Vec<NamedKey>>) -> Policy {
    Policy::new([Rules {
        file: "flow.toml".to_owned(),
        registries: Vec::new(),
        trust: vec![TrustRule {
            of: reference.repository().host().parse().unwrap(),
            keys,
        }],
    }])
}

fn artifact(component: &'static [u8]) -> Artifact {
    let annotations = [
        ("org.opencontainers.image.title", "clean"),
        (annotation::CREATED, "2023-11-14T22:13:20Z"),
    ];
    let annotations = annotations.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Artifact::new(Bytes::from_static(component))
        .unwrap()
        .annotations(BTreeMap::from(annotations))
        .author("Ada")
        .interfaces(Interfaces {
            exports: vec!["wasm-flow:executor/executor@0.1.0".to_owned()],
            ..Interfaces::default()
        })
}

#[tokio::test]
async fn what_is_pushed_can_be_pulled() {
    let registry = Registry::start(None);
    let place = place();
    let hub = &place.hub;
    let reference = registry.reference(":1.0");
    let error = hub.resolve(&reference).await.unwrap_err();
    assert!(matches!(error, HubError::NoRepository(_)), "{error}");

    let pushed = hub
        .push(&reference, &artifact(COMPONENT), None)
        .await
        .unwrap();
    assert!(pushed.sent > 8 && pushed.assets.is_none() && pushed.replaced.is_none());
    let again = hub
        .push(&reference, &artifact(COMPONENT), None)
        .await
        .unwrap();
    assert_eq!(
        (again.digest, again.sent, again.replaced),
        (pushed.digest, 0, None)
    );
    let other = registry.reference(":1.1");
    let other = hub.push(&other, &artifact(OTHER), None).await.unwrap();
    assert_ne!(other.digest, pushed.digest);
    assert_eq!(
        hub.tags(reference.repository()).await.unwrap(),
        ["1.0", "1.1"]
    );
    assert_eq!(hub.resolve(&reference).await.unwrap(), pushed.digest);

    let pulled = hub.pull(&reference, &anything(&reference)).await.unwrap();
    assert_eq!(pulled.digest, pushed.digest);
    assert_eq!(pulled.component, COMPONENT);
    assert_eq!(
        pulled.annotations["org.opencontainers.image.title"],
        "clean"
    );
    assert_eq!(pulled.assets, None);
    let described = hub.describe(&reference).await.unwrap();
    assert_eq!(described.digest, pushed.digest);
    assert_eq!(described.component_bytes, 8);
    assert_eq!(described.config.author.as_deref(), Some("Ada"));
    assert_eq!(described.config.component.unwrap().exports.len(), 1);

    let moved = hub.push(&reference, &artifact(OTHER), None).await.unwrap();
    assert_eq!(moved.digest, other.digest);
    assert_eq!(moved.replaced, Some(pushed.digest));
    let pulled = hub.pull(&reference, &anything(&reference)).await.unwrap();
    assert_eq!(pulled.component, OTHER);

    let missing = registry.reference(":2.0");
    let text = hub.resolve(&missing).await.unwrap_err().to_string();
    assert!(
        text.contains("no such tag; it has 1.1, 1.0 (wasm-flow hub list "),
        "{text}"
    );
    let nothing = reference.at(digest_of(b"nothing"));
    let error = hub.pull(&nothing, &anything(&nothing)).await.unwrap_err();
    assert_eq!(error.kind(), HubErrorKind::Missing, "{error}");

    // The registry is not needed for what is known.
    let pinned = moved.reference;
    drop(registry);
    assert_eq!(
        hub.pull(&pinned, &anything(&pinned))
            .await
            .unwrap()
            .component,
        OTHER
    );
    let error = hub
        .pull(&reference, &anything(&reference))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HubErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn files_and_signatures_go_with_an_executor() {
    let registry = Registry::start(None);
    let source = tempfile::tempdir().unwrap();
    fs::create_dir(source.path().join("model")).unwrap();
    let weights = vec![7; 20 << 20];
    fs::write(source.path().join("model/weights.bin"), &weights).unwrap();
    fs::write(source.path().join("labels.txt"), "a\nb\n").unwrap();
    fs::write(source.path().join("empty"), "").unwrap();
    let files = AssetFile::of_folder(source.path()).unwrap();
    let artifact = artifact(COMPONENT).assets(files);

    let author = place();
    let reference = registry.reference(":1.0");
    let (signer, policy) = signed(&reference);
    let unsigned = author.hub.push(&reference, &artifact, None).await.unwrap();
    let error = author.hub.pull(&reference, &policy).await.unwrap_err();
    assert_eq!(error.kind(), HubErrorKind::Refused, "{error}");
    let signed = author
        .hub
        .push(&reference, &artifact, Some(&signer))
        .await
        .unwrap();
    assert_eq!(signed.digest, unsigned.digest);
    assert!(signed.is_signed);
    // Twice is no harm.
    author
        .hub
        .push(&reference, &artifact, Some(&signer))
        .await
        .unwrap();
    // The tag of the signatures is not a version.
    let tags = author.hub.tags(reference.repository()).await.unwrap();
    assert_eq!(tags, ["1.0"]);
    let all = author
        .hub
        .client()
        .at(reference.repository())
        .tags()
        .await
        .unwrap();
    assert!(
        all.contains(&format!("sha256-{}", signed.digest.hex())),
        "{all:?}"
    );

    let user = place();
    for _ in 0..2 {
        let pulled = user.hub.pull(&reference, &policy).await.unwrap();
        assert_eq!(pulled.signer.as_deref(), Some("team.pub"));
        let assets = pulled.assets.unwrap();
        assert_eq!(Some(assets.digest), signed.assets);
        assert_eq!((assets.files, assets.bytes), (3, (20 << 20) + 4));
        assert!(fs::read(assets.folder.join("model/weights.bin")).unwrap() == weights);
        assert_eq!(
            fs::read(assets.folder.join("labels.txt")).unwrap(),
            b"a\nb\n"
        );
    }
    let described = user.hub.describe(&reference).await.unwrap();
    assert_eq!(described.assets.unwrap().files().len(), 3);
    let assets = format!("{}/team/clean@{}", registry.host, signed.assets.unwrap());
    let error = user
        .hub
        .pull(&assets.parse().unwrap(), &anything(&reference))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it has the assets of an executor"),
        "{error}"
    );

    let pinned = reference.at(signed.digest);
    drop(registry);
    user.hub.pull(&pinned, &policy).await.unwrap();
    let pruned = user.hub.prune([].into(), Duration::ZERO).await.unwrap();
    assert!(pruned.bytes > 20 << 20, "{pruned:?}");
    let error = user.hub.pull(&pinned, &policy).await.unwrap_err();
    assert_eq!(error.kind(), HubErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_pushed_is_not_taken() {
    let registry = Registry::start(None);
    let source = tempfile::tempdir().unwrap();
    let file = source.path().join("a");
    fs::write(&file, "abc").unwrap();
    let artifact = artifact(COMPONENT).assets(AssetFile::of_folder(source.path()).unwrap());
    let reference = registry.reference(":1.0");
    let hub = place().hub;
    for (change, expected) in [
        (Some("abd"), "DIGEST_INVALID"),
        (Some("ab"), "a has become shorter meanwhile"),
        (None, "cannot be read"),
    ] {
        match change {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let error = hub.push(&reference, &artifact, None).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Of one that has only grown, what was hashed is sent.
    fs::write(&file, "abcd").unwrap();
    hub.push(&reference, &artifact, None).await.unwrap();
}

#[tokio::test]
async fn a_registry_with_passwords_lets_in_who_has_one() {
    let registry = Registry::start(Some(HTPASSWD));
    let place = place();
    let hub = &place.hub;
    let reference = registry.reference(":1.0");
    let wants = format!("wants a password: wasm-flow hub login {}", registry.host);
    for error in [
        hub.push(&reference, &artifact(COMPONENT), None)
            .await
            .unwrap_err(),
        hub.pull(&reference, &anything(&reference))
            .await
            .unwrap_err(),
        hub.tags(reference.repository()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), HubErrorKind::Unauthorized);
        assert!(error.to_string().contains(&wants), "{error}");
    }
    let wrong = hub.login(&registry.host, "ada", Secret::new("wrong")).await;
    let text = wrong.unwrap_err().to_string();
    assert!(text.contains("does not take the password of ada"), "{text}");
    assert!(!place.folder.path().join("docker").exists());

    assert!(
        hub.login(&registry.host, "ada", Secret::new("secret"))
            .await
            .unwrap()
    );
    let (signer, policy) = signed(&reference);
    let pushed = hub
        .push(&reference, &artifact(COMPONENT), Some(&signer))
        .await
        .unwrap();
    let pulled = hub.pull(&reference, &policy).await.unwrap();
    assert_eq!(pulled.digest, pushed.digest);
    assert_eq!(hub.tags(reference.repository()).await.unwrap(), ["1.0"]);

    assert!(hub.logout(&registry.host).await.unwrap());
    let error = hub.resolve(&reference).await.unwrap_err();
    assert!(error.to_string().contains(&wants), "{error}");
}

#[tokio::test]
async fn what_somebody_changes_in_the_registry_is_noticed() {
    let registry = Registry::start(None);
    let author = place();
    let reference = registry.reference(":1.0");
    author
        .hub
        .push(&reference, &artifact(COMPONENT), None)
        .await
        .unwrap();
    let component = registry.blob(digest_of(COMPONENT));
    let mut other = COMPONENT.to_vec();
    other[7] = 9;
    fs::write(&component, other).unwrap();
    let error = author
        .hub
        .pull(&reference, &anything(&reference))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HubErrorKind::Altered, "{error}");
    assert!(error.to_string().contains("do not use them"), "{error}");
    fs::write(&component, COMPONENT).unwrap();
    author
        .hub
        .pull(&reference, &anything(&reference))
        .await
        .unwrap();
}
