//! `wasm-flow run`: a flow behind its gateway, or over a file.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::json;

use super::terminal::Lines;
use super::{Error, Format, Result, input, launch, print, progress, shutdown, terminal};
use crate::document::DocumentArray;
use crate::flow::{
    Flow, GatewayConfig, LateProblem, Parameters, Place, Request, Response, Started,
};
use crate::gateway::Gateway;

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
    /// stop.
    #[arg(long, value_name = "ENDPOINT")]
    on: Option<String>,
    #[command(flatten)]
    input: input::Args,
    /// How documents are printed.
    #[arg(long, value_enum, default_value_t, requires = "on")]
    print: print::Print,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let Some(endpoint) = &args.on else {
        return serve(&args, format).await;
    };
    // Before anything is built or started.
    let requests = args.input.requests()?;
    let loaded = launch::load(&args.flow).await?;
    let output = Lines {
        format,
        aside: true,
    };
    let Started { flow, .. } = loaded.start(Arc::new(output)).await?;
    let batch = batch(
        &flow,
        endpoint,
        requests,
        &args,
        loaded.config.gateway.prefetch,
        format,
    );
    let result = tokio::select! {
        result = batch => result,
        () = shutdown::listen().requested() => Ok(()),
    };
    flow.stop().await;
    result
}

async fn serve(args: &Args, format: Format) -> Result<()> {
    let mut loaded = launch::load(&args.flow).await?;
    let gateway = &mut loaded.config.gateway;
    if let Some(host) = &args.host {
        gateway.host.clone_from(host);
    }
    if let Some(port) = args.port {
        gateway.port = port;
    }
    let output = Lines {
        format,
        aside: false,
    };
    let Started { flow, .. } = loaded.start(Arc::new(output)).await?;
    let gateway = match Gateway::bind(&loaded.config.gateway, flow.clone()).await {
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
            let problem = LateProblem {
                place,
                title: error.to_string(),
                help: None,
            };
            return Err(Error::Problems(Box::new(loaded.config.report([problem]))));
        }
    };
    let executors = print::Executors::of_config(&loaded.config, &loaded.components);
    // Before a supervisor learns that it may send one.
    let signals = shutdown::listen();
    announce(&gateway, flow.name(), &executors, format);
    gateway.serve(signals.requested()).await?;
    flow.stop().await;
    Ok(())
}

/// Says what is served, and where.
pub(super) fn announce(
    gateway: &Gateway,
    name: &str,
    executors: &print::Executors,
    format: Format,
) {
    let address = gateway.local_addr();
    match format {
        Format::Json => terminal::json(&json!({
            "event": "ready",
            "flow": name,
            "protocol": "GRPC",
            "host": address.ip().to_string(),
            "port": address.port(),
            "executors": executors.json(),
        })),
        Format::Text => {
            terminal::line(&executors.table());
            terminal::line(&format!("🎉 Flow `{name}` is ready to use!"));
            terminal::line("  🔗 Protocol:      GRPC");
            terminal::line(&format!("  🏠 Local access:  {address}"));
        }
    }
}

/// Sends requests through a flow, several at a time, and prints what comes out
/// in the order of what went in.
async fn batch(
    flow: &Flow,
    endpoint: &str,
    requests: Vec<DocumentArray>,
    args: &Args,
    prefetch: NonZeroUsize,
    format: Format,
) -> Result<()> {
    let total = requests.len();
    let parameters = Parameters::from(args.input.parameters());
    let progress = progress::Progress::new(total);
    let mut answers = futures::stream::iter(requests)
        .map(|docs| {
            let request = Request {
                target: args.input.target().unwrap_or_default().to_owned(),
                parameters: parameters.clone(),
                ..Request::new(endpoint, docs)
            };
            let flow = flow.clone();
            let progress = &progress;
            // On a task of its own, so that requests use all cores.
            let call = tokio::spawn(async move { flow.call(request).await });
            async move {
                let answer = call.await;
                progress.step();
                answer
            }
        })
        .buffered(prefetch.get());
    let mut failed = 0;
    while let Some(answer) = answers.next().await {
        progress.beside(|| match answer {
            Ok(response) => failed += usize::from(!told(&response, args.print, format)),
            Err(error) => {
                failed += 1;
                terminal::error(&format!("a request was given up: {error}"));
            }
        });
    }
    drop(answers);
    progress.done();
    match failed {
        0 => Ok(()),
        failed => Err(Error::Requests { failed, total }),
    }
}

/// Prints an answer; says whether it is one of success.
fn told(response: &Response, print: print::Print, format: Format) -> bool {
    if let Some(failure) = &response.failure {
        print::failure(&failure.description, &failure.stacks);
        return false;
    }
    print.documents(&response.docs, format);
    print::results(&response.results);
    true
}
