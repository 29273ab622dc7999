//! From `flow.toml` to a running flow.
//!
//! [`Manifest`] is what the file says. A [`Resolver`] finds what it names:
//! builds folders, loads components, looks whether folders that are granted
//! exist. [`Loaded::start`] starts the executors. Each step reports everything
//! that is wrong, with its place in the file, and not only the first.

pub(crate) mod advice;
pub mod build;
mod executor_file;
mod sharding;
mod source;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::join_all;
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::nearest::nearest;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::sharding::Group;
use wasm_flow_contract::{Graph, NodeId, Stage, StageInfo};
use wasm_flow_flow::stages::{Batched, Retried};
use wasm_flow_flow::{Flow, ShapeError};
use wasm_flow_manifest::{ExecutorEntry, Head, LateProblem, Manifest, Place, Report};
use wasm_flow_wasm::{
    BindingError, Bindings, Component, Executor, GrantError, OutputSink, Runtime, StartError,
    StartFailure, StartReason,
};

pub use crate::wrong_file::WrongFile;
pub use source::{Source, SourceError};

use build::Event;

/// Finds what a flow's file names. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    runtime: Runtime,
    progress: Arc<dyn Fn(Event<'_>) + Send + Sync>,
}

/// An executor that can be started.
#[derive(Debug, Clone)]
pub struct LoadedExecutor {
    /// How it is run.
    pub config: ExecutorConfig,
    /// What runs.
    pub component: Component,
    /// What it is, as it is run.
    pub info: StageInfo,
    /// What requests go through before its shards.
    pub uses_before: Option<Box<LoadedExecutor>>,
    /// What gets the documents of its shards.
    pub uses_after: Option<Box<LoadedExecutor>>,
}

/// A flow whose executors can be started.
pub struct Loaded {
    runtime: Runtime,
    manifest: Manifest,
    executors: Graph<LoadedExecutor>,
}

impl Resolver {
    /// A resolver that tells `progress` what it waits for.
    pub fn new(runtime: Runtime, progress: impl Fn(Event<'_>) + Send + Sync + 'static) -> Resolver {
        Resolver {
            runtime,
            progress: Arc::new(progress),
        }
    }

    /// The engine that components are loaded into.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The component of a source. A folder is built first.
    ///
    /// # Errors
    /// When it does not compile, or is not an executor.
    pub async fn component(&self, source: &Source) -> Result<Component, SourceError> {
        let path = match source {
            Source::File(path) => path.clone(),
            Source::Folder(folder) => {
                let progress = Arc::clone(&self.progress);
                let folder = folder.clone();
                let building =
                    tokio::task::spawn_blocking(move || build::build(&folder, &*progress));
                building.await.map_err(|_| SourceError::Interrupted)??
            }
        };
        Ok(self.runtime.load(path).await?)
    }

    /// Loads all that a flow names.
    ///
    /// # Errors
    /// With all that is wrong, each with its place in the file.
    pub async fn load(&self, manifest: Manifest) -> Result<Loaded, Box<Report>> {
        // A source that several executors use is built and compiled once.
        let mut known: HashMap<Source, Component> = HashMap::new();
        let mut problems = Vec::new();
        let mut loaded = HashMap::new();
        for (id, node) in manifest.executors.iter() {
            let (executor, wrong) = self.executor(id, &node.value, &mut known).await;
            problems.extend(wrong);
            let Some(mut executor) = executor else {
                continue;
            };
            problems.extend(wrong_batching(id, &executor));
            problems.extend(sharding::wrong_polling(id, &executor));
            for (head, entry) in sharding::heads(&node.value) {
                let (loaded, wrong) = self.executor(id, entry, &mut known).await;
                problems.extend(wrong.into_iter().map(|problem| problem.of_head(head)));
                executor.put_around(head, loaded);
            }
            loaded.insert(id, executor);
        }
        let executors = manifest.executors.as_ref();
        match executors.try_map(|id, _, _| loaded.remove(&id)) {
            Some(executors) if problems.is_empty() => Ok(Loaded {
                runtime: self.runtime.clone(),
                executors,
                manifest,
            }),
            _ => Err(Box::new(manifest.report(problems))),
        }
    }

    /// Loads one executor, and says what is wrong with it.
    async fn executor(
        &self,
        id: NodeId,
        entry: &ExecutorEntry,
        known: &mut HashMap<Source, Component>,
    ) -> (Option<LoadedExecutor>, Vec<LateProblem>) {
        let mut problems = source::missing_folders(id, &entry.config.allow);
        let problem = match self.loaded(entry, known).await {
            Ok(executor) => return (Some(executor), problems),
            Err(LoadFailure::Source(error)) => error.problem(id, &entry.uses),
            Err(LoadFailure::Binding(error)) => {
                LateProblem::new(Place::UsesRequests(id), error.to_string())
            }
        };
        problems.push(problem);
        (None, problems)
    }

    async fn loaded(
        &self,
        entry: &ExecutorEntry,
        known: &mut HashMap<Source, Component>,
    ) -> Result<LoadedExecutor, LoadFailure> {
        let source = Source::find(&entry.uses)?;
        let component = match known.get(&source) {
            Some(component) => component.clone(),
            None => {
                let component = self.component(&source).await?;
                known.insert(source, component.clone());
                component
            }
        };
        let bindings = Bindings::new(component.description(), &entry.config.uses_requests)?;
        Ok(LoadedExecutor {
            info: StageInfo {
                class: component.description().name.clone(),
                endpoints: bindings.to_list(),
                replicas: entry.config.replicas.get(),
                shards: entry.config.shards.get(),
                polling: entry.config.polling.clone(),
                ..StageInfo::default()
            },
            config: entry.config.clone(),
            component,
            uses_before: None,
            uses_after: None,
        })
    }
}

impl LoadedExecutor {
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
}

/// Why an executor of a file cannot be loaded.
enum LoadFailure {
    Source(SourceError),
    Binding(BindingError),
}

impl From<SourceError> for LoadFailure {
    fn from(error: SourceError) -> Self {
        LoadFailure::Source(error)
    }
}

impl From<BindingError> for LoadFailure {
    fn from(error: BindingError) -> Self {
        LoadFailure::Binding(error)
    }
}

impl Loaded {
    /// The file.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The executors, in the flow's shape.
    pub fn executors(&self) -> &Graph<LoadedExecutor> {
        &self.executors
    }

