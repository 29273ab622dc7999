//! What an executor is told of itself and of the request.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::{DocumentArray, raw};

/// What the executor was started with, beside its configuration: its name, its
/// metas, which endpoint calls which method.
///
/// `new` and the handlers get it by asking for it: `new(config: Config, setup:
/// Setup)` keeps it, and a handler's [`Context`] has it as well. Cheap to clone.
#[derive(Clone)]
pub struct Setup(Rc<Inner>);

struct Inner {
    uses_with: Map<String, Value>,
    metas: Map<String, Value>,
    requests: BTreeMap<String, String>,
    runtime_args: Map<String, Value>,
}

impl Setup {
    /// A setup of these parts, each of which may be empty.
    pub fn new(
        uses_with: Map<String, Value>,
        metas: Map<String, Value>,
        requests: BTreeMap<String, String>,
        runtime_args: Map<String, Value>,
    ) -> Self {
        Setup(Rc::new(Inner {
            uses_with,
            metas,
            requests,
            runtime_args,
        }))
    }

    /// The name of this replica: the executor's name in the flow, and which
    /// replica it is, as in `encode/rep-0`.
    pub fn name(&self) -> &str {
        text(&self.0.runtime_args, "name")
    }

    /// The executor's name in the flow, without its replica: `encode`.
    pub fn executor(&self) -> &str {
        text(&self.0.runtime_args, "executor")
    }

    /// Which replica this is, from 0.
    pub fn replica(&self) -> u32 {
        number(&self.0.runtime_args, "replica", 0)
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> u32 {
        number(&self.0.runtime_args, "replicas", 1)
    }

    /// `uses_metas`, with at least `name`, `description` and `workspace`.
    pub fn metas(&self) -> &Map<String, Value> {
        &self.0.metas
    }

    /// `name` of the metas: what the component calls itself, its type's name,
    /// unless `uses_metas` says otherwise. The name in the flow is
    /// [`executor`](Setup::executor).
    pub fn meta_name(&self) -> &str {
        text(&self.0.metas, "name")
    }

    /// `description` of the metas.
    pub fn description(&self) -> &str {
        text(&self.0.metas, "description")
    }

    /// The folder that the executor may keep files in, if it has one.
    pub fn workspace(&self) -> Option<&str> {
        Some(text(&self.0.metas, "workspace")).filter(|path| !path.is_empty())
    }

    /// Endpoint to method, after `uses_requests`.
    pub fn requests(&self) -> &BTreeMap<String, String> {
        &self.0.requests
    }

    /// What the host adds: `name`, `executor`, `replica`, `replicas`, and what
    /// later hosts have to say.
    pub fn runtime_args(&self) -> &Map<String, Value> {
        &self.0.runtime_args
    }

    /// The configuration as it was given.
    pub fn uses_with(&self) -> &Map<String, Value> {
        &self.0.uses_with
    }
}

impl Default for Setup {
    fn default() -> Self {
        Setup::new(Map::new(), Map::new(), BTreeMap::new(), Map::new())
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("uses_with", self.uses_with())
            .field("metas", self.metas())
            .field("requests", self.requests())
            .field("runtime_args", self.runtime_args())
            .finish()
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(map: &Map<String, Value>, key: &str, default: u32) -> u32 {
    map.get(key)
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(default)
}

/// The request that a handler is called for. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    request_id: Rc<str>,
    endpoint: Rc<str>,
    request: Option<Rc<raw::Request>>,
    setup: Setup,
}

impl Context {
    /// A context without a host, to call a handler with: of the endpoint, with
    /// an empty request id and no bound on time.
    pub fn new(endpoint: impl Into<String>, setup: Setup) -> Self {
        Context {
            request_id: "".into(),
            endpoint: endpoint.into().into(),
            request: None,
            setup,
        }
    }

    pub(crate) fn of(request: Rc<raw::Request>, setup: Setup) -> Self {
        Context {
            request_id: request.id().into(),
            endpoint: request.endpoint().into(),
            request: Some(request),
            setup,
        }
    }

    /// The id that the client gave the request.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The endpoint that the client called, as it wrote it: a default handler
    /// sees here what it stands in for.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How long it is until the host gives this call up, if there is a bound.
    pub fn time_left(&self) -> Option<Duration> {
        self.request.as_ref()?.time_left().map(Duration::from_nanos)
    }

    /// The executor's name in the flow, `encode`, as a predecessor's
    /// [`Part::executor`] is. [`Setup::name`] has the replica with it.
    pub fn executor(&self) -> &str {
        self.setup.executor()
    }

    /// What the executor was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.request_id())
            .field("endpoint", &self.endpoint())
            .field("executor", &self.executor())
            .finish()
    }
}

/// The request's documents by predecessor, before they were joined. It derefs
/// to a slice of [`Part`]s.
///
/// Empty when the request holds no document. To read: what is to go on is put
/// into the request's documents, or returned.
#[derive(Debug, Clone, Default)]
pub struct DocsMatrix(Vec<Part>);

/// The documents that one predecessor in the flow sent.
#[derive(Debug, Clone)]
pub struct Part {
    executor: String,
    docs: DocumentArray,
}

impl Part {
    /// What this predecessor sent.
    pub fn new(executor: impl Into<String>, docs: impl Into<DocumentArray>) -> Self {
        Part {
            executor: executor.into(),
            docs: docs.into(),
        }
    }

    /// The executor that they come from; `gateway` for the flow's first.
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// The documents.
    pub fn docs(&self) -> &DocumentArray {
        &self.docs
    }
}

impl FromIterator<Part> for DocsMatrix {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        DocsMatrix(parts.into_iter().collect())
    }
}

impl Deref for DocsMatrix {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a DocsMatrix {
    type Item = &'a Part;
    type IntoIter = std::slice::Iter<'a, Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
