//! The one engine of a process.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use wasm_flow_contract::host::CompileLimits;
use wasm_flow_contract::hub::Digest;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, EngineWeak};

use super::bindings::{HasCtx, diagnostics, documents, logging, requests, timers};
use super::cache::{self, Cache};
use super::compiler::{CompileError, Compiler, Job, Output};
use super::computing::{Share, Stint, Ticks, Turns};
use super::engine;
use super::stdio;
use super::store::Ctx;
use crate::bounds::EPOCH;

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
    /// Where components are compiled: in this process, if nothing is said.
    pub compiler: Compiler,
    /// What compiling one may take, if that is not in this process and a `flow.toml` does not
    /// say it.
    pub compile: CompileLimits,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        RuntimeConfig {
            cache: true,
            compiler: Compiler::InProcess,
            compile: CompileLimits::default(),
        }
    }
}

/// The engine, with what links components to the host. Cheap to clone; one is
/// enough for a process.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
    compile: CompileLimits,
}

struct Inner {
    engine: Engine,
    linker: Linker<Ctx>,
    cache: Option<Cache>,
    compiler: Compiler,
    /// Whether an executor was started.
    serves: AtomicBool,
    ticks: Arc<Ticks>,
    turns: Arc<Turns>,
    /// Held while a component is compiled: that takes many times its size, and all
    /// processors.
    compiling: Arc<tokio::sync::Mutex<()>>,
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
        let engine = engine::running().map_err(failed)?;
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
            compiler: config.compiler,
            serves: AtomicBool::new(false),
            ticks: Arc::new(Ticks::new()),
            compiling: Arc::default(),
            turns: Turns::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        });
        tick(
            inner.engine.weak(),
            inner.ticks.clone(),
            Arc::downgrade(&inner),
        )
        .map_err(RuntimeError::Thread)?;
        Ok(Runtime {
            inner,
            compile: config.compile,
        })
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

    /// The same engine, for which compiling a component may take that. It makes no difference
    /// with [`Compiler::InProcess`].
    #[must_use]
    pub fn with_compile_limits(&self, compile: CompileLimits) -> Runtime {
        Runtime {
            inner: Arc::clone(&self.inner),
            compile,
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
    pub(super) async fn compiling(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.inner.compiling).lock_owned().await
    }

    /// From now on there is somebody to be served while a component is compiled.
    pub(super) fn serves(&self) {
        self.inner.serves.store(true, Ordering::Relaxed);
    }

    /// Compiles a component, or takes what was compiled before. Gives up soon after
    /// `is_wanted` says no, if it can.
    pub(super) fn compile(
        &self,
        wasm: &Arc<Vec<u8>>,
        digest: Digest,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Component, CompileError> {
        let engine = self.engine();
        let compiler = &self.inner.compiler;
        let job = Job {
            wasm: Arc::clone(wasm),
            digest,
            limits: self.compile,
            gives_way: self.inner.serves.load(Ordering::Relaxed),
            is_wanted,
        };
        let compile = || match compiler.compile(engine, &job)? {
            Output::Component(component) => Ok(component),
            Output::Code(code) => {
                cache::of_child(engine, &code).map_err(|error| compiler.foreign(&error))
            }
        };
        match &self.inner.cache {
            Some(cache) => cache.component(engine, digest, compile),
            None => compile(),
        }
    }

    pub(super) fn linker(&self) -> &Linker<Ctx> {
        &self.inner.linker
    }
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