    /// What may not do what it should, from what the executors say of themselves.
    pub fn warnings(&self) -> Option<Report> {
        let executors = self.executors.iter();
        self.manifest
            .warnings(executors.flat_map(|(id, node)| advice::of(id, node)))
    }

    /// Starts all executors at the same time.
    ///
    /// # Errors
    /// When executors do not start: with all that did not, and why. Those that
    /// did are stopped.
    pub async fn start(&self, output: OutputSink) -> Result<Flow, Box<Report>> {
        let starting = self.executors.iter().map(|(id, node)| {
            let output = &output;
            let stage = move |executor, group| self.stage(id, executor, group, Arc::clone(output));
            sharding::start(&node.value, stage).map(move |started| (id, started))
        });
        let mut problems = Vec::new();
        let mut started: HashMap<NodeId, Arc<dyn Stage>> = HashMap::new();
        for (id, executor) in join_all(starting).await {
            match executor {
                Ok(stage) => {
                    started.insert(id, stage);
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        let stages = self.executors.as_ref();
        // Without a problem every node has its stage.
        if let Some(stages) = stages.try_map(|id, _, _| started.get(&id).cloned()) {
            match Flow::new(self.manifest.name.clone(), stages) {
                Ok(flow) => return Ok(flow),
                // Said by the file's reader, too, which knows more to say.
                Err(error) => {
                    let nodes = match &error {
                        ShapeError::SeveralEnds(ends) => ends.clone(),
                        ShapeError::NeedsFloating(node) => vec![*node],
                    };
                    let problem = |node| LateProblem::new(Place::Executor(node), error.to_string());
                    problems.extend(nodes.into_iter().map(problem));
                }
            }
        }
        join_all(started.values().map(|stage| stage.stop())).await;
        Err(Box::new(self.manifest.report(problems)))
    }

    /// Starts one group of an executor's instances.
    async fn stage(
        &self,
        id: NodeId,
        executor: &LoadedExecutor,
        group: Group,
        output: OutputSink,
    ) -> Result<Arc<dyn Stage>, LateProblem> {
        let config = ExecutorConfig {
            group,
            ..executor.config.clone()
        };
        match Executor::start(&self.runtime, &executor.component, config, output).await {
            Ok(started) => Ok(wrapped(Arc::new(started), &executor.config)),
            Err(error) => Err(LateProblem::new(place(id, &error), error.to_string())),
        }
    }
}

/// A stage as its table wants it. A batch is tried again as a whole.
fn wrapped(mut stage: Arc<dyn Stage>, config: &ExecutorConfig) -> Arc<dyn Stage> {
    let mut endpoints = stage.info().endpoints.into_iter();
    if config.retries > 0 && endpoints.any(|(endpoint, _)| stage.is_repeatable(&endpoint)) {
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
