//! Documents from files and the command line, a request at a time.
//!
//! Input is read while earlier requests are answered, and no faster: a file may
//! be larger than memory, and a pipe need not end.

mod error;
mod format;
mod json;
mod lines;
mod pending;
mod source;
mod source_info;
mod stop;
mod utf8;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wasm_flow_document::{Document, DocumentArray, Struct};

use super::progress::Extent;
use crate::bounds::{INPUT_PAUSE, MAX_REQUEST, READ_AHEAD};
use format::InputFormat;
use pending::{Piece, ReadDocument};
use source::Source;

pub(super) use error::InputError;

/// Where documents come from, as `run --on` and `post` take it. All of these need
/// `--on`, which each command declares itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file of documents: text, a document a line; JSON lines; or JSON. `-` is
    /// standard input.
    #[arg(long, value_name = "FILE", requires = "on")]
    input: Option<PathBuf>,
    /// How the file is to be read.
    #[arg(long, value_enum, default_value_t, requires_all = ["on", "input"])]
    input_format: InputFormat,
    /// A document with this text; may be given several times.
    #[arg(long, value_name = "TEXT", requires = "on", conflicts_with = "input")]
    text: Vec<String>,
    /// Documents in one request. It has fewer if the input pauses or ends, or if
    /// the documents are large.
    #[arg(long, value_name = "N", requires = "on", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    request_size: u32,
    /// Parameters for the executors, as a JSON object.
    #[arg(long, value_name = "JSON", requires = "on", value_parser = parameters)]
    parameters: Option<Map<String, Value>>,
    /// Only the executors whose name begins with what this regular expression
    /// matches.
    #[arg(long, value_name = "REGEX", requires = "on")]
    target: Option<String>,
}

/// A JSON object of the command line.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("not a JSON object, as in {\"top_k\": 3}".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// Parameters as a gateway gives them to executors. They cross the wire as a
/// `google.protobuf.Struct`, whose only numbers are 64-bit floats; without the
/// wire, they must not become something else.
fn parameters(text: &str) -> Result<Map<String, Value>, String> {
    let sent = Struct::from_map(&object(text)?).map_err(|error| error.to_string())?;
    Ok(sent.to_map())
}

/// The documents of one request.
#[derive(Debug)]
pub(super) struct RequestDocs {
    pub(super) docs: DocumentArray,
    /// The input's position behind the last of them, in bytes.
    pub(super) position: u64,
    /// Held until the request is answered.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// Documents on their way from a file, a pipe or the command line.
pub(super) struct Input {
    pieces: mpsc::Receiver<Piece>,
    waiting: VecDeque<ReadDocument>,
    cost: usize,
    request_size: usize,
    budget: Arc<Semaphore>,
    /// For how long a request may wait for its next document.
    pause: Option<Duration>,
    ended: bool,
    /// No request was taken yet: one is due, even without documents.
    untouched: bool,
    /// Taken, and put back.
    first: Option<Result<RequestDocs, InputError>>,
    extent: Extent,
}

impl Args {
    /// Begins to read.
    ///
    /// # Errors
    /// If there is no such file, or it is not one of documents.
    pub(super) fn open(&self) -> Result<Input, InputError> {
        let request_size = self.request_size as usize;
        let Some(path) = &self.input else {
            let (_, pieces) = mpsc::channel(1);
            let waiting: VecDeque<_> = self
                .text
                .iter()
                .map(|text| ReadDocument {
                    doc: Document::from_text(text.as_str()),
                    cost: ReadDocument::OVERHEAD + text.len(),
                    position: 0,
                })
                .collect();
            return Ok(Input {
                pieces,
                request_size,
                budget: budget(),
                pause: None,
                ended: true,
                untouched: true,
                first: None,
                extent: Extent::Requests(waiting.len().div_ceil(request_size).max(1)),
                cost: waiting.iter().map(|doc| doc.cost).sum(),
                waiting,
            });
        };
        let (sender, pieces) = mpsc::channel(2);
        let source = Source::open(path, self.input_format)?;
        let length = source.length();
        source.read(sender)?;
        Ok(Input {
            pieces,
            waiting: VecDeque::new(),
            cost: 0,
            request_size,
            budget: budget(),
            pause: length.is_none().then_some(INPUT_PAUSE),
            ended: false,
            untouched: true,
            first: None,
            extent: length.map_or(Extent::Unknown, Extent::Bytes),
        })
    }

    pub(super) fn parameters(&self) -> Map<String, Value> {
        self.parameters.clone().unwrap_or_default()
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(READ_AHEAD as usize))
}

impl Input {
    /// How much there is to do.
    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    /// Whether nothing is left, as far as is known without waiting.
    pub(super) fn is_at_end(&self) -> bool {
        self.ended && self.waiting.is_empty() && self.first.is_none() && !self.untouched
    }

    /// Waits for the first request's documents, and keeps them: a file that is
    /// wrong from the start is refused before anything is built for it. A pipe is
    /// not waited for.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) async fn check_beginning(&mut self) -> Result<(), InputError> {
        if self.pause.is_some() {
            return Ok(());
        }
        match self.next().await {
            Some(Err(error)) => Err(error),
            first => {
                self.first = first;
                Ok(())
            }
        }
    }

