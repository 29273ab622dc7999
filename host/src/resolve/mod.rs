//! From a plan, `flow.toml` or a program's, to a running flow.
//!
//! A [`Plan`] says what the flow consists of; [`Manifest`] is that of a file. A
//! [`Resolver`] finds what it names: builds folders, loads components, looks whether
//! folders that are granted exist. [`Loaded::start`] starts the executors. Each step
//! reports everything that is wrong, in the words of the plan, and not only the first.

pub(crate) mod advice;
pub mod build;
mod executor_file;
mod hub;
mod loader;
mod plan;
mod remote;
mod running;
mod sharding;
mod source;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::nearest::nearest;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::sharding::Group;
use wasm_flow_contract::{Graph, NodeId, Stage, StageInfo};
use wasm_flow_flow::stages::{Batched, Retried};
use wasm_flow_flow::{Flow, ShapeError};
use wasm_flow_hub::store::InUse;
use wasm_flow_manifest::{Head, LateProblem, Manifest, Place, Report};
use wasm_flow_wasm::{
    BindingError, Bindings, Component, Executor, GrantError, OutputSink, Runtime, StartError,
    StartFailure, StartReason,
};

pub use crate::wrong_file::WrongFile;
pub use advice::{Doubt, Remedy, Unusual};
pub use hub::{ASSETS, Artifact, Pinning, Pins};
pub use loader::Loader;
pub use plan::{Plan, Planned, Uses};
pub use running::{Running, SwapError, Swapped, SwappedExecutor};
pub use source::{Source, SourceError};

use build::{BuildError, Event};
use hub::Fetch;
use remote::{Connected, Remotes};

/// How a folder is made a component.
type Build = fn(&Path, &dyn Fn(Event<'_>)) -> Result<PathBuf, BuildError>;

/// Finds what a flow's plan names. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    loader: Loader,
    pinning: Pinning,
}

/// An executor that can be started.
#[derive(Debug, Clone)]
pub struct LoadedExecutor {
    /// How it is run.
    pub config: ExecutorConfig,
    /// What runs.
    pub runs: Runs,
    /// What it is, as it is run.
    pub info: StageInfo,
    /// What requests go through before its shards.
    pub uses_before: Option<Box<LoadedExecutor>>,
    /// What gets the documents of its shards.
    pub uses_after: Option<Box<LoadedExecutor>>,
    /// What of a registry it is, if it is from one.
    pub artifact: Option<Artifact>,
    /// What keeps it from doing what it should, and the flow not from starting.
    doubts: Vec<Doubt>,
    /// Keeps what is from a registry in the store, as long as it runs.
    #[expect(dead_code, reason = "it is held and not read")]
    in_use: Option<InUse>,
}

/// What stands at an executor's place in the flow.
#[derive(Clone)]
pub enum Runs {
    /// Instances of a component, once they are started.
    Component(Component),
    /// A stage that runs already.
    Stage(Arc<dyn Stage>),
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Runs::Component(component) => f.debug_tuple("Component").field(component).finish(),
            Runs::Stage(stage) => f.debug_tuple("Stage").field(&stage.info()).finish(),
        }
    }
}

/// A flow whose executors can be started.
pub struct Loaded<P = Manifest> {
    runtime: Runtime,
    plan: P,
    executors: Graph<LoadedExecutor>,
    pins: Option<Pins>,
}

