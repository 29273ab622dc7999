//! `wasm-flow run`: a flow behind its gateway, or over a file.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::json;
use tokio::task::JoinHandle;

use super::terminal::Lines;
use super::{Error, Format, Result, input, launch, print, progress, shutdown, terminal};
use crate::document::DocumentArray;
use crate::flow::{
    DRY_RUN, Flow, GatewayConfig, LateProblem, Parameters, Place, Request, Response, Started,
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
    /// stop. Ctrl-C gives up what is in flight; the exit status is 130 then.
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
    let mut signals = shutdown::listen(shutdown::INTERRUPTED);
    let outcome = batch(
        &flow,
        endpoint,
        requests,
        &args,
        loaded.config.gateway.prefetch,
        format,
        signals.first(),
    )
    .await;
    let result = outcome.result();
    stop(&flow, signals).await;
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
    let signals = shutdown::listen(1);
    announce(&gateway, flow.name(), &executors, format);
    let served = gateway.serve(signals.requested()).await;
    flow.stop().await;
    Ok(served?)
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

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    requests: usize,
    answered: usize,
    failed: usize,
    documents: Documents,
    /// A signal came before all was answered.
    interrupted: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Documents {
    total: usize,
    sent: usize,
    done: usize,
    failed: usize,
}

impl Outcome {
    fn result(&self) -> Result<()> {
        if self.interrupted {
            // Now, and not where the program ends: executors may take their time
            // to stop, and a second signal does not wait for them.
            terminal::error(&format!("interrupted: {}", self.documents));
            return Err(Error::Interrupted);
        }
        match (self.failed, self.requests) {
            (0, _) => Ok(()),
            (failed, total) => Err(Error::Requests { failed, total }),
        }
    }
}

/// What became of the documents of a batch that was interrupted.
impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Documents {
            total,
            sent,
            done,
            failed,
        } = self;
        if total == 0 {
            return f.write_str("the request was in flight and is given up");
        }
        let plural = if total == 1 { "" } else { "s" };
        write!(f, "of {total} document{plural} {done} done")?;
        for (count, what) in [
            (failed, "failed"),
            (sent.saturating_sub(done + failed), "in flight and given up"),
            (total.saturating_sub(sent), "not sent"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// A call on a task of its own, so that requests use all cores. Nobody is left
/// to take the answer when this is dropped, and the call ends.
struct Task(JoinHandle<Response>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends requests through a flow, several at a time, and prints what comes out
/// in the order of what went in. When it is interrupted, what was printed until
/// then comes from the first of the documents, without a gap.
async fn batch(
    flow: &Flow,
    endpoint: &str,
    requests: Vec<DocumentArray>,
    args: &Args,
    prefetch: NonZeroUsize,
    format: Format,
    interrupted: impl Future<Output = ()>,
) -> Outcome {
    let mut outcome = Outcome {
        requests: requests.len(),
        ..Outcome::default()
    };
    // Whether an executor did anything at all.
    let mut handled = false;
    outcome.documents.total = requests.iter().map(DocumentArray::len).sum();
    let sent = Cell::new(0);
    let parameters = Parameters::from(args.input.parameters());
    let progress = progress::Progress::new(outcome.requests);
    let mut answers = futures::stream::iter(requests)
        .map(|docs| {
            let count = docs.len();
            sent.set(sent.get() + count);
            let request = Request {
                target: args.input.target().unwrap_or_default().to_owned(),
                parameters: parameters.clone(),
                ..Request::new(endpoint, docs)
            };
            let flow = flow.clone();
            let progress = &progress;
            let mut call = Task(tokio::spawn(async move { flow.call(request).await }));
            async move {
                let answer = (&mut call.0).await;
                progress.step();
                (count, answer)
            }
        })
        .buffered(prefetch.get());
    tokio::pin!(interrupted);
    while outcome.answered < outcome.requests {
        let next = tokio::select! {
            // First, as a fast flow always has an answer ready.
            biased;
            () = &mut interrupted => {
                outcome.interrupted = true;
                break;
            }
            next = answers.next() => next,
        };
        let Some((count, answer)) = next else { break };
        outcome.answered += 1;
        let mut done = false;
        progress.beside(|| match answer {
            Ok(response) => {
                handled |= response.hops.iter().any(|hop| hop.end.is_some());
                done = told(&response, args.print, format);
            }
            Err(error) => terminal::error(&format!("a request was given up: {error}")),
        });
        if done {
            outcome.documents.done += count;
        } else {
            outcome.failed += 1;
            outcome.documents.failed += count;
        }
    }
    drop(answers);
    outcome.documents.sent = sent.get();
    match outcome.interrupted {
        true => progress.gone(),
        false => progress.done(),
    }
    if !handled && outcome.answered > outcome.failed {
        terminal::note(&format!(
            "warning: {}",
            passed_by(flow, endpoint, args.input.target())
        ));
    }
    outcome
}

/// What is to be said where every executor was passed by: as a rule the endpoint
/// or the target is misspelt.
fn passed_by(flow: &Flow, endpoint: &str, target: Option<&str>) -> String {
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

/// Stops the executors. Calls that a guest is busy with come to their end first.
async fn stop(flow: &Flow, mut signals: shutdown::Signals) {
    let stopping = flow.stop();
    tokio::pin!(stopping);
    tokio::select! {
        biased;
        () = &mut stopping => return,
        () = signals.first() => {}
    }
    terminal::note("stopping the executors; once more to stop at once");
    stopping.await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Call;
    use crate::flow::testing::{Functions, failure, flow, reply};
    use clap::Parser;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::Notify;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    /// Two documents a request.
    async fn run(functions: Functions, requests: usize, signal: &Notify) -> Outcome {
        let flow = flow([("a", &[], functions)]);
        let args = Cli::try_parse_from(["run", "--on", "/x"]).unwrap().args;
        let requests = (0..requests)
            .map(|number| DocumentArray::from_texts([number.to_string(), "x".to_owned()]))
            .collect();
        let prefetch = NonZeroUsize::new(3).unwrap();
        let interrupted = signal.notified();
        batch(
            &flow,
            "/x",
            requests,
            &args,
            prefetch,
            Format::Text,
            interrupted,
        )
        .await
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
        assert_eq!(
            outcome,
            Outcome {
                requests: 10,
                answered: 2,
                failed: 1,
                documents: Documents {
                    total: 20,
                    sent: 10,
                    done: 2,
                    failed: 2,
                },
                interrupted: true,
            }
        );
        assert_eq!(
            outcome.documents.to_string(),
            "of 20 documents 2 done, 2 failed, 6 in flight and given up, 10 not sent"
        );
        assert!(matches!(outcome.result(), Err(Error::Interrupted)));
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
        assert_eq!((outcome.answered, outcome.interrupted), (7, false));
        assert!(outcome.result().is_ok());
    }

    #[test]
    fn what_became_of_documents() {
        let documents = |total, sent, done, failed| Documents {
            total,
            sent,
            done,
            failed,
        };
        for (documents, text) in [
            (
                documents(0, 0, 0, 0),
                "the request was in flight and is given up",
            ),
            (
                documents(1, 1, 0, 0),
                "of 1 document 0 done, 1 in flight and given up",
            ),
            (documents(9, 5, 5, 0), "of 9 documents 5 done, 4 not sent"),
        ] {
            assert_eq!(documents.to_string(), text);
        }
    }
}
