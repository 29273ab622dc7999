//! Documents for a flow of this program.

use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use wasm_flow_contract::parameters::{NotAnObject, object};
use wasm_flow_contract::{Failure, FailureKind, Parameters, Request, Response, Service as _};
use wasm_flow_document::{Document, DocumentArray};
use wasm_flow_gateway::client::REQUEST_SIZE;

use super::flow::Flow;

/// Documents that are to be sent to an endpoint of a flow: [`Flow::post`] makes it.
///
/// Nothing is sent until it is awaited, or until [`responses`](FlowPost::responses) or
/// [`stream`](FlowPost::stream) is asked for. Then they go in requests of
/// [`request_size`](FlowPost::request_size) documents, several at a time, as a client
/// would send them.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct FlowPost {
    flow: Flow,
    endpoint: Arc<str>,
    docs: DocumentArray,
    parameters: Result<Map<String, Value>, NotAnObject>,
    target: String,
    request_size: usize,
    prefetch: NonZeroUsize,
}

/// Why documents do not come back from a flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The parameters are not a JSON object.
    #[error("these parameters cannot be sent: {0}")]
    Parameters(NotAnObject),
    /// A request cannot have so many documents.
    #[error("a request has at least one document, and `request_size` is 0")]
    RequestSize,
    /// A request failed in the flow.
    #[error(transparent)]
    Failed(Failure),
}

// Here and not beside `Flow`, which knows nothing of who sends requests.
impl Flow {
    /// Documents to be sent to an endpoint, as in `flow.post("/index", docs).await`: see
    /// [`FlowPost`] for parameters and for what executors return beside documents.
    pub fn post(&self, endpoint: impl Into<Arc<str>>, docs: impl Into<DocumentArray>) -> FlowPost {
        FlowPost::new(self.clone(), endpoint.into(), docs.into())
    }
}

impl FlowPost {
    fn new(flow: Flow, endpoint: Arc<str>, docs: DocumentArray) -> FlowPost {
        let prefetch = flow.gateway().prefetch;
        FlowPost {
            flow,
            endpoint,
            docs,
            parameters: Ok(Map::new()),
            target: String::new(),
            request_size: REQUEST_SIZE,
            prefetch,
        }
    }

    /// Parameters for the executors: a JSON object, with `name__key` for a key that is
    /// meant for the executor `name` alone.
    pub fn parameters(self, parameters: impl Into<Value>) -> FlowPost {
        FlowPost {
            parameters: object(parameters),
            ..self
        }
    }

    /// The executors that are meant: a regular expression for the beginning of their
    /// names. The others pass the documents on.
    pub fn target_executor(self, pattern: impl Into<String>) -> FlowPost {
        FlowPost {
            target: pattern.into(),
            ..self
        }
    }

    /// How many documents a request has at most: 100, if it is not said, as in Jina. With
    /// 0, nothing is sent, and the error says so.
    pub fn request_size(self, request_size: usize) -> FlowPost {
        FlowPost {
            request_size,
            ..self
        }
    }

    /// How many requests are in flight at most: what `flow.toml` says, or 1000. 0 is the
    /// same as 1.
    pub fn prefetch(self, prefetch: usize) -> FlowPost {
        FlowPost {
            prefetch: NonZeroUsize::new(prefetch).unwrap_or(NonZeroUsize::MIN),
            ..self
        }
    }

    /// The answers in the order of the requests, those that failed included. Dropping the
    /// stream gives up what is in flight.
    ///
    /// # Errors
    /// When a setting is one that cannot be. Nothing was sent then.
    ///
    /// # Panics
    /// When a stage of this program panics, which is passed on. An executor in its sandbox
    /// only fails its request.
    pub fn stream(self) -> Result<impl Stream<Item = Response> + Send + 'static, PostError> {
        let FlowPost {
            flow,
            endpoint,
            docs,
            parameters,
            target,
            request_size,
            prefetch,
        } = self;
        let parameters = Parameters::from(parameters.map_err(PostError::Parameters)?);
        let request_size = NonZeroUsize::new(request_size).ok_or(PostError::RequestSize)?;
        let answers = requests(docs, request_size).map(move |docs| {
            let request = Request {
                target: target.clone(),
                parameters: parameters.clone(),
                ..Request::new(Arc::clone(&endpoint), docs)
            };
            let call = flow.service().call(request);
            // Held for as long as the request is under way.
            let flow = flow.clone();
            let task = Task(tokio::spawn(async move {
                let response = call.await;
                drop(flow);
                response
            }));
            task.response()
        });
        Ok(answers.buffered(prefetch.get()))
    }

    /// The answers in the order of the requests, those that failed included: with the
    /// objects that executors returned, and which executors each request came to.
    /// Dropping the future gives up what is in flight.
    ///
    /// # Errors
    /// When a setting is one that cannot be. Nothing was sent then.
    pub async fn responses(self) -> Result<Vec<Response>, PostError> {
        Ok(self.stream()?.collect().await)
    }

    async fn collect(self) -> Result<DocumentArray, PostError> {
        let mut answers = std::pin::pin!(self.stream()?);
        let mut docs: Vec<Arc<Document>> = Vec::new();
        while let Some(response) = answers.next().await {
            if let Some(failure) = response.failure {
                return Err(PostError::Failed(Arc::unwrap_or_clone(failure)));
            }
            docs.extend(response.docs);
        }
        Ok(docs.into())
    }
}

/// Sends all, and gives the documents of all answers in the order of the requests.
/// Dropping the future gives up what is in flight.
///
/// # Errors
/// When a setting is one that cannot be. The first request that failed in the flow ends
/// it with [`PostError::Failed`], and those behind it are given up.
impl IntoFuture for FlowPost {
    type Output = Result<DocumentArray, PostError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.collect())
    }
}

/// The documents of each request: one request without documents if there are none.
fn requests(docs: DocumentArray, size: NonZeroUsize) -> BoxStream<'static, DocumentArray> {
    if docs.len() <= size.get() {
        return stream::iter([docs]).boxed();
    }
    let mut docs = docs.into_iter().peekable();
    let requests = std::iter::from_fn(move || {
        docs.peek()?;
        Some(docs.by_ref().take(size.get()).collect())
    });
    stream::iter(requests).boxed()
}

/// A request on a task of its own, so that requests use all cores. It is given up when
/// this is dropped.
struct Task(JoinHandle<Response>);

impl Task {
    async fn response(mut self) -> Response {
        let error = match (&mut self.0).await {
            Ok(response) => return response,
            Err(error) => error,
        };
        if let Ok(panic) = error.try_into_panic() {
            std::panic::resume_unwind(panic);
        }
        // Nobody else aborts it.
        let reason = "the tokio runtime is being shut down".to_owned();
        Response {
            docs: DocumentArray::new(),
            results: Map::new(),
            hops: Vec::new(),
            failure: Some(Arc::new(Failure::of_flow(
                FailureKind::Stopped,
                "FlowStopped",
                reason,
            ))),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
