//! Documents through a flow: `wasm-flow run --on` prints what comes out, and
//! `wasm-flow graph --timing` looks at where the time went.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::SystemTime;

use futures::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinHandle};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{Parameters, Request, Response};
use wasm_flow_flow::Flow;

use super::console::Console;
use super::input::{Input, InputError, RequestDocs};
use super::progress::Progress;
use super::terminal::{self, OutputError, Page};
use super::{Error, Format, Result, input, log, print, shutdown};
use crate::resolve::Loaded;

/// A batch that is to run.
pub(super) struct Batch<'a> {
    pub(super) flow: &'a Flow,
    pub(super) endpoint: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) parameters: Parameters,
    /// Requests in flight at most.
    pub(super) prefetch: NonZeroUsize,
}

/// What is made of a batch's answers.
pub(super) trait Answers {
    /// Takes one of success, and puts on the page what is to be printed of it. `time` is
    /// from when its request came to the flow until it was answered.
    fn answered(&mut self, response: &Response, time: Range<SystemTime>, page: &mut Page);
}

/// What came of a batch.
#[derive(Debug)]
pub(super) struct Outcome {
    answered: usize,
    failed: usize,
    documents: Documents,
    end: End,
}

/// How a batch ended.
#[derive(Debug)]
enum End {
    /// All of the input is answered.
    Complete,
    /// A signal came before that.
    Interrupted,
    /// The rest of the input cannot be read.
    Input(InputError),
    /// Standard output takes nothing more.
    Output(OutputError),
}

/// What became of a batch's documents.
#[derive(Debug, Default, PartialEq, Eq)]
struct Documents {
    sent: usize,
    done: usize,
    failed: usize,
    /// The input may have more of them.
    more: bool,
}

impl Outcome {
    /// What the command comes to. An interruption is reported now: executors may
    /// take their time to stop, and a second signal does not wait for them.
    pub(super) fn result(self, console: &Console) -> Result<()> {
        match self.end {
            End::Interrupted => {
                console.note(&format!("error: interrupted: {}", self.documents));
                Err(Error::Interrupted)
            }
            End::Input(error) => {
                if self.documents.sent > 0 {
                    console.note(&format!("before the error: {}", self.documents));
                }
                Err(error.into())
            }
            End::Output(error) => Err(error.into()),
            End::Complete if self.failed > 0 => Err(Error::Requests {
                failed: self.failed,
                total: self.answered,
            }),
            End::Complete => Ok(()),
        }
    }
}

impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Documents {
            sent,
            done,
            failed,
            more,
        } = self;
        if sent == 0 && !more {
            return f.write_str("the request was in flight and is given up");
        }
        let plural = if done == 1 { "" } else { "s" };
        write!(f, "{done} document{plural} done")?;
        for (count, what) in [
            (failed, "failed"),
            (sent.saturating_sub(done + failed), "in flight and given up"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        match more {
            true => f.write_str(", the rest not sent"),
            false => Ok(()),
        }
    }
}

