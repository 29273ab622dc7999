//! The `[[executors]]` tables.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, json};
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::graph::{GATEWAY, Graph};
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::units::{parse_duration, parse_size};

use crate::bounds::{MAX_NAME, MAX_REPLICAS, MIN_MEMORY};
use crate::grants;
use crate::kinds::{Format, Quantity, members};
use crate::needs::{self, Wanted};
use crate::reader::{At, Entry, Reader, key_or, value_or};
use crate::report::{Problem, Refusal};
use crate::tables::{ExecutorTable, LimitsTable};
use crate::units::{DURATION_PATTERN, SIZE_PATTERN};
use crate::uses::Uses;

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
    pub(crate) workspace: Range<usize>,
    pub(crate) allow: Range<usize>,
    /// Those of `allow.dirs`.
    pub(crate) dirs: Vec<Range<usize>>,
}

// The command line takes some of the same values, and holds them to the same
// bounds.
impl ExecutorEntry {
    /// The most instances that may share an executor's requests.
    pub const MAX_REPLICAS: u32 = MAX_REPLICAS;

    /// Reads an executor's `name`.
    ///
    /// # Errors
    /// A sentence for a person, if an executor cannot be called that.
    pub fn parse_name(text: &str) -> Result<String, String> {
        match check_name(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(format!("{}: {}", error.title(), error.help())),
        }
    }

    /// Reads a number of `replicas`.
    ///
    /// # Errors
    /// A sentence for a person, if it is not a number, or out of bounds.
    pub fn parse_replicas(text: &str) -> Result<NonZeroU32, String> {
        text.parse()
            .ok()
            .filter(|replicas: &NonZeroU32| replicas.get() <= MAX_REPLICAS)
            .ok_or_else(|| format!("expected a whole number from 1 to {MAX_REPLICAS}"))
    }

    /// Reads a bound on `memory`.
    ///
    /// # Errors
    /// A sentence for a person, if it is not a size, or no executor could have it.
    pub fn parse_memory(text: &str) -> Result<u64, String> {
        match parse_size(text)? {
            bytes if bytes < MIN_MEMORY => {
                Err("at least 1 MiB: no executor fits into less".to_owned())
            }
            bytes if bytes > Limits::MAX_MEMORY => {
                Err("at most 4 GiB: a component's memory has 32-bit addresses".to_owned())
            }
            bytes => Ok(bytes),
        }
    }
}

/// `name`. Whether an executor may be called that is checked with the others'
/// names: one that is refused may still be meant by `needs`.
pub(crate) const NAME: Format<String> = Format {
    parse: |text| Ok(text.to_owned()),
    schema: || {
        members(json!({
            // Of the characters that are not ASCII, those that are not letters or
            // digits pass: no class for them means the same to all implementations.
            "pattern": r"^[^\u0000-@\[-^`{-\u007f][^\u0000-,/:-@\[-^`{-\u007f]*$",
            "maxLength": MAX_NAME,
            "not": { "const": GATEWAY },
        }))
    },
};

/// An item of `needs`. Whether there is such an executor is checked when all are
/// read.
pub(crate) const NEED: Format<String> = Format {
    parse: |text| Ok(text.to_owned()),
    schema: Map::new,
};

/// `timeout`.
pub(crate) const TIMEOUT: Quantity<Duration> = Quantity {
    what: "a duration",
    parse: parse_duration,
    pattern: DURATION_PATTERN,
};

/// `limits.memory`.
pub(crate) const MEMORY: Quantity<u64> = Quantity {
    what: "a size",
    parse: ExecutorEntry::parse_memory,
    pattern: SIZE_PATTERN,
};

/// `limits.reply`.
pub(crate) const REPLY: Quantity<NonZeroU64> = Quantity {
    what: "a size",
    parse: |text| NonZeroU64::new(parse_size(text)?).ok_or_else(|| "at least one byte".to_owned()),
    pattern: SIZE_PATTERN,
};

/// `workspace`.
pub(crate) const WORKSPACE: Format<String> = Format {
    parse: |text| match text {
        "" => Err(Refusal::new("`workspace` is empty")),
        _ => Ok(text.to_owned()),
    },
    schema: || members(json!({ "minLength": 1 })),
};

/// Why an executor cannot be called that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameError {
    Gateway,
    Characters,
}

