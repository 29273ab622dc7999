//! A flow that a program puts together.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::hub::HubConfig;
use wasm_flow_manifest::Manifest;
use wasm_flow_wasm::{Output, OutputSink, Runtime};

use super::doubts;
use super::error::FlowError;
use super::flow::Flow;
use super::output::Log;
use super::program::{Parts, Program};
use super::spec::ExecutorSpec;
use crate::door;
use crate::resolve::build::Event;
use crate::resolve::{Loaded, Plan, Resolver, SwapError, Swapped};

/// Puts a flow together: [`Flow::builder`] makes it.
///
/// Nothing is looked for, built or started before [`start`](FlowBuilder::start), which
/// says all that is wrong with it together.
#[must_use = "a flow is started by `start`"]
pub struct FlowBuilder {
    name: String,
    timeout: Option<Duration>,
    executors: Vec<Parts>,
    hub: HubConfig,
    run: RunOptions,
}

/// What a flow is run with, whoever says what it consists of.
pub(super) struct RunOptions {
    runtime: Option<Runtime>,
    output: OutputSink,
    on_build: Arc<dyn Fn(Event<'_>) + Send + Sync>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            runtime: None,
            output: Arc::new(Log),
            on_build: Arc::new(|event| tracing::info!("{event}")),
        }
    }
}

impl RunOptions {
    /// The same with other places for what executors print and log.
    pub(super) fn output(self, output: impl Output) -> RunOptions {
        RunOptions {
            output: Arc::new(output),
            ..self
        }
    }

    /// Loads and starts what a plan says. `warn` says what is doubtful in the words of
    /// whoever wrote it.
    pub(super) async fn start<P>(
        self,
        plan: P,
        gateway: GatewayConfig,
        warn: impl FnOnce(&Loaded<P>),
    ) -> Result<Flow, FlowError>
    where
        P: Plan,
        FlowError: From<P::Error>,
    {
        let scheduler = tokio::runtime::Handle::try_current();
        let scheduler = scheduler.map_err(|_| FlowError::NoScheduler)?;
        let output = Arc::clone(&self.output);
        let loaded = self.load(plan, warn).await?;
        let running = loaded.run(output).await?;
        Ok(Flow::new(running, gateway, scheduler))
    }

    /// Puts what a plan says in the place of what a flow consists of.
    async fn swap<P>(
        self,
        flow: &Flow,
        plan: P,
        warn: impl FnOnce(&Loaded<P>),
    ) -> Result<Swapped, FlowError>
    where
        P: Plan,
        FlowError: From<P::Error>,
    {
        let own = || flow.running().runtime().clone();
        let runtime = Some(self.runtime.clone().unwrap_or_else(own));
        let run = RunOptions { runtime, ..self };
        let loaded = run.load(plan, warn).await?;
        let swapped = flow.running().swap(&loaded).await;
        swapped.map_err(|error| match error {
            SwapError::Failed { problems, .. } => problems.into(),
            SwapError::Stopped => FlowError::Stopped,
        })
    }

    async fn load<P>(self, plan: P, warn: impl FnOnce(&Loaded<P>)) -> Result<Loaded<P>, FlowError>
    where
        P: Plan,
        FlowError: From<P::Error>,
    {
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Runtime::shared()?,
        };
        let on_build = self.on_build;
        let resolver = Resolver::new(runtime, move |event| on_build(event));
        let loaded = resolver.load(plan).await?;
        warn(&loaded);
        Ok(loaded)
    }
}

// Here and not beside `Flow`, which knows nothing of how it came to be.
impl Flow {
    /// A flow that this program puts together.
    pub fn builder() -> FlowBuilder {
        FlowBuilder::new()
    }

    /// Loads a `flow.toml` and starts it. What its executors print and log goes to the
    /// log of `tracing`: see [`Log`](crate::Log). Nothing is served yet:
    /// `flow.serve(flow.gateway().clone())` does that as the file says, with the
    /// certificates and tokens that its files have now. What a `flow.lock`
    /// beside it pins is taken as it says; it is not written.
    ///
    /// # Errors
    /// With all that is wrong with the file or its executors, and where.
    pub async fn load(path: impl AsRef<Path>) -> Result<Flow, FlowError> {
        Flow::load_file(path.as_ref(), RunOptions::default()).await
    }

    /// The same, with what its executors print and log sent to `output`.
    ///
    /// # Errors
    /// As for [`load`](Flow::load).
    pub async fn load_with(path: impl AsRef<Path>, output: impl Output) -> Result<Flow, FlowError> {
        let options = RunOptions::default().output(output);
        Flow::load_file(path.as_ref(), options).await
    }

