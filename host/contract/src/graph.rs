//! The shape of a flow: which executor takes its documents from which.
//!
//! A [`Builder`] collects nodes and edges and gives a [`Graph`] that has no
//! cycle. What a node holds is a type of its own: a table of `flow.toml` when
//! the file is read, a stage when the flow runs. [`Graph::map`] leads from one to
//! the other, so that no list has to be kept in step with the nodes.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use wasm_flow_document::DocumentArray;

use crate::query::Query;

/// The name that stands for the flow's entry in `needs`.
pub const GATEWAY: &str = "gateway";

/// A node of one graph. Only the graph's own builder makes it, and it means
/// nothing to another graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// Its place in the order that the nodes were added in.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a node's documents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// The request itself.
    Gateway,
    /// Another node.
    Node(NodeId),
}

/// One need of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// Where the documents come from.
    pub from: Upstream,
}

impl Edge {
    /// An edge that all documents take.
    pub fn new(from: Upstream) -> Edge {
        Edge { from }
    }
}

/// How documents come to a node, and whether the request waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeOptions {
    /// The documents that it is sent. None: all.
    pub when: Option<Arc<Query>>,
    /// What becomes of the documents of several needs.
    pub join: Join,
    /// Nobody waits for it: it is called beside the request, and its documents go
    /// nowhere.
    pub floating: bool,
}

/// What becomes of the documents of several needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// Documents of one id become one: see [`DocumentArray::reduce`].
    #[default]
    Reduce,
    /// All of them, one need's after the other's. The executor puts them together.
    Concat,
}

impl NodeOptions {
    /// The documents of a node's needs put together, in their order.
    pub fn join<'d>(
        &self,
        parts: impl ExactSizeIterator<Item = &'d DocumentArray>,
    ) -> DocumentArray {
        let mut parts = parts;
        match (parts.len(), self.join) {
            (1, _) => parts.next().cloned().unwrap_or_default(),
            (_, Join::Reduce) => DocumentArray::reduce(parts),
            (_, Join::Concat) => DocumentArray::concat(parts),
        }
    }
}

/// An executor's place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<N> {
    /// The executor's name.
    pub name: Arc<str>,
    /// Where it takes its documents from, in the order of its `needs`. Never
    /// empty: without needs it takes the request's.
    pub needs: Vec<Edge>,
    /// The nodes that take its documents. Empty: the flow ends here.
    pub successors: Vec<NodeId>,
    /// How documents come here.
    pub options: NodeOptions,
    /// What stands here.
    pub value: N,
}

impl<N> Node<N> {
    /// Whether it takes the request's documents.
    pub fn is_start(&self) -> bool {
        self.needs.iter().any(|edge| edge.from == Upstream::Gateway)
    }

    /// The nodes that it takes documents from.
    pub fn predecessors(&self) -> impl Iterator<Item = NodeId> {
        self.needs.iter().filter_map(|edge| match edge.from {
            Upstream::Gateway => None,
            Upstream::Node(id) => Some(id),
        })
    }
}

/// A value for each node of a graph: [`Graph::values`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMap<T>(Vec<T>);

#[expect(
    clippy::indexing_slicing,
    reason = "the builder numbers the nodes of a graph without gaps, and every map has one value for each"
)]
impl<T> Index<NodeId> for NodeMap<T> {
    type Output = T;

    /// # Panics
    /// When the node is one of another graph.
    fn index(&self, id: NodeId) -> &T {
        &self.0[id.0]
    }
}

#[expect(clippy::indexing_slicing, reason = "as for `Index`")]
impl<T> IndexMut<NodeId> for NodeMap<T> {
    fn index_mut(&mut self, id: NodeId) -> &mut T {
        &mut self.0[id.0]
    }
}

impl<T> NodeMap<T> {
    /// One value for each node of another map.
    fn like<U>(other: &NodeMap<U>, value: T) -> NodeMap<T>
    where
        T: Clone,
    {
        NodeMap(vec![value; other.0.len()])
    }

    fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<T> {
        (0..self.0.len()).map(NodeId)
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &T)> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, value)| (NodeId(index), value))
    }
}

/// The executors of a flow and the order between them, without cycles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph<N> {
    nodes: NodeMap<Node<N>>,
    order: Vec<NodeId>,
    walk: Vec<NodeId>,
}

