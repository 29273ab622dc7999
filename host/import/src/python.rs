//! How an executor is served in Python, by Jina.

use wasm_flow_manifest::Problem;

use crate::Target;
use crate::address::grpc;
use crate::bounds::MAX_PORTS;
use crate::executor::{Executor, Shared};
use crate::keys::Fate;
use crate::ordered::Ordered;
use crate::process::Process;
use crate::reader::{Entry, Reader, from_json};
use crate::runs::Runs;
use crate::template::{Template, is_name};
use crate::toml::Value;

/// How an executor is served in Python.
pub(crate) struct Served {
    /// The command, as lines of a comment.
    pub(crate) command: String,
    /// The `uses` that calls it.
    pub(crate) uses: Value,
    /// Whether there may be more of them than `uses` has.
    pub(crate) is_one_of_many: bool,
}

/// How many there are of an executor.
pub(crate) struct Counts {
    pub(crate) shards: Value,
    pub(crate) replicas: Value,
}

impl Counts {
    pub(crate) fn of(reader: &mut Reader<'_>, executor: &Executor<'_>) -> Counts {
        let mut count = |name: &str| {
            let given = executor.get(name);
            let given = given.and_then(|entry| reader.whole(name, entry.value, 1..=1000));
            given.unwrap_or(Value::Int(1))
        };
        Counts {
            shards: count("shards"),
            replicas: count("replicas"),
        }
    }

    pub(crate) fn is_sharded(&self) -> bool {
        !is_one(&self.shards)
    }

    pub(crate) fn is_replicated(&self) -> bool {
        !is_one(&self.replicas)
    }
}

fn is_one(count: &Value) -> bool {
    matches!(count, Value::Int(1))
}

/// How this executor is served.
pub(crate) fn served<'n>(
    reader: &mut Reader<'_>,
    executor: &Executor<'n>,
    shared: &mut Shared<'n>,
    runs: &Runs,
    counts: &Counts,
) -> Served {
    let mut process = process(reader, executor, shared, runs);
    add_shards(reader, executor, &mut process, counts);
    let ports = ports(reader, executor, shared, counts);
    let addresses: Vec<(Template, Template)> = ports
        .iter()
        .map(|port| (Template::from("127.0.0.1"), port.clone()))
        .collect();
    let is_known = matches!(counts.replicas, Value::Int(_));
    Served {
        command: command(&executor.name, &process, &ports, counts),
        uses: grpc(false, &addresses),
        is_one_of_many: !is_known && !counts.is_sharded(),
    }
}

/// All that Jina needs to serve it.
fn process<'n>(
    reader: &mut Reader<'_>,
    executor: &Executor<'n>,
    shared: &Shared<'n>,
    runs: &Runs,
) -> Process {
    let mut process = Process::default();
    let mut env_entries: Vec<&Entry<'_>> = executor
        .entries()
        .filter(|entry| entry.name == "env")
        .collect();
    // Its own variables come last, and count.
    env_entries.reverse();
    for entry in env_entries {
        for (name, value) in env(reader, entry) {
            process.env(&name, value);
        }
    }
    if let Some(uses) = runs.argument(reader) {
        process.argument("uses", uses);
    }
    if runs.is_of_a_package() {
        // A Flow finds packages beside its file, and `jina executor` does not.
        process.env("PYTHONPATH", reader.paths.path(&Template::from(".")));
    }
    let mut modules = Ordered::default();
    let modules_of = [shared.py_modules, executor.get("py_modules")];
    for entry in modules_of.into_iter().flatten() {
        for module in reader.templates(entry.name, entry.value) {
            let module = reader.paths.path(&module);
            modules.insert(&module.flow_toml(), Value::Text(module));
        }
    }
    if !modules.is_empty() {
        let modules = modules.into_vec().into_iter();
        let modules = modules.map(|(_, module)| module).collect();
        process.argument("py_modules", Value::List(modules));
    }
    for name in [
        "uses_with",
        "uses_metas",
        "uses_requests",
        "uses_dynamic_batching",
    ] {
        if let Some(entry) = executor.get(name)
            && let Some(value) = reader.table(&entry)
            && !value.is_empty()
        {
            process.argument(name, Value::Table(value));
        }
    }
    if let Some(entry) = executor.get("workspace")
        && let Some(path) = reader.template("workspace", entry.value)
    {
        process.argument("workspace", Value::Text(reader.paths.path(&path)));
    }
    if let Some(entry) = executor.get("volumes") {
        let volumes = reader.templates("volumes", entry.value);
        let volumes = volumes
            .iter()
            .map(|volume| Value::Text(reader.paths.path(volume)));
        process.argument("volumes", Value::List(volumes.collect()));
    }
    for entry in executor.entries() {
        let Fate::Process(why) = entry.fate else {
            continue;
        };
        let is_idle = entry.name == "port_monitoring" && executor.get("monitoring").is_none();
        match reader.options.target {
            Target::Wasm => reader.leave_out(entry, why),
            Target::Remote if is_idle => {
                reader.leave_out(entry, "matters with `monitoring` alone");
            }
            Target::Remote => {}
        }
        if is_idle {
            continue;
        }
        if let Some(value) = reader.value(entry.key, entry.value) {
            process.argument(entry.name, value);
        }
    }
    process
}

