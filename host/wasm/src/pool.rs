//! Replicas: each keeps one instance alive.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Semaphore, watch};
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::reply::Origin as ReplyOrigin;
use wasm_flow_contract::{Call, Outlet, Reply, Results};

use super::abort::AbortOnDrop;
use super::back_off::BackOff;
use super::description::{Concurrency, Route};
use super::policy::{InstancePolicy, Sharing};
use super::queue::{Place, Queue, Refused, Ticket};
use crate::bounds::CALLERS_CHECK;
use crate::error::{CallError, CallErrorKind};
use crate::instance::{Alive, Finish, Instance, JobError, Loss, Pending, StartFailure};
use crate::setup::Setup;

/// The replicas of an executor.
pub(super) struct Pool {
    replicas: Vec<Replica>,
    queue: Arc<Queue>,
    policy: InstancePolicy,
    /// Calls that somebody waits for.
    callers: AtomicUsize,
}

impl Pool {
    /// Starts one instance of every replica.
    pub(super) async fn start(
        setups: Vec<Setup>,
        policy: InstancePolicy,
    ) -> Result<Self, StartFailure> {
        let queue = Queue::new(setups.len(), policy.concurrency.get(), policy.queue);
        let replicas: Vec<_> = setups
            .into_iter()
            .enumerate()
            .map(|(index, setup)| Replica::new(index, setup, policy, queue.clone()))
            .collect();
        futures::future::try_join_all(replicas.iter().map(Replica::instance)).await?;
        Ok(Pool {
            replicas,
            queue,
            policy,
            callers: AtomicUsize::new(0),
        })
    }

    /// Calls the replica with the fewest calls in flight. If another call ends the instance,
    /// and this one may be called `again`, it is: at last alone, so that no other can take it
    /// along.
    pub(super) async fn call(
        &self,
        route: &Route,
        call: &Call,
        outlet: Option<&Outlet>,
        again: bool,
    ) -> Result<Reply, Unplaced> {
        let _caller = Caller::of(&self.callers);
        let mut concurrency = match self.policy.sharing {
            Sharing::Replica { .. } => route.concurrency,
            // There is nobody else in its instance anyway.
            Sharing::Request => Concurrency::Concurrent,
        };
        let mut ticket = Ticket::default();
        let mut lost = 0;
        // Once beside others: the one that trapped is not among them. Then alone.
        let mut again = match again && concurrency == Concurrency::Concurrent {
            true => 2,
            false => 0,
        };
        loop {
            let place = self.queue.place(concurrency, &mut ticket).await;
            let place = place.map_err(|refused| match refused {
                Refused::Closed => CallErrorKind::Stopped,
                Refused::Full { after } => CallErrorKind::QueueFull {
                    limit: self.policy.queue,
                    after,
                },
            })?;
            let Some(replica) = self.replicas.get(place.replica()) else {
                // The queue knows as many replicas as there are.
                return Err(CallErrorKind::Stopped.into());
            };
            let reason = match replica.call(route, call, outlet, place).await {
                Ok(Attempt::Answered(reply)) => return Ok(reply),
                Ok(Attempt::NotEntered) => continue,
                Ok(Attempt::Lost(reason)) => reason,
                Err(Unplaced {
                    kind: CallErrorKind::Lost { .. },
                    ..
                }) if again > 0 => {
                    again -= 1;
                    if again == 0 && matches!(self.policy.sharing, Sharing::Replica { .. }) {
                        concurrency = Concurrency::Exclusive;
                    }
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            // Try the next instance, but give up after `max_lost` that ended on their own.
            lost += 1;
            if lost == self.policy.max_lost.get() {
                let instances = lost;
                return Err(CallErrorKind::CrashLooping { instances, reason }.into());
            }
        }
    }

    /// Waits until nobody waits for a call.
    async fn left(&self) {
        while self.callers.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(CALLERS_CHECK).await;
        }
    }

    /// Ends every replica after its calls in flight. Calls that wait are refused.
    pub(super) async fn stop(&self) {
        self.queue.close();
        // Those in flight keep their places until the guest is done with them, and their
        // timeouts see to it that it is. What nobody waits for is not waited for here either.
        tokio::select! {
            () = self.queue.emptied() => {}
            () = self.left() => {}
        }
        futures::future::join_all(self.replicas.iter().map(Replica::stop)).await;
    }
}

/// Somebody who waits for a call, for as long as it lives.
struct Caller<'a>(&'a AtomicUsize);

impl Caller<'_> {
    fn of(callers: &AtomicUsize) -> Caller<'_> {
        callers.fetch_add(1, Ordering::SeqCst);
        Caller(callers)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Why a call failed, without the executor and the endpoint yet: those are added by
/// [`Unplaced::at`].
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
    index: usize,
    setup: Arc<Setup>,
    policy: InstancePolicy,
    queue: Arc<Queue>,
    current: RwLock<Current>,
    /// None if every call has an instance of its own.
    back_off: Option<Arc<BackOff>>,
    /// Each instance watches it for as long as anything of it is left.
    instances: watch::Sender<()>,
    /// Instances of single calls that may be there at once. Those that end count, too: their
    /// calls have given their places back already, and a `stop` may take its time.
    of_one_call: Arc<Semaphore>,
}

/// How many instances of single calls may be there at once, if so many may work.
fn of_one_call(concurrency: NonZeroU32) -> usize {
    let working = concurrency.get() as usize;
    working + (working / 4).max(1)
}

