//! The calls that wait for a replica: one queue for all replicas of an executor.
//!
//! A call goes to the replica with the fewest calls in flight. Ties are broken in
//! turn. Jina goes strictly in turn; with a slow
//! exclusive method, every second call of two replicas then waits behind a busy
//! one while the other is idle.
//!
//! The queue is first come, first served, with one exception: while an exclusive
//! call waits for a replica to become empty, calls behind it go to the *other*
//! replicas. The one that is emptied for it takes nobody else, so it gets its turn
//! however many concurrent calls arrive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::bounds::QUEUE_RETRY;
use super::description::Concurrency;

/// The calls of an executor: those in flight by replica, and those that wait.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when the queue is closed and no call is in flight.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    replicas: Vec<Load>,
    /// By ticket.
    waiting: VecDeque<Waiter>,
    /// How many of those that wait are concurrent.
    waiting_concurrent: usize,
    next_ticket: u64,
    /// The replica to begin with when the next is chosen.
    turn: usize,
    /// Calls in flight in one replica.
    limit: u32,
    /// Calls that may wait.
    most: usize,
    pace: Pace,
    closed: bool,
}

/// How quickly those that wait get their turn.
#[derive(Debug, Default)]
struct Pace {
    /// When a place was last given back while others waited. None if nobody has waited
    /// since.
    last: Option<Instant>,
    /// The time between two such moments, of late.
    between: Duration,
}

impl Pace {
    /// A place has been given back.
    fn step(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let took = now.saturating_duration_since(last);
            self.between = match self.between.is_zero() {
                true => took,
                false => (self.between * 7 + took) / 8,
            };
        }
    }

    /// Nobody waits.
    fn rest(&mut self) {
        self.last = None;
    }

    /// When so many will have had their turn.
    fn after(&self, waiting: usize) -> Duration {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let after = self.between.saturating_mul(waiting);
        // In whole seconds: it is a guess. A client need not ask all the time, and not wait
        // for ever either.
        Duration::from_secs(after.as_secs().saturating_add(1)).min(QUEUE_RETRY)
    }
}

/// What a replica has in flight.
#[derive(Debug, Default)]
struct Load {
    /// Calls that hold a place, including those of earlier instances, which still use
    /// memory and time.
    in_flight: u32,
    /// Counts the replica's instances. The numbers below are the present one's.
    generation: u64,
    /// Whether an instance has been made for this generation.
    claimed: bool,
    concurrent: u32,
    exclusive: bool,
    /// Kept for an exclusive call, during one round of [`State::admit_waiting`].
    kept: bool,
}

impl Load {
    fn next_generation(&mut self) {
        self.generation += 1;
        self.claimed = false;
        self.concurrent = 0;
        self.exclusive = false;
    }

    fn takes(&self, concurrency: Concurrency, limit: u32) -> bool {
        let alone = self.concurrent == 0 || concurrency == Concurrency::Concurrent;
        alone && !self.exclusive && !self.kept && self.in_flight < limit
    }
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    concurrency: Concurrency,
    sender: oneshot::Sender<Place>,
}

/// A place that was given to a waiter, to be sent when the lock is released.
type Grant = (oneshot::Sender<Place>, Place);

fn send(grants: Vec<Grant>) {
    for (sender, place) in grants {
        // One whose waiter has just gone is dropped, and so goes to the next.
        drop(sender.send(place));
    }
}

/// A call's rank, which it keeps when it has to queue again.
#[derive(Debug, Default)]
pub(super) struct Ticket(Option<u64>);

/// Why a call does not get a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The queue is closed: the executor is being stopped.
    Closed,
    /// As many wait as may.
    Full {
        /// When all that wait now will have had their turn, if it goes on like this.
        after: Duration,
    },
}

