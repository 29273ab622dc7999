//! How long to wait before something that failed is tried again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A back-off's course: so many tries are free, then the pauses double from the
/// first to the last, each longer at random by up to `jitter` percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    free: u32,
    first: Duration,
    last: Duration,
    jitter: u32,
}

impl Schedule {
    /// None if it would not be a back-off: a first pause of nothing, a last one
    /// shorter than the first, or a jitter of more than 100 percent.
    pub(super) const fn new(
        free: u32,
        first: Duration,
        last: Duration,
        jitter: u32,
    ) -> Option<Self> {
        if first.is_zero() || last.as_nanos() < first.as_nanos() || jitter > 100 {
            return None;
        }
        Some(Schedule {
            free,
            first,
            last,
            jitter,
        })
    }

    /// The pause after so many failures in a row; `random` says how much of the
    /// jitter is added.
    fn pause(&self, failures: u32, random: u32) -> Option<Duration> {
        let more = failures.checked_sub(self.free)?;
        let pause = self.first.saturating_mul(1 << more.min(30)).min(self.last);
        let jitter = f64::from(self.jitter) / 100.0 * f64::from(random) / f64::from(u32::MAX);
        Some(pause.saturating_add(pause.mul_f64(jitter)))
    }
}

/// Keeps what fails again and again from being tried all the time.
#[derive(Debug)]
pub(super) struct BackOff {
    schedule: Schedule,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    last: Option<Instant>,
}

impl BackOff {
    pub(super) fn new(schedule: Schedule) -> Self {
        BackOff {
            schedule,
            state: Mutex::default(),
        }
    }

    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.last = Some(Instant::now());
    }

    pub(super) fn recovered(&self) {
        self.lock().failures = 0;
    }

    /// Until the next try.
    pub(super) async fn wait(&self) {
        let until = {
            let state = self.lock();
            let pause = self.schedule.pause(state.failures, fastrand::u32(..));
            state
                .last
                .zip(pause)
                .and_then(|(last, pause)| last.checked_add(pause))
        };
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_last_and_vary_within_the_jitter() {
        let schedule = Schedule::new(2, 50 * MS, 300 * MS, 20).unwrap();
        let pauses = |random| [0, 1, 2, 3, 4, 5, 99].map(|n| schedule.pause(n, random));
        let plain = [50, 100, 200, 300, 300].map(|n| Some(n * MS));
        assert_eq!(pauses(0)[..2], [None, None]);
        assert_eq!(pauses(0)[2..], plain);
        assert_eq!(pauses(u32::MAX)[2], Some(60 * MS));
        assert_eq!(pauses(u32::MAX)[6], Some(360 * MS));
    }

    #[test]
    fn what_is_not_a_back_off_cannot_be_made() {
        assert_eq!(Schedule::new(0, Duration::ZERO, MS, 0), None);
        assert_eq!(Schedule::new(0, 2 * MS, MS, 0), None);
        assert_eq!(Schedule::new(0, MS, MS, 101), None);
        assert!(Schedule::new(0, MS, MS, 100).is_some());
    }

    #[tokio::test]
    async fn a_success_ends_the_waiting() {
        let back_off = BackOff::new(Schedule::new(1, 50 * MS, 300 * MS, 0).unwrap());
        let waited = async || {
            let before = Instant::now();
            back_off.wait().await;
            before.elapsed()
        };
        assert!(waited().await < 25 * MS);
        back_off.failed();
        back_off.failed();
        assert!(waited().await > 75 * MS);
        back_off.recovered();
        assert!(waited().await < 25 * MS);
    }
}
