//! The time of guests, as coarse as the engine's epochs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bounds::EPOCH;

/// The time since the engine was made, as of its last epoch. Reading it is a load.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    nanos: AtomicU64,
}

impl Ticks {
    pub(crate) fn new() -> Self {
        Ticks::default()
    }

    /// An epoch has passed, and so much time. If it is much more than an epoch, the process
    /// stood still, and the guests with it: that is nobody's computing.
    pub(crate) fn tick(&self, passed: Duration) {
        self.pass(passed.min(2 * EPOCH));
    }

    /// Moves the time on.
    pub(super) fn pass(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}
