//! `needs`: which executor takes its documents from which.

use std::collections::HashMap;
use std::ops::Range;

use wasm_flow_contract::graph::{
    Branching, Builder, Cycle, Edge, GATEWAY, Graph, NodeId, Upstream,
};

use crate::executors::is_name;
use crate::kinds::Items;
use crate::nearest::suggestion;
use crate::reader::{At, Entry, Reader};
use crate::report::Problem;

/// What an executor wants to be in the graph.
pub(crate) struct Wanted {
    /// As the file has it. If it was refused, `needs` of other executors may still
    /// mean it.
    pub(crate) name: Option<At<String>>,
    pub(crate) needs: Option<Entry<Items<String>>>,
    /// Where the executor's table is.
    pub(crate) table: Range<usize>,
}

impl Wanted {
    /// Where its needs are, or else its name, or else its table.
    fn place(&self) -> Range<usize> {
        let first = self
            .needs
            .as_ref()
            .and_then(|needs| needs.value.items.first());
        first
            .or(self.name.as_ref())
            .map_or_else(|| self.table.clone(), |at| at.span.clone())
    }

    fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.value.as_str())
    }

    /// Whether its needs are as the file has them.
    fn is_complete(&self) -> bool {
        self.needs.as_ref().is_none_or(|needs| needs.value.complete)
    }
}

/// The nodes, as far as they are known.
type Nodes = HashMap<NodeId, Wanted>;

/// Builds the graph of these executors, in the order of the file. `None` if
/// something is wrong, which has then been reported.
pub(crate) fn graph<N>(
    reader: &mut Reader,
    executors: impl IntoIterator<Item = (Wanted, N)>,
) -> Option<Graph<N>> {
    let mut builder = Builder::default();
    let mut ids = Vec::new();
    let mut nodes = Nodes::new();
    for (wanted, executor) in executors {
        let id = builder.node(wanted.name().unwrap_or_default(), executor);
        ids.push(id);
        nodes.insert(id, wanted);
    }

    let before = reader.count();
    let named = Named::new(&ids, &nodes);
    let mut previous = Upstream::Gateway;
    for &id in &ids {
        match nodes.get(&id).and_then(|wanted| wanted.needs.as_ref()) {
            None => builder.need(id, Edge::new(previous)),
            Some(needs) => {
                for need in &needs.value.items {
                    match named.find(&need.value) {
                        Some(from) => builder.need(id, Edge::new(from)),
                        None => report_unknown(reader, need, &named),
                    }
                }
            }
        }
        previous = Upstream::Node(id);
    }
    if reader.count() > before {
        return None;
    }

    let graph = match builder.build() {
        Ok(graph) => graph,
        Err(Cycle(cycle)) => {
            report_cycle(reader, &nodes, &cycle);
            return None;
        }
    };
    // If needs are missing, where the flow branches is guesswork.
    if !nodes.values().all(Wanted::is_complete) {
        return None;
    }
    let branchings = graph.branchings();
    for branching in &branchings {
        report_branching(reader, &nodes, branching);
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
            if let Some(name) = nodes.get(&id).and_then(Wanted::name) {
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

fn report_unknown(reader: &mut Reader, need: &At<String>, named: &Named<'_>) {
    reader.report(
        Problem::new(
            need.span.clone(),
            format!("there is no executor called `{}`", need.value),
        )
        .help(suggestion(&need.value, "known", &named.known)),
    );
}

fn report_cycle(reader: &mut Reader, nodes: &Nodes, cycle: &[NodeId]) {
    let on_it = || cycle.iter().filter_map(|id| nodes.get(id));
    let names: Vec<&str> = on_it()
        .chain(on_it().take(1))
        .filter_map(Wanted::name)
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
    for wanted in on_it().skip(1) {
        problem = problem.context(wanted.place(), "on the way round");
    }
    reader.report(problem);
}

fn report_branching(reader: &mut Reader, nodes: &Nodes, branching: &Branching) {
    const TITLE: &str = "joining branches is not supported yet";
    const HELP: &str =
        "for now a flow is a chain: each executor needs one other, and none is needed twice";
    let name = |id: &NodeId| nodes.get(id).and_then(Wanted::name).unwrap_or_default();
    let place = |id: &NodeId| nodes.get(id).map_or(0..0, Wanted::place);
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
    reader.report(problem.help(HELP));
}
