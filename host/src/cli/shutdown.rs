//! Ctrl-C, SIGTERM and SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::task::Poll;
#[cfg(unix)]
use std::time::Duration;

use tokio::sync::watch;
#[cfg(unix)]
use tokio::time::timeout;

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
    /// What stops as a signal does.
    pub(super) fn stop(&self) -> Stop {
        Stop(Arc::clone(&self.come))
    }

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

/// Asks a server to stop, as a signal does.
pub(super) struct Stop(Arc<watch::Sender<bool>>);

/// SIGHUP, listened to.
#[cfg(unix)]
pub(super) struct Hangups {
    /// None if it cannot be listened to. Then it ends the process by itself.
    signal: Option<tokio::signal::unix::Signal>,
    /// Whether the signal can still mean that the terminal has gone.
    has_terminal: bool,
}

#[cfg(unix)]
impl Hangups {
    /// Listens from now on.
    pub(super) fn listen() -> Hangups {
        use tokio::signal::unix::{SignalKind, signal};
        // What `nohup` has started outlives its terminal.
        let has_terminal = !is_ignored() && has_terminal();
        Hangups {
            signal: signal(SignalKind::hangup()).ok(),
            has_terminal,
        }
    }

    /// Completes when the operator sends the signal. If the system sends it because the
    /// terminal has gone that the program was started from, it is one to stop.
    pub(super) async fn next(&mut self, stop: &Stop) {
        loop {
            let come = async {
                match &mut self.signal {
                    Some(signal) => signal.recv().await,
                    None => None,
                }
            };
            match timeout(TERMINAL_CHECK, come).await {
                // A terminal that went without a signal says nothing by one that comes later.
                Err(_) => self.has_terminal = self.has_terminal && has_terminal(),
                Ok(None) => return std::future::pending().await,
                Ok(Some(())) if self.has_terminal && !has_terminal() => {
                    stop.0.send_replace(true);
                }
                Ok(Some(())) => return,
            }
        }
    }
}

/// How often it is looked whether the terminal is there.
#[cfg(unix)]
const TERMINAL_CHECK: Duration = Duration::from_secs(5);

/// Whether there is a terminal that can send this process a signal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the process was started with SIGHUP ignored, as far as the system says.
#[cfg(unix)]
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // It is signal 1, the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// SIGHUP, which there is none of.
#[cfg(not(unix))]
pub(super) struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub(super) fn listen() -> Hangups {
        Hangups
    }

    pub(super) async fn next(&mut self, _: &Stop) {
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
