//! How far a stream of requests has come.

use std::time::{Duration, Instant};

/// How far a stream of requests has come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Progress {
    /// Requests that were sent until now.
    pub sent: u64,
    /// The documents in them, those nested in others not counted.
    pub documents_sent: u64,
    /// Requests that are answered, those that failed included.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Documents that came back.
    pub documents: u64,
    /// When the stream began.
    begun: Instant,
}

impl Progress {
    pub(super) fn begin() -> Progress {
        Progress {
            sent: 0,
            documents_sent: 0,
            answered: 0,
            failed: 0,
            documents: 0,
            begun: Instant::now(),
        }
    }

    /// How long ago the stream began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}
