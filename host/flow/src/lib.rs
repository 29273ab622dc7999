//! The flow: executors in a graph, and a request's way through it.
//!
//! [`Flow`] takes a request through as Jina does: an executor that binds nothing
//! to the request's endpoint is passed by, one that fails ends the request, and
//! the documents that come back are those of before the failure.
//!
//! An executor is called as soon as all that it needs has come, so branches run
//! side by side. If one fails, the calls of the others are given up.

pub mod bounds;
mod floating;
mod live;
mod run;
pub mod stages;
mod stream;
mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use wasm_flow_contract::graph::{Node, Upstream};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{Graph, NodeId, Request, Response, Service, Stage, Streamed};

use bounds::{STREAM_STALL, STREAM_WAITS};
use floating::Floating;
pub use live::Live;
use stages::Observed;

/// Executors that run, in a graph. Cheap to clone.
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
    timeout: Option<Duration>,
}

struct Inner {
    name: String,
    graph: Graph<Arc<dyn Stage>>,
    /// The node whose documents are the answer. None: nothing changes the request's.
    end: Option<NodeId>,
    /// Whether each node takes the documents of the one before it, and all of them.
    is_chain: bool,
    /// Whether some node is sent only some of the documents.
    filters: bool,
    /// Whether documents come together somewhere.
    joins: bool,
    /// How many needs are the request's documents.
    starts: usize,
    floating: Floating,
    /// Those in flight. Closed once the flow is being stopped.
    requests: TaskTracker,
}

/// A graph that a request cannot be taken through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// It has several ends that a request would have to wait for.
    #[error("a flow has one end, and this graph has several")]
    SeveralEnds(
        /// All of them.
        Vec<NodeId>,
    ),
    /// A node needs the documents of a floating one, which go nowhere.
    #[error("it needs an executor that is floating, whose documents go nowhere")]
    NeedsFloating(
        /// The node that needs it.
        NodeId,
    ),
}

impl Flow {
    /// A flow of stages. Each of them is observed: see [`Observed`].
    ///
    /// # Errors
    /// When several nodes are its end, or a node needs a floating one.
    pub fn new(name: impl Into<String>, graph: Graph<Arc<dyn Stage>>) -> Result<Flow, ShapeError> {
        let floating = graph.iter().filter(|(_, node)| node.options.floating);
        for (_, node) in floating {
            if let Some(successor) = node.successors.first() {
                return Err(ShapeError::NeedsFloating(*successor));
            }
        }
        let ends = graph.ends();
        match ends.as_slice() {
            [] => Ok(Flow::ending_at(None, name.into(), graph)),
            [end] => Ok(Flow::ending_at(Some(*end), name.into(), graph)),
            _ => Err(ShapeError::SeveralEnds(ends)),
        }
    }

    /// A flow of one executor.
    pub fn single(name: impl Into<Arc<str>>, stage: Arc<dyn Stage>) -> Flow {
        let name = name.into();
        let graph = Graph::chain([(Arc::clone(&name), stage)]);
        Flow::ending_at(graph.ends().first().copied(), name.to_string(), graph)
    }

    fn ending_at(end: Option<NodeId>, name: String, graph: Graph<Arc<dyn Stage>>) -> Flow {
        let graph = graph.map(|_, name, stage| {
            let observed: Arc<dyn Stage> = Arc::new(Observed::new(Arc::clone(name), stage));
            observed
        });
        let nodes = || graph.iter().map(|(_, node)| node);
        let starts = |node: &Node<_>| {
            let edges = node.needs.iter();
            edges.filter(|edge| edge.from == Upstream::Gateway).count()
        };
        let floating = nodes().filter(|node| node.options.floating);
        let floating = Floating::new(floating.map(|node| Arc::clone(&node.name)));
        let filters = nodes().any(|node| node.options.when.is_some());
        let joins = nodes().any(|node| node.needs.len() > 1);
        let starts = nodes().map(starts).sum();
        let splits = starts > 1 || nodes().any(|node| node.successors.len() > 1);
        let floats = nodes().any(|node| node.options.floating);
        Flow {
            inner: Arc::new(Inner {
                name,
                graph,
                end,
                is_chain: !(filters || joins || splits || floats),
                filters,
                joins,
                starts,
                floating,
                requests: TaskTracker::new(),
            }),
            timeout: None,
        }
    }

