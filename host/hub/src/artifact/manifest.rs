//! Manifests and indexes of OCI, as far as they are used here.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use wasm_flow_contract::hub::Digest;

use super::{NotExecutor, media_type};
use crate::digest_of;

/// Where a list has its manifests.
const MANIFESTS: &str = "manifests";

/// What a blob or a manifest is, and how many bytes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their name.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// What a manifest is that a list names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What else is said of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An artifact: a configuration, and layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// What the artifact is, if its configuration does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The content.
    pub layers: Vec<Descriptor>,
    /// The artifact that this one is about, such as what a signature signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests. What is not understood of it here is kept when it is written: others
/// have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index(Map<String, Value>);

impl Descriptor {
    /// What describes these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: digest_of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    fn value(&self) -> Value {
        // Strings, numbers and maps with keys that are strings can always be written.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What tells the kinds of manifests apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// A manifest of these parts, without annotations.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Reads a manifest. `content_type` is what the registry calls it, if it is known.
    ///
    /// # Errors
    /// When it is something else: a list of manifests, an image of Docker's, a manifest
    /// of the first form, or not JSON.
    pub fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Manifest, NotExecutor> {
        let malformed = |error: serde_json::Error| NotExecutor::Malformed(error.to_string());
        let probe: Probe = serde_json::from_slice(bytes).map_err(malformed)?;
        let says = |media_type| {
            probe.media_type.as_deref() == Some(media_type) || content_type == Some(media_type)
        };
        if says(media_type::INDEX) || says(media_type::DOCKER_LIST) || probe.manifests.is_some() {
            return Err(NotExecutor::Index);
        }
        if probe.schema_version == 1 {
            return Err(NotExecutor::FirstForm);
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
        match &manifest.media_type {
            Some(found) if found == media_type::DOCKER_MANIFEST => {
                Err(NotExecutor::Image(manifest.config.media_type))
            }
            Some(found) if found != media_type::MANIFEST => {
                Err(NotExecutor::OtherManifest(found.clone()))
            }
            _ => Ok(manifest),
        }
    }

    /// The bytes, and what describes them.
    pub fn write(&self) -> (Vec<u8>, Descriptor) {
        written(self, media_type::MANIFEST, self.artifact_type.clone())
    }
}

impl Index {
    /// A list of these.
    pub fn new(manifests: &[Descriptor]) -> Index {
        let entries = manifests.iter().map(Descriptor::value).collect();
        Index(Map::from_iter([
            ("schemaVersion".to_owned(), Value::from(2)),
            ("mediaType".to_owned(), Value::from(media_type::INDEX)),
            (MANIFESTS.to_owned(), Value::Array(entries)),
        ]))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// With what is wrong with it as a whole.
    pub fn read(bytes: &[u8]) -> Result<Index, serde_json::Error> {
        let content: Map<String, Value> = serde_json::from_slice(bytes)?;
        match content.get(MANIFESTS) {
            Some(Value::Array(_)) => Ok(Index(content)),
            _ => Err(serde::de::Error::custom("`manifests` is not a list")),
        }
    }

    /// The manifests. One whose entry cannot be read, such as one with a digest of another
    /// kind, is left out: it must not keep others from being found.
    pub fn manifests(&self) -> Vec<Descriptor> {
        let entries = self.0.get(MANIFESTS).and_then(Value::as_array);
        let entries = entries.into_iter().flatten();
        entries
            .filter_map(|entry| Descriptor::deserialize(entry).ok())
            .collect()
    }

    /// Adds a manifest at the end.
    pub fn push(&mut self, manifest: &Descriptor) {
        let entries = self.0.entry(MANIFESTS);
        if let Value::Array(entries) = entries.or_insert_with(|| Value::Array(Vec::new())) {
            entries.push(manifest.value());
        }
    }

    /// The bytes, and what describes them.
    pub fn write(&self) -> (Vec<u8>, Descriptor) {
        written(&self.0, media_type::INDEX, None)
    }
}

fn written(
    what: &impl Serialize,
    media_type: &str,
    artifact_type: Option<String>,
) -> (Vec<u8>, Descriptor) {
    // Strings, numbers and maps with keys that are strings can always be written.
    let bytes = serde_json::to_vec(what).unwrap_or_default();
    let described = Descriptor {
        artifact_type,
        ..Descriptor::of(media_type, &bytes)
    };
    (bytes, described)
}

fn write_digest<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

fn read_digest<'a, D: Deserializer<'a>>(from: D) -> Result<Digest, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::new(
            Descriptor::of(media_type::WASM_CONFIG, b"{}"),
            vec![Descriptor::of(media_type::WASM, b"abc")],
        )
    }

    #[test]
    fn a_manifest_is_read_as_it_is_written() {
        let mut manifest = manifest();
        manifest.annotations.insert("a".into(), "b".into());
        let (bytes, described) = manifest.write();
        assert_eq!(described.digest, digest_of(&bytes));
        assert_eq!(described.size, bytes.len() as u64);
        assert_eq!(Manifest::read(&bytes, None), Ok(manifest));
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("null"), "{text}");
        assert!(text.contains("\"schemaVersion\":2"), "{text}");
    }

    #[test]
    fn what_is_not_a_manifest_is_told_apart() {
        let (index, _) = Index::new(&[]).write();
        let (bytes, _) = manifest().write();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let docker = text.replace(media_type::MANIFEST, media_type::DOCKER_MANIFEST);
        let other = text.replace(media_type::MANIFEST, "application/x");
        let digest = text.replace("sha256:", "sha512:");
        for (bytes, content_type, expected) in [
            (index.as_slice(), None, "it is a list of several artifacts"),
            (&bytes, Some(media_type::INDEX), "it is a list of several"),
            (b"{\"schemaVersion\":1}", None, "it is a manifest of an old"),
            (b"<html>", None, "its manifest cannot be read"),
            (b"{\"schemaVersion\":2}", None, "missing field `config`"),
            (docker.as_bytes(), None, "so it is a container image"),
            (other.as_bytes(), None, "its manifest is application/x"),
            (digest.as_bytes(), None, "a digest is `sha256:`"),
        ] {
            let error = Manifest::read(bytes, content_type).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
