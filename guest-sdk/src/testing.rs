//! Runs executors in tests, without a host.
//!
//! An executor is a plain object, and its handlers are plain functions:
//!
//! ```
//! use wasm_flow_sdk::prelude::*;
//! use wasm_flow_sdk::testing::block_on;
//!
//! #[derive(Default)]
//! struct Shout;
//!
//! #[executor]
//! impl Shout {
//!     #[requests]
//!     async fn shout(&self, docs: &mut DocumentArray) {
//!         for doc in docs.iter_mut() {
//!             doc.set_text(doc.text().to_uppercase());
//!         }
//!     }
//! }
//!
//! let mut docs = DocumentArray::from_texts(["hello"]);
//! block_on(Shout.shout(&mut docs));
//! assert_eq!(docs[0].text(), "HELLO");
//! ```
//!
//! [`TestExecutor`] does everything that a component does for a call: it makes the
//! executor from `uses_with`, finds the handler by its endpoint, lends it the
//! request's documents, and writes its changes back. Parameters and results are
//! converted as protobuf would convert them. What only the host does is missing:
//! leaving out `parameters` for other executors, time limits, what `flow.toml`
//! grants, and running exclusive handlers one at a time.
//!
//! A test answers the HTTP requests that an executor sends: with
//! [`TestExecutor::with_http`], with [`TestBuilder::with_http`] if `new` sends some,
//! and with [`with_http`] if a function of the executor is called directly.
//!
//! This module does not exist in a component.

pub(crate) mod http;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use wasm_flow_document::Struct;

use self::http::Answers;
use crate::handler::Running;
use crate::source::Source;
use crate::{
    DocumentArray, Error, ErrorContext as _, Executor, Json, Parameters, Result, Setup, commit,
    config, log, raw,
};

pub use self::http::Answer;

/// The endpoint of `#[requests]` without `on`.
const DEFAULT: &str = "/default";

/// Runs a future to completion on this thread, and in the meantime tasks that were
/// spawned there (`task::spawn`).
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        let polled = future.as_mut().poll(&mut context);
        #[cfg(feature = "task")]
        crate::task::poll(&mut context);
        if let Poll::Ready(output) = polled {
            return output;
        }
        std::thread::park();
    }
}

/// Runs a future whose HTTP requests are answered by a function.
///
/// ```
/// use wasm_flow_sdk::http::{self, HttpError, Request, Response};
/// use wasm_flow_sdk::testing::{block_on, with_http};
///
/// async fn page(name: &str) -> Result<String, HttpError> {
///     let response = http::get(format!("https://example.com/{name}")).await?;
///     Ok(response.error_for_status()?.text()?.to_owned())
/// }
///
/// let answer = |request: &Request| Ok(Response::new(200, request.path()));
/// assert_eq!(block_on(with_http(answer, page("a"))), Ok("/a".to_owned()));
/// ```
pub async fn with_http<How, F: Future>(answer: impl Answer<How>, future: F) -> F::Output {
    answer.into_answers().during(future).await
}

/// A message that was logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// How much it matters.
    pub level: log::Level,
    /// The message.
    pub message: String,
    /// Its fields.
    pub fields: Map<String, Value>,
}

thread_local! {
    static LOGGED: RefCell<Vec<Logged>> = const { RefCell::new(Vec::new()) };
}

/// What was logged on this thread since this was last called.
pub fn logged() -> Vec<Logged> {
    LOGGED.take()
}

pub(crate) fn record(logged: Logged) {
    let Logged {
        level,
        message,
        fields,
    } = &logged;
    eprintln!("{level:?}: {message} {}", serde_json::json!(fields));
    LOGGED.with_borrow_mut(|all| all.push(logged));
}

/// A started executor to which requests can be sent.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// use wasm_flow_sdk::testing::TestExecutor;
///
/// #[config]
/// struct Config { greeting: String }
///
/// struct Greeter { config: Config }
///
/// #[executor]
/// impl Greeter {
///     fn new(config: Config) -> Self {
///         Greeter { config }
///     }
///
///     #[requests(on = "/index")]
///     fn greet(&self, docs: &mut DocumentArray) -> Json {
///         for doc in docs.iter_mut() {
///             doc.set_text(format!("{} {}", self.config.greeting, doc.text()));
///         }
///         json!({ "greeted": docs.len() })
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let greeter = TestExecutor::<Greeter>::start(json!({ "greeting": "hello" }))?;
/// let reply = greeter.post("/index", ["world"])?;
/// assert_eq!(reply.docs[0].text(), "hello world");
/// assert_eq!(reply.results, Some(json!({ "greeted": 1 })));
///
/// let error = TestExecutor::<Greeter>::start(json!({ "greting": "hello" })).err().unwrap();
/// assert!(error.message().contains("did you mean `greeting`?"));
/// # Ok(())
/// # }
/// ```
pub struct TestExecutor<E: Executor> {
    running: Running<E>,
    routes: BTreeMap<String, String>,
    http: Option<Answers>,
}

