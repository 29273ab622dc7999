//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::task::Poll;

use tokio::sync::watch;

use super::console::Console;

/// The exit status of what a signal cut short: a shell's for Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

static LISTENING: AtomicBool = AtomicBool::new(false);

/// Whether signals no longer end the process by themselves.
pub(super) fn is_listening() -> bool {
    LISTENING.load(Ordering::Relaxed)
}

/// Listens from now on: a signal that comes before it is waited for is not
/// missed, and does not end the process. The second one does, at once and with
/// this status, whatever the command is busy with.
pub(super) fn listen(status: u8) -> Signals {
    LISTENING.store(true, Ordering::Relaxed);
    let mut sources = Sources::new();
    let (come, first) = watch::channel(false);
    tokio::spawn(async move {
        sources.next().await;
        come.send_replace(true);
        sources.next().await;
        std::process::exit(status.into());
    });
    Signals(first)
}

/// Whether there was a signal.
pub(super) struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Completes at the first signal, and at once after that.
    pub(super) async fn first(&mut self) {
        // The other end is gone only when the process is.
        drop(self.0.wait_for(|come| *come).await);
    }

    /// The same for a server, which says what it does about it.
    pub(super) async fn requested(mut self, console: Console) {
        self.first().await;
        console.note("stopping after the requests in flight; press Ctrl-C again to stop at once");
    }
}

/// Ctrl-C and SIGTERM, listened to.
#[cfg(unix)]
struct Sources(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Sources {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // One that cannot be listened to ends the process by itself.
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Sources(
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
struct Sources;

#[cfg(not(unix))]
impl Sources {
    fn new() -> Self {
        Sources
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