impl Resolver {
    /// A resolver that tells `progress` what it waits for.
    pub fn new(runtime: Runtime, progress: impl Fn(Event<'_>) + Send + Sync + 'static) -> Resolver {
        Resolver {
            loader: Loader::new(runtime, Arc::new(progress)),
            pinning: Pinning::default(),
        }
    }

    /// The same, with another use of the pins of references to registries.
    #[must_use]
    pub fn with_pinning(self, pinning: Pinning) -> Resolver {
        Resolver { pinning, ..self }
    }

    /// The engine that components are loaded into.
    pub fn runtime(&self) -> &Runtime {
        self.loader.runtime()
    }

    /// What loads components into it.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// The component of a source. A folder is built first, if something in it has changed.
    ///
    /// # Errors
    /// When it does not compile, or is not an executor.
    pub async fn component(&self, source: &Source) -> Result<Component, SourceError> {
        let path = self.found(source, build::component).await?;
        Ok(self.loader.load(path).await?)
    }

    /// The file with the component of a source. A folder is built first.
    ///
    /// # Errors
    /// When it does not compile.
    pub async fn path(&self, source: &Source) -> Result<PathBuf, SourceError> {
        self.found(source, build::build).await
    }

    async fn found(&self, source: &Source, build: Build) -> Result<PathBuf, SourceError> {
        Ok(match source {
            Source::File(path) => path.clone(),
            Source::Folder(folder) => {
                let progress = Arc::clone(self.loader.progress());
                let folder = folder.clone();
                let building = tokio::task::spawn_blocking(move || build(&folder, &*progress));
                building.await.map_err(|_| SourceError::Interrupted)??
            }
        })
    }

    /// Loads all that a flow names.
    ///
    /// # Errors
    /// With all that is wrong, each with its place in the plan.
    pub async fn load<P: Plan>(&self, plan: P) -> Result<Loaded<P>, P::Error> {
        match plan.host() {
            Some(host) => {
                let resolver = Resolver {
                    loader: self.loader.within(host.compile),
                    ..self.clone()
                };
                resolver.load_all(plan).await
            }
            None => self.load_all(plan).await,
        }
    }

    async fn load_all<P: Plan>(&self, plan: P) -> Result<Loaded<P>, P::Error> {
        let mut problems = Vec::new();
        let mut loaded = HashMap::new();
        let planned = plan.executors();
        let loader = self.loader.clone();
        let mut found = Found {
            components: HashMap::new(),
            remotes: remote::connect_all(&planned).await,
            fetch: Fetch::new(&plan, loader, self.pinning, &mut problems).await,
        };
        for (id, node) in planned.iter() {
            let loading = self.executor(id, None, &node.value, &mut found);
            let (executor, wrong) = loading.await;
            problems.extend(wrong);
            let mut heads = Vec::new();
            for (head, planned) in sharding::heads(&node.value) {
                let loading = self.executor(id, Some(head), planned, &mut found);
                let (executor, wrong) = loading.await;
                problems.extend(wrong.into_iter().map(|problem| problem.of_head(head)));
                heads.push((head, executor));
            }
            let Some(mut executor) = executor else {
                continue;
            };
            problems.extend(wrong_batching(id, &executor));
            problems.extend(sharding::wrong_polling(id, &executor));
            for (head, around) in heads {
                executor.put_around(head, around);
            }
            loaded.insert(id, executor);
        }
        match planned.try_map(|id, _, _| loaded.remove(&id)) {
            Some(executors) if problems.is_empty() => Ok(Loaded {
                runtime: self.runtime().clone(),
                executors,
                pins: found.fetch.pins(),
                plan,
            }),
            _ => Err(plan.error(problems)),
        }
    }

    /// Loads one executor, and says what is wrong with it.
    async fn executor(
        &self,
        id: NodeId,
        head: Option<Head>,
        planned: &Planned,
        found: &mut Found,
    ) -> (Option<LoadedExecutor>, Vec<LateProblem>) {
        let mut problems = source::missing_folders(id, &planned.config.allow);
        problems.extend(source::shared_folders(id, &planned.config));
        match self.loaded(id, head, planned, found).await {
            Ok(executor) => (executor, problems),
            Err(failure) => {
                problems.push(failure.problem(id));
                (None, problems)
            }
        }
    }

    async fn loaded(
        &self,
        id: NodeId,
        head: Option<Head>,
        planned: &Planned,
        found: &mut Found,
    ) -> Result<Option<LoadedExecutor>, LoadFailure> {
        let mut config = planned.config.clone();
        let (mut doubts, mut artifact, mut in_use) = (Vec::new(), None, None);
        let component = match &planned.uses {
            Uses::Named(wasm_flow_manifest::Uses::Remote(_)) => {
                // All of them were connected to before anything was loaded.
                let connected = found.remotes.remove(&(id, head)).unwrap_or_else(|| {
                    Err(LateProblem::new(Place::Uses(id), "it was not connected to"))
                });
                let Connected { executor, absent } = connected.map_err(LoadFailure::Late)?;
                let mut loaded = LoadedExecutor::of_stage(config, Arc::new(executor));
                loaded
                    .doubts
                    .extend(absent.map(|error| remote::absent(id, &error)));
                return Ok(Some(loaded));
            }
            Uses::Named(wasm_flow_manifest::Uses::Hub(reference)) => {
                let fetched = found.fetch.executor(id, reference).await;
                let Some(fetched) = fetched.map_err(LoadFailure::Late)? else {
                    return Ok(None);
                };
                // What the flow grants under that name counts more.
                let is_free = config
                    .allow
                    .dirs
                    .iter()
                    .all(|dir| dir.guest.trim_end_matches('/') != ASSETS);
                config
                    .allow
                    .dirs
                    .extend(fetched.assets().filter(|_| is_free));
                doubts.extend(fetched.doubt(id, reference));
                artifact = Some(fetched.artifact());
                in_use = fetched.in_use();
                fetched.component
            }
            Uses::Named(wasm_flow_manifest::Uses::Path { written, path }) => {
                let component = self.at(path, &mut found.components).await;
                component.map_err(|error| LoadFailure::Source(error, written.clone()))?
            }
            Uses::Component(component) => component.clone(),
            Uses::Stage(stage) => {
                return Ok(Some(LoadedExecutor::of_stage(config, Arc::clone(stage))));
            }
        };
        let bindings = Bindings::new(component.description(), &config.uses_requests)?;
        Ok(Some(LoadedExecutor {
            info: StageInfo {
                class: component.description().name.clone(),
                endpoints: bindings.to_list(),
                replicas: config.replicas.get(),
                shards: config.shards.get(),
                polling: config.polling.clone(),
                ..StageInfo::default()
            },
            config,
            runs: Runs::Component(component),
            uses_before: None,
            uses_after: None,
            doubts,
            artifact,
            in_use,
        }))
    }

    /// The component at a path, which may be known already.
    async fn at(
        &self,
        path: &Path,
        known: &mut HashMap<Source, Component>,
    ) -> Result<Component, SourceError> {
        let source = Source::at(path)?;
        if let Some(component) = known.get(&source) {
            return Ok(component.clone());
        }
        let component = self.component(&source).await?;
        known.insert(source, component.clone());
        Ok(component)
    }
}

impl LoadedExecutor {
    fn move_workspace(&mut self, folder: &Path) {
        if let Some(workspace) = &mut self.config.workspace {
            folder.clone_into(workspace);
        }
        let heads = [&mut self.uses_before, &mut self.uses_after];
        for head in heads.into_iter().flatten() {
            head.move_workspace(folder);
        }
    }