/// Executors that need, in the end, themselves: the nodes on the way round, in
/// the direction of the documents, from the one that was added first. The first
/// is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("executors need each other in a circle")]
pub struct Cycle(pub Vec<NodeId>);

/// Collects the nodes and edges of a graph.
#[derive(Debug, Clone)]
pub struct Builder<N> {
    nodes: NodeMap<Node<N>>,
}

impl<N> Default for Builder<N> {
    fn default() -> Self {
        Builder {
            nodes: NodeMap(Vec::new()),
        }
    }
}

impl<N> Builder<N> {
    /// Adds a node without needs. The caller makes sure that names are unique; nothing
    /// here depends on it.
    pub fn node(&mut self, name: impl Into<Arc<str>>, value: N) -> NodeId {
        let id = NodeId(self.nodes.0.len());
        self.nodes.0.push(Node {
            name: name.into(),
            needs: Vec::new(),
            successors: Vec::new(),
            options: NodeOptions::default(),
            value,
        });
        id
    }

    /// Sets how documents come to a node.
    pub fn options(&mut self, node: NodeId, options: NodeOptions) {
        self.nodes[node].options = options;
    }

    /// Adds a need of a node, after those that it has.
    pub fn need(&mut self, node: NodeId, edge: Edge) {
        if let Upstream::Node(from) = edge.from {
            self.nodes[from].successors.push(node);
        }
        self.nodes[node].needs.push(edge);
    }

    /// The graph. A node without needs takes the request's documents.
    ///
    /// # Errors
    /// When there is a cycle.
    pub fn build(mut self) -> Result<Graph<N>, Cycle> {
        for node in &mut self.nodes.0 {
            if node.needs.is_empty() {
                node.needs.push(Edge::new(Upstream::Gateway));
            }
        }
        Ok(Graph {
            order: order(&self.nodes)?,
            walk: walk(&self.nodes),
            nodes: self.nodes,
        })
    }
}

impl<N> Graph<N> {
    /// A chain of these nodes, in this order: the first takes the request's
    /// documents.
    pub fn chain<A: Into<Arc<str>>>(nodes: impl IntoIterator<Item = (A, N)>) -> Graph<N> {
        let mut chain: Vec<Node<N>> = Vec::new();
        for (index, (name, value)) in nodes.into_iter().enumerate() {
            if let Some(last) = chain.last_mut() {
                last.successors.push(NodeId(index));
            }
            let from = match index.checked_sub(1) {
                None => Upstream::Gateway,
                Some(before) => Upstream::Node(NodeId(before)),
            };
            chain.push(Node {
                name: name.into(),
                needs: vec![Edge::new(from)],
                successors: Vec::new(),
                options: NodeOptions::default(),
                value,
            });
        }
        let order: Vec<NodeId> = (0..chain.len()).map(NodeId).collect();
        Graph {
            nodes: NodeMap(chain),
            walk: order.clone(),
            order,
        }
    }

