//! The executors of a Flow, each as a `[[executors]]` table.

use wasm_flow_contract::nearest::nearest;
use wasm_flow_contract::units::Size;
use wasm_flow_manifest::bounds::MAX_FILE;
use wasm_flow_manifest::{ExecutorEntry, Problem};

use crate::executor::{Executor, Method, Shared};
use crate::keys::{EXECUTOR, Fate};
use crate::python::{self, Counts};
use crate::reader::{Entry, Reader};
use crate::runs::Runs;
use crate::toml::{Table, Value};
use crate::yaml::{Content, Node};
use crate::{Target, external, remote, wasm};

/// The tables of all executors.
pub(crate) fn tables<'n>(
    reader: &mut Reader<'_>,
    items: &'n [Node],
    shared: &mut Shared<'n>,
) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut len = 0;
    for node in items {
        let Some(executor) = executor(reader, node, shared) else {
            continue;
        };
        let mut table = Table::item("executors");
        table.key("name", &Value::text(executor.name.as_str()));
        let is_external = executor
            .get("external")
            .is_some_and(|entry| reader.flag(&entry));
        if is_external {
            external::write(reader, &mut table, &executor);
        } else {
            in_python(reader, &mut table, &executor, shared);
        }
        len += table.len();
        tables.push(table);
        // What `with` says is written for each of them.
        if len as u64 > MAX_FILE {
            let most = Size(MAX_FILE);
            let title = format!(
                "the flow.toml would be larger than {most}, which is the most that is read"
            );
            let problem = Problem::new(node.span.clone(), title).label("with this executor");
            reader.report(problem.help("make a flow of a part of the executors"));
            break;
        }
    }
    tables
}

/// Writes the rest of the table of one that Jina would start itself.
fn in_python<'n>(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'n>,
    shared: &mut Shared<'n>,
) {
    shared.in_python += 1;
    for entry in &executor.own {
        if matches!(entry.name, "host" | "tls") {
            reader.leave_out(entry, "is for external executors");
        }
    }
    let runs = Runs::of(reader, executor);
    let counts = Counts::of(reader, executor);
    let served = python::served(reader, executor, shared, &runs, &counts);
    match reader.options.target {
        Target::Remote => remote::write(reader, table, executor, &runs, &served),
        Target::Wasm => wasm::write(reader, table, executor, shared, (&runs, &served, &counts)),
    }
}

/// `None` if it is not one, or cannot be read.
fn executor<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
    shared: &mut Shared<'n>,
) -> Option<Executor<'n>> {
    let Content::Map(entries) = &node.content else {
        let problem = Problem::new(node.span.clone(), "an executor must be a table");
        reader.report(match node.text() {
            Some(_) => problem
                .label("an executor in a file of its own")
                .help("write here what is in that file, below `- name: NAME`"),
            None => problem.label(format!("found {}", node.kind())),
        });
        return None;
    };
    // A Deployment has its keys below `with`.
    let is_deployment = node.get("jtype").and_then(Node::text) == Some("Deployment");
    let entries = match node.get("with") {
        Some(with) if is_deployment => with.entries(),
        _ => entries,
    };
    let mut own = reader.entries("executors", entries, &[EXECUTOR]);
    own.retain(|entry| !entry.value.is_null());
    let mut inherited = shared.inherited.clone();
    // Variables of both are put together.
    let has = |name: &str| own.iter().any(|entry| entry.name == name);
    inherited.retain(|entry| entry.name == "env" || !has(entry.name));

    let find = |name: &str| own.iter().find(|entry| entry.name == name).copied();
    let method = match find("method") {
        None => Method::Add,
        Some(entry) => method(reader, &entry)?,
    };
    let name = match find("name") {
        Some(entry) => {
            let name = reader.plain("name", entry.value)?;
            if name == "gateway" {
                reader.note(
                    entry.key,
                    "is `gateway`, so this executor is left out, as in Jina",
                );
                return None;
            }
            if let Err(reason) = ExecutorEntry::parse_name(&name) {
                let problem = Problem::new(entry.value.span.clone(), reason);
                reader.report(problem.help("give the executor another name"));
                return None;
            }
            match shared.names.contains(&name) {
                true => {
                    let new = format!("{name}{}", shared.names.len());
                    reader.warn(
                        entry.key,
                        format!("`{name}` is taken, so this one is called `{new}`, as in Jina"),
                    );
                    new
                }
                false => name,
            }
        }
        None if matches!(method, Method::Needs | Method::NeedsAll) => "joiner".to_owned(),
        None => format!("executor{}", shared.names.len()),
    };
    shared.names.insert(name.clone());
    let executor = Executor {
        name,
        own,
        inherited,
        method,
        node,
    };
    for entry in executor.entries() {
        if let Fate::Dropped(why) = entry.fate {
            reader.leave_out(entry, why);
        }
    }
    Some(executor)
}

fn method(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Method> {
    let text = reader.plain("method", entry.value)?;
    Some(match text.as_str() {
        "add" => Method::Add,
        "needs" => Method::Needs,
        "needs_all" => Method::NeedsAll,
        "inspect" => {
            reader.note(
                entry.key,
                "becomes `floating = true`: nobody waits for what only inspects",
            );
            Method::Inspect
        }
        "gather_inspect" => {
            reader.note(
                entry.key,
                "is left out, with its executor: what inspects floats, and nobody waits for it",
            );
            return None;
        }
        other => {
            let known = ["add", "needs", "needs_all", "inspect"];
            let title = format!("`method` cannot be `{other}`");
            let problem = Problem::new(entry.value.span.clone(), title);
            reader.report(problem.help(match nearest(other, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known.join(", ")),
            }));
            return None;
        }
    })
}
