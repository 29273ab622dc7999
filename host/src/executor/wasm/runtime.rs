//! The one engine of a process.

use std::sync::{Arc, Weak};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine, EngineWeak, PoolingAllocationConfig};

use super::bindings::{HasCtx, diagnostics, documents, requests, timers};
use super::store::{Ctx, TABLE_ELEMENTS, TABLES_EACH};

/// How often a running guest is looked at: whether it is to be stopped, and
/// whether others wait for its thread.
const EPOCH: Duration = Duration::from_millis(10);

/// Why the engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "the WebAssembly engine cannot be set up: {reason}; \
     it reserves address space for its instances, so look at `ulimit -v` first"
)]
pub struct RuntimeError {
    reason: String,
}

/// How to set the engine up.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Keep compiled code in the user's cache folder for the next start. It is
    /// only ever read back by the same version of the engine on the same kind
    /// of processor.
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
}

impl Runtime {
    /// Sets the engine up.
    ///
    /// # Errors
    /// When the address space for its instances cannot be had.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError {
            reason: format!("{error:#}"),
        };
        let engine = engine(config).map_err(failed)?;
        let linker = linker(&engine).map_err(failed)?;
        let inner = Arc::new(Inner { engine, linker });
        // Without it a guest that spins could not be stopped.
        tick(inner.engine.weak(), Arc::downgrade(&inner)).map_err(|error| RuntimeError {
            reason: format!("the thread that bounds guests cannot be started: {error}"),
        })?;
        Ok(Runtime { inner })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn linker(&self) -> &Linker<Ctx> {
        &self.inner.linker
    }
}

/// Instances that may be there at once, of all executors. Each has at least one
/// memory, and each memory takes 6 GiB of address space.
const INSTANCES: u32 = 1000;

/// What one instance may consist of. Components are made of several core
/// instances, three of which come with any that a compiler makes for WASI, and
/// many where a language links its libraries when it starts.
const CORE_INSTANCES_EACH: u32 = 64;
const MEMORIES_EACH: u32 = 8;

/// Tables for each of [`INSTANCES`] on average.
const TABLES: u32 = 4;

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

fn engine(config: RuntimeConfig) -> wasmtime::Result<Engine> {
    let mut wasmtime = Config::new();
    wasmtime.allocation_strategy(pool());
    wasmtime.epoch_interruption(true);
    let _ = config.cache;
    Engine::new(&wasmtime)
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    documents::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    requests::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    diagnostics::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    timers::add_to_linker::<_, HasCtx>(&mut linker, |ctx| ctx)?;
    Ok(linker)
}

/// Moves the engine's epoch on, for as long as there is a runtime. On a thread
/// of its own: guests that spin may hold every thread of the scheduler.
fn tick(engine: EngineWeak, runtime: Weak<Inner>) -> std::io::Result<()> {
    let ticker = move || {
        while runtime.strong_count() > 0 {
            std::thread::sleep(EPOCH);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    };
    let thread = std::thread::Builder::new().name("wasm-flow-epoch".to_owned());
    thread.spawn(ticker).map(drop)
}