impl Queue {
    pub(super) fn new(replicas: usize, limit: u32, most: u32) -> Arc<Self> {
        Arc::new(Queue {
            state: Mutex::new(State {
                replicas: std::iter::repeat_with(Load::default)
                    .take(replicas)
                    .collect(),
                waiting: VecDeque::new(),
                waiting_concurrent: 0,
                next_ticket: 0,
                turn: 0,
                limit,
                most: most as usize,
                pace: Pace::default(),
                closed: false,
            }),
            emptied: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a replica that can take a call.
    pub(super) async fn place(
        self: &Arc<Self>,
        concurrency: Concurrency,
        ticket: &mut Ticket,
    ) -> Result<Place, Refused> {
        let (ticket, receiver, grants) = {
            let mut state = self.lock();
            if state.closed {
                return Err(Refused::Closed);
            }
            let is_new = ticket.0.is_none();
            let ticket = match ticket.0 {
                Some(ticket) => ticket,
                None => {
                    state.next_ticket += 1;
                    *ticket.0.insert(state.next_ticket)
                }
            };
            if state.waiting.is_empty()
                && let Some(place) = state.admit(self, concurrency)
            {
                return Ok(place);
            }
            let (sender, receiver) = oneshot::channel();
            state.enqueue(Waiter {
                ticket,
                concurrency,
                sender,
            });
            let grants = state.admit_waiting(self);
            // One that queues again has been let in already, and one that a replica takes at
            // once, past an exclusive call that waits, need not wait.
            if is_new
                && state.waiting.len() > state.most
                && let Some(at) = state.find(ticket)
            {
                state.dequeue(at);
                let after = state.pace.after(state.waiting.len());
                drop(state);
                send(grants);
                return Err(Refused::Full { after });
            }
            (ticket, receiver, grants)
        };
        send(grants);
        let _leave = LeaveOnDrop {
            queue: self,
            ticket,
        };
        receiver.await.map_err(|_| Refused::Closed)
    }

    /// The generation of a replica's next instance. Calls that were placed before
    /// an instance took over from another have to be placed again.
    pub(super) fn claim(self: &Arc<Self>, replica: usize) -> Generation {
        let (number, grants) = {
            let mut state = self.lock();
            let number = state.replicas.get_mut(replica).map(|load| {
                if load.claimed {
                    load.next_generation();
                }
                load.claimed = true;
                load.generation
            });
            (number.unwrap_or_default(), state.admit_waiting(self))
        };
        send(grants);
        Generation {
            queue: self.clone(),
            replica,
            number,
        }
    }

    /// Refuses all that wait and all that come.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            state.waiting_concurrent = 0;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.emptied.notify_waiters();
    }

    /// Waits until no call is in flight. For a closed queue.
    pub(super) async fn emptied(&self) {
        loop {
            let mut told = std::pin::pin!(self.emptied.notified());
            told.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            told.await;
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.replicas.iter().all(|load| load.in_flight == 0)
    }

    /// The replica with the fewest calls in flight among those that `fits`.
    fn least(&self, fits: impl Fn(&Load) -> bool) -> Option<usize> {
        let (before, from) = self.replicas.split_at_checked(self.turn)?;
        let in_turn = (self.turn..).zip(from).chain((0..).zip(before));
        let mut least: Option<(u32, usize)> = None;
        for (index, load) in in_turn {
            if fits(load) && least.is_none_or(|(fewest, _)| load.in_flight < fewest) {
                least = Some((load.in_flight, index));
                if load.in_flight == 0 {
                    break;
                }
            }
        }
        least.map(|(_, index)| index)
    }

    /// Takes a place, if there is one.
    fn admit(&mut self, queue: &Arc<Queue>, concurrency: Concurrency) -> Option<Place> {
        let limit = self.limit;
        let replica = self.least(|load| load.takes(concurrency, limit))?;
        self.turn = match replica + 1 {
            next if next < self.replicas.len() => next,
            _ => 0,
        };
        let load = self.replicas.get_mut(replica)?;
        load.in_flight += 1;
        match concurrency {
            Concurrency::Concurrent => load.concurrent += 1,
            Concurrency::Exclusive => load.exclusive = true,
        }
        Some(Place {
            queue: queue.clone(),
            replica,
            generation: load.generation,
            concurrency,
        })
    }

    fn enqueue(&mut self, waiter: Waiter) {
        self.waiting_concurrent += usize::from(waiter.concurrency == Concurrency::Concurrent);
        let at = self
            .waiting
            .partition_point(|other| other.ticket < waiter.ticket);
        self.waiting.insert(at, waiter);
    }

    /// Where the waiter with this ticket is.
    fn find(&self, ticket: u64) -> Option<usize> {
        let found = self
            .waiting
            .binary_search_by_key(&ticket, |waiter| waiter.ticket);
        found.ok()
    }

    fn dequeue(&mut self, at: usize) -> Option<Waiter> {
        let waiter = self.waiting.remove(at)?;
        self.waiting_concurrent -= usize::from(waiter.concurrency == Concurrency::Concurrent);
        Some(waiter)
    }

    /// Gives those that wait the places that there are.
    fn admit_waiting(&mut self, queue: &Arc<Queue>) -> Vec<Grant> {
        let mut grants = Vec::new();
        let mut at = 0;
        while let Some(concurrency) = self.waiting.get(at).map(|waiter| waiter.concurrency) {
            if let Some(place) = self.admit(queue, concurrency) {
                grants.extend(self.dequeue(at).map(|waiter| (waiter.sender, place)));
                continue;
            }
            // No replica takes this one. A replica that takes an exclusive call
            // takes a concurrent one too; so only concurrent calls behind an
            // exclusive one can still get a place, on a replica that need not be
            // emptied for that one.
            if concurrency == Concurrency::Concurrent || self.waiting_concurrent == 0 {
                break;
            }
            let Some(kept) = self.least(|load| !load.kept) else {
                break;
            };
            if let Some(load) = self.replicas.get_mut(kept) {
                load.kept = true;
            }
            at += 1;
        }
        if at > 0 {
            self.replicas.iter_mut().for_each(|load| load.kept = false);
        }
        grants
    }
}

/// Takes a waiter that gives up out of the queue.
struct LeaveOnDrop<'a> {
    queue: &'a Arc<Queue>,
    ticket: u64,
}

impl Drop for LeaveOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if let Some(at) = state.find(self.ticket) {
            let waiter = state.dequeue(at);
            // Calls behind it may have waited only for its sake.
            let grants = state.admit_waiting(self.queue);
            drop(state);
            drop(waiter);
            send(grants);
        }
    }
}

