//! The flow: executors in a graph, and a request's way through it.
//!
//! [`FlowConfig`] reads `flow.toml`, [`start()`] starts what it names, and
//! [`Flow::call`] takes a request through, as Jina does: an executor that binds
//! nothing to the request's endpoint is passed by, one that fails ends the
//! request, and the documents that come back are those of before the failure.
//!
//! Not covered: merging what several predecessors send. The graph and the
//! scheduler take any graph without cycles, [`FlowConfig`] refuses the ones
//! that would need it.

mod config;
mod graph;
mod parameters;
mod run;
mod stage;
mod start;
mod target;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

pub use config::{
    ConfigError, ExecutorEntry, FlowConfig, GatewayConfig, LateProblem, Place, Problem, Report,
    Uses, parse_duration, parse_size,
};
pub use graph::{Branching, GATEWAY, Graph, GraphError, Node};
pub use parameters::{Parameters, RESULTS};
pub use stage::{Handler, Stage};
pub use start::{FlowStartError, StartErrors, Started, start};
pub use target::{Target, TargetError};

use crate::document::DocumentArray;

/// The endpoint that every executor answers without doing anything: it tells
/// whether a request gets through the flow.
pub const DRY_RUN: &str = "_jina_dry_run_";

/// Executors that run, in a graph. Cheap to clone.
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    graph: Graph,
    stages: Vec<Arc<dyn Stage>>,
}

/// A stage per node is what makes a flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a flow of {nodes} executors was given {stages}")]
pub struct StageCount {
    /// The graph's.
    pub nodes: usize,
    /// Those given.
    pub stages: usize,
}

/// A request to a flow.
#[derive(Debug, Clone)]
pub struct Request {
    /// The client's id for it.
    pub id: Arc<str>,
    /// The endpoint, as the client wrote it; empty where it named none.
    pub endpoint: Arc<str>,
    /// A regular expression for the executors that are meant; empty for all.
    pub target: String,
    /// The client's parameters.
    pub parameters: Parameters,
    /// The documents.
    pub docs: DocumentArray,
}

impl Request {
    /// A request with a random id, without parameters, for all executors.
    pub fn new(endpoint: impl Into<Arc<str>>, docs: DocumentArray) -> Request {
        Request {
            id: Arc::from(&*crate::document::random_id()),
            endpoint: endpoint.into(),
            target: String::new(),
            parameters: Parameters::default(),
            docs,
        }
    }
}

/// What a flow answers.
#[derive(Debug, Clone)]
pub struct Response {
    /// The documents: where the request failed, those of before the failure.
    pub docs: DocumentArray,
    /// What executors returned beside documents, under `name/rep-0`.
    pub results: Map<String, Value>,
    /// The executors that the request came to, depth first.
    pub hops: Vec<Hop>,
    /// Why the request failed.
    pub failure: Option<Arc<Failure>>,
}

/// A request's stop at one executor.
#[derive(Debug, Clone)]
pub struct Hop {
    /// The executor's name in the flow.
    pub executor: Arc<str>,
    /// When the request came to it.
    pub start: SystemTime,
    /// When it was done. `None`: it was passed by.
    pub end: Option<SystemTime>,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
}

/// An error as Jina's clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct Failure {
    /// The kind of error: `ValueError`.
    pub name: String,
    /// What failed, where and why, in a sentence.
    pub description: String,
    /// The error's own words.
    pub args: Vec<String>,
    /// Where it came from: the lines of a backtrace, or the chain of causes.
    pub stacks: Vec<String>,
    /// The type of the executor that failed, not its name in the flow; empty
    /// where none did.
    pub executor: String,
}

impl Failure {
    /// A failure of the flow's own, which no executor is to blame for.
    pub fn of_flow(name: &str, description: String) -> Failure {
        Failure {
            name: name.to_owned(),
            args: vec![description.clone()],
            description,
            stacks: Vec::new(),
            executor: String::new(),
        }
    }
}

impl Flow {
    /// A flow of these stages, one a node and in the graph's order.
    ///
    /// # Errors
    /// When there are more or fewer of them than nodes.
    pub fn new(
        name: impl Into<String>,
        graph: Graph,
        stages: Vec<Arc<dyn Stage>>,
    ) -> Result<Flow, StageCount> {
        let nodes = graph.nodes().len();
        if nodes != stages.len() {
            return Err(StageCount {
                nodes,
                stages: stages.len(),
            });
        }
        Ok(Flow {
            inner: Arc::new(Inner {
                name: name.into(),
                graph,
                stages,
            }),
        })
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The flow's shape.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// Every endpoint that some executor binds, sorted, and the dry run's.
    pub fn endpoints(&self) -> Vec<String> {
        let mut endpoints: Vec<String> = self
            .inner
            .stages
            .iter()
            .flat_map(|stage| stage.endpoints())
            .chain([DRY_RUN.to_owned()])
            .collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }

    /// Takes a request through the flow. A failure is part of the answer.
    ///
    /// Dropping the future gives the request up, wherever it is.
    pub async fn call(&self, request: Request) -> Response {
        run::run(&self.inner.graph, &self.inner.stages, request).await
    }

    /// Stops all executors, each after its calls in flight.
    pub async fn stop(&self) {
        futures::future::join_all(self.inner.stages.iter().map(|stage| stage.stop())).await;
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("name", &self.inner.name)
            .field("graph", &self.inner.graph)
            .finish_non_exhaustive()
    }
}
