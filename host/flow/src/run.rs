//! A request's way through the graph: a node is visited as soon as all that it
//! needs has come.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::{Map, Value};
use wasm_flow_contract::graph::{Node, NodeMap, Upstream};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{
    Call, Failure, FailureKind, GATEWAY, Hop, NodeId, Part, Reply, Request, Response, Results,
    Stage,
};
use wasm_flow_document::{DocumentArray, Limits};

use crate::Inner;
use crate::target::{Target, TargetError};

/// The gateway's name, for every request's first call.
static FROM_GATEWAY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(GATEWAY));

pub(crate) async fn run(flow: Arc<Inner>, request: Request) -> Response {
    let target = match target(&request) {
        Ok(target) => target,
        Err(error) => return failed(request.docs, bad_target(error.to_string())),
    };
    if flow.is_chain {
        return chain(&flow, request, target).await;
    }
    let mut run = Run::new(&flow, request, target);
    run.go().await;
    run.response()
}

/// The executors that a request is for. None: all.
pub(crate) fn target(request: &Request) -> Result<Option<Target>, TargetError> {
    match request.target.as_str() {
        "" => Ok(None),
        pattern => Target::parse(pattern).map(Some),
    }
}

/// Takes a request through a chain. Nearly all flows are one, and it needs nothing to
/// be kept: one node's documents are the next one's.
async fn chain(flow: &Inner, mut request: Request, target: Option<Target>) -> Response {
    let docs = std::mem::take(&mut request.docs);
    let sent = std::mem::take(&mut request.parts);
    let mut way = Way::new(flow, &request, target.as_ref(), sent);
    way.go(flow.graph.order(), docs).await;
    way.response
}

/// A request's way through nodes of which each takes the documents of the one before
/// it.
pub(crate) struct Way<'r> {
    flow: &'r Inner,
    request: &'r Request,
    target: Option<&'r Target>,
    /// The next node's documents by who sent them, if that was not one executor.
    sent: Vec<Part>,
    /// Who sent the documents of the next node.
    pub(crate) from: Arc<str>,
    pub(crate) response: Response,
}

impl<'r> Way<'r> {
    pub(crate) fn new(
        flow: &'r Inner,
        request: &'r Request,
        target: Option<&'r Target>,
        sent: Vec<Part>,
    ) -> Way<'r> {
        Way {
            flow,
            request,
            target,
            sent,
            from: Arc::clone(&FROM_GATEWAY),
            response: Response {
                docs: DocumentArray::new(),
                results: Map::new(),
                hops: Vec::with_capacity(flow.graph.len()),
                failure: None,
            },
        }
    }

    /// Visits these nodes, or those that come before a failure.
    pub(crate) async fn go(&mut self, nodes: &[NodeId], mut docs: DocumentArray) {
        for &id in nodes {
            let node = &self.flow.graph[id];
            let (mut hop, is_called) = arrival(node, self.request, self.target);
            if is_called {
                let call = self.call(node, docs.clone());
                let outcome = node.value.call(call).await;
                hop.end = Some(SystemTime::now());
                match outcome {
                    Ok(reply) => {
                        docs = reply.docs;
                        keep_results(&node.name, reply.results, &mut self.response.results);
                    }
                    Err(failure) => {
                        let failure = Arc::new(failure);
                        hop.failure = Some(Arc::clone(&failure));
                        self.response.failure = Some(failure);
                    }
                }
            }
            self.response.hops.push(hop);
            if self.response.failure.is_some() {
                break;
            }
            self.from = Arc::clone(&node.name);
            self.sent.clear();
        }
        self.response.docs = docs;
    }

    /// The call of the next node.
    pub(crate) fn call(&mut self, node: &Node<Arc<dyn Stage>>, docs: DocumentArray) -> Call {
        let mut parts = std::mem::take(&mut self.sent);
        if parts.is_empty() {
            parts.push(Part {
                executor: Arc::clone(&self.from),
                docs: docs.clone(),
            });
        }
        call_of(self.request, node, docs, parts)
    }
}

/// Whether a request is one for a node.
pub(crate) fn called(
    node: &Node<Arc<dyn Stage>>,
    request: &Request,
    target: Option<&Target>,
) -> bool {
    arrival(node, request, target).1
}

/// A request's arrival at a node, and whether the node is called.
fn arrival(node: &Node<Arc<dyn Stage>>, request: &Request, target: Option<&Target>) -> (Hop, bool) {
    let start = SystemTime::now();
    let meant = target.is_none_or(|target| target.matches(&node.name));
    let is_dry_run = &*request.endpoint == DRY_RUN;
    let hop = Hop {
        executor: Arc::clone(&node.name),
        start,
        // A dry run reaches every executor and runs none of its methods.
        end: (is_dry_run && meant).then(SystemTime::now),
        failure: None,
    };
    let is_called = !is_dry_run && meant && node.value.binds(&request.endpoint);
    (hop, is_called)
}

