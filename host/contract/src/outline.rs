//! The outline of a flow: what its executors are called and what they need, as it is
//! written in `flow.toml` or said by a program.
//!
//! [`graph`] makes a [`Graph`] of it, and says all that is wrong with it. Where that
//! stands is for those who wrote it to add: a problem has the executor's index.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::bounds::{INSTANCES, MAX_NAME};
use crate::graph::{Builder, Cycle, Edge, GATEWAY, Graph, NodeId, NodeOptions, Upstream};
use crate::nearest::suggestion;

/// What stands for every open end in `needs`.
pub const ALL: &str = "all";

/// Why an executor cannot be called that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name stands for the flow's entry.
    #[error("an executor cannot be called `gateway`")]
    Gateway,
    /// The name stands for every open end.
    #[error("an executor cannot be called `all`")]
    All,
    /// It is empty, too long, or has characters that no name has.
    #[error("not a name for an executor")]
    Characters,
}

impl NameError {
    /// Why not, or what a name may be.
    pub fn help(self) -> String {
        match self {
            NameError::Gateway => {
                "that name stands for the flow's entry, in `needs` and in a request's routes"
                    .to_owned()
            }
            NameError::All => {
                "that word stands for every executor whose documents nobody takes, in `needs`"
                    .to_owned()
            }
            NameError::Characters => format!(
                "a letter or `_` first, then letters, digits, `_`, `-` and `.`; at most {MAX_NAME} bytes"
            ),
        }
    }
}

/// Whether an executor may be called that.
///
/// # Errors
/// Why not.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name == GATEWAY {
        return Err(NameError::Gateway);
    }
    if name == ALL {
        return Err(NameError::All);
    }
    // `name/rep-0` keys results, `name__key` keys parameters.
    let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.len() <= MAX_NAME
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    match valid {
        true => Ok(()),
        false => Err(NameError::Characters),
    }
}

/// An executor's part in a flow, as it is written.
#[derive(Debug, Clone, Default)]
pub struct NodeSpec {
    /// Its name. If no executor can be called that, `needs` of others may still mean it.
    /// None: it has none.
    pub name: Option<String>,
    /// The names of those that it takes its documents from. None: from the one before it.
    pub needs: Option<Vec<String>>,
    /// Whether a need is missing above that could not be read. Where the flow ends is
    /// guesswork then.
    pub is_incomplete: bool,
    /// How documents come to it.
    pub options: NodeOptions,
    /// How many instances in this process it asks for.
    pub instances: u64,
}

/// Why executors do not make up a flow. Executors and needs are given by their index, in
/// the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutlineProblem {
    /// An executor cannot be called that.
    #[error("{error}")]
    Name {
        /// The executor.
        node: usize,
        /// What is wrong with its name.
        error: NameError,
    },
    /// Two executors are called the same.
    #[error("two executors are called `{name}`")]
    SameName {
        /// The second one.
        node: usize,
        /// The first one.
        first: usize,
        /// What both are called.
        name: String,
    },
    /// There are more instances than one process can have.
    #[error("the executors have {sum} instances in all")]
    Instances {
        /// The first executor that is too much.
        node: usize,
        /// How many there are in all.
        sum: u64,
    },
    /// A need names no executor.
    #[error("there is no executor called `{name}`")]
    Unknown {
        /// The executor that needs it.
        node: usize,
        /// Its need.
        need: usize,
        /// What the need says.
        name: String,
        /// What it could say.
        known: Arc<[String]>,
    },
    /// [`ALL`] stands for nothing.
    #[error("no executor before this one is an open end")]
    NothingOpen {
        /// The executor that needs it.
        node: usize,
        /// Its need.
        need: usize,
    },
    /// An executor needs one whose documents go nowhere.
    #[error("`{name}` needs `{from_name}`, whose documents go nowhere")]
    NeedsFloating {
        /// The executor.
        node: usize,
        /// What it is called.
        name: String,
        /// The one that it needs.
        from: usize,
        /// What that is called.
        from_name: String,
    },
    /// Executors need, in the end, themselves.
    #[error("{}", circle(names))]
    Cycle {
        /// Those on the way round, in the direction of the documents.
        nodes: Vec<usize>,
        /// What they are called.
        names: Vec<String>,
    },
    /// The documents of several executors would come together nowhere.
    #[error("a flow has one end, and nobody takes the documents of {}", quoted(names).join(" and "))]
    SeveralEnds {
        /// The executors.
        nodes: Vec<usize>,
        /// What they are called.
        names: Vec<String>,
    },
}

