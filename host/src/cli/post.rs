//! `wasm-flow post`: a client.

use futures::StreamExt as _;
use serde_json::Value;

use super::{Error, Format, Result, input, print, progress, terminal};
use crate::flow::RESULTS;
use crate::gateway::client::{Client, PostOptions, PostRequest, PostResponse};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway.
    #[arg(default_value = "grpc://127.0.0.1:54321")]
    gateway: String,
    /// The endpoint to call.
    #[arg(long, value_name = "ENDPOINT")]
    on: String,
    #[command(flatten)]
    input: input::Args,
    /// Take answers in the order of the requests, not as they come.
    #[arg(long)]
    in_order: bool,
    /// Requests in flight at most; the gateway's own bound where not given.
    #[arg(long, value_name = "N")]
    prefetch: Option<usize>,
    /// Compress messages.
    #[arg(long)]
    compress: bool,
    /// How documents are printed.
    #[arg(long, value_enum, default_value_t)]
    print: print::Print,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let requests = args.input.requests()?;
    let total = requests.len();
    let client = Client::connect(&args.gateway).await?;
    let options = PostOptions {
        prefetch: args.prefetch,
        in_order: args.in_order,
        compress: args.compress,
    };
    let (endpoint, parameters) = (args.on, args.input.parameters());
    let target = args.input.target().map(str::to_owned);
    let requests = futures::stream::iter(requests).map(move |docs| PostRequest {
        endpoint: endpoint.clone(),
        target: target.clone(),
        parameters: parameters.clone(),
        docs,
    });
    let progress = progress::Progress::new(total);
    let mut answers = client.call(requests, options).await?;
    let mut failed = 0;
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        progress.step();
        progress.beside(|| failed += usize::from(!told(&answer, args.print, format)));
    }
    progress.done();
    match failed {
        0 => Ok(()),
        failed => Err(Error::Requests { failed, total }),
    }
}

/// Prints an answer; says whether it is one of success.
fn told(answer: &PostResponse, print: print::Print, format: Format) -> bool {
    if let Some(failure) = &answer.failure {
        print::failure(&failure.description, &failure.stacks);
        return false;
    }
    if let Some(notice) = &answer.notice {
        terminal::note(&format!("note: {notice}"));
    }
    print.documents(&answer.docs, format);
    if let Some(results) = answer.parameters.get(RESULTS).and_then(Value::as_object) {
        print::results(results);
    }
    true
}
