//! `wasm-flow post`: a client.

use futures::{Stream, StreamExt as _};
use serde_json::Value;

use super::{Error, Format, Result, input, print, progress, terminal};
use crate::flow::RESULTS;
use crate::gateway::client::{Client, ClientError, PostOptions, PostRequest, PostResponse};

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
    let answers = client.call(requests, options).await?;
    take(answers, total, args.print, format).await
}

/// Prints answers as they come.
async fn take(
    mut answers: impl Stream<Item = Result<PostResponse, ClientError>> + Unpin,
    total: usize,
    print: print::Print,
    format: Format,
) -> Result<()> {
    let progress = progress::Progress::new(total);
    let (mut answered, mut failed) = (0, 0);
    while let Some(answer) = answers.next().await {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                progress.gone();
                terminal::note(&format!("{answered} of {total} requests are answered"));
                return Err(error.into());
            }
        };
        answered += 1;
        progress.step();
        progress.beside(|| failed += usize::from(!told(&answer, print, format)));
    }
    progress.done();
    if answered < total {
        return Err(Error::Unanswered { answered, total });
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::DocumentArray;

    fn answer() -> Result<PostResponse, ClientError> {
        Ok(PostResponse {
            request_id: String::new(),
            docs: DocumentArray::new(),
            parameters: serde_json::Map::new(),
            routes: Vec::new(),
            failure: None,
            notice: None,
        })
    }

    async fn taken(answers: Vec<Result<PostResponse, ClientError>>) -> Result<()> {
        let answers = futures::stream::iter(answers);
        take(answers, 2, print::Print::default(), Format::Text).await
    }

    #[tokio::test]
    async fn a_call_without_all_answers_has_failed() {
        assert!(taken(vec![answer(), answer()]).await.is_ok());
        let ended = ClientError::Address {
            address: "x".to_owned(),
        };
        let broken = taken(vec![answer(), Err(ended)]).await.unwrap_err();
        assert!(matches!(broken, Error::Client(_)), "{broken}");
        let short = taken(vec![answer()]).await.unwrap_err();
        assert_eq!(
            short.to_string(),
            "the gateway ended the call after 1 of 2 requests; the others are not answered"
        );
    }
}