impl NameError {
    fn title(self) -> &'static str {
        match self {
            NameError::Gateway => "an executor cannot be called `gateway`",
            NameError::Characters => "not a name for an executor",
        }
    }

    fn help(self) -> String {
        match self {
            NameError::Gateway => {
                "that name stands for the flow's entry, in `needs` and in a request's routes"
                    .to_owned()
            }
            NameError::Characters => format!(
                "a letter or `_` first, then letters, digits, `_`, `-` and `.`; at most {MAX_NAME} bytes"
            ),
        }
    }
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name == GATEWAY {
        return Err(NameError::Gateway);
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

/// Whether an executor may be called that.
pub(crate) fn is_name(name: &str) -> bool {
    check_name(name).is_ok()
}

/// The executors as a graph. `None` if something is wrong, which has then been
/// reported. Paths are relative to `folder`.
pub(crate) fn graph(
    reader: &mut Reader,
    tables: Vec<At<ExecutorTable>>,
    folder: &Path,
) -> Option<Graph<ExecutorEntry>> {
    let (wanted, entries): (Vec<Wanted>, Vec<Option<ExecutorEntry>>) =
        tables.into_iter().map(|table| split(table, folder)).unzip();
    check_names(reader, wanted.iter().filter_map(|one| one.name.as_ref()));
    match entries.into_iter().collect::<Option<Vec<ExecutorEntry>>>() {
        Some(entries) => needs::graph(reader, wanted.into_iter().zip(entries)),
        // What else is wrong can still be found out.
        None => {
            needs::graph(reader, wanted.into_iter().map(|one| (one, ())));
            None
        }
    }
}

/// A table's part in the graph, and the executor itself. `None` for that if a part
/// of it was refused.
fn split(table: At<ExecutorTable>, folder: &Path) -> (Wanted, Option<ExecutorEntry>) {
    let span = table.span;
    let ExecutorTable {
        name,
        uses,
        uses_with,
        uses_metas,
        uses_requests,
        needs,
        replicas,
        isolation,
        timeout,
        workspace,
        limits,
        allow,
    } = table.value;
    let name = name.map(|Entry { value, span, .. }| At { value, span });
    let wanted = Wanted {
        name: name.clone(),
        needs,
        table: span.clone(),
    };
    let (Some(name), Some(uses)) = (name, uses) else {
        return (wanted, None);
    };
    let mut spans = Spans {
        name: name.span,
        uses: uses.span,
        uses_with: key_or(uses_with.as_ref(), &span),
        uses_requests: key_or(uses_requests.as_ref(), &span),
        workspace: key_or(workspace.as_ref(), &span),
        allow: key_or(allow.as_ref(), &span),
        dirs: Vec::new(),
    };
    let (allow, dirs) = grants::allow(allow, folder);
    spans.dirs = dirs;
    let defaults = ExecutorConfig::new(name.value);
    let config = ExecutorConfig {
        uses_with: value_or(uses_with, defaults.uses_with),
        uses_metas: value_or(uses_metas, defaults.uses_metas),
        uses_requests: value_or(uses_requests, defaults.uses_requests),
        replicas: value_or(replicas, defaults.replicas),
        isolation: value_or(isolation, defaults.isolation),
        timeout: value_or(timeout, defaults.timeout),
        workspace: workspace.map(|workspace| folder.join(workspace.value)),
        limits: read_limits(limits, defaults.limits),
        allow,
        name: defaults.name,
    };
    let entry = ExecutorEntry {
        uses: uses.value.in_folder(folder),
        config,
        spans,
    };
    (wanted, Some(entry))
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

/// Reports names that executors cannot have, and names that two of them have.
fn check_names<'a>(reader: &mut Reader, names: impl Iterator<Item = &'a At<String>>) {
    let mut first: HashMap<&str, &At<String>> = HashMap::new();
    for name in names {
        if let Err(error) = check_name(&name.value) {
            reader.report(Problem::new(name.span.clone(), error.title()).help(error.help()));
            continue;
        }
        match first.get(name.value.as_str()) {
            Some(earlier) => reader.report(
                Problem::new(
                    name.span.clone(),
                    format!("two executors are called `{}`", name.value),
                )
                .label("used again")
                .context(earlier.span.clone(), "used here first")
                .help("every executor of a flow has a name of its own"),
            ),
            None => {
                first.insert(&name.value, name);
            }
        }
    }
}
