//! Stopping without losing what is in flight.

use std::future::{Future, poll_fn};
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
    /// clients, and for nothing else, for `patience`, and no longer than until `end`.
    /// Returns what is left.
    pub(super) async fn idle(&self, patience: Duration, end: Instant) -> Left {
        let mut waiting_since = None;
        loop {
            let left = self.left();
            if left.calls == 0 || Instant::now() >= end {
                return left;
            }
            if left.requests > 0 {
                waiting_since = None;
            } else if waiting_since.get_or_insert_with(Instant::now).elapsed() >= patience {
                return left;
            }
            tokio::time::sleep(DRAIN_CHECK).await;
        }
    }

    /// What is in flight.
    pub(super) fn left(&self) -> Left {
        Left {
            calls: self.calls.active.load(Ordering::SeqCst),
            requests: self.calls.unanswered.load(Ordering::SeqCst),
        }
    }
}

/// What is in flight at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// gRPC calls.
    pub(super) calls: usize,
    /// Requests of theirs that are not answered.
    pub(super) requests: usize,
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

    /// Done once the gateway is being stopped.
    pub(super) async fn stopping(&mut self) {
        poll_fn(|cx| self.poll_stopping(cx)).await;
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

    const NOTHING: Left = Left {
        calls: 0,
        requests: 0,
    };

    fn after(time: Duration) -> Instant {
        Instant::now() + time
    }

    #[tokio::test]
    async fn work_is_waited_for_and_clients_only_so_long() {
        let drain = Drain::new();
        let patience = Duration::from_millis(200);
        let end = after(100 * patience);
        assert_eq!(drain.idle(patience, end).await, NOTHING);

        let call = drain.enter();
        let request = call.request();
        let mut wait = std::pin::pin!(drain.idle(patience, end));
        let longer = tokio::time::timeout(3 * patience, wait.as_mut()).await;
        assert!(longer.is_err(), "work is waited for");

        // The client has an answer to take, and never takes it.
        drop(request);
        let left = wait.await;
        assert_eq!((left.calls, left.requests), (1, 0));
        drop(call);
        assert_eq!(drain.idle(patience, end).await, NOTHING);
    }

    #[tokio::test]
    async fn work_is_waited_for_only_until_the_end() {
        let drain = Drain::new();
        let call = drain.enter();
        let _requests = [call.request(), call.request()];
        let left = drain.idle(Duration::from_secs(60), after(Duration::from_millis(100)));
        let left = tokio::time::timeout(Duration::from_secs(8), left).await;
        let left = left.unwrap();
        assert_eq!((left.calls, left.requests), (1, 2));
    }
}
