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
use crate::bounds::SLICE;

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
        (ran > 0).then(|| Duration::from_nanos(ran))
    }

    /// Whether its slice is used up. If so, it has to leave its thread, and it goes on when it
    /// has a turn.
    pub(crate) fn is_used_up(&self) -> bool {
        let began = self.began.load(Ordering::Relaxed);
        let ran = nanos(self.ticks.now()).saturating_sub(began);
        if Duration::from_nanos(ran) < SLICE {
            return false;
        }
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
