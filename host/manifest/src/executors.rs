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
use wasm_flow_contract::sharding::Group;

use crate::entry::{Entry, key_or, value_or};
use crate::formats::{MEMORY, USES};
use crate::grants;
use crate::kinds::Either;
use crate::late::Head;
use crate::needs::{self, NodeTable};
use crate::polling;
use crate::problems::Problems;
use crate::remote::{RemoteKeys, refuse_local};
use crate::tables::{BatchingTable, ExecutorTable, HeadTable, LimitsTable};
use crate::uses::Uses;

/// What a `[[executors]]` table says.
#[derive(Debug, Clone)]
pub struct ExecutorEntry {
    /// What runs.
    pub uses: Uses,
    /// How it is run.
    pub config: ExecutorConfig,
    /// What requests go through before its shards.
    pub uses_before: Option<Box<ExecutorEntry>>,
    /// What gets the documents of its shards.
    pub uses_after: Option<Box<ExecutorEntry>>,
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
    pub(crate) token: Range<usize>,
    pub(crate) no_reduce: Range<usize>,
    pub(crate) polling: Range<usize>,
    /// By the endpoints of `polling`.
    pub(crate) polled: HashMap<String, Range<usize>>,
    pub(crate) workspace: Range<usize>,
    pub(crate) allow: Range<usize>,
    /// Those of `allow.dirs`.
    pub(crate) dirs: Vec<Range<usize>>,
}

impl Spans {
    /// One place for all of them.
    pub(crate) fn all(span: &Range<usize>) -> Spans {
        Spans {
            name: span.clone(),
            uses: span.clone(),
            uses_with: span.clone(),
            uses_requests: span.clone(),
            batching: HashMap::new(),
            tls: span.clone(),
            token: span.clone(),
            no_reduce: span.clone(),
            polling: span.clone(),
            polled: HashMap::new(),
            workspace: span.clone(),
            allow: span.clone(),
            dirs: Vec::new(),
        }
    }
}

impl ExecutorEntry {
    /// The places of the executor, or of what is before or after its shards.
    pub(crate) fn spans_of(&self, head: Option<Head>) -> &Spans {
        let head = match head {
            None => None,
            Some(Head::Before) => self.uses_before.as_ref(),
            Some(Head::After) => self.uses_after.as_ref(),
        };
        head.map_or(&self.spans, |head| &head.spans)
    }
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
    let instances = instances(&table);
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
        shards,
        polling,
        uses_before,
        uses_after,
        isolation,
        timeout,
        timeout_send,
        tls,
        token,
        token_file,
        workspace,
        limits,
        allow,
    } = table.into_inner();
    let name = name.map(|Entry { value, span, .. }| Spanned::new(span, value));
    let no_reduce_span = key_or(no_reduce.as_ref(), &span);
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
        instances,
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
        token: key_or(token_file.as_ref(), &span),
        no_reduce: no_reduce_span,
        polling: key_or(polling.as_ref(), &span),
        polled: HashMap::new(),
        workspace: key_or(workspace.as_ref(), &span),
        allow: key_or(allow.as_ref(), &span),
        dirs: Vec::new(),
    };
    let remote = RemoteKeys {
        timeout_send,
        tls,
        token,
        token_file,
    };
    let local = [
        ("uses_with", place(&uses_with)),
        ("uses_metas", place(&uses_metas)),
        ("uses_requests", place(&uses_requests)),
        ("replicas", place(&replicas)),
        ("shards", place(&shards)),
        ("polling", place(&polling)),
        ("isolation", place(&isolation)),
        ("workspace", place(&workspace)),
        ("memory", of_limits(&limits, |limits| place(&limits.memory))),
        (
            "concurrency",
            of_limits(&limits, |limits| place(&limits.concurrency)),
        ),
        ("allow", place(&allow)),
    ];
    let uses = read_uses(problems, uses.value, remote, &local, folder);
    let Some(batching) = read_batching(uses_dynamic_batching) else {
        return (node, None);
    };
    let (allow, dirs) = grants::allow(allow, folder);
    spans.dirs = dirs;
    let (polling, polled) = polling::read(problems, polling);
    spans.polled = polled;
    let name = name.into_inner();
    let uses_before = read_head(problems, uses_before, &name, Group::UsesBefore, folder);
    let uses_after = read_head(problems, uses_after, &name, Group::UsesAfter, folder);
    let defaults = ExecutorConfig::new(name);
    let config = ExecutorConfig {
        uses_with: value_or(uses_with, defaults.uses_with),
        uses_metas: value_or(uses_metas, defaults.uses_metas),
        uses_requests: value_or(uses_requests, defaults.uses_requests),
        replicas: value_or(replicas, defaults.replicas),
        shards: value_or(shards, defaults.shards),
        polling,
        group: defaults.group,
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
        uses_before,
        uses_after,
        spans,
    };
    (node, Some(entry))
}

