//! From a file to a component that is known to be an executor.

mod describe;
mod description;
mod error;
mod producers;
mod world;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use error::Kind;
pub use error::LoadError;
pub use producers::Producer;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use wasm_flow_contract::hub::Digest;

use super::bindings::BarePre;
use super::runtime::Runtime;
use super::store::Ctx;
use super::trap::chain;
use crate::bounds::MAX_FILE;
use crate::description::Description;
use crate::details::State;
use crate::text::cut_printable;

/// A compiled executor. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    inner: Arc<Inner>,
}

struct Inner {
    pre: BarePre<Ctx>,
    description: Description,
    imports: Vec<String>,
    exports: Vec<String>,
    producers: Vec<Producer>,
    size: u64,
    digest: Digest,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("description", &self.inner.description)
            .finish_non_exhaustive()
    }
}

impl Component {
    /// Whether it says that its instances keep no state.
    pub(super) fn keeps_nothing(&self) -> bool {
        self.description().details.state == Some(State::None)
    }

    /// What the executor says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// The interfaces that it exports.
    pub fn exports(&self) -> &[String] {
        &self.inner.exports
    }

    /// The tools that it says it was made with.
    pub fn producers(&self) -> &[Producer] {
        &self.inner.producers
    }

    /// Bytes of its file.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// What its file is called in a registry: the digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    pub(super) fn pre(&self) -> &BarePre<Ctx> {
        &self.inner.pre
    }
}

impl Runtime {
    /// Reads a component, checks that it is an executor, compiles it and asks
    /// it what it is. Compiling takes from a moment to some seconds; it is done where the
    /// runtime's [`Compiler`](crate::Compiler) says, and not on the calling task's thread.
    ///
    /// # Errors
    /// When the file is anything else than an executor for this host.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Component, LoadError> {
        let path = path.as_ref();
        let loaded = async { self.load_inner(read(path).await?).await };
        loaded.await.map_err(|kind| LoadError {
            path: path.to_owned(),
            kind,
        })
    }

    /// The same for bytes that have been read. `origin` stands in errors for the path.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub async fn load_bytes(
        &self,
        bytes: Vec<u8>,
        origin: impl Into<PathBuf>,
    ) -> Result<Component, LoadError> {
        let loaded = async {
            match bytes.len() as u64 {
                size if size > MAX_FILE => Err(Kind::TooLarge(size)),
                _ => self.load_inner(bytes).await,
            }
        };
        loaded.await.map_err(|kind| LoadError {
            path: origin.into(),
            kind,
        })
    }

    async fn load_inner(&self, bytes: Vec<u8>) -> Result<Component, Kind> {
        let size = bytes.len() as u64;
        check_header(&bytes)?;
        let runtime = self.clone();
        let compiling = self.compiling().await;
        // Lives as long as this future.
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let compile = move || {
            // Also if nobody waits any more.
            let _compiling = compiling;
            let bytes = Arc::new(bytes);
            let digest = Digest::new(Sha256::digest(&*bytes).into());
            let is_wanted = || is_wanted.strong_count() > 0;
            let component = runtime.compile(&bytes, digest, &is_wanted)?;
            Ok((component, digest, producers::of(&bytes)))
        };
        let (component, digest, producers) = tokio::task::spawn_blocking(compile)
            .await
            .map_err(Kind::Compiler)?
            .map_err(Kind::Compile)?;
        drop(wanted);

        let imports = world::check(self.linker(), &component).map_err(Kind::World)?;
        let exports = component.component_type();
        let exports = exports
            .exports(self.engine())
            .map(|(name, _)| name.to_owned());
        let exports = exports.collect();
        let link = |error: wasmtime::Error| Kind::Link(cut_printable(&chain(&error)));
        let pre = self.linker().instantiate_pre(&component).map_err(link)?;
        let pre = BarePre::new(pre).map_err(link)?;
        let described = describe::describe(self, &pre)
            .await
            .map_err(Kind::Describe)?;
        Ok(Component {
            inner: Arc::new(Inner {
                description: description::check(described).map_err(Kind::Description)?,
                pre,
                imports,
                exports,
                producers,
                size,
                digest,
            }),
        })
    }
}

