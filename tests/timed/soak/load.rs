//! Load that does not wait for answers, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::task::JoinSet;
use wasm_flow::Client;

use super::requests::{Expected, Outcome, Shot, Who};

/// Connections of those that are busy; the bystander has one of its own.
const CONNECTIONS: usize = 8;
/// Messages that are kept of what must not be.
const KEPT: usize = 10;

/// The clients of a server.
pub(super) struct Load {
    busy: Vec<Client>,
    bystander: Client,
    hostile: Vec<Client>,
    expected: Arc<Expected>,
}

/// What became of some load.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How long was sent.
    pub(super) time: Duration,
    /// How long until the last answer after that.
    pub(super) rest: Duration,
    /// Of the well-behaved ones.
    pub(super) served: u64,
    pub(super) refused: u64,
    /// Milliseconds, from when it was to be sent to its answer, of those that were served.
    pub(super) busy: Vec<f64>,
    pub(super) bystander: Vec<f64>,
    /// Of the hostile ones.
    pub(super) by_design: BTreeMap<usize, u64>,
    pub(super) hostile_refused: u64,
    /// Of both. A shot may be several requests.
    pub(super) shots: u64,
    pub(super) sent: u64,
    pub(super) otherwise: u64,
    pub(super) lost: u64,
    pub(super) kept: Vec<String>,
}

/// One shot, and what came of it.
struct Hit {
    who: Who,
    took: Duration,
    outcomes: Vec<Outcome>,
}

impl Load {
    /// Connects.
    pub(super) async fn connect(port: u16) -> Load {
        let address = format!("grpc://127.0.0.1:{port}");
        let connect = || async { Client::connect(&address).await.expect("a gateway") };
        Load {
            busy: join_all((0..CONNECTIONS).map(|_| connect())).await,
            bystander: connect().await,
            hostile: join_all((0..CONNECTIONS / 4).map(|_| connect())).await,
            expected: Arc::new(Expected::new()),
        }
    }

    fn client(&self, who: Who, number: u64) -> Client {
        let one_of = |clients: &[Client]| {
            let place = number as usize % clients.len();
            clients.get(place).expect("a client").clone()
        };
        match who {
            Who::Busy => one_of(&self.busy),
            Who::Bystander => self.bystander.clone(),
            Who::Hostile(_) => one_of(&self.hostile),
        }
    }

    fn hit(&self, number: u64, shot: Shot, intended: Instant) -> impl Future<Output = Hit> + use<> {
        let who = shot.who();
        let client = self.client(who, number);
        let expected = Arc::clone(&self.expected);
        async move {
            let outcomes = shot.send(&client, &expected).await;
            Hit {
                who,
                took: intended.elapsed(),
                outcomes,
            }
        }
    }

    /// Shots one after the other by so many clients, for so long: what the server can do.
    pub(super) async fn closed(&self, clients: u64, time: Duration) -> Tally {
        let begin = Instant::now();
        let next = AtomicU64::new(0);
        let hits = join_all((0..clients).map(|_| async {
            let mut hits = Vec::new();
            while begin.elapsed() < time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let shot = Shot::well_behaved(number);
                hits.push(self.hit(number, shot, Instant::now()).await);
            }
            hits
        }));
        let mut tally = Tally::default();
        for hit in hits.await.into_iter().flatten() {
            tally.add(hit);
        }
        tally.time = begin.elapsed();
        tally
    }

    /// So many shots a second for so long, whether or not they are answered. Then waits
    /// for all answers.
    pub(super) async fn open(&self, rate: f64, time: Duration, shot: fn(u64) -> Shot) -> Tally {
        let begin = Instant::now();
        let mut tally = Tally::default();
        let mut under_way = JoinSet::new();
        let mut number = 0;
        while begin.elapsed() < time {
            while let Some(hit) = under_way.try_join_next() {
                tally.add(hit.expect("a client that works"));
            }
            let due = begin.elapsed().as_secs_f64() * rate;
            while (number as f64) < due {
                let intended = begin + Duration::from_secs_f64(number as f64 / rate);
                under_way.spawn(self.hit(number, shot(number), intended));
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tally.time = begin.elapsed();
        while let Some(hit) = under_way.join_next().await {
            tally.add(hit.expect("a client that works"));
        }
        tally.rest = begin.elapsed() - tally.time;
        tally
    }
}

impl Tally {
    fn add(&mut self, hit: Hit) {
        self.shots += 1;
        let milliseconds = hit.took.as_secs_f64() * 1e3;
        for outcome in hit.outcomes {
            self.sent += 1;
            match (outcome, hit.who) {
                (Outcome::Served, Who::Bystander) => {
                    self.served += 1;
                    self.bystander.push(milliseconds);
                }
                (Outcome::Served, _) => {
                    self.served += 1;
                    self.busy.push(milliseconds);
                }
                (Outcome::Refused, Who::Hostile(_)) => self.hostile_refused += 1,
                (Outcome::Refused, _) => self.refused += 1,
                (Outcome::ByDesign, Who::Hostile(attack)) => {
                    *self.by_design.entry(attack).or_default() += 1;
                }
                (Outcome::ByDesign, who) => self.must_not_be(format!("by design of {who:?}")),
                (Outcome::Otherwise(what), _) => self.must_not_be(what),
                (Outcome::Lost(what), _) => {
                    self.lost += 1;
                    self.keep(format!("lost: {what}"));
                }
            }
        }
    }

    fn must_not_be(&mut self, what: String) {
        self.otherwise += 1;
        self.keep(what);
    }

    fn keep(&mut self, what: String) {
        if self.kept.len() < KEPT {
            self.kept.push(what);
        }
    }

    /// All that failed by design.
    pub(super) fn designed(&self) -> u64 {
        self.by_design.values().sum()
    }

    /// What was served in a second.
    pub(super) fn served_a_second(&self) -> f64 {
        self.served as f64 / self.time.as_secs_f64()
    }
}

/// What half of these stay under, and 99 of 100.
pub(super) fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| {
        let place = times.len() * part / 100;
        times.get(place).copied().unwrap_or(f64::INFINITY)
    };
    (at(50), at(99))
}