    /// Puts another flow in the place of this one, while requests come. None of them is
    /// lost: those in flight end where they began, and later ones go through the new
    /// executors. What is the same in both goes on.
    ///
    /// An executor that keeps state, or may write files, is handed over: it is stopped
    /// after its last call, and then the new one is started. Calls wait meanwhile, and what
    /// it had in memory is gone.
    ///
    /// The flow's name, its [`gateway`](Self::gateway) and where its executors' output goes
    /// stay as they are.
    ///
    /// # Errors
    /// With all that is wrong with the new flow. Then this one goes on as it was.
    pub async fn swap(&self, flow: FlowBuilder) -> Result<Swapped, FlowError> {
        let (program, run) = flow.program()?;
        run.swap(self, program, doubts::warn).await
    }

    /// The same with what a `flow.toml` says: for a flow that was [loaded](Self::load) from
    /// a file that has changed.
    ///
    /// # Errors
    /// As for [`swap`](Self::swap).
    pub async fn swap_file(&self, path: impl AsRef<Path>) -> Result<Swapped, FlowError> {
        let manifest = Manifest::load(path.as_ref())?;
        let run = RunOptions::default();
        run.swap(self, manifest, doubts::warn_of_file).await
    }

    async fn load_file(path: &Path, options: RunOptions) -> Result<Flow, FlowError> {
        let manifest = Manifest::load(path)?;
        let gateway = door::gateway(&manifest)?;
        options.start(manifest, gateway, doubts::warn_of_file).await
    }
}

impl FlowBuilder {
    fn new() -> FlowBuilder {
        FlowBuilder {
            name: "flow".to_owned(),
            timeout: None,
            executors: Vec::new(),
            hub: HubConfig::default(),
            run: RunOptions::default(),
        }
    }

    /// What the flow is called: `flow`, if it is not said.
    pub fn name(self, name: impl Into<String>) -> FlowBuilder {
        FlowBuilder {
            name: name.into(),
            ..self
        }
    }

    /// How long a request may take in the flow, whatever its executors may. If it is not
    /// said, their own timeouts are the only bounds.
    pub fn timeout(self, timeout: Duration) -> FlowBuilder {
        FlowBuilder {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Adds an executor behind those that were added before.
    // Not of the trait `Add`: that is for arithmetic.
    #[expect(clippy::should_implement_trait, reason = "Jina's name for it")]
    pub fn add<K>(mut self, executor: ExecutorSpec<K>) -> FlowBuilder {
        self.executors.push(executor.into_parts());
        self
    }

    /// Which registries executors may come from, and whose signatures are wanted, beside
    /// what the user's own configuration says. An executor from a registry runs only if one
    /// of the two has a rule for it.
    pub fn hub(self, hub: HubConfig) -> FlowBuilder {
        FlowBuilder { hub, ..self }
    }

    /// Where what the executors print and log goes: to the log of `tracing`, if it is not
    /// said. See [`Log`], [`Stdio`](crate::Stdio) and
    /// [`Discard`](wasm_flow_wasm::Discard).
    pub fn output(mut self, output: impl Output) -> FlowBuilder {
        self.run = self.run.output(output);
        self
    }

    /// The engine that runs the executors: [`Runtime::shared`], if it is not said.
    pub fn runtime(mut self, runtime: Runtime) -> FlowBuilder {
        self.run.runtime = Some(runtime);
        self
    }

    /// What is called when the folder of an executor is built: it is logged, if nothing is
    /// said. cargo's own messages go to standard error.
    pub fn on_build(mut self, on_build: impl Fn(Event<'_>) + Send + Sync + 'static) -> FlowBuilder {
        self.run.on_build = Arc::new(on_build);
        self
    }

    /// Builds and loads the executors, and starts them all at the same time. Dropping the
    /// future gives that up; a build goes on to its end.
    ///
    /// # Errors
    /// With all that is wrong, each with the executor and what was said of it. Executors
    /// that did start are stopped.
    pub async fn start(self) -> Result<Flow, FlowError> {
        let (program, run) = self.program()?;
        run.start(program, GatewayConfig::default(), doubts::warn)
            .await
    }

    fn program(self) -> Result<(Program, RunOptions), FlowError> {
        let program = Program::new(self.name, self.timeout, self.executors)?.with_hub(self.hub);
        Ok((program, self.run))
    }
}

impl fmt::Debug for FlowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.executors.iter().map(|parts| &parts.node.name);
        f.debug_struct("FlowBuilder")
            .field("name", &self.name)
            .field("executors", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
