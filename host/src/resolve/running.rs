//! A flow that runs, and how another one takes its place.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use wasm_flow_contract::config::Isolation;
use wasm_flow_contract::hub::Digest;
use wasm_flow_contract::{Failure, FailureKind, Graph, NodeId, Stage};
use wasm_flow_flow::stages::{Functions, Slot};
use wasm_flow_flow::{Flow, Live};
use wasm_flow_manifest::{LateProblem, Place};
use wasm_flow_wasm::{OutputSink, Runtime};

use super::{Loaded, LoadedExecutor, Plan, Runs, shape_problems, start_executor};
use crate::bounds::HAND_OVER;

/// A flow that runs, and can be replaced while requests come: [`Loaded::run`] makes it.
pub struct Running {
    live: Arc<Live>,
    /// None once the flow is stopped. One change at a time.
    state: Arc<Mutex<Option<State>>>,
    output: OutputSink,
    runtime: Runtime,
}

struct State {
    executors: HashMap<Arc<str>, Started>,
    /// Stops what has left the flow, once the flows that had it have answered their last
    /// requests.
    leaving: Option<JoinHandle<()>>,
}

/// An executor that runs, and what it was started from.
#[derive(Clone)]
struct Started {
    executor: LoadedExecutor,
    /// The engine of its component.
    runtime: Runtime,
    stage: Arc<dyn Stage>,
    /// The same as `stage`, if it is handed over when it is replaced.
    slot: Option<Arc<Slot>>,
    /// Whether it was stopped and could not be started again.
    is_broken: bool,
}