/// The request as a node gets it.
fn call_of(
    request: &Request,
    node: &Node<Arc<dyn Stage>>,
    docs: DocumentArray,
    parts: Vec<Part>,
) -> Call {
    Call {
        request_id: Arc::clone(&request.id),
        endpoint: Arc::clone(&request.endpoint),
        parameters: request.parameters.for_executor(&node.name),
        docs,
        parts,
        trace: request.trace,
    }
}

fn keep_results(name: &str, results: Vec<Results>, all: &mut Map<String, Value>) {
    let results = results.into_iter().map(|results| {
        let key = format!("{name}/{}", results.origin);
        (key, Value::Object(results.values))
    });
    all.extend(results);
}

/// Why a request with a `target_executor` that cannot be read fails.
pub(crate) fn bad_target(reason: String) -> Failure {
    Failure::of_flow(FailureKind::Request, "BadTarget", reason)
}

/// The answer to a request that failed without any executor.
pub(crate) fn failed(docs: DocumentArray, failure: Failure) -> Response {
    Response {
        docs,
        results: Map::new(),
        hops: Vec::new(),
        failure: Some(Arc::new(failure)),
    }
}

/// The flow takes no requests any more.
pub(crate) fn has_stopped(flow: &Inner) -> Failure {
    let reason = format!(
        "flow `{}` has been stopped, and takes no requests any more",
        flow.name
    );
    Failure::of_flow(FailureKind::Stopped, "FlowStopped", reason)
}

/// The flow's own time for a request is over.
pub(crate) fn too_late(flow: &Inner, limit: Duration) -> Failure {
    let reason = format!(
        "the request was not answered within the {limit:?} that flow `{}` gives it; raise \
         `timeout` under [flow] in flow.toml if it needs so long",
        flow.name
    );
    Failure::of_flow(FailureKind::Timeout, "TimeoutError", reason)
}

/// One request on its way.
struct Run<'f> {
    flow: &'f Inner,
    request: Request,
    target: Option<Target>,
    visits: NodeMap<Visit>,
    /// Nodes that have yet to take the request's documents.
    takers: usize,
    results: Map<String, Value>,
    /// Why the request failed, and the documents of before.
    failure: Option<(Arc<Failure>, DocumentArray)>,
}

/// What has come of a node.
struct Visit {
    /// Needs that have not come yet.
    missing: usize,
    /// Its documents, once they are there, until the last node has taken them.
    docs: Option<DocumentArray>,
    /// Nodes that have yet to take them.
    takers: usize,
    hop: Option<Hop>,
}

/// A node's call, with the documents that it was sent.
struct Begun {
    id: NodeId,
    sent: DocumentArray,
    outcome: BoxFuture<'static, Result<Reply, Failure>>,
}

impl Begun {
    async fn end(self) -> (NodeId, DocumentArray, Result<Reply, Failure>) {
        (self.id, self.sent, self.outcome.await)
    }
}

