//! The `[[executors]]` tables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::reader::{At, Reader, Table, nearest};
use super::report::Problem;
use super::{ExecutorEntry, Uses, parse_duration, parse_size};
use crate::executor::{Access, Allow, DirGrant, ExecutorConfig, HttpOrigin, Isolation, Limits};
use crate::flow::graph::{Branching, GATEWAY, Graph, GraphError};

/// The keys of a `[[executors]]` table.
const KEYS: [&str; 12] = [
    "name",
    "uses",
    "uses_with",
    "uses_metas",
    "uses_requests",
    "needs",
    "replicas",
    "isolation",
    "timeout",
    "workspace",
    "limits",
    "allow",
];

/// Where the values of one executor stand.
#[derive(Debug, Clone)]
pub(super) struct ExecutorSpans {
    pub(super) name: Range<usize>,
    pub(super) uses: Range<usize>,
    pub(super) uses_with: Range<usize>,
    pub(super) uses_requests: Range<usize>,
    pub(super) allow: Range<usize>,
}

/// One table as far as it could be read.
struct Raw {
    /// As it is written. A name that was refused is still one that `needs` of
    /// other executors may mean.
    name: Option<At<String>>,
    needs: Option<Vec<At<String>>>,
    /// Whether `needs` is all there: a value of the wrong type is left out of it.
    needs_read: bool,
    needs_key: Range<usize>,
    /// None where a part of it is wrong, which has then been reported.
    entry: Option<ExecutorEntry>,
    table: Range<usize>,
    spans: ExecutorSpans,
}

/// Reads all executors. None where something is wrong, which has then been
/// reported.
pub(super) fn read(
    reader: &mut Reader,
    root: &Table<'_, '_>,
    folder: &Path,
) -> Option<(Vec<ExecutorEntry>, Vec<ExecutorSpans>, Graph)> {
    const EXAMPLE: &str = "executors = [{ name = \"encode\", uses = \"executors/encode\" }], or a [[executors]] table for each";
    let before = reader.problems.len();
    let mut raws = Vec::new();
    if let Some(items) = reader.list(root, "executors", "a list of tables", EXAMPLE) {
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let table = Table::new(entries, item.span(), "[[executors]]");
                    raws.push(executor(reader, &table, folder));
                }
                _ => reader.wrong_type("executors", item, "a list of tables", EXAMPLE),
            }
        }
    }
    if raws.is_empty() && reader.problems.len() == before {
        reader.report(
            Problem::new(root.key_span("executors"), "the flow has no executors")
                .help(format!("for example: {EXAMPLE}")),
        );
        return None;
    }
    duplicates(reader, &raws);
    let graph = graph(reader, &raws)?;
    let mut entries = Vec::with_capacity(raws.len());
    let mut spans = Vec::with_capacity(raws.len());
    for raw in raws {
        entries.push(raw.entry?);
        spans.push(raw.spans);
    }
    Some((entries, spans, graph))
}

fn executor(reader: &mut Reader, table: &Table<'_, '_>, folder: &Path) -> Raw {
    reader.known_keys(table, &KEYS);
    let before = reader.problems.len();
    let name = name(reader, table);
    let uses = uses(reader, table, folder);
    let before_needs = reader.problems.len();
    let needs = reader.strings(
        table,
        "needs",
        "a name or a list of names",
        "needs = [\"encode\"]",
    );
    let needs_read = reader.problems.len() == before_needs;
    let config = config(reader, table, folder);
    let or_table = |key: &str| table.key_span(key);
    let spans = ExecutorSpans {
        name: name
            .as_ref()
            .map_or_else(|| table.span.clone(), |name| name.span.clone()),
        uses: uses
            .as_ref()
            .map_or_else(|| or_table("uses"), |uses| uses.span.clone()),
        uses_with: or_table("uses_with"),
        uses_requests: or_table("uses_requests"),
        allow: or_table("allow"),
    };
    let entry = match (&name, uses) {
        (Some(name), Some(uses)) if reader.problems.len() == before => Some(ExecutorEntry {
            uses: uses.value,
            config: ExecutorConfig {
                name: name.value.clone(),
                ..config
            },
        }),
        _ => None,
    };
    Raw {
        name,
        needs,
        needs_read,
        needs_key: or_table("needs"),
        entry,
        table: table.span.clone(),
        spans,
    }
}

