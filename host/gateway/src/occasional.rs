//! What is worth a line in the log now and then, and not each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Says whether something that happens often is to be logged this time.
#[derive(Debug)]
pub(super) struct Occasional {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl Occasional {
    /// The first time, and then no more often than `every`.
    pub(super) fn new(every: Duration) -> Occasional {
        Occasional {
            every,
            last: Mutex::new(None),
        }
    }

    pub(super) fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= self.every);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_while() {
        let rarely = Occasional::new(Duration::from_secs(3600));
        assert!(rarely.is_due());
        for _ in 0..100 {
            assert!(!rarely.is_due());
        }
        let often = Occasional::new(Duration::from_millis(10));
        assert!(often.is_due());
        std::thread::sleep(Duration::from_millis(20));
        assert!(often.is_due());
    }
}