impl OutlineProblem {
    /// The executor that it is about; of several, the one to change first.
    pub fn node(&self) -> Option<usize> {
        match self {
            OutlineProblem::Name { node, .. }
            | OutlineProblem::SameName { node, .. }
            | OutlineProblem::Instances { node, .. }
            | OutlineProblem::Unknown { node, .. }
            | OutlineProblem::NothingOpen { node, .. }
            | OutlineProblem::NeedsFloating { node, .. } => Some(*node),
            OutlineProblem::Cycle { nodes, .. } => nodes.first().copied(),
            OutlineProblem::SeveralEnds { nodes, .. } => nodes.last().copied(),
        }
    }

    /// What is allowed, or what to do.
    pub fn help(&self) -> String {
        match self {
            OutlineProblem::Name { error, .. } => error.help(),
            OutlineProblem::SameName { .. } => {
                "every executor of a flow has a name of its own".to_owned()
            }
            OutlineProblem::Instances { .. } => format!(
                "one process runs at most {INSTANCES}: each executor has `replicas`, times `shards`, \
                 and the `replicas` of its `uses_before` and its `uses_after`"
            ),
            OutlineProblem::Unknown { name, known, .. } => suggestion(name, "known", known),
            OutlineProblem::NothingOpen { .. } => {
                "`all` stands for every executor before it whose documents nobody takes; name the \
                 ones that you mean, or \"gateway\""
                    .to_owned()
            }
            OutlineProblem::NeedsFloating { .. } => {
                "take the documents from the executor before that one, or do not let it float"
                    .to_owned()
            }
            OutlineProblem::Cycle { .. } => {
                "remove one of these needs: documents go from the gateway to the last executor"
                    .to_owned()
            }
            OutlineProblem::SeveralEnds { names, .. } => format!(
                "join them in one more executor, with `needs = [{}]` or `needs = \"all\"`, or set \
                 `floating = true` if nobody has to wait for one of them",
                quoted(names).join(", ")
            ),
        }
    }
}

fn circle(names: &[String]) -> String {
    match names {
        [name] => format!("`{name}` needs itself"),
        _ => {
            let around = names.iter().chain(names.first());
            let around: Vec<&str> = around.map(String::as_str).collect();
            format!(
                "these executors wait for each other: {}",
                around.join(" -> ")
            )
        }
    }
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name:?}")).collect()
}

/// The graph of these executors, in their order.
///
/// # Errors
/// With all that is wrong. Nothing is, and there is still no graph, if a need that could
/// not be read is missing.
pub fn graph<N>(
    executors: impl IntoIterator<Item = (NodeSpec, N)>,
) -> Result<Graph<N>, Vec<OutlineProblem>> {
    let mut builder = Builder::default();
    let mut nodes = Nodes::default();
    for (spec, executor) in executors {
        let id = builder.node(spec.name.as_deref().unwrap_or_default(), executor);
        nodes.0.push((id, spec));
    }
    let mut problems: Vec<OutlineProblem> = nodes.over_instances().into_iter().collect();
    problems.extend(nodes.wrong_names());

    let before = problems.len();
    nodes.connect(&mut builder, &mut problems);
    if problems.len() > before {
        return Err(problems);
    }
    let graph = match builder.build() {
        Ok(graph) => graph,
        Err(Cycle(cycle)) => {
            problems.push(OutlineProblem::Cycle {
                nodes: nodes.indices(&cycle),
                names: nodes.names(&cycle),
            });
            return Err(problems);
        }
    };
    if nodes.0.iter().any(|(_, spec)| spec.is_incomplete) {
        return Err(problems);
    }
    let ends = graph.ends();
    if ends.len() > 1 {
        problems.push(OutlineProblem::SeveralEnds {
            nodes: nodes.indices(&ends),
            names: nodes.names(&ends),
        });
    }
    match problems.is_empty() {
        true => Ok(graph),
        false => Err(problems),
    }
}

/// The executors, in their order.
#[derive(Default)]
struct Nodes(Vec<(NodeId, NodeSpec)>);

impl Nodes {
    fn spec(&self, id: NodeId) -> Option<&NodeSpec> {
        self.0.get(id.index()).map(|(_, spec)| spec)
    }

