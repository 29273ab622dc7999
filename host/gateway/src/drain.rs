//! Stopping without losing what is in flight.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::bounds::DRAIN_CHECK;

/// Counts the calls in flight and tells them that the gateway is being stopped.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    stopping: watch::Sender<bool>,
    calls: Arc<Calls>,
}

/// What is in flight.
#[derive(Debug, Default)]
struct Calls {
    /// gRPC calls.
    active: AtomicUsize,
    /// Requests of those calls that are not answered yet. If there are none, it is
    /// the clients' turn: to take their answers.
    unanswered: AtomicUsize,
}

impl Drain {
    pub(super) fn new() -> Drain {
        Drain {
            stopping: watch::Sender::new(false),
            calls: Arc::default(),
        }
    }

    /// Counts a call until what is returned is dropped.
    pub(super) fn enter(&self) -> Active {
        self.calls.active.fetch_add(1, Ordering::SeqCst);
        Active {
            calls: Arc::clone(&self.calls),
            stopping: Box::pin(self.stopping()),
            stopped: false,
        }
    }

    /// Done once the gateway is being stopped.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error would mean that the gateway itself is gone.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Whether the gateway is being stopped.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Tells every call, and those to come, that the gateway is being stopped.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until no call is in flight, or until all that is left has waited for
    /// clients, and for nothing else, for `patience`. Returns how many calls are left.
    ///
    /// Work is not bounded here: the executors' own timeouts do that.
    pub(super) async fn idle(&self, patience: Duration) -> usize {
        let mut waiting_since = None;
        loop {
            let active = self.calls.active.load(Ordering::SeqCst);
            if active == 0 {
                return 0;
            }
            if self.calls.unanswered.load(Ordering::SeqCst) > 0 {
                waiting_since = None;
            } else if waiting_since.get_or_insert_with(Instant::now).elapsed() >= patience {
                return active;
            }
            tokio::time::sleep(DRAIN_CHECK).await;
        }
    }
}

/// A call in flight.
pub(super) struct Active {
    calls: Arc<Calls>,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    stopped: bool,
}

impl Active {
    /// Ready once the gateway is being stopped.
    pub(super) fn poll_stopping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.stopped && self.stopping.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stopped = true;
        Poll::Ready(())
    }

    /// Counts a request of this call until what is returned is dropped.
    pub(super) fn request(&self) -> Unanswered {
        self.calls.unanswered.fetch_add(1, Ordering::SeqCst);
        Unanswered(Arc::clone(&self.calls))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.calls.active.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request that is not answered yet.
pub(super) struct Unanswered(Arc<Calls>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_waited_for_and_clients_only_so_long() {
        let drain = Drain::new();
        let patience = Duration::from_millis(200);
        assert_eq!(drain.idle(patience).await, 0);

        let call = drain.enter();
        let request = call.request();
        let mut wait = std::pin::pin!(drain.idle(patience));
        let longer = tokio::time::timeout(3 * patience, wait.as_mut()).await;
        assert!(longer.is_err(), "work is waited for");

        // The client has an answer to take, and never takes it.
        drop(request);
        assert_eq!(wait.await, 1);
        drop(call);
        assert_eq!(drain.idle(patience).await, 0);
    }
}
