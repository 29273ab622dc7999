//! Loading components, with a word if that takes long.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasm_flow_contract::host::CompileLimits;
use wasm_flow_wasm::{Component, LoadError, Runtime};

use super::build::Event;
use crate::bounds::SILENT_FOR;

/// Loads components into an engine. Cheap to clone.
#[derive(Clone)]
pub struct Loader {
    runtime: Runtime,
    progress: Arc<dyn Fn(Event<'_>) + Send + Sync>,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl Loader {
    pub(super) fn new(runtime: Runtime, progress: Arc<dyn Fn(Event<'_>) + Send + Sync>) -> Loader {
        Loader { runtime, progress }
    }

    /// The same, within other bounds.
    pub(super) fn within(&self, limits: CompileLimits) -> Loader {
        Loader {
            runtime: self.runtime.with_compile_limits(limits),
            progress: Arc::clone(&self.progress),
        }
    }

    /// The engine that components are loaded into.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn progress(&self) -> &Arc<dyn Fn(Event<'_>) + Send + Sync> {
        &self.progress
    }

    /// Loads the component of a file: see [`Runtime::load`].
    ///
    /// # Errors
    /// As for that.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Component, LoadError> {
        let path = path.as_ref();
        self.announced(path, self.runtime.load(path)).await
    }

    /// The same for bytes that have been read: see [`Runtime::load_bytes`].
    ///
    /// # Errors
    /// As for that.
    pub async fn load_bytes(
        &self,
        bytes: Vec<u8>,
        origin: impl Into<PathBuf>,
    ) -> Result<Component, LoadError> {
        let origin = origin.into();
        let loading = self.runtime.load_bytes(bytes, origin.clone());
        self.announced(&origin, loading).await
    }

    async fn announced<T>(&self, origin: &Path, loading: impl Future<Output = T>) -> T {
        let mut loading = std::pin::pin!(loading);
        if let Ok(loaded) = tokio::time::timeout(SILENT_FOR, &mut loading).await {
            return loaded;
        }
        (self.progress)(Event::Compiling { origin });
        loading.await
    }
}