    fn indices(&self, ids: &[NodeId]) -> Vec<usize> {
        ids.iter().map(|id| id.index()).collect()
    }

    fn names(&self, ids: &[NodeId]) -> Vec<String> {
        let specs = ids.iter().filter_map(|id| self.spec(*id));
        specs.filter_map(|spec| spec.name.clone()).collect()
    }

    /// More instances than one process can have.
    fn over_instances(&self) -> Option<OutlineProblem> {
        let mut sum = 0_u64;
        let mut first_over = None;
        for (index, (_, spec)) in self.0.iter().enumerate() {
            sum = sum.saturating_add(spec.instances);
            if sum > u64::from(INSTANCES) {
                first_over = first_over.or(Some(index));
            }
        }
        first_over.map(|node| OutlineProblem::Instances { node, sum })
    }

    /// Names that executors cannot have, and names that two of them have.
    fn wrong_names(&self) -> Vec<OutlineProblem> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut problems = Vec::new();
        for (node, (_, spec)) in self.0.iter().enumerate() {
            let Some(name) = spec.name.as_deref() else {
                continue;
            };
            if let Err(error) = check_name(name) {
                problems.push(OutlineProblem::Name { node, error });
                continue;
            }
            match seen.get(name) {
                Some(&first) => problems.push(OutlineProblem::SameName {
                    node,
                    first,
                    name: name.to_owned(),
                }),
                None => {
                    seen.insert(name, node);
                }
            }
        }
        problems
    }

    /// Adds all needs to the graph, and what is wrong with them to the problems.
    fn connect<N>(&self, builder: &mut Builder<N>, problems: &mut Vec<OutlineProblem>) {
        let named = Named::new(self);
        // Those that some executor names are no open ends, also if it comes later.
        let taken = self.taken(&named);
        let known: Arc<[String]> = named.known.iter().copied().map(str::to_owned).collect();
        let mut open: Vec<NodeId> = Vec::new();
        let mut previous = Upstream::Gateway;
        for (node, (id, spec)) in self.0.iter().enumerate() {
            builder.options(*id, spec.options.clone());
            let mut needs = Vec::new();
            match &spec.needs {
                None => needs.push(previous),
                Some(given) => {
                    for (need, name) in given.iter().enumerate() {
                        match named.find(name) {
                            _ if name == ALL => {
                                if open.is_empty() {
                                    problems.push(OutlineProblem::NothingOpen { node, need });
                                }
                                needs.extend(open.iter().copied().map(Upstream::Node));
                            }
                            Some(from) => needs.push(from),
                            None => problems.push(OutlineProblem::Unknown {
                                node,
                                need,
                                name: name.clone(),
                                known: Arc::clone(&known),
                            }),
                        }
                    }
                }
            }
            let mut edges: Vec<Upstream> = Vec::new();
            for from in needs {
                // `all` may stand beside a name that it includes.
                if edges.contains(&from) {
                    continue;
                }
                edges.push(from);
                if let Upstream::Node(from) = from {
                    problems.extend(self.needs_floating(*id, from));
                    // Nobody waits for what floats, so it takes nothing away.
                    if !spec.options.floating {
                        open.retain(|open| *open != from);
                    }
                }
                builder.need(*id, Edge::new(from));
            }
            // What floats is passed by: the one behind it goes on from the one before.
            if !spec.options.floating {
                if !taken.contains(id) {
                    open.push(*id);
                }
                previous = Upstream::Node(*id);
            }
        }
    }

    /// The nodes that some executor that is waited for names in its `needs`.
    fn taken(&self, named: &Named<'_>) -> HashSet<NodeId> {
        self.0
            .iter()
            .filter(|(_, spec)| !spec.options.floating)
            .filter_map(|(_, spec)| spec.needs.as_ref())
            .flatten()
            .filter_map(|need| match named.find(need)? {
                Upstream::Gateway => None,
                Upstream::Node(id) => Some(id),
            })
            .collect()
    }

    /// What is wrong if the documents of `from` go nowhere.
    fn needs_floating(&self, id: NodeId, from: NodeId) -> Option<OutlineProblem> {
        self.spec(from).filter(|from| from.options.floating)?;
        let name = |id| self.spec(id).and_then(|spec| spec.name.clone());
        Some(OutlineProblem::NeedsFloating {
            node: id.index(),
            name: name(id).unwrap_or_default(),
            from: from.index(),
            from_name: name(from).unwrap_or_default(),
        })
    }
}

