//! A flow that runs, and how another one takes its place.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use wasm_flow_contract::config::Isolation;
use wasm_flow_contract::hub::Digest;
use wasm_flow_contract::{Failure, FailureKind, NodeId, Stage};
use wasm_flow_flow::stages::{Functions, Slot};
use wasm_flow_flow::{Flow, Live};
use wasm_flow_manifest::LateProblem;
use wasm_flow_wasm::{OutputSink, Runtime};

use super::{Loaded, LoadedExecutor, Plan, Runs, shape_problems, start_executor};

/// A flow that runs, and can be replaced while requests come: [`Loaded::run`] makes it.
pub struct Running {
    live: Arc<Live>,
    /// None once the flow is stopped. One change at a time.
    executors: Mutex<Option<HashMap<Arc<str>, Started>>>,
    output: OutputSink,
    /// Flows that were replaced, until they have answered their last request.
    replaced: TaskTracker,
}

/// An executor that runs, and what it was started from.
#[derive(Clone)]
struct Started {
    executor: LoadedExecutor,
    stage: Arc<dyn Stage>,
    /// The same as `stage`, if it is handed over when it is replaced.
    slot: Option<Arc<Slot>>,
}

impl Started {
    fn new(executor: &LoadedExecutor, stage: Arc<dyn Stage>) -> Started {
        if !executor.keeps_something() {
            return Started {
                executor: executor.clone(),
                stage,
                slot: None,
            };
        }
        let slot = Arc::new(Slot::new(stage));
        Started {
            executor: executor.clone(),
            stage: Arc::clone(&slot) as Arc<dyn Stage>,
            slot: Some(slot),
        }
    }
}

/// What became of a flow's executors when another flow took its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swapped {
    /// Those that run as before, because nothing about them has changed.
    pub kept: Vec<Arc<str>>,
    /// Those that were started beside what they replace, which is stopped after its last
    /// call, and those that are new.
    pub started: Vec<SwappedExecutor>,
    /// Those that keep something. The one before was stopped after its last call, and then
    /// this one was started: calls waited meanwhile. What it had in memory is gone, and its
    /// files are there.
    pub handed_over: Vec<SwappedExecutor>,
    /// Those that are not in the flow any more. They are stopped after their last call.
    pub removed: Vec<Arc<str>>,
}

impl Swapped {
    /// Whether all executors run as before.
    pub fn is_unchanged(&self) -> bool {
        self.started.is_empty() && self.handed_over.is_empty() && self.removed.is_empty()
    }
}

/// Why a flow has not taken another one's place. All is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError<E> {
    /// The flow has been stopped.
    #[error("the flow has been stopped")]
    Stopped,
    /// Executors do not start: what is wrong with them.
    #[error(transparent)]
    Failed(E),
}

/// An executor that was started when a flow took another one's place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwappedExecutor {
    /// Its name in the flow.
    pub name: Arc<str>,
    /// The component that runs. None if it is not one.
    pub digest: Option<Digest>,
    /// The component that ran before under this name.
    pub before: Option<Digest>,
}

impl<P: Plan> Loaded<P> {
    /// Starts all executors at the same time, for a flow that can be replaced.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn run(&self, output: OutputSink) -> Result<Running, P::Error> {
        let all = self.executors.iter().map(|(id, _)| id).collect();
        let started = self.start_these(all, &output).await?;
        let executors: HashMap<NodeId, Started> = started
            .into_iter()
            .map(|(id, stage)| (id, Started::new(&self.executors[id].value, stage)))
            .collect();
        match self.flow_of(&executors) {
            Ok(flow) => Ok(Running {
                live: Arc::new(Live::new(flow)),
                executors: Mutex::new(Some(self.by_name(executors))),
                output,
                replaced: TaskTracker::new(),
            }),
            Err(problems) => {
                stop_all(executors.values().map(|started| &started.stage)).await;
                Err(self.plan.error(problems))
            }
        }
    }

    /// Starts some executors at the same time. If one does not start, those that did are
    /// stopped.
    async fn start_these(
        &self,
        ids: Vec<NodeId>,
        output: &OutputSink,
    ) -> Result<HashMap<NodeId, Arc<dyn Stage>>, P::Error> {
        let starting = ids.into_iter().map(|id| async move {
            let executor = &self.executors[id].value;
            (
                id,
                start_executor(&self.runtime, id, executor, output).await,
            )
        });
        let mut problems = Vec::new();
        let mut started = HashMap::new();
        for (id, outcome) in join_all(starting).await {
            match outcome {
                Ok(stage) => drop(started.insert(id, stage)),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            return Ok(started);
        }
        stop_all(started.values()).await;
        Err(self.plan.error(problems))
    }

    /// The flow of executors that run.
    fn flow_of(&self, executors: &HashMap<NodeId, Started>) -> Result<Flow, Vec<LateProblem>> {
        let stages = self.executors.as_ref();
        let stage = |id| executors.get(&id).map(|started| Arc::clone(&started.stage));
        // Every node has its stage.
        let Some(stages) = stages.try_map(|id, _, _| stage(id)) else {
            return Err(Vec::new());
        };
        match Flow::new(self.plan.name(), stages) {
            Ok(flow) => Ok(flow.with_timeout(self.plan.timeout())),
            Err(error) => Err(shape_problems(&error)),
        }
    }

    fn by_name(&self, executors: HashMap<NodeId, Started>) -> HashMap<Arc<str>, Started> {
        let named = executors.into_iter();
        named
            .map(|(id, started)| (Arc::clone(&self.executors[id].name), started))
            .collect()
    }
}

