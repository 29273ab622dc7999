//! The media types that tell one kind of artifact from another.

/// A manifest of OCI.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The configuration of an artifact that has none: `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The configuration of a component, as the CNCF's layout of Wasm artifacts has it.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// A component's bytes.
pub const WASM: &str = "application/wasm";
/// What the assets of an executor are.
pub const ASSETS: &str = "application/vnd.wasm-flow.assets.v1";
/// A file of which no more is said.
pub const FILE: &str = "application/octet-stream";
/// A signature as cosign 3 writes it.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What older cosign signs.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The older layout of Wasm artifacts: core modules, mostly.
pub(crate) const OLD_WASM_CONFIG: &str = "application/vnd.wasm.config.v1+json";
pub(crate) const IMAGE_CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// All versions of the bundle.
pub(crate) const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
