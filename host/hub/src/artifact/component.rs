//! An executor as an artifact: its component, and what is said of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Repository};

use super::config::created;
use super::{
    AssetFile, Descriptor, Interfaces, Manifest, NotExecutor, WasmConfig, annotation, media_type,
};
use crate::bounds::{MAX_COMPONENT, MAX_CONFIG};

/// An executor that is to be pushed.
#[derive(Debug, Clone)]
pub struct Artifact {
    component: Bytes,
    annotations: BTreeMap<String, String>,
    author: Option<String>,
    interfaces: Interfaces,
    assets: Vec<AssetFile>,
}

impl Artifact {
    /// An executor of this component.
    ///
    /// # Errors
    /// When the bytes are something else, or too many.
    pub fn new(component: Bytes) -> Result<Artifact, NotExecutor> {
        check_size(component.len() as u64)?;
        check_component(&component)?;
        Ok(Artifact {
            component,
            annotations: BTreeMap::new(),
            author: None,
            interfaces: Interfaces::default(),
            assets: Vec::new(),
        })
    }

    /// With what is said of it. `dev.wasm-flow.assets` is overwritten, and
    /// `org.opencontainers.image.created` is added if it is not there.
    pub fn annotations(mut self, annotations: BTreeMap<String, String>) -> Artifact {
        self.annotations = annotations;
        self
    }

    /// With the name of who made it.
    pub fn author(mut self, author: impl Into<String>) -> Artifact {
        self.author = Some(author.into());
        self
    }

    /// With the interfaces that the component has.
    pub fn interfaces(mut self, interfaces: Interfaces) -> Artifact {
        self.interfaces = interfaces;
        self
    }

    /// With these files.
    pub fn assets(mut self, assets: Vec<AssetFile>) -> Artifact {
        self.assets = assets;
        self
    }

    pub(crate) fn component(&self) -> &Bytes {
        &self.component
    }

    pub(crate) fn files(&self) -> &[AssetFile] {
        &self.assets
    }

    /// The manifest in this repository, and the bytes of its configuration.
    pub(crate) fn manifest(
        &self,
        repository: &Repository,
        assets: Option<Digest>,
    ) -> (Manifest, Vec<u8>) {
        let mut layer = Descriptor::of(media_type::WASM, &self.component);
        // What other tools call the file. It is not the component's own name, which may be
        // any text, also a path that leads elsewhere.
        let title = format!("{}.wasm", repository.name());
        layer.annotations = BTreeMap::from([(annotation::TITLE.to_owned(), title)]);
        let mut annotations = self.annotations.clone();
        annotations.remove(annotation::ASSETS);
        if let Some(digest) = assets {
            annotations.insert(annotation::ASSETS.to_owned(), digest.to_string());
        }
        let created = annotations
            .entry(annotation::CREATED.to_owned())
            .or_insert_with(created)
            .clone();
        let config = WasmConfig {
            created: Some(created),
            author: self.author.clone(),
            architecture: "wasm".to_owned(),
            os: "wasip2".to_owned(),
            layer_digests: vec![layer.digest.to_string()],
            component: Some(self.interfaces.clone()),
        };
        // Strings and lists of them can always be written.
        let config = serde_json::to_vec(&config).unwrap_or_default();
        let described = Descriptor::of(media_type::WASM_CONFIG, &config);
        let mut manifest = Manifest::new(described, vec![layer]);
        manifest.annotations = annotations;
        (manifest, config)
    }
}

