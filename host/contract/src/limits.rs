//! How much one replica of an executor may use.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use crate::bounds;

/// What one replica of an executor may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Also of the values that one call of the host gives
    /// to the executor, and of those that it takes from it, but then no less than
    /// 128 MiB.
    pub memory: u64,
    /// Calls in flight; more wait in the executor's queue.
    pub concurrency: NonZeroU32,
    /// Calls that may wait in that queue, which all replicas share. One more is refused.
    pub queue: u32,
    /// Bytes of the documents of one reply that the method made or changed. What it
    /// returns as it came is not counted.
    pub reply: NonZeroU64,
    /// How long one call may compute; its waits do not count. None: as long as its timeout.
    pub cpu: Option<Duration>,
    /// How long an instance may compute outside of its calls, in any ten seconds: what a
    /// call leaves behind when it returns.
    pub background: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: bounds::DEFAULT_MEMORY,
            concurrency: bounds::DEFAULT_CONCURRENCY,
            queue: bounds::DEFAULT_QUEUE,
            reply: bounds::DEFAULT_REPLY,
            cpu: None,
            background: bounds::DEFAULT_BACKGROUND,
        }
    }
}
