//! Several futures at once, and a call that is tried again.
//!
//! ```
//! use wasm_flow_sdk::future::{join, join_all};
//! # wasm_flow_sdk::testing::block_on(async {
//! # async fn fetch(n: u32) -> u32 { n }
//! let (one, two) = join(fetch(1), fetch(2)).await;
//! let all: Vec<u32> = join_all((3..6).map(fetch)).await;
//! # assert_eq!((one, two, all), (1, 2, vec![3, 4, 5]));
//! # });
//! ```

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

pub use futures_util::future::{join, join_all, select, try_join_all};
pub use futures_util::stream::{
    self, FuturesOrdered, FuturesUnordered, Stream, StreamExt, TryStreamExt,
};
pub use futures_util::{join, try_join};

use crate::{Error, time};

/// Runs a future for each item, at most `limit` of them at a time, and returns
/// their outputs in the items' order.
///
/// ```
/// use wasm_flow_sdk::future::map_limited;
/// use wasm_flow_sdk::prelude::*;
///
/// # async fn title(uri: &str) -> Result<String> { Ok(uri.to_uppercase()) }
/// # #[derive(Default)]
/// # struct Titles;
/// # #[executor]
/// # impl Titles {
/// #[requests(on = "/index")]
/// async fn titles(&self, docs: &mut DocumentArray) -> Result<()> {
///     map_limited(docs.iter_mut(), 8, async |doc| {
///         let title = title(doc.uri()).await?;
///         doc.set_text(title);
///         Ok(())
///     })
///     .await
///     .map(drop)
/// }
/// # }
/// # fn main() -> Result<()> {
/// # let executor = wasm_flow_sdk::testing::TestExecutor::of(Titles);
/// # let docs = [Document::default().with_uri("a"), Document::default().with_uri("b")];
/// # let reply = executor.post("/index", docs)?;
/// # assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["A", "B"]);
/// # Ok(())
/// # }
/// ```
///
/// A limit of 0 is one of 1.
///
/// # Errors
/// If one of the futures fails: with the first error. The others are dropped, and
/// those that were not begun never are.
pub async fn map_limited<I, T, E>(
    items: impl IntoIterator<Item = I>,
    limit: usize,
    run: impl AsyncFn(I) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    let run = &run;
    let numbered = items
        .into_iter()
        .enumerate()
        .map(|(place, item)| async move { Ok((place, run(item).await?)) });
    let mut outputs: Vec<(usize, T)> = stream::iter(numbered)
        .buffer_unordered(limit.max(1))
        .try_collect()
        .await?;
    outputs.sort_unstable_by_key(|(place, _)| *place);
    Ok(outputs.into_iter().map(|(_, output)| output).collect())
}

/// How often something is tried, and how long to wait in between.
///
/// The wait begins with [`first`](Backoff::first) and doubles each time, up to
/// [`longest`](Backoff::longest). Of each wait, a random part of up to a half is
/// left out, so that many who failed together do not come back together.
///
/// If an error [asks for a wait](Retry::After), this is the shortest: the wait is the
/// longer of the two, and a random part of up to a half of the backoff's own wait
/// comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    attempts: u32,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// So many attempts in all, with waits from 100 ms to 10 s.
    pub const fn new(attempts: u32) -> Self {
        Backoff {
            attempts,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }

    /// Sets the wait before the second attempt.
    #[must_use]
    pub const fn first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets the longest wait. An error that asks for a longer one is not tried
    /// again.
    #[must_use]
    pub const fn longest(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// The wait after so many attempts, before a part of it is left out.
    fn wait(&self, attempts: u32) -> Duration {
        let doubled = attempts.saturating_sub(1).min(31);
        self.first
            .saturating_mul(1u32.wrapping_shl(doubled))
            .min(self.longest)
    }
}

/// 3 attempts.
impl Default for Backoff {
    fn default() -> Self {
        Backoff::new(3)
    }
}

/// Whether it helps to try something again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// No: it would fail again.
    Never,
    /// Yes, after a while.
    Later,
    /// Yes, after this time, which the other side asked for: not sooner, but a little
    /// later. See [`Backoff`].
    After(Duration),
}

/// An error that knows whether it helps to try again.
pub trait Retryable {
    /// Whether it helps to try again.
    fn retryable(&self) -> Retry;
}

/// As [`Error::retry`] and [`Error::retry_after`] say.
impl Retryable for Error {
    fn retryable(&self) -> Retry {
        self.advice()
    }
}

