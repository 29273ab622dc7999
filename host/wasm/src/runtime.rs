//! The one engine of a process.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use wasm_flow_contract::bounds::INSTANCES;
use wasm_flow_contract::hub::Digest;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, EngineWeak, PoolingAllocationConfig};

use super::bindings::{HasCtx, diagnostics, documents, logging, requests, timers};
use super::cache::Cache;
use super::computing::{Share, Stint, Ticks, Turns};
use super::stdio;
use super::store::Ctx;
use crate::bounds::{
    CORE_INSTANCES_EACH, EPOCH, MEMORIES_EACH, STACK, TABLE_ELEMENTS, TABLES, TABLES_EACH,
};

/// Why the engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The engine did not come up.
    #[error(
        "the WebAssembly engine cannot be set up: {reason}; \
         it reserves address space for its instances, so look at `ulimit -v` first"
    )]
    Engine {
        /// What the engine says.
        reason: String,
    },
    /// Without this thread a guest that spins could not be stopped.
    #[error("the thread that bounds guests cannot be started: {0}")]
    Thread(std::io::Error),
}

/// How to set the engine up.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Keep compiled code in the user's cache folder for the next start:
    /// `wasm-flow` in `WASM_FLOW_CACHE`, or `wasm-flow/code` in `XDG_CACHE_HOME` or `~/.cache`.
    /// Only the same version of the engine on the same kind of processor takes it
    /// back, and only if this user's wasm-flow wrote it.
    pub cache: bool,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        RuntimeConfig { cache: true }
    }
}

/// The engine, with what links components to the host. Cheap to clone; one is
/// enough for a process.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<Ctx>,
    cache: Option<Cache>,
    ticks: Arc<Ticks>,
    turns: Arc<Turns>,
    /// Held while a component is compiled: that takes many times its size, and all
    /// processors.
    compiler: Arc<tokio::sync::Mutex<()>>,
}

impl Runtime {
    /// Sets the engine up.
    ///
    /// # Errors
    /// When the address space for its instances cannot be had.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine {
            reason: format!("{error:#}"),
        };
        let engine = engine().map_err(failed)?;
        let linker = linker(&engine).map_err(failed)?;
        let cache = match config.cache {
            true => Cache::open()
                .inspect_err(|error| {
                    tracing::warn!(%error, "compiled code is not kept for the next start");
                })
                .ok(),
            false => None,
        };
        let inner = Arc::new(Inner {
            engine,
            linker,
            cache,
            ticks: Arc::new(Ticks::new()),
            compiler: Arc::default(),
            turns: Turns::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        });
        tick(
            inner.engine.weak(),
            inner.ticks.clone(),
            Arc::downgrade(&inner),
        )
        .map_err(RuntimeError::Thread)?;
        Ok(Runtime { inner })
    }

    /// The engine that everything in the process shares that brings none of its own: set
    /// up with the default configuration when it is first asked for, and kept.
    ///
    /// # Errors
    /// See [`new`](Runtime::new). It is tried anew the next time.
    pub fn shared() -> Result<Runtime, RuntimeError> {
        static SHARED: Mutex<Option<Runtime>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shared {
            Some(runtime) => Ok(runtime.clone()),
            None => {
                let runtime = Runtime::new(RuntimeConfig::default())?;
                Ok(shared.insert(runtime).clone())
            }
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// One more executor's share of the turns to compute.
    pub(super) fn share(&self) -> Share {
        self.inner.turns.share()
    }

    /// The computing of one more instance.
    pub(super) fn stint(&self, share: Share) -> Arc<Stint> {
        Stint::new(self.inner.ticks.clone(), share)
    }

    /// Waits until no other component is being compiled. None is for as long as this lives.
    pub(super) async fn compiler(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.inner.compiler).lock_owned().await
    }

    /// Compiles a component, or takes what was compiled before.
    pub(super) fn compile(&self, wasm: &[u8], digest: Digest) -> wasmtime::Result<Component> {
        match &self.inner.cache {
            Some(cache) => cache.component(self.engine(), wasm, digest),
            None => Component::from_binary(self.engine(), wasm),
        }
    }

    pub(super) fn linker(&self) -> &Linker<Ctx> {
        &self.inner.linker
    }
}

/// Room for as many instances as are said, whatever they consist of. What is
/// reserved here is address space; memory is taken as it is used.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_memories(INSTANCES)
        .total_stacks(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_EACH)
        .total_tables(INSTANCES * TABLES)
        .table_elements(TABLE_ELEMENTS as usize)
        .max_core_instances_per_component(CORE_INSTANCES_EACH)
        .max_memories_per_component(MEMORIES_EACH)
        .max_tables_per_component(TABLES_EACH);
    pool
}

fn engine() -> wasmtime::Result<Engine> {
    let mut wasmtime = Config::new();
    wasmtime.allocation_strategy(pool());
    wasmtime.epoch_interruption(true);
    // The engine's default, which is pinned here.
    wasmtime.max_wasm_stack(STACK);
    Engine::new(&wasmtime)
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    stdio::add_to_linker(&mut linker)?;
    documents::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    requests::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    diagnostics::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    logging::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    timers::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    Ok(linker)
}

/// Moves the engine's epoch on, for as long as there is a runtime. On a thread
/// of its own: guests that spin may hold every thread of the scheduler.
fn tick(engine: EngineWeak, ticks: Arc<Ticks>, runtime: Weak<Inner>) -> std::io::Result<()> {
    let ticker = move || {
        let mut last = Instant::now();
        while runtime.strong_count() > 0 {
            // A guest that knew when the next one comes could compute between them for nothing.
            std::thread::sleep(EPOCH.mul_f32(0.5 + fastrand::f32()));
            // Who is interrupted looks at the time.
            ticks.tick(last.elapsed());
            last = Instant::now();
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    };
    let thread = std::thread::Builder::new().name("wasm-flow-epoch".to_owned());
    thread.spawn(ticker).map(drop)
}
