//! Calls that no request waits for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use wasm_flow_contract::{Failure, Reply};

use crate::bounds::{FLOATING_DRAIN, MAX_FLOATING};

/// The calls of a flow's floating executors. They are counted, and a stop waits for
/// them.
pub(crate) struct Floating {
    tasks: TaskTracker,
    /// By the executors' names.
    places: HashMap<Arc<str>, Arc<Semaphore>>,
    failed: Arc<AtomicU64>,
    left_out: AtomicU64,
    given_up: CancellationToken,
}

impl Floating {
    /// For the executors of these names.
    pub(crate) fn new(executors: impl Iterator<Item = Arc<str>>) -> Floating {
        Floating {
            tasks: TaskTracker::new(),
            places: executors
                .map(|name| (name, Arc::new(Semaphore::new(MAX_FLOATING))))
                .collect(),
            failed: Arc::default(),
            left_out: AtomicU64::new(0),
            given_up: CancellationToken::new(),
        }
    }

    /// Runs a call to its end. A failure of it is in the log: the stage is observed.
    pub(crate) fn spawn(
        &self,
        executor: &Arc<str>,
        call: impl FnOnce() -> BoxFuture<'static, Result<Reply, Failure>>,
    ) {
        let place = self
            .places
            .get(executor)
            .and_then(|places| Arc::clone(places).try_acquire_owned().ok());
        let Some(place) = place else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let count = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            // Each of them would fill the log when the machine has least time.
            if count.is_power_of_two() {
                warn!(
                    executor = &**executor,
                    "left out {count} calls of floating executors by now: {MAX_FLOATING} of \
                     this one are under way"
                );
            }
            return;
        };
        let failed = Arc::clone(&self.failed);
        let call = self.given_up.clone().run_until_cancelled_owned(call());
        self.tasks.spawn(async move {
            if !matches!(call.await, Some(Ok(_))) {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            drop(place);
        });
    }

    /// A call that could not be made.
    pub(crate) fn not_begun(&self, executor: &str, failure: &Failure) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        warn!(executor, kind = failure.kind.as_str(), "{failure}");
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// How many calls failed, or were left out.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits for the calls that are under way, for as long as a stop may take. The rest is
    /// given up.
    pub(crate) async fn drained(&self) {
        self.drained_within(FLOATING_DRAIN).await;
        let failed = self.failed();
        if failed > 0 {
            warn!("{failed} calls of floating executors failed or were left out, in all");
        }
    }

    async fn drained_within(&self, limit: Duration) {
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            warn!(
                "gave up {} calls of floating executors: the flow is being stopped, and they \
                 took longer than {limit:?}",
                self.tasks.len()
            );
            self.given_up.cancel();
            self.tasks.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_document::DocumentArray;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_counted() {
        let name: Arc<str> = Arc::from("a");
        let floating = Floating::new(std::iter::once(Arc::clone(&name)));
        floating.spawn(&name, || Box::pin(std::future::pending()));
        floating.spawn(&name, || {
            Box::pin(std::future::ready(Ok(Reply::new(DocumentArray::new()))))
        });
        floating.drained_within(Duration::from_millis(50)).await;
        assert_eq!((floating.under_way(), floating.failed()), (0, 1));
    }
}