/// Tries something until it succeeds, until its error says that it does not help to
/// try again, or until there were enough attempts.
///
/// ```
/// use wasm_flow_sdk::future::{Backoff, retry};
/// use wasm_flow_sdk::prelude::*;
/// # use wasm_flow_sdk::time::Duration;
///
/// # fn main() -> Result<()> {
/// # wasm_flow_sdk::testing::block_on(async {
/// # let backoff = Backoff::new(4).first(Duration::from_millis(1));
/// let mut attempts = 0;
/// let answer = retry(backoff, async || {
///     attempts += 1;
///     if attempts < 3 {
///         return Err(Error::msg("the service is busy").retry());
///     }
///     Ok("hello")
/// })
/// .await?;
/// assert_eq!((answer, attempts), ("hello", 3));
/// # Ok(())
/// # })
/// # }
/// ```
///
/// The time for all attempts is not limited:
/// [`time::timeout`] does that.
///
/// # Errors
/// If the last attempt fails: with its error.
pub async fn retry<T, E: Retryable>(
    backoff: Backoff,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match attempt().await {
            Ok(output) => return Ok(output),
            Err(error) if attempts >= backoff.attempts => return Err(error),
            Err(error) => error,
        };
        let wait = match error.retryable() {
            Retry::Never => return Err(error),
            Retry::After(wait) if wait > backoff.longest => return Err(error),
            Retry::After(wait) => asked_for(wait, backoff.wait(attempts)),
            Retry::Later => some_of(backoff.wait(attempts)),
        };
        time::sleep(wait).await;
    }
}

/// Half of this time and a random part of the other half.
fn some_of(wait: Duration) -> Duration {
    let half = wait / 2;
    half.saturating_add(part_of(half))
}

/// The wait that was asked for, or the backoff's own if that is longer, and a random
/// part of up to a half of the backoff's own.
fn asked_for(wait: Duration, own: Duration) -> Duration {
    wait.max(own).saturating_add(part_of(own / 2))
}

/// A random part of this time.
fn part_of(time: Duration) -> Duration {
    // The standard library seeds its hash maps from the system's random source.
    let random = RandomState::new().build_hasher().finish();
    let part = (random >> 32) as f64 / f64::from(u32::MAX);
    // Not more than `time`, and seconds that a `Duration` can hold.
    Duration::try_from_secs_f64(time.as_secs_f64() * part).map_or(time, |part| part.min(time))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::testing::block_on;

    #[test]
    fn no_more_than_the_limit_run_at_a_time_and_the_order_is_kept() {
        let running = Cell::new(0);
        let most = Cell::new(0);
        let outputs = block_on(map_limited(0..20u64, 4, async |n| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            // The later ones are done first.
            time::sleep(Duration::from_millis(20 - n)).await;
            running.set(running.get() - 1);
            Ok::<_, Error>(n * 2)
        }));
        assert_eq!(outputs.unwrap(), (0..20).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(most.get(), 4);
        let one = block_on(map_limited([1], 0, async |n| Ok::<_, Error>(n)));
        assert_eq!(one.unwrap(), [1]);
    }

    #[test]
    fn the_first_error_ends_the_others() {
        let begun = Cell::new(0);
        let outputs = block_on(map_limited(0..100, 2, async |n| {
            begun.set(begun.get() + 1);
            match n {
                3 => Err(Error::msg("3 is wrong")),
                n => Ok(n),
            }
        }));
        assert_eq!(outputs.unwrap_err().message(), "3 is wrong");
        assert!(begun.get() < 10, "{} were begun", begun.get());
    }

    fn attempts(backoff: Backoff, error: impl Fn() -> Error) -> u32 {
        let mut attempts = 0;
        let result: Result<(), Error> = block_on(retry(backoff, async || {
            attempts += 1;
            Err(error())
        }));
        assert!(result.is_err());
        attempts
    }

    #[test]
    fn only_what_may_succeed_is_tried_again() {
        let quick = Backoff::new(3).first(Duration::from_millis(1));
        assert_eq!(attempts(quick, || Error::msg("no")), 1);
        assert_eq!(attempts(quick, || Error::msg("busy").retry()), 3);
        let after = |millis| move || Error::msg("busy").retry_after(Duration::from_millis(millis));
        assert_eq!(attempts(quick, after(2)), 3);
        let longest = quick.longest(Duration::from_millis(5));
        assert_eq!(attempts(longest, after(6)), 1, "longer than we wait");
        assert_eq!(attempts(Backoff::new(0), || Error::msg("busy").retry()), 1);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::new(9).longest(Duration::from_secs(1));
        let waits: Vec<_> = (1..7).map(|n| backoff.wait(n).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.wait(u32::MAX), Duration::from_secs(1));
        for _ in 0..100 {
            let wait = some_of(Duration::from_millis(100));
            assert!((50..=100).contains(&wait.as_millis()), "{wait:?}");
            let wait = asked_for(Duration::ZERO, Duration::from_millis(100));
            assert!((100..=150).contains(&wait.as_millis()), "{wait:?}");
            let wait = asked_for(Duration::from_secs(2), Duration::from_millis(100));
            assert!((2000..=2050).contains(&wait.as_millis()), "{wait:?}");
        }
    }
}