/// A call's place on a replica: its right to run beside, or instead of, others.
/// A call holds its place for as long as the guest works on it, even after its caller
/// has gone.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    replica: usize,
    generation: u64,
    concurrency: Concurrency,
}

impl Place {
    /// The replica.
    pub(super) fn replica(&self) -> usize {
        self.replica
    }

    /// Whether the place is one on this instance, and not on one before it.
    pub(super) fn is_on(&self, generation: &Generation) -> bool {
        (self.replica, self.generation) == (generation.replica, generation.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let grants = {
            let mut state = self.queue.lock();
            if let Some(load) = state.replicas.get_mut(self.replica) {
                load.in_flight -= 1;
                if load.generation == self.generation {
                    match self.concurrency {
                        Concurrency::Concurrent => load.concurrent -= 1,
                        Concurrency::Exclusive => load.exclusive = false,
                    }
                }
            }
            if state.closed {
                if state.is_empty() {
                    self.queue.emptied.notify_waiters();
                }
                return;
            }
            if state.waiting.is_empty() {
                state.pace.rest();
                return;
            }
            state.pace.step(Instant::now());
            state.admit_waiting(&self.queue)
        };
        send(grants);
    }
}

/// One instance of a replica, as the queue knows it.
#[derive(Debug)]
pub(super) struct Generation {
    queue: Arc<Queue>,
    replica: usize,
    number: u64,
}

impl Generation {
    /// The instance takes no more calls. Its remaining calls no longer block others, but
    /// count as in flight until they end.
    pub(super) fn end(&self) {
        let grants = {
            let mut state = self.queue.lock();
            match state.replicas.get_mut(self.replica) {
                Some(load) if load.generation == self.number => load.next_generation(),
                _ => return,
            }
            state.admit_waiting(&self.queue)
        };
        send(grants);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::future::BoxFuture;
    use futures::{FutureExt as _, poll};

    use super::Concurrency::{Concurrent, Exclusive};
    use super::*;

    /// Calls that may wait.
    const MANY: u32 = 100;

    type Waiting = BoxFuture<'static, Result<Place, Refused>>;

    fn call(queue: &Arc<Queue>, concurrency: Concurrency) -> Waiting {
        let queue = queue.clone();
        async move { queue.place(concurrency, &mut Ticket::default()).await }.boxed()
    }

    async fn placed(waiting: &mut Waiting) -> Option<Place> {
        match poll!(waiting) {
            Poll::Ready(place) => Some(place.unwrap()),
            Poll::Pending => None,
        }
    }

    async fn at_once(queue: &Arc<Queue>, concurrency: Concurrency) -> Place {
        placed(&mut call(queue, concurrency)).await.unwrap()
    }

    #[tokio::test]
    async fn idle_replicas_take_turns() {
        let queue = Queue::new(3, 8, MANY);
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(at_once(&queue, Exclusive).await.replica());
        }
        assert_eq!(seen, [0, 1, 2, 0, 1, 2]);
    }

