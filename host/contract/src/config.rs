//! How an executor is run: what it is constructed with, how many instances
//! there are and how long one lives.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::bounds;
use crate::grants::{Access, Allow};
use crate::limits::Limits;
use crate::sharding::{Group, Polling};

/// How an executor of a flow is run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorConfig {
    /// Its name in the flow.
    pub name: String,
    /// What it is constructed with.
    pub uses_with: Map<String, Value>,
    /// Overrides of its metas (`name`, `description`, `workspace`).
    pub uses_metas: Map<String, Value>,
    /// Endpoint to method, over the executor's own bindings. A method named
    /// here loses the endpoints of its own.
    pub uses_requests: BTreeMap<String, String>,
    /// How many instances share the requests. If there are shards, each has so many.
    pub replicas: NonZeroU32,
    /// How many groups of `replicas` there are, each with a part of the documents.
    pub shards: NonZeroU32,
    /// Which shards a request goes to.
    pub polling: Polling,
    /// Which of the executor's groups this is for, once it is for one of them.
    pub group: Group,
    /// Endpoints whose calls are put together, and how.
    pub batching: BTreeMap<String, Batching>,
    /// How often a call is tried again, if it failed in a way that cannot have had an
    /// effect.
    pub retries: u32,
    /// How long an instance lives.
    pub isolation: Isolation,
    /// Wall-clock bound of one call, from when the method is entered: waiting
    /// in the executor's queue does not count. Also of `start`, per instance.
    pub timeout: Duration,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach. Nothing, by default.
    pub allow: Allow,
    /// The folder to keep its files in. Each replica may read and write a folder of
    /// its own below it, `<workspace>/<name>/<replica>`, which it sees as
    /// `/workspace`. It is made if it is not there.
    pub workspace: Option<PathBuf>,
}

/// How calls of one endpoint are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// With so many documents, a batch goes. It has no more.
    pub preferred_batch_size: NonZeroUsize,
    /// How long the first document of a batch waits for others.
    pub timeout: Duration,
    /// A batch has all documents that wait, and may be larger.
    pub flush_all: bool,
}

impl ExecutorConfig {
    /// An executor with this name and defaults for everything else.
    pub fn new(name: impl Into<String>) -> Self {
        ExecutorConfig {
            name: name.into(),
            uses_with: Map::new(),
            uses_metas: Map::new(),
            uses_requests: BTreeMap::new(),
            replicas: NonZeroU32::MIN,
            shards: NonZeroU32::MIN,
            polling: Polling::default(),
            group: Group::Whole,
            batching: BTreeMap::new(),
            retries: bounds::DEFAULT_RETRIES,
            isolation: Isolation::default(),
            timeout: bounds::DEFAULT_TIMEOUT,
            limits: Limits::default(),
            allow: Allow::default(),
            workspace: None,
        }
    }

    /// Whether it may write files of the host.
    pub fn may_write(&self) -> bool {
        let mut dirs = self.allow.dirs.iter();
        self.workspace.is_some() || dirs.any(|dir| dir.access == Access::Write)
    }
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// As long as the flow, unless it traps or hangs. Requests see the state
    /// that earlier ones left.
    #[default]
    Shared,
    /// One request. Nothing is carried over to the next.
    Request,
}
