//! A Flow: from the whole file to the whole file.

use wasm_flow_manifest::Problem;
use wasm_flow_manifest::bounds::MAX_EXECUTORS;

use crate::Target;
use crate::address::Ports;
use crate::executor::Shared;
use crate::executors;
use crate::gateway;
use crate::keys::{EXECUTOR, FLOW, Fate, GATEWAY, Key, TOP, is_only_for_the_gateway};
use crate::kind::EXECUTORS;
use crate::reader::{Entry, Reader};
use crate::toml::{Table, Value};
use crate::yaml::{Content, Node};

/// The flow.toml of a Flow, and how many of its executors are in Python. What is wrong has
/// been reported.
pub(crate) fn convert(reader: &mut Reader<'_>, root: &Node) -> (String, usize) {
    let top = top(reader, root);
    let find = |name: &str| top.iter().find(|entry| entry.name == name);
    let nothing: &[(Node, Node)] = &[];
    let below = |name: &str| find(name).map_or(nothing, |entry| entry.value.entries());
    for name in ["with", "gateway"] {
        if let Some(entry) = find(name)
            && !matches!(entry.value.content, Content::Map(_))
            && !entry.value.is_null()
        {
            reader.refuse(name, entry.value, "a table", "");
        }
    }

    let with = reader.entries("with", below("with"), &[FLOW, GATEWAY, EXECUTOR]);
    let own = reader.entries("gateway", below("gateway"), &[GATEWAY]);
    let (inherited, with_gateway) = of_with(reader, &with);
    leave_out(reader, &own);

    let mut flow = Table::new("flow");
    if let Some(entry) = with
        .iter()
        .find(|entry| entry.name == "name" && !entry.value.is_null())
        && let Some(name) = reader.template(entry.name, entry.value)
    {
        flow.key("name", &Value::Text(name));
    }
    let gateway = gateway::table(reader, &own, &with_gateway);

    let lists: Vec<&Entry<'_>> = EXECUTORS.iter().filter_map(|name| find(name)).collect();
    let items = items(reader, root, &lists);
    let gateway_ports = own
        .iter()
        .chain(&with_gateway)
        .filter(|entry| entry.name == "port");
    // That of a Deployment stands below `with`.
    let executor_ports = items.iter().flat_map(|item| {
        let below = item.get("with").and_then(|with| with.get("port"));
        item.get("port").into_iter().chain(below)
    });
    let ports = gateway_ports.map(|entry| entry.value).chain(executor_ports);
    let taken = ports
        .flat_map(Node::items)
        .filter_map(|port| port.text()?.parse().ok());
    let py_modules = find("py_modules").copied();
    let ports = Ports::new(taken.collect::<Vec<u16>>());
    let mut shared = Shared::new(ports, inherited, py_modules);
    let executors = executors::tables(reader, items, &mut shared);

    let mut file = Table::default();
    header(&mut file, reader, &shared);
    let mut text = String::new();
    file.write(&mut text);
    let tables = [flow, gateway]
        .into_iter()
        .filter(|table| !table.is_empty());
    tables
        .chain(executors)
        .for_each(|table| table.write(&mut text));
    (text, shared.in_python)
}

/// The keys of the file itself.
fn top<'n>(reader: &mut Reader<'_>, root: &'n Node) -> Vec<Entry<'n>> {
    // Keys of `with` may stand here by mistake.
    let mut found = reader.entries("the file", root.entries(), &[TOP, FLOW, GATEWAY]);
    found.retain(|entry| {
        let belongs_here = TOP.iter().any(|(name, _)| *name == entry.name);
        if !belongs_here {
            reader.warn(
                entry.key,
                "is left out: Jina ignores it at the top of the file; it belongs below `with`",
            );
        }
        belongs_here
    });
    leave_out(reader, &found);
    for entry in found.iter().filter(|entry| entry.name == "pods") {
        reader.warn(
            entry.key,
            "is of Jina 2, and read like `executors`: see whether the executors run with Jina 3",
        );
    }
    found
}

