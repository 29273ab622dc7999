//! Replicas: each keeps one instance alive and queues calls for it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::abort::AbortOnDrop;
use super::call::{Call, CallError, CallErrorKind, Reply};
use super::config::{ExecutorConfig, Isolation};
use super::description::Route;
use super::wasm::{Finish, Instance, JobError, Pending, Setup, StartFailure};

/// An instance that traps again and again is started again ever later.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);
/// Failures in a row that are followed at once by a new instance.
const FREE_RESTARTS: u32 = 3;
/// Instances that a call may lose in a row without being taken by one.
const MAX_LOST: u32 = 3;

/// The replicas of an executor.
pub(super) struct Pool {
    replicas: Vec<Replica>,
    next: AtomicUsize,
}

impl Pool {
    /// Starts one instance of every replica.
    pub(super) async fn start(
        setups: Vec<Setup>,
        config: &ExecutorConfig,
    ) -> Result<Self, StartFailure> {
        let replicas: Vec<_> = setups
            .into_iter()
            .enumerate()
            .map(|(index, setup)| Replica::new(index as u32, setup, config))
            .collect();
        futures::future::try_join_all(replicas.iter().map(Replica::instance)).await?;
        Ok(Pool {
            replicas,
            next: AtomicUsize::new(0),
        })
    }

    /// Calls the next replica in turn.
    pub(super) async fn call(&self, route: &Route, call: &Call) -> Result<Reply, Unplaced> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let replica = turn
            .checked_rem(self.replicas.len())
            .and_then(|index| self.replicas.get(index));
        match replica {
            Some(replica) => replica.call(route, call).await,
            None => Err(CallErrorKind::Stopped.into()),
        }
    }

    /// Ends every replica after its calls in flight.
    pub(super) async fn stop(&self) {
        futures::future::join_all(self.replicas.iter().map(Replica::stop)).await;
    }
}

/// Why a call failed, before it is said where.
pub(super) struct Unplaced {
    pub(super) kind: CallErrorKind,
    pub(super) trace: Vec<String>,
}

impl From<CallErrorKind> for Unplaced {
    fn from(kind: CallErrorKind) -> Self {
        Unplaced {
            kind,
            trace: Vec::new(),
        }
    }
}

impl Unplaced {
    pub(super) fn at(
        self,
        config: &ExecutorConfig,
        class: &str,
        route: &Route,
        call: &Call,
    ) -> CallError {
        CallError {
            executor: config.name.clone(),
            class: class.to_owned(),
            endpoint: call.endpoint.to_string(),
            method: route.method().to_owned(),
            kind: self.kind,
            trace: self.trace,
        }
    }
}

struct Replica {
    index: u32,
    setup: Arc<Setup>,
    isolation: Isolation,
    timeout: Duration,
    concurrency: u32,
    /// One for each call in flight; closed when the executor is stopped.
    slots: Arc<Semaphore>,
    current: RwLock<Current>,
    back_off: Arc<BackOff>,
    /// Each instance watches it for as long as anything of it is left.
    instances: watch::Sender<()>,
}

/// The instance that takes calls.
#[derive(Default)]
enum Current {
    /// The next call starts one.
    #[default]
    None,
    Starting(Starting),
    Running(Arc<Instance>),
}

/// What came of a start, once it is known.
type Started = Option<Result<Arc<Instance>, StartFailure>>;

/// A start, for all who wait for it. It goes on while nobody does: clients that
/// give up sooner than an executor starts would otherwise keep it from starting
/// at all.
struct Starting {
    outcome: watch::Receiver<Started>,
    _task: AbortOnDrop,
}

/// Keeps an instance that fails again and again from being started all the time.
#[derive(Default)]
struct BackOff {
    /// Failures since the last call that came back.
    failures: AtomicU32,
    last: Mutex<Option<Instant>>,
}

