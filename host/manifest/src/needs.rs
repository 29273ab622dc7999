//! `needs`: which executor takes its documents from which.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use wasm_flow_contract::graph::{
    Branching, Builder, Cycle, Edge, GATEWAY, Graph, NodeId, Upstream,
};

use crate::entry::Entry;
use crate::kinds::Items;
use crate::names::is_name;
use crate::problems::Problems;
use crate::report::Problem;
use crate::suggestion::suggestion;

/// An executor's part in the graph, as the file has it.
pub(crate) struct NodeSpec {
    /// If it was refused, `needs` of other executors may still
    /// mean it.
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) needs: Option<Entry<Items<String>>>,
    /// Where the executor's table is.
    pub(crate) table: Range<usize>,
}

impl NodeSpec {
    /// Where its needs are, or else its name, or else its table.
    fn place(&self) -> Range<usize> {
        let first = self
            .needs
            .as_ref()
            .and_then(|needs| needs.value.items.first());
        first
            .or(self.name.as_ref())
            .map_or_else(|| self.table.clone(), Spanned::span)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.get_ref().as_str())
    }

    /// Whether its needs are as the file has them.
    fn is_complete(&self) -> bool {
        self.needs.as_ref().is_none_or(|needs| needs.value.complete)
    }
}

/// The nodes, as far as they are known.
type Nodes = HashMap<NodeId, NodeSpec>;

/// Builds the graph of these executors, in the order of the file. `None` if
/// something is wrong, which has then been reported.
pub(crate) fn graph<N>(
    problems: &mut Problems,
    executors: impl IntoIterator<Item = (NodeSpec, N)>,
) -> Option<Graph<N>> {
    let mut builder = Builder::default();
    let mut ids = Vec::new();
    let mut nodes = Nodes::new();
    for (spec, executor) in executors {
        let id = builder.node(spec.name().unwrap_or_default(), executor);
        ids.push(id);
        nodes.insert(id, spec);
    }

    let before = problems.count();
    let named = Named::new(&ids, &nodes);
    let mut previous = Upstream::Gateway;
    for &id in &ids {
        match nodes.get(&id).and_then(|spec| spec.needs.as_ref()) {
            None => builder.need(id, Edge::new(previous)),
            Some(needs) => {
                for need in &needs.value.items {
                    match named.find(need.get_ref()) {
                        Some(from) => builder.need(id, Edge::new(from)),
                        None => report_unknown(problems, need, &named),
                    }
                }
            }
        }
        previous = Upstream::Node(id);
    }
    if problems.count() > before {
        return None;
    }

    let graph = match builder.build() {
        Ok(graph) => graph,
        Err(Cycle(cycle)) => {
            report_cycle(problems, &nodes, &cycle);
            return None;
        }
    };
    // If needs are missing, where the flow branches is guesswork.
    if !nodes.values().all(NodeSpec::is_complete) {
        return None;
    }
    let branchings = graph.branchings();
    for branching in &branchings {
        report_branching(problems, &nodes, branching);
    }
    branchings.is_empty().then_some(graph)
}

/// What a need may name.
struct Named<'n> {
    ids: HashMap<&'n str, NodeId>,
    /// The names to suggest, in the order of the file.
    known: Vec<&'n str>,
}

impl<'n> Named<'n> {
    fn new(ids: &[NodeId], nodes: &'n Nodes) -> Named<'n> {
        let mut named = Named {
            ids: HashMap::new(),
            known: vec![GATEWAY],
        };
        for &id in ids {
            if let Some(name) = nodes.get(&id).and_then(NodeSpec::name) {
                // Of two with the same name, which is reported, the first is meant.
                named.ids.entry(name).or_insert(id);
                if is_name(name) {
                    named.known.push(name);
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

fn report_unknown(problems: &mut Problems, need: &Spanned<String>, named: &Named<'_>) {
    problems.report(
        Problem::new(
            need.span(),
            format!("there is no executor called `{}`", need.get_ref()),
        )
        .help(suggestion(need.get_ref(), "known", &named.known)),
    );
}

fn report_cycle(problems: &mut Problems, nodes: &Nodes, cycle: &[NodeId]) {
    let on_it = || cycle.iter().filter_map(|id| nodes.get(id));
    let names: Vec<&str> = on_it()
        .chain(on_it().take(1))
        .filter_map(NodeSpec::name)
        .collect();
    let Some(first) = on_it().next() else {
        return;
    };
    let title = match names.as_slice() {
        [name, _] => format!("`{name}` needs itself"),
        _ => format!(
            "these executors wait for each other: {}",
            names.join(" -> ")
        ),
    };
    let mut problem = Problem::new(first.place(), title)
        .help("remove one of these needs: documents go from the gateway to the last executor");
    for spec in on_it().skip(1) {
        problem = problem.context(spec.place(), "on the way round");
    }
    problems.report(problem);
}

fn report_branching(problems: &mut Problems, nodes: &Nodes, branching: &Branching) {
    const TITLE: &str = "joining branches is not supported yet";
    const HELP: &str =
        "for now a flow is a chain: each executor needs one other, and none is needed twice";
    let name = |id: &NodeId| nodes.get(id).and_then(NodeSpec::name).unwrap_or_default();
    let place = |id: &NodeId| nodes.get(id).map_or(0..0, NodeSpec::place);
    let problem = match branching {
        Branching::Join(id) => {
            Problem::new(place(id), TITLE).label(format!("`{}` needs more than one", name(id)))
        }
        Branching::Split {
            from,
            first,
            second,
        } => {
            let source = match from {
                Upstream::Gateway => GATEWAY,
                Upstream::Node(id) => name(id),
            };
            Problem::new(place(second), TITLE)
                .label(format!(
                    "`{}` takes its documents from `{source}`",
                    name(second)
                ))
                .context(place(first), format!("and so does `{}`", name(first)))
        }
    };
    problems.report(problem.help(HELP));
}