/// What a need may name.
struct Named<'n> {
    ids: HashMap<&'n str, NodeId>,
    /// The names to suggest, in the order of the executors.
    known: Vec<&'n str>,
}

impl<'n> Named<'n> {
    fn new(nodes: &'n Nodes) -> Named<'n> {
        let mut named = Named {
            ids: HashMap::new(),
            known: vec![GATEWAY],
        };
        for (id, spec) in &nodes.0 {
            if let Some(name) = spec.name.as_deref() {
                // Of two with the same name, which is a problem, the first is meant.
                if let Entry::Vacant(free) = named.ids.entry(name) {
                    free.insert(*id);
                    if check_name(name).is_ok() {
                        named.known.push(name);
                    }
                }
            }
        }
        named
    }

    fn find(&self, name: &str) -> Option<Upstream> {
        if name == GATEWAY {
            return Some(Upstream::Gateway);
        }
        self.ids.get(name).copied().map(Upstream::Node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, needs: Option<&[&str]>) -> NodeSpec {
        NodeSpec {
            name: Some(name.to_owned()),
            needs: needs.map(|needs| needs.iter().copied().map(str::to_owned).collect()),
            instances: 1,
            ..NodeSpec::default()
        }
    }

    fn graph_of<const N: usize>(
        specs: [(&str, Option<&[&str]>); N],
    ) -> Result<Graph<()>, Vec<OutlineProblem>> {
        graph(specs.map(|(name, needs)| (spec(name, needs), ())))
    }

    fn problems<const N: usize>(specs: [(&str, Option<&[&str]>); N]) -> Vec<String> {
        let problems = graph_of(specs).unwrap_err();
        let said = |problem: &OutlineProblem| format!("{problem}; {}", problem.help());
        problems.iter().map(said).collect()
    }

    #[test]
    fn needs_lead_to_a_graph() {
        let graph = graph_of([
            ("a", None),
            ("b", Some(&["gateway"])),
            ("c", Some(&["all"])),
            ("d", None),
        ])
        .unwrap();
        let needs: Vec<Vec<&str>> = graph
            .iter()
            .map(|(_, node)| {
                let needs = node.needs.iter();
                needs.map(|edge| graph.upstream_name(edge.from)).collect()
            })
            .collect();
        assert_eq!(
            needs,
            [vec!["gateway"], vec!["gateway"], vec!["a", "b"], vec!["c"]]
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_in_words() {
        assert_eq!(
            problems([
                ("all", None),
                ("a", Some(&["b"])),
                ("a", None),
                ("x y", None)
            ]),
            [
                "an executor cannot be called `all`; that word stands for every executor whose \
                 documents nobody takes, in `needs`",
                "two executors are called `a`; every executor of a flow has a name of its own",
                "not a name for an executor; a letter or `_` first, then letters, digits, `_`, \
                 `-` and `.`; at most 128 bytes",
                "there is no executor called `b`; known: gateway, a",
            ]
        );
        assert_eq!(
            problems([("a", Some(&["b"])), ("b", None)]),
            [
                "these executors wait for each other: a -> b -> a; remove one of these needs: \
                 documents go from the gateway to the last executor"
            ]
        );
        assert_eq!(
            problems([("a", Some(&["a"]))]),
            [
                "`a` needs itself; remove one of these needs: documents go from the gateway to \
                 the last executor"
            ]
        );
        assert_eq!(
            problems([("a", None), ("b", Some(&["gateway"]))]),
            [
                "a flow has one end, and nobody takes the documents of \"a\" and \"b\"; join them \
                 in one more executor, with `needs = [\"a\", \"b\"]` or `needs = \"all\"`, or set \
                 `floating = true` if nobody has to wait for one of them"
            ]
        );
    }

    #[test]
    fn the_first_that_is_too_much_is_named() {
        let many = |name: &str| NodeSpec {
            instances: 600,
            ..spec(name, None)
        };
        let found = graph([(many("a"), ()), (many("b"), ()), (many("c"), ())]).unwrap_err();
        assert_eq!(found, [OutlineProblem::Instances { node: 1, sum: 1800 }]);
    }
}
