//! How an instance computes: in slices, and in turn.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::ticks::Ticks;
use super::turns::{Share, Turn};
use crate::bounds::{COMPUTING_WINDOW, SLICE};

/// One instance's computing. Its task and the engine's callback share it.
#[derive(Debug)]
pub(crate) struct Stint {
    ticks: Arc<Ticks>,
    share: Share,
    /// When the guest last began to run, in nanoseconds of [`Ticks`].
    began: AtomicU64,
    /// Until when its time has been charged.
    charged: AtomicU64,
    /// Whether it needs a turn to go on.
    wants_turn: AtomicBool,
    /// When the window began in which all of its running is counted, however often it yields.
    window: AtomicU64,
    /// How long it has run in that window, in nanoseconds.
    spent: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Stint {
    pub(crate) fn new(ticks: Arc<Ticks>, share: Share) -> Arc<Self> {
        Arc::new(Stint {
            ticks,
            share,
            began: AtomicU64::new(0),
            charged: AtomicU64::new(0),
            wants_turn: AtomicBool::new(false),
            window: AtomicU64::new(0),
            spent: AtomicU64::new(0),
        })
    }

    /// The time, as the charges have it.
    pub(crate) fn now(&self) -> Duration {
        self.ticks.now()
    }

    /// How long the guest has run since it last began or was last charged. None if it has
    /// just begun: an epoch that passed while it waited interrupts it, too.
    pub(crate) fn charge(&self) -> Option<Duration> {
        let now = nanos(self.ticks.now());
        let before = self.charged.swap(now, Ordering::Relaxed);
        let ran = now.saturating_sub(before);
        let window = self.window.load(Ordering::Relaxed);
        if now.saturating_sub(window) > nanos(COMPUTING_WINDOW) {
            self.window.store(now, Ordering::Relaxed);
            self.spent.store(0, Ordering::Relaxed);
        }
        self.spent.fetch_add(ran, Ordering::Relaxed);
        (ran > 0).then(|| Duration::from_nanos(ran))
    }

    /// Whether its slice is used up. If so, it has to leave its thread, and it goes on when it
    /// has a turn.
    pub(crate) fn is_used_up(&self) -> bool {
        let began = self.began.load(Ordering::Relaxed);
        let ran = nanos(self.ticks.now()).saturating_sub(began);
        let spent = self.spent.load(Ordering::Relaxed);
        // One that yields now and then computes, too.
        if ran < nanos(SLICE) && spent < nanos(COMPUTING_WINDOW) / 2 {
            return false;
        }
        self.spent.store(0, Ordering::Relaxed);
        self.share.computes(&self.ticks);
        self.wants_turn.store(true, Ordering::Relaxed);
        true
    }

    fn begin(&self) {
        let now = nanos(self.ticks.now());
        self.began.store(now, Ordering::Relaxed);
        self.charged.store(now, Ordering::Relaxed);
    }

    /// Does all of an instance's work, in slices and in turn.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut asked = None;
        std::future::poll_fn(|cx| {
            let wants = self.wants_turn.load(Ordering::Relaxed);
            if !wants && !self.share.is_computing(&self.ticks) {
                // It may have asked for a turn, or been given one: that is the next one's.
                asked = None;
                self.begin();
                return work.as_mut().poll(cx);
            }
            let turn = match self.turn(&mut asked, cx) {
                Poll::Ready(turn) => turn,
                Poll::Pending => return Poll::Pending,
            };
            asked = None;
            self.wants_turn.store(false, Ordering::Relaxed);
            let polled = elsewhere(|| {
                self.begin();
                work.as_mut().poll(cx)
            });
            drop(turn);
            polled
        })
        .await
    }

    /// Waits for a turn. None if there is nobody who gives any.
    fn turn(
        &self,
        asked: &mut Option<oneshot::Receiver<Turn>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Turn>> {
        let asked = asked.get_or_insert_with(|| self.share.ask());
        std::pin::Pin::new(asked).poll(cx).map(Result::ok)
    }
}

/// Does something that takes long on a thread that nothing else waits for: the scheduler's
/// own goes on with other tasks. A scheduler of one thread has no other; there it is done in
/// place.
fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use futures::poll;

    use super::*;
    use crate::bounds::COMPUTES_FOR;
    use crate::computing::Turns;

    /// Who asked while his executor computed, and goes on without a turn when it does not any
    /// more, does not keep the turn that he is given meanwhile.
    #[tokio::test]
    async fn a_turn_that_is_not_needed_any_more_is_given_back() {
        let ticks = Arc::new(Ticks::new());
        let turns = Turns::new(NonZeroUsize::MIN);
        let (share, other) = (turns.share(), turns.share());
        let held = other.ask().try_recv().unwrap();
        share.computes(&ticks);
        let stint = Stint::new(Arc::clone(&ticks), share);
        let mut life = Box::pin(stint.run(std::future::pending::<()>()));
        assert!(poll!(&mut life).is_pending());
        ticks.pass(COMPUTES_FOR);
        drop(held);
        assert!(poll!(&mut life).is_pending());
        assert!(other.ask().try_recv().is_ok());
    }

    /// What yields after half a slice each time has its slice used up, too.
    #[test]
    fn who_yields_again_and_again_computes_all_the_same() {
        let ticks = Arc::new(Ticks::new());
        let stint = Stint::new(Arc::clone(&ticks), Turns::new(NonZeroUsize::MIN).share());
        let half = SLICE / 2;
        let used_up = (0..20).position(|_| {
            stint.begin();
            ticks.pass(half);
            stint.charge().is_some() && stint.is_used_up()
        });
        assert_eq!(used_up, Some(9));
        // One that mostly waits does not.
        let stint = Stint::new(Arc::clone(&ticks), Turns::new(NonZeroUsize::MIN).share());
        let used_up = (0..20).any(|_| {
            stint.begin();
            ticks.pass(half);
            let used_up = stint.charge().is_some() && stint.is_used_up();
            ticks.pass(SLICE * 2);
            used_up
        });
        assert!(!used_up);
    }
}
