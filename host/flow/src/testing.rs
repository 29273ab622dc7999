//! Flows of functions, for tests of what runs a flow and of what serves one.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's own mistakes"
)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use wasm_flow_contract::graph::{Builder, Edge, NodeId, Upstream};
use wasm_flow_contract::reply::Origin;
use wasm_flow_contract::request::DEFAULT_ENDPOINT;
use wasm_flow_contract::{Call, Failure, FailureKind, Graph, Reply, Results, Stage, StageInfo};
use wasm_flow_document::DocumentArray;

use crate::{Flow, ShapeError};

type Function = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// A stage of functions by endpoint.
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Function>);

impl Functions {
    /// Binds a function to an endpoint; [`DEFAULT_ENDPOINT`] stands for all others.
    #[must_use]
    pub fn on<F>(
        mut self,
        endpoint: &str,
        function: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Functions
    where
        F: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        self.0.insert(
            endpoint.to_owned(),
            Arc::new(move |call| Box::pin(function(call))),
        );
        self
    }

    fn function(&self, endpoint: &str) -> Option<&Function> {
        self.0
            .get(endpoint)
            .or_else(|| self.0.get(DEFAULT_ENDPOINT))
    }
}

impl Stage for Functions {
    fn info(&self) -> StageInfo {
        StageInfo {
            class: "Functions".to_owned(),
            endpoints: self
                .0
                .keys()
                .map(|endpoint| (endpoint.clone(), "function".to_owned()))
                .collect(),
            replicas: 1,
            ..StageInfo::default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.function(endpoint).is_some()
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        match self.function(&call.endpoint) {
            Some(function) => function(call),
            None => Box::pin(std::future::ready(reply(call.docs))),
        }
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The stages in a graph: each takes its documents from those given by index, or
/// from the gateway if there are none.
pub fn graph<const N: usize>(stages: [(&str, &[usize], Functions); N]) -> Graph<Arc<dyn Stage>> {
    let mut builder = Builder::default();
    let mut ids: Vec<NodeId> = Vec::new();
    for (name, needs, functions) in stages {
        let stage: Arc<dyn Stage> = Arc::new(functions);
        let id = builder.node(name, stage);
        ids.push(id);
        for &need in needs {
            builder.need(id, Edge::new(Upstream::Node(ids[need])));
        }
    }
    builder.build().expect("needs point backwards")
}

/// A flow of [`graph`]'s stages.
///
/// # Panics
/// When the graph has several ends.
pub fn flow<const N: usize>(stages: [(&str, &[usize], Functions); N]) -> Flow {
    let flow: Result<Flow, ShapeError> = Flow::new("test", graph(stages));
    flow.expect("one end")
}

/// A reply with these documents.
///
/// # Errors
/// Never.
pub fn reply(docs: DocumentArray) -> Result<Reply, Failure> {
    Ok(Reply::new(docs))
}

/// A reply with the documents that came and these results.
///
/// # Errors
/// Never.
///
/// # Panics
/// When the results are not an object.
pub fn results(call: Call, results: Value, replica: u32) -> Result<Reply, Failure> {
    let Value::Object(values) = results else {
        panic!("results are an object")
    };
    Ok(Reply {
        docs: call.docs,
        results: vec![Results {
            origin: Origin::replica(replica),
            values,
        }],
    })
}

/// The documents' texts with something added to each.
pub fn suffixed(docs: &DocumentArray, suffix: &str) -> DocumentArray {
    DocumentArray::from_texts(docs.texts().map(|text| format!("{text}{suffix}")))
}

/// A failure of this name.
pub fn failure(name: &str) -> Failure {
    Failure {
        kind: FailureKind::Method,
        name: name.to_owned(),
        description: format!("{name}('why')"),
        args: vec!["why".to_owned()],
        stacks: vec!["line".to_owned()],
        executor: "Class".into(),
        details: None,
    }
}

/// A JSON object.
///
/// # Panics
/// When it is something else.
pub fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}
