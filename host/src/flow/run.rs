//! A request's way through the graph.
//!
//! In a chain one node is visited after the other. Where there are branches, each
//! node is a future over its predecessors' outputs, so that they run at the same
//! time: [`gather`] is where several inputs become one.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use serde_json::{Map, Value};

use super::graph::{GATEWAY, Graph, Node};
use super::stage::Stage;
use super::{DRY_RUN, Failure, Hop, Request, Response, Target};
use crate::document::DocumentArray;
use crate::executor::{Call, Part};

/// What a node passes on.
#[derive(Clone)]
struct Output {
    docs: DocumentArray,
    /// Set when this node or one before it failed: those behind it are not
    /// visited.
    failure: Option<Arc<Failure>>,
}

/// What is known of a node once the request has been there.
struct Visit {
    start: SystemTime,
    end: Option<SystemTime>,
    failure: Option<Arc<Failure>>,
    results: Option<(String, Map<String, Value>)>,
}

/// What every node of one request's run can see.
struct Run<'a> {
    graph: &'a Graph,
    request: Request,
    target: Option<Target>,
    stages: &'a [Arc<dyn Stage>],
    visits: Vec<OnceLock<Visit>>,
}

pub(super) async fn run(
    graph: &Graph,
    stages: &[Arc<dyn Stage>],
    mut request: Request,
) -> Response {
    let target = match request.target.as_str() {
        "" => None,
        pattern => match Target::parse(pattern) {
            Ok(target) => Some(target),
            Err(error) => {
                return Response {
                    docs: request.docs,
                    results: Map::new(),
                    hops: Vec::new(),
                    failure: Some(Arc::new(Failure::of_flow("BadTarget", error.to_string()))),
                };
            }
        },
    };
    let entry = Output {
        docs: std::mem::take(&mut request.docs),
        failure: None,
    };
    let mut run = Run {
        graph,
        request,
        target,
        stages,
        visits: graph.nodes().iter().map(|_| OnceLock::new()).collect(),
    };
    let output = schedule(&run, entry).await;
    run.finish(output)
}

/// Takes the request through all nodes.
async fn schedule(run: &Run<'_>, entry: Output) -> Output {
    if !run.graph.is_chain() {
        return branches(run, entry).await;
    }
    let mut output = entry;
    for &index in run.graph.order() {
        if let Some(node) = run.graph.nodes().get(index) {
            output = run.visit(index, node, vec![output]).await;
        }
    }
    output
}

/// Makes a future of every node and waits for the ones where the flow ends.
async fn branches(run: &Run<'_>, entry: Output) -> Output {
    let graph = run.graph;
    let mut nodes: Vec<Option<Shared<BoxFuture<'_, Output>>>> = vec![None; graph.nodes().len()];
    for &index in graph.order() {
        let Some(node) = graph.nodes().get(index) else {
            continue;
        };
        let inputs: Vec<_> = node
            .predecessors
            .iter()
            .filter_map(|&predecessor| nodes.get(predecessor)?.clone())
            .collect();
        let entry = node.from_gateway.then(|| entry.clone());
        let visited = async move {
            let mut outputs = join_all(inputs).await;
            outputs.extend(entry);
            run.visit(index, node, outputs).await
        };
        if let Some(slot) = nodes.get_mut(index) {
            *slot = Some(visited.boxed().shared());
        }
    }
    let ends: Vec<_> = graph
        .ends()
        .filter_map(|index| nodes.get_mut(index)?.take())
        .collect();
    if ends.is_empty() {
        return entry;
    }
    // Only the successors hold on to a node now, so the last of them gets its
    // documents without a copy.
    drop((nodes, entry));
    gather(join_all(ends).await)
}

/// Makes one input of what the predecessors put out.
///
/// A chain has one. Merging several, by the documents' ids, is the join's work
/// and belongs here; until then no graph with joins gets this far.
fn gather(outputs: Vec<Output>) -> Output {
    let failed = outputs.iter().position(|output| output.failure.is_some());
    outputs
        .into_iter()
        .nth(failed.unwrap_or(0))
        .unwrap_or_else(|| Output {
            docs: DocumentArray::new(),
            failure: None,
        })
}

impl Run<'_> {
    /// Takes the request to one node.
    async fn visit(&self, index: usize, node: &Node, outputs: Vec<Output>) -> Output {
        if outputs.iter().any(|output| output.failure.is_some()) {
            return gather(outputs);
        }
        let start = SystemTime::now();
        let parts = self.parts(node, &outputs);
        let input = gather(outputs);
        let visit = |end, failure, results| Visit {
            start,
            end,
            failure,
            results,
        };

        let meant = self
            .target
            .as_ref()
            .is_none_or(|target| target.matches(&node.name));
        if &*self.request.endpoint == DRY_RUN {
            // Reaches every executor and runs none of its methods.
            let end = meant.then(SystemTime::now);
            self.note(index, visit(end, None, None));
            return input;
        }
        let handler = self
            .stages
            .get(index)
            .filter(|_| meant)
            .and_then(|stage| stage.bind(&self.request.endpoint));
        let Some(handler) = handler else {
            self.note(index, visit(None, None, None));
            return input;
        };
        let call = Call {
            request_id: Arc::clone(&self.request.id),
            endpoint: Arc::clone(&self.request.endpoint),
            parameters: self.request.parameters.for_executor(&node.name),
            docs: input.docs.clone(),
            parts,
        };
        match handler(call).await {
            Ok(reply) => {
                let results = reply
                    .results
                    .map(|results| (format!("{}/rep-{}", node.name, reply.replica), results));
                self.note(index, visit(Some(SystemTime::now()), None, results));
                Output {
                    docs: reply.docs,
                    failure: None,
                }
            }
            Err(failure) => {
                let failure = Some(Arc::new(failure));
                self.note(index, visit(Some(SystemTime::now()), failure.clone(), None));
                Output {
                    docs: input.docs,
                    failure,
                }
            }
        }
    }

    /// The documents by predecessor; none where the request holds no document.
    fn parts(&self, node: &Node, outputs: &[Output]) -> Vec<Part> {
        if outputs.iter().all(|output| output.docs.is_empty()) {
            return Vec::new();
        }
        // The gateway's output, where there is one, comes last.
        node.predecessors
            .iter()
            .filter_map(|&index| Some(Arc::clone(&self.graph.nodes().get(index)?.name)))
            .chain(node.from_gateway.then(|| Arc::from(GATEWAY)))
            .zip(outputs)
            .map(|(executor, output)| Part {
                executor,
                docs: output.docs.clone(),
            })
            .collect()
    }

    fn note(&self, index: usize, visit: Visit) {
        if let Some(slot) = self.visits.get(index) {
            // Each node is visited once.
            let _ = slot.set(visit);
        }
    }

    /// Puts the answer together once every node is done.
    fn finish(&mut self, output: Output) -> Response {
        let mut hops = Vec::with_capacity(self.visits.len());
        let mut results = Map::new();
        for &index in self.graph.walk() {
            let visit = self.visits.get_mut(index).and_then(OnceLock::take);
            let (Some(visit), Some(node)) = (visit, self.graph.nodes().get(index)) else {
                continue;
            };
            if let Some((name, values)) = visit.results {
                results.insert(name, Value::Object(values));
            }
            hops.push(Hop {
                executor: Arc::clone(&node.name),
                start: visit.start,
                end: visit.end,
                failure: visit.failure,
            });
        }
        Response {
            docs: output.docs,
            results,
            hops,
            failure: output.failure,
        }
    }
}
