//! What an executor can learn about itself and about the request.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::{DocumentArray, raw};

/// What the executor was started with, besides its configuration: its name, its
/// metas, and which endpoint calls which method.
///
/// `new` can take it as an argument and keep it, as in `new(config: Config,
/// setup: Setup)`. A handler's [`Context`] has it as well. Cheap to clone.
#[derive(Clone)]
pub struct Setup(Rc<Inner>);

struct Inner {
    uses_with: Map<String, Value>,
    metas: Map<String, Value>,
    requests: BTreeMap<String, String>,
    runtime_args: Map<String, Value>,
}

impl Setup {
    /// A setup made of these parts, each of which may be empty.
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

    /// The name of this instance: the executor's name in the flow, the shard if there
    /// are several, and the replica, as in `encode/rep-0` or `index/shard-1/rep-0`.
    pub fn name(&self) -> &str {
        text(&self.0.runtime_args, "name")
    }

    /// The executor's name in the flow, without its replica: `encode`.
    pub fn executor(&self) -> &str {
        text(&self.0.runtime_args, "executor")
    }

    /// The number of this replica, from 0. Each shard has a replica 0.
    pub fn replica(&self) -> u32 {
        number(&self.0.runtime_args, "replica", 0)
    }

    /// How many replicas there are, of each shard.
    pub fn replicas(&self) -> u32 {
        number(&self.0.runtime_args, "replicas", 1)
    }

    /// The number of the shard that this replica belongs to, from 0. Without shards,
    /// it is 0.
    pub fn shard_id(&self) -> u32 {
        number(&self.0.runtime_args, "shard_id", 0)
    }

    /// How many shards there are: 1 without.
    pub fn shards(&self) -> u32 {
        number(&self.0.runtime_args, "shards", 1)
    }

    /// `uses_metas`: at least `name`, `description` and `workspace`.
    pub fn metas(&self) -> &Map<String, Value> {
        &self.0.metas
    }

    /// `name` in the metas: the name of the executor's type, unless `uses_metas`
    /// sets another. The name in the flow is [`executor`](Setup::executor).
    pub fn meta_name(&self) -> &str {
        text(&self.0.metas, "name")
    }

    /// `description` in the metas.
    pub fn description(&self) -> &str {
        text(&self.0.metas, "description")
    }

    /// The folder in which the executor may keep files, if it has one.
    pub fn workspace(&self) -> Option<&str> {
        Some(text(&self.0.metas, "workspace")).filter(|path| !path.is_empty())
    }

    /// Which endpoint calls which method, with `uses_requests` applied.
    pub fn requests(&self) -> &BTreeMap<String, String> {
        &self.0.requests
    }

    /// What the host adds: `name`, `executor`, `replica`, `replicas`, `shard_id`,
    /// `shards`, and more in later versions.
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
    /// A context for this endpoint, to call a handler without a host. It has an
    /// empty request id and no time limit.
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

    /// The id that the client gave the request. Empty if the host put several requests
    /// together: see `batch` in [`#[requests]`](macro@crate::requests).
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The endpoint exactly as the client wrote it. A default handler can see here
    /// which endpoint it is answering.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The time until the host gives up on this call, if there is a limit. None is left if
    /// its client has gone.
    pub fn time_left(&self) -> Option<Duration> {
        self.request.as_ref()?.time_left().map(Duration::from_nanos)
    }

    /// The executor's name in the flow, such as `encode`; [`Part::executor`] is
    /// the same for a predecessor. [`Setup::name`] includes the replica.
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
/// There is a part for each predecessor, also for one that sent no documents. It is
/// for reading only: to send
/// documents on, put them into the request's documents or return them.
#[derive(Debug, Clone, Default)]
pub struct DocsMatrix(Vec<Part>);

/// The documents that one predecessor in the flow sent.
#[derive(Debug, Clone)]
pub struct Part {
    executor: String,
    docs: DocumentArray,
}

impl Part {
    /// The part that this predecessor sent.
    pub fn new(executor: impl Into<String>, docs: impl Into<DocumentArray>) -> Self {
        Part {
            executor: executor.into(),
            docs: docs.into(),
        }
    }

    /// The executor that sent them. For the flow's first executor, this is
    /// `gateway`. What another names in `uses_after` gets a part from each of its shards:
    /// `index/shard-0`, `index/shard-1`.
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
