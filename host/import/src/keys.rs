//! The keys of a Flow's YAML, and what becomes of each: those of Jina 3.34, and older
//! ones that are still found.

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is read, and written to flow.toml or used for it.
    Read,
    /// It is about the Python process: an argument of its command. Ported to WebAssembly,
    /// the executor has no use for it, for this reason.
    Process(&'static str),
    /// It has no counterpart, for this reason.
    Dropped(&'static str),
}

/// A key that Jina knows.
pub(crate) type Key = (&'static str, Fate);

use Fate::{Dropped, Process, Read};

const HTTP: &str = "is about HTTP";
const METRICS: &str = "has no counterpart yet: there are no metrics";
const TRACES: &str = "has no counterpart yet: traces are not exported";
const LOG: &str =
    "has no counterpart: `--log-level` and `--log-format` say what is logged, and how";
const PROCESSES: &str = "is about how Jina starts its processes";
const CONTAINER: &str = "is about a container, and a WebAssembly executor runs in none";
const PYTHON: &str = "is about Python, and a WebAssembly executor has none";
const CONNECTION: &str = "is about Jina's own connections";
const CLOUD: &str = "is for Jina AI's cloud";
const PROVIDER: &str = "is for the clouds of others, which wasm-flow makes no containers for";
const STATEFUL: &str = "has no counterpart: replicas know nothing of each other";
const OLD: &str = "is of an older Jina, and Jina 3 ignores it";
const REPLACED: &str = "has no counterpart: an executor that fails is replaced by itself";

/// The keys of the file itself.
pub(crate) const TOP: &[Key] = &[
    ("jtype", Read),
    ("version", Read),
    ("with", Read),
    ("executors", Read),
    ("deployments", Read),
    ("pods", Read),
    ("gateway", Read),
    ("py_modules", Read),
    ("jcloud", Dropped(CLOUD)),
];

/// The keys of `with` that are neither the gateway's nor those of executors.
pub(crate) const FLOW: &[Key] = &[
    ("name", Read),
    ("env", Read),
    (
        "inspect",
        Dropped("has no counterpart: what inspects is an executor with `floating = true`"),
    ),
    ("log_config", Dropped(LOG)),
    ("quiet", Dropped(LOG)),
    ("quiet_error", Dropped(LOG)),
    ("suppress_root_logging", Dropped(LOG)),
    (
        "reload",
        Dropped("has no counterpart yet: start the flow again after a change"),
    ),
    ("uses", Dropped(PROCESSES)),
    ("workspace_id", Dropped(PROCESSES)),
    ("asyncio", Dropped(PYTHON)),
    ("extra_search_paths", Dropped(PYTHON)),
];

/// The keys of `gateway`, which may also stand in `with`.
pub(crate) const GATEWAY: &[Key] = &[
    ("host", Read),
    ("port", Read),
    ("protocol", Read),
    ("prefetch", Read),
    (
        "compression",
        Dropped("has no counterpart: the gateway compresses its answers if a client asks for that"),
    ),
    ("cors", Dropped(HTTP)),
    ("deployments_addresses", Dropped(PROCESSES)),
    ("deployments_metadata", Dropped(PROCESSES)),
    ("deployments_no_reduce", Dropped(PROCESSES)),
    ("description", Dropped(HTTP)),
    ("docker_kwargs", Dropped(CONTAINER)),
    ("entrypoint", Dropped(CONTAINER)),
    (
        "env",
        Dropped(
            "has no counterpart: the gateway has the variables that `wasm-flow run` is started with",
        ),
    ),
    ("expose_endpoints", Dropped(HTTP)),
    ("expose_graphql_endpoint", Dropped(HTTP)),
    ("floating", Dropped(PROCESSES)),
    ("graph_conditions", Dropped(PROCESSES)),
    ("graph_description", Dropped(PROCESSES)),
    ("grpc_channel_options", Dropped(CONNECTION)),
    ("grpc_server_options", Dropped(CONNECTION)),
    ("log_config", Dropped(LOG)),
    ("metrics", Dropped(METRICS)),
    ("metrics_exporter_host", Dropped(METRICS)),
    ("metrics_exporter_port", Dropped(METRICS)),
    ("monitoring", Dropped(METRICS)),
    (
        "name",
        Dropped("has no counterpart: the gateway is called `gateway`"),
    ),
    ("no_crud_endpoints", Dropped(HTTP)),
    ("no_debug_endpoints", Dropped(HTTP)),
    ("port_monitoring", Dropped(METRICS)),
    ("provider", Dropped(PROVIDER)),
    ("provider_endpoint", Dropped(PROVIDER)),
    ("proxy", Dropped(CONNECTION)),
    (
        "py_modules",
        Dropped("has no counterpart: there are no gateways of one's own"),
    ),
    ("quiet", Dropped(LOG)),
    ("quiet_error", Dropped(LOG)),
    (
        "reload",
        Dropped("has no counterpart yet: start the flow again after a change"),
    ),
    (
        "replicas",
        Dropped("has no counterpart: a flow has one gateway"),
    ),
    (
        "retries",
        Dropped("belongs to the executors that the gateway calls"),
    ),
    ("runtime_cls", Dropped(PROCESSES)),
    ("ssl_certfile", Read),
    ("ssl_keyfile", Read),
    ("stateful", Dropped(STATEFUL)),
    ("timeout_ctrl", Dropped(PROCESSES)),
    ("timeout_ready", Dropped(PROCESSES)),
    (
        "timeout_send",
        Dropped("belongs to the executors that the gateway calls"),
    ),
    ("title", Dropped(HTTP)),
    (
        "tls",
        Dropped("is for clients: a gateway has TLS if it has a certificate and a key"),
    ),
    ("traces_exporter_host", Dropped(TRACES)),
    ("traces_exporter_port", Dropped(TRACES)),
    ("tracing", Dropped(TRACES)),
    (
        "uses",
        Dropped("has no counterpart: there are no gateways of one's own"),
    ),
    (
        "uses_with",
        Dropped("has no counterpart: there are no gateways of one's own"),
    ),
    ("uvicorn_kwargs", Dropped(HTTP)),
    (
        "workspace",
        Dropped("has no counterpart: the gateway keeps no files"),
    ),
    // Older, or for another tool.
    (
        "restful",
        Dropped("is Jina 1's way to ask for HTTP, and Jina 3 ignores it"),
    ),
    ("jcloud", Dropped(CLOUD)),
];

/// The keys of an executor. In `with`, they are meant for all of them.
pub(crate) const EXECUTOR: &[Key] = &[
    ("name", Read),
    ("uses", Read),
    ("uses_with", Read),
    ("uses_metas", Read),
    ("uses_requests", Read),
    ("uses_dynamic_batching", Read),
    ("needs", Read),
    ("when", Read),
    ("no_reduce", Read),
    ("floating", Read),
    ("method", Read),
    ("replicas", Read),
    ("shards", Read),
    ("polling", Read),
    ("uses_before", Read),
    ("uses_after", Read),
    ("external", Read),
    ("host", Read),
    ("port", Read),
    ("tls", Read),
    ("retries", Read),
    ("timeout_send", Read),
    ("workspace", Read),
    ("env", Read),
    ("volumes", Read),
    ("py_modules", Read),
    (
        "allow_concurrent",
        Process("has no counterpart: methods that are `async` run side by side by themselves"),
    ),
    ("disable_auto_volume", Process(CONTAINER)),
    ("docker_kwargs", Process(CONTAINER)),
    ("entrypoint", Process(CONTAINER)),
    ("exit_on_exceptions", Process(REPLACED)),
    ("force_update", Process(PYTHON)),
    (
        "gpus",
        Process("has no counterpart: a WebAssembly executor has no GPU"),
    ),
    ("grpc_server_options", Process(CONNECTION)),
    ("install_requirements", Process(PYTHON)),
    ("metrics", Process(METRICS)),
    ("metrics_exporter_host", Process(METRICS)),
    ("metrics_exporter_port", Process(METRICS)),
    ("monitoring", Process(METRICS)),
    ("native", Process(PYTHON)),
    (
        "output_array_type",
        Process("has no counterpart: tensors go on as they are"),
    ),
    ("port_monitoring", Process(METRICS)),
    ("prefer_platform", Process(CONTAINER)),
    ("raft_configuration", Dropped(STATEFUL)),
    (
        "reload",
        Process("has no counterpart yet: start the flow again after a change"),
    ),
    ("stateful", Dropped(STATEFUL)),
    ("traces_exporter_host", Process(TRACES)),
    ("traces_exporter_port", Process(TRACES)),
    ("tracing", Process(TRACES)),
    ("compression", Dropped(CONNECTION)),
    ("connection_list", Dropped(PROCESSES)),
    ("cors", Dropped(HTTP)),
    ("description", Dropped(HTTP)),
    ("grpc_channel_options", Dropped(CONNECTION)),
    (
        "grpc_metadata",
        Dropped("has no counterpart but `token`, for one that stands in `authorization`"),
    ),
    ("log_config", Dropped(LOG)),
    (
        "protocol",
        Dropped("has no counterpart: executors are called over gRPC"),
    ),
    ("provider", Dropped(PROVIDER)),
    ("provider_endpoint", Dropped(PROVIDER)),
    ("quiet", Dropped(LOG)),
    ("quiet_error", Dropped(LOG)),
    ("runtime_cls", Dropped(PROCESSES)),
    ("ssl_certfile", Dropped(HTTP)),
    ("ssl_keyfile", Dropped(HTTP)),
    ("timeout_ctrl", Dropped(PROCESSES)),
    ("timeout_ready", Dropped(PROCESSES)),
    ("title", Dropped(HTTP)),
    ("uses_after_address", Dropped(PROCESSES)),
    ("uses_before_address", Dropped(PROCESSES)),
    ("uvicorn_kwargs", Dropped(HTTP)),
    // Older, or for another tool.
    ("jtype", Read),
    ("jcloud", Dropped(CLOUD)),
    ("upload_files", Dropped(OLD)),
    (
        "parallel",
        Dropped("is of Jina 2, and Jina 3 ignores it: write `replicas` or `shards`"),
    ),
];

/// Other names of keys that Jina takes, too.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("disable_reduce", "no_reduce"),
    ("force", "force_update"),
    ("host_in", "host"),
    ("port_expose", "port"),
    ("port_in", "port"),
    ("ports", "port"),
    ("protocols", "protocol"),
];

/// Names that keys had in Jina 2, and that Jina 3 ignores.
pub(crate) const OLD_NAMES: &[(&str, &str)] = &[
    ("https", "tls"),
    ("override_metas", "uses_metas"),
    ("override_requests", "uses_requests"),
    ("override_with", "uses_with"),
];

/// The keys of `with` that only the gateway has, although executors know them, too.
pub(crate) fn is_only_for_the_gateway(name: &str) -> bool {
    matches!(
        name,
        "port" | "port_monitoring" | "uses" | "uses_with" | "protocol" | "host" | "tls"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `jina export schema` of Jina 3.34.
    const SCHEMA: &str = include_str!("jina-3.34.json");

    #[test]
    fn every_key_of_jina_is_known() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (name, keys) in [("executor", EXECUTOR), ("gateway", GATEWAY), ("flow", TOP)] {
            let names = schema[name].as_array().unwrap();
            assert!(names.len() > 4);
            for key in names {
                let known = keys.iter().any(|(known, _)| key == known);
                assert!(known, "{name}: {key}");
            }
        }
    }

    #[test]
    fn every_key_is_there_once_and_says_why() {
        for keys in [TOP, FLOW, GATEWAY, EXECUTOR] {
            for (index, (name, fate)) in keys.iter().enumerate() {
                assert!(
                    !keys[..index].iter().any(|(other, _)| other == name),
                    "{name}"
                );
                if let Process(why) | Dropped(why) = fate {
                    let begins = ["is ", "has ", "belongs "];
                    assert!(begins.iter().any(|begin| why.starts_with(begin)), "{why}");
                }
            }
        }
        for (old, new) in ALIASES.iter().chain(OLD_NAMES) {
            assert!(
                EXECUTOR.iter().chain(GATEWAY).any(|(name, _)| name == new),
                "{new}"
            );
            assert!(
                EXECUTOR.iter().chain(GATEWAY).all(|(name, _)| name != old),
                "{old}"
            );
        }
    }
}
