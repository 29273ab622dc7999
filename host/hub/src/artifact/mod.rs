//! What is in a registry: an executor is the artifact of a component as the CNCF's layout
//! of Wasm artifacts has it, so other tools can read it. Its files are an artifact of
//! their own.

pub mod annotation;
mod assets;
mod component;
mod config;
mod manifest;
pub mod media_type;
mod not_executor;

pub use assets::{AssetFile, AssetList, AssetPath};
pub use component::Artifact;
pub(crate) use component::{ExecutorManifest, check_component};
pub(crate) use config::created;
pub use config::{Interfaces, WasmConfig};
pub use manifest::{Descriptor, Index, Manifest};
pub use not_executor::{BadAssets, NotExecutor};

/// The bytes of a configuration that says nothing.
pub(crate) const EMPTY_CONFIG: &[u8] = b"{}";