/// A file, or its beginning if it is too large: what it says of its length need not
/// be true, and a device has none.
async fn read(path: &Path) -> Result<Vec<u8>, Kind> {
    let file = File::open(path).await.map_err(Kind::Read)?;
    let told = file.metadata().await.map_err(Kind::Read)?.len();
    if told > MAX_FILE {
        return Err(Kind::TooLarge(told));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(told).unwrap_or_default());
    let mut bounded = file.take(MAX_FILE + 1);
    bounded.read_to_end(&mut bytes).await.map_err(Kind::Read)?;
    match bytes.len() as u64 {
        size if size > MAX_FILE => Err(Kind::TooLarge(size)),
        _ => Ok(bytes),
    }
}

fn check_header(bytes: &[u8]) -> Result<(), Kind> {
    match bytes {
        [] => Err(Kind::NotWasm("is empty")),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(Kind::CoreModule),
        [0, b'a', b's', b'm', ..] => Err(Kind::NotWasm(
            "begins like WebAssembly, but its version is unknown or it is cut short",
        )),
        [0x7f, b'E', b'L', b'F', ..] => Err(Kind::NotWasm(
            "is an ELF file: a program or library for this machine, or code compiled ahead of time",
        )),
        _ => Err(Kind::NotWasm("does not begin with WebAssembly's header")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::runtime::RuntimeConfig;

    /// A component that exports all functions of an executor, each without
    /// parameters and results.
    fn executor_of_other_types() -> Vec<u8> {
        fn sized(bytes: &[u8]) -> Vec<u8> {
            [&[bytes.len() as u8], bytes].concat()
        }
        fn section(id: u8, content: &[&[u8]]) -> Vec<u8> {
            [&[id][..], &sized(&content.concat())].concat()
        }
        let module = [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[&[1, 0x60, 0, 0]]),
            section(3, &[&[1, 0]]),
            section(7, &[&[1], &sized(b"f"), &[0, 0]]),
            section(10, &[&[1, 2, 0, 0x0b]]),
        ];
        let functions: Vec<u8> = ["describe", "start", "handle", "stop"]
            .iter()
            .flat_map(|name| [&[0], &sized(name.as_bytes())[..], &[1, 0]].concat())
            .collect();
        let name = sized(b"wasm-flow:executor/executor@0.1.0");
        [
            b"\0asm\x0d\0\x01\0".to_vec(),
            section(1, &[&module.concat()]),
            // An instance of it, and its function.
            section(2, &[&[1, 0, 0, 0]]),
            section(6, &[&[1, 0, 0, 1, 0], &sized(b"f")]),
            section(7, &[&[1, 0x40, 0, 1, 0]]),
            // Lifted, and exported under four names.
            section(8, &[&[1, 0, 0, 0, 0, 0]]),
            section(5, &[&[1, 1, 4], &functions]),
            section(11, &[&[1, 0], &name, &[5, 0, 0]]),
        ]
        .concat()
    }

    /// A compilation takes many times its component's size, and all processors.
    #[tokio::test]
    async fn one_component_is_compiled_at_a_time() {
        let runtime = Runtime::new(RuntimeConfig {
            cache: false,
            ..RuntimeConfig::default()
        })
        .unwrap();
        let compiler = runtime.compiling().await;
        let mut loading = Box::pin(runtime.load_bytes(executor_of_other_types(), "mine.wasm"));
        let meanwhile = Duration::from_millis(200);
        assert!(timeout(meanwhile, &mut loading).await.is_err());
        drop(compiler);
        // It is compiled then, and found to be none for this host.
        assert!(loading.await.is_err());
    }

    #[tokio::test]
    async fn another_type_of_our_own_interface_is_said_to_need_a_new_build() {
        let folder = std::env::temp_dir().join(format!("wasm-flow-types-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("types.wasm");
        std::fs::write(&path, executor_of_other_types()).unwrap();
        let runtime = Runtime::new(crate::RuntimeConfig {
            cache: false,
            ..crate::RuntimeConfig::default()
        })
        .unwrap();
        let error = runtime.load(&path).await.unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        for part in [
            "does not fit this host",
            "build it again with the wasm-flow-sdk of this release",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_so_and_keeps_the_cause() {
        use std::error::Error as _;
        let runtime = Runtime::new(crate::RuntimeConfig {
            cache: false,
            ..crate::RuntimeConfig::default()
        })
        .unwrap();
        let error = runtime.load("/nowhere/at/all.wasm").await.unwrap_err();
        let cause = error.source().unwrap().downcast_ref::<std::io::Error>();
        assert_eq!(cause.unwrap().kind(), std::io::ErrorKind::NotFound);
    }
}
