//! The flow: executors in a graph, and a request's way through it.
//!
//! [`Flow`] takes a request through as Jina does: an executor that binds nothing
//! to the request's endpoint is passed by, one that fails ends the request, and
//! the documents that come back are those of before the failure.
//!
//! Not covered: documents that come together from several executors. A
//! [`Flow`] takes a chain and refuses any other graph.

pub mod bounds;
mod run;
pub mod stages;
mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use wasm_flow_contract::graph::Branching;
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{Graph, Request, Response, Service, Stage};

use stages::Observed;

/// Executors that run, in a graph. Cheap to clone.
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    graph: Graph<Arc<dyn Stage>>,
}

/// A graph that is more than a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a flow that is more than a chain of executors is not supported yet")]
pub struct NotAChain(
    /// The first place where it is more.
    pub Branching,
);

impl Flow {
    /// A flow of stages. Each of them is observed: see [`Observed`].
    ///
    /// # Errors
    /// When the graph is more than a chain.
    pub fn new(name: impl Into<String>, graph: Graph<Arc<dyn Stage>>) -> Result<Flow, NotAChain> {
        match graph.branchings().first() {
            Some(&branching) => Err(NotAChain(branching)),
            None => Ok(Flow::of_chain(name.into(), graph)),
        }
    }

    /// A flow of one executor.
    pub fn single(name: impl Into<Arc<str>>, stage: Arc<dyn Stage>) -> Flow {
        let name = name.into();
        Flow::of_chain(name.to_string(), Graph::chain([(name, stage)]))
    }

    fn of_chain(name: String, graph: Graph<Arc<dyn Stage>>) -> Flow {
        let graph = graph.map(|_, name, stage| {
            let observed: Arc<dyn Stage> = Arc::new(Observed::new(Arc::clone(name), stage));
            observed
        });
        Flow {
            inner: Arc::new(Inner { name, graph }),
        }
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The flow's shape.
    pub fn graph(&self) -> &Graph<Arc<dyn Stage>> {
        &self.inner.graph
    }

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    pub fn endpoints(&self) -> Vec<String> {
        let stages = self.inner.graph.iter();
        let mut endpoints: Vec<String> = stages
            .flat_map(|(_, node)| node.value.info().endpoints)
            .map(|(endpoint, _)| endpoint)
            .chain([DRY_RUN.to_owned()])
            .collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }

    /// Takes a request through the flow. A failure is part of the answer.
    ///
    /// Dropping the future gives the request up, wherever it is.
    pub fn call(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        run::run(Arc::clone(&self.inner), request)
    }

    /// Stops all executors, each after its calls in flight.
    pub async fn stop(&self) {
        let stages = self.inner.graph.iter();
        join_all(stages.map(|(_, node)| node.value.stop())).await;
    }
}

impl Service for Flow {
    fn name(&self) -> &str {
        Flow::name(self)
    }

    fn endpoints(&self) -> Vec<String> {
        Flow::endpoints(self)
    }

    fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(Flow::call(self, request))
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