impl Run<'_> {
    fn new(flow: &Inner, mut request: Request, target: Option<Target>) -> Run<'_> {
        if flow.joins {
            // Documents that go different ways come together by their ids.
            request.docs = request.docs.with_ids();
        }
        let visits = flow.graph.values(|node| Visit {
            missing: node.predecessors().count(),
            docs: None,
            takers: node.successors.len(),
            hop: None,
        });
        Run {
            flow,
            request,
            target,
            visits,
            takers: flow.starts,
            results: Map::new(),
            failure: None,
        }
    }

    /// Visits all nodes, or those that come before a failure.
    async fn go(&mut self) {
        let order = self.flow.graph.order().iter().copied();
        let mut ready: Vec<NodeId> = order.filter(|id| self.visits[*id].missing == 0).collect();
        // One call at a time needs no set around it.
        let mut others: Option<FuturesUnordered<_>> = None;
        loop {
            // Those that are passed by make others ready at once.
            let mut begun: Option<Begun> = None;
            let mut next = 0;
            while let Some(&id) = ready.get(next) {
                next += 1;
                if let Some(call) = self.visit(id, &mut ready)
                    && let Some(before) = begun.replace(call)
                {
                    others.get_or_insert_default().push(before.end());
                }
                if self.failure.is_some() {
                    return;
                }
            }
            ready.clear();
            let ended = match (begun, &mut others) {
                (Some(call), None) => Some(call.end().await),
                (call, Some(others)) => {
                    others.extend(call.map(Begun::end));
                    others.next().await
                }
                (None, None) => None,
            };
            let Some((id, sent, outcome)) = ended else {
                return;
            };
            self.answered(id, sent, outcome, &mut ready);
            if self.failure.is_some() {
                // The other branches are given up.
                return;
            }
        }
    }

    /// Takes the request to one node: the call to wait for, if there is one.
    fn visit(&mut self, id: NodeId, ready: &mut Vec<NodeId>) -> Option<Begun> {
        let flow = self.flow;
        let node = &flow.graph[id];
        let (hop, is_called) = arrival(node, &self.request, self.target.as_ref());
        self.visits[id].hop = Some(hop);
        if is_called {
            return self.call(id, node);
        }
        let docs = match node.needs.as_slice() {
            [edge] => self.take(edge.from),
            _ => {
                let parts = self.parts(node);
                match joined(node, &parts) {
                    Ok(docs) => docs,
                    Err(failure) => {
                        self.not_joined(id, node, failure, parts);
                        return None;
                    }
                }
            }
        };
        self.done(id, docs, ready);
        None
    }

    /// Begins a node's call.
    fn call(&mut self, id: NodeId, node: &Node<Arc<dyn Stage>>) -> Option<Begun> {
        let mut parts = self.parts(node);
        let docs = match (node.needs.as_slice(), joined(node, &parts)) {
            (_, Err(failure)) => {
                self.not_joined(id, node, failure, parts);
                return None;
            }
            ([edge], Ok(docs)) if edge.from == Upstream::Gateway => {
                // This flow stands at a node of another one, which says who sent what.
                if !self.request.parts.is_empty() {
                    parts.clone_from(&self.request.parts);
                }
                docs
            }
            (_, Ok(docs)) => docs,
        };
        let docs = match &node.options.when {
            None => docs,
            Some(when) => {
                // What a branch set may be what the others are chosen by, so this is
                // asked of the joined documents.
                let chosen = when.select(&docs);
                match parts.as_mut_slice() {
                    // They are the same documents.
                    [part] => part.docs = chosen.clone(),
                    parts => {
                        for part in parts {
                            part.docs = when.select(&part.docs);
                        }
                    }
                }
                chosen
            }
        };
        let call = call_of(&self.request, node, docs.clone(), parts);
        if node.options.floating {
            self.flow
                .floating
                .spawn(&node.name, || node.value.call(call));
            return None;
        }
        Some(Begun {
            id,
            sent: docs,
            outcome: node.value.call(call),
        })
    }

    /// The documents of a node's needs, in their order.
    fn parts(&mut self, node: &Node<Arc<dyn Stage>>) -> Vec<Part> {
        let needs = node.needs.iter();
        needs
            .map(|edge| Part {
                executor: match edge.from {
                    Upstream::Gateway => Arc::clone(&FROM_GATEWAY),
                    Upstream::Node(id) => Arc::clone(&self.flow.graph[id].name),
                },
                docs: self.take(edge.from),
            })
            .collect()
    }

    /// The documents of one need. The last who needs them leaves none behind, so that
    /// a request does not hold those of all executors that it has passed.
    fn take(&mut self, from: Upstream) -> DocumentArray {
        match from {
            Upstream::Gateway => {
                self.takers = self.takers.saturating_sub(1);
                // They may be the answer, or the order of it.
                let are_kept = self.flow.filters || self.flow.end.is_none();
                match self.takers == 0 && !are_kept {
                    true => std::mem::take(&mut self.request.docs),
                    false => self.request.docs.clone(),
                }
            }
            Upstream::Node(id) => {
                let visit = &mut self.visits[id];
                visit.takers = visit.takers.saturating_sub(1);
                let docs = match visit.takers {
                    0 => visit.docs.take(),
                    _ => visit.docs.clone(),
                };
                docs.unwrap_or_default()
            }
        }
    }

    /// Documents that do not come together at a node.
    fn not_joined(
        &mut self,
        id: NodeId,
        node: &Node<Arc<dyn Stage>>,
        failure: Failure,
        parts: Vec<Part>,
    ) {
        if node.options.floating {
            self.flow.floating.not_begun(&node.name, &failure);
            return;
        }
        let first = parts.into_iter().next();
        self.failed(
            id,
            failure,
            first.map_or_else(DocumentArray::new, |part| part.docs),
        );
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
                keep_results(name, reply.results, &mut self.results);
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
        let docs = match self.flow.filters {
            true => in_order_of(&self.request.docs, &docs),
            false => docs,
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
        self.visits[end].docs.take().unwrap_or_default()
    }
}

/// The documents of a node's needs put together.
fn joined(node: &Node<Arc<dyn Stage>>, parts: &[Part]) -> Result<DocumentArray, Failure> {
    let docs = node.options.join(parts.iter().map(|part| &part.docs));
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
