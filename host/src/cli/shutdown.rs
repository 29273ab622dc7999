//! Ctrl-C and SIGTERM.

#[cfg(unix)]
use std::task::Poll;

use super::terminal;

/// Done at the first signal. A second one ends the process at once.
pub(super) async fn requested() {
    // Listened to from here on, so that a second signal that comes right after
    // the first is not missed.
    let mut signals = Signals::new();
    signals.next().await;
    terminal::note("stopping after the requests in flight; once more to stop at once");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(1);
    });
}

#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

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

#[cfg(not(unix))]
struct Signals;

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
