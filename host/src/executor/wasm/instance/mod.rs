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
mod reply;
mod signals;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{RwLock, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

pub use failure::StartFailure;
pub(crate) use job::JobError;
use job::{Gate, Job};
pub(crate) use pending::{Finish, Pending};
use signals::{BROKEN, End, EndGuard, Signals};

use super::super::abort::AbortOnDrop;
use super::super::description::Concurrency;
use super::setup::Setup;

/// How long a retired instance may take to show that it still answers.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// How long an instance that nobody waits for may take to end, which is how long
/// the guest's `stop` may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running instance.
pub(crate) struct Instance {
    setup: Arc<Setup>,
    jobs: mpsc::UnboundedSender<Job>,
    gate: Arc<RwLock<()>>,
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
    /// Makes an instance and starts the executor in it. `alive` is dropped when
    /// nothing of it is left.
    pub(crate) async fn start(
        setup: Arc<Setup>,
        alive: watch::Receiver<()>,
    ) -> Result<Arc<Instance>, StartFailure> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (started, start) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let signals = Arc::new(Signals::default());
        let limit = setup.config.timeout;
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
            gate: Arc::default(),
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
            () = self.signals.retired.cancelled() => None,
            pass = pass => Some(pass),
        }
    }

    /// Takes no more calls, and ends when nobody waits for those in flight; at
    /// once when it does not answer.
    pub(crate) fn retire(self: &Arc<Self>, reason: impl FnOnce() -> String) {
        self.signals.reason.get_or_init(reason);
        let before = self.signals.heartbeat.load(Ordering::Relaxed);
        self.close();
        let instance = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(ANSWER_WITHIN).await;
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
        self.signals.retired.cancel();
        self.signals.poke.notify_one();
        let first = !self.closed.swap(true, Ordering::Relaxed);
        if !first || self.ended.borrow().is_some() {
            return;
        }
        let setup = self.setup.clone();
        let signals = self.signals.clone();
        let task = self.task.clone();
        let mut ended = self.ended.clone();
        self.runtime.spawn(async move {
            loop {
                // While somebody waits, it is the calls' timeouts that bound it.
                let idle = signals.waiting.load(Ordering::SeqCst) == 0;
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
        self.signals.retired.cancelled().await;
        if self.signals.reason.get().is_some() {
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
