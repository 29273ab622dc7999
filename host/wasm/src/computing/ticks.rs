//! The time, as coarse as the engine's epochs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time since the engine was made, as of its last epoch. Reading it is a load.
#[derive(Debug)]
pub(crate) struct Ticks {
    began: Instant,
    nanos: AtomicU64,
}

impl Ticks {
    pub(crate) fn new() -> Self {
        Ticks {
            began: Instant::now(),
            nanos: AtomicU64::new(0),
        }
    }

    /// Moves it on. For the thread that moves the epoch on.
    pub(crate) fn tick(&self) {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(now, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}
