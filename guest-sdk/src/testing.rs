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
//! leaving out `parameters` for other executors, time limits, and running
//! exclusive handlers one at a time.
//!
//! This module does not exist in a component.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use wasm_flow_document::Struct;

use crate::handler::Running;
use crate::source::Source;
use crate::{
    DocumentArray, Error, Executor, Json, Parameters, Result, Setup, commit, config, log, raw,
};

/// The endpoint of `#[requests]` without `on`.
const DEFAULT: &str = "/default";

/// Runs a future to completion on this thread.
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
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
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
}

impl<E: Executor> TestExecutor<E> {
    /// Starts an executor with this `uses_with`, as replica 0 of an executor that
    /// has its type's name.
    ///
    /// # Errors
    /// If the configuration does not fit, or if `new` fails.
    pub fn start(uses_with: Json) -> Result<Self> {
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
        let name = E::describe().name;
        let object = |json| match json {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        TestExecutor::start_with(Setup::new(
            uses_with,
            object(serde_json::json!({ "name": name, "description": "", "workspace": "" })),
            routes::<E>(),
            object(serde_json::json!({
                "name": format!("{name}/rep-0"),
                "executor": name,
                "replica": 0,
                "replicas": 1,
            })),
        ))
    }

    /// Starts an executor with a setup. [`Setup::requests`] decides which endpoint
    /// calls which handler.
    ///
    /// # Errors
    /// If the configuration does not fit, or if `new` fails.
    pub fn start_with(setup: Setup) -> Result<Self> {
        let routes = setup.requests().clone();
        let running = block_on(Running::start(setup))?;
        Ok(TestExecutor { running, routes })
    }

    /// An executor that was made by hand.
    pub fn of(executor: E) -> Self {
        TestExecutor {
            running: Running::new(executor, Setup::default()),
            routes: routes::<E>(),
        }
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
        self.running
            .handle(&method, request.clone(), docs.share(), docs.length())
            .await?;
        let answer = request.answer.take();
        let results = answer.results.as_deref().map(|results| {
            sent(
                "what was returned",
                &config::parse_object(results).map_err(Error::new)?,
            )
        });
        Ok(Reply {
            docs: Source::new(answer.docs.unwrap_or(docs)).documents().into(),
            results: results.transpose()?,
        })
    }

    /// Stops the executor as the host does, and returns it.
    ///
    /// # Errors
    /// If a call is in flight.
    pub fn stop(self) -> Result<E> {
        block_on(self.running.stop())?;
        Ok(self.running.into_inner())
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
