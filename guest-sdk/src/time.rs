//! Timers that let other calls run while they wait.
//!
//! ```
//! use wasm_flow_sdk::time::{Duration, Instant, sleep};
//! # wasm_flow_sdk::testing::block_on(async {
//! let start = Instant::now();
//! wasm_flow_sdk::future::join!(sleep(Duration::from_millis(20)), sleep(Duration::from_millis(20)));
//! assert!(start.elapsed() < Duration::from_millis(40));
//! # });
//! ```
//!
//! `std::thread::sleep` waits as well, but no other call of the instance can run
//! in the meantime.

use std::fmt;
use std::pin::pin;
pub use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};

/// Completes after this long.
pub async fn sleep(duration: Duration) {
    platform::sleep(duration).await;
}

/// The future's output. If it takes longer than `limit`, the future is dropped.
///
/// # Errors
/// If it takes longer than `limit`.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
    match select(pin!(future), pin!(sleep(limit))).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(TimedOut { limit }),
    }
}

/// The error of [`timeout`]: the future took too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut {
    limit: Duration,
}

impl TimedOut {
    /// How long [`timeout`] waited.
    pub fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not finished within {:?}", self.limit)
    }
}

impl std::error::Error for TimedOut {}

#[cfg(target_family = "wasm")]
mod platform {
    use std::time::Duration;

    pub(super) async fn sleep(duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        wasip3::clocks::monotonic_clock::wait_for(nanoseconds).await;
    }
}

/// One thread wakes all sleepers when their time has come.
#[cfg(not(target_family = "wasm"))]
mod platform {
    use std::collections::BTreeMap;
    use std::pin::Pin;
    use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};

    type Sleepers = BTreeMap<(Instant, u64), Waker>;

    #[derive(Default)]
    struct Timer {
        sleepers: Mutex<Sleepers>,
        changed: Condvar,
    }

    static TIMER: LazyLock<Timer> = LazyLock::new(|| {
        std::thread::spawn(|| TIMER.run());
        Timer::default()
    });

    impl Timer {
        fn lock(&self) -> MutexGuard<'_, Sleepers> {
            self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn run(&self) {
            let mut sleepers = self.lock();
            loop {
                let now = Instant::now();
                while let Some(first) = sleepers.first_entry() {
                    if first.key().0 > now {
                        break;
                    }
                    first.remove().wake();
                }
                let wait = sleepers
                    .first_key_value()
                    .map_or(Duration::MAX, |((at, _), _)| {
                        at.saturating_duration_since(now)
                    });
                sleepers = self
                    .changed
                    .wait_timeout(sleepers, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    pub(super) async fn sleep(duration: Duration) {
        // An instant that cannot be represented never comes.
        match Instant::now().checked_add(duration) {
            Some(at) => Sleep { at, id: None }.await,
            None => std::future::pending().await,
        }
    }

    struct Sleep {
        at: Instant,
        id: Option<u64>,
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            let at = self.at;
            let id = *self.id.get_or_insert_with(|| {
                use std::sync::atomic::{AtomicU64, Ordering};
                static NEXT: AtomicU64 = AtomicU64::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed)
            });
            TIMER.lock().insert((at, id), context.waker().clone());
            TIMER.changed.notify_one();
            Poll::Pending
        }
    }

    impl Drop for Sleep {
        fn drop(&mut self) {
            if let Some(id) = self.id {
                TIMER.lock().remove(&(self.at, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn two_sleeps_take_the_time_of_one() {
        let start = Instant::now();
        block_on(async {
            futures_util::join!(
                sleep(Duration::from_millis(100)),
                sleep(Duration::from_millis(100)),
            )
        });
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(100));
        assert!(took < Duration::from_millis(190), "{took:?}");
    }

    #[test]
    fn a_timeout_ends_what_takes_longer() {
        let result = block_on(timeout(
            Duration::from_millis(10),
            sleep(Duration::from_secs(60)),
        ));
        assert_eq!(result.unwrap_err().to_string(), "not finished within 10ms");
        assert_eq!(
            block_on(timeout(Duration::from_secs(60), async { 3 })),
            Ok(3)
        );
    }
}
