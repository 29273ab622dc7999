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

mod failure;
mod job;
mod pending;
mod signals;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tracing::warn;

pub use failure::StartFailure;
use job::Job;
pub(crate) use job::JobError;
pub(crate) use pending::{Finish, Pending};
pub(crate) use signals::Alive;
use signals::{BROKEN, End, EndGuard, Signals};

use super::setup::Setup;
use crate::abort::AbortOnDrop;
use crate::bounds::LEFT_CHECK;
use crate::queue::{Generation, Place};

/// Why an instance takes no more calls.
pub(crate) enum Loss {
    /// It was stopped, or a call overran.
    Ended,
    /// A call that was in flight ended it.
    OfCall,
    /// It ended on its own, and why.
    Own(String),
}

/// A running instance.
pub(crate) struct Instance {
    setup: Arc<Setup>,
    jobs: mpsc::UnboundedSender<Job>,
    next_call: AtomicU64,
    signals: Arc<Signals>,
    ended: watch::Receiver<Option<Arc<End>>>,
    task: AbortHandle,
    /// Callers may drop what they hold on any thread.
    runtime: Handle,
    /// Whether somebody sees to it that it ends.
    closed: AtomicBool,
}

impl Instance {
    /// Makes an instance and starts the executor in it. A replica's instance has a
    /// `generation` in the queue, which ends with it.
    pub(crate) async fn start(
        setup: Arc<Setup>,
        generation: Option<Generation>,
        alive: Alive,
    ) -> Result<Arc<Instance>, StartFailure> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (started, start) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let signals = Arc::new(Signals::new(generation));
        let limit = setup.policy.timeout;
        let guard = EndGuard::new(signals.clone(), end, alive);
        let task = tokio::spawn({
            let setup = setup.clone();
            async move {
                let end = task::run(&setup, inbox, started, &guard.signals).await;
                guard.finish(end);
            }
        })
        .abort_handle();
        // Whoever waits for its start may go away.
        let abort = AbortOnDrop::new(task.clone());
        match tokio::time::timeout(limit, start).await {
            Ok(Ok(Ok(()))) => abort.disarm(),
            Ok(Ok(Err(failure))) => return Err(failure),
            // The task sends before it ends.
            Ok(Err(_)) => return Err(StartFailure::Broken),
            Err(_) => return Err(StartFailure::TimedOut(limit)),
        }
        Ok(Arc::new(Instance {
            setup,
            jobs,
            next_call: AtomicU64::new(0),
            signals,
            ended,
            task,
            runtime: Handle::current(),
            closed: AtomicBool::new(false),
        }))
    }

    /// Whether it takes calls.
    pub(crate) fn is_open(&self) -> bool {
        !self.signals.retired.is_cancelled()
    }

    /// Whether it is there for one call alone.
    fn is_of_one_call(&self) -> bool {
        self.signals.generation.is_none()
    }

    /// Completes when nobody waits for a call of it, and it does not answer either. Never for
    /// one that keeps state: a client could take that from others by leaving.
    async fn is_busy_for_nobody(&self) {
        if !self.setup.component.keeps_nothing() {
            std::future::pending::<()>().await;
        }
        let signals = &self.signals;
        // Those that wait to be let in go to another instance.
        let idle = || signals.served.load(Ordering::SeqCst) == 0;
        loop {
            tokio::time::sleep(LEFT_CHECK).await;
            let before = signals.heartbeat.load(Ordering::Relaxed);
            signals.poke.notify_one();
            tokio::time::sleep(self.setup.policy.answer_within).await;
            if idle() && signals.heartbeat.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Whether a place in the queue is one on this instance.
    pub(crate) fn is_at(&self, place: &Place) -> bool {
        let generation = self.signals.generation.as_ref();
        generation.is_none_or(|generation| place.is_on(generation))
    }

    /// Takes no more calls, and ends when nobody waits for those in flight; at
    /// once when it does not answer.
    pub(crate) fn retire(self: &Arc<Self>, reason: impl FnOnce() -> String) {
        self.signals.reason.get_or_init(reason);
        let before = self.signals.heartbeat.load(Ordering::Relaxed);
        self.close();
        let instance = self.clone();
        let answer_within = self.setup.policy.answer_within;
        self.runtime.spawn(async move {
            tokio::time::sleep(answer_within).await;
            if instance.signals.heartbeat.load(Ordering::Relaxed) == before {
                instance.task.abort();
            }
        });
    }

    /// Whether its end is still to be counted as a failure: true once, however
    /// many calls it had in flight.
    pub(crate) fn count_once(&self) -> bool {
        !self.signals.counted.swap(true, Ordering::Relaxed)
    }

    /// Takes no more calls, and ends after those in flight that somebody waits
    /// for. The guest's `stop` is called, but need not come back: nothing inside
    /// the store can bound that, and a guest may also go on outside of any call.
    pub(crate) fn close(&self) {
        self.signals.retire();
        self.signals.poke.notify_one();
        let first = !self.closed.swap(true, Ordering::Relaxed);
        if !first || self.ended.borrow().is_some() {
            return;
        }
        let setup = self.setup.clone();
        let stop_within = setup.policy.stop_within;
        let signals = self.signals.clone();
        let task = self.task.clone();
        let mut ended = self.ended.clone();
        self.runtime.spawn(async move {
            loop {
                // While somebody waits, it is the calls' timeouts that bound it.
                let idle = signals.waiting.load(Ordering::SeqCst) == 0;
                let end = ended.wait_for(Option::is_some);
                if tokio::time::timeout(stop_within, end).await.is_ok() {
                    break;
                }
                if idle {
                    let printer = &setup.printer;
                    warn!(
                        executor = &*printer.executor,
                        replica = printer.replica,
                        instance = printer.instance(),
                        "the instance did not stop within {stop_within:?}, and was ended"
                    );
                    task.abort();
                    break;
                }
            }
        });
    }

    /// Waits until it takes no more calls, and says why.
    pub(crate) async fn lost(&self) -> Loss {
        self.signals.retired.cancelled().await;
        if self.signals.reason.get().is_some() {
            return Loss::Ended;
        }
        match self.end().await.as_deref() {
            Some(End::Trapped(trap)) if trap.is_idle() => Loss::Own(trap.reason_for_others()),
            Some(End::Trapped(_)) => Loss::OfCall,
            Some(End::Broken) => Loss::Own(BROKEN.to_owned()),
            Some(End::Stopped | End::Aborted) | None => Loss::Ended,
        }
    }

    /// How it ended. There is an answer: the task gives one however it ends.
    async fn end(&self) -> Option<Arc<End>> {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok()?;
        end.clone()
    }

    fn reason(&self) -> String {
        self.signals
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