/// Starts a [`TestExecutor`] in a world that is set up first: see
/// [`TestExecutor::builder`].
pub struct TestBuilder<E: Executor> {
    http: Option<Answers>,
    workspace: PathBuf,
    shard_id: u32,
    shards: u32,
    executor: PhantomData<fn() -> E>,
}

impl<E: Executor> TestBuilder<E> {
    /// Answers the HTTP requests of the executor, from `new` on. See
    /// [`TestExecutor::with_http`].
    #[must_use]
    pub fn with_http<How>(mut self, answer: impl Answer<How>) -> Self {
        self.http = Some(answer.into_answers());
        self
    }

    /// Gives the executor a workspace: a folder that it may keep files in.
    #[must_use]
    pub fn workspace(mut self, folder: impl Into<PathBuf>) -> Self {
        self.workspace = folder.into();
        self
    }

    /// Starts it as one of several shards: [`Setup::shard_id`] is `shard_id`, which
    /// counts from 0, and [`Setup::shards`] is `shards`.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    /// use wasm_flow_sdk::testing::TestExecutor;
    ///
    /// /// Counts from its own number on, in steps that leave out what others count.
    /// struct Counter {
    ///     next: u32,
    ///     step: u32,
    /// }
    ///
    /// #[executor]
    /// impl Counter {
    ///     fn new(setup: &Setup) -> Self {
    ///         Counter { next: setup.shard_id(), step: setup.shards() }
    ///     }
    ///
    ///     #[requests(on = "/count")]
    ///     fn count(&mut self, docs: &mut DocumentArray) {
    ///         for doc in docs.iter_mut() {
    ///             doc.set_text(self.next.to_string());
    ///             self.next += self.step;
    ///         }
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let counter = TestExecutor::<Counter>::builder().shard(1, 3).start(json!({}))?;
    /// let docs = counter.post("/count", ["", ""])?.docs;
    /// assert_eq!(docs.texts().collect::<Vec<_>>(), ["1", "4"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn shard(mut self, shard_id: u32, shards: u32) -> Self {
        self.shard_id = shard_id;
        self.shards = shards;
        self
    }

    /// Starts the executor: see [`TestExecutor::start`].
    ///
    /// # Errors
    /// If the configuration does not fit, if `new` fails, if the path of the workspace
    /// is not UTF-8, or if there is no such shard.
    pub fn start(self, uses_with: Json) -> Result<TestExecutor<E>> {
        let uses_with = match uses_with {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => {
                return Err(Error::msg(format_args!(
                    "`uses_with` must be a JSON object, not {}",
                    config::kind_of(&other)
                )));
            }
        };
        let workspace = self.workspace.to_str().with_context(|| {
            let shown = self.workspace.display();
            format!("the path of a workspace is text, and `{shown}` is not UTF-8")
        })?;
        let (shard_id, shards) = (self.shard_id, self.shards);
        if shard_id >= shards {
            return Err(Error::msg(format_args!(
                "there is no shard {shard_id} of {shards}: they count from 0"
            )));
        }
        let name = E::describe().name;
        let instance = match shards {
            1 => format!("{name}/rep-0"),
            _ => format!("{name}/shard-{shard_id}/rep-0"),
        };
        let object = |json| match json {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let metas = serde_json::json!({ "name": name, "description": "", "workspace": workspace });
        self.start_with(Setup::new(
            uses_with,
            object(metas),
            routes::<E>(),
            object(serde_json::json!({
                "name": instance,
                "executor": name,
                "replica": 0,
                "replicas": 1,
                "shard_id": shard_id,
                "shards": shards,
            })),
        ))
    }

    /// Starts the executor with a setup: see [`TestExecutor::start_with`].
    ///
    /// # Errors
    /// If the configuration does not fit, or if `new` fails.
    pub fn start_with(self, setup: Setup) -> Result<TestExecutor<E>> {
        let routes = setup.requests().clone();
        let running = block_on(answered(&self.http, Running::start(setup)))?;
        Ok(TestExecutor {
            running,
            routes,
            http: self.http,
        })
    }
}

impl<E: Executor> TestExecutor<E> {
    /// Starts an executor with this `uses_with`, as replica 0 of an executor that
    /// has its type's name.
    ///
    /// # Errors
    /// If the configuration does not fit, or if `new` fails.
    pub fn start(uses_with: Json) -> Result<Self> {
        TestExecutor::builder().start(uses_with)
    }

