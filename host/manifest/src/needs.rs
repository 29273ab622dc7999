//! What is wrong with executors' names and `needs`, and where in the file that is.

use std::ops::Range;

use toml::Spanned;
use wasm_flow_contract::bounds::INSTANCES;
use wasm_flow_contract::graph::{Graph, NodeOptions};
use wasm_flow_contract::outline::{self, NodeSpec, OutlineProblem};

use crate::entry::Entry;
use crate::kinds::Items;
use crate::problems::Problems;
use crate::report::Problem;

/// An executor's part in the graph, as the file has it.
pub(crate) struct NodeTable {
    /// If it was refused, `needs` of other executors may still mean it.
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) needs: Option<Entry<Items<String>>>,
    pub(crate) options: NodeOptions,
    /// How many instances it has, and what is before and after its shards, each with
    /// where that is said.
    pub(crate) instances: Vec<(u64, Range<usize>)>,
    /// Where the executor's table is.
    pub(crate) table: Range<usize>,
}

impl NodeTable {
    fn spec(&self) -> NodeSpec {
        let needs = self.needs.as_ref().map(|needs| &needs.value);
        NodeSpec {
            name: self.name.as_ref().map(|name| name.get_ref().clone()),
            needs: needs.map(|needs| {
                let items = needs.items.iter();
                items.map(|need| need.get_ref().clone()).collect()
            }),
            is_incomplete: needs.is_some_and(|needs| !needs.complete),
            options: self.options.clone(),
            instances: self.count(),
        }
    }

    /// How many instances it has in all.
    fn count(&self) -> u64 {
        self.instances.iter().map(|(count, _)| count).sum()
    }

    /// Where it is said that there are more instances than one process can have, if there
    /// are so many before.
    fn instances_place(&self, before: u64) -> Range<usize> {
        let mut sum = before;
        let mut counts = self.instances.iter();
        let first_over = counts.find(|(count, _)| {
            sum += count;
            sum > u64::from(INSTANCES)
        });
        first_over.map_or_else(|| self.name_place(), |(_, place)| place.clone())
    }

    /// Where one of its needs is.
    fn need_place(&self, need: usize) -> Range<usize> {
        let needs = self.needs.as_ref();
        let need = needs.and_then(|needs| needs.value.items.get(need));
        need.map_or_else(|| self.name_place(), Spanned::span)
    }

    /// Where its needs are, or else its name, or else its table.
    fn place(&self) -> Range<usize> {
        self.need_place(0)
    }

    /// Where its name is, or else its table.
    fn name_place(&self) -> Range<usize> {
        self.name
            .as_ref()
            .map_or_else(|| self.table.clone(), Spanned::span)
    }
}

/// Builds the graph of these executors, in the order of the file. `None` if
/// something is wrong, which has then been reported.
pub(crate) fn graph<N>(
    problems: &mut Problems,
    tables: &[NodeTable],
    values: impl IntoIterator<Item = N>,
) -> Option<Graph<N>> {
    let specs = tables.iter().map(NodeTable::spec);
    match outline::graph(specs.zip(values)) {
        Ok(graph) => Some(graph),
        Err(found) => {
            let found = found.iter().map(|problem| placed(problem, tables));
            found.for_each(|problem| problems.report(problem));
            None
        }
    }
}

/// A problem with its place in the file.
fn placed(problem: &OutlineProblem, tables: &[NodeTable]) -> Problem {
    let at = |node: usize, place: &dyn Fn(&NodeTable) -> Range<usize>| {
        tables.get(node).map_or(0..0, place)
    };
    let name = |node: usize| at(node, &NodeTable::name_place);
    let needs = |node: usize| at(node, &NodeTable::place);
    let need = |node: usize, need: usize| at(node, &|table| table.need_place(need));
    let new = |place| Problem::new(place, problem.to_string()).help(problem.help());
    match problem {
        OutlineProblem::Name { node, .. } => new(name(*node)),
        OutlineProblem::SameName { node, first, .. } => new(name(*node))
            .label("used again")
            .context(name(*first), "used here first"),
        OutlineProblem::Instances { node, .. } => {
            let before = tables.iter().take(*node).map(NodeTable::count).sum();
            let place = at(*node, &|table| table.instances_place(before));
            new(place).label(format!("here they come to more than {INSTANCES}"))
        }
        OutlineProblem::Unknown { node, need: at, .. } => new(need(*node, *at)),
        OutlineProblem::NothingOpen { node, need: at } => {
            new(need(*node, *at)).label("stands for nothing")
        }
        OutlineProblem::NeedsFloating { node, from, .. } => {
            new(needs(*node)).context(name(*from), "this one has `floating = true`")
        }
        OutlineProblem::Cycle { nodes, .. } => {
            let (first, others) = nodes.split_first().unwrap_or((&0, &[]));
            let others = others.iter().map(|node| needs(*node));
            others.fold(new(needs(*first)), |problem, place| {
                problem.context(place, "on the way round")
            })
        }
        OutlineProblem::SeveralEnds { nodes, .. } => {
            let (last, others) = nodes.split_last().unwrap_or((&0, &[]));
            let others = others.iter().map(|node| needs(*node));
            others.fold(new(needs(*last)).label("an end"), |problem, place| {
                problem.context(place, "another end")
            })
        }
        // Of a later version of the contract: these crates are released together.
        other => new(other.node().map_or(0..0, needs)),
    }
}