    #[tokio::test]
    async fn calls_go_where_the_fewest_are() {
        let queue = Queue::new(2, 8, MANY);
        let first = at_once(&queue, Concurrent).await;
        let second = at_once(&queue, Concurrent).await;
        assert_eq!([first.replica(), second.replica()], [0, 1]);
        drop(second);
        // In turn it would be the first replica.
        let third = at_once(&queue, Concurrent).await;
        assert_eq!(third.replica(), 1);
    }

    #[tokio::test]
    async fn a_slow_exclusive_call_holds_up_nobody_while_a_replica_is_idle() {
        let queue = Queue::new(2, 8, MANY);
        let slow = at_once(&queue, Exclusive).await;
        for _ in 0..5 {
            assert_ne!(at_once(&queue, Exclusive).await.replica(), slow.replica());
        }
        // Both are busy: whichever is free first takes the next.
        let other = at_once(&queue, Exclusive).await;
        let mut next = call(&queue, Exclusive);
        assert!(placed(&mut next).await.is_none());
        let free = slow.replica();
        drop(slow);
        assert_eq!(placed(&mut next).await.unwrap().replica(), free);
        drop(other);
    }

    #[tokio::test]
    async fn an_exclusive_call_is_alone_and_gets_its_turn() {
        let queue = Queue::new(1, 8, MANY);
        let first = at_once(&queue, Concurrent).await;
        let mut exclusive = call(&queue, Exclusive);
        let mut later = call(&queue, Concurrent);
        assert!(placed(&mut exclusive).await.is_none());
        assert!(
            placed(&mut later).await.is_none(),
            "not before the exclusive one"
        );
        drop(first);
        assert!(placed(&mut later).await.is_none());
        let alone = placed(&mut exclusive).await.unwrap();
        assert!(placed(&mut later).await.is_none());
        drop(alone);
        assert!(placed(&mut later).await.is_some());
    }

    #[tokio::test]
    async fn one_replica_is_emptied_for_an_exclusive_call_and_the_others_serve_on() {
        let queue = Queue::new(2, 8, MANY);
        let mut held = [
            at_once(&queue, Concurrent).await,
            at_once(&queue, Concurrent).await,
        ];
        held.sort_by_key(Place::replica);
        let more = at_once(&queue, Concurrent).await;
        assert_eq!(more.replica(), 0);
        let mut exclusive = call(&queue, Exclusive);
        assert!(placed(&mut exclusive).await.is_none());
        let mut served = Vec::new();
        for _ in 0..5 {
            let mut later = call(&queue, Concurrent);
            served.push(placed(&mut later).await.unwrap());
        }
        assert!(served.iter().all(|place| place.replica() == 0));
        let [_first, second] = held;
        drop(second);
        assert_eq!(placed(&mut exclusive).await.unwrap().replica(), 1);
    }

    #[tokio::test]
    async fn no_more_than_the_limit_are_in_flight_in_a_replica() {
        let queue = Queue::new(2, 2, MANY);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(at_once(&queue, Concurrent).await);
        }
        let (mut fifth, mut sixth) = (call(&queue, Concurrent), call(&queue, Concurrent));
        assert!(placed(&mut fifth).await.is_none());
        assert!(placed(&mut sixth).await.is_none());
        held.pop();
        assert!(
            placed(&mut sixth).await.is_none(),
            "first come, first served"
        );
        assert!(placed(&mut fifth).await.is_some());
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_the_queue_and_lets_others_pass() {
        let queue = Queue::new(1, 8, MANY);
        let first = at_once(&queue, Concurrent).await;
        let mut exclusive = call(&queue, Exclusive);
        let mut later = call(&queue, Concurrent);
        assert!(placed(&mut exclusive).await.is_none());
        assert!(placed(&mut later).await.is_none());
        drop(exclusive);
        assert!(placed(&mut later).await.is_some());
        assert_eq!(queue.lock().waiting.len(), 0);
        // Also one that has got its place and never looked.
        let mut exclusive = call(&queue, Exclusive);
        assert!(placed(&mut exclusive).await.is_none());
        drop(first);
        drop(exclusive);
        assert!(queue.lock().is_empty());
        assert_eq!(queue.lock().waiting_concurrent, 0);
    }

