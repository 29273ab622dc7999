//! Documents that are to be sent, and how.

use std::fmt;
use std::future::IntoFuture;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use serde_json::{Map, Value};
use wasm_flow_contract::parameters::{NotAnObject, object};
use wasm_flow_document::{Document, DocumentArray};

use super::answers::{Answers, OnResponse};
use super::message::{PostRequest, PostResponse};
use super::progress::Progress;
use super::requests::{Sending, Source};
use super::{BoxError, Client, ClientError, PostOptions};

/// How many documents a request has if nothing else is said: as many as Jina's client
/// puts in one.
pub const REQUEST_SIZE: usize = 100;

/// Documents that are to be sent to an endpoint, and how: [`Client::post`] makes it.
///
/// Nothing is sent until it is awaited, or until [`stream`](Post::stream) or
/// [`responses`](Post::responses) is. Then the documents go in requests of
/// [`request_size`](Post::request_size), all in one gRPC stream, and are read no faster
/// than the gateway takes them: an iterator or a stream of them may be larger than
/// memory, and need not end.
///
/// ```no_run
/// use futures::StreamExt as _;
/// use serde_json::json;
/// use wasm_flow_document::DocumentArray;
/// use wasm_flow_gateway::client::Client;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("grpc://127.0.0.1:54321").await?;
///
/// // All documents of the answers, in the order of the requests.
/// let docs = client
///     .post("/index")
///     .docs(DocumentArray::from_texts(["a", "b"]))
///     .parameters(json!({ "top_k": 10 }))
///     .await?;
/// # drop(docs);
///
/// // A stream of answers, as they come.
/// let texts = (0..1_000_000).map(|n| wasm_flow_document::Document::from_text(n.to_string()));
/// let mut answers = client.post("/index").docs(texts).prefetch(20).stream().await?;
/// while let Some(answer) = answers.next().await {
///     println!("{} documents", answer?.docs.len());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct Post {
    client: Client,
    endpoint: String,
    target: Option<String>,
    parameters: Result<Map<String, Value>, NotAnObject>,
    source: Source,
    request_size: usize,
    options: PostOptions,
    on_response: Option<OnResponse>,
}

impl Post {
    pub(super) fn new(client: Client, endpoint: String) -> Post {
        Post {
            client,
            endpoint,
            target: None,
            parameters: Ok(Map::new()),
            source: Source::Documents(stream::empty().boxed()),
            request_size: REQUEST_SIZE,
            options: PostOptions::default(),
            on_response: None,
        }
    }

    /// The documents, in place of those that were given before: a
    /// [`DocumentArray`], a list or an iterator of documents. Without any, one request
    /// without documents is sent.
    ///
    /// An iterator is asked for the next document when there is room for one, on a task
    /// of the connection. If it has to wait, for a file as an example, use
    /// [`docs_stream`](Post::docs_stream).
    pub fn docs<I>(self, docs: I) -> Post
    where
        I: IntoIterator<Item: Into<Arc<Document>> + Send + 'static, IntoIter: Send + 'static>,
    {
        self.docs_stream(stream::iter(docs))
    }

    /// Documents that come one after the other. A request is sent when it has
    /// [`request_size`](Post::request_size) documents, or as it is if the stream pauses
    /// for half a second.
    pub fn docs_stream<S>(self, docs: S) -> Post
    where
        S: Stream<Item: Into<Arc<Document>> + Send + 'static> + Send + 'static,
    {
        let docs = docs.map(|doc| Ok(doc.into()));
        self.from(Source::Documents(docs.boxed()))
    }

    /// The same of documents that may fail to come. An error ends the documents: what
    /// was read before it is sent and answered, and [`ClientError::Input`] comes last.
    pub fn try_docs_stream<S, D, E>(self, docs: S) -> Post
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Arc<Document>> + 'static,
        E: Into<BoxError> + 'static,
    {
        let docs = docs.map_ok(Into::into).map_err(Into::into);
        self.from(Source::Documents(docs.boxed()))
    }

    /// The documents of each request, in place of [`docs`](Post::docs) and
    /// [`request_size`](Post::request_size).
    pub fn batches<S>(self, batches: S) -> Post
    where
        S: Stream<Item = DocumentArray> + Send + 'static,
    {
        self.from(Source::Requests(batches.map(Ok).boxed()))
    }