    /// The nodes, in the order that they were added in.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node<N>)> {
        self.nodes.iter()
    }

    /// A value for each node, beside the graph.
    pub fn values<T>(&self, value: impl FnMut(&Node<N>) -> T) -> NodeMap<T> {
        NodeMap(self.nodes.0.iter().map(value).collect())
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.0.is_empty()
    }

    /// The nodes, each after all that it needs. If needs leave the order open, it
    /// is the one that the nodes were added in.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The nodes as a depth-first walk from the gateway meets them first: the
    /// order in which Jina lists a request's routes.
    pub fn walk(&self) -> &[NodeId] {
        &self.walk
    }

    /// The name that stands for a node's upstream in `needs`.
    pub fn upstream_name(&self, from: Upstream) -> &str {
        match from {
            Upstream::Gateway => GATEWAY,
            Upstream::Node(id) => &self[id].name,
        }
    }

    /// The same graph with another value at each node.
    pub fn map<M>(self, mut value: impl FnMut(NodeId, &Arc<str>, N) -> M) -> Graph<M> {
        let nodes = self.nodes.0.into_iter().enumerate();
        let nodes = nodes.map(|(index, node)| Node {
            value: value(NodeId(index), &node.name, node.value),
            name: node.name,
            needs: node.needs,
            successors: node.successors,
            options: node.options,
        });
        Graph {
            nodes: NodeMap(nodes.collect()),
            order: self.order,
            walk: self.walk,
        }
    }

    /// The same graph with another value at each node, or none if one node has
    /// none.
    pub fn try_map<M>(
        self,
        mut value: impl FnMut(NodeId, &Arc<str>, N) -> Option<M>,
    ) -> Option<Graph<M>> {
        let nodes = self.nodes.0.into_iter().enumerate();
        let nodes = nodes.map(|(index, node)| {
            Some(Node {
                value: value(NodeId(index), &node.name, node.value)?,
                name: node.name,
                needs: node.needs,
                successors: node.successors,
                options: node.options,
            })
        });
        Some(Graph {
            nodes: NodeMap(nodes.collect::<Option<_>>()?),
            order: self.order,
            walk: self.walk,
        })
    }

    /// The same graph with references to its values, for [`map`](Self::map).
    pub fn as_ref(&self) -> Graph<&N> {
        let nodes = self.nodes.0.iter().map(|node| Node {
            name: Arc::clone(&node.name),
            needs: node.needs.clone(),
            successors: node.successors.clone(),
            options: node.options.clone(),
            value: &node.value,
        });
        Graph {
            nodes: NodeMap(nodes.collect()),
            order: self.order.clone(),
            walk: self.walk.clone(),
        }
    }

    /// The nodes whose documents nobody takes and somebody waits for: a flow answers
    /// with theirs. A node that only floating ones take documents from is one, too.
    pub fn ends(&self) -> Vec<NodeId> {
        let awaited = |id: &NodeId| !self[*id].options.floating;
        self.nodes
            .ids()
            .filter(awaited)
            .filter(|id| !self[*id].successors.iter().any(awaited))
            .collect()
    }
}

impl<N> Index<NodeId> for Graph<N> {
    type Output = Node<N>;

    /// # Panics
    /// When the node is one of another graph.
    fn index(&self, id: NodeId) -> &Node<N> {
        &self.nodes[id]
    }
}

/// Kahn's algorithm. Among the nodes that could come next, the first added does.
fn order<N>(nodes: &NodeMap<Node<N>>) -> Result<Vec<NodeId>, Cycle> {
    let mut missing = NodeMap::like(nodes, 0_usize);
    let mut ready = BTreeSet::new();
    for (id, node) in nodes.iter() {
        missing[id] = node.predecessors().count();
        if missing[id] == 0 {
            ready.insert(id);
        }
    }
    let mut order = Vec::with_capacity(nodes.0.len());
    let mut placed = NodeMap::like(nodes, false);
    while let Some(next) = ready.pop_first() {
        order.push(next);
        placed[next] = true;
        for &successor in &nodes[next].successors {
            missing[successor] -= 1;
            if missing[successor] == 0 {
                ready.insert(successor);
            }
        }
    }
    match nodes.ids().find(|&id| !placed[id]) {
        None => Ok(order),
        Some(left_over) => Err(cycle(nodes, &placed, left_over)),
    }
}

/// One way round among the nodes that could not be placed. Each of them needs
/// another one of them, so a walk back along needs must come round.
fn cycle<N>(nodes: &NodeMap<Node<N>>, placed: &NodeMap<bool>, from: NodeId) -> Cycle {
    let mut trail = vec![from];
    let mut at = from;
    while let Some(back) = nodes[at].predecessors().find(|&id| !placed[id]) {
        if let Some(start) = trail.iter().position(|&seen| seen == back) {
            let mut around = trail.split_off(start);
            // The walk went against the documents' direction.
            around.reverse();
            let first = around.iter().enumerate().min_by_key(|(_, id)| **id);
            if let Some((position, _)) = first {
                around.rotate_left(position);
            }
            return Cycle(around);
        }
        trail.push(back);
        at = back;
    }
    Cycle(trail)
}

