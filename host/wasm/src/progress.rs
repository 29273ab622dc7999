//! How far a call has come, for the instance that runs it, the guest's handle to the
//! request and the caller who keeps its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value};
use wasm_flow_document::DocumentArray;

/// One call's.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// When the guest got the call.
    entered: OnceLock<Instant>,
    /// Whether the caller has gone.
    abandoned: AtomicBool,
    answer: Mutex<Answer>,
}

/// What a method has answered so far. It counts once the method returns without a
/// failure.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The documents that go on instead of the request's.
    pub(super) docs: Option<DocumentArray>,
    pub(super) results: Option<Map<String, Value>>,
}

impl Progress {
    /// The guest has the call, from now on.
    pub(super) fn enter(&self) -> Instant {
        *self.entered.get_or_init(Instant::now)
    }

    /// When the guest got the call.
    pub(super) fn entered(&self) -> Option<Instant> {
        self.entered.get().copied()
    }

    /// Nobody waits for the answer any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether nobody waits for the answer.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    pub(super) fn answer(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
