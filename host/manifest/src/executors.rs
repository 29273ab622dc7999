//! The `[[executors]]` tables.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use wasm_flow_contract::bounds::{DEFAULT_BATCH_TIMEOUT, INSTANCES};
use wasm_flow_contract::config::{Batching, ExecutorConfig};
use wasm_flow_contract::graph::{Graph, Join, NodeOptions};
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::outline::check_name;

use crate::entry::{Entry, key_or, value_or};
use crate::formats::{MEMORY, USES};
use crate::grants;
use crate::needs::{self, NodeTable};
use crate::problems::Problems;
use crate::remote::{RemoteKeys, refuse_local};
use crate::tables::{BatchingTable, ExecutorTable, LimitsTable};
use crate::uses::{Remote, Uses};

/// What a `[[executors]]` table says.
#[derive(Debug, Clone)]
pub struct ExecutorEntry {
    /// What runs.
    pub uses: Uses,
    /// How it is run.
    pub config: ExecutorConfig,
    pub(crate) spans: Spans,
}

/// Where the values of one executor are.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    pub(crate) name: Range<usize>,
    pub(crate) uses: Range<usize>,
    pub(crate) uses_with: Range<usize>,
    pub(crate) uses_requests: Range<usize>,
    /// By the endpoints of `uses_dynamic_batching`.
    pub(crate) batching: HashMap<String, Range<usize>>,
    pub(crate) tls: Range<usize>,
    pub(crate) workspace: Range<usize>,
    pub(crate) allow: Range<usize>,
    /// Those of `allow.dirs`.
    pub(crate) dirs: Vec<Range<usize>>,
}

// The command line and programs take some of the same values, and are held to the same
// bounds.
impl ExecutorEntry {
    /// Reads an executor's `name`.
    ///
    /// # Errors
    /// A sentence for a person, if an executor cannot be called that.
    pub fn parse_name(text: &str) -> Result<String, String> {
        match check_name(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(format!("{error}: {}", error.help())),
        }
    }

    /// Reads what `uses` may be. A path is not looked for, and not resolved against a
    /// folder.
    ///
    /// # Errors
    /// A sentence for a person, if it is empty, or a URL of a kind that is not known.
    pub fn parse_uses(text: &str) -> Result<Uses, String> {
        (USES.parse)(text).map_err(|refusal| match refusal.help {
            Some(help) => format!("{}; {help}", refusal.title),
            None => refusal.title,
        })
    }

    /// Reads a number of `replicas`.
    ///
    /// # Errors
    /// A sentence for a person, if it is not a number, or out of bounds.
    pub fn parse_replicas(text: &str) -> Result<NonZeroU32, String> {
        text.parse()
            .ok()
            .filter(|replicas: &NonZeroU32| replicas.get() <= INSTANCES)
            .ok_or_else(|| format!("expected a whole number from 1 to {INSTANCES}"))
    }

    /// Reads a bound on `memory`.
    ///
    /// # Errors
    /// A sentence for a person, if it is not a size, or no executor could have it.
    pub fn parse_memory(text: &str) -> Result<u64, String> {
        (MEMORY.parse)(text)
    }
}

/// The executors as a graph. `None` if something is wrong, which has then been
/// reported. Paths are relative to `folder`.
pub(crate) fn graph(
    problems: &mut Problems,
    tables: Vec<Spanned<ExecutorTable>>,
    folder: &Path,
) -> Option<Graph<ExecutorEntry>> {
    let (tables, entries): (Vec<NodeTable>, Vec<Option<ExecutorEntry>>) = tables
        .into_iter()
        .map(|table| split(problems, table, folder))
        .unzip();
    match entries.into_iter().collect::<Option<Vec<ExecutorEntry>>>() {
        Some(entries) => needs::graph(problems, &tables, entries),
        // What else is wrong can still be found out.
        None => {
            needs::graph(problems, &tables, std::iter::repeat_n((), tables.len()));
            None
        }
    }
}