    #[tokio::test]
    async fn an_instance_that_ends_lets_the_next_one_begin() {
        let queue = Queue::new(1, 8, MANY);
        let old = queue.claim(0);
        let stuck = at_once(&queue, Exclusive).await;
        assert!(stuck.is_on(&old));
        let mut waiting = call(&queue, Exclusive);
        assert!(placed(&mut waiting).await.is_none());
        old.end();
        let place = placed(&mut waiting).await.unwrap();
        let new = queue.claim(0);
        assert!(place.is_on(&new) && !place.is_on(&old));
        // What the old one still has does not open the new one's gate.
        drop(stuck);
        assert!(placed(&mut call(&queue, Concurrent)).await.is_none());
        // An end that comes late changes nothing.
        old.end();
        assert!(place.is_on(&new));
        assert!(placed(&mut call(&queue, Concurrent)).await.is_none());
        // Nor is a place on an instance that was replaced one on the next.
        assert!(!place.is_on(&queue.claim(0)));
    }

    #[tokio::test]
    async fn a_call_that_queues_again_keeps_its_rank() {
        let queue = Queue::new(1, 1, MANY);
        let mut ticket = Ticket::default();
        let first = queue.place(Concurrent, &mut ticket).await.unwrap();
        let mut second = call(&queue, Concurrent);
        assert!(placed(&mut second).await.is_none());
        let mut again = std::pin::pin!(queue.place(Concurrent, &mut ticket));
        assert!(poll!(again.as_mut()).is_pending());
        drop(first);
        assert!(placed(&mut second).await.is_none());
        assert!(poll!(again.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn no_more_wait_than_may() {
        let queue = Queue::new(1, 1, 2);
        let held = at_once(&queue, Concurrent).await;
        let mut waiting = [call(&queue, Concurrent), call(&queue, Exclusive)];
        for waiting in &mut waiting {
            assert!(placed(waiting).await.is_none());
        }
        let refused = call(&queue, Concurrent).await.unwrap_err();
        let Refused::Full { after } = refused else {
            panic!("{refused:?}");
        };
        assert!((1..=60).contains(&after.as_secs()), "{after:?}");
        // One that was placed before and queues again is let in.
        let mut again = Ticket(Some(0));
        let mut again = std::pin::pin!(queue.place(Concurrent, &mut again));
        assert!(poll!(again.as_mut()).is_pending());
        drop(held);
        assert!(poll!(again.as_mut()).is_ready());
        // Who goes makes room.
        let [first, second] = waiting;
        drop((first, second));
        let held = at_once(&queue, Concurrent).await;
        assert!(placed(&mut call(&queue, Concurrent)).await.is_none());
        drop(held);

        // Past an exclusive call that waits for one replica, the other takes a concurrent one
        // at once: that need not wait.
        let queue = Queue::new(2, 8, 1);
        let _held = [
            at_once(&queue, Concurrent).await,
            at_once(&queue, Concurrent).await,
        ];
        let mut exclusive = call(&queue, Exclusive);
        assert!(placed(&mut exclusive).await.is_none());
        let _beside = at_once(&queue, Concurrent).await;
        assert!(call(&queue, Exclusive).await.is_err());

        // None may wait.
        let queue = Queue::new(1, 1, 0);
        let held = at_once(&queue, Concurrent).await;
        assert!(call(&queue, Concurrent).await.is_err());
        drop(held);
        at_once(&queue, Concurrent).await;
    }

    #[test]
    fn the_pace_is_that_of_late() {
        let mut pace = Pace::default();
        assert_eq!(pace.after(1000), Duration::from_secs(1));
        let mut now = Instant::now();
        for _ in 0..100 {
            now += Duration::from_millis(20);
            pace.step(now);
        }
        assert_eq!(pace.after(1000), Duration::from_secs(21));
        assert_eq!(pace.after(usize::MAX), QUEUE_RETRY);
        // The time without anybody does not count.
        pace.rest();
        pace.step(now + Duration::from_secs(1000));
        assert_eq!(pace.after(100), Duration::from_secs(3));
    }

    #[tokio::test]
    async fn closing_refuses_who_waits_and_waits_for_who_is_in_flight() {
        let queue = Queue::new(2, 1, MANY);
        let held = [
            at_once(&queue, Exclusive).await,
            at_once(&queue, Exclusive).await,
        ];
        let mut waiting = call(&queue, Concurrent);
        assert!(placed(&mut waiting).await.is_none());
        queue.close();
        assert_eq!(waiting.await.unwrap_err(), Refused::Closed);
        assert_eq!(call(&queue, Concurrent).await.unwrap_err(), Refused::Closed);
        let mut emptied = std::pin::pin!(queue.emptied());
        assert!(poll!(emptied.as_mut()).is_pending());
        drop(held);
        emptied.await;
    }
}
