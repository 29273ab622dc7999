//! A request's way through a chain: one node is visited after the other.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use serde_json::{Map, Value};
use wasm_flow_contract::graph::{Node, Upstream};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{
    Call, Failure, FailureKind, GATEWAY, Graph, Hop, Part, Request, Response, Stage,
};
use wasm_flow_document::DocumentArray;

use crate::Inner;
use crate::target::Target;

/// The gateway's name, for every request's first call.
static FROM_GATEWAY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(GATEWAY));

pub(crate) async fn run(flow: Arc<Inner>, request: Request) -> Response {
    let target = match request.target.as_str() {
        "" => None,
        pattern => match Target::parse(pattern) {
            Ok(target) => Some(target),
            Err(error) => return refused(request.docs, error.to_string()),
        },
    };
    let mut response = Response {
        docs: DocumentArray::new(),
        results: Map::new(),
        hops: Vec::with_capacity(flow.graph.len()),
        failure: None,
    };
    let mut run = Run {
        request,
        target,
        response: &mut response,
    };
    // In a chain this order is that of the walk, too, in which hops are listed.
    for &id in flow.graph.order() {
        run.visit(&flow.graph, &flow.graph[id]).await;
        if run.response.failure.is_some() {
            break;
        }
    }
    response.docs = run.request.docs;
    response
}

/// The answer to a `target_executor` that cannot be read.
fn refused(docs: DocumentArray, reason: String) -> Response {
    let failure = Failure::of_flow(FailureKind::Request, "BadTarget", reason);
    Response {
        docs,
        results: Map::new(),
        hops: Vec::new(),
        failure: Some(Arc::new(failure)),
    }
}

/// One request on its way. `request.docs` are the documents as they are now.
struct Run<'r> {
    request: Request,
    target: Option<Target>,
    response: &'r mut Response,
}

impl Run<'_> {
    /// Takes the request to one node.
    async fn visit(&mut self, graph: &Graph<Arc<dyn Stage>>, node: &Node<Arc<dyn Stage>>) {
        let start = SystemTime::now();
        let target = self.target.as_ref();
        let meant = target.is_none_or(|target| target.matches(&node.name));
        let mut hop = Hop {
            executor: Arc::clone(&node.name),
            start,
            end: None,
            failure: None,
        };
        if &*self.request.endpoint == DRY_RUN {
            // Reaches every executor and runs none of its methods.
            hop.end = meant.then(SystemTime::now);
        } else if meant && node.value.binds(&self.request.endpoint) {
            let outcome = node.value.call(self.call(graph, node)).await;
            hop.end = Some(SystemTime::now());
            match outcome {
                Ok(reply) => {
                    self.request.docs = reply.docs;
                    let results = reply.results.into_iter().map(|results| {
                        let key = format!("{}/{}", node.name, results.origin);
                        (key, Value::Object(results.values))
                    });
                    self.response.results.extend(results);
                }
                Err(failure) => {
                    let failure = Arc::new(failure);
                    hop.failure = Some(Arc::clone(&failure));
                    self.response.failure = Some(failure);
                }
            }
        }
        self.response.hops.push(hop);
    }

    /// The request as this node gets it.
    fn call(&self, graph: &Graph<Arc<dyn Stage>>, node: &Node<Arc<dyn Stage>>) -> Call {
        let request = &self.request;
        let part = |from| Part {
            executor: match from {
                Upstream::Gateway => Arc::clone(&FROM_GATEWAY),
                Upstream::Node(id) => Arc::clone(&graph[id].name),
            },
            docs: request.docs.clone(),
        };
        let parts = node.needs.iter().map(|edge| part(edge.from)).collect();
        Call {
            request_id: Arc::clone(&request.id),
            endpoint: Arc::clone(&request.endpoint),
            parameters: request.parameters.for_executor(&node.name),
            docs: request.docs.clone(),
            parts,
            trace: request.trace,
        }
    }
}