/// What is before or after the shards of the executor `name`. `None` if a part of it was
/// refused, which has then been reported.
fn read_head(
    problems: &mut Problems,
    entry: Option<Entry<Either<Uses, HeadTable>>>,
    name: &str,
    group: Group,
    folder: &Path,
) -> Option<Box<ExecutorEntry>> {
    let Entry { key, value, span } = entry?;
    let HeadTable {
        uses,
        uses_with,
        uses_requests,
        replicas,
        timeout,
        timeout_send,
        tls,
        token,
        token_file,
        limits,
        allow,
    } = match value {
        Either::Table(table) => table,
        Either::Text(value) => HeadTable {
            uses: Some(Entry {
                key: key.clone(),
                value,
                span,
            }),
            ..HeadTable::default()
        },
    };
    let uses = uses?;
    let mut spans = Spans {
        uses: uses.span,
        uses_with: key_or(uses_with.as_ref(), &key),
        uses_requests: key_or(uses_requests.as_ref(), &key),
        tls: key_or(tls.as_ref(), &key),
        token: key_or(token_file.as_ref(), &key),
        allow: key_or(allow.as_ref(), &key),
        ..Spans::all(&key)
    };
    let remote = RemoteKeys {
        timeout_send,
        tls,
        token,
        token_file,
    };
    let local = [
        ("uses_with", place(&uses_with)),
        ("uses_requests", place(&uses_requests)),
        ("replicas", place(&replicas)),
        ("memory", of_limits(&limits, |limits| place(&limits.memory))),
        (
            "concurrency",
            of_limits(&limits, |limits| place(&limits.concurrency)),
        ),
        ("allow", place(&allow)),
    ];
    let uses = read_uses(problems, uses.value, remote, &local, folder);
    let (allow, dirs) = grants::allow(allow, folder);
    spans.dirs = dirs;
    let defaults = ExecutorConfig::new(name);
    let config = ExecutorConfig {
        uses_with: value_or(uses_with, defaults.uses_with),
        uses_requests: value_or(uses_requests, defaults.uses_requests),
        replicas: value_or(replicas, defaults.replicas),
        timeout: value_or(timeout, defaults.timeout),
        limits: read_limits(limits, defaults.limits),
        allow,
        group,
        ..defaults
    };
    Some(Box::new(ExecutorEntry {
        uses,
        config,
        uses_before: None,
        uses_after: None,
        spans,
    }))
}

/// What an executor is made from. `local` are the keys that one that runs elsewhere cannot
/// have, as far as they are there.
fn read_uses(
    problems: &mut Problems,
    uses: Uses,
    remote: RemoteKeys,
    local: &[(&str, Option<Range<usize>>)],
    folder: &Path,
) -> Uses {
    match uses {
        Uses::Remote(uses) => {
            refuse_local(problems, local);
            Uses::Remote(Box::new(remote.remote(problems, uses.address, folder)))
        }
        here @ (Uses::Path { .. } | Uses::Hub(_)) => {
            remote.refuse(problems);
            here.in_folder(folder)
        }
    }
}

/// Where a key is, if it is there.
fn place<T>(entry: &Option<Entry<T>>) -> Option<Range<usize>> {
    entry.as_ref().map(|entry| entry.key.clone())
}

/// The same of a key of `limits`.
fn of_limits(
    limits: &Option<Entry<LimitsTable>>,
    limit: impl Fn(&LimitsTable) -> Option<Range<usize>>,
) -> Option<Range<usize>> {
    limits.as_ref().and_then(|limits| limit(&limits.value))
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
        queue,
        reply,
        cpu,
        background,
    } = table.value;
    Limits {
        memory: value_or(memory, defaults.memory),
        concurrency: value_or(concurrency, defaults.concurrency),
        queue: value_or(queue, defaults.queue),
        reply: value_or(reply, defaults.reply),
        cpu: cpu.map(|cpu| cpu.value).or(defaults.cpu),
        background: value_or(background, defaults.background),
    }
}

/// How many instances each of a table's executors has in this process, and where that is
/// said.
fn instances(table: &Spanned<ExecutorTable>) -> Vec<(u64, Range<usize>)> {
    let span = table.span();
    let table = table.get_ref();
    let count =
        |entry: Option<&Entry<NonZeroU32>>| entry.map_or(1, |entry| u64::from(entry.value.get()));
    let is_here = |uses: Option<&Entry<Uses>>| uses.is_none_or(|uses| uses.value.is_here());
    let (replicas, shards) = (table.replicas.as_ref(), table.shards.as_ref());
    let own = is_here(table.uses.as_ref()).then(|| {
        let count = count(replicas) * count(shards);
        (count, key_or(replicas.or(shards), &span))
    });
    let heads = [&table.uses_before, &table.uses_after];
    let heads = heads.into_iter().flatten().filter_map(|head| {
        let (is_here, replicas) = match &head.value {
            Either::Text(uses) => (uses.is_here(), None),
            Either::Table(table) => (is_here(table.uses.as_ref()), table.replicas.as_ref()),
        };
        is_here.then(|| (count(replicas), key_or(replicas, &head.key)))
    });
    own.into_iter().chain(heads).collect()
}