impl Running {
    /// What takes requests. It is the same before and after a swap.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The flow that takes requests now.
    pub fn flow(&self) -> Flow {
        self.live.current()
    }

    /// The components that run now, by the executors' names, sorted.
    pub async fn digests(&self) -> Vec<(Arc<str>, Digest)> {
        let executors = self.executors.lock().await;
        let started = executors.iter().flatten();
        let mut digests: Vec<_> = started
            .filter_map(|(name, started)| Some((Arc::clone(name), started.executor.digest()?)))
            .collect();
        digests.sort();
        digests
    }

    /// Puts another flow in the place of this one. No request is lost: those in flight end
    /// where they began, and later ones go through the new flow.
    ///
    /// An executor that is the same in both goes on. Another one is started beside the one
    /// that it replaces, and that is stopped after its last call. One that keeps something
    /// (state, or files that it may write) is handed over: it is stopped after its last
    /// call, then the new one is started, and calls wait meanwhile, those of requests in
    /// flight included. What it had in memory is gone then.
    ///
    /// If an executor does not start, all stays as it is. One that was handed over is
    /// started again as it was.
    ///
    /// The name of the flow stays.
    ///
    /// # Errors
    /// With all executors that do not start, and why.
    pub async fn swap<P: Plan>(&self, loaded: &Loaded<P>) -> Result<Swapped, SwapError<P::Error>> {
        let failed = |problems| Err(SwapError::Failed(loaded.plan.error(problems)));
        let mut current = self.executors.lock().await;
        let before = current.as_ref().ok_or(SwapError::Stopped)?;
        let mut swapped = Swapped::default();
        let mut next = HashMap::new();
        let (mut fresh, mut handed) = (Vec::new(), Vec::new());
        for (id, node) in loaded.executors.iter() {
            let executor = &node.value;
            let old = before.get(&node.name);
            match old {
                Some(old) if old.executor.is_same(executor) => {
                    swapped.kept.push(Arc::clone(&node.name));
                    next.insert(id, old.clone());
                    continue;
                }
                Some(Started {
                    slot: Some(slot),
                    stage,
                    executor: was,
                }) if executor.keeps_something() => {
                    let started = Started {
                        executor: executor.clone(),
                        stage: Arc::clone(stage),
                        slot: Some(Arc::clone(slot)),
                    };
                    next.insert(id, started);
                    handed.push(Handover {
                        id,
                        slot: Arc::clone(slot),
                        before: was.clone(),
                        after: executor.clone(),
                    });
                }
                _ => fresh.push(id),
            }
            let change = SwappedExecutor {
                name: Arc::clone(&node.name),
                digest: executor.digest(),
                before: old.and_then(|old| old.executor.digest()),
            };
            match next.contains_key(&id) {
                true => swapped.handed_over.push(change),
                false => swapped.started.push(change),
            }
        }
        let new = loaded.start_these(fresh, &self.output).await;
        let new = new.map_err(SwapError::Failed)?;
        for (id, stage) in &new {
            let executor = &loaded.executors[*id].value;
            next.insert(*id, Started::new(executor, Arc::clone(stage)));
        }
        let flow = match loaded.flow_of(&next) {
            Ok(flow) => flow,
            Err(problems) => {
                stop_all(new.values()).await;
                return failed(problems);
            }
        };
        // In a task of its own: an executor that is half handed over would be none.
        let handing = hand_over(loaded.runtime.clone(), handed, Arc::clone(&self.output));
        let outcome = match tokio::spawn(handing).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The scheduler is being shut down, and everything with it.
                Err(_) => Err(Vec::new()),
            },
        };
        if let Err(problems) = outcome {
            stop_all(new.values()).await;
            return failed(problems);
        }
        let old = self.live.replace(flow);
        let next = loaded.by_name(next);
        let mut left = Vec::new();
        for (name, started) in before {
            let goes_on = next.get(name);
            if goes_on.is_none() {
                swapped.removed.push(Arc::clone(name));
            }
            if !goes_on.is_some_and(|next| Arc::ptr_eq(&next.stage, &started.stage)) {
                left.push(Arc::clone(&started.stage));
            }
        }
        swapped.removed.sort();
        *current = Some(next);
        self.replaced.spawn(async move {
            old.drain().await;
            stop_all(&left).await;
        });
        Ok(swapped)
    }

    /// Stops all executors, after the requests in flight. Requests that come later are
    /// refused.
    pub async fn stop(&self) {
        // Not while it is being changed.
        let mut executors = self.executors.lock().await;
        self.live.current().stop().await;
        *executors = None;
        self.replaced.close();
        self.replaced.wait().await;
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.flow()).finish()
    }
}

