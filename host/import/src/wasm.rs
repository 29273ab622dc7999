//! Executors that are to be ported to WebAssembly.

use std::collections::HashSet;

use wasm_flow_contract::sharding::{INDEX, Poll, REST, SEARCH};

use crate::executor::{Executor, Shared, duration, patience, place};
use crate::ordered::Ordered;
use crate::python::{Counts, Served, env, polling};
use crate::reader::{Entry, Reader};
use crate::runs::Runs;
use crate::template::Template;
use crate::toml::{Table, Value};

/// Writes the rest of its table.
pub(crate) fn write(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    shared: &mut Shared<'_>,
    (runs, served, counts): (&Runs, &Served, &Counts),
) {
    let mut in_python = Table::default();
    in_python.key("uses", &served.uses);
    let mut address = String::new();
    in_python.write(&mut address);
    table.comment(&format!(
        "{}, to be ported. In Python, it is served by\n{}\nand its address is\n  {}",
        runs.title(executor),
        served.command,
        address.trim_end(),
    ));
    table.key("uses", &Value::text(format!("executors/{}", executor.name)));

    let own = Own::of(reader, runs);
    let uses_with = put_together(own.with, part(reader, executor, "uses_with"));
    write_table(table, "uses_with", uses_with);
    let mut metas = part(reader, executor, "uses_metas");
    let workspace = take(&mut metas, "workspace").or(own.workspace);
    // The others say something of Python, or of the hub.
    metas.retain(|(name, _)| matches!(name.as_str(), "name" | "description"));
    write_table(table, "uses_metas", metas);
    let requests = put_together(own.requests, part(reader, executor, "uses_requests"));
    write_table(table, "uses_requests", requests);
    place(reader, table, executor);
    if counts.is_replicated() {
        table.key("replicas", &counts.replicas);
    }
    if counts.is_sharded() {
        table.key("shards", &counts.shards);
        write_shards(reader, table, executor);
    }
    patience(reader, table, executor, "timeout");
    write_workspace(reader, table, executor, workspace);
    write_batching(reader, table, executor, own.batching);
    write_allow(reader, table, executor, shared);
}

/// What the executor's own configuration says.
#[derive(Default)]
struct Own {
    with: Vec<(String, Value)>,
    workspace: Option<Value>,
    requests: Vec<(String, Value)>,
    batching: Vec<(String, Value)>,
}

impl Own {
    fn of(reader: &Reader<'_>, runs: &Runs) -> Own {
        let Some(config) = runs.config() else {
            return Own::default();
        };
        let options = reader.options;
        // Its places are those of another file, so nothing can be said of them here.
        let part = |name: &str| {
            let mut scratch = Reader::new("", options);
            let part = config.part(name)?;
            match scratch.value(part, part)? {
                Value::Table(table) if scratch.is_fine() => Some(table),
                _ => None,
            }
        };
        Own {
            with: part("with").unwrap_or_default(),
            workspace: part("metas").and_then(|mut metas| take(&mut metas, "workspace")),
            requests: part("requests").unwrap_or_default(),
            batching: part("dynamic_batching").unwrap_or_default(),
        }
    }
}

/// What a key of the Flow has, as a table.
fn part(reader: &mut Reader<'_>, executor: &Executor<'_>, name: &str) -> Vec<(String, Value)> {
    let entry = executor.get(name);
    let table = entry.and_then(|entry| reader.table(&entry));
    table.unwrap_or_default()
}

/// The first with the second over it, key by key.
fn put_together(first: Vec<(String, Value)>, second: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut both = Ordered::default();
    for (name, value) in first.into_iter().chain(second) {
        both.insert(&name, value);
    }
    both.into_vec()
}

fn take(table: &mut Vec<(String, Value)>, name: &str) -> Option<Value> {
    let index = table.iter().position(|(known, _)| known == name)?;
    Some(table.remove(index).1)
}