/// What came of an attempt to have a call answered.
enum Attempt {
    Answered(Reply),
    /// The instance was retired before the method was entered.
    NotEntered,
    /// It ended on its own before that, and why.
    Lost(String),
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

impl Replica {
    fn new(index: usize, setup: Setup, policy: InstancePolicy, queue: Arc<Queue>) -> Self {
        Replica {
            index,
            setup: Arc::new(setup),
            back_off: match policy.sharing {
                Sharing::Replica { restarts } => Some(Arc::new(BackOff::new(restarts))),
                Sharing::Request => None,
            },
            of_one_call: Arc::new(Semaphore::new(of_one_call(policy.concurrency))),
            policy,
            queue,
            current: RwLock::default(),
            instances: watch::Sender::new(()),
        }
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_mut(&self) -> RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance that takes calls; a new one if the last has ended.
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
                    // Closed if its task ended without an outcome.
                    None => starting.outcome.has_changed().is_ok(),
                    Some(Ok(instance)) => instance.is_open(),
                    // A stale failure: its waiters are gone, so start again.
                    Some(Err(_)) => false,
                };
                if of_use {
                    return Err(starting.outcome.clone());
                }
            }
            Current::Running(_) | Current::None => {}
        }
        let (sender, outcome) = watch::channel(None);
        let setup = self.setup.clone();
        let alive = Alive::new(self.instances.subscribe(), None);
        let back_off = self.back_off.clone();
        let generation = self.queue.claim(self.index);
        let task = tokio::spawn(async move {
            if let Some(back_off) = &back_off {
                back_off.wait().await;
            }
            let started = Instance::start(setup, Some(generation), alive).await;
            if let (Err(_), Some(back_off)) = (&started, &back_off) {
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

    /// Has a call answered by this replica's instance, or by one of its own.
    async fn call(
        &self,
        route: &Route,
        call: &Call,
        outlet: Option<&Outlet>,
        place: Place,
    ) -> Result<Attempt, Unplaced> {
        let unavailable = |failure: StartFailure| CallErrorKind::Unavailable {
            reason: failure.to_string(),
        };
        let instance = match self.policy.sharing {
            Sharing::Replica { .. } => {
                let instance = self.instance().await.map_err(unavailable)?;
                // The place may be one on the instance before this one.
                if instance.is_open() && !instance.is_at(&place) {
                    return Ok(Attempt::NotEntered);
                }
                instance
            }
            Sharing::Request => {
                // It is never closed, so there is a permit.
                let permit = self.of_one_call.clone().acquire_owned().await.ok();
                let alive = Alive::new(self.instances.subscribe(), permit);
                Instance::start(self.setup.clone(), None, alive)
                    .await
                    .map_err(unavailable)?
            }
        };
        let answer = self
            .call_instance(&instance, route, call, outlet, place)
            .await;
        if matches!(self.policy.sharing, Sharing::Request) {
            instance.close();
        }
        if let Some(answer) = answer {
            return answer.map(Attempt::Answered);
        }
        Ok(match instance.lost().await {
            Loss::Own(reason) => {
                self.count_failure(&instance);
                Attempt::Lost(reason)
            }
            // Each of these has ended at least one other call, so that comes to an end.
            Loss::OfCall => {
                self.count_failure(&instance);
                Attempt::NotEntered
            }
            Loss::Ended => Attempt::NotEntered,
        })
    }

    /// Counts the failure of an instance once.
    fn count_failure(&self, instance: &Instance) {
        if let Some(back_off) = &self.back_off
            && instance.count_once()
        {
            back_off.failed();
        }
    }

    fn recovered(&self) {
        if let Some(back_off) = &self.back_off {
            back_off.recovered();
        }
    }

    /// None if the instance was retired before the method was entered.
    async fn call_instance(
        &self,
        instance: &Arc<Instance>,
        route: &Route,
        call: &Call,
        outlet: Option<&Outlet>,
        place: Place,
    ) -> Option<Result<Reply, Unplaced>> {
        let limit = self.policy.timeout;
        let pending = Pending::submit(instance, route, call, outlet, limit, place);
        Some(match pending.finish().await {
            Finish::Reply(Ok(outcome)) => {
                self.recovered();
                let results = outcome.results.map(|values| Results {
                    origin: ReplyOrigin::replica(self.index as u32),
                    values,
                });
                Ok(Reply {
                    docs: outcome.docs,
                    results: results.into_iter().collect(),
                })
            }
            Finish::Reply(Err(JobError::NotEntered)) => return None,
            Finish::Reply(Err(JobError::Failed {
                name,
                message,
                trace,
                details,
            })) => {
                self.recovered();
                Err(Unplaced {
                    kind: CallErrorKind::Failed {
                        name,
                        message,
                        details,
                    },
                    trace,
                })
            }
            Finish::Reply(Err(JobError::BadReply(reason))) => {
                Err(CallErrorKind::BadReply { reason }.into())
            }
            Finish::TimedOut => {
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
                let reason = || {
                    format!(
                        "the instance took no call for {limit:?}, because the executor computes or \
                         blocks outside of any call"
                    )
                };
                instance.retire(reason);
                Err(CallErrorKind::Lost { reason: reason() }.into())
            }
            Finish::Trapped { kind, trace } => {
                self.count_failure(instance);
                Err(Unplaced { kind, trace })
            }
            Finish::LostToTrap { reason, trace } => {
                self.count_failure(instance);
                let kind = CallErrorKind::Lost { reason };
                Err(Unplaced { kind, trace })
            }
            Finish::Aborted(reason) => Err(CallErrorKind::Lost { reason }.into()),
        })
    }

    /// Ends the instance. The queue has to be closed.
    async fn stop(&self) {
        let current = std::mem::take(&mut *self.current_mut());
        if let Current::Running(instance) = &current {
            instance.close();
        }
        drop(current);
        // Those of single requests, too: each guest's `stop` is called.
        self.instances.closed().await;
    }
}
