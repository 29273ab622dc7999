//! Whose turn it is to compute.
//!
//! There are so many turns as may compute at once. Who waits for one stands in the line of
//! his executor, and the executors are served in a ring: one with two hundred guests that
//! compute gets as much as one with a single guest.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::ticks::Ticks;
use crate::bounds::COMPUTES_FOR;

/// The turns of a process.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    next_share: u64,
    /// The executors that wait, in the order of their turns.
    ring: VecDeque<Line>,
}

/// Those of one executor that wait.
#[derive(Debug)]
struct Line {
    share: u64,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

impl State {
    /// Who is next. Its executor is then the last of the ring.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let mut line = self.ring.pop_front()?;
        let next = line.waiting.pop_front();
        if !line.waiting.is_empty() {
            self.ring.push_back(line);
        }
        next
    }
}

impl Turns {
    /// So many may compute at once.
    pub(crate) fn new(at_once: NonZeroUsize) -> Arc<Self> {
        Arc::new(Turns {
            state: Mutex::new(State {
                free: at_once.get(),
                next_share: 0,
                ring: VecDeque::new(),
            }),
        })
    }

    /// The share of one more executor.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        let mut state = self.lock();
        state.next_share += 1;
        Share {
            turns: self.clone(),
            number: state.next_share,
            computes_until: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Whoever waited has gone, and it is the next one's turn.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

/// An executor's share of the turns. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    turns: Arc<Turns>,
    number: u64,
    /// In nanoseconds of [`Ticks`].
    computes_until: Arc<AtomicU64>,
}

impl Share {
    /// Asks for a turn.
    pub(super) fn ask(&self) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.turns.lock();
        if state.free > 0 {
            state.free -= 1;
            drop(state);
            // It is received, or dropped with its channel and so given back.
            drop(sender.send(Turn(Some(self.turns.clone()))));
            return receiver;
        }
        let line = state.ring.iter_mut().find(|line| line.share == self.number);
        match line {
            Some(line) => line.waiting.push_back(sender),
            None => state.ring.push_back(Line {
                share: self.number,
                waiting: VecDeque::from([sender]),
            }),
        }
        receiver
    }

    /// One of the executor's guests has used up a slice.
    pub(super) fn computes(&self, ticks: &Ticks) {
        let until = ticks.now().saturating_add(COMPUTES_FOR);
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.computes_until.store(until, Ordering::Relaxed);
    }

    /// Whether the executor's guests used up slices of late. Then all of them take turns: of
    /// two hundred that begin to compute, each would have its first slice on the network's
    /// threads otherwise.
    pub(super) fn is_computing(&self, ticks: &Ticks) -> bool {
        let until = Duration::from_nanos(self.computes_until.load(Ordering::Relaxed));
        ticks.now() < until
    }
}

/// The right to compute, for as long as it lives.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(at_once: usize) -> Arc<Turns> {
        Turns::new(NonZeroUsize::new(at_once).unwrap())
    }

    fn has_it(waiting: &mut oneshot::Receiver<Turn>) -> Option<Turn> {
        waiting.try_recv().ok()
    }

    #[test]
    fn no_more_compute_at_once_than_may() {
        let turns = turns(2);
        let share = turns.share();
        let mut asked: Vec<_> = std::iter::repeat_with(|| share.ask()).take(4).collect();
        let mut got: Vec<_> = asked.iter_mut().map(has_it).collect();
        let have = |got: &[Option<Turn>]| got.iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(have(&got), [true, true, false, false]);
        got[0] = None;
        got[2] = has_it(&mut asked[2]);
        got[3] = has_it(&mut asked[3]);
        assert_eq!(have(&got), [false, true, true, false]);
    }

    #[test]
    fn executors_take_turns_however_many_guests_they_have() {
        let turns = turns(1);
        let (many, one) = (turns.share(), turns.share());
        let mut held = has_it(&mut many.ask());
        let mut waiting: Vec<_> = std::iter::repeat_with(|| many.ask()).take(100).collect();
        let mut single = one.ask();
        assert!(held.is_some());
        // The first of the many waited before the single one came.
        held = None;
        assert!(held.is_none() && has_it(&mut single).is_none());
        let first = has_it(&mut waiting[0]);
        assert!(first.is_some());
        drop(first);
        assert!(has_it(&mut single).is_some());
    }

    #[test]
    fn who_has_gone_does_not_keep_a_turn() {
        let turns = turns(1);
        let share = turns.share();
        let held = has_it(&mut share.ask());
        let gone = share.ask();
        let mut waits = share.ask();
        drop(gone);
        drop(held);
        assert!(has_it(&mut waits).is_some());
        // One that was given, and not taken.
        let given = share.ask();
        let mut waits = share.ask();
        drop(given);
        assert!(has_it(&mut waits).is_some());
        assert_eq!(turns.lock().free, 1);
        assert!(turns.lock().ring.is_empty());
    }
}
