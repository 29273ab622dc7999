//! One instance: a store, the task that owns it, and many calls in flight.
//!
//! While a guest computes or blocks, its store does nothing else, and nothing
//! inside [`Store::run_concurrent`] is polled. So whatever must not wait for a
//! guest lives outside: callers keep their own time, queues are theirs, and an
//! instance that does not answer is ended by aborting its task, which takes
//! effect at the guest's next epoch or when it next waits for the host.
//!
//! There is no way to end one call of a store. A call that overruns retires the
//! whole instance: it takes no more calls, those in flight go on as long as
//! somebody waits for them, and another instance takes its place. The same goes
//! for one that is stopped: whatever it does then, somebody outside sees to it
//! that it ends.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit};
use tokio::sync::{RwLock, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut as _, Store, UpdateDeadline};

use super::bindings::guest;
use super::grants::{self, HttpGrants};
use super::load::{Component, chain};
use super::requests::{Parts, RequestState, bounded};
use super::runtime::Runtime;
use super::store::{CallId, Ctx, Origin};
use crate::abort::AbortOnDrop;
use crate::description::{Bindings, Concurrency};
use crate::error::CallErrorKind;
use crate::output::{LineStream, OutputSink, Stream};
use wasm_flow_contract::Call;
use wasm_flow_contract::config::{ExecutorConfig, HttpOrigin};
use wasm_flow_document::{DocumentArray, Limits as DocumentLimits, LiveArray};

/// How long a retired instance may take to show that it still answers.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// How long an instance that nobody waits for may take to end, which is how long
/// the guest's `stop` may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Lines of a guest's traceback that are passed on.
const MAX_TRACE: usize = 64;

/// All that is needed to make a replica's instances.
pub(crate) struct Setup {
    runtime: Runtime,
    component: Component,
    /// `encode/rep-0`
    name: Arc<str>,
    config: Arc<ExecutorConfig>,
    origins: Arc<[HttpOrigin]>,
    output: OutputSink,
    configuration: guest::Configuration,
}

impl Setup {
    pub(crate) fn new(
        runtime: Runtime,
        component: Component,
        config: Arc<ExecutorConfig>,
        bindings: &Bindings,
        replica: u32,
        output: OutputSink,
    ) -> Self {
        let name: Arc<str> = format!("{}/rep-{replica}", config.name).into();
        let description = component.description();
        let mut metas = Map::new();
        metas.insert("name".to_owned(), description.name.clone().into());
        metas.insert(
            "description".to_owned(),
            description.documentation.clone().into(),
        );
        let workspace = config
            .workspace
            .as_ref()
            .map(|path| path.display().to_string());
        metas.insert("workspace".to_owned(), workspace.into());
        for (key, value) in &config.uses_metas {
            metas.insert(key.clone(), value.clone());
        }
        let runtime_args = json!({
            "name": &*name,
            "executor": config.name,
            "replica": replica,
            "replicas": config.replicas,
        });
        let configuration = guest::Configuration {
            uses_with: Value::Object(config.uses_with.clone()).to_string(),
            metas: Value::Object(metas).to_string(),
            requests: bindings
                .iter()
                .map(|(endpoint, method)| (endpoint.to_owned(), method.to_owned()))
                .collect(),
            runtime_args: runtime_args.to_string(),
        };
        Setup {
            origins: config.allow.http.as_slice().into(),
            runtime,
            component,
            name,
            config,
            output,
            configuration,
        }
    }
}

impl Setup {
    /// Tells the operator what no call's error tells.
    fn say(&self, line: &str) {
        self.output.line(&self.name, Stream::Stderr, line);
    }
}

/// Why an instance could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartFailure {
    /// A grant cannot be given.
    #[error(transparent)]
    Grant(grants::GrantError),
    /// The executor refused: what it was constructed with is wrong, or the like.
    #[error("{name}: {message}")]
    Failed {
        /// The kind of error.
        name: String,
        /// What went wrong.
        message: String,
        /// Its causes.
        trace: Vec<String>,
    },
    /// It trapped.
    #[error("{0}")]
    Trapped(Trap),
    /// It took longer than `timeout`.
    #[error("it did not start within its `timeout` of {0:?}")]
    TimedOut(Duration),
    /// One process runs so many instances and no more.
    #[error(
        "as many instances run as one process has room for ({0}); `replicas` makes more of them, \
         and so does `limits.concurrency` where `isolation` is `request`"
    )]
    Full(String),
    /// The host itself failed while it started.
    #[error(
        "wasm-flow itself failed while it started; that is a bug, and what it wrote to its \
         standard error says where"
    )]
    Broken,
}