/// The name as it is written; where it cannot be one, that has been reported.
fn name(reader: &mut Reader, table: &Table<'_, '_>) -> Option<At<String>> {
    const EXAMPLE: &str = "name = \"encode\"";
    if !table.has("name") {
        reader.missing(table, "name", EXAMPLE);
    }
    let name = reader.string(table, "name", EXAMPLE)?;
    if let Err(error) = check_name(&name.value) {
        reader.report(Problem::new(name.span.clone(), error.title()).help(error.help()));
    }
    Some(name)
}

/// Why a string cannot be an executor's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameError {
    Gateway,
    Characters,
}

impl NameError {
    pub(super) fn title(self) -> &'static str {
        match self {
            NameError::Gateway => "an executor cannot be called `gateway`",
            NameError::Characters => "not a name for an executor",
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            NameError::Gateway => {
                "that name stands for the flow's entry, in `needs` and in a request's routes"
            }
            NameError::Characters => {
                "a letter or `_` first, then letters, digits, `_`, `-` and `.`; at most 128 bytes"
            }
        }
    }
}

pub(super) fn check_name(name: &str) -> Result<(), NameError> {
    if name == GATEWAY {
        return Err(NameError::Gateway);
    }
    // `name/rep-0` keys results, `name__key` keys parameters.
    let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.len() <= 128
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    match valid {
        true => Ok(()),
        false => Err(NameError::Characters),
    }
}

fn uses(reader: &mut Reader, table: &Table<'_, '_>, folder: &Path) -> Option<At<Uses>> {
    const EXAMPLE: &str = "uses = \"executors/encode\", or uses = \"encode.wasm\"";
    if !table.has("uses") {
        reader.missing(table, "uses", EXAMPLE);
    }
    let text = reader.string(table, "uses", EXAMPLE)?;
    let problem = |title: String| Problem::new(text.span.clone(), title);
    const ALLOWED: &str = "allowed: the folder of a crate, or a .wasm file";
    if let Some((scheme, _)) = text.value.split_once("://") {
        let title = match scheme {
            "oci" => "executors from a registry (oci://) are not supported yet".to_owned(),
            "grpc" => "remote executors (grpc://) are not supported yet".to_owned(),
            other => format!("`uses` cannot be {other}://"),
        };
        reader.report(problem(title).help(ALLOWED));
        return None;
    }
    if text.value.is_empty() {
        reader.report(problem("`uses` is empty".to_owned()).help(ALLOWED));
        return None;
    }
    let path = folder.join(&text.value);
    let uses = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            if !path.join("Cargo.toml").is_file() {
                reader.report(
                    problem(format!("`{}` holds no Cargo.toml", text.value))
                        .label("a folder is built with cargo before it runs")
                        .help(ALLOWED),
                );
                return None;
            }
            Uses::Folder(path)
        }
        Ok(_)
            if path
                .extension()
                .is_some_and(|extension| extension == "wasm") =>
        {
            Uses::Wasm(path)
        }
        Ok(_) => {
            reader.report(problem(format!("`{}` is not a .wasm file", text.value)).help(ALLOWED));
            return None;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let problem = problem("no such file or folder".to_owned())
                .label(format!("looked for {}", path.display()));
            reader.report(match neighbour(&path) {
                Some(name) => problem.help(format!(
                    "did you mean `{name}`? Paths are relative to this file's folder"
                )),
                None => problem.help("paths are relative to this file's folder"),
            });
            return None;
        }
        Err(error) => {
            reader.report(problem(format!("cannot look at `{}`: {error}", text.value)));
            return None;
        }
    };
    Some(At {
        value: uses,
        span: text.span,
    })
}

