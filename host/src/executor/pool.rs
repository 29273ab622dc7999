//! Replicas: each keeps one instance alive and queues calls for it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::call::{Call, CallError, CallErrorKind, Reply};
use super::config::{ExecutorConfig, Isolation};
use super::description::Route;
use super::wasm::{Finish, Instance, JobError, Setup, StartFailure};

/// An instance that traps again and again is started again ever later.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);
/// Traps in a row that are followed at once by a new instance.
const FREE_RESTARTS: u32 = 3;

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
    pub(super) async fn call(&self, route: &Route, call: &Call) -> Result<Reply, Failure> {
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
pub(super) struct Failure {
    pub(super) kind: CallErrorKind,
    pub(super) trace: Vec<String>,
}

impl From<CallErrorKind> for Failure {
    fn from(kind: CallErrorKind) -> Self {
        Failure {
            kind,
            trace: Vec::new(),
        }
    }
}

impl Failure {
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
    current: RwLock<Option<Arc<Instance>>>,
    /// Held by the one who starts an instance.
    starting: Mutex<()>,
    /// Traps since the last call that came back.
    traps: AtomicU32,
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
            starting: Mutex::default(),
            traps: AtomicU32::new(0),
        }
    }

    fn open(&self) -> Option<Arc<Instance>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|instance| instance.is_open())
            .cloned()
    }

    /// The instance that takes calls; a new one where the last has ended.
    async fn instance(&self) -> Result<Arc<Instance>, StartFailure> {
        if let Some(instance) = self.open() {
            return Ok(instance);
        }
        let _starting = self.starting.lock().await;
        if let Some(instance) = self.open() {
            return Ok(instance);
        }
        let traps = self.traps.load(Ordering::Relaxed);
        if let Some(more) = traps.checked_sub(FREE_RESTARTS) {
            let wait = FIRST_BACK_OFF.saturating_mul(1 << more.min(16));
            tokio::time::sleep(wait.min(LAST_BACK_OFF)).await;
        }
        let started = Instance::start(self.setup.clone()).await;
        if started.is_err() {
            self.traps.fetch_add(1, Ordering::Relaxed);
        }
        let instance = started?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(instance.clone());
        Ok(instance)
    }

    async fn call(&self, route: &Route, call: &Call) -> Result<Reply, Failure> {
        loop {
            let slot = self.slots.clone().acquire_owned().await;
            let slot = slot.map_err(|_| CallErrorKind::Stopped)?;
            let instance = match self.isolation {
                Isolation::Shared => self.instance().await,
                Isolation::Request => Instance::start(self.setup.clone()).await,
            };
            let instance = instance.map_err(|failure| CallErrorKind::Unavailable {
                reason: failure.to_string(),
            })?;
            let answer = self.call_instance(&instance, route, call, slot).await;
            if self.isolation == Isolation::Request {
                tokio::spawn(async move { instance.stop().await });
            }
            match answer {
                Some(answer) => return answer,
                // Retired while this call waited for it: to the next instance.
                None => continue,
            }
        }
    }

    /// None when the instance was retired before the method was entered.
    async fn call_instance(
        &self,
        instance: &Arc<Instance>,
        route: &Route,
        call: &Call,
        slot: OwnedSemaphorePermit,
    ) -> Option<Result<Reply, Failure>> {
        let gate = instance.gate(route.concurrency).await?;
        let pending = instance.submit(route.method.clone(), call, self.timeout, gate, slot);
        Some(match pending.finish().await {
            Finish::Reply(Ok(outcome)) => {
                self.traps.store(0, Ordering::Relaxed);
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
                self.traps.store(0, Ordering::Relaxed);
                Err(Failure {
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
            Finish::Trapped { trap, mine } => {
                if instance.first_to_tell() {
                    self.traps.fetch_add(1, Ordering::Relaxed);
                }
                Err(Failure {
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
        drop(self.slots.acquire_many(self.concurrency).await);
        self.slots.close();
        let current = self
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(instance) = current {
            instance.stop().await;
        }
    }
}
