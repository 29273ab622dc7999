//! Ctrl-C, SIGTERM and SIGHUP.

use std::sync::Arc;
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
    let come = Arc::new(watch::Sender::new(false));
    let first = come.subscribe();
    let signals = Signals {
        first,
        come: Arc::clone(&come),
    };
    tokio::spawn(async move {
        sources.next().await;
        come.send_replace(true);
        sources.next().await;
        std::process::exit(status.into());
    });
    signals
}

/// Whether there was a signal.
pub(super) struct Signals {
    first: watch::Receiver<bool>,
    come: Arc<watch::Sender<bool>>,
}

impl Signals {
    /// Completes at the first signal, and at once after that.
    pub(super) async fn first(&mut self) {
        // The other end is gone only when the process is.
        drop(self.first.wait_for(|come| *come).await);
    }

    /// The same for a server, which says what it does about it.
    pub(super) async fn requested(mut self, console: Console) {
        self.first().await;
        console.note("stopping after the requests in flight; press Ctrl-C again to stop at once");
    }
}

/// SIGHUP, listened to.
#[cfg(unix)]
pub(super) struct Hangups {
    /// None if it cannot be listened to. Then it ends the process by itself.
    signal: Option<tokio::signal::unix::Signal>,
    had_terminal: bool,
    come: Arc<watch::Sender<bool>>,
}

#[cfg(unix)]
impl Hangups {
    /// Listens from now on.
    pub(super) fn listen(signals: &Signals) -> Hangups {
        use tokio::signal::unix::{SignalKind, signal};
        Hangups {
            signal: signal(SignalKind::hangup()).ok(),
            had_terminal: has_terminal(),
            come: Arc::clone(&signals.come),
        }
    }

    /// Completes when the operator sends the signal. If the system sends it because the
    /// terminal has gone that the program was started from, it is one to stop.
    pub(super) async fn next(&mut self) {
        loop {
            let come = match &mut self.signal {
                Some(signal) => signal.recv().await,
                None => None,
            };
            match come {
                None => return std::future::pending().await,
                Some(()) if self.had_terminal && !has_terminal() => {
                    self.come.send_replace(true);
                }
                Some(()) => return,
            }
        }
    }
}

/// Whether there is a terminal that can send this process a signal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// SIGHUP, which there is none of.
#[cfg(not(unix))]
pub(super) struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub(super) fn listen(_: &Signals) -> Hangups {
        Hangups
    }

    pub(super) async fn next(&mut self) {
        std::future::pending().await
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
