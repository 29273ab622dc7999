//! Stopping without losing what is in flight.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// Counts the calls in flight and tells them that the gateway is being stopped.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    state: watch::Sender<bool>,
    active: watch::Sender<usize>,
}

impl Drain {
    pub(super) fn new() -> Drain {
        Drain {
            state: watch::Sender::new(false),
            active: watch::Sender::new(0),
        }
    }

    /// Counts a call until what is returned is dropped.
    pub(super) fn enter(&self) -> Active {
        self.active.send_modify(|count| *count += 1);
        let mut state = self.state.subscribe();
        Active {
            active: self.active.clone(),
            stopping: Box::pin(async move {
                // An error would mean that the gateway itself is gone.
                let _ = state.wait_for(|stopping| *stopping).await;
            }),
            stopped: false,
        }
    }

    /// Tells every call, and those to come, that the gateway is being stopped.
    pub(super) fn stop(&self) {
        self.state.send_replace(true);
    }

    /// Waits until no call is in flight.
    pub(super) async fn idle(&self) {
        let mut active = self.active.subscribe();
        // The sender is ours, so that the channel is open.
        let _ = active.wait_for(|count| *count == 0).await;
    }
}

/// A call in flight.
pub(super) struct Active {
    active: watch::Sender<usize>,
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
}

impl Drop for Active {
    fn drop(&mut self) {
        self.active.send_modify(|count| *count -= 1);
    }
}