/// Depth first from the gateway, each node once.
fn walk<N>(nodes: &NodeMap<Node<N>>) -> Vec<NodeId> {
    let mut seen = NodeMap::like(nodes, false);
    let mut walk = Vec::with_capacity(nodes.0.len());
    let starts = nodes.iter().rev().filter(|(_, node)| node.is_start());
    let mut stack: Vec<NodeId> = starts.map(|(id, _)| id).collect();
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        walk.push(id);
        stack.extend(nodes[id].successors.iter().rev());
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of nodes `n0`, `n1`, …; `None` is the gateway.
    fn graph(needs: &[&[Option<usize>]]) -> Result<Graph<()>, Cycle> {
        let mut builder = Builder::default();
        let ids: Vec<NodeId> = (0..needs.len())
            .map(|index| builder.node(format!("n{index}"), ()))
            .collect();
        for (&id, needs) in ids.iter().zip(needs) {
            for need in *needs {
                let from = need.map_or(Upstream::Gateway, |need| Upstream::Node(ids[need]));
                builder.need(id, Edge::new(from));
            }
        }
        builder.build()
    }

    fn ids<const N: usize>(ids: [usize; N]) -> [NodeId; N] {
        ids.map(NodeId)
    }

    #[test]
    fn a_chain_given_backwards() {
        let graph = graph(&[&[Some(1)], &[Some(2)], &[None]]).unwrap();
        assert_eq!(graph.order(), ids([2, 1, 0]));
        assert_eq!(graph.walk(), ids([2, 1, 0]));
        assert_eq!(graph.ends(), ids([0]));
    }

    #[test]
    fn a_chain_is_what_the_builder_makes_of_it() {
        let chain = Graph::chain([("n0", ()), ("n1", ()), ("n2", ())]);
        let built = graph(&[&[], &[Some(0)], &[Some(1)]]).unwrap();
        assert_eq!(chain, built);
    }

    #[test]
    fn a_diamond_is_ordered() {
        let graph = graph(&[&[None], &[Some(0)], &[Some(0)], &[Some(2), Some(1)]]).unwrap();
        assert_eq!(graph.order(), ids([0, 1, 2, 3]));
        assert_eq!(graph.walk(), ids([0, 1, 3, 2]));
        assert_eq!(graph.ends(), ids([3]));
    }

    #[test]
    fn needs_keep_their_order_with_the_gateway_among_them() {
        let graph = graph(&[&[None], &[Some(0), None], &[None, Some(1)]]).unwrap();
        let needs = |id| -> Vec<&str> {
            let node: &Node<()> = &graph[NodeId(id)];
            let needs = node.needs.iter();
            needs.map(|edge| graph.upstream_name(edge.from)).collect()
        };
        assert_eq!(needs(1), ["n0", GATEWAY]);
        assert_eq!(needs(2), [GATEWAY, "n1"]);
    }

    #[test]
    fn what_floats_is_no_end() {
        let needs: [&[Option<usize>]; 4] = [&[None], &[Some(0)], &[Some(0)], &[Some(2)]];
        let mut builder = Builder::default();
        let ids: Vec<NodeId> = (0..4).map(|n| builder.node(format!("n{n}"), ())).collect();
        for (&id, needs) in ids.iter().zip(needs) {
            for need in needs {
                let from = need.map_or(Upstream::Gateway, |need| Upstream::Node(ids[need]));
                builder.need(id, Edge::new(from));
            }
        }
        let floating = NodeOptions {
            floating: true,
            ..NodeOptions::default()
        };
        assert_eq!(builder.clone().build().unwrap().ends(), [ids[1], ids[3]]);
        builder.options(ids[3], floating.clone());
        assert_eq!(builder.clone().build().unwrap().ends(), [ids[1], ids[2]]);
        for id in [ids[1], ids[2]] {
            builder.options(id, floating.clone());
        }
        assert_eq!(builder.build().unwrap().ends(), [ids[0]]);
    }

    #[test]
    fn cycles_are_named_from_the_node_that_was_added_first() {
        let cycle = |needs: &[&[Option<usize>]]| graph(needs).unwrap_err().0;
        assert_eq!(cycle(&[&[Some(1)], &[Some(0)]]), ids([0, 1]));
        assert_eq!(cycle(&[&[Some(0)]]), ids([0]));
        // 0 stands before the cycle, 4 behind it: neither is part of it.
        assert_eq!(
            cycle(&[
                &[None],
                &[Some(0), Some(3)],
                &[Some(1)],
                &[Some(2)],
                &[Some(3)]
            ]),
            ids([1, 2, 3])
        );
    }

    #[test]
    fn no_nodes() {
        let graph = graph(&[]).unwrap();
        assert!(graph.is_empty() && graph.order().is_empty() && graph.ends().is_empty());
    }

    #[test]
    fn values_are_mapped_in_place() {
        let lengths = Graph::chain([("a", "x"), ("b", "yy")]).map(|_, _, text| text.len());
        let values: Vec<_> = lengths.iter().map(|(_, node)| node.value).collect();
        assert_eq!(values, [1, 2]);
    }
}
