//! The shape of a flow: which executor takes its documents from which.
//!
//! Any directed graph without cycles can be built and scheduled. What the flow
//! cannot do yet is merge what several predecessors send; until then
//! [`Graph::chain`] says where a graph is more than a chain.

use std::sync::Arc;

/// The name that stands for the flow's entry in `needs`.
pub const GATEWAY: &str = "gateway";

/// An executor's place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The executor's name, unique in the flow.
    pub name: Arc<str>,
    /// The executors whose documents it takes, by index. Empty: it takes the
    /// request's, from the gateway.
    pub predecessors: Vec<usize>,
    /// Whether it takes the request's documents, from the gateway: where it has
    /// no predecessors, or where the gateway is named among them.
    pub from_gateway: bool,
    /// The executors that take its documents, by index. Empty: the flow ends
    /// here.
    pub successors: Vec<usize>,
}

/// The executors of a flow and the order between them.
///
/// Indexes are those of the list that it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    order: Vec<usize>,
    walk: Vec<usize>,
    is_chain: bool,
}

/// Why needs do not make a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// An executor needs, in the end, itself: the indexes on the way round, the
    /// first one not repeated.
    #[error("executors need each other in a circle")]
    Cycle(Vec<usize>),
    /// A need is out of range: a mistake of the caller's.
    #[error("executor {0} needs one that is not there")]
    OutOfRange(usize),
}

/// A part of a graph that only a flow that merges can run, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branching {
    /// This executor has several predecessors.
    Join(usize),
    /// Both of these take their documents from the same place: an executor, or
    /// the gateway where `from` is `None`.
    Split {
        /// Where both take their documents from.
        from: Option<usize>,
        /// The first of the two.
        first: usize,
        /// The second of the two.
        second: usize,
    },
}

impl Graph {
    /// Builds a graph from names and needs: for each executor the indexes of
    /// its predecessors, `None` for the gateway.
    ///
    /// # Errors
    /// When there is a cycle.
    pub fn new<N: Into<Arc<str>>>(
        executors: impl IntoIterator<Item = (N, Vec<Option<usize>>)>,
    ) -> Result<Graph, GraphError> {
        let mut nodes: Vec<Node> = executors
            .into_iter()
            .map(|(name, needs)| {
                let predecessors: Vec<usize> = needs.iter().copied().flatten().collect();
                Node {
                    name: name.into(),
                    from_gateway: predecessors.is_empty() || needs.contains(&None),
                    predecessors,
                    successors: Vec::new(),
                }
            })
            .collect();
        for index in 0..nodes.len() {
            let needs = nodes
                .get(index)
                .map(|node| node.predecessors.clone())
                .unwrap_or_default();
            for need in needs {
                let node = nodes.get_mut(need).ok_or(GraphError::OutOfRange(index))?;
                node.successors.push(index);
            }
        }
        let order = order(&nodes)?;
        let walk = walk(&nodes);
        let mut graph = Graph {
            nodes,
            order,
            walk,
            is_chain: false,
        };
        graph.is_chain = graph.chain().is_empty();
        Ok(graph)
    }

    /// The executors, in the order that they were given in.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Indexes so that each executor comes after all that it needs.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Indexes as a depth-first walk from the gateway meets them first: the
    /// order in which a request's routes are told.
    pub fn walk(&self) -> &[usize] {
        &self.walk
    }

    /// The executors where the flow ends, by index.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.successors.is_empty())
            .map(|(index, _)| index)
    }

    /// Whether each executor but the last sends to one, and each needs one.
    pub fn is_chain(&self) -> bool {
        self.is_chain
    }

    /// Where this graph is more than a chain.
    pub fn chain(&self) -> Vec<Branching> {
        let joins = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.predecessors.len() + usize::from(node.from_gateway) > 1)
            .map(|(index, _)| Branching::Join(index));
        let starts: Vec<usize> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.from_gateway)
            .map(|(index, _)| index)
            .collect();
        let gateway = splits(None, &starts);
        let inner = self
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(index, node)| splits(Some(index), &node.successors));
        joins.chain(gateway).chain(inner).collect()
    }
}

/// The pairs of successors beyond the first.
fn splits(from: Option<usize>, successors: &[usize]) -> Vec<Branching> {
    match successors.split_first() {
        Some((&first, rest)) => rest
            .iter()
            .map(|&second| Branching::Split {
                from,
                first,
                second,
            })
            .collect(),
        None => Vec::new(),
    }
}