/// What ended an instance that did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    pub(crate) kind: CallErrorKind,
    /// The call at fault, where that is known.
    pub(crate) call: Option<CallId>,
    pub(crate) trace: Vec<String>,
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            CallErrorKind::Panicked { .. } => write!(f, "it panicked: {}", self.kind),
            kind => write!(f, "{kind}"),
        }
    }
}

/// How an instance ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It was stopped, or retired with nobody left waiting.
    Stopped,
    Trapped(Trap),
    /// It did not end by itself when it was to.
    Aborted,
    /// The host itself failed in the instance's task.
    Broken,
}

const BROKEN: &str = "wasm-flow itself failed while it ran the instance; that is a bug, and what \
                      it wrote to its standard error says where";

/// Why a job has no outcome.
#[derive(Debug)]
pub(crate) enum JobError {
    /// The method returned an error.
    Failed {
        name: String,
        message: String,
        trace: Vec<String>,
    },
    BadReply(String),
    /// The instance was retired before the method was entered.
    NotEntered,
}

/// What a method made of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) docs: DocumentArray,
    pub(crate) results: Option<Map<String, Value>>,
}

/// What a call holds while the guest has it, also when nobody waits for it any
/// more: its right to run beside, or instead of, others.
pub(crate) enum Gate {
    /// Beside other concurrent calls.
    Shared { _guard: OwnedRwLockReadGuard<()> },
    /// Alone.
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// A call on its way to the guest.
pub(crate) struct Job {
    id: CallId,
    method: Arc<str>,
    request: RequestState,
    docs: LiveArray,
    limit: Duration,
    reply: ReplyTo,
    _gate: Gate,
    _slot: OwnedSemaphorePermit,
}

/// When the guest got a call, for the one who keeps its time.
type Entered = Arc<OnceLock<Instant>>;

/// Where a call's outcome goes. A call that is dropped before the guest has it,
/// whatever became of the instance, can go to another one.
struct ReplyTo {
    sender: Option<oneshot::Sender<Result<Outcome, JobError>>>,
    entered: Entered,
}

impl ReplyTo {
    fn send(mut self, outcome: Result<Outcome, JobError>) {
        if let Some(sender) = self.sender.take() {
            // Nobody waits where the caller's time was up.
            drop(sender.send(outcome));
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let (None, Some(sender)) = (self.entered.get(), self.sender.take()) {
            drop(sender.send(Err(JobError::NotEntered)));
        }
    }
}

/// A running instance.
pub(crate) struct Instance {
    setup: Arc<Setup>,
    jobs: mpsc::UnboundedSender<Job>,
    gate: Arc<RwLock<()>>,
    next_call: AtomicU64,
    shared: Arc<Shared>,
    ended: watch::Receiver<Option<Arc<End>>>,
    task: AbortHandle,
    /// Callers may drop what they hold on any thread.
    runtime: Handle,
    /// Whether somebody sees to it that it ends.
    closed: AtomicBool,
}

#[derive(Default)]
struct Shared {
    /// Takes no more calls.
    retired: CancellationToken,
    reason: OnceLock<String>,
    /// Moves on whenever the instance's task looks at `poke`.
    heartbeat: AtomicU64,
    poke: Notify,
    /// Callers that wait for a call in flight.
    waiting: AtomicUsize,
    /// Whether its trap was counted: many calls may learn of one.
    counted: AtomicBool,
}

/// Tells how an instance ended, however its task does.
struct Life {
    shared: Arc<Shared>,
    ended: watch::Sender<Option<Arc<End>>>,
    how: Option<End>,
    /// Dropped last: then nothing of the instance is left.
    _alive: watch::Receiver<()>,
}

impl Life {
    fn tell(mut self, end: End) {
        self.how = Some(end);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let end = self.how.take().unwrap_or(match std::thread::panicking() {
            true => End::Broken,
            false => End::Aborted,
        });
        self.shared.retired.cancel();
        self.ended.send_replace(Some(Arc::new(end)));
    }
}

impl Instance {
    /// Makes an instance and starts the executor in it. `alive` is dropped when
    /// nothing of it is left.
    pub(crate) async fn start(
        setup: Arc<Setup>,
        alive: watch::Receiver<()>,
    ) -> Result<Arc<Instance>, StartFailure> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (started, start) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let shared = Arc::new(Shared::default());
        let limit = setup.config.timeout;
        let life = Life {
            shared: shared.clone(),
            ended: end,
            how: None,
            _alive: alive,
        };
        let task = tokio::spawn({
            let setup = setup.clone();
            async move {
                let end = run(&setup, inbox, started, &life.shared).await;
                life.tell(end);
            }
        })
        .abort_handle();
        // Whoever waits for its start may go away.
        let guard = AbortOnDrop::new(task.clone());
        match tokio::time::timeout(limit, start).await {
            Ok(Ok(Ok(()))) => guard.disarm(),
            Ok(Ok(Err(failure))) => return Err(failure),
            // The task sends before it ends.
            Ok(Err(_)) => return Err(StartFailure::Broken),
            Err(_) => return Err(StartFailure::TimedOut(limit)),
        }
        Ok(Arc::new(Instance {
            setup,
            jobs,
            gate: Arc::default(),
            next_call: AtomicU64::new(0),
            shared,
            ended,
            task,
            runtime: Handle::current(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Whether it takes calls.
    pub(crate) fn is_open(&self) -> bool {
        !self.shared.retired.is_cancelled()
    }

    /// Waits for the right to call, or gives none when the instance is retired.
    pub(crate) async fn gate(&self, concurrency: Concurrency) -> Option<Gate> {
        let gate = self.gate.clone();
        if concurrency == Concurrency::Concurrent
            && self.is_open()
            && let Ok(guard) = gate.clone().try_read_owned()
        {
            return Some(Gate::Shared { _guard: guard });
        }
        let pass = async {
            match concurrency {
                Concurrency::Concurrent => Gate::Shared {
                    _guard: gate.read_owned().await,
                },
                Concurrency::Exclusive => Gate::Alone {
                    _guard: gate.write_owned().await,
                },
            }
        };
        tokio::select! {
            biased;
            () = self.shared.retired.cancelled() => None,
            pass = pass => Some(pass),
        }
    }

    /// Sends a call on its way. Its clock starts when the guest has it.
    pub(crate) fn submit(
        self: &Arc<Self>,
        method: Arc<str>,
        call: &Call,
        limit: Duration,
        gate: Gate,
        slot: OwnedSemaphorePermit,
    ) -> Pending {
        let live = |docs: &DocumentArray| {
            LiveArray::with_column_limit(
                docs.clone(),
                DocumentLimits::default(),
                self.setup.config.limits.memory,
            )
        };
        let docs = live(&call.docs);
        let parts = match call.parts.as_slice() {
            [part] => Parts::One(part.executor.clone()),
            parts => Parts::Many(
                parts
                    .iter()
                    .map(|part| (part.executor.clone(), live(&part.docs)))
                    .collect(),
            ),
        };
        let (reply, receiver) = oneshot::channel();
        let id = self.next_call.fetch_add(1, Ordering::Relaxed);
        let entered = Entered::default();
        let job = Job {
            id,
            method,
            request: RequestState {
                id: call.request_id.clone(),
                endpoint: call.endpoint.clone(),
                parameters: call.parameters.clone(),
                docs: docs.share(),
                parts,
                deadline: None,
            },
            docs,
            limit,
            reply: ReplyTo {
                sender: Some(reply),
                entered: entered.clone(),
            },
            _gate: gate,
            _slot: slot,
        };
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        let pending = Pending {
            id,
            instance: self.clone(),
            receiver: Some(receiver),
            clock: Clock {
                due: Instant::now().checked_add(limit),
                limit,
                entered,
            },
        };
        // A job that cannot be sent is dropped, which answers it.
        drop(self.jobs.send(job));
        pending
    }

    /// Takes no more calls, and ends when nobody waits for those in flight; at
    /// once when it does not answer.
    pub(crate) fn retire(self: &Arc<Self>, reason: impl FnOnce() -> String) {
        self.shared.reason.get_or_init(reason);
        let before = self.shared.heartbeat.load(Ordering::Relaxed);
        self.close();
        let instance = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(ANSWER_WITHIN).await;
            if instance.shared.heartbeat.load(Ordering::Relaxed) == before {
                instance.task.abort();
            }
        });
    }

    /// Says once that it trapped, however many calls it had in flight.
    pub(crate) fn first_to_tell(&self) -> bool {
        !self.shared.counted.swap(true, Ordering::Relaxed)
    }

    /// Takes no more calls, and ends after those in flight that somebody waits
    /// for. The guest's `stop` is called, but need not come back: nothing inside
    /// the store can bound that, and a guest may also go on outside of any call.
    pub(crate) fn close(&self) {
        self.shared.retired.cancel();
        self.shared.poke.notify_one();
        let first = !self.closed.swap(true, Ordering::Relaxed);
        if !first || self.ended.borrow().is_some() {
            return;
        }
        let setup = self.setup.clone();
        let shared = self.shared.clone();
        let task = self.task.clone();
        let mut ended = self.ended.clone();
        self.runtime.spawn(async move {
            loop {
                // While somebody waits, it is the calls' timeouts that bound it.
                let idle = shared.waiting.load(Ordering::SeqCst) == 0;
                let end = ended.wait_for(Option::is_some);
                if tokio::time::timeout(STOP_WITHIN, end).await.is_ok() {
                    break;
                }
                if idle {
                    setup.say(&format!(
                        "the instance did not stop within {STOP_WITHIN:?}, and was ended"
                    ));
                    task.abort();
                    break;
                }
            }
        });
    }

    /// Waits until it takes no more calls, and says why where it ended by itself:
    /// neither was it stopped, nor did a call overrun.
    pub(crate) async fn lost(&self) -> Option<String> {
        self.shared.retired.cancelled().await;
        if self.shared.reason.get().is_some() {
            return None;
        }
        match self.end().await.as_deref()? {
            End::Trapped(trap) => Some(trap.to_string()),
            End::Broken => Some(BROKEN.to_owned()),
            End::Stopped | End::Aborted => None,
        }
    }

    /// How it ended. There is an answer: the task gives one however it ends.
    async fn end(&self) -> Option<Arc<End>> {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok()?;
        end.clone()
    }

    fn reason(&self) -> String {
        self.shared
            .reason
            .get()
            .cloned()
            .unwrap_or_else(|| "it was stopped".to_owned())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Callers hold the instance while they wait, so nobody does.
        self.close();
    }
}

/// A call's time, kept by its caller.
struct Clock {
    /// When to look at it first: the call's end if it was entered at once. None
    /// where that is beyond all time.
    due: Option<Instant>,
    limit: Duration,
    entered: Entered,
}

/// What took too long.
enum Overrun {
    /// The method.
    Method,
    /// The instance, to take the call.
    Queue,
}

impl Clock {
    /// Completes when the call's time is up, which counts from when the guest
    /// got it: before that, another call may have blocked the instance.
    ///
    /// Such a call has a timeout of its own and takes the instance with it. So
    /// an instance that does not answer for as long as any of them may take is
    /// held up by something else, which has none.
    async fn overrun(&self, shared: &Shared) -> Overrun {
        let mut due = self.due;
        let mut asked = None;
        loop {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
            let now = Instant::now();
            due = match self.entered.get() {
                Some(entered) => {
                    let end = entered.checked_add(self.limit);
                    if end.is_some_and(|end| end <= now) {
                        return Overrun::Method;
                    }
                    end
                }
                None => {
                    let heartbeat = shared.heartbeat.load(Ordering::Relaxed);
                    if asked == Some(heartbeat) {
                        return Overrun::Queue;
                    }
                    asked = Some(heartbeat);
                    shared.poke.notify_one();
                    now.checked_add(self.limit)
                }
            };
        }
    }
}

/// A call in flight, as its caller sees it. Given up when dropped; its timeout
/// is kept all the same, for the guest goes on.
pub(crate) struct Pending {
    id: CallId,
    instance: Arc<Instance>,
    receiver: Option<oneshot::Receiver<Result<Outcome, JobError>>>,
    clock: Clock,
}

/// What came of a call.
pub(crate) enum Finish {
    Reply(Result<Outcome, JobError>),
    TimedOut,
    /// The instance did not take the call, and no other call is the reason.
    Stuck,
    /// The instance ended, by this call's fault or another's.
    Trapped {
        trap: Trap,
        mine: bool,
    },
    /// The instance was ended because of another call.
    Aborted(String),
}

impl Pending {
    /// Waits for the reply, the end of the instance, or the deadline.
    pub(crate) async fn finish(mut self) -> Finish {
        let Some(receiver) = self.receiver.as_mut() else {
            return Finish::Aborted(self.instance.reason());
        };
        let reply = tokio::select! {
            biased;
            reply = receiver => reply,
            overrun = self.clock.overrun(&self.instance.shared) => {
                self.receiver = None;
                return match overrun {
                    Overrun::Method => Finish::TimedOut,
                    Overrun::Queue => Finish::Stuck,
                };
            }
        };
        self.receiver = None;
        if let Ok(reply) = reply {
            return Finish::Reply(reply);
        }
        match self.instance.end().await.as_deref() {
            Some(End::Trapped(trap)) => Finish::Trapped {
                mine: trap.call == Some(self.id),
                trap: trap.clone(),
            },
            Some(End::Broken) => Finish::Aborted(BROKEN.to_owned()),
            Some(End::Stopped | End::Aborted) | None => Finish::Aborted(self.instance.reason()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let shared = &self.instance.shared;
        shared.waiting.fetch_sub(1, Ordering::SeqCst);
        // Only a retired instance asks whether anybody still waits; waking a
        // busy one after each of its calls would cost it a round.
        if shared.retired.is_cancelled() {
            shared.poke.notify_one();
        }
        let Some(receiver) = self.receiver.take() else {
            return;
        };
        let instance = self.instance.clone();
        let clock = Clock {
            due: self.clock.due,
            limit: self.clock.limit,
            entered: self.clock.entered.clone(),
        };
        self.instance.runtime.spawn(async move {
            tokio::select! {
                biased;
                _ = receiver => {}
                _ = clock.overrun(&instance.shared) => instance.retire(|| {
                    "a call whose client had gone overran its timeout".to_owned()
                }),
            }
        });
    }
}

/// Holds a store to its bounds: memory and tables by its limiter, what a call of
/// the host takes from the guest by its own measure, its thread by yielding at
/// every epoch, where an aborted task also ends.
pub(super) fn arm(store: &mut Store<Ctx>) {
    store.limiter(|ctx| &mut ctx.bounds);
    // A guest may hand over in one call what it can hold, and no less than the
    // engine lets it by default: many small values are larger here than there.
    let memory = usize::try_from(store.data().bounds.memory_limit()).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(memory.max(store.hostcall_fuel()));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| {
        // tokio's own yield lets the scheduler look at its timers and sockets.
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        ))
    });
}

async fn run(
    setup: &Setup,
    inbox: mpsc::UnboundedReceiver<Job>,
    started: oneshot::Sender<Result<(), StartFailure>>,
    shared: &Shared,
) -> End {
    let stream = |stream| LineStream::new(setup.name.clone(), stream, setup.output.clone());
    let (stdout, stderr) = (stream(Stream::Stdout), stream(Stream::Stderr));
    let wasi = match grants::wasi(&setup.config.allow, &stdout, &stderr) {
        Ok(wasi) => wasi,
        Err(error) => {
            drop(started.send(Err(StartFailure::Grant(error))));
            return End::Stopped;
        }
    };
    let http = HttpGrants {
        origins: setup.origins.clone(),
    };
    let ctx = Ctx::new(wasi, http, setup.config.limits.memory);
    let mut store = Store::new(setup.runtime.engine(), ctx);
    arm(&mut store);

    let mut started = Some(started);
    match live(setup, &mut store, inbox, &mut started, shared).await {
        Ok(()) => End::Stopped,
        Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
            if let Some(started) = started {
                drop(started.send(Err(StartFailure::Full(error.to_string()))));
            }
            End::Stopped
        }
        Err(error) => {
            let idle = store.data().tasks.is_empty();
            let trap = post_mortem(&mut store, &error, &stderr);
            match started {
                Some(started) => drop(started.send(Err(StartFailure::Trapped(trap.clone())))),
                // No call's error tells of it.
                None if idle => {
                    setup.say(&format!("the instance trapped outside of any call: {trap}"));
                    frames(&error).iter().for_each(|frame| setup.say(frame));
                }
                None => {}
            }
            End::Trapped(trap)
        }
    }
}

/// The instance's life. An error is a trap: the store is gone.
async fn live(
    setup: &Setup,
    store: &mut Store<Ctx>,
    inbox: mpsc::UnboundedReceiver<Job>,
    started: &mut Option<oneshot::Sender<Result<(), StartFailure>>>,
    shared: &Shared,
) -> wasmtime::Result<()> {
    let bindings = setup.component.pre().instantiate_async(&mut *store).await?;
    let guest = bindings.wasm_flow_executor_executor();
    let configuration = setup.configuration.clone();
    store
        .run_concurrent(async |accessor| {
            let outcome = guest.call_start(accessor, configuration).await?;
            accessor.with(|mut access| access.get().forget_warnings());
            if let Some(started) = started.take() {
                let outcome = outcome.map_err(|failure| StartFailure::Failed {
                    name: bounded(&failure.name),
                    message: bounded(&failure.message),
                    trace: trace(failure.trace),
                });
                let failed = outcome.is_err();
                if started.send(outcome).is_err() || failed {
                    return Ok(());
                }
            }
            if serve(accessor, guest, inbox, shared).await? {
                guest.call_stop(accessor).await?;
            }
            Ok(())
        })
        .await?
}

/// Calls the guest for each job until the instance is retired. Says whether all
/// calls came back.
async fn serve(
    accessor: &Accessor<Ctx>,
    guest: &guest::Guest,
    mut inbox: mpsc::UnboundedReceiver<Job>,
    shared: &Shared,
) -> wasmtime::Result<bool> {
    let mut calls = FuturesUnordered::new();
    // Made once, because each takes a lock when it is first polled.
    let mut poked = std::pin::pin!(shared.poke.notified());
    let mut retired = std::pin::pin!(shared.retired.cancelled());
    // One job at a time where there are several: the guest has one only when it
    // runs, which is before this is polled again. A call that waits behind one
    // that blocks is still in the inbox, then, and its clock stands.
    let mut entering = false;
    loop {
        tokio::select! {
            biased;
            () = tokio::task::yield_now(), if entering => entering = false,
            () = &mut poked => {
                poked.set(shared.poke.notified());
                shared.heartbeat.fetch_add(1, Ordering::Relaxed);
            }
            () = &mut retired, if !inbox.is_closed() => {
                inbox.close();
                while let Ok(job) = inbox.try_recv() {
                    drop(job);
                }
            }
            Some(done) = calls.next() => done?,
            job = inbox.recv(), if !entering && !inbox.is_closed() => match job {
                Some(job) => {
                    calls.push(call(accessor, guest, job));
                    entering = !inbox.is_empty();
                }
                None => inbox.close(),
            },
        }
        if inbox.is_closed() {
            if calls.is_empty() {
                return Ok(true);
            }
            if shared.waiting.load(Ordering::SeqCst) == 0 {
                return Ok(false);
            }
        }
    }
}

async fn call(accessor: &Accessor<Ctx>, guest: &guest::Guest, job: Job) -> wasmtime::Result<()> {
    let Job {
        id,
        method,
        mut request,
        docs,
        limit,
        reply,
        _gate,
        _slot,
    } = job;
    let entered = reply.entered.get_or_init(Instant::now);
    request.deadline = entered.checked_add(limit);
    let handle = guest.func_handle();
    let call = accessor.with(|mut access| {
        let request = access.get().table.push(request)?;
        let mut store = access.as_context_mut();
        let call = handle.start_call_concurrent(&mut store, (method.to_string(), request))?;
        store.data_mut().tasks.insert(call.task(), id);
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let (outcome,) = handle.finish_call_concurrent(accessor, call).await?;
    let (outcome, limits) = accessor.with(|mut access| {
        let ctx = access.get();
        ctx.tasks.remove(&task);
        ctx.forget_warnings();
        let outcome = match outcome {
            Err(failure) => Err(JobError::Failed {
                name: bounded(&failure.name),
                message: bounded(&failure.message),
                trace: trace(failure.trace),
            }),
            Ok(guest::Outcome::Docs) => Ok((None, None)),
            Ok(guest::Outcome::Results(json)) => Ok((None, Some(json))),
            Ok(guest::Outcome::Replaced(array)) => Ok((Some(ctx.table.delete(array)?), None)),
        };
        wasmtime::error::Ok((outcome, ctx.document_limits))
    })?;
    let outcome = outcome.and_then(|(replaced, json)| {
        let results = json.as_deref().map(results).transpose()?;
        let docs = replaced.as_ref().unwrap_or(&docs).snapshot();
        // An array may list a document as often as it likes.
        within(&docs, limits)?;
        Ok(Outcome { docs, results })
    });
    reply.send(outcome);
    Ok(())
}

fn within(docs: &DocumentArray, limits: DocumentLimits) -> Result<(), JobError> {
    if docs.total() > limits.documents {
        return Err(JobError::BadReply(format!(
            "it has {} documents, chunks and matches included; at most {} are allowed",
            docs.total(),
            limits.documents
        )));
    }
    if docs.depth() > limits.depth {
        return Err(JobError::BadReply(format!(
            "its documents are nested {} levels deep; at most {} are allowed",
            docs.depth(),
            limits.depth
        )));
    }
    Ok(())
}

fn results(json: &str) -> Result<Map<String, Value>, JobError> {
    match serde_json::from_str(json) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(JobError::BadReply(
            "its results are JSON, but not an object".to_owned(),
        )),
        Err(error) => Err(JobError::BadReply(format!(
            "its results are no JSON: {error}"
        ))),
    }
}

fn trace(lines: Vec<String>) -> Vec<String> {
    lines
        .iter()
        .take(MAX_TRACE)
        .map(|line| bounded(line))
        .collect()
}

/// What there is to tell of a trap.
fn post_mortem(store: &mut Store<Ctx>, error: &wasmtime::Error, stderr: &LineStream) -> Trap {
    // The task that ran last, where the store still knows.
    let task = store
        .as_context_mut()
        .async_call_stack()
        .ok()
        .and_then(|stack| stack.last());
    let ctx = store.data_mut();
    let panic = ctx.panic.take();
    let origin = match panic.as_ref().map(|panic| panic.origin) {
        None | Some(Origin::Unknown) => ctx.origin(task),
        Some(origin) => origin,
    };
    let mut in_flight = ctx.tasks.values();
    let call = match (origin, in_flight.next(), in_flight.next()) {
        (Origin::Call(call), ..) => Some(call),
        // The only one there is.
        (Origin::Unknown, Some(call), None) => Some(*call),
        (Origin::Unknown | Origin::NoCall, ..) => None,
    };
    let kind = match (panic, ctx.bounds.memory_denied) {
        (Some(panic), _) => CallErrorKind::Panicked {
            message: panic.message,
            location: panic.location,
        },
        // A guest that cannot go on without the memory aborts.
        (None, Some(wanted)) => CallErrorKind::OutOfMemory {
            wanted,
            limit: ctx.bounds.memory_limit(),
        },
        (None, None) => CallErrorKind::Trapped {
            reason: reason(error),
        },
    };
    let mut trace = frames(error);
    if matches!(kind, CallErrorKind::OutOfMemory { .. }) {
        trace.insert(0, reason(error));
    }
    trace.extend(
        stderr
            .tail()
            .into_iter()
            .map(|line| format!("stderr: {line}")),
    );
    Trap { kind, call, trace }
}

/// The guest's stack, innermost first. A function that calls itself is shown
/// once, with a count.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return Vec::new();
    };
    let names = backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        });
    let mut runs: Vec<(String, usize)> = Vec::new();
    for name in names {
        match runs.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => runs.push((name, 1)),
        }
    }
    runs.into_iter()
        .take(MAX_TRACE)
        .map(|(name, count)| match count {
            1 => format!("at {}", bounded(&name)),
            count => format!("at {} ({count} times)", bounded(&name)),
        })
        .collect()
}

/// Frames of one function on top of each other that are taken for a recursion
/// without end. The engine keeps no more than a few hundred.
const RECURSION: usize = 16;

/// Whether the innermost function called itself again and again.
fn recursion(error: &wasmtime::Error) -> bool {
    error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .is_some_and(|backtrace| {
            let mut calls = backtrace
                .frames()
                .iter()
                .map(wasmtime::FrameInfo::func_index);
            let innermost = calls.next();
            calls
                .take(RECURSION)
                .filter(|call| Some(*call) == innermost)
                .count()
                == RECURSION
        })
}

fn reason(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        // WASI passes on whether it was a success, and not the number.
        return match exit.0 {
            0 => "it called exit; a method returns instead",
            _ => "it called exit with a failure; a method returns an error instead",
        }
        .to_owned();
    }
    if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        let trap = bounded(&trap.to_string());
        // Rust's own stack lies in linear memory, and running off its end shows
        // as an access out of bounds.
        return match recursion(error) {
            true => format!("{trap}, in a recursion that seems to have no end"),
            false => trap,
        };
    }
    bounded(&chain(error))
}
