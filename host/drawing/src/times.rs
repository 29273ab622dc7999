//! Where the time of requests went.
//!
//! A [`Tally`] takes what a flow says of each request, and gives [`Times`]. An
//! executor's time is what the flow measures at its stage: from when all that it needs
//! has come until it has answered. Waiting for a free instance is a part of it, and so
//! are retries, and the wait for a batch.
//!
//! When an answer came was decided by one way through the graph, the critical path: from
//! the end back over the need that ended last, to the gateway. An executor's share is
//! its time on this way, of the time of all requests. What lies between executors there
//! is the flow's own.
//!
//! Not counted: floating executors, which no request waits for; and requests that failed,
//! because a part of the way is missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasm_flow_contract::graph::{NodeMap, Upstream};
use wasm_flow_contract::{Graph, Hop, NodeId};

use crate::histogram::Histogram;

/// Adds up the times of requests to one flow.
#[derive(Debug, Clone)]
pub struct Tally {
    graph: Graph<()>,
    names: HashMap<Arc<str>, NodeId>,
    executors: NodeMap<Executor>,
    requests: Histogram,
    total: Duration,
}

#[derive(Debug, Clone, Default)]
struct Executor {
    calls: Histogram,
    total: Duration,
    critical: Duration,
}

/// Where the time of a flow's requests went.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// How many requests there were.
    pub requests: u64,
    /// How long one took, on average.
    pub mean: Duration,
    /// What 95 of 100 requests did not exceed.
    pub p95: Duration,
    /// The share of the requests' time that was in no executor.
    pub own: f64,
    /// Each executor's part.
    pub executors: NodeMap<ExecutorTimes>,
}

/// How long one executor took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExecutorTimes {
    /// How often it was called, and answered.
    pub calls: u64,
    /// How long a call took, on average.
    pub mean: Duration,
    /// What 95 of 100 calls did not exceed, rounded up by a sixty-fourth at most.
    pub p95: Duration,
    /// Its time on the critical path, of the time of all requests.
    pub share: f64,
}

/// A request's stop at an executor: when it came, and when it went on.
#[derive(Debug, Clone, Copy)]
struct Stop {
    start: SystemTime,
    end: SystemTime,
}

impl Tally {
    /// For requests to a flow of this shape.
    pub fn new<N>(graph: &Graph<N>) -> Tally {
        let names = graph.iter();
        Tally {
            names: names
                .map(|(id, node)| (Arc::clone(&node.name), id))
                .collect(),
            graph: graph.as_ref().map(|_, _, _| ()),
            executors: graph.values(|_| Executor::default()),
            requests: Histogram::default(),
            total: Duration::ZERO,
        }
    }

    /// Adds a request that was answered: when it came to the flow, when its answer came,
    /// and its stops.
    pub fn add(&mut self, start: SystemTime, end: SystemTime, hops: &[Hop]) {
        let end = end.max(start);
        let whole = since(end, start);
        self.requests.add(whole);
        self.total = self.total.saturating_add(whole);

        let mut stops = self.graph.values(|_| None);
        for hop in hops {
            let Some(&id) = self.names.get(&hop.executor) else {
                continue;
            };
            stops[id] = Some(Stop {
                start: hop.start,
                // Passed by, it took no time.
                end: hop.end.unwrap_or(hop.start),
            });
            if let Some(end) = hop.end {
                let executor = &mut self.executors[id];
                let time = since(end, hop.start);
                executor.calls.add(time);
                executor.total = executor.total.saturating_add(time);
            }
        }

        // Back from the end. What was counted already is not counted again, also if the
        // system's clock was set meanwhile: so the parts never come to more than the
        // whole.
        let mut until = end;
        let ends = self.graph.ends().into_iter().map(Upstream::Node).collect();
        let mut needs: Vec<Upstream> = ends;
        while let Some((id, stop)) = self.last(&needs, &stops) {
            let stop_end = stop.end.min(until);
            let stop_start = stop.start.clamp(start, stop_end.max(start));
            let executor = &mut self.executors[id];
            let critical = since(stop_end, stop_start);
            executor.critical = executor.critical.saturating_add(critical);
            until = stop_start;
            let edges = self.graph[id].needs.iter();
            needs = edges.map(|edge| edge.from).collect();
        }
    }

    /// Which of these ended last; the first of several that ended at once.
    fn last(&self, needs: &[Upstream], stops: &NodeMap<Option<Stop>>) -> Option<(NodeId, Stop)> {
        let mut last: Option<(NodeId, Stop)> = None;
        for need in needs {
            let Upstream::Node(id) = *need else { continue };
            if let Some(stop) = stops[id]
                && last.is_none_or(|(_, last)| stop.end > last.end)
            {
                last = Some((id, stop));
            }
        }
        last
    }

    /// How many requests were added.
    pub fn requests(&self) -> u64 {
        self.requests.count()
    }

    /// Where their time went.
    pub fn times(&self) -> Times {
        let share = |time: Duration| match self.total.is_zero() {
            true => 0.0,
            false => time.as_nanos() as f64 / self.total.as_nanos() as f64,
        };
        let mut in_executors = Duration::ZERO;
        let mut executors = self.graph.iter().map(|(id, _)| {
            let Executor {
                calls,
                total,
                critical,
            } = &self.executors[id];
            in_executors = in_executors.saturating_add(*critical);
            ExecutorTimes {
                calls: calls.count(),
                mean: mean(*total, calls.count()),
                p95: calls.percentile(95),
                share: share(*critical),
            }
        });
        let executors = self.graph.values(|_| {
            let none = ExecutorTimes {
                calls: 0,
                mean: Duration::ZERO,
                p95: Duration::ZERO,
                share: 0.0,
            };
            executors.next().unwrap_or(none)
        });
        Times {
            requests: self.requests.count(),
            mean: mean(self.total, self.requests.count()),
            p95: self.requests.percentile(95),
            own: share(self.total.saturating_sub(in_executors)),
            executors,
        }
    }
}