    fn from(self, source: Source) -> Post {
        Post { source, ..self }
    }

    /// How many documents a request has at most: 100, if it is not said. With 0, nothing
    /// is sent, and the error says so.
    pub fn request_size(self, request_size: usize) -> Post {
        Post {
            request_size,
            ..self
        }
    }

    /// Parameters for the executors: a JSON object, with `name__key` for a key that is
    /// meant for the executor `name` alone.
    pub fn parameters(self, parameters: impl Into<Value>) -> Post {
        Post {
            parameters: object(parameters),
            ..self
        }
    }

    /// The executors that are meant: a regular expression for the beginning of their
    /// names. The others pass the documents on.
    pub fn target_executor(self, pattern: impl Into<String>) -> Post {
        Post {
            target: Some(pattern.into()),
            ..self
        }
    }

    /// Has [`stream`](Post::stream) give the answers in the order of the requests, and
    /// not as they come. The gateway keeps those back that are too early.
    pub fn in_order(self) -> Post {
        let options = PostOptions {
            in_order: true,
            ..self.options
        };
        Post { options, ..self }
    }

    /// How many requests may be in flight; the gateway's own number, if it is not said.
    /// A gateway may allow fewer.
    pub fn prefetch(self, prefetch: usize) -> Post {
        let options = PostOptions {
            prefetch: Some(prefetch),
            ..self.options
        };
        Post { options, ..self }
    }

    /// Compresses messages, both ways.
    pub fn compress(self) -> Post {
        let options = PostOptions {
            compress: true,
            ..self.options
        };
        Post { options, ..self }
    }

    /// Calls a function for each answer that comes, before it is given out: to show how
    /// far the call is, or to count.
    pub fn on_response(
        self,
        function: impl FnMut(&PostResponse, &Progress) + Send + 'static,
    ) -> Post {
        Post {
            on_response: Some(Box::new(function)),
            ..self
        }
    }

    /// Begins to send, and gives the answers as they come: one for each request, those
    /// that failed in the flow included.
    ///
    /// # Errors
    /// When a setting is one that cannot be, or the gateway cannot be reached. If it
    /// refuses the call, that is the first item.
    pub async fn stream(self) -> Result<Answers, ClientError> {
        let Post {
            client,
            endpoint,
            target,
            parameters,
            source,
            request_size,
            options,
            on_response,
        } = self;
        let parameters = parameters.map_err(ClientError::NotAnObject)?;
        let request_size = NonZeroUsize::new(request_size).ok_or(ClientError::RequestSize)?;
        let sending = Sending::default();
        let requests = sending.count(source.requests(request_size));
        let requests = requests.map(move |docs| PostRequest {
            endpoint: endpoint.clone(),
            target: target.clone(),
            parameters: parameters.clone(),
            docs,
        });
        let progress = Progress::begin();
        let answers = client.call(requests, options).await?;
        Ok(Answers::new(answers, sending, progress, on_response))
    }

    /// Sends all, and gives all answers in the order of the requests. A request that
    /// failed in the flow is among them.
    ///
    /// # Errors
    /// See [`stream`](Post::stream), and when the call does not come to its end.
    pub async fn responses(self) -> Result<Vec<PostResponse>, ClientError> {
        self.in_order().stream().await?.try_collect().await
    }

    async fn collect(self) -> Result<DocumentArray, ClientError> {
        let mut answers = self.in_order().stream().await?;
        let mut docs: Vec<Arc<Document>> = Vec::new();
        while let Some(response) = answers.try_next().await? {
            let response = response.into_result().map_err(Box::new);
            docs.extend(response.map_err(ClientError::Failed)?.docs);
        }
        Ok(docs.into())
    }
}

/// Sends all, and gives the documents of all answers in the order of the requests.
/// Dropping the future gives the requests up.
///
/// # Errors
/// See [`Post::stream`]. The first request that failed in the flow ends it with
/// [`ClientError::Failed`], and the others are given up.
impl IntoFuture for Post {
    type Output = Result<DocumentArray, ClientError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.collect())
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("endpoint", &self.endpoint)
            .field("target", &self.target)
            .field("parameters", &self.parameters)
            .field("request_size", &self.request_size)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