    /// Starts an executor with a setup. [`Setup::requests`] decides which endpoint
    /// calls which handler.
    ///
    /// # Errors
    /// If the configuration does not fit, or if `new` fails.
    pub fn start_with(setup: Setup) -> Result<Self> {
        TestExecutor::builder().start_with(setup)
    }

    /// Starts an executor whose `new` sends HTTP requests.
    ///
    /// ```
    /// use wasm_flow_sdk::http::{self, Request, Response};
    /// use wasm_flow_sdk::prelude::*;
    /// use wasm_flow_sdk::testing::TestExecutor;
    ///
    /// struct Labels {
    ///     labels: Vec<String>,
    /// }
    ///
    /// #[executor]
    /// impl Labels {
    ///     async fn new() -> Result<Self> {
    ///         let response = http::get("https://example.com/labels").await?;
    ///         Ok(Labels { labels: response.error_for_status()?.json()? })
    ///     }
    ///
    ///     #[requests]
    ///     fn count(&self) -> Json {
    ///         json!({ "labels": self.labels.len() })
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let labels = TestExecutor::<Labels>::builder()
    ///     .with_http(|_: &Request| Ok(Response::of_json(200, json!(["cat", "dog"]))))
    ///     .start(json!({}))?;
    /// assert_eq!(labels.post("/", [""])?.results, Some(json!({ "labels": 2 })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> TestBuilder<E> {
        TestBuilder {
            http: None,
            workspace: PathBuf::new(),
            shard_id: 0,
            shards: 1,
            executor: PhantomData,
        }
    }

    /// An executor that was made by hand.
    pub fn of(executor: E) -> Self {
        TestExecutor {
            running: Running::new(executor, Setup::default()),
            routes: routes::<E>(),
            http: None,
        }
    }

    /// Answers the HTTP requests of the executor from now on. Without this, they
    /// fail with [`ErrorKind::NoHost`](crate::http::ErrorKind::NoHost).
    ///
    /// The answer is a closure that takes the request and returns a response, or an
    /// error, as in `Err(ErrorKind::Timeout.into())`. It is called for each request
    /// that is sent, the target of a redirect included. It may be `async`, to await
    /// [`time::sleep`](crate::time::sleep) as a slow server, for example. Its
    /// argument's type has to be named:
    ///
    /// ```
    /// use wasm_flow_sdk::http::{self, Request, Response};
    /// use wasm_flow_sdk::prelude::*;
    /// use wasm_flow_sdk::testing::TestExecutor;
    /// use wasm_flow_sdk::time::{Duration, sleep};
    ///
    /// #[derive(Default)]
    /// struct Fetch;
    ///
    /// #[executor]
    /// impl Fetch {
    ///     #[requests]
    ///     async fn fetch(&self, docs: &mut DocumentArray) -> Result<()> {
    ///         for doc in docs.iter_mut() {
    ///             let request = Request::get(doc.text()).timeout(Duration::from_millis(20));
    ///             let page = request.send().await?.error_for_status()?;
    ///             doc.set_text(page.text()?);
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let fetch = TestExecutor::of(Fetch).with_http(async |request: &Request| {
    ///     if request.path() == "/slow" {
    ///         sleep(Duration::from_secs(60)).await;
    ///     }
    ///     Ok(Response::new(200, "a page"))
    /// });
    /// let reply = fetch.post("/", ["https://example.com/quick"])?;
    /// assert_eq!(reply.docs[0].text(), "a page");
    /// let error = fetch.post("/", ["https://example.com/slow"]).unwrap_err();
    /// assert_eq!(error.name(), "HttpTimeout");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If `new` sends requests, use [`builder`](TestExecutor::builder).
    #[must_use]
    pub fn with_http<How>(mut self, answer: impl Answer<How>) -> Self {
        self.http = Some(answer.into_answers());
        self
    }

    /// Sends documents to an endpoint and waits for the reply.
    ///
    /// If nothing is bound to the endpoint, the documents pass through unchanged,
    /// as in a flow.
    ///
    /// # Errors
    /// If the handler fails.
    pub fn post(&self, endpoint: &str, docs: impl Into<DocumentArray>) -> Result<Reply> {
        block_on(self.send(Post::new(endpoint).docs(docs)))
    }

    /// Sends a request with all that [`Post`] can set, and waits for the reply.
    ///
    /// # Errors
    /// If the handler fails.
    pub fn request(&self, post: Post) -> Result<Reply> {
        block_on(self.send(post))
    }

    /// Sends a request. Several can be in flight at once:
    /// `join!(executor.send(..), executor.send(..))`.
    ///
    /// # Errors
    /// If the handler fails.
    pub async fn send(&self, post: Post) -> Result<Reply> {
        let Parameters::<Map<_, _>>(parameters) = Parameters::from_json(post.parameters)?;
        let parameters = sent("parameters", &parameters)?;
        let docs = commit::build(post.docs.into_vec())?;
        let method = match post.method {
            Some(method) => Some(method),
            None => self
                .routes
                .get(&post.endpoint)
                .or_else(|| self.routes.get(DEFAULT))
                .cloned(),
        };
        let Some(method) = method else {
            return Ok(Reply {
                docs: Source::new(docs).documents().into(),
                results: None,
            });
        };
        let parts = if post.parts.is_empty() {
            vec![("gateway".to_owned(), Rc::new(docs.copy()?))]
        } else {
            post.parts
                .into_iter()
                .map(|(executor, docs)| Ok((executor, Rc::new(commit::build(docs.into_vec())?))))
                .collect::<Result<_>>()?
        };
        let request = Rc::new(raw::Request {
            id: post.request_id,
            endpoint: post.endpoint,
            parts,
            parameters: parameters.to_string(),
            deadline: post.time_left.map(|left| Instant::now() + left),
            answer: RefCell::default(),
        });
        let call = self
            .running
            .handle(&method, request.clone(), docs.share(), docs.length());
        answered(&self.http, call).await?;
        let answer = request.answer.take();
        let docs = match answer.sent.is_empty() {
            true => answer.docs.unwrap_or(docs),
            false => together(&answer.sent)?,
        };
        let results = answer.results.as_deref().map(|results| {
            sent(
                "what was returned",
                &config::parse_object(results).map_err(Error::new)?,
            )
        });
        Ok(Reply {
            docs: Source::new(docs).documents().into(),
            results: results.transpose()?,
        })
    }

    /// Stops the executor as the host does, and returns it.
    ///
    /// # Errors
    /// If a call is in flight.
    pub fn stop(self) -> Result<E> {
        block_on(answered(&self.http, self.running.stop()))?;
        Ok(self.running.into_inner())
    }
}

/// Documents that were sent one after the other.
fn together(sent: &[raw::Array]) -> Result<raw::Array> {
    let all = raw::Array::new();
    for docs in sent {
        all.extend(docs, &raw::Rows::All)?;
    }
    Ok(all)
}

/// Runs a future of an executor, whose requests these answer, if any.
async fn answered<F: Future>(answers: &Option<Answers>, future: F) -> F::Output {
    match answers {
        Some(answers) => answers.clone().during(future).await,
        None => future.await,
    }
}

/// An object as it arrives at the other end of a connection: all numbers are sent
/// as floats, and whole ones are read as integers.
fn sent(what: &str, object: &Map<String, Value>) -> Result<Json> {
    let sent = Struct::from_map(object).map_err(|error| Error::new(error).context(what))?;
    Ok(Value::Object(sent.to_map()))
}

fn routes<E: Executor>() -> BTreeMap<String, String> {
    E::describe()
        .methods
        .iter()
        .flat_map(|method| {
            method
                .endpoints
                .iter()
                .map(|endpoint| ((*endpoint).to_owned(), method.name.to_owned()))
        })
        .collect()
}

/// A request for [`TestExecutor::send`].
#[derive(Debug, Clone)]
pub struct Post {
    endpoint: String,
    method: Option<String>,
    request_id: String,
    docs: DocumentArray,
    parts: Vec<(String, DocumentArray)>,
    parameters: Json,
    time_left: Option<Duration>,
}

impl Post {
    /// A request to this endpoint, without documents or parameters.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Post {
            endpoint: endpoint.into(),
            method: None,
            request_id: "test".to_owned(),
            docs: DocumentArray::new(),
            parts: Vec::new(),
            parameters: Value::Object(Map::new()),
            time_left: None,
        }
    }

    /// Sets the documents.
    #[must_use]
    pub fn docs(mut self, docs: impl Into<DocumentArray>) -> Self {
        self.docs = docs.into();
        self
    }

    /// Sets the parameters, a JSON object. They arrive as a client's parameters do:
    /// a whole number is an integer, however it is written.
    #[must_use]
    pub fn parameters(mut self, parameters: Json) -> Self {
        self.parameters = parameters;
        self
    }

    /// Sets the id that handlers see in their context.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }

    /// Adds the documents of one predecessor. Without this, all documents are one
    /// part, from `gateway`.
    #[must_use]
    pub fn part(mut self, executor: impl Into<String>, docs: impl Into<DocumentArray>) -> Self {
        self.parts.push((executor.into(), docs.into()));
        self
    }

    /// Sets the time limit that handlers see in their context.
    #[must_use]
    pub fn time_left(mut self, time_left: Duration) -> Self {
        self.time_left = Some(time_left);
        self
    }

    /// Sets the handler to call, whatever the endpoint is bound to, as
    /// `uses_requests` does.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }
}

/// The reply to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The documents that go on.
    pub docs: DocumentArray,
    /// What the client gets under `parameters["__results__"]`.
    pub results: Option<Json>,
}
