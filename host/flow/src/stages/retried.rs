//! Calls that are tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tracing::debug;
use wasm_flow_contract::{Call, Failure, FailureKind, Outlet, Reply, Stage, StageInfo};

use crate::bounds::{RETRY_BUDGET, RETRY_EARNED_BY, RETRY_FIRST, RETRY_LONGEST};

/// A stage whose calls are tried again, if they fail in a way that cannot have had an
/// effect outside of the documents: calls that a remote executor did not get, and calls
/// of a method that says that it leaves nothing behind ([`Stage::is_repeatable`]), if the
/// instance was lost, or if the method says of its error that it may be tried again. A
/// remote executor says both in its answer, if it runs on wasm-flow.
///
/// Any other failure is the client's. A call that no instance could be had for is not
/// tried again: the executor's replicas have tried to start several.
///
/// Waits double, from 50 ms up to 5 s, and a random half of each is left out. If the
/// failure asks for a wait, that comes first; one over 5 s is not waited for. Retries
/// take from a budget that calls fill, one for ten, so that an executor that is down is
/// not called several times as often for it.
pub struct Retried {
    inner: Arc<dyn Stage>,
    retries: u32,
    remote: bool,
    budget: Arc<Budget>,
}

impl Retried {
    /// Tries calls of a stage again, up to so many times.
    pub fn new(inner: Arc<dyn Stage>, retries: u32) -> Retried {
        Retried {
            remote: inner.info().remote,
            inner,
            retries,
            budget: Arc::new(Budget::new()),
        }
    }
}

impl Stage for Retried {
    fn info(&self) -> StageInfo {
        self.inner.info()
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.inner.binds(endpoint)
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        self.inner.is_repeatable(endpoint)
    }

    fn streams(&self, endpoint: &str) -> bool {
        self.inner.streams(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let repeatable = self.inner.is_repeatable(&call.endpoint);
        if !repeatable && !self.remote {
            return self.inner.call(call);
        }
        self.budget.earn();
        let inner = Arc::clone(&self.inner);
        let budget = Arc::clone(&self.budget);
        let retries = self.retries;
        Box::pin(async move {
            let mut attempt: u32 = 0;
            loop {
                let failure = match inner.call(call.clone()).await {
                    Ok(reply) => return Ok(reply),
                    Err(failure) => failure,
                };
                // A remote executor may turn out to be another one than it was.
                let repeatable = repeatable && inner.is_repeatable(&call.endpoint);
                let again =
                    attempt < retries && may_succeed(&failure, repeatable) && budget.spend();
                if !again {
                    return Err(failure);
                }
                attempt += 1;
                let wait = wait(&failure, attempt);
                debug!(attempt, ?wait, kind = failure.kind.as_str(), "tried again");
                tokio::time::sleep(wait).await;
            }
        })
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        match self.inner.streams(&call.endpoint) {
            // What was sent cannot be called back.
            true => self.inner.stream(call, outlet),
            false => Box::pin(outlet.send_reply(self.call(call))),
        }
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.inner.stop()
    }
}

/// Whether another call may succeed, and does no harm.
fn may_succeed(failure: &Failure, repeatable: bool) -> bool {
    match failure.kind {
        FailureKind::Unreachable => true,
        FailureKind::Lost => repeatable,
        FailureKind::Method if repeatable => failure.details.as_ref().is_some_and(|details| {
            details.retry && details.retry_after.is_none_or(|wait| wait <= RETRY_LONGEST)
        }),
        // It would fail again, or take as long again.
        _ => false,
    }
}

/// How long to wait before this attempt.
fn wait(failure: &Failure, attempt: u32) -> Duration {
    let asked = failure
        .details
        .as_ref()
        .and_then(|details| details.retry_after);
    let doubled = 1u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let longest = RETRY_FIRST.saturating_mul(doubled).min(RETRY_LONGEST);
    // Not before it was asked for, and not all at the same time.
    let some = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
    asked.map_or(some, |asked| asked + some / 2)
}

/// What is left for retries, in tenths.
struct Budget(AtomicU32);

impl Budget {
    fn new() -> Budget {
        Budget(AtomicU32::new(RETRY_BUDGET.saturating_mul(RETRY_EARNED_BY)))
    }

    fn earn(&self) {
        let most = RETRY_BUDGET.saturating_mul(RETRY_EARNED_BY);
        let earned = |left: u32| (left < most).then(|| left + 1);
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }

    fn spend(&self) -> bool {
        let spent = |left: u32| left.checked_sub(RETRY_EARNED_BY);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use wasm_flow_contract::failure::FailureDetails;
    use wasm_flow_document::DocumentArray;

    use super::*;
    use crate::testing::{failure, reply};

    /// Fails so many times.
    struct Fails {
        failure: Failure,
        left: AtomicU32,
        calls: AtomicU32,
        repeatable: bool,
    }

    impl Fails {
        fn new(kind: FailureKind, times: u32, repeatable: bool) -> Fails {
            Fails {
                failure: Failure {
                    kind,
                    ..failure("Busy")
                },
                left: AtomicU32::new(times),
                calls: AtomicU32::new(0),
                repeatable,
            }
        }

        fn saying(mut self, retry_after: Option<Duration>) -> Fails {
            self.failure.details = Some(Box::new(FailureDetails {
                retry: true,
                retry_after,
                documents: Vec::new(),
            }));
            self
        }
    }

    impl Stage for Fails {
        fn info(&self) -> StageInfo {
            StageInfo::default()
        }

        fn binds(&self, _: &str) -> bool {
            true
        }

        fn is_repeatable(&self, _: &str) -> bool {
            self.repeatable
        }

        fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let fails = self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
            let outcome = match fails {
                true => Err(self.failure.clone()),
                false => reply(call.docs),
            };
            Box::pin(std::future::ready(outcome))
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn call() -> Call {
        Call {
            request_id: Arc::from("id"),
            endpoint: Arc::from("/x"),
            parameters: Arc::new(Map::new()),
            docs: DocumentArray::new(),
            parts: Vec::new(),
            trace: None,
        }
    }

    /// How many calls there were, and whether the last succeeded.
    async fn tried(stage: Fails, retries: u32) -> (u32, bool) {
        let stage = Arc::new(stage);
        let inner: Arc<dyn Stage> = Arc::clone(&stage) as _;
        let succeeded = Retried::new(inner, retries).call(call()).await.is_ok();
        (stage.calls.load(Ordering::Relaxed), succeeded)
    }

    #[tokio::test]
    async fn only_what_cannot_have_had_an_effect_is_tried_again() {
        use FailureKind::{Lost, Method, Timeout, Trap, Unavailable};

        for (kind, repeatable, expected) in [
            (Unavailable, true, (1, false)),
            (Lost, true, (2, true)),
            (Lost, false, (1, false)),
            (Trap, true, (1, false)),
            (Timeout, true, (1, false)),
            (Method, true, (1, false)),
        ] {
            let outcome = tried(Fails::new(kind, 1, repeatable), 2).await;
            assert_eq!(outcome, expected, "{kind:?} {repeatable}");
        }
        let millis = |millis| Some(Duration::from_millis(millis));
        for (retry_after, repeatable, expected) in [
            (None, true, (2, true)),
            (millis(1), true, (2, true)),
            (millis(60_000), true, (1, false)),
            (None, false, (1, false)),
        ] {
            let stage = Fails::new(Method, 1, repeatable).saying(retry_after);
            assert_eq!(
                tried(stage, 2).await,
                expected,
                "{retry_after:?} {repeatable}"
            );
        }
    }

    /// A remote executor that was found to be another one when it was called.
    struct Renewed(Fails);

    impl Stage for Renewed {
        fn info(&self) -> StageInfo {
            self.0.info()
        }

        fn binds(&self, endpoint: &str) -> bool {
            self.0.binds(endpoint)
        }

        fn is_repeatable(&self, _: &str) -> bool {
            self.0.calls.load(Ordering::Relaxed) == 0
        }

        fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            self.0.call(call)
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            self.0.stop()
        }
    }

    #[tokio::test]
    async fn what_is_found_to_leave_something_behind_is_not_tried_again() {
        let stage = Arc::new(Renewed(Fails::new(FailureKind::Lost, 1, true)));
        let inner: Arc<dyn Stage> = Arc::clone(&stage) as _;
        assert!(Retried::new(inner, 2).call(call()).await.is_err());
        assert_eq!(stage.0.calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn there_are_so_many_retries_and_no_more() {
        let fails = |times| Fails::new(FailureKind::Lost, times, true);
        assert_eq!(tried(fails(2), 2).await, (3, true));
        assert_eq!(tried(fails(9), 2).await, (3, false));
        assert_eq!(tried(fails(1), 0).await, (1, false));
    }

    #[tokio::test]
    async fn an_executor_that_is_down_is_not_called_ever_more_often() {
        let stage = Arc::new(Fails::new(FailureKind::Lost, u32::MAX, true));
        let retried = Arc::new(Retried::new(Arc::clone(&stage) as Arc<dyn Stage>, 1));
        let calls = (0..1000).map(|_| retried.call(call()));
        futures::future::join_all(calls).await;
        let calls = stage.calls.load(Ordering::Relaxed);
        let most = 1000 + RETRY_BUDGET + 1000 / RETRY_EARNED_BY;
        assert!(
            (1000 + RETRY_BUDGET..=most).contains(&calls),
            "{calls} calls"
        );
    }

    #[test]
    fn waits_double_and_differ() {
        let failure = failure("Busy");
        for (attempt, longest) in [(1, 50), (2, 100), (3, 200), (40, 5000)] {
            let wait = wait(&failure, attempt).as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{attempt}: {wait}");
        }
    }
}
