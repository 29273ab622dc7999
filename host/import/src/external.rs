//! Executors that somebody else serves.

use wasm_flow_manifest::Problem;

use crate::address::grpc;
use crate::executor::{Executor, patience, place};
use crate::keys::Fate;
use crate::reader::Reader;
use crate::template::Template;
use crate::toml::Table;

/// The keys that say where an external executor is and what it does in the flow.
const ITS_OWN: [&str; 14] = [
    "external",
    "floating",
    "host",
    "jtype",
    "method",
    "name",
    "needs",
    "no_reduce",
    "port",
    "retries",
    "timeout_send",
    "tls",
    "uses",
    "when",
];

/// Writes the rest of its table.
pub(crate) fn write(reader: &mut Reader<'_>, table: &mut Table, executor: &Executor<'_>) {
    for entry in &executor.own {
        let is_dropped = matches!(entry.fate, Fate::Dropped(_));
        if !is_dropped && !ITS_OWN.contains(&entry.name) {
            reader.leave_out(entry, "is up to those who serve an external executor");
        }
    }
    if let Some(addresses) = addresses(reader, executor) {
        let tls = executor.get("tls").is_some_and(|entry| reader.flag(&entry));
        let tls = tls || addresses.iter().any(|address| address.tls);
        let pairs: Vec<(Template, Template)> = addresses
            .into_iter()
            .map(|address| (address.host, address.port))
            .collect();
        table.comment("External: somebody else serves it.");
        table.key("uses", &grpc(tls, &pairs));
    }
    place(reader, table, executor);
    patience(reader, table, executor, "timeout_send");
}

struct Address {
    host: Template,
    port: Template,
    tls: bool,
}

/// Where it is served. None if that cannot be told, which has then been reported.
fn addresses(reader: &mut Reader<'_>, executor: &Executor<'_>) -> Option<Vec<Address>> {
    let host = executor.get("host");
    let port = executor.get("port");
    let hosts = match host {
        Some(entry) => reader.templates("host", entry.value),
        None => vec![Template::from("127.0.0.1")],
    };
    let ports = reader.ports(port.as_ref());
    if port.is_some() && ports.is_empty() {
        return None;
    }
    let hosts: Vec<(Template, Option<Template>, bool)> = hosts.iter().map(parts).collect();
    let place = host.or(port).map_or(executor.node, |entry| entry.value);
    let mut problem = |title: String, help: &str| {
        let problem = Problem::new(place.span.clone(), title).help(help);
        reader.report(problem);
        None
    };
    // As Jina pairs them: one for all, or one for each.
    let count = hosts.len().max(ports.len());
    let fits = |len: usize| len == 1 || len == count;
    if ports.is_empty() && hosts.iter().any(|(_, port, _)| port.is_none()) {
        return problem(
            format!("`{}` is external, and its port is not given", executor.name),
            "write `port: NUMBER`: without it, Jina takes a random one",
        );
    }
    if !fits(hosts.len()) || !(ports.is_empty() || fits(ports.len())) {
        return problem(
            format!(
                "`{}` has {} hosts and {} ports",
                executor.name,
                hosts.len(),
                ports.len()
            ),
            "write one port for each host, or one of either for all",
        );
    }
    let all = (0..count).filter_map(|index| {
        let (host, own_port, tls) = hosts.get(index).or(hosts.first())?.clone();
        let port = own_port.or_else(|| ports.get(index).or(ports.first()).cloned())?;
        Some(Address { host, port, tls })
    });
    Some(all.collect())
}

/// A host without the scheme and the port that Jina lets it have, with these.
fn parts(host: &Template) -> (Template, Option<Template>, bool) {
    let scheme = [
        "grpcs://", "https://", "wss://", "grpc://", "http://", "ws://",
    ]
    .into_iter()
    .find(|scheme| host.beginning().starts_with(scheme));
    let tls = matches!(scheme, Some("grpcs://" | "https://" | "wss://"));
    let scheme = scheme.unwrap_or_default();
    let host = host.map_beginning(|text| {
        let text = text.strip_prefix(scheme).unwrap_or(text);
        text.trim_end_matches('/').to_owned()
    });
    let (host, port) = match host.rsplit_once(':') {
        Some((before, port)) if is_port(&port) => (before, Some(port)),
        _ => (host, None),
    };
    let host = match host.plain() {
        // All networks, to listen on: to call, this machine.
        Some("0.0.0.0") => Template::from("127.0.0.1"),
        _ => host,
    };
    (host, port, tls)
}

fn is_port(port: &Template) -> bool {
    port.is_variable() || port.plain().is_some_and(|text| text.parse::<u16>().is_ok())
}
