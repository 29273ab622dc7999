//! `wasm-flow run`: a flow behind its gateway, or over a file.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;
use wasm_flow_contract::Response;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_flow::Flow;
use wasm_flow_gateway::Gateway;
use wasm_flow_manifest::{LateProblem, Place};

use super::batch::Answers;
use super::console::Console;
use super::operand::{self, Action};
use super::terminal::{self, Page, json_text, lines};
use super::{Error, Format, Result, batch, input, load, log, print, shutdown};
use crate::resolve::Loaded;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow's file.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
    /// The address to listen on, over the file's.
    #[arg(long, conflicts_with = "on", value_parser = GatewayConfig::parse_host)]
    host: Option<String>,
    /// The port to listen on, over the file's; 0 takes any free one.
    #[arg(long, conflicts_with = "on")]
    port: Option<u16>,
    /// Do not serve: send documents to this endpoint, print what comes out, and
    /// stop. Ctrl-C gives up what is in flight; the exit status is 130 then.
    #[arg(long, value_name = "ENDPOINT")]
    on: Option<String>,
    #[command(flatten)]
    input: input::Args,
    /// How documents are printed.
    #[arg(long, value_enum, default_value_t, requires = "on")]
    print: print::Print,
}

impl Args {
    /// Whether the flow is served, and not run over an input.
    pub(super) fn serves(&self) -> bool {
        self.on.is_none()
    }
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    operand::flow(&args.flow, Action::Run)?;
    match &args.on {
        Some(endpoint) => through(endpoint, &args, format).await,
        None => serve(&args, format).await,
    }
}

async fn through(endpoint: &str, args: &Args, format: Format) -> Result<()> {
    let mut input = args.input.open()?;
    // Before anything is built or started.
    input.check_beginning().await?;
    let loaded = load(&args.flow).await?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    let mut printed = Printed {
        print: args.print,
        format,
    };
    batch::run(
        &loaded,
        endpoint,
        &args.input,
        input,
        loaded.manifest().gateway.prefetch,
        &mut printed,
        format,
    )
    .await
}

/// The documents of a batch, printed as they come, with what executors returned beside
/// them.
struct Printed {
    print: print::Print,
    format: Format,
}

impl Answers for Printed {
    fn answered(&mut self, response: &Response, _time: Range<SystemTime>, page: &mut Page) {
        self.print.documents(&response.docs, self.format, page);
        print::results(&response.results, page);
    }
}

async fn serve(args: &Args, format: Format) -> Result<()> {
    let loaded = load(&args.flow).await?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    let mut gateway = loaded.manifest().gateway.clone();
    if let Some(host) = &args.host {
        gateway.host.clone_from(host);
    }
    if let Some(port) = args.port {
        gateway.port = port;
    }
    let console = Console::of_server(format).map_err(Error::Threads)?;
    log::attach(&console);
    let result = serve_loaded(args, &loaded, &gateway, &console, format).await;
    console.finish();
    result
}

async fn serve_loaded(
    args: &Args,
    loaded: &Loaded,
    gateway: &GatewayConfig,
    console: &Console,
    format: Format,
) -> Result<()> {
    let flow = loaded.start(console.sink()).await?;
    let gateway = match Gateway::bind(gateway, Arc::new(flow.clone())).await {
        Ok(gateway) => gateway,
        Err(error) => {
            flow.stop().await;
            let (given, place) = match error.is_about_host() {
                true => (args.host.is_some(), Place::Host),
                false => (args.port.is_some(), Place::Port),
            };
            if given {
                return Err(error.into());
            }
            let problem = LateProblem::new(place, error.to_string());
            return Err(Box::new(loaded.manifest().report([problem])).into());
        }
    };
    serve_until_signal(gateway, &flow, console, format).await
}

/// Says what is served, serves it until a signal comes, and stops the executors.
pub(super) async fn serve_until_signal(
    gateway: Gateway,
    flow: &Flow,
    console: &Console,
    format: Format,
) -> Result<()> {
    // Before a supervisor learns that it may send one.
    let signals = shutdown::listen(1);
    let ready = console.ready(announcement(&gateway, flow, format));
    let served = match ready {
        Ok(()) => gateway
            .serve(signals.requested(console.clone()))
            .await
            .map_err(Error::from),
        Err(error) => Err(error.into()),
    };
    flow.stop().await;
    served
}

/// What is served, and where.
fn announcement(gateway: &Gateway, flow: &Flow, format: Format) -> String {
    let (name, address) = (flow.name(), gateway.local_addr());
    let executors = print::Executors::new(flow.graph(), |stage| stage.info());
    match format {
        Format::Json => json_text(&json!({
            "event": "ready",
            "flow": name,
            "protocol": "GRPC",
            "host": address.ip().to_string(),
            "port": address.port(),
            "executors": executors.json(),
        })),
        Format::Text => lines(&format!(
            "{}\n🎉 Flow `{name}` is ready to use!\n  🔗 Protocol:      GRPC\n  \
             🏠 Local access:  {address}",
            executors.table()
        )),
    }
}