async fn stop_all(stages: impl IntoIterator<Item = &Arc<dyn Stage>>) {
    join_all(stages.into_iter().map(|stage| stage.stop())).await;
}

/// An executor that is to take another one's place in its slot.
struct Handover {
    id: NodeId,
    slot: Arc<Slot>,
    before: LoadedExecutor,
    after: LoadedExecutor,
}

impl Handover {
    /// Stops what is in the slot, and starts an executor there.
    async fn put(
        &self,
        runtime: &Runtime,
        executor: &LoadedExecutor,
        output: &OutputSink,
    ) -> Result<(), Vec<LateProblem>> {
        self.slot.vacate().await;
        let stage = start_executor(runtime, self.id, executor, output).await?;
        self.slot.fill(stage);
        Ok(())
    }

    /// Starts again what was there before.
    async fn put_back(&self, runtime: &Runtime, output: &OutputSink) {
        if let Err(problems) = self.put(runtime, &self.before, output).await {
            let reasons: Vec<String> = problems
                .iter()
                .map(|problem| problem.title.clone())
                .collect();
            self.slot
                .fill(Arc::new(broken(&self.before, reasons.join("; "))));
        }
    }
}

/// Hands executors over one after the other. If one does not start, those before it are
/// handed back.
async fn hand_over(
    runtime: Runtime,
    handed: Vec<Handover>,
    output: OutputSink,
) -> Result<(), Vec<LateProblem>> {
    for (index, handover) in handed.iter().enumerate() {
        let Err(problems) = handover.put(&runtime, &handover.after, &output).await else {
            continue;
        };
        for handover in handed.iter().take(index + 1).rev() {
            handover.put_back(&runtime, &output).await;
        }
        return Err(problems);
    }
    Ok(())
}

/// What stands for an executor that could not be started again as it was. The next swap
/// replaces it.
fn broken(executor: &LoadedExecutor, reason: String) -> Functions {
    let name = executor.config.name.clone();
    let reason: Arc<str> = format!(
        "executor `{name}` was stopped to be replaced, and could not be started again: {reason}"
    )
    .into();
    tracing::error!("{reason}");
    let endpoints = executor.info.endpoints.iter().map(|(endpoint, _)| endpoint);
    endpoints.fold(Functions::new(executor.info.class.as_str()), |stage, on| {
        let reason = Arc::clone(&reason);
        stage.on(on, move |_| {
            let failure = Failure::of_flow(
                FailureKind::Unavailable,
                "ExecutorUnavailable",
                reason.to_string(),
            );
            std::future::ready(Err(failure))
        })
    })
}

impl LoadedExecutor {
    /// The component that it is started from. None if it runs already, or elsewhere.
    pub fn digest(&self) -> Option<Digest> {
        match &self.runs {
            Runs::Component(component) => Some(component.digest()),
            Runs::Stage(_) => None,
        }
    }

    /// Whether the same runs in the same way.
    fn is_same(&self, other: &LoadedExecutor) -> bool {
        let runs = match (&self.runs, &other.runs) {
            (Runs::Component(one), Runs::Component(other)) => one.digest() == other.digest(),
            (Runs::Stage(one), Runs::Stage(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let around = |one: &Option<Box<LoadedExecutor>>, other: &Option<Box<LoadedExecutor>>| match (
            one, other,
        ) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_same(other),
            _ => false,
        };
        runs && self.config == other.config
            && around(&self.uses_before, &other.uses_before)
            && around(&self.uses_after, &other.uses_after)
    }

    /// Whether two of it at the same time could be in each other's way, or requests would
    /// miss what earlier ones have left.
    fn keeps_something(&self) -> bool {
        let Runs::Component(component) = &self.runs else {
            return false;
        };
        let keeps_state =
            self.config.isolation == Isolation::Shared && component.description().keeps_state();
        self.config.may_write()
            || keeps_state
            || self.heads().any(|(_, head)| head.keeps_something())
    }
}
