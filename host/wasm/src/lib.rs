//! Executors: WebAssembly components that change documents in a sandbox.
//!
//! The rest of the program knows an [`Executor`]: what it is
//! ([`description`](Executor::description)), which method an endpoint goes to
//! ([`route`](Executor::route)), [`handle`](Executor::handle) and
//! [`stop`](Executor::stop). That it is WebAssembly shows nowhere else.
//!
//! From the outside in: an executor has one queue of calls (`queue`) and replicas
//! (`pool`), a replica keeps one instance alive, an instance (`instance`) is
//! a task that owns a store and has many calls in flight.
//!
//! A call is a transaction. The guest works on a copy of the documents that
//! shares what is not written, and the copy counts only when the method returned
//! without error. After an error, a trap or a timeout the caller still has what
//! it sent.
//!
//! What is bounded is listed in [`BOUNDS`]: linear memory, table elements,
//! handles, wall-clock time of a call (by the caller's own clock, outside the
//! guest's store) and of stopping, computing time of a call and outside of calls, calls in
//! flight and those that wait, the documents of a reply, the size of what a guest prints in
//! one line or says of itself, the size of its file, and, in a child process, what compiling
//! it takes. Not yet bounded: bytes of documents that a guest makes and does not return.

mod abort;
mod back_off;
mod bindings;
mod bounds;
mod cache;
mod compiler;
mod computing;
mod description;
mod details;
mod documents;
mod engine;
mod error;
mod grants;
mod http;
mod instance;
mod line_stream;
mod load;
mod logging;
mod output;
mod policy;
mod pool;
mod post;
mod progress;
mod queue;
mod reply;
mod request_state;
mod requests;
mod runtime;
mod setup;
mod stdio;
mod store;
mod text;
mod trap;

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::{Call, Failure, Outlet, Reply, Stage, StageInfo};
use wasm_flow_document::DocumentArray;

pub use bounds::BOUNDS;
pub use compiler::{Compiler, CompilerProgram, compile_component};
pub use description::{
    BindingError, Bindings, Concurrency, DEFAULT_ENDPOINT, Description, Method, Route,
};
pub use details::{ExecutorDetails, MethodDetails, State, Wants};
pub use error::{CallError, CallErrorKind};
pub use grants::{GrantError, WORKSPACE};
pub use instance::StartFailure;
pub use load::{Component, LoadError, Producer};
pub use output::{Discard, Level, Output, OutputSink, Printer, Record, Stream};
pub use post::Post;
pub use runtime::{Runtime, RuntimeConfig, RuntimeError};
pub use text::printable;
pub use trap::Trap;

use policy::InstancePolicy;
use pool::Pool;
use setup::{Home, Setup};

/// Why an executor could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("executor `{executor}` ({class}) cannot be started: {reason}")]
pub struct StartError {
    executor: String,
    class: String,
    reason: Box<StartReason>,
}

/// What kept an executor from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartReason {
    /// `uses_requests` does not fit it.
    #[error(transparent)]
    Binding(BindingError),
    /// It did not come up.
    #[error(transparent)]
    Instance(StartFailure),
}

impl StartError {
    /// The executor's name in the flow.
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// What kept it from starting.
    pub fn reason(&self) -> &StartReason {
        &self.reason
    }
}

