//! What an instance's task and its callers know of each other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::queue::Generation;
use crate::trap::Trap;

/// Shared by an instance's task and its callers.
pub(super) struct Signals {
    /// Takes no more calls.
    pub(super) retired: CancellationToken,
    /// Why it was retired, if a call overran.
    pub(super) reason: OnceLock<String>,
    /// Moves on whenever the instance's task looks at `poke`.
    pub(super) heartbeat: AtomicU64,
    pub(super) poke: Notify,
    /// Callers that wait for a call in flight.
    pub(super) waiting: AtomicUsize,
    /// Calls of theirs that the guest has.
    pub(super) served: AtomicUsize,
    /// Whether its end was counted as a failure: many calls may learn of one.
    pub(super) counted: AtomicBool,
    /// None if it has but one call, and so is not a replica's.
    pub(super) generation: Option<Generation>,
}

impl Signals {
    pub(super) fn new(generation: Option<Generation>) -> Self {
        Signals {
            retired: CancellationToken::new(),
            reason: OnceLock::new(),
            heartbeat: AtomicU64::new(0),
            poke: Notify::new(),
            waiting: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            counted: AtomicBool::new(false),
            generation,
        }
    }

    /// No more calls. The queue learns of it last: a call that it places then has
    /// to find another instance.
    pub(super) fn retire(&self) {
        self.retired.cancel();
        if let Some(generation) = &self.generation {
            generation.end();
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

/// What is said of [`End::Broken`].
pub(super) const BROKEN: &str = "wasm-flow itself failed while it ran the instance; that is a \
                                 bug, and what it wrote to its standard error says where";

/// Dropped when nothing of an instance is left.
pub(crate) struct Alive {
    _watched: watch::Receiver<()>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Alive {
    /// Who watches learns of its end, and it gives its permit back.
    pub(crate) fn new(watched: watch::Receiver<()>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Alive {
            _watched: watched,
            _permit: permit,
        }
    }
}

/// Says how an instance ended, whichever way its task does: held by the task,
/// so that a task that is aborted or panics says so too.
pub(super) struct EndGuard {
    pub(super) signals: Arc<Signals>,
    ended: watch::Sender<Option<Arc<End>>>,
    how: Option<End>,
    /// Dropped last: then nothing of the instance is left.
    _alive: Alive,
}

impl EndGuard {
    pub(super) fn new(
        signals: Arc<Signals>,
        ended: watch::Sender<Option<Arc<End>>>,
        alive: Alive,
    ) -> Self {
        EndGuard {
            signals,
            ended,
            how: None,
            _alive: alive,
        }
    }

    /// The task came to its own end.
    pub(super) fn finish(mut self, end: End) {
        self.how = Some(end);
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let end = self.how.take().unwrap_or(match std::thread::panicking() {
            true => End::Broken,
            false => End::Aborted,
        });
        self.signals.retire();
        self.ended.send_replace(Some(Arc::new(end)));
    }
}
