//! `wasm-flow post`: a client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use wasm_flow_contract::Retry;
use wasm_flow_document::DocumentArray;
use wasm_flow_gateway::client::{Client, ClientError, PostResponse};

use super::input::{Input, InputError};
use super::progress::Progress;
use super::terminal::{self, Page};
use super::tls::{self, Credentials};
use super::{Error, Format, Result, input, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway: grpc://host:port, or grpcs://host:port over TLS.
    #[arg(default_value = "grpc://127.0.0.1:54321")]
    gateway: String,
    /// The endpoint to call.
    #[arg(long, value_name = "ENDPOINT")]
    on: String,
    #[command(flatten)]
    input: input::Args,
    /// Take answers in the order of the requests and not as they come.
    #[arg(long)]
    in_order: bool,
    /// Requests in flight at most, in place of the gateway's own bound.
    #[arg(long, value_name = "N")]
    prefetch: Option<usize>,
    /// Compress messages.
    #[arg(long)]
    compress: bool,
    #[command(flatten)]
    tls: tls::Args,
    /// How documents are printed.
    #[arg(long, value_enum, default_value_t)]
    print: print::Print,
}

pub(super) async fn run(args: Args, format: Format) -> Result<()> {
    let Credentials { tls, token } = args.tls.read(&args.gateway)?;
    let mut input = args.input.open()?;
    // Before anything is sent.
    input.check_beginning().await?;
    let client = Client::connect_secure(&args.gateway, &tls, token.as_ref()).await?;
    let progress = Progress::new(input.extent());
    let sending = Arc::new(Mutex::new(Sending::default()));
    let mut post = client.post(args.on).parameters(args.input.parameters());
    if let Some(target) = args.input.target() {
        post = post.target_executor(target);
    }
    if let Some(prefetch) = args.prefetch {
        post = post.prefetch(prefetch);
    }
    if args.in_order {
        post = post.in_order();
    }
    if args.compress {
        post = post.compress();
    }
    let batches = requests(input, Arc::clone(&sending));
    let answers = post.batches(batches).stream().await?;
    take(answers, &sending, progress, args.print, format).await
}

/// The sending side of a call, as far as the answers' side has to know it.
#[derive(Default)]
struct Sending {
    requests: usize,
    /// Of the requests that are not answered, in the order in which they were
    /// sent. Answers may overtake each other: an answer lets go of the oldest
    /// one, which comes to the same amount in the end.
    in_flight: VecDeque<InFlight>,
    /// How the input ended, once it has.
    end: Option<Result<(), InputError>>,
}

struct InFlight {
    position: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The documents to send, a request at a time. What cannot be read ends them.
fn requests(
    input: Input,
    sending: Arc<Mutex<Sending>>,
) -> impl Stream<Item = DocumentArray> + Send + 'static {
    futures::stream::unfold((input, sending), |(mut input, sending)| async move {
        let next = input.next().await;
        let mut state = lock(&sending);
        let request = match next {
            Some(Ok(request)) => request,
            Some(Err(error)) => {
                state.end = Some(Err(error));
                return None;
            }
            None => {
                state.end = Some(Ok(()));
                return None;
            }
        };
        state.requests += 1;
        state.in_flight.push_back(InFlight {
            position: request.position,
            _permit: request.permit,
        });
        drop(state);
        Some((request.docs, (input, sending)))
    })
}

/// Prints answers as they come.
async fn take(
    mut answers: impl Stream<Item = Result<PostResponse, ClientError>> + Unpin,
    sending: &Mutex<Sending>,
    progress: Progress,
    print: print::Print,
    format: Format,
) -> Result<()> {
    let (mut answered, mut failed) = (0, 0);
    while let Some(answer) = answers.next().await {
        let answer = match answer {
            Ok(answer) => answer,
            // Said below, with why the input ended.
            Err(ClientError::Unanswered { .. }) => break,
            Err(error) => {
                progress.gone();
                let sent = lock(sending).requests;
                terminal::note(&format!("{answered} of {sent} requests are answered"));
                return Err(error.into());
            }
        };
        answered += 1;
        let in_flight = lock(sending).in_flight.pop_front();
        progress.step(in_flight.as_ref().map_or(0, |request| request.position));
        let mut page = Page::default();
        failed += usize::from(!print_answer(&answer, print, format, &mut page));
        if let Err(error) = progress.print(page).await {
            progress.gone();
            return Err(error.into());
        }
        // Now that the answer is out, there is room for further input.
        drop(in_flight);
    }
    let (sent, end) = {
        let mut state = lock(sending);
        (state.requests, state.end.take())
    };
    if let Some(Err(error)) = end {
        progress.gone();
        if sent > 0 {
            terminal::note(&format!(
                "before the error: {answered} of {sent} requests answered, {failed} of them failed"
            ));
        }
        return Err(error.into());
    }
    progress.done();
    if answered < sent || end.is_none() {
        return Err(Error::Unanswered { answered, sent });
    }
    match failed {
        0 => Ok(()),
        failed => Err(Error::Requests {
            failed,
            total: sent,
        }),
    }
}

/// Prints an answer, and says whether it is one of success.
fn print_answer(
    answer: &PostResponse,
    print: print::Print,
    format: Format,
    page: &mut Page,
) -> bool {
    if let Some(failure) = &answer.failure {
        print::failure(&failure.description, &failure.stacks, page);
        if let Some(Retry::May { after }) = failure.retry {
            print::may_succeed(after, page);
        }
        return false;
    }
    if let Some(notice) = &answer.notice {
        page.note(&format!("note: {notice}"));
    }
    print.documents(&answer.docs, format, page);
    if let Some(results) = answer.results() {
        print::results(results, page);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress::Extent;

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

    /// Of two requests that were sent.
    async fn taken(
        answers: Vec<Result<PostResponse, ClientError>>,
        end: Option<Result<(), InputError>>,
    ) -> Result<()> {
        let answers = futures::stream::iter(answers);
        let sending = Mutex::new(Sending {
            requests: 2,
            end,
            ..Sending::default()
        });
        let progress = Progress::new(Extent::Unknown);
        take(
            answers,
            &sending,
            progress,
            print::Print::default(),
            Format::Text,
        )
        .await
    }

    #[tokio::test]
    async fn a_call_without_all_answers_has_failed() {
        let whole = || Some(Ok(()));
        let ended = || {
            Err(ClientError::Address {
                address: "x".to_owned(),
            })
        };
        assert!(taken(vec![answer(), answer()], whole()).await.is_ok());
        let broken = taken(vec![answer(), ended()], whole()).await.unwrap_err();
        assert!(matches!(broken, Error::Client(_)), "{broken}");
        let short = taken(vec![answer()], whole()).await.unwrap_err();
        assert_eq!(
            short.to_string(),
            "the gateway ended the call after it had answered 1 of 2 requests"
        );
        // The input was not sent to its end.
        let early = taken(vec![answer(), answer()], None).await.unwrap_err();
        assert!(matches!(early, Error::Unanswered { .. }), "{early}");
    }

    #[tokio::test]
    async fn input_that_cannot_be_read_is_the_error() {
        let end = Some(Err(InputError::BinaryName {
            file: "f".to_owned(),
        }));
        let error = taken(vec![answer(), answer()], end).await.unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
}