/// Says of keys that have no counterpart that they are left out.
fn leave_out(reader: &mut Reader<'_>, entries: &[Entry<'_>]) {
    for entry in entries {
        if let Fate::Dropped(why) = entry.fate {
            reader.leave_out(entry, why);
        }
    }
}

/// What `with` has for all executors, and what it has for the gateway.
fn of_with<'n>(reader: &mut Reader<'_>, with: &[Entry<'n>]) -> (Vec<Entry<'n>>, Vec<Entry<'n>>) {
    let known =
        |keys: &'static [Key], name: &str| keys.iter().find(|(known, _)| *known == name).copied();
    let (mut inherited, mut gateway) = (Vec::new(), Vec::new());
    let is_ours = |entry: &Entry<'_>| entry.name == "name" || entry.value.is_null();
    for entry in with.iter().filter(|entry| !is_ours(entry)) {
        let of_executors =
            known(EXECUTOR, entry.name).filter(|_| !is_only_for_the_gateway(entry.name));
        match (of_executors, known(GATEWAY, entry.name)) {
            (Some((_, Fate::Read)), _) => inherited.push(Entry {
                fate: Fate::Read,
                ..*entry
            }),
            (of_executors, Some((_, fate))) => {
                gateway.push(Entry { fate, ..*entry });
                // The processes of executors that stay in Python may have it, too.
                if let Some((_, fate @ Fate::Process(_))) = of_executors {
                    inherited.push(Entry { fate, ..*entry });
                }
            }
            (Some((_, fate)), None) => inherited.push(Entry { fate, ..*entry }),
            (None, None) => {
                if let Fate::Dropped(why) = entry.fate {
                    reader.leave_out(entry, why);
                }
            }
        }
    }
    leave_out(reader, &gateway);
    (inherited, gateway)
}

/// The executors as the file has them.
fn items<'n>(reader: &mut Reader<'_>, root: &Node, lists: &[&Entry<'n>]) -> &'n [Node] {
    let Some(list) = lists.first() else {
        let problem = Problem::new(root.span.clone(), "the Flow has no `executors`")
            .help("a flow of wasm-flow has one at least");
        reader.report(problem);
        return &[];
    };
    match &list.value.content {
        Content::List(items) if items.len() > MAX_EXECUTORS => {
            let title = format!("`{}` has {} items", list.name, items.len());
            let problem = Problem::new(list.key.span.clone(), title)
                .help(format!("at most {MAX_EXECUTORS} are allowed"));
            reader.report(problem);
            &[]
        }
        Content::List(items) if !items.is_empty() => items,
        Content::Map(_) => {
            let title = format!("`{}` is a table, as in Jina 1", list.name);
            let problem = Problem::new(list.key.span.clone(), title).help(
                "write a list, `- name: NAME` with the other keys for each executor; executors of \
                 Jina 1 do not run with Jina 3 as they are",
            );
            reader.report(problem);
            &[]
        }
        _ => {
            let problem = Problem::new(list.key.span.clone(), "the Flow has no executors")
                .help("a flow of wasm-flow has one at least");
            reader.report(problem);
            &[]
        }
    }
}

/// What the file is, and what is to be done with it.
fn header(file: &mut Table, reader: &Reader<'_>, shared: &Shared<'_>) {
    let name = reader.options.file;
    file.comment(&format!("Made from {name} by `wasm-flow import`."));
    if shared.in_python == 0 {
        return;
    }
    file.comment("");
    file.comment(match reader.options.target {
        Target::Remote => {
            "The executors stay in Python: Jina serves each, and the flow calls it. Above each is the\n\
             command that serves it, to be run in the folder of this file.\n\
             \n\
             If you port one to WebAssembly, `wasm-flow new NAME --path executors/NAME` makes a folder\n\
             for it. Then write `uses = \"executors/NAME\"` here."
        }
        Target::Wasm => {
            "The executors are to be ported from Python: `wasm-flow new NAME --path executors/NAME`\n\
             makes a folder for each. To keep one in Python for now, run the command above it in the\n\
             folder of this file, and write the address there as its `uses`.\n\
             \n\
             An executor can reach nothing that is not granted to it, in `[executors.allow]`."
        }
    });
}