fn write_table(table: &mut Table, name: &str, entries: Vec<(String, Value)>) {
    if !entries.is_empty() {
        table.key(name, &Value::Table(entries));
    }
}

fn write_shards(reader: &mut Reader<'_>, table: &mut Table, executor: &Executor<'_>) {
    let of_shards = ["polling", "uses_before", "uses_after"];
    let entries: Vec<Entry<'_>> = of_shards
        .iter()
        .filter_map(|name| executor.get(name))
        .collect();
    for entry in entries {
        if entry.name == "polling" {
            if let Some(polling) = polling(reader, &entry) {
                table.key("polling", &as_it_is(polling));
            }
            continue;
        }
        let runs = Runs::read(reader, &entry);
        match &runs {
            Runs::Nothing => {}
            Runs::Other(template) if template.beginning().starts_with("grpc") => {
                table.key(entry.name, &Value::Text(template.clone()));
            }
            runs => {
                table.comment(&format!("{}, to be ported, too.", runs.title(executor)));
                let which = entry.name.trim_start_matches("uses_");
                let folder = format!("executors/{}_{which}", executor.name);
                table.key(entry.name, &Value::text(folder));
            }
        }
    }
}

/// `polling` as flow.toml has it. What Jina is told of all endpoints does not hold for
/// `/search` and `/index`, and here it does.
fn as_it_is(polling: Value) -> Value {
    let mut by_endpoint = match polling {
        Value::Table(by_endpoint) => by_endpoint,
        word => vec![(REST.to_owned(), word)],
    };
    let rest = by_endpoint.iter().find(|(name, _)| name == REST);
    let Some((_, rest)) = rest.cloned() else {
        return Value::Table(by_endpoint);
    };
    for (endpoint, poll) in [(INDEX, Poll::Any), (SEARCH, Poll::All)] {
        let usual = Value::text(poll.as_str());
        let is_named = by_endpoint.iter().any(|(name, _)| name == endpoint);
        if !is_named && rest != usual {
            by_endpoint.push((endpoint.to_owned(), usual));
        }
    }
    Value::Table(by_endpoint)
}

/// The executor's workspace: that of the Flow comes before that of its metas.
fn write_workspace(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    of_metas: Option<Value>,
) {
    let path = match executor.get("workspace") {
        Some(entry) => reader.template("workspace", entry.value),
        None => match of_metas {
            Some(Value::Text(path)) => Some(path),
            _ => None,
        },
    };
    if let Some(path) = path {
        table.key("workspace", &Value::Text(reader.paths.path(&path)));
    }
}

fn write_batching(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    own: Vec<(String, Value)>,
) {
    let entry = executor.get("uses_dynamic_batching");
    let of_flow = part(reader, executor, "uses_dynamic_batching");
    for (endpoint, options) in put_together(own, of_flow) {
        let Value::Table(options) = options else {
            continue;
        };
        let header = table.below("uses_dynamic_batching");
        let mut of_endpoint = Table::below_header(&header, &endpoint);
        for (name, value) in options {
            match (name.as_str(), value) {
                ("timeout", value @ Value::Int(_)) => {
                    if let Some(entry) = &entry {
                        if let Some(value) = duration(reader, entry, value) {
                            of_endpoint.key("timeout", &value);
                        }
                    } else if let Value::Int(ms @ 1..) = value {
                        of_endpoint.key("timeout", &Value::text(format!("{ms}ms")));
                    }
                }
                ("preferred_batch_size" | "flush_all", value) => of_endpoint.key(&name, &value),
                (other, _) => {
                    if let Some(entry) = &entry {
                        let message = format!("loses its `{other}`, which has no counterpart");
                        reader.note(entry.key, message);
                    }
                }
            }
        }
        table.add(of_endpoint);
    }
}