    /// One that runs already.
    fn of_stage(config: ExecutorConfig, stage: Arc<dyn Stage>) -> LoadedExecutor {
        LoadedExecutor {
            config,
            info: stage.info(),
            runs: Runs::Stage(stage),
            uses_before: None,
            uses_after: None,
            doubts: Vec::new(),
            artifact: None,
            in_use: None,
        }
    }

    /// How many groups of instances there are. A stage stands for itself.
    fn shards(&self) -> NonZeroU32 {
        match self.runs {
            Runs::Component(_) => self.config.shards,
            Runs::Stage(_) => NonZeroU32::MIN,
        }
    }

    /// Puts an executor before or after the shards of this one, if it could be loaded.
    fn put_around(&mut self, head: Head, executor: Option<LoadedExecutor>) {
        let executor = executor.map(Box::new);
        let info = executor
            .as_ref()
            .map(|executor| Box::new(executor.info.clone()));
        match head {
            Head::Before => {
                self.uses_before = executor;
                self.info.uses_before = info;
            }
            Head::After => {
                self.uses_after = executor;
                self.info.uses_after = info;
            }
        }
    }

    /// What is before and after its shards.
    fn heads(&self) -> impl Iterator<Item = (Head, &LoadedExecutor)> {
        let before = self
            .uses_before
            .as_deref()
            .map(|executor| (Head::Before, executor));
        let after = self
            .uses_after
            .as_deref()
            .map(|executor| (Head::After, executor));
        before.into_iter().chain(after)
    }
}

/// What executors of a flow run from, as far as it has been found.
struct Found {
    /// A source that several executors use is built and compiled once.
    components: HashMap<Source, Component>,
    remotes: Remotes,
    fetch: Fetch,
}

/// Why an executor cannot be loaded.
enum LoadFailure {
    /// With the path as it was written.
    Source(SourceError, String),
    Binding(BindingError),
    Late(LateProblem),
}

impl LoadFailure {
    fn problem(self, id: NodeId) -> LateProblem {
        match self {
            LoadFailure::Source(error, written) => error.problem(id, &written),
            LoadFailure::Binding(error) => {
                LateProblem::new(Place::UsesRequests(id), error.to_string())
            }
            LoadFailure::Late(problem) => problem,
        }
    }
}

impl From<BindingError> for LoadFailure {
    fn from(error: BindingError) -> Self {
        LoadFailure::Binding(error)
    }
}

impl Loaded<Manifest> {
    /// The file.
    pub fn manifest(&self) -> &Manifest {
        &self.plan
    }

