//! Ctrl-C and SIGTERM.

#[cfg(unix)]
use std::task::Poll;

use super::terminal;

/// Listens from now on: a signal that comes before it is waited for is not
/// missed, and does not end the process.
pub(super) fn listen() -> Signals {
    Signals::new()
}

impl Signals {
    /// Done at the first signal. A second one ends the process at once.
    pub(super) async fn requested(mut self) {
        self.next().await;
        terminal::note("stopping after the requests in flight; once more to stop at once");
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(1);
        });
    }
}

/// Ctrl-C and SIGTERM, listened to.
#[cfg(unix)]
pub(super) struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // One that cannot be listened to ends the process by itself.
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Signals(
            kinds
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        )
    }

    async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let come = self
                .0
                .iter_mut()
                .any(|signal| signal.poll_recv(cx).is_ready());
            if come { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Ctrl-C, listened to.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Signals
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