/// The name beside a missing path that was probably meant.
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let parent = path.parent()?;
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let names: Vec<String> = std::fs::read_dir(parent)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Everything of an executor but its name.
fn config(reader: &mut Reader, table: &Table<'_, '_>, folder: &Path) -> ExecutorConfig {
    let mut config = ExecutorConfig::new("");
    if let Some(object) = reader.object(
        table,
        "uses_with",
        "uses_with",
        "uses_with = { model = \"small\" }",
    ) {
        config.uses_with = object;
    }
    if let Some(object) = reader.object(
        table,
        "uses_metas",
        "uses_metas",
        "uses_metas = { description = \"encodes\" }",
    ) {
        config.uses_metas = object;
    }
    if let Some(requests) = uses_requests(reader, table) {
        config.uses_requests = requests;
    }
    let most = u64::from(ExecutorEntry::MAX_REPLICAS);
    if let Some(replicas) = reader.integer(table, "replicas", 1..=most, "replicas = 2") {
        config.replicas = u32::try_from(replicas)
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(config.replicas);
    }
    if let Some(isolation) = reader.choice(
        table,
        "isolation",
        &[
            ("shared", Isolation::Shared),
            ("request", Isolation::Request),
        ],
    ) {
        config.isolation = isolation;
    }
    if let Some(timeout) = reader.parsed(
        table,
        "timeout",
        "a duration",
        "timeout = \"10s\"",
        parse_duration,
    ) {
        config.timeout = timeout;
    }
    if let Some(workspace) = reader.string(table, "workspace", "workspace = \"workspace\"") {
        config.workspace = Some(folder.join(workspace.value));
    }
    limits(reader, table, &mut config);
    allow(reader, table, folder, &mut config.allow);
    config
}

fn uses_requests(reader: &mut Reader, table: &Table<'_, '_>) -> Option<BTreeMap<String, String>> {
    const EXAMPLE: &str = "uses_requests = { \"/index\" = \"encode\" }";
    let requests = reader.table(table, "uses_requests", "uses_requests", EXAMPLE)?;
    let mut methods = BTreeMap::new();
    for (endpoint, method) in requests.entries() {
        let name = format!("uses_requests.\"{}\"", endpoint.value);
        if let Some(method) =
            reader.string_value(&name, method, "the name of a method, as a string", EXAMPLE)
        {
            methods.insert(endpoint.value.to_owned(), method.value);
        }
    }
    Some(methods)
}

fn limits(reader: &mut Reader, table: &Table<'_, '_>, config: &mut ExecutorConfig) {
    let Some(limits) = reader.table(
        table,
        "limits",
        "[executors.limits]",
        "limits = { memory = \"256MiB\" }",
    ) else {
        return;
    };
    reader.known_keys(&limits, &["memory", "concurrency", "reply"]);
    if let Some(memory) = reader.parsed(
        &limits,
        "memory",
        "a size",
        "memory = \"256MiB\"",
        parse_memory,
    ) {
        config.limits.memory = memory;
    }
    if let Some(concurrency) =
        reader.integer(&limits, "concurrency", 1..=1_000_000, "concurrency = 256")
    {
        config.limits.concurrency = u32::try_from(concurrency)
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(config.limits.concurrency);
    }
    if let Some(reply) = reader.parsed(
        &limits,
        "reply",
        "a size",
        "reply = \"256MiB\"",
        parse_reply,
    ) {
        config.limits.reply = reply;
    }
}

fn parse_reply(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(parse_size(text)?).ok_or_else(|| "at least one byte".to_owned())
}

pub(super) fn parse_memory(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        bytes if bytes < 1 << 20 => Err("at least 1 MiB: less holds no executor".to_owned()),
        bytes if bytes > Limits::MAX_MEMORY => {
            Err("at most 4 GiB: a component's memory has 32-bit addresses".to_owned())
        }
        bytes => Ok(bytes),
    }
}