/// None, if the clock was set back meanwhile.
fn since(end: SystemTime, start: SystemTime) -> Duration {
    end.duration_since(start).unwrap_or_default()
}

fn mean(total: Duration, count: u64) -> Duration {
    let nanos = total.as_nanos() / u128::from(count.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use wasm_flow_contract::graph::{Builder, Edge, NodeOptions};

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    fn hop(executor: &str, start: u64, end: Option<u64>) -> Hop {
        Hop {
            executor: executor.into(),
            start: at(start),
            end: end.map(at),
            failure: None,
        }
    }

    /// `a`, then `left` and `right`, then `join`; `log` floats beside `join`.
    fn diamond() -> Graph<()> {
        let mut builder = Builder::default();
        let ids = ["a", "left", "right", "join", "log"].map(|name| builder.node(name, ()));
        let [a, left, right, join, log] = ids;
        for (to, from) in [(left, a), (right, a), (join, left), (join, right), (log, a)] {
            builder.need(to, Edge::new(Upstream::Node(from)));
        }
        builder.options(
            log,
            NodeOptions {
                floating: true,
                ..NodeOptions::default()
            },
        );
        builder.build().unwrap()
    }

    fn shares(graph: &Graph<()>, times: &Times) -> Vec<(String, f64)> {
        let nodes = graph.iter();
        nodes
            .map(|(id, node)| (node.name.to_string(), times.executors[id].share))
            .collect()
    }

    #[track_caller]
    fn come_to_all(graph: &Graph<()>, times: &Times) {
        let sum: f64 = shares(graph, times).iter().map(|(_, share)| share).sum();
        assert!((sum + times.own - 1.0).abs() < 1e-9, "{sum} {}", times.own);
    }

    #[test]
    fn the_slow_branch_is_on_the_critical_path() {
        let graph = diamond();
        let mut tally = Tally::new(&graph);
        let hops = [
            hop("a", 10, Some(20)),
            hop("left", 20, Some(30)),
            hop("join", 62, Some(90)),
            hop("right", 20, Some(60)),
            hop("log", 20, None),
        ];
        tally.add(at(0), at(100), &hops);
        let times = tally.times();
        assert_eq!(
            shares(&graph, &times),
            [
                ("a", 0.1),
                ("left", 0.0),
                ("right", 0.4),
                ("join", 0.28),
                ("log", 0.0)
            ]
            .map(|(name, share)| (name.to_owned(), share))
        );
        // Before `a`, between `right` and `join`, and behind `join`.
        assert!((times.own - 0.22).abs() < 1e-9);
        come_to_all(&graph, &times);
        let [left, log] = [1, 4].map(|index| times.executors[graph.order()[index]]);
        assert_eq!((left.calls, left.mean), (1, Duration::from_millis(10)));
        assert_eq!(log.calls, 0, "nobody waits for it, so nobody measures it");
        assert_eq!(
            (times.requests, times.mean),
            (1, Duration::from_millis(100))
        );
    }

    #[test]
    fn requests_take_different_ways() {
        let graph = diamond();
        let mut tally = Tally::new(&graph);
        for (left, right) in [(30, 20), (20, 30)] {
            let hops = [
                hop("a", 0, Some(10)),
                hop("left", 10, Some(10 + left)),
                hop("join", 40, Some(50)),
                hop("right", 10, Some(10 + right)),
            ];
            tally.add(at(0), at(50), &hops);
        }
        let times = tally.times();
        come_to_all(&graph, &times);
        let share = |index: usize| shares(&graph, &times)[index].1;
        assert_eq!((share(1), share(2)), (0.3, 0.3));
        assert_eq!(times.own, 0.0);
    }

    #[test]
    fn who_is_passed_by_takes_no_time() {
        let graph = diamond();
        let mut tally = Tally::new(&graph);
        let hops = [
            hop("a", 5, None),
            hop("left", 5, Some(15)),
            hop("join", 15, None),
            hop("right", 5, None),
        ];
        tally.add(at(0), at(20), &hops);
        let times = tally.times();
        come_to_all(&graph, &times);
        assert_eq!(shares(&graph, &times)[1].1, 0.5);
        assert_eq!(times.executors[graph.order()[0]].calls, 0);
    }

    #[test]
    fn a_clock_that_is_set_changes_no_sum() {
        let graph = diamond();
        let mut source = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let mut tally = Tally::new(&graph);
            for _ in 0..3 {
                let mut moment = || source.u64(0..50);
                let hops =
                    ["a", "left", "right", "join"].map(|name| hop(name, moment(), Some(moment())));
                tally.add(at(moment()), at(moment() + 1), &hops);
            }
            let times = tally.times();
            if times.mean > Duration::ZERO {
                come_to_all(&graph, &times);
            }
            assert!(times.own >= 0.0);
            assert!(
                shares(&graph, &times)
                    .iter()
                    .all(|(_, share)| (0.0..=1.0).contains(share))
            );
        }
    }

    #[test]
    fn nothing_was_sent() {
        let graph = diamond();
        let times = Tally::new(&graph).times();
        assert_eq!(
            (times.requests, times.mean, times.own),
            (0, Duration::ZERO, 0.0)
        );
    }
}