    /// What may not do what it should, from what the executors say of themselves.
    pub fn warnings(&self) -> Option<Report> {
        self.plan
            .warnings(self.doubts().into_iter().map(Doubt::late))
    }
}

impl<P: Plan> Loaded<P> {
    /// The executors, in the flow's shape.
    pub fn executors(&self) -> &Graph<LoadedExecutor> {
        &self.executors
    }

    /// What references to registries were pinned to, and what they are pinned to now. None
    /// if there are none.
    pub fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }

    /// The same flow, whose executors have their workspaces below this folder, and not where
    /// its plan says. Those that have none get none.
    #[must_use]
    pub fn with_workspaces_in(self, folder: &Path) -> Loaded<P> {
        let executors = self.executors.map(|_, _, mut executor| {
            executor.move_workspace(folder);
            executor
        });
        Loaded { executors, ..self }
    }

    /// What may not do what it should, from what the executors say of themselves.
    pub fn doubts(&self) -> Vec<Doubt> {
        let executors = self.executors.iter();
        executors
            .flat_map(|(id, node)| advice::of(id, node))
            .collect()
    }

    /// Starts all executors at the same time.
    ///
    /// # Errors
    /// When executors do not start: with all that did not, and why. Those that
    /// did are stopped.
    pub async fn start(&self, output: OutputSink) -> Result<Flow, P::Error> {
        Ok(self.run(output).await?.flow())
    }
}

/// Starts an executor, with its shards and what is around them.
async fn start_executor(
    runtime: &Runtime,
    id: NodeId,
    executor: &LoadedExecutor,
    output: &OutputSink,
) -> Result<Arc<dyn Stage>, Vec<LateProblem>> {
    let stage = |executor, group| start_group(runtime, id, executor, group, Arc::clone(output));
    sharding::start(executor, stage).await
}