/// The variables and the folders that it had in Jina.
fn write_allow(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    shared: &mut Shared<'_>,
) {
    let mut allow = Table::new(&table.below("allow"));
    let mut variables: Ordered<Template> = Ordered::default();
    let known: HashSet<String> = shared.env.keys().cloned().collect();
    let env_entries: Vec<Entry<'_>> = executor
        .entries()
        .filter(|entry| entry.name == "env")
        .copied()
        .collect();
    // Its own variables come last, and count.
    for entry in env_entries.iter().rev() {
        for (name, value) in env(reader, entry) {
            variables.insert(&name, value);
        }
    }
    for (name, value) in variables.iter() {
        let other = shared.env.entry(name.clone());
        let is_same = other.or_insert_with(|| value.clone()) == value;
        if let Some(entry) = env_entries.first().filter(|_| !is_same) {
            reader.warn(
                entry.key,
                format!(
                    "has another `{name}` than that of another executor, and both will see that of \
                     the host: give one of them in `uses_with`"
                ),
            );
        }
    }
    if !variables.is_empty() {
        let new = variables.iter().filter(|(name, _)| !known.contains(name));
        let new: Vec<String> = new
            .map(|(name, value)| format!("{name}={}", value.shell()))
            .collect();
        if !new.is_empty() {
            allow.comment(&format!(
                "It sees the variables that `wasm-flow run` has. So set them before that:\n  export {}",
                new.join(" ")
            ));
        }
        let names = variables.iter().map(|(name, _)| Value::text(name.as_str()));
        allow.key("env", &Value::List(names.collect()));
    }
    if let Some(entry) = executor.get("volumes") {
        let mut counts = ["replicas", "shards"].into_iter();
        let several = counts.any(|key| executor.get(key).is_some());
        write_dirs(reader, &mut allow, &entry, several);
    }
    if !allow.is_empty() {
        table.add(allow);
    }
}

fn write_dirs(reader: &mut Reader<'_>, allow: &mut Table, entry: &Entry<'_>, several: bool) {
    let (mut dirs, mut writes) = (Vec::new(), false);
    for volume in reader.templates("volumes", entry.value) {
        let Some((host, guest, access)) = mount(&volume) else {
            reader.warn(
                entry.key,
                "is left out: which folder it is, and where the executor sees it, is not known \
                 here; write it as `dirs` of `[executors.allow]`",
            );
            allow.comment(&format!(
                "`volumes` was {}. If that stands for FOLDER:/PLACE, write\n\
                 dirs = [{{ host = \"FOLDER\", guest = \"/PLACE\", access = \"write\" }}]",
                volume.flow_toml()
            ));
            continue;
        };
        writes |= access == "write";
        dirs.push(Value::Table(vec![
            ("host".to_owned(), Value::Text(reader.paths.path(&host))),
            ("guest".to_owned(), Value::Text(guest)),
            ("access".to_owned(), Value::text(access)),
        ]));
    }
    if !dirs.is_empty() {
        allow.comment("As docker mounts it: leave `access` out, if reading is enough.");
        if several && writes {
            allow.comment(
                "Several instances do not write into one folder here: `workspace` gives each its \
                 own.",
            );
        }
        allow.key("dirs", &Value::List(dirs));
    }
}

/// The folder of the host, that of the executor, and what may be done there.
fn mount(volume: &Template) -> Option<(Template, Template, &'static str)> {
    let (volume, access) = match volume.rsplit_once(':') {
        Some((rest, mode)) if mode.plain() == Some("ro") => (rest, "read"),
        Some((rest, mode)) if mode.plain() == Some("rw") => (rest, "write"),
        _ => (volume.clone(), "write"),
    };
    if let Some((host, guest)) = volume.rsplit_once(':') {
        return guest
            .beginning()
            .starts_with('/')
            .then_some((host, guest, access));
    }
    // Jina mounts a folder without a place under its own name.
    let path = volume.plain()?.trim_end_matches('/');
    let name = path
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('.'))?;
    Some((volume.clone(), Template::from(format!("/{name}")), access))
}
