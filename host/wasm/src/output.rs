//! Where what executors print and log goes.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasm_flow_contract::reply::Origin;
use wasm_flow_contract::sharding::Group;

/// Which of its streams an executor printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// The instance that printed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printer {
    /// The executor's name in the flow.
    pub executor: Arc<str>,
    /// Which group of its replicas it is in.
    pub group: Group,
    /// Which of these replicas it is.
    pub replica: u32,
}

impl Printer {
    /// Where in the executor it is, for the log: `shard-1/rep-0`. None if the executor has
    /// nothing but replicas.
    pub fn instance(&self) -> Option<String> {
        let origin = Origin::replica_of(self.group, self.replica);
        (self.group != Group::Whole).then(|| origin.to_string())
    }
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of use to who follows each step.
    Trace,
    /// Of use to who looks for a fault.
    Debug,
    /// What a person should know.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// A message that an executor logs.
#[derive(Debug)]
pub struct Record<'a> {
    /// The instance that logs it.
    pub printer: &'a Printer,
    /// The id of the request that it belongs to, if it belongs to one.
    pub request: Option<&'a str>,
    /// How much it matters.
    pub level: Level,
    /// The message, without control characters other than line ends.
    pub message: &'a str,
    /// What the executor says beside it.
    pub fields: &'a Map<String, Value>,
}

/// Takes what executors print and log.
///
/// Called from the executor's own task: it must not block for long.
pub trait Output: Send + Sync + 'static {
    /// One printed line, without its end and without control characters.
    fn line(&self, printer: &Printer, stream: Stream, line: &str);

    /// Whether messages of this level are kept.
    fn enabled(&self, level: Level) -> bool;

    /// A message of a level that is kept.
    fn log(&self, record: &Record<'_>);
}

/// Where executors' output goes.
pub type OutputSink = Arc<dyn Output>;

/// Passes output over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl Output for Discard {
    fn line(&self, _: &Printer, _: Stream, _: &str) {}

    fn enabled(&self, _: Level) -> bool {
        false
    }

    fn log(&self, _: &Record<'_>) {}
}