impl Started {
    fn new(runtime: &Runtime, executor: &LoadedExecutor, stage: Arc<dyn Stage>) -> Started {
        if !executor.keeps_something() {
            return Started {
                executor: executor.clone(),
                runtime: runtime.clone(),
                stage,
                slot: None,
                is_broken: false,
            };
        }
        let slot = Arc::new(Slot::new(stage));
        Started {
            executor: executor.clone(),
            runtime: runtime.clone(),
            stage: Arc::clone(&slot) as Arc<dyn Stage>,
            slot: Some(slot),
            is_broken: false,
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
    /// Whether documents go another way between the executors, or requests have another
    /// time.
    pub has_other_shape: bool,
}

impl Swapped {
    /// Whether all is as before.
    pub fn is_unchanged(&self) -> bool {
        self.started.is_empty()
            && self.handed_over.is_empty()
            && self.removed.is_empty()
            && !self.has_other_shape
    }
}

/// Why a flow has not taken another one's place. The one before goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError<E> {
    /// The flow has been stopped.
    #[error("the flow has been stopped")]
    Stopped,
    /// Executors do not start, or cannot be stopped.
    #[error("{problems}")]
    Failed {
        /// What is wrong with them.
        problems: E,
        /// Those that had been stopped by then, to be handed over, and were started again as
        /// they were. What they had in memory is gone.
        restarted: Vec<Arc<str>>,
    },
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
            .map(|(id, stage)| {
                let executor = &self.executors[id].value;
                (id, Started::new(&self.runtime, executor, stage))
            })
            .collect();
        match self.flow_of(&executors) {
            Ok(flow) => Ok(Running {
                live: Arc::new(Live::new(flow)),
                state: Arc::new(Mutex::new(Some(State {
                    executors: self.by_name(executors),
                    leaving: None,
                }))),
                output,
                runtime: self.runtime.clone(),
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

    /// The engine that the executors were started with at first.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The flow that takes requests now.
    pub fn flow(&self) -> Flow {
        self.live.current()
    }

    /// The components that run now, by the executors' names, sorted.
    pub async fn digests(&self) -> Vec<(Arc<str>, Digest)> {
        let state = self.state.lock().await;
        let started = state.iter().flat_map(|state| &state.executors);
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
    /// If an executor does not start, or one that is to be handed over is busy for too long,
    /// the flow goes on as it was. What had been handed over by then is started again as it
    /// was.
    ///
    /// The name of the flow stays. Dropping the future gives up what has not begun: what is
    /// being handed over is handed over to the end.
    ///
    /// # Errors
    /// With all executors that do not start, and why.
    pub async fn swap<P: Plan>(&self, loaded: &Loaded<P>) -> Result<Swapped, SwapError<P::Error>> {
        let failed = |problems, restarted| {
            Err(SwapError::Failed {
                problems: loaded.plan.error(problems),
                restarted,
            })
        };
        let state = Arc::clone(&self.state).lock_owned().await;
        let before = state.as_ref().ok_or(SwapError::Stopped)?;
        let mut changes = Changes::default();
        let mut fresh = Vec::new();
        for (id, node) in loaded.executors.iter() {
            let old = before.executors.get(&node.name);
            if !changes.see(id, &node.name, &node.value, &loaded.runtime, old) {
                fresh.push(id);
            }
        }
        let new = loaded.start_these(fresh, &self.output).await;
        let new = new.map_err(|problems| SwapError::Failed {
            problems,
            restarted: Vec::new(),
        })?;
        for (id, stage) in &new {
            let executor = &loaded.executors[*id].value;
            let started = Started::new(&loaded.runtime, executor, Arc::clone(stage));
            changes.next.insert(*id, started);
        }
        let flow = match loaded.flow_of(&changes.next) {
            Ok(flow) => flow,
            Err(problems) => {
                stop_all(new.values()).await;
                return failed(problems, Vec::new());
            }
        };
        let commit = Commit {
            live: Arc::clone(&self.live),
            state,
            output: Arc::clone(&self.output),
            flow,
            next: loaded.by_name(changes.next),
            handed: changes.handed,
            swapped: changes.swapped,
        };
        // In a task of its own: a flow that is half replaced would be none.
        match tokio::spawn(commit.run()).await {
            Ok(Ok(swapped)) => Ok(swapped),
            Ok(Err(Undone {
                problems,
                restarted,
            })) => {
                stop_all(new.values()).await;
                failed(problems, restarted)
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The scheduler is being shut down, and everything with it.
                Err(_) => Err(SwapError::Stopped),
            },
        }
    }

    /// Stops all executors, after the requests in flight. Requests that come later are
    /// refused.
    pub async fn stop(&self) {
        // Not while it is being changed.
        let mut state = self.state.lock().await;
        let flow = self.live.current();
        flow.drain().await;
        if let Some(leaving) = state.as_mut().and_then(|state| state.leaving.take()) {
            // What it has to stop is in flows that may still call the executors of this one.
            let _ = leaving.await;
        }
        flow.stop().await;
        *state = None;
    }
}

/// What is to be changed, so that another flow runs.
#[derive(Default)]
struct Changes {
    next: HashMap<NodeId, Started>,
    handed: Vec<Handover>,
    swapped: Swapped,
}

impl Changes {
    /// Decides what becomes of an executor. False: it has to be started.
    fn see(
        &mut self,
        id: NodeId,
        name: &Arc<str>,
        executor: &LoadedExecutor,
        runtime: &Runtime,
        old: Option<&Started>,
    ) -> bool {
        if let Some(old) = old
            && !old.is_broken
            && old.executor.is_same(executor)
        {
            self.swapped.kept.push(Arc::clone(name));
            self.next.insert(id, old.clone());
            return true;
        }
        let change = SwappedExecutor {
            name: Arc::clone(name),
            digest: executor.digest(),
            before: old.and_then(|old| old.executor.digest()),
        };
        let Some(Started {
            slot: Some(slot),
            stage,
            executor: before,
            runtime: engine,
            ..
        }) = old.filter(|_| executor.keeps_something())
        else {
            self.swapped.started.push(change);
            return false;
        };
        self.swapped.handed_over.push(change);
        self.handed.push(Handover {
            id,
            name: Arc::clone(name),
            slot: Arc::clone(slot),
            before: (engine.clone(), before.clone()),
            after: (runtime.clone(), executor.clone()),
        });
        let started = Started {
            executor: executor.clone(),
            runtime: runtime.clone(),
            stage: Arc::clone(stage),
            slot: Some(Arc::clone(slot)),
            is_broken: false,
        };
        self.next.insert(id, started);
        true
    }
}

/// All that is left to do once the new executors that are not handed over run.
struct Commit {
    live: Arc<Live>,
    state: OwnedMutexGuard<Option<State>>,
    output: OutputSink,
    flow: Flow,
    next: HashMap<Arc<str>, Started>,
    handed: Vec<Handover>,
    swapped: Swapped,
}

/// The flow goes on as it was.
struct Undone {
    problems: Vec<LateProblem>,
    restarted: Vec<Arc<str>>,
}

impl Commit {
    async fn run(mut self) -> Result<Swapped, Undone> {
        for index in 0..self.handed.len() {
            let Some(handover) = self.handed.get(index) else {
                break;
            };
            if let Err((problems, was_stopped)) = handover.hand(&self.output).await {
                let stopped = index + usize::from(was_stopped);
                let restarted = self.hand_back(stopped).await;
                return Err(Undone {
                    problems,
                    restarted,
                });
            }
        }
        let Some(before) = self.state.as_mut() else {
            // It cannot be stopped while this has the lock.
            return Ok(self.swapped);
        };
        let old = self.live.replace(self.flow.clone());
        self.swapped.has_other_shape =
            shape(&old) != shape(&self.flow) || old.timeout() != self.flow.timeout();
        let mut left = Vec::new();
        for (name, started) in &before.executors {
            let goes_on = self.next.get(name);
            if goes_on.is_none() {
                self.swapped.removed.push(Arc::clone(name));
            }
            if !goes_on.is_some_and(|next| Arc::ptr_eq(&next.stage, &started.stage)) {
                // With what says that its files are used.
                left.push(started.clone());
            }
        }
        self.swapped.removed.sort();
        before.executors = self.next;
        let earlier = before.leaving.take();
        before.leaving = Some(tokio::spawn(async move {
            // Flows of before may have these executors, too.
            if let Some(earlier) = earlier {
                let _ = earlier.await;
            }
            old.drain().await;
            stop_all(left.iter().map(|started| &started.stage)).await;
        }));
        Ok(self.swapped)
    }

    /// Starts again what was there before, in the first of the slots.
    async fn hand_back(&mut self, stopped: usize) -> Vec<Arc<str>> {
        let mut restarted = Vec::new();
        for handover in self.handed.iter().take(stopped).rev() {
            let is_back = handover.put_back(&self.output).await;
            if let Some(state) = self.state.as_mut()
                && let Some(started) = state.executors.get_mut(&handover.name)
            {
                started.is_broken = !is_back;
            }
            restarted.push(Arc::clone(&handover.name));
        }
        restarted
    }
}

/// Which way documents go.
fn shape(flow: &Flow) -> Graph<()> {
    flow.graph().as_ref().map(|_, _, _| ())
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
    name: Arc<str>,
    slot: Arc<Slot>,
    before: (Runtime, LoadedExecutor),
    after: (Runtime, LoadedExecutor),
}

impl Handover {
    /// Stops what is in the slot, and starts the new one there. If that fails, it is said
    /// whether the one before was stopped.
    async fn hand(&self, output: &OutputSink) -> Result<(), (Vec<LateProblem>, bool)> {
        if let Err(busy) = self.slot.vacate(HAND_OVER).await {
            let title = format!(
                "executor `{}` keeps something, so it has to be stopped before it is started anew, \
                 and {busy}",
                self.name
            );
            let help = "try again when its clients are done, or start the flow anew";
            let problem = LateProblem::new(Place::Executor(self.id), title).help(help);
            return Err((vec![problem], false));
        }
        let (runtime, executor) = &self.after;
        let stage = start_executor(runtime, self.id, executor, output).await;
        self.slot.fill(stage.map_err(|problems| (problems, true))?);
        Ok(())
    }

    /// Starts again what was there before. Whether that has worked.
    async fn put_back(&self, output: &OutputSink) -> bool {
        // For as long as it takes: it has been decided that this one goes.
        while self.slot.vacate(HAND_OVER).await.is_err() {}
        let (runtime, executor) = &self.before;
        match start_executor(runtime, self.id, executor, output).await {
            Ok(stage) => {
                self.slot.fill(stage);
                true
            }
            Err(problems) => {
                let reasons: Vec<String> = problems
                    .iter()
                    .map(|problem| problem.title.clone())
                    .collect();
                let broken = broken(executor, &reasons.join("; "));
                self.slot.fill(Arc::new(broken));
                false
            }
        }
    }
}

/// What stands for an executor that could not be started again as it was. The next swap
/// replaces it.
fn broken(executor: &LoadedExecutor, reason: &str) -> Functions {
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