fn allow(reader: &mut Reader, table: &Table<'_, '_>, folder: &Path, allow: &mut Allow) {
    let Some(grants) = reader.table(
        table,
        "allow",
        "[executors.allow]",
        "allow = { env = [\"LANG\"] }",
    ) else {
        return;
    };
    reader.known_keys(&grants, &["http", "env", "dirs"]);

    const HTTP: &str = "http = [\"https://api.example.com\"]";
    for origin in reader
        .strings(&grants, "http", "a list of origins", HTTP)
        .unwrap_or_default()
    {
        match HttpOrigin::parse(&origin.value) {
            Ok(origin) => allow.http.push(origin),
            Err(reason) => reader.report(
                Problem::new(
                    origin.span,
                    "not a place that HTTP requests can be allowed to",
                )
                .help(reason.to_string()),
            ),
        }
    }

    for name in reader
        .strings(&grants, "env", "a list of names", "env = [\"LANG\"]")
        .unwrap_or_default()
    {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            reader.report(
                Problem::new(name.span, "not the name of an environment variable")
                    .help("the name alone: its value is taken from the host's environment"),
            );
        } else {
            allow.env.push(name.value);
        }
    }

    const DIRS: &str = "dirs = [{ host = \"data\", guest = \"/data\", access = \"read\" }]";
    if let Some(items) = reader.list(&grants, "dirs", "a list of tables", DIRS) {
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let table = Table::new(entries, item.span(), "dirs");
                    if let Some(dir) = dir(reader, &table, folder) {
                        allow.dirs.push(dir);
                    }
                }
                _ => reader.wrong_type("dirs", item, "a list of tables", DIRS),
            }
        }
    }
}

fn dir(reader: &mut Reader, table: &Table<'_, '_>, folder: &Path) -> Option<DirGrant> {
    reader.known_keys(table, &["host", "guest", "access"]);
    for (key, example) in [("host", "host = \"data\""), ("guest", "guest = \"/data\"")] {
        if !table.has(key) {
            reader.missing(table, key, example);
        }
    }
    let host = reader
        .string(table, "host", "host = \"data\"")
        .and_then(|host| {
            let path: PathBuf = folder.join(&host.value);
            if path.is_dir() {
                return Some(path);
            }
            let title = if path.exists() {
                "not a folder"
            } else {
                "no such folder"
            };
            reader.report(
                Problem::new(host.span, title)
                    .label(format!("looked for {}", path.display()))
                    .help("make it first; paths are relative to this file's folder"),
            );
            None
        });
    let guest = reader
        .string(table, "guest", "guest = \"/data\"")
        .and_then(|guest| {
            let title = if !guest.value.starts_with('/') {
                "the executor's path must begin with `/`"
            } else if guest
                .value
                .split('/')
                .any(|part| matches!(part, "." | ".."))
            {
                "the executor's path must not have `.` or `..` in it"
            } else {
                return Some(guest.value);
            };
            reader.report(Problem::new(guest.span, title).help("for example: guest = \"/data\""));
            None
        });
    let access = if table.has("access") {
        reader.choice(
            table,
            "access",
            &[("read", Access::Read), ("write", Access::Write)],
        )
    } else {
        Some(Access::Read)
    };
    Some(DirGrant {
        host: host?,
        guest: guest?,
        access: access?,
    })
}