/// Starts one group of an executor's instances.
async fn start_group(
    runtime: &Runtime,
    id: NodeId,
    executor: &LoadedExecutor,
    group: Group,
    output: OutputSink,
) -> Result<Arc<dyn Stage>, LateProblem> {
    let stage: Arc<dyn Stage> = match &executor.runs {
        Runs::Component(component) => {
            let config = ExecutorConfig {
                group,
                ..executor.config.clone()
            };
            let started = Executor::start(runtime, component, config, output).await;
            let problem = |error| LateProblem::new(place(id, &error), error.to_string());
            Arc::new(started.map_err(problem)?)
        }
        Runs::Stage(stage) => Arc::clone(stage),
    };
    Ok(wrapped(stage, &executor.config))
}

/// A graph that no request can be taken through. It is said by whoever made the plan, too,
/// which knows more to say.
fn shape_problems(error: &ShapeError) -> Vec<LateProblem> {
    let nodes = match error {
        ShapeError::SeveralEnds(ends) => ends.clone(),
        ShapeError::NeedsFloating(node) => vec![*node],
    };
    let problem = |node| LateProblem::new(Place::Executor(node), error.to_string());
    nodes.into_iter().map(problem).collect()
}

/// A stage as its configuration wants it. A batch is tried again as a whole.
fn wrapped(mut stage: Arc<dyn Stage>, config: &ExecutorConfig) -> Arc<dyn Stage> {
    let info = stage.info();
    let mut endpoints = info.endpoints.iter();
    let is_tried_again =
        info.remote || endpoints.any(|(endpoint, _)| stage.is_repeatable(endpoint));
    if config.retries > 0 && is_tried_again {
        stage = Arc::new(Retried::new(stage, config.retries));
    }
    if !config.batching.is_empty() {
        stage = Arc::new(Batched::new(stage, config.batching.clone()));
    }
    stage
}

/// Endpoints of `uses_dynamic_batching` that no method is bound to, or whose requests
/// are to be kept apart.
fn wrong_batching(id: NodeId, executor: &LoadedExecutor) -> Vec<LateProblem> {
    let batched = executor.config.batching.keys();
    if executor.config.isolation == Isolation::Request {
        let title = "requests cannot be put together and kept apart";
        let apart = |endpoint: &String| {
            LateProblem::new(Place::Batching(id, endpoint.clone()), title)
                .help("leave out `isolation = \"request\"`, or `uses_dynamic_batching`")
        };
        return batched.map(apart).collect();
    }
    batched
        .filter_map(|endpoint| {
            let place = Place::Batching(id, endpoint.clone());
            not_bound("uses_dynamic_batching", place, endpoint, executor)
        })
        .collect()
}

/// What is wrong with an endpoint that is named under `key`, if nothing is bound to it.
fn not_bound(
    key: &str,
    place: Place,
    endpoint: &str,
    executor: &LoadedExecutor,
) -> Option<LateProblem> {
    let endpoints = &executor.info.endpoints;
    if executor.info.remote && endpoints.is_empty() {
        // It was not reached, or does not say.
        return None;
    }
    let known = || endpoints.iter().map(|(endpoint, _)| endpoint.as_str());
    // The default method takes any endpoint.
    if known().any(|known| known == endpoint || known == DEFAULT_ENDPOINT) {
        return None;
    }
    let names: Vec<&str> = known().collect();
    let title = format!(
        "`{key}` names `{endpoint}`, which {} binds no method to",
        executor.info.class
    );
    let help = match nearest(endpoint, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it binds {}", names.join(", ")),
    };
    Some(LateProblem::new(place, title).help(help))
}

/// The key that an executor's failure to start is about.
fn place(id: NodeId, error: &StartError) -> Place {
    match error.reason() {
        StartReason::Binding(_) => Place::UsesRequests(id),
        StartReason::Instance(StartFailure::Grant(error)) => match error {
            GrantError::Workspace { .. } => Place::Workspace(id),
            GrantError::Dir { .. } | GrantError::WorkspaceTaken { .. } => Place::Allow(id),
        },
        // What an executor refuses at its start is what it was constructed with.
        StartReason::Instance(StartFailure::Failed { .. }) => Place::UsesWith(id),
        _ => Place::Executor(id),
    }
}