/// A table's part in the graph, and the executor itself. `None` for that if a part
/// of it was refused.
fn split(
    problems: &mut Problems,
    table: Spanned<ExecutorTable>,
    folder: &Path,
) -> (NodeTable, Option<ExecutorEntry>) {
    let span = table.span();
    let ExecutorTable {
        name,
        uses,
        uses_with,
        uses_metas,
        uses_requests,
        needs,
        when,
        no_reduce,
        floating,
        uses_dynamic_batching,
        retries,
        replicas,
        isolation,
        timeout,
        timeout_send,
        tls,
        token,
        workspace,
        limits,
        allow,
    } = table.into_inner();
    let name = name.map(|Entry { value, span, .. }| Spanned::new(span, value));
    let node = NodeTable {
        name: name.clone(),
        needs,
        options: NodeOptions {
            when: when.map(|when| Arc::new(when.value)),
            join: match value_or(no_reduce, false) {
                true => Join::Concat,
                false => Join::Reduce,
            },
            floating: value_or(floating, false),
        },
        instances: replicas
            .as_ref()
            .map_or(1, |replicas| replicas.value.get().into()),
        instances_place: key_or(replicas.as_ref(), &span),
        table: span.clone(),
    };
    let (Some(name), Some(uses)) = (name, uses) else {
        return (node, None);
    };
    let mut spans = Spans {
        name: name.span(),
        uses: uses.span,
        uses_with: key_or(uses_with.as_ref(), &span),
        uses_requests: key_or(uses_requests.as_ref(), &span),
        batching: batching_spans(uses_dynamic_batching.as_ref()),
        tls: key_or(tls.as_ref(), &span),
        workspace: key_or(workspace.as_ref(), &span),
        allow: key_or(allow.as_ref(), &span),
        dirs: Vec::new(),
    };
    let remote = RemoteKeys {
        timeout_send,
        tls,
        token,
    };
    let uses = match uses.value {
        Uses::Remote(remote_uses) => {
            let Remote { address, .. } = *remote_uses;
            fn place<T>(entry: &Option<Entry<T>>) -> Option<Range<usize>> {
                entry.as_ref().map(|entry| entry.key.clone())
            }
            let of_limits = |name, limit: fn(&LimitsTable) -> Option<Range<usize>>| {
                let place = limits.as_ref().and_then(|limits| limit(&limits.value));
                (name, place)
            };
            refuse_local(
                problems,
                &[
                    ("uses_with", place(&uses_with)),
                    ("uses_metas", place(&uses_metas)),
                    ("uses_requests", place(&uses_requests)),
                    ("replicas", place(&replicas)),
                    ("isolation", place(&isolation)),
                    ("workspace", place(&workspace)),
                    of_limits("memory", |limits| place(&limits.memory)),
                    of_limits("concurrency", |limits| place(&limits.concurrency)),
                    ("allow", place(&allow)),
                ],
            );
            Uses::Remote(Box::new(remote.remote(problems, address, folder)))
        }
        path => {
            remote.refuse(problems);
            path.in_folder(folder)
        }
    };
    let Some(batching) = read_batching(uses_dynamic_batching) else {
        return (node, None);
    };
    let (allow, dirs) = grants::allow(allow, folder);
    spans.dirs = dirs;
    let defaults = ExecutorConfig::new(name.into_inner());
    let config = ExecutorConfig {
        uses_with: value_or(uses_with, defaults.uses_with),
        uses_metas: value_or(uses_metas, defaults.uses_metas),
        uses_requests: value_or(uses_requests, defaults.uses_requests),
        replicas: value_or(replicas, defaults.replicas),
        isolation: value_or(isolation, defaults.isolation),
        batching,
        retries: value_or(retries, defaults.retries),
        timeout: value_or(timeout, defaults.timeout),
        workspace: workspace.map(|workspace| folder.join(workspace.value)),
        limits: read_limits(limits, defaults.limits),
        allow,
        name: defaults.name,
    };
    let entry = ExecutorEntry {
        uses,
        config,
        spans,
    };
    (node, Some(entry))
}

type BatchingTables = Entry<BTreeMap<String, Spanned<BatchingTable>>>;

fn batching_spans(tables: Option<&BatchingTables>) -> HashMap<String, Range<usize>> {
    let tables = tables.iter().flat_map(|tables| &tables.value);
    tables
        .map(|(endpoint, table)| (endpoint.clone(), table.span()))
        .collect()
}

/// `None` if a part of it was refused.
fn read_batching(tables: Option<BatchingTables>) -> Option<BTreeMap<String, Batching>> {
    let tables = tables.into_iter().flat_map(|tables| tables.value);
    tables
        .map(|(endpoint, table)| {
            let BatchingTable {
                preferred_batch_size,
                timeout,
                flush_all,
            } = table.into_inner();
            let batching = Batching {
                preferred_batch_size: preferred_batch_size?.value,
                timeout: value_or(timeout, DEFAULT_BATCH_TIMEOUT),
                flush_all: value_or(flush_all, false),
            };
            Some((endpoint, batching))
        })
        .collect()
}

fn read_limits(table: Option<Entry<LimitsTable>>, defaults: Limits) -> Limits {
    let Some(table) = table else {
        return defaults;
    };
    let LimitsTable {
        memory,
        concurrency,
        reply,
    } = table.value;
    Limits {
        memory: value_or(memory, defaults.memory),
        concurrency: value_or(concurrency, defaults.concurrency),
        reply: value_or(reply, defaults.reply),
    }
}