/// A call on a task of its own, so that requests use all cores. The call ends
/// when this is dropped: nobody is left to take its answer.
struct Task(JoinHandle<(Response, Range<SystemTime>)>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request that came back.
struct Answer {
    documents: usize,
    /// The input's position behind the request.
    position: u64,
    response: Result<(Response, Range<SystemTime>), JoinError>,
    /// Makes room for further input, once the answer is printed.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Starts a flow's executors, sends it all of an input, and stops them.
///
/// # Errors
/// If they do not start, or with what [`Outcome::result`] says.
pub(super) async fn run(
    loaded: &Loaded,
    endpoint: &str,
    args: &input::Args,
    input: Input,
    prefetch: NonZeroUsize,
    answers: &mut dyn Answers,
    format: Format,
) -> Result<()> {
    let console = Console::of_batch(format).map_err(Error::Threads)?;
    log::attach(&console);
    let started = loaded.start(console.sink()).await;
    let result = match started {
        Ok(flow) => {
            let mut signals = shutdown::listen(shutdown::INTERRUPTED);
            let batch = Batch {
                flow: &flow,
                endpoint,
                target: args.target(),
                parameters: args.parameters().into(),
                prefetch,
            };
            let outcome = batch.run(input, answers, signals.first()).await;
            let result = outcome.result(&console);
            stop(&flow, signals, &console).await;
            result
        }
        Err(report) => Err(report.into()),
    };
    console.finish();
    result
}

/// Stops the executors. Calls that a guest is busy with come to their end first.
pub(super) async fn stop(flow: &Flow, mut signals: shutdown::Signals, console: &Console) {
    let stopping = flow.stop();
    tokio::pin!(stopping);
    tokio::select! {
        biased;
        () = &mut stopping => return,
        () = signals.first() => {}
    }
    console.note("stopping the executors; press Ctrl-C again to stop at once");
    stopping.await;
}

impl Batch<'_> {
    /// Sends requests through the flow, several at a time, and hands on what comes
    /// out in the order of what went in. What is printed before an interruption
    /// or an error comes from the first of the documents, without a gap.
    pub(super) async fn run(
        &self,
        input: Input,
        answers: &mut dyn Answers,
        interrupted: impl Future<Output = ()>,
    ) -> Outcome {
        let mut outcome = Outcome {
            answered: 0,
            failed: 0,
            documents: Documents::default(),
            end: End::Complete,
        };
        let progress = Progress::new(input.extent());
        let (sent, more) = (Cell::new(0), Cell::new(true));
        let requests = futures::stream::unfold(input, |mut input| {
            let more = &more;
            async move {
                let next = input.next().await;
                more.set(!input.is_at_end());
                Some((next?, input))
            }
        });
        let responses = requests
            .map(|request| {
                let sending = request.map(|request| {
                    sent.set(sent.get() + request.docs.len());
                    self.send(request)
                });
                async move {
                    match sending {
                        Ok(answer) => Ok(answer.await),
                        Err(error) => Err(error),
                    }
                }
            })
            .buffered(self.prefetch.get());
        // Whether an executor did anything at all.
        let mut handled = false;
        let end = {
            let printing = async {
                tokio::pin!(responses);
                while let Some(answer) = responses.next().await {
                    let answer = match answer {
                        Ok(answer) => answer,
                        Err(error) => return End::Input(error),
                    };
                    outcome.answered += 1;
                    progress.step(answer.position);
                    let mut page = Page::default();
                    let done = match &answer.response {
                        Ok((response, time)) => {
                            handled |= response.hops.iter().any(|hop| hop.end.is_some());
                            match &response.failure {
                                None => answers.answered(response, time.clone(), &mut page),
                                Some(failure) => {
                                    print::failure(
                                        &failure.description,
                                        &failure.stacks,
                                        &mut page,
                                    );
                                }
                            }
                            response.failure.is_none()
                        }
                        Err(error) => {
                            page.error(&format!("a request was given up: {error}"));
                            false
                        }
                    };
                    // Counted before it is printed: what has begun to be printed is
                    // printed to its end, also if this is interrupted meanwhile.
                    if done {
                        outcome.documents.done += answer.documents;
                    } else {
                        outcome.failed += 1;
                        outcome.documents.failed += answer.documents;
                    }
                    if let Err(error) = progress.print(page).await {
                        return End::Output(error);
                    }
                }
                End::Complete
            };
            tokio::select! {
                // First, as a fast flow always has an answer ready.
                biased;
                () = interrupted => End::Interrupted,
                end = printing => end,
            }
        };
        outcome.end = end;
        outcome.documents.sent = sent.get();
        outcome.documents.more = more.get();
        match outcome.end {
            End::Complete => progress.done(),
            _ => progress.gone(),
        }
        if !handled && outcome.answered > outcome.failed {
            terminal::note(&format!(
                "warning: {}",
                passed_by(self.flow, self.endpoint, self.target)
            ));
        }
        outcome
    }

    /// Begins a call.
    fn send(&self, request: RequestDocs) -> impl Future<Output = Answer> + use<> {
        let RequestDocs {
            docs,
            position,
            permit,
        } = request;
        let documents = docs.len();
        let request = Request {
            target: self.target.unwrap_or_default().to_owned(),
            parameters: self.parameters.clone(),
            ..Request::new(self.endpoint, docs)
        };
        let flow = self.flow.clone();
        let mut call = Task(tokio::spawn(async move {
            let start = SystemTime::now();
            let response = flow.call(request).await;
            (response, start..SystemTime::now())
        }));
        async move {
            Answer {
                documents,
                position,
                response: (&mut call.0).await,
                _permit: permit,
            }
        }
    }
}

/// That no executor had anything to do with a request, and which endpoints there are: nearly
/// always the endpoint or the target is misspelt.
pub(super) fn passed_by(flow: &Flow, endpoint: &str, target: Option<&str>) -> String {
    let bound = flow.endpoints();
    let bound: Vec<_> = bound
        .iter()
        .filter(|bound| *bound != DRY_RUN)
        .map(|bound| format!("`{bound}`"))
        .collect();
    let who = match target {
        Some(target) => format!("no executor that `{target}` stands for"),
        None => "no executor".to_owned(),
    };
    let instead = match bound.is_empty() {
        true => "the flow's executors bind no endpoint at all".to_owned(),
        false => format!("bound are {}", bound.join(", ")),
    };
    format!("{who} binds `{endpoint}`, so the documents passed through as they were; {instead}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use clap::Parser;
    use tokio::sync::Notify;
    use wasm_flow_contract::Call;
    use wasm_flow_document::DocumentArray;
    use wasm_flow_flow::testing::{Functions, failure, flow, reply};

    use super::*;
    use crate::cli::input;

    #[derive(Parser)]
    struct Cli {
        #[arg(long)]
        on: String,
        #[command(flatten)]
        input: input::Args,
    }

    /// Counts what is answered.
    #[derive(Default)]
    struct Counted(usize);

    impl Answers for Counted {
        fn answered(&mut self, _: &Response, time: Range<SystemTime>, _: &mut Page) {
            assert!(time.start <= time.end);
            self.0 += 1;
        }
    }

    /// Two documents a request.
    async fn run(functions: Functions, requests: usize, signal: &Notify) -> Outcome {
        let flow = flow([("a", &[], functions)]);
        let mut arguments = vec!["run".to_owned(), "--on=/x".to_owned()];
        arguments.push("--request-size=2".to_owned());
        for number in 0..requests {
            arguments.extend([format!("--text={number}"), "--text=x".to_owned()]);
        }
        let cli = Cli::try_parse_from(arguments).unwrap();
        let batch = Batch {
            flow: &flow,
            endpoint: &cli.on,
            target: None,
            parameters: Parameters::default(),
            prefetch: NonZeroUsize::new(3).unwrap(),
        };
        let mut answers = Counted::default();
        let input = cli.input.open().unwrap();
        let outcome = batch.run(input, &mut answers, signal.notified()).await;
        assert_eq!(answers.0, outcome.answered - outcome.failed);
        outcome
    }

    fn number(docs: &DocumentArray) -> usize {
        docs.texts().next().unwrap().parse().unwrap()
    }

    /// Counts itself when it is dropped.
    struct Ended(Arc<AtomicUsize>);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn an_interrupted_batch_gives_up_what_is_in_flight_and_says_so() {
        let signal = Arc::new(Notify::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let (interrupt, counter) = (Arc::clone(&signal), Arc::clone(&ended));
        // The first two are answered, one with an error; then three are in
        // flight and stay there.
        let functions = Functions::default().on("/x", move |call: Call| {
            let (interrupt, ended) = (Arc::clone(&interrupt), Ended(Arc::clone(&counter)));
            async move {
                match number(&call.docs) {
                    0 => return reply(DocumentArray::new()),
                    1 => return Err(failure("Error")),
                    4 => interrupt.notify_one(),
                    _ => {}
                }
                std::future::pending::<()>().await;
                drop(ended);
                reply(DocumentArray::new())
            }
        });
        let outcome = run(functions, 10, &signal).await;
        assert!(matches!(outcome.end, End::Interrupted));
        assert_eq!((outcome.answered, outcome.failed), (2, 1));
        assert_eq!(
            outcome.documents.to_string(),
            "2 documents done, 2 failed, 6 in flight and given up, the rest not sent"
        );
        // Their tasks are ended, and not left to themselves.
        let all_ended = async {
            while ended.load(Ordering::SeqCst) < 5 {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_secs(10);
        assert!(tokio::time::timeout(patience, all_ended).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_signal_all_is_answered() {
        let signal = Notify::new();
        let outcome = run(
            Functions::default().on("/x", |_| async { reply(DocumentArray::new()) }),
            7,
            &signal,
        )
        .await;
        assert!(matches!(outcome.end, End::Complete));
        assert_eq!((outcome.answered, outcome.failed), (7, 0));
    }

    #[test]
    fn what_became_of_documents() {
        let documents = |sent, done, failed, more| Documents {
            sent,
            done,
            failed,
            more,
        };
        for (documents, text) in [
            (
                documents(0, 0, 0, false),
                "the request was in flight and is given up",
            ),
            (
                documents(1, 0, 0, false),
                "0 documents done, 1 in flight and given up",
            ),
            (
                documents(1, 1, 0, true),
                "1 document done, the rest not sent",
            ),
        ] {
            assert_eq!(documents.to_string(), text);
        }
    }
}
