//! How far a call has come, for the instance that runs it, the guest's handle to the
//! request and the caller who keeps its time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

/// An instance's call, counted from 0.
pub(super) type CallId = u64;

/// One call's.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When the guest got the call.
    entered: OnceLock<Instant>,
    /// Whether the caller has gone.
    abandoned: AtomicBool,
    /// Whether it is counted among the calls that the guest has and somebody waits for.
    is_served: AtomicBool,
    answer: Mutex<Answer>,
    waits: Mutex<Waits>,
}

/// The time that a method has waited for its documents to be taken, which is the
/// client's and not its own.
#[derive(Debug, Default)]
struct Waits {
    /// Sends that are under way now.
    now: usize,
    /// What their documents take together.
    bytes: u64,
    /// Since when any of them do.
    since: Option<Instant>,
    before: Duration,
}

/// What a method has answered so far. It counts once the method returns without a
/// failure.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The documents that go on instead of the request's.
    pub(super) docs: Option<DocumentArray>,
    pub(super) results: Option<Map<String, Value>>,
    /// Documents that were sent and are kept.
    pub(super) sent: Option<Sent>,
}

/// Documents that a method sent while it ran, for a client that takes no stream.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) docs: Vec<DocumentArray>,
    pub(super) bytes: u64,
    /// How many documents they are, chunks and matches included.
    pub(super) total: u64,
}

impl Progress {
    /// The guest has the call, from now on. It is counted in `served` until the guest is done
    /// with it, or nobody waits for it any more.
    pub(super) fn enter(&self, served: &AtomicUsize) -> Instant {
        if !self.is_served.swap(true, Ordering::SeqCst) {
            served.fetch_add(1, Ordering::SeqCst);
        }
        // Whoever waited may have gone meanwhile.
        if self.is_abandoned() {
            self.leave(served);
        }
        *self.entered.get_or_init(Instant::now)
    }

    /// The guest is done with the call.
    pub(super) fn leave(&self, served: &AtomicUsize) {
        if self.is_served.swap(false, Ordering::SeqCst) {
            served.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// When the guest got the call.
    pub(super) fn entered(&self) -> Option<Instant> {
        self.entered.get().copied()
    }

    /// Nobody waits for the answer any more.
    pub(super) fn abandon(&self, served: &AtomicUsize) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.leave(served);
    }

    /// Whether nobody waits for the answer.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Documents of so many bytes wait to be taken, for as long as this value lives.
    pub(super) fn wait(self: &Arc<Self>, bytes: u64) -> Waiting {
        let mut waits = self.waits();
        waits.now = waits.now.saturating_add(1);
        waits.bytes = waits.bytes.saturating_add(bytes);
        waits.since.get_or_insert_with(Instant::now);
        let progress = Arc::clone(self);
        Waiting { progress, bytes }
    }

    /// How many sends are under way, and the bytes of their documents together.
    pub(super) fn under_way(&self) -> (usize, u64) {
        let waits = self.waits();
        (waits.now, waits.bytes)
    }

    /// How long the call has waited for its documents to be taken.
    pub(super) fn waited(&self) -> Duration {
        let waits = self.waits();
        let now = waits.since.map_or(Duration::ZERO, |since| since.elapsed());
        waits.before.saturating_add(now)
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answer(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Progress::wait`].
pub(super) struct Waiting {
    progress: Arc<Progress>,
    bytes: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.progress.waits();
        waits.now = waits.now.saturating_sub(1);
        waits.bytes = waits.bytes.saturating_sub(self.bytes);
        if waits.now == 0
            && let Some(since) = waits.since.take()
        {
            waits.before = waits.before.saturating_add(since.elapsed());
        }
    }
}
