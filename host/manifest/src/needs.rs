//! `needs`: which executor takes its documents from which.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;
use wasm_flow_contract::graph::{
    Builder, Cycle, Edge, GATEWAY, Graph, NodeId, NodeOptions, Upstream,
};

use crate::entry::Entry;
use crate::kinds::Items;
use crate::names::{ALL, is_name};
use crate::problems::Problems;
use crate::report::Problem;
use crate::suggestion::suggestion;

/// An executor's part in the graph, as the file has it.
pub(crate) struct NodeSpec {
    /// If it was refused, `needs` of other executors may still
    /// mean it.
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) needs: Option<Entry<Items<String>>>,
    pub(crate) options: NodeOptions,
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

    /// Where its name is, or else its table.
    fn name_place(&self) -> Range<usize> {
        self.name
            .as_ref()
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
    // Those that some executor names are no open ends, also if it comes later.
    let taken = taken(&nodes, &named);
    let mut open: Vec<NodeId> = Vec::new();
    let mut previous = Upstream::Gateway;
    for &id in &ids {
        let Some(spec) = nodes.get(&id) else { continue };
        builder.options(id, spec.options.clone());
        let mut needs = Vec::new();
        match &spec.needs {
            None => needs.push(previous),
            Some(given) => {
                for need in &given.value.items {
                    match named.find(need.get_ref()) {
                        _ if need.get_ref() == ALL => {
                            if open.is_empty() {
                                report_nothing_open(problems, need);
                            }
                            needs.extend(open.iter().copied().map(Upstream::Node));
                        }
                        Some(from) => needs.push(from),
                        None => report_unknown(problems, need, &named),
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
                report_floating(problems, spec, nodes.get(&from));
                // Nobody waits for what floats, so it takes nothing away.
                if !spec.options.floating {
                    open.retain(|open| *open != from);
                }
            }
            builder.need(id, Edge::new(from));
        }
        // What floats is passed by: the one behind it goes on from the one before.
        if !spec.options.floating {
            if !taken.contains(&id) {
                open.push(id);
            }
            previous = Upstream::Node(id);
        }
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
    // If needs are missing, where the flow ends is guesswork.
    if !nodes.values().all(NodeSpec::is_complete) {
        return None;
    }
    let ends = graph.ends();
    if ends.len() > 1 {
        report_ends(problems, &nodes, &ends);
        return None;
    }
    Some(graph)
}

/// The nodes that some executor that is waited for names in its `needs`.
fn taken(nodes: &Nodes, named: &Named<'_>) -> HashSet<NodeId> {
    nodes
        .values()
        .filter(|spec| !spec.options.floating)
        .filter_map(|spec| spec.needs.as_ref())
        .flat_map(|needs| &needs.value.items)
        .filter_map(|need| match named.find(need.get_ref())? {
            Upstream::Gateway => None,
            Upstream::Node(id) => Some(id),
        })
        .collect()
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

/// Reports an `all` that stands for nothing.
fn report_nothing_open(problems: &mut Problems, need: &Spanned<String>) {
    problems.report(
        Problem::new(need.span(), "no executor before this one is an open end")
            .label("stands for nothing")
            .help(
                "`all` stands for every executor before it in the file whose documents nobody \
                 takes; name the ones that you mean, or \"gateway\"",
            ),
    );
}

/// Reports an executor that needs one whose documents go nowhere.
fn report_floating(problems: &mut Problems, spec: &NodeSpec, from: Option<&NodeSpec>) {
    let Some(from) = from.filter(|from| from.options.floating) else {
        return;
    };
    let name = |spec: &NodeSpec| spec.name().unwrap_or_default().to_owned();
    let title = format!(
        "`{}` needs `{}`, whose documents go nowhere",
        name(spec),
        name(from)
    );
    problems.report(
        Problem::new(spec.place(), title)
            .context(from.name_place(), "this one has `floating = true`")
            .help("take the documents from the executor before that one, or do not let it float"),
    );
}

/// Reports executors whose documents would come together nowhere.
fn report_ends(problems: &mut Problems, nodes: &Nodes, ends: &[NodeId]) {
    let specs: Vec<&NodeSpec> = ends.iter().filter_map(|id| nodes.get(id)).collect();
    let Some((last, others)) = specs.split_last() else {
        return;
    };
    let names: Vec<String> = specs
        .iter()
        .filter_map(|spec| spec.name())
        .map(|name| format!("{name:?}"))
        .collect();
    let title = format!(
        "a flow has one end, and nobody takes the documents of {}",
        names.join(" and ")
    );
    let mut problem = Problem::new(last.place(), title)
        .label("an end")
        .help(format!(
            "join them in one more executor, with `needs = [{}]` or `needs = \"all\"`, or set \
             `floating = true` if nobody has to wait for one of them",
            names.join(", ")
        ));
    for spec in others {
        problem = problem.context(spec.place(), "another end");
    }
    problems.report(problem);
}