/// Why [`Executor::load`] has no executor to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine could not be set up.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file is not an executor.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The executor did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running executor. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<ExecutorConfig>,
    component: Component,
    bindings: Bindings,
    pool: Pool,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Executor {
    /// Starts the replicas of an executor, or those of the one group that `config` is for.
    ///
    /// # Errors
    /// When `uses_requests` does not fit it, a folder that it is granted cannot
    /// be opened, or it does not start: an argument is missing or misspelt, it
    /// traps, or it takes longer than its timeout.
    pub async fn start(
        runtime: &Runtime,
        component: &Component,
        config: ExecutorConfig,
        output: OutputSink,
    ) -> Result<Executor, StartError> {
        let config = Arc::new(config);
        let failed = |reason| StartError {
            executor: config.name.clone(),
            class: component.description().name.clone(),
            reason: Box::new(reason),
        };
        let bindings = Bindings::new(component.description(), &config.uses_requests)
            .map_err(|error| failed(StartReason::Binding(error)))?;
        runtime.serves();
        let policy = InstancePolicy::of(&config);
        let home = Home {
            runtime: runtime.clone(),
            share: runtime.share(),
            output,
        };
        let setups = (0..config.replicas.get())
            .map(|replica| {
                Setup::new(
                    home.clone(),
                    component.clone(),
                    config.clone(),
                    policy,
                    &bindings,
                    replica,
                )
            })
            .collect();
        let pool = Pool::start(setups, policy)
            .await
            .map_err(|failure| failed(StartReason::Instance(failure)))?;
        Ok(Executor {
            inner: Arc::new(Inner {
                config,
                component: component.clone(),
                bindings,
                pool,
            }),
        })
    }

    /// Loads a `.wasm` file and starts it alone: no configuration, no grant, its
    /// output passed over. The engine is [`Runtime::shared`].
    ///
    /// # Errors
    /// When the file is not an executor, or it does not start without configuration.
    pub async fn load(path: impl AsRef<Path>) -> Result<Executor, Error> {
        let config = ExecutorConfig::new("executor");
        Executor::load_with(path, config, Arc::new(Discard)).await
    }

    /// The same with a configuration, and with what it prints and logs sent to `output`.
    /// The configuration has the executor's name, what it is constructed with
    /// (`uses_with`), what it is granted, and what it may use.
    ///
    /// # Errors
    /// When the file is not an executor, or it does not start.
    pub async fn load_with(
        path: impl AsRef<Path>,
        config: ExecutorConfig,
        output: OutputSink,
    ) -> Result<Executor, Error> {
        let runtime = Runtime::shared()?;
        let component = runtime.load(path).await?;
        Ok(Executor::start(&runtime, &component, config, output).await?)
    }

    /// Its name in the flow.
    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// How it is run.
    pub fn config(&self) -> &ExecutorConfig {
        &self.inner.config
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        self.inner.component.description()
    }

    /// Endpoint to method, as it is run.
    pub fn bindings(&self) -> &Bindings {
        &self.inner.bindings
    }

    /// The method for an endpoint: exactly that, or the default one. None: the
    /// executor has no part in the request.
    pub fn route(&self, endpoint: &str) -> Option<Route> {
        self.inner.bindings.route(endpoint).cloned()
    }

    /// Calls a method. Calls wait their turn if the method is exclusive, or if as
    /// many are in flight as `limits.concurrency` allows.
    ///
    /// Dropping the future gives the call up. A guest that asks for its time left is told.
    /// An instance of this call's own is ended. A shared one goes on, and the call's timeout
    /// is kept, unless it keeps no state and computes for nobody.
    ///
    /// # Errors
    /// See [`CallErrorKind`]. `call.docs` are unchanged.
    pub async fn handle(&self, route: &Route, call: &Call) -> Result<Reply, CallError> {
        self.handle_into(route, call, None).await
    }

    /// The same with an outlet for documents that the method sends while it runs.
    async fn handle_into(
        &self,
        route: &Route,
        call: &Call,
        outlet: Option<&Outlet>,
    ) -> Result<Reply, CallError> {
        let Inner {
            config,
            component,
            pool,
            ..
        } = &*self.inner;
        // What was sent cannot be called back.
        let again = config.retries > 0 && outlet.is_none() && self.leaves_nothing(route);
        pool.call(route, call, outlet, again)
            .await
            .map_err(|failure| failure.at(config, &component.description().name, route, call))
    }

    /// Documents for an endpoint, as in `executor.post("/index", docs).await`: see
    /// [`Post`] for parameters, and for what a method returns beside documents.
    pub fn post(&self, endpoint: impl Into<Arc<str>>, docs: impl Into<DocumentArray>) -> Post {
        Post::new(self.clone(), endpoint.into(), docs.into())
    }

    /// Whether a call leaves nothing behind but its answer.
    fn leaves_nothing(&self, route: &Route) -> bool {
        let method = self.description().methods.get(route.index as usize);
        let writes = method.is_none_or(|method| method.details.write);
        self.inner.component.keeps_nothing() && !writes
    }

    /// Whether a method sends documents while it runs.
    fn is_streamed(&self, route: &Route) -> bool {
        let method = self.description().methods.get(route.index as usize);
        method.is_some_and(|method| method.details.stream)
    }

    /// Ends it after the calls in flight. Later calls fail with
    /// [`CallErrorKind::Stopped`].
    pub async fn stop(&self) {
        self.inner.pool.stop().await;
    }
}

impl Stage for Executor {
    fn info(&self) -> StageInfo {
        StageInfo {
            class: self.description().name.clone(),
            endpoints: self.bindings().to_list(),
            replicas: self.config().replicas.get(),
            ..StageInfo::default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.inner.bindings.route(endpoint).is_some()
    }

    fn streams(&self, endpoint: &str) -> bool {
        let route = self.inner.bindings.route(endpoint);
        route.is_some_and(|route| self.is_streamed(route))
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        let executor = self.clone();
        Box::pin(async move {
            match executor.inner.bindings.route(&call.endpoint) {
                Some(route) if executor.is_streamed(route) => {
                    let reply = executor.handle_into(route, &call, Some(&outlet)).await?;
                    Ok(Reply {
                        docs: DocumentArray::new(),
                        ..reply
                    })
                }
                _ => outlet.send_reply(executor.call(call)).await,
            }
        })
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        let route = self.inner.bindings.route(endpoint);
        route.is_some_and(|route| self.leaves_nothing(route))
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let executor = self.clone();
        Box::pin(async move {
            match executor.inner.bindings.route(&call.endpoint) {
                Some(route) => executor.handle(route, &call).await.map_err(Failure::from),
                None => Ok(Reply::new(call.docs)),
            }
        })
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let executor = self.clone();
        Box::pin(async move { Executor::stop(&executor).await })
    }
}
