//! A request's way through the graph: a node is visited as soon as all that it
//! needs has come.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value};
use wasm_flow_contract::graph::{Node, NodeMap, Upstream};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{
    Call, Failure, FailureKind, GATEWAY, Hop, NodeId, Part, Reply, Request, Response, Stage,
};
use wasm_flow_document::{DocumentArray, Limits};

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
    let mut run = Run::new(&flow, request, target);
    run.go().await;
    run.response()
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

/// One request on its way.
struct Run<'f> {
    flow: &'f Inner,
    request: Request,
    target: Option<Target>,
    visits: NodeMap<Visit>,
    results: Map<String, Value>,
    /// Why the request failed, and the documents of before.
    failure: Option<(Arc<Failure>, DocumentArray)>,
}

/// What has come of a node.
#[derive(Default)]
struct Visit {
    /// Needs that have not come yet.
    missing: usize,
    /// Its documents, once they are there.
    docs: Option<DocumentArray>,
    hop: Option<Hop>,
}

/// A call of a node.
type Calling = BoxFuture<'static, (NodeId, DocumentArray, Result<Reply, Failure>)>;

impl Run<'_> {
    fn new(flow: &Inner, request: Request, target: Option<Target>) -> Run<'_> {
        let visits = flow.graph.values(|node| Visit {
            missing: node.predecessors().count(),
            ..Visit::default()
        });
        Run {
            flow,
            request,
            target,
            visits,
            results: Map::new(),
            failure: None,
        }
    }

    /// Visits all nodes, or those that come before a failure.
    async fn go(&mut self) {
        let order = self.flow.graph.order().iter().copied();
        let mut ready: Vec<NodeId> = order.filter(|id| self.visits[*id].missing == 0).collect();
        let mut calls = FuturesUnordered::new();
        loop {
            // Those that are passed by make others ready at once.
            let mut begun: Option<Calling> = None;
            let mut next = 0;
            while let Some(&id) = ready.get(next) {
                next += 1;
                if let Some(call) = self.visit(id, &mut ready)
                    && let Some(before) = begun.replace(call)
                {
                    calls.push(before);
                }
            }
            ready.clear();
            let (id, sent, outcome) = match begun {
                // A chain has one call at a time, which needs no set around it.
                Some(call) if calls.is_empty() => call.await,
                begun => {
                    calls.extend(begun);
                    match calls.next().await {
                        Some(outcome) => outcome,
                        None => return,
                    }
                }
            };
            self.answered(id, sent, outcome, &mut ready);
            if self.failure.is_some() {
                // The other branches are given up.
                return;
            }
        }
    }

    /// Takes the request to one node: the call to wait for, if there is one.
    fn visit(&mut self, id: NodeId, ready: &mut Vec<NodeId>) -> Option<Calling> {
        let node = &self.flow.graph[id];
        let start = SystemTime::now();
        let meant = self
            .target
            .as_ref()
            .is_none_or(|target| target.matches(&node.name));
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
            self.visits[id].hop = Some(hop);
            return self.call(id, node);
        }
        self.visits[id].hop = Some(hop);
        match self.joined(node, &self.parts(node)) {
            Ok(docs) => self.done(id, docs, ready),
            Err(failure) => self.failed(id, failure, DocumentArray::new()),
        }
        None
    }

    /// Begins a node's call.
    fn call(&mut self, id: NodeId, node: &Node<Arc<dyn Stage>>) -> Option<Calling> {
        let mut parts = self.parts(node);
        if let Some(when) = &node.options.when {
            for docs in &mut parts {
                *docs = when.select(docs);
            }
        }
        let docs = match self.joined(node, &parts) {
            Ok(docs) => docs,
            Err(failure) => {
                self.failed(id, failure, DocumentArray::new());
                return None;
            }
        };
        let name = |from| match from {
            Upstream::Gateway => Arc::clone(&FROM_GATEWAY),
            Upstream::Node(id) => Arc::clone(&self.flow.graph[id].name),
        };
        let parts = node.needs.iter().zip(parts).map(|(edge, docs)| Part {
            executor: name(edge.from),
            docs,
        });
        let request = &self.request;
        let calling = node.value.call(Call {
            request_id: Arc::clone(&request.id),
            endpoint: Arc::clone(&request.endpoint),
            parameters: request.parameters.for_executor(&node.name),
            docs: docs.clone(),
            parts: parts.collect(),
            trace: request.trace,
        });
        if node.options.floating {
            self.flow.floating.spawn(Arc::clone(&node.name), calling);
            return None;
        }
        Some(Box::pin(async move { (id, docs, calling.await) }))
    }

    /// The documents of a node's needs, in their order.
    fn parts(&self, node: &Node<Arc<dyn Stage>>) -> Vec<DocumentArray> {
        let docs = |from| match from {
            Upstream::Gateway => Some(&self.request.docs),
            Upstream::Node(id) => self.visits[id].docs.as_ref(),
        };
        let needs = node.needs.iter();
        needs
            .map(|edge| docs(edge.from).cloned().unwrap_or_default())
            .collect()
    }

    /// The documents of a node's needs put together.
    fn joined(
        &self,
        node: &Node<Arc<dyn Stage>>,
        parts: &[DocumentArray],
    ) -> Result<DocumentArray, Failure> {
        let docs = node.options.join(parts);
        // Each part was held to the limits when it came.
        if parts.len() > 1
            && let Err(error) = Limits::default().check(&docs)
        {
            let description = format!(
                "the documents that come together at executor `{}` are too many: {error}",
                node.name
            );
            return Err(Failure::of_flow(
                FailureKind::Request,
                "TooManyDocuments",
                description,
            ));
        }
        Ok(docs)
    }

    fn answered(
        &mut self,
        id: NodeId,
        sent: DocumentArray,
        outcome: Result<Reply, Failure>,
        ready: &mut Vec<NodeId>,
    ) {
        let visit = &mut self.visits[id];
        if let Some(hop) = &mut visit.hop {
            hop.end = Some(SystemTime::now());
        }
        match outcome {
            Ok(reply) => {
                let name = &self.flow.graph[id].name;
                let results = reply.results.into_iter().map(|results| {
                    let key = format!("{name}/{}", results.origin);
                    (key, Value::Object(results.values))
                });
                self.results.extend(results);
                self.done(id, reply.docs, ready);
            }
            Err(failure) => self.failed(id, failure, sent),
        }
    }

    fn failed(&mut self, id: NodeId, failure: Failure, sent: DocumentArray) {
        let failure = Arc::new(failure);
        if let Some(hop) = &mut self.visits[id].hop {
            hop.failure = Some(Arc::clone(&failure));
        }
        self.failure.get_or_insert((failure, sent));
    }

    /// A node's documents are there.
    fn done(&mut self, id: NodeId, docs: DocumentArray, ready: &mut Vec<NodeId>) {
        self.visits[id].docs = Some(docs);
        for &successor in &self.flow.graph[id].successors {
            let visit = &mut self.visits[successor];
            visit.missing = visit.missing.saturating_sub(1);
            if visit.missing == 0 {
                ready.push(successor);
            }
        }
    }

    fn response(mut self) -> Response {
        let (failure, docs) = match self.failure.take() {
            Some((failure, docs)) => (Some(failure), docs),
            None => (None, self.end()),
        };
        let walk = self.flow.graph.walk().iter();
        let hops = walk.filter_map(|id| self.visits[*id].hop.take());
        Response {
            hops: hops.collect(),
            docs,
            results: self.results,
            failure,
        }
    }

    /// The documents that the flow answers with.
    fn end(&mut self) -> DocumentArray {
        let Some(end) = self.flow.end else {
            return self.request.docs.clone();
        };
        let docs = self.visits[end].docs.take().unwrap_or_default();
        match self.flow.filters {
            true => in_order_of(&self.request.docs, &docs),
            false => docs,
        }
    }
}

/// Documents in the order in which others have their ids, and then those whose ids
/// the others do not have. Filters take documents along different ways, which
/// changes their order.
fn in_order_of(request: &DocumentArray, docs: &DocumentArray) -> DocumentArray {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(request.len());
    for (place, doc) in request.iter().enumerate() {
        places.entry(&doc.id).or_insert(place);
    }
    let mut order: Vec<(usize, usize)> = docs
        .iter()
        .enumerate()
        .map(|(index, doc)| (places.get(&*doc.id).copied().unwrap_or(usize::MAX), index))
        .collect();
    if order.is_sorted() {
        return docs.clone();
    }
    order.sort_unstable();
    docs.arranged(order.into_iter().map(|(_, index)| index))
}
