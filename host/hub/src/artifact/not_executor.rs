//! What an artifact is that is not an executor.

use wasm_flow_contract::hub::Digest;

use crate::shown::shown;

/// Why an artifact, or a file, is not an executor. It is written behind "is not an
/// executor: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotExecutor {
    /// A list of manifests.
    #[error(
        "it is a list of several artifacts, such as an image for several systems; name one of \
         them by its digest"
    )]
    Index,
    /// A container image.
    #[error("its config is {}, so it is a container image", shown(.0))]
    Image(String),
    /// A manifest as Docker had it first.
    #[error(
        "it is a manifest of an old form of Docker's (schemaVersion 1), so it is a container image"
    )]
    FirstForm,
    /// A manifest of another media type.
    #[error("its manifest is {}, which nobody here knows", shown(.0))]
    OtherManifest(String),
    /// Not a manifest at all.
    #[error("its manifest cannot be read: {}", shown(.0))]
    Malformed(String),
    /// The assets of an executor.
    #[error("it has the assets of an executor; name the executor itself")]
    Assets,
    /// A signature.
    #[error("it is a signature; name what it signs")]
    Signature,
    /// A Wasm artifact as it was before components.
    #[error(
        "its config is {0}, an old form of Wasm artifacts; push it again with `wasm-flow hub push`"
    )]
    OldWasm(String),
    /// An artifact of another kind.
    #[error(
        "its config is {}, and that of an executor is application/vnd.wasm.config.v0+json",
        shown(.0)
    )]
    OtherArtifact(String),
    /// It has not exactly one layer.
    #[error("it has {0} layers, and an executor has one, the component")]
    Layers(usize),
    /// The layer is something else.
    #[error("its layer is {}, and that of an executor is application/wasm", shown(.0))]
    Layer(String),
    /// The component is larger than the runtime takes.
    #[error("its component has {size} bytes, and may have {most}")]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// How many it may have.
        most: u64,
    },
    /// More is said of it than a manifest can have.
    #[error("its manifest would have {size} bytes with all annotations, and may have {most}")]
    TooMuchSaid {
        /// The bytes of the manifest.
        size: u64,
        /// How many it may have.
        most: u64,
    },
    /// The annotation with the assets' digest has something else.
    #[error("its annotation dev.wasm-flow.assets is `{}`, which is not a digest", shown(.0))]
    AssetsDigest(String),
    /// A module without the component layer.
    #[error(
        "it is a core module of WebAssembly, and an executor is a component; build it for \
         wasm32-wasip2, or with `wasm-flow new` and `cargo component build`"
    )]
    CoreModule,
    /// Compiled code.
    #[error(
        "it is machine code (ELF, as in a .cwasm file), which is never taken from elsewhere; push \
         the component that it was compiled from"
    )]
    Compiled,
    /// A component in text form.
    #[error("it is WebAssembly as text; make a component of it with `wasm-tools parse`")]
    Text,
    /// A component of a version that does not exist yet, or no longer.
    #[error("it is WebAssembly of an unknown version ({0:#010x}); a component has 0x0001000d")]
    Version(u32),
    /// Anything else.
    #[error("it is not WebAssembly: it does not begin with the bytes 00 61 73 6d")]
    NotWasm,
}

/// What is wrong with the assets of an executor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAssets {
    /// What the digest names is not a list of assets.
    #[error("{0} is not a list of assets: {why}", why = shown(.1))]
    NotAssets(Digest, String),
    /// A file has no name.
    #[error("the asset {0} has no path (the annotation org.opencontainers.image.title)")]
    NoPath(Digest),
    /// A file's name cannot be used.
    #[error("the asset `{path}` has a path that is not used: {why}", path = shown(.0), why = .1)]
    Path(String, &'static str),
    /// Two files have one name.
    #[error("two assets have the path `{0}`")]
    Twice(String),
    /// A file is where another one has its folder.
    #[error("`{0}` is an asset, and the folder of another one")]
    FileAndFolder(String),
    /// One file is too large.
    #[error("the asset `{path}` has {size} bytes, and may have {most}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its bytes.
        size: u64,
        /// How many it may have.
        most: u64,
    },
    /// All together are too large.
    #[error("the assets have {size} bytes together, and may have {most}")]
    TooLargeTogether {
        /// Their bytes.
        size: u64,
        /// How many they may have.
        most: u64,
    },
    /// There are too many.
    #[error("there are {count} assets, and there may be {most}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Their list is too large for a registry.
    #[error(
        "the list of the assets has {size} bytes, and may have {most}; put them into fewer files, or \
         give them shorter paths"
    )]
    LongList {
        /// The bytes of their manifest.
        size: u64,
        /// How many it may have.
        most: u64,
    },
    /// A folder with something that is not a file.
    #[error("{0} is not a file: a link, or something else that cannot be pushed")]
    NotFile(std::path::PathBuf),
    /// A name that is not Unicode.
    #[error("{0:?} has a name that is not Unicode")]
    NotUnicode(std::path::PathBuf),
    /// A folder without files.
    #[error("{0} has no files")]
    None(std::path::PathBuf),
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Io(std::path::PathBuf, String),
}