/// Kahn's algorithm, lowest index first, so that the order is the file's where
/// needs leave it open.
fn order(nodes: &[Node]) -> Result<Vec<usize>, GraphError> {
    let mut waiting: Vec<usize> = nodes.iter().map(|node| node.predecessors.len()).collect();
    let mut order = Vec::with_capacity(nodes.len());
    let mut placed = vec![false; nodes.len()];
    while order.len() < nodes.len() {
        let next = waiting
            .iter()
            .zip(&placed)
            .position(|(count, placed)| *count == 0 && !placed);
        let Some(next) = next else {
            return Err(GraphError::Cycle(cycle(nodes, &placed)));
        };
        order.push(next);
        if let Some(placed) = placed.get_mut(next) {
            *placed = true;
        }
        for &successor in nodes.get(next).map_or(&[][..], |node| &node.successors) {
            if let Some(count) = waiting.get_mut(successor) {
                *count -= 1;
            }
        }
    }
    Ok(order)
}

/// One way round among the nodes that could not be placed. Each of them needs
/// another one of them, so that walking back along needs must come round.
fn cycle(nodes: &[Node], placed: &[bool]) -> Vec<usize> {
    let open = |index: usize| placed.get(index) == Some(&false);
    let Some(mut at) = (0..nodes.len()).find(|&index| open(index)) else {
        return Vec::new();
    };
    let mut trail: Vec<usize> = Vec::new();
    loop {
        if let Some(start) = trail.iter().position(|&seen| seen == at) {
            let mut around = trail.split_off(start);
            // Walked against the documents' direction: told along it, from the
            // one that stands first in the file.
            around.reverse();
            if let Some(first) = around
                .iter()
                .enumerate()
                .min_by_key(|(_, index)| **index)
                .map(|(position, _)| position)
            {
                around.rotate_left(first);
            }
            return around;
        }
        trail.push(at);
        let back = nodes.get(at).and_then(|node| {
            node.predecessors
                .iter()
                .copied()
                .find(|&predecessor| open(predecessor))
        });
        match back {
            Some(predecessor) => at = predecessor,
            None => return trail,
        }
    }
}

/// Depth first from the gateway, each node once.
fn walk(nodes: &[Node]) -> Vec<usize> {
    let mut seen = vec![false; nodes.len()];
    let mut walk = Vec::with_capacity(nodes.len());
    let mut stack: Vec<usize> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.from_gateway)
        .map(|(index, _)| index)
        .rev()
        .collect();
    while let Some(index) = stack.pop() {
        match seen.get_mut(index) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        walk.push(index);
        if let Some(node) = nodes.get(index) {
            stack.extend(node.successors.iter().rev());
        }
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(needs: &[&[Option<usize>]]) -> Result<Graph, GraphError> {
        Graph::new(
            needs
                .iter()
                .enumerate()
                .map(|(index, needs)| (format!("n{index}"), needs.to_vec())),
        )
    }

    #[test]
    fn a_chain_given_backwards() {
        let graph = graph(&[&[Some(1)], &[Some(2)], &[None]]).unwrap();
        assert_eq!(graph.order(), [2, 1, 0]);
        assert_eq!(graph.walk(), [2, 1, 0]);
        assert_eq!(graph.ends().collect::<Vec<_>>(), [0]);
        assert!(graph.chain().is_empty());
    }

    #[test]
    fn a_diamond_is_scheduled_but_no_chain() {
        let graph = graph(&[&[None], &[Some(0)], &[Some(0)], &[Some(2), Some(1)]]).unwrap();
        assert_eq!(graph.order(), [0, 1, 2, 3]);
        assert_eq!(graph.walk(), [0, 1, 3, 2]);
        assert_eq!(
            graph.chain(),
            [
                Branching::Join(3),
                Branching::Split {
                    from: Some(0),
                    first: 1,
                    second: 2
                }
            ]
        );
    }

    #[test]
    fn two_starts_are_a_split_of_the_gateway() {
        let graph = graph(&[&[None], &[None]]).unwrap();
        assert_eq!(
            graph.chain(),
            [Branching::Split {
                from: None,
                first: 0,
                second: 1
            }]
        );
    }

    #[test]
    fn cycles_are_named_from_the_first_in_the_file() {
        assert_eq!(
            graph(&[&[Some(1)], &[Some(0)]]),
            Err(GraphError::Cycle(vec![0, 1]))
        );
        assert_eq!(graph(&[&[Some(0)]]), Err(GraphError::Cycle(vec![0])));
        // 0 stands before the cycle, 4 behind it: neither is part of it.
        assert_eq!(
            graph(&[
                &[None],
                &[Some(0), Some(3)],
                &[Some(1)],
                &[Some(2)],
                &[Some(3)]
            ]),
            Err(GraphError::Cycle(vec![1, 2, 3]))
        );
    }

    #[test]
    fn no_executors() {
        let graph = graph(&[]).unwrap();
        assert!(graph.order().is_empty() && graph.chain().is_empty());
    }
}
