//! The gateway: from `gateway` and `with` to `[gateway]`.

use wasm_flow_manifest::Problem;
use wasm_flow_manifest::bounds::MAX_PREFETCH;

use crate::reader::{Entry, Reader};
use crate::template::Template;
use crate::toml::{Table, Value};

/// What the gateway speaks here.
const GRPC: &str = "grpc";

/// The `[gateway]` table. What stands in `gateway` comes before what stands in `with`.
pub(crate) fn table(reader: &mut Reader<'_>, own: &[Entry<'_>], with: &[Entry<'_>]) -> Table {
    let entry = |name: &str| {
        let mut entries = own.iter().chain(with);
        entries.find(|entry| entry.name == name && !entry.value.is_null())
    };
    let mut table = Table::new("gateway");
    match entry("host") {
        Some(entry) => {
            if let Some(host) = reader.template(entry.name, entry.value) {
                table.key("host", &Value::Text(host));
            }
        }
        None => table.comment(
            "Only this machine can connect. To listen on every network, as Jina does:\n\
             host = \"0.0.0.0\"",
        ),
    }
    let protocol = entry("protocol").and_then(|entry| protocol(reader, entry));
    match entry("port") {
        Some(entry) => {
            if let Some(port) = port(reader, entry, protocol) {
                table.key("port", &port);
            }
        }
        None => table.comment("The port is 54321. Jina takes a random one, if none is given."),
    }
    if let Some(entry) = entry("prefetch") {
        match reader.whole(entry.name, entry.value, 0..=i64::from(MAX_PREFETCH)) {
            Some(Value::Int(0)) => {
                reader.note(
                    entry.key,
                    "is left out: in Jina, 0 is for no bound, and here there is always one",
                );
            }
            Some(prefetch) => table.key("prefetch", &prefetch),
            None => {}
        }
    }
    tls(
        reader,
        entry("ssl_certfile"),
        entry("ssl_keyfile"),
        &mut table,
    );
    table
}

/// The certificate and the key, if both are there: Jina takes no account of one alone.
fn tls(
    reader: &mut Reader<'_>,
    certificate: Option<&Entry<'_>>,
    key: Option<&Entry<'_>>,
    table: &mut Table,
) {
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(alone), None) | (None, Some(alone)) => {
            reader.note(
                alone.key,
                "is left out: a certificate and its key are of use together, as in Jina",
            );
            return;
        }
        (None, None) => return,
    };
    let mut path = |entry: &Entry<'_>| {
        let path = reader.template(entry.name, entry.value)?;
        Some(Value::Text(reader.paths.path(&path)))
    };
    if let (Some(certificate), Some(key)) = (path(certificate), path(key)) {
        let entries = vec![("cert".to_owned(), certificate), ("key".to_owned(), key)];
        table.key("tls", &Value::Table(entries));
    }
}

/// Which of the protocols is gRPC, if there are several.
fn protocol(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<usize> {
    let protocols = reader.templates(entry.name, entry.value);
    let is_grpc = |protocol: &Template| {
        protocol
            .plain()
            .is_some_and(|name| name.eq_ignore_ascii_case(GRPC))
    };
    let grpc = protocols.iter().position(is_grpc);
    if protocols.len() > usize::from(grpc.is_some()) {
        reader.note(
            entry.key,
            "is not taken over: the gateway speaks gRPC today, as Jina's clients do by default; \
             there is no HTTP or websocket yet",
        );
    }
    grpc
}

/// The port of gRPC, or the first one.
fn port(reader: &mut Reader<'_>, entry: &Entry<'_>, grpc: Option<usize>) -> Option<Value> {
    let ports = entry.value.items();
    let Some(first) = ports.first() else {
        let title = "`port` is an empty list";
        reader.report(Problem::new(entry.value.span.clone(), title));
        return None;
    };
    let port = grpc.and_then(|index| ports.get(index)).unwrap_or(first);
    reader.whole(entry.name, port, 0..=65_535)
}