impl BackOff {
    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn recovered(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Until an instance may be started.
    async fn wait(&self) {
        let failures = self.failures.load(Ordering::Relaxed);
        let Some(more) = failures.checked_sub(FREE_RESTARTS) else {
            return;
        };
        let wait = FIRST_BACK_OFF
            .saturating_mul(1 << more.min(16))
            .min(LAST_BACK_OFF);
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = last.and_then(|last| last.checked_add(wait)) {
            tokio::time::sleep_until(until.into()).await;
        }
    }
}

impl Replica {
    fn new(index: u32, setup: Setup, config: &ExecutorConfig) -> Self {
        let concurrency = config.limits.concurrency.get();
        Replica {
            index,
            setup: Arc::new(setup),
            isolation: config.isolation,
            timeout: config.timeout,
            concurrency,
            slots: Arc::new(Semaphore::new(concurrency as usize)),
            current: RwLock::default(),
            back_off: Arc::default(),
            instances: watch::Sender::new(()),
        }
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_mut(&self) -> RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance that takes calls; a new one where the last has ended.
    async fn instance(&self) -> Result<Arc<Instance>, StartFailure> {
        if let Current::Running(instance) = &*self.current()
            && instance.is_open()
        {
            return Ok(instance.clone());
        }
        let mut outcome = match self.starting() {
            Ok(instance) => return Ok(instance),
            Err(outcome) => outcome,
        };
        let started = match outcome.wait_for(Option::is_some).await {
            Ok(started) => started.clone(),
            // The task sends before it ends.
            Err(_) => None,
        };
        let started = started.unwrap_or(Err(StartFailure::Broken));
        let mut current = self.current_mut();
        if let Current::Starting(starting) = &*current
            && starting.outcome.same_channel(&outcome)
        {
            *current = match &started {
                Ok(instance) => Current::Running(instance.clone()),
                Err(_) => Current::None,
            };
        }
        started
    }

    /// The running instance, or the start that there is or is to be.
    fn starting(&self) -> Result<Arc<Instance>, watch::Receiver<Started>> {
        let mut current = self.current_mut();
        match &*current {
            Current::Running(instance) if instance.is_open() => return Ok(instance.clone()),
            Current::Starting(starting) => {
                let of_use = match &*starting.outcome.borrow() {
                    // Closed where its task ended without one.
                    None => starting.outcome.has_changed().is_ok(),
                    Some(Ok(instance)) => instance.is_open(),
                    // Of old: nobody waited for it any more.
                    Some(Err(_)) => false,
                };
                if of_use {
                    return Err(starting.outcome.clone());
                }
            }
            Current::Running(_) | Current::None => {}
        }
        let (sender, outcome) = watch::channel(None);
        let (setup, alive) = (self.setup.clone(), self.instances.subscribe());
        let back_off = self.back_off.clone();
        let task = tokio::spawn(async move {
            back_off.wait().await;
            let started = Instance::start(setup, alive).await;
            if started.is_err() {
                back_off.failed();
            }
            sender.send_replace(Some(started));
        });
        *current = Current::Starting(Starting {
            outcome: outcome.clone(),
            _task: AbortOnDrop::new(task.abort_handle()),
        });
        Err(outcome)
    }

    async fn call(&self, route: &Route, call: &Call) -> Result<Reply, Unplaced> {
        let mut lost = 0;
        loop {
            let slot = self.slots.clone().acquire_owned().await;
            let slot = slot.map_err(|_| CallErrorKind::Stopped)?;
            let instance = match self.isolation {
                Isolation::Shared => self.instance().await,
                Isolation::Request => {
                    Instance::start(self.setup.clone(), self.instances.subscribe()).await
                }
            };
            let instance = instance.map_err(|failure| CallErrorKind::Unavailable {
                reason: failure.to_string(),
            })?;
            let answer = self.call_instance(&instance, route, call, slot).await;
            if self.isolation == Isolation::Request {
                instance.close();
            }
            if let Some(answer) = answer {
                return answer;
            }
            // Retired while this call waited for it: to the next instance. Not
            // for ever, where they end by themselves.
            if let Some(reason) = instance.lost().await {
                self.count(&instance);
                lost += 1;
                if lost == MAX_LOST {
                    return Err(CallErrorKind::Unavailable {
                        reason: format!(
                            "{lost} in a row ended before they took the call, \
                             the last one so: {reason}"
                        ),
                    }
                    .into());
                }
            }
        }
    }

    /// Counts the failure of an instance once.
    fn count(&self, instance: &Instance) {
        if instance.count_once() {
            self.back_off.failed();
        }
    }

    /// None when the instance was retired before the method was entered.
    async fn call_instance(
        &self,
        instance: &Arc<Instance>,
        route: &Route,
        call: &Call,
        slot: OwnedSemaphorePermit,
    ) -> Option<Result<Reply, Unplaced>> {
        let gate = instance.gate(route.concurrency).await?;
        let method = route.method.clone();
        let pending = Pending::submit(instance, method, call, self.timeout, gate, slot);
        Some(match pending.finish().await {
            Finish::Reply(Ok(outcome)) => {
                self.back_off.recovered();
                Ok(Reply {
                    docs: outcome.docs,
                    results: outcome.results,
                    replica: self.index,
                })
            }
            Finish::Reply(Err(JobError::NotEntered)) => return None,
            Finish::Reply(Err(JobError::Failed {
                name,
                message,
                trace,
            })) => {
                self.back_off.recovered();
                Err(Unplaced {
                    kind: CallErrorKind::Failed { name, message },
                    trace,
                })
            }
            Finish::Reply(Err(JobError::BadReply(reason))) => {
                Err(CallErrorKind::BadReply { reason }.into())
            }
            Finish::TimedOut => {
                let limit = self.timeout;
                instance.retire(|| {
                    format!(
                        "method `{}` at endpoint `{}` overran its timeout of {limit:?}, \
                         and the instance was ended",
                        route.method, call.endpoint
                    )
                });
                Err(CallErrorKind::TimedOut { limit }.into())
            }
            Finish::Stuck => {
                let limit = self.timeout;
                let reason = || {
                    format!(
                        "the instance took no call for {limit:?}, because the executor computes or \
                         blocks outside of any call"
                    )
                };
                instance.retire(reason);
                Err(CallErrorKind::Lost { reason: reason() }.into())
            }
            Finish::Trapped { trap, mine } => {
                self.count(instance);
                Err(Unplaced {
                    kind: match mine {
                        true => trap.kind,
                        false => CallErrorKind::Lost {
                            reason: trap.to_string(),
                        },
                    },
                    trace: trap.trace,
                })
            }
            Finish::Aborted(reason) => Err(CallErrorKind::Lost { reason }.into()),
        })
    }

    async fn stop(&self) {
        // Those in flight keep their slots until the guest is done with them,
        // and their timeouts see to it that it is.
        let all = self.slots.acquire_many(self.concurrency).await;
        // Before they are given back: none is for those who still wait.
        self.slots.close();
        drop(all);
        let current = std::mem::take(&mut *self.current_mut());
        if let Current::Running(instance) = &current {
            instance.close();
        }
        drop(current);
        // Those of single requests, too: each guest's `stop` is called.
        self.instances.closed().await;
    }
}
