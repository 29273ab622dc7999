//! `wasm-flow serve`: one executor alone, answering like a flow of one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::units::parse_duration;
use wasm_flow_flow::Flow;
use wasm_flow_gateway::Gateway;
use wasm_flow_manifest::ExecutorEntry;
use wasm_flow_wasm::{Component, Executor, Runtime};

use super::console::Console;
use super::operand::{self, Action};
use super::{Error, Format, Result, log, resolver, run, shutdown};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A component, or an executor's folder, which is built first.
    component: PathBuf,
    /// The executor's name, in routes, results and output.
    #[arg(long, default_value = "executor", value_parser = ExecutorEntry::parse_name)]
    name: String,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_parser = GatewayConfig::parse_host)]
    host: String,
    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 12345)]
    port: u16,
    /// What the executor is constructed with, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = super::input::object)]
    uses_with: Option<Map<String, Value>>,
    /// Overrides of its metas, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = super::input::object)]
    uses_metas: Option<Map<String, Value>>,
    /// An endpoint and the method it is to go to; may be given several times.
    #[arg(long, value_name = "ENDPOINT=METHOD", value_parser = binding)]
    uses_request: Vec<(String, String)>,
    /// How many instances share the requests.
    #[arg(long, default_value = "1", value_parser = ExecutorEntry::parse_replicas)]
    replicas: NonZeroU32,
    /// The wall-clock bound of a call: 500ms, 10s, 2m.
    #[arg(long, value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// The bound on memory: 64MiB, 1GiB.
    #[arg(long, value_parser = ExecutorEntry::parse_memory)]
    memory: Option<u64>,
}

fn binding(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(endpoint, method)| (endpoint.to_owned(), method.to_owned()))
        .ok_or_else(|| "write /endpoint=method".to_owned())
}

/// As in a table of flow.toml, each endpoint is named once.
fn bindings(given: Vec<(String, String)>) -> Result<BTreeMap<String, String>> {
    let mut bindings = BTreeMap::new();
    for (endpoint, method) in given {
        match bindings.entry(endpoint) {
            Entry::Vacant(free) => {
                free.insert(method);
            }
            Entry::Occupied(taken) => {
                return Err(Error::Usage(format!(
                    "--uses-request sends `{}` to `{}` and to `{method}`; leave one of them out",
                    taken.key(),
                    taken.get(),
                )));
            }
        }
    }
    Ok(bindings)
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    // Before anything is built.
    let uses_requests = bindings(args.uses_request)?;
    let source = operand::executor(&args.component, Action::Run)?;
    let resolver = resolver()?;
    let component = resolver.component(&source).await?;
    let defaults = ExecutorConfig::new(args.name.clone());
    let config = ExecutorConfig {
        uses_with: args.uses_with.unwrap_or_default(),
        uses_metas: args.uses_metas.unwrap_or_default(),
        uses_requests,
        replicas: args.replicas,
        timeout: args.timeout.unwrap_or(defaults.timeout),
        limits: Limits {
            memory: args.memory.unwrap_or(defaults.limits.memory),
            ..defaults.limits
        },
        ..defaults
    };
    let gateway = GatewayConfig {
        host: args.host,
        port: args.port,
        ..GatewayConfig::default()
    };
    let console = Console::of_server(format).map_err(Error::Threads)?;
    log::attach(&console);
    let result = serve(
        resolver.runtime(),
        &component,
        config,
        gateway,
        &console,
        format,
    )
    .await;
    console.finish();
    result
}

async fn serve(
    runtime: &Runtime,
    component: &Component,
    config: ExecutorConfig,
    gateway: GatewayConfig,
    console: &Console,
    format: Format,
) -> Result<()> {
    let name = config.name.clone();
    let executor = Executor::start(runtime, component, config, console.sink()).await?;
    let flow = Flow::single(name, Arc::new(executor));
    let door = gateway.door.clone();
    let gateway = match Gateway::bind(&gateway, Arc::new(flow.clone())).await {
        Ok(gateway) => gateway,
        Err(error) => {
            flow.stop().await;
            return Err(error.into());
        }
    };
    // Before a supervisor learns that it may send one.
    let signals = shutdown::listen(1);
    let ready = run::announcement(&gateway, &door, &flow, format);
    let served = run::serve_until_signal(gateway, ready, signals, console).await;
    flow.stop().await;
    served
}