/// The manifest of an executor.
#[derive(Debug)]
pub(crate) struct ExecutorManifest {
    pub(crate) config: Descriptor,
    pub(crate) component: Descriptor,
    pub(crate) assets: Option<Digest>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl ExecutorManifest {
    /// What the manifest says, if it is that of an executor.
    pub(crate) fn of(manifest: Manifest) -> Result<ExecutorManifest, NotExecutor> {
        if let Some(artifact_type) = &manifest.artifact_type {
            if artifact_type == media_type::ASSETS {
                return Err(NotExecutor::Assets);
            }
            if artifact_type.starts_with(media_type::BUNDLE_PREFIX) {
                return Err(NotExecutor::Signature);
            }
        }
        let layer_type = manifest.layers.first().map(|layer| &layer.media_type);
        if layer_type.is_some_and(|found| found == media_type::SIMPLE_SIGNING) {
            return Err(NotExecutor::Signature);
        }
        let config = manifest.config;
        match config.media_type.as_str() {
            media_type::WASM_CONFIG => {}
            media_type::OLD_WASM_CONFIG => return Err(NotExecutor::OldWasm(config.media_type)),
            found if media_type::IMAGE_CONFIGS.contains(&found) => {
                return Err(NotExecutor::Image(config.media_type));
            }
            _ => return Err(NotExecutor::OtherArtifact(config.media_type)),
        }
        let count = manifest.layers.len();
        let Ok([component]) = <[Descriptor; 1]>::try_from(manifest.layers) else {
            return Err(NotExecutor::Layers(count));
        };
        if component.media_type != media_type::WASM {
            return Err(NotExecutor::Layer(component.media_type));
        }
        check_size(component.size)?;
        if config.size > MAX_CONFIG {
            let (size, most) = (config.size, MAX_CONFIG);
            let why = format!("its config has {size} bytes, and may have {most}");
            return Err(NotExecutor::Malformed(why));
        }
        let assets = match manifest.annotations.get(annotation::ASSETS) {
            None => None,
            Some(text) => {
                let digest = text.parse();
                Some(digest.map_err(|_| NotExecutor::AssetsDigest(text.clone()))?)
            }
        };
        Ok(ExecutorManifest {
            config,
            component,
            assets,
            annotations: manifest.annotations,
        })
    }
}

fn check_size(size: u64) -> Result<(), NotExecutor> {
    let most = MAX_COMPONENT;
    match size > most {
        true => Err(NotExecutor::TooLarge { size, most }),
        false => Ok(()),
    }
}

/// Looks at the first bytes only: the engine reads the rest.
pub(crate) fn check_component(bytes: &[u8]) -> Result<(), NotExecutor> {
    if bytes.starts_with(b"\x7fELF") {
        return Err(NotExecutor::Compiled);
    }
    let Some(rest) = bytes.strip_prefix(b"\0asm") else {
        let text = bytes.trim_ascii_start();
        let is_text = [&b"(component"[..], b"(module", b"(;", b";;"]
            .iter()
            .any(|start| text.starts_with(start));
        return Err(match is_text {
            true => NotExecutor::Text,
            false => NotExecutor::NotWasm,
        });
    };
    match rest.first_chunk::<4>() {
        Some([0x0d, 0, 1, 0]) => Ok(()),
        Some([1, 0, 0, 0]) => Err(NotExecutor::CoreModule),
        Some(version) => Err(NotExecutor::Version(u32::from_le_bytes(*version))),
        None => Err(NotExecutor::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn artifact() -> Artifact {
        Artifact::new(Bytes::from_static(COMPONENT)).unwrap()
    }

    fn repository() -> Repository {
        "registry.example.com/team/clean".parse().unwrap()
    }

    #[test]
    fn what_is_not_a_component_is_said() {
        assert_eq!(check_component(COMPONENT), Ok(()));
        for (bytes, expected) in [
            (&b"\0asm\x01\0\0\0"[..], NotExecutor::CoreModule),
            (b"\x7fELF\x02\x01", NotExecutor::Compiled),
            (b" \n(component)", NotExecutor::Text),
            (b"\0asm\x0e\0\x01\0", NotExecutor::Version(0x0001_000e)),
            (b"\0asm", NotExecutor::NotWasm),
            (b"#!/bin/sh", NotExecutor::NotWasm),
            (b"", NotExecutor::NotWasm),
        ] {
            assert_eq!(check_component(bytes), Err(expected));
        }
    }

    #[test]
    fn an_executor_is_read_as_it_is_written() {
        let digest = crate::digest_of(b"assets");
        let annotations = BTreeMap::from([
            ("dev.wasm-flow.sdk".to_owned(), "1".to_owned()),
            (annotation::ASSETS.to_owned(), "mine".to_owned()),
            (annotation::CREATED.to_owned(), "then".to_owned()),
        ]);
        let interfaces = Interfaces {
            exports: vec!["a:b/c".to_owned()],
            ..Interfaces::default()
        };
        let artifact = artifact()
            .annotations(annotations)
            .author("A")
            .interfaces(interfaces.clone());
        let (manifest, config) = artifact.manifest(&repository(), Some(digest));
        let (bytes, _) = manifest.write();
        let read = ExecutorManifest::of(Manifest::read(&bytes, None).unwrap()).unwrap();
        assert_eq!(read.assets, Some(digest));
        let mut component = Descriptor::of(media_type::WASM, COMPONENT);
        let title = (annotation::TITLE.to_owned(), "clean.wasm".to_owned());
        component.annotations.extend([title]);
        assert_eq!(read.component, component);
        assert_eq!(read.annotations["dev.wasm-flow.sdk"], "1");
        let config: WasmConfig = serde_json::from_slice(&config).unwrap();
        assert_eq!(config.created.as_deref(), Some("then"));
        assert_eq!(config.author.as_deref(), Some("A"));
        assert_eq!(config.component, Some(interfaces));
        let (without, _) = artifact.manifest(&repository(), None);
        assert!(!without.annotations.contains_key(annotation::ASSETS));
    }

    #[test]
    fn other_artifacts_are_refused_in_words_of_their_own() {
        type Change = fn(&mut Manifest);
        let cases: [(Change, &str); 11] = [
            (
                |m| m.config.media_type = media_type::IMAGE_CONFIGS[1].into(),
                "its config is application/vnd.docker.container.image.v1+json, so it is a container \
                 image",
            ),
            (
                |m| m.config.media_type = "application/\u{1b}x".into(),
                "its config is application/\u{fffd}x, and that of an executor is",
            ),
            (
                |m| m.config.media_type = media_type::OLD_WASM_CONFIG.into(),
                "an old form of Wasm artifacts",
            ),
            (|m| m.layers.push(m.layers[0].clone()), "it has 2 layers"),
            (|m| m.layers.clear(), "it has 0 layers"),
            (
                |m| m.layers[0].media_type = media_type::FILE.into(),
                "its layer is application/octet-stream",
            ),
            (|m| m.layers[0].size = u64::MAX, "and may have 268435456"),
            (|m| m.config.size = u64::MAX, "and may have 1048576"),
            (
                |m| m.artifact_type = Some(media_type::ASSETS.into()),
                "it has the assets of an executor",
            ),
            (
                |m| m.artifact_type = Some(media_type::BUNDLE.into()),
                "it is a signature",
            ),
            (
                |m| {
                    let wrong = (annotation::ASSETS.to_owned(), "../x".to_owned());
                    m.annotations.extend([wrong]);
                },
                "is `../x`, which is not a digest",
            ),
        ];
        for (change, expected) in cases {
            let (mut manifest, _) = artifact().manifest(&repository(), None);
            change(&mut manifest);
            let error = ExecutorManifest::of(manifest).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
