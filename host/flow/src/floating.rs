//! Calls that no request waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::warn;
use wasm_flow_contract::{Failure, Reply};

use crate::bounds::MAX_FLOATING;

/// The calls of a flow's floating executors. They are counted, and a stop waits for
/// them.
pub(crate) struct Floating {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    failed: Arc<AtomicU64>,
}

impl Default for Floating {
    fn default() -> Self {
        Floating {
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(MAX_FLOATING)),
            failed: Arc::default(),
        }
    }
}

impl Floating {
    /// Runs a call to its end. A failure of it is already in the log: the stage is
    /// observed.
    pub(crate) fn spawn(
        &self,
        executor: Arc<str>,
        call: BoxFuture<'static, Result<Reply, Failure>>,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            warn!(
                executor = &*executor,
                "left out a call of a floating executor: {MAX_FLOATING} of them are under way"
            );
            return;
        };
        let failed = Arc::clone(&self.failed);
        self.tasks.spawn(async move {
            if call.await.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            drop(place);
        });
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// How many calls failed, or were left out.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits for the calls that are under way.
    pub(crate) async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