/// What a Deployment keeps behind its one port, if there are shards.
fn add_shards(
    reader: &mut Reader<'_>,
    executor: &Executor<'_>,
    process: &mut Process,
    counts: &Counts,
) {
    for name in ["polling", "uses_before", "uses_after"] {
        let Some(entry) = executor.get(name) else {
            continue;
        };
        if !counts.is_sharded() {
            reader.leave_out(&entry, "matters with `shards` alone");
            continue;
        }
        let value = match name {
            "polling" => polling(reader, &entry),
            _ => reader.value(entry.key, entry.value),
        };
        if let Some(value) = value {
            process.argument(name, value);
        }
    }
    if counts.is_sharded() {
        process.argument("shards", counts.shards.clone());
        if counts.is_replicated() {
            process.argument("replicas", counts.replicas.clone());
        }
    }
}

/// `ANY`, `ALL`, or which of them for which endpoint: also as JSON in a text.
pub(crate) fn polling(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Value> {
    let word = |value: &Value| match value {
        Value::Text(template) => {
            let upper = template.plain()?.to_uppercase();
            matches!(upper.as_str(), "ANY" | "ALL").then(|| Value::text(upper))
        }
        _ => None,
    };
    let json = entry
        .value
        .text()
        .and_then(|text| serde_json::from_str(text).ok());
    let value = match json {
        Some(json @ serde_json::Value::Object(_)) => from_json(&json),
        _ => reader.value(entry.key, entry.value)?,
    };
    let polling = match &value {
        Value::Table(entries) => {
            let entries: Option<Vec<(String, Value)>> = entries
                .iter()
                .map(|(endpoint, value)| Some((endpoint.clone(), word(value)?)))
                .collect();
            entries.map(Value::Table)
        }
        value => word(value),
    };
    if polling.is_none() {
        let problem = Problem::new(entry.value.span.clone(), "`polling` must be `ANY` or `ALL`")
            .help("or a table of endpoints with either: {\"/search\": \"ALL\", \"*\": \"ANY\"}");
        reader.report(problem);
    }
    polling
}

/// The environment variables of a key.
pub(crate) fn env(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Vec<(String, Template)> {
    let mut variables = Vec::new();
    for (key, value) in entry.value.entries() {
        let name = key.text().unwrap_or_default();
        if !is_name(name) {
            let problem = Problem::new(key.span.clone(), "not the name of an environment variable")
                .help("a name has letters, digits and `_`, and no digit first");
            reader.report(problem);
            continue;
        }
        if value.is_null() {
            continue;
        }
        if let Some(value) = reader.template(name, value) {
            variables.push((name.to_owned(), value));
        }
    }
    if variables.is_empty() && entry.value.entries().is_empty() && !entry.value.is_null() {
        reader.refuse("env", entry.value, "a table of variables", "");
    }
    variables
}

/// The ports that it is served at: one for each replica, but one for all shards.
fn ports(
    reader: &mut Reader<'_>,
    executor: &Executor<'_>,
    shared: &mut Shared<'_>,
    counts: &Counts,
) -> Vec<Template> {
    let count = match counts.replicas {
        Value::Int(count) if !counts.is_sharded() => count.unsigned_abs(),
        _ => 1,
    };
    if count > MAX_PORTS
        && reader.options.target == Target::Remote
        && let Some(entry) = executor.get("replicas")
    {
        let title = format!("{count} replicas would need a port each");
        let problem = Problem::new(entry.value.span.clone(), title).help(format!(
            "at most {MAX_PORTS} are written: serve them elsewhere, as an `external` executor"
        ));
        reader.report(problem);
    }
    let mut ports = reader.ports(executor.get("port").as_ref());
    let count = count.min(MAX_PORTS) as usize;
    ports.truncate(count);
    while ports.len() < count {
        ports.push(shared.ports.take());
    }
    ports
}

fn command(name: &str, process: &Process, ports: &[Template], counts: &Counts) -> String {
    let indented = |text: &str| {
        let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
        lines.join("\n")
    };
    match ports {
        [port] if counts.is_sharded() => {
            let file = format!("{name}.yml");
            format!(
                "{}\nwith a file {file}, which keeps its shards behind one port:\n{}",
                indented(&format!("jina deployment --uses {file}")),
                indented(&process.deployment(name, port))
            )
        }
        ports => indented(&process.command(ports)),
    }
}