    /// The documents of the next request. If an error occurs within a request, none of
    /// that request's documents are sent.
    pub(super) async fn next(&mut self) -> Option<Result<RequestDocs, InputError>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.is_full() && !self.ended {
            let piece = match self.pause {
                Some(pause) if !self.waiting.is_empty() => {
                    match tokio::time::timeout(pause, self.pieces.recv()).await {
                        Ok(piece) => piece,
                        Err(_) => break,
                    }
                }
                _ => self.pieces.recv().await,
            };
            match piece {
                Some(Ok(piece)) => {
                    self.cost += piece.iter().map(|doc| doc.cost).sum::<usize>();
                    self.waiting.extend(piece);
                }
                Some(Err(error)) => {
                    self.waiting.clear();
                    self.ended = true;
                    self.untouched = false;
                    return Some(Err(error));
                }
                None => self.ended = true,
            }
        }
        if self.waiting.is_empty() && !self.untouched {
            return None;
        }
        self.untouched = false;
        Some(Ok(self.take_request().await))
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= self.request_size || self.cost >= MAX_REQUEST
    }

    async fn take_request(&mut self) -> RequestDocs {
        let (mut docs, mut cost, mut position) = (Vec::new(), 0, 0);
        while docs.len() < self.request_size && cost < MAX_REQUEST {
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            cost += next.cost;
            position = next.position;
            docs.push(Arc::new(next.doc));
        }
        self.cost -= cost;
        let permits = u32::try_from(cost).unwrap_or(READ_AHEAD).min(READ_AHEAD);
        let budget = Arc::clone(&self.budget);
        RequestDocs {
            docs: DocumentArray::from(docs),
            position,
            // The semaphore is never closed.
            permit: budget.acquire_many_owned(permits).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(pieces: Vec<Piece>, request_size: usize, pause: Option<Duration>) -> Input {
        let (sender, receiver) = mpsc::channel(pieces.len() + 1);
        for piece in pieces {
            sender.try_send(piece).ok().unwrap();
        }
        if pause.is_some() {
            // It stays open.
            std::mem::forget(sender);
        }
        Input {
            pieces: receiver,
            waiting: VecDeque::new(),
            cost: 0,
            request_size,
            budget: budget(),
            pause,
            ended: false,
            untouched: true,
            first: None,
            extent: Extent::Unknown,
        }
    }

    fn piece(docs: usize, cost: usize) -> Piece {
        Ok((0..docs)
            .map(|number| ReadDocument {
                doc: Document::from_text(number.to_string()),
                cost,
                position: 0,
            })
            .collect())
    }

    async fn sizes(mut input: Input) -> Vec<Option<usize>> {
        let mut sizes = Vec::new();
        while let Some(request) = input.next().await {
            sizes.push(request.ok().map(|request| request.docs.len()));
        }
        sizes
    }

    #[tokio::test]
    async fn requests_are_cut_from_pieces_of_any_size() {
        let pieces = vec![piece(3, 1), piece(5, 1), piece(1, 1)];
        let cut = sizes(input(pieces, 4, None)).await;
        assert_eq!(cut, [Some(4), Some(4), Some(1)]);
        let exact = sizes(input(vec![piece(8, 1)], 4, None)).await;
        assert_eq!(exact, [Some(4), Some(4)]);
        assert_eq!(sizes(input(Vec::new(), 4, None)).await, [Some(0)]);
    }

    #[tokio::test]
    async fn large_documents_close_a_request_early() {
        let pieces = vec![piece(5, MAX_REQUEST / 2)];
        let cut = sizes(input(pieces, 100, None)).await;
        assert_eq!(cut, [Some(2), Some(2), Some(1)]);
    }

    #[tokio::test]
    async fn an_error_takes_its_request_with_it() {
        let error = || InputError::BinaryName {
            file: String::new(),
        };
        let pieces = vec![piece(5, 1), Err(error())];
        assert_eq!(sizes(input(pieces, 4, None)).await, [Some(4), None]);
        let mut early = input(vec![piece(3, 1), Err(error())], 4, None);
        assert!(early.check_beginning().await.is_err());
    }

    #[tokio::test]
    async fn a_pause_closes_a_request() {
        let mut input = input(vec![piece(3, 1)], 4, Some(Duration::from_millis(20)));
        let request = input.next().await.unwrap().unwrap();
        assert_eq!(request.docs.len(), 3);
    }

    #[tokio::test]
    async fn what_is_in_flight_is_bounded() {
        let cost = READ_AHEAD as usize / 2;
        let mut input = input(vec![piece(3, cost)], 1, None);
        let first = input.next().await.unwrap().unwrap();
        let _second = input.next().await.unwrap().unwrap();
        let mut third = Box::pin(input.next());
        let wait = tokio::time::timeout(Duration::from_millis(20), &mut third).await;
        assert!(wait.is_err(), "the budget is spent");
        drop(first);
        assert!(third.await.is_some());
    }

    #[test]
    fn parameters_are_what_they_are_behind_the_wire() {
        let read = |text| Value::Object(parameters(text).unwrap()).to_string();
        assert_eq!(
            read(r#"{"a": 1, "b": 1.0, "c": 12345678901234567890, "d": [2.0, 0.5]}"#),
            r#"{"a":1,"b":1,"c":1.2345678901234567e+19,"d":[2,0.5]}"#
        );
        let deep = "{\"a\":".repeat(40) + "1" + &"}".repeat(40);
        assert!(parameters(&deep).unwrap_err().contains("nested deeper"));
    }
}
