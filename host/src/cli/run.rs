//! `wasm-flow run`: a flow behind its gateway, or over a file.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use serde_json::json;
use tokio_util::task::AbortOnDropHandle;
use wasm_flow_contract::Response;
use wasm_flow_contract::door::Door;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_flow::Flow;
use wasm_flow_gateway::Gateway;
use wasm_flow_manifest::{LateProblem, Manifest, Place};

use super::batch::Answers;
use super::console::Console;
use super::operand::{self, Action};
use super::reload::Reload;
use super::shutdown::{self, Hangups, Signals};
use super::terminal::{self, Page, json_text, lines};
use super::watch::{Built, Watch};
use super::{Error, Format, Result, batch, compiler, hub, input, log, print, progress, resolver};
use crate::resolve::build::Event;
use crate::resolve::{Loaded, Pinning, Resolver};

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
    /// When the flow's files change, build them and put the new executors in place, without
    /// losing a request. What does not build or start is reported, and the flow goes on as
    /// it was.
    #[arg(long, conflicts_with = "on")]
    watch: bool,
    /// Refuse to run if an executor from a registry is not what flow.lock says, or not in
    /// it.
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    input: input::Args,
    /// How documents are printed.
    #[arg(long, value_enum, default_value_t, requires = "on")]
    print: print::Print,
}

impl Args {
    fn pinning(&self) -> Pinning {
        match self.locked {
            true => Pinning::Locked,
            false => Pinning::Keep,
        }
    }

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
    let manifest = Manifest::load(&args.flow)?;
    let resolver = resolver()?.with_pinning(args.pinning());
    let loaded = resolver.load(manifest).await?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    hub::keep_lock(&args.flow, &loaded, terminal::note);
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
    // Before all that takes time: a signal to load it anew does not end the process.
    let hangups = Hangups::listen();
    let manifest = Manifest::load(&args.flow)?;
    let config = crate::door::gateway(&manifest)?;
    let built = Built::default();
    let mut watch = match args.watch {
        // What changes from now on is not missed.
        true => Some(Watch::new(&args.flow, Arc::clone(&built))?),
        false => None,
    };
    let runtime = compiler::runtime()?;
    let first = Resolver::new(runtime.clone(), noting(&built, progress::note));
    let loaded = first.with_pinning(args.pinning()).load(manifest).await?;
    hub::keep_lock(&args.flow, &loaded, terminal::note);
    if let Some(watch) = &mut watch {
        watch.follow(loaded.manifest())?;
        watch.know(loaded.pins().map(|pins| &pins.now));
    }
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    let console = Console::of_server(format).map_err(Error::Threads)?;
    log::attach(&console);
    let later = {
        let console = console.clone();
        Resolver::new(
            runtime,
            noting(&built, move |event| console.note(&event.to_string())),
        )
        .with_pinning(args.pinning())
    };
    let served = serve_loaded(
        args,
        config,
        &loaded,
        later,
        (watch, hangups),
        &console,
        format,
    );
    let result = served.await;
    console.finish();
    result
}

/// Tells of what a build waits for, and notes what was built.
fn noting(
    built: &Built,
    tell: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> impl Fn(Event<'_>) + Send + Sync + 'static {
    let built = Arc::clone(built);
    move |event| match event {
        Event::Built { folder, component } => {
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
            built.insert(folder, component.to_owned());
        }
        event => tell(event),
    }
}

async fn serve_loaded(
    args: &Args,
    mut config: GatewayConfig,
    loaded: &Loaded,
    resolver: Resolver,
    (watch, hangups): (Option<Watch>, Hangups),
    console: &Console,
    format: Format,
) -> Result<()> {
    if let Some(host) = &args.host {
        config.host.clone_from(host);
    }
    if let Some(port) = args.port {
        config.port = port;
    }
    let running = Arc::new(loaded.run(console.sink()).await?);
    let gateway = match Gateway::bind(&config, Arc::clone(running.live()) as _).await {
        Ok(gateway) => gateway,
        Err(error) => {
            running.stop().await;
            let (given, place) = match error.is_about_host() {
                true => (args.host.is_some(), Place::Host),
                false if error.is_about_health() => (false, Place::HealthPort),
                false => (args.port.is_some(), Place::Port),
            };
            if given {
                return Err(error.into());
            }
            let problem = LateProblem::new(place, error.to_string());
            return Err(Box::new(loaded.manifest().report([problem])).into());
        }
    };
    // Before a supervisor learns that it may send one.
    let signals = shutdown::listen(1);
    let reload = Reload {
        file: args.flow.clone(),
        running: Arc::clone(&running),
        resolver,
        console: console.clone(),
        manifest: loaded.manifest().clone(),
        doorkeeper: gateway.doorkeeper().clone(),
        watch,
    };
    let ready = announcement(&gateway, &config.door, &running.flow(), format);
    // A task of its own: reading files must not hold up who accepts connections.
    let stop = signals.stop();
    let reloading = tokio::spawn(reload.whenever_needed(hangups, stop));
    let reloading = AbortOnDropHandle::new(reloading);
    let served = serve_until_signal(gateway, ready, signals, console).await;
    drop(reloading);
    running.stop().await;
    served
}

/// Says what is served, and serves it until a signal comes.
pub(super) async fn serve_until_signal(
    gateway: Gateway,
    ready: String,
    signals: Signals,
    console: &Console,
) -> Result<()> {
    console.ready(ready)?;
    Ok(gateway.serve(signals.requested(console.clone())).await?)
}

/// What is served, and where.
pub(super) fn announcement(gateway: &Gateway, door: &Door, flow: &Flow, format: Format) -> String {
    let (name, address) = (flow.name(), gateway.local_addr());
    let health = gateway.health_addr();
    let executors = print::Executors::new(flow.graph(), |stage| stage.info());
    match format {
        Format::Json => json_text(&json!({
            "event": "ready",
            "flow": name,
            "protocol": "GRPC",
            "host": address.ip().to_string(),
            "port": address.port(),
            "port_health": health.map(|address| address.port()),
            "door": super::door::json(door),
            "executors": executors.json(),
        })),
        Format::Text => {
            let mut text = format!(
                "{}\n🎉 Flow `{name}` is ready to use!\n  🔗 Protocol:      GRPC\n  \
                 🏠 Local access:  {address}",
                executors.table()
            );
            // An open door is what there always was.
            if *door != Door::default() {
                text += &format!("\n  🔒 Door:          {door}");
            }
            if let Some(health) = health {
                text += &format!("\n  🩺 Health checks: {health}");
            }
            lines(&text)
        }
    }
}