    /// The same flow, which gives up requests that take longer. None: only the calls of
    /// its executors are bounded. For documents that come one by one
    /// ([`stream`](Self::stream)), it is the time until the last one.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Flow {
        Flow { timeout, ..self }
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How long a request may take. None: as long as its executors may.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The flow's shape.
    pub fn graph(&self) -> &Graph<Arc<dyn Stage>> {
        &self.inner.graph
    }

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    pub fn endpoints(&self) -> Vec<String> {
        let stages = self.inner.graph.iter();
        let mut endpoints: Vec<String> = stages
            .flat_map(|(_, node)| node.value.info().into_endpoints())
            .chain([DRY_RUN.to_owned()])
            .collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }

    /// Those of [`endpoints`](Self::endpoints) that some executor does not say of that
    /// its calls can be repeated, sorted. See [`Stage::is_repeatable`].
    pub fn write_endpoints(&self) -> Vec<String> {
        let writes = |endpoint: &String| {
            let mut stages = self.inner.graph.iter().map(|(_, node)| &node.value);
            endpoint != DRY_RUN
                && stages.any(|stage| stage.binds(endpoint) && !stage.is_repeatable(endpoint))
        };
        self.endpoints().into_iter().filter(writes).collect()
    }

    /// Takes a request through the flow. A failure is part of the answer.
    ///
    /// Dropping the future gives the request up, wherever it is. It is in flight from now
    /// on, polled or not, so a stop waits until it is done or dropped.
    pub fn call(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        let Flow {
            inner,
            timeout: limit,
        } = self.clone();
        let place = inner.enter();
        async move {
            let Some(_place) = place else {
                return run::failed(request.docs, run::has_stopped(&inner));
            };
            let Some(limit) = limit else {
                return run::run(inner, request).await;
            };
            let asked = request.docs.clone();
            let answer = timeout(limit, run::run(Arc::clone(&inner), request)).await;
            answer.unwrap_or_else(|_| run::failed(asked, run::too_late(&inner, limit)))
        }
    }

    /// Takes a request through the flow, and gives its documents one by one.
    ///
    /// If an executor sends documents while it runs, each of them passes the executors
    /// behind it by itself, as soon as it comes. An executor that sends the next one before
    /// the last has been taken has to wait. All other documents come when the whole answer
    /// is there. Only a chain can have an executor that sends documents while it runs.
    ///
    /// The flow's `timeout` is for all of it, the time included that the client takes to
    /// read. A client that reads nothing for two minutes, or lets documents wait for an
    /// hour in all, gets a failure as the last item.
    ///
    /// Dropping the stream gives the request up, wherever it is. It is in flight from now
    /// on, and begins when the stream is polled first, which has to be in a tokio runtime.
    pub fn stream(&self, request: Request) -> Streamed {
        let limits = stream::Limits {
            whole: self.timeout,
            stall: STREAM_STALL,
            waits: STREAM_WAITS,
        };
        stream::stream(Arc::clone(&self.inner), request, limits)
    }

    /// How many calls of floating executors are under way.
    pub fn floating(&self) -> usize {
        self.inner.floating.under_way()
    }

    /// How many calls of floating executors failed, or were left out because too many
    /// were under way.
    pub fn floating_failures(&self) -> u64 {
        self.inner.floating.failed()
    }

    /// Waits for the requests in flight, and for the calls that nobody waits for.
    /// Requests that come later are refused. The executors go on.
    pub async fn drain(&self) {
        self.inner.requests.close();
        self.inner.requests.wait().await;
        self.inner.floating.drained().await;
    }

    /// Stops all executors, after the requests in flight and the calls that nobody waits
    /// for. Requests that come later are refused.
    pub async fn stop(&self) {
        self.drain().await;
        let stages = self.inner.graph.iter();
        join_all(stages.map(|(_, node)| node.value.stop())).await;
    }
}

impl Inner {
    /// A request's place among those in flight. None if the flow is being stopped.
    fn enter(&self) -> Option<TaskTrackerToken> {
        // It counts before it is asked whether the flow is being stopped: a stop waits for
        // it, or it is refused.
        let place = self.requests.token();
        (!self.requests.is_closed()).then_some(place)
    }
}

impl Service for Flow {
    fn name(&self) -> &str {
        Flow::name(self)
    }

    fn endpoints(&self) -> Vec<String> {
        Flow::endpoints(self)
    }

    fn write_endpoints(&self) -> Vec<String> {
        Flow::write_endpoints(self)
    }

    fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(Flow::call(self, request))
    }

    fn stream(&self, request: Request) -> Streamed {
        Flow::stream(self, request)
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("name", &self.inner.name)
            .field("executors", &self.inner.graph.len())
            .finish_non_exhaustive()
    }
}
