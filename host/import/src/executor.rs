//! One executor of a Flow, as the file has it, and what is written of it whatever runs
//! it.

use std::collections::{BTreeMap, HashSet};

use crate::address::Ports;
use crate::ordered::Ordered;
use crate::reader::{Entry, Reader};
use crate::template::Template;
use crate::toml::{Table, Value};
use crate::yaml::Node;

/// What the executors of a Flow share.
#[derive(Debug)]
pub(crate) struct Shared<'n> {
    pub(crate) ports: Ports,
    /// What `with` has for all of them.
    pub(crate) inherited: Vec<Entry<'n>>,
    /// Python files that the Flow itself names.
    pub(crate) py_modules: Option<Entry<'n>>,
    /// How many are Python's until now.
    pub(crate) in_python: usize,
    /// The values that executors have for environment variables.
    pub(crate) env: BTreeMap<String, Template>,
    pub(crate) names: HashSet<String>,
}

impl<'n> Shared<'n> {
    /// Before the first executor.
    pub(crate) fn new(
        ports: Ports,
        inherited: Vec<Entry<'n>>,
        py_modules: Option<Entry<'n>>,
    ) -> Shared<'n> {
        Shared {
            ports,
            inherited,
            py_modules,
            in_python: 0,
            env: BTreeMap::new(),
            names: HashSet::new(),
        }
    }
}

/// An executor as the file has it.
pub(crate) struct Executor<'n> {
    pub(crate) name: String,
    /// What stands in its own table.
    pub(crate) own: Vec<Entry<'n>>,
    /// What it has from `with`.
    pub(crate) inherited: Vec<Entry<'n>>,
    pub(crate) method: Method,
    /// Where it is in the file.
    pub(crate) node: &'n Node,
}

/// How an executor is put into the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Add,
    /// It only joins others.
    Needs,
    NeedsAll,
    Inspect,
}

impl<'n> Executor<'n> {
    /// The value of a key: its own, or that from `with`.
    pub(crate) fn get(&self, name: &str) -> Option<Entry<'n>> {
        let mut entries = self.own.iter().chain(&self.inherited);
        entries.find(|entry| entry.name == name).copied()
    }

    /// All of its keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry<'n>> {
        self.own.iter().chain(&self.inherited)
    }
}

/// Where it stands in the flow.
pub(crate) fn place(reader: &mut Reader<'_>, table: &mut Table, executor: &Executor<'_>) {
    match executor.get("needs") {
        _ if executor.method == Method::NeedsAll => table.key("needs", &Value::text("all")),
        Some(entry) => {
            let mut needs = Ordered::default();
            for item in entry.value.items() {
                if let Some(name) = reader.plain("needs", item) {
                    needs.insert(&name, Value::text(name.as_str()));
                }
            }
            let needs: Vec<Value> = needs.into_vec().into_iter().map(|(_, need)| need).collect();
            match needs.as_slice() {
                [] => {}
                [need] => table.key("needs", need),
                _ => table.key("needs", &Value::List(needs)),
            }
        }
        None => {}
    }
    if let Some(entry) = executor.get("when")
        && let Some(when) = reader.table(&entry)
        && !when.is_empty()
    {
        table.key("when", &Value::Table(when));
    }
    for name in ["no_reduce", "floating"] {
        let is_so = executor.get(name).is_some_and(|entry| reader.flag(&entry));
        if is_so || (name == "floating" && executor.method == Method::Inspect) {
            table.key(name, &Value::Bool(true));
        }
    }
}

/// How often a call is tried again, and, under this name, how long it may take.
pub(crate) fn patience(
    reader: &mut Reader<'_>,
    table: &mut Table,
    executor: &Executor<'_>,
    timeout: &str,
) {
    const MOST: i64 = 10;
    if let Some(entry) = executor.get("retries") {
        match reader.whole(
            "retries",
            entry.value,
            i64::from(i32::MIN)..=i64::from(i32::MAX),
        ) {
            // Jina's default.
            Some(Value::Int(..0)) | None => {}
            Some(Value::Int(retries)) if retries > MOST => {
                reader.note(entry.key, format!("becomes {MOST}, which is the most"));
                table.key("retries", &Value::Int(MOST));
            }
            Some(retries) => table.key("retries", &retries),
        }
    }
    if let Some(entry) = executor.get("timeout_send")
        && let Some(duration) = milliseconds(reader, &entry)
    {
        table.key(timeout, &duration);
    }
}

/// A number of milliseconds as a duration. None for no bound.
fn milliseconds(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Value> {
    match reader.whole(entry.name, entry.value, -1..=i64::from(i32::MAX))? {
        Value::Int(-1) => None,
        value => duration(reader, entry, value),
    }
}

/// Milliseconds as a duration of flow.toml.
pub(crate) fn duration(reader: &mut Reader<'_>, entry: &Entry<'_>, value: Value) -> Option<Value> {
    Some(Value::Text(match value {
        Value::Text(mut template) => {
            template.push("ms");
            template
        }
        Value::Int(0) => {
            reader.note(entry.key, "is left out: no time at all is not a timeout");
            return None;
        }
        Value::Int(ms) if ms % 1000 == 0 => Template::from(format!("{}s", ms / 1000)),
        Value::Int(ms) => Template::from(format!("{ms}ms")),
        _ => return None,
    }))
}