fn duplicates(reader: &mut Reader, raws: &[Raw]) {
    let mut first: HashMap<&str, &At<String>> = HashMap::new();
    let names = raws.iter().filter_map(|raw| raw.name.as_ref());
    for name in names.filter(|name| check_name(&name.value).is_ok()) {
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

/// Resolves `needs`. None where something is wrong, which has then been
/// reported.
fn graph(reader: &mut Reader, raws: &[Raw]) -> Option<Graph> {
    let names: Vec<Option<&str>> = raws
        .iter()
        .map(|raw| raw.name.as_ref().map(|name| name.value.as_str()))
        .collect();
    let before = reader.problems.len();
    let mut needs = Vec::with_capacity(raws.len());
    for (index, raw) in raws.iter().enumerate() {
        needs.push(match &raw.needs {
            None if raw.needs_read => vec![index.checked_sub(1)],
            None => Vec::new(),
            Some(given) => resolve(reader, raw, given, &names),
        });
    }
    if reader.problems.len() > before {
        return None;
    }
    let named = names
        .iter()
        .zip(needs)
        .map(|(name, needs)| (name.unwrap_or_default(), needs));
    let graph = match Graph::new(named) {
        Ok(graph) => graph,
        Err(GraphError::Cycle(cycle)) => {
            report_cycle(reader, raws, &cycle);
            return None;
        }
        Err(GraphError::OutOfRange(_)) => return None,
    };
    // With needs that could not be read, where the flow branches is guesswork.
    if !raws.iter().all(|raw| raw.needs_read) {
        return None;
    }
    let branchings = graph.chain();
    for branching in &branchings {
        report_branching(reader, raws, branching);
    }
    branchings.is_empty().then_some(graph)
}

fn resolve(
    reader: &mut Reader,
    raw: &Raw,
    given: &[At<String>],
    names: &[Option<&str>],
) -> Vec<Option<usize>> {
    if given.is_empty() && raw.needs_read {
        reader.report(
            Problem::new(raw.needs_key.clone(), "`needs` is an empty list")
                .help("name an executor, or \"gateway\"; without `needs`, the executor before it is meant"),
        );
    }
    let mut seen = HashSet::new();
    let mut resolved = Vec::with_capacity(given.len());
    for need in given {
        if !seen.insert(need.value.as_str()) {
            reader.report(Problem::new(
                need.span.clone(),
                format!("`{}` is needed twice", need.value),
            ));
        } else if need.value == GATEWAY {
            resolved.push(None);
        } else if let Some(index) = names.iter().position(|name| *name == Some(&need.value)) {
            resolved.push(Some(index));
        } else {
            let names = names.iter().copied().flatten();
            let known: Vec<&str> = std::iter::once(GATEWAY)
                .chain(names.filter(|name| check_name(name).is_ok()))
                .collect();
            let list = format!("known: {}", known.join(", "));
            reader.report(
                Problem::new(
                    need.span.clone(),
                    format!("there is no executor called `{}`", need.value),
                )
                .help(match nearest(&need.value, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`? {list}"),
                    None => list,
                }),
            );
        }
    }
    resolved
}

/// Where an executor's needs stand, or else its name, or else its table.
fn place(raw: &Raw) -> Range<usize> {
    let needs = raw.needs.as_ref().and_then(|needs| needs.first());
    needs
        .or(raw.name.as_ref())
        .map_or_else(|| raw.table.clone(), |at| at.span.clone())
}

fn report_cycle(reader: &mut Reader, raws: &[Raw], cycle: &[usize]) {
    let on_it = || cycle.iter().filter_map(|&index| raws.get(index));
    let names: Vec<&str> = on_it()
        .chain(on_it().take(1))
        .filter_map(|raw| raw.name.as_ref().map(|name| name.value.as_str()))
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
    let mut problem = Problem::new(place(first), title)
        .help("documents go from the gateway to the last executor: take one of these needs away");
    for raw in on_it().skip(1) {
        problem = problem.context(place(raw), "on the way round");
    }
    reader.report(problem);
}

fn report_branching(reader: &mut Reader, raws: &[Raw], branching: &Branching) {
    const HELP: &str =
        "for now a flow is a chain: each executor needs one other, and none is needed twice";
    let name = |index: usize| {
        raws.get(index)
            .and_then(|raw| raw.name.as_ref())
            .map_or("", |name| name.value.as_str())
    };
    let span = |index: usize| raws.get(index).map_or(0..0, place);
    let problem = match *branching {
        Branching::Join(index) => {
            Problem::new(span(index), "joining branches is not supported yet")
                .label(format!("`{}` needs more than one", name(index)))
        }
        Branching::Split {
            from,
            first,
            second,
        } => {
            let source = from.map_or(GATEWAY, name);
            Problem::new(span(second), "joining branches is not supported yet")
                .label(format!(
                    "`{}` takes its documents from `{source}`",
                    name(second)
                ))
                .context(span(first), format!("and so does `{}`", name(first)))
        }
    };
    reader.report(problem.help(HELP));
}
