//! The names of annotations that are read or written here.

/// The digest of the manifest of the executor's assets.
pub const ASSETS: &str = "dev.wasm-flow.assets";
/// When the artifact was made.
pub const CREATED: &str = "org.opencontainers.image.created";
/// Of a layer: the file's path.
pub const TITLE: &str = "org.opencontainers.image.title";
/// Of a layer of the older form of signatures: the signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
