//! One request to an executor, and what comes of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::document::DocumentArray;

/// One request as an executor gets it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The client's id of the request.
    pub request_id: Arc<str>,
    /// The endpoint that the client called.
    pub endpoint: Arc<str>,
    /// The parameters as this executor is to see them.
    pub parameters: Arc<Map<String, Value>>,
    /// The documents. The executor changes a copy.
    pub docs: DocumentArray,
    /// The documents by predecessor, before they were joined.
    pub parts: Vec<Part>,
}

/// The documents that one predecessor in the flow sent.
#[derive(Debug, Clone)]
pub struct Part {
    /// The executor they come from; `gateway` for the flow's first.
    pub executor: Arc<str>,
    /// What it sent.
    pub docs: DocumentArray,
}

/// What an executor made of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The documents that go on.
    pub docs: DocumentArray,
    /// The JSON object for the client, where the method returned one.
    pub results: Option<Map<String, Value>>,
    /// The replica that answered.
    pub replica: u32,
}

/// Why a call failed. The documents that were sent are unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The executor's name in the flow.
    pub executor: String,
    /// The executor's type, as its description names it.
    pub class: String,
    /// The endpoint that was called.
    pub endpoint: String,
    /// The method that was called.
    pub method: String,
    /// What happened.
    pub kind: CallErrorKind,
    /// Lines for who looks into it: the guest's traceback, its last lines on
    /// stderr.
    pub trace: Vec<String>,
}

/// What made a call fail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The method returned an error.
    Failed {
        /// The kind of error, as the guest's language names it.
        name: String,
        /// What went wrong.
        message: String,
    },
    /// The method panicked. Its instance was replaced.
    Panicked {
        /// The panic's message.
        message: String,
        /// `src/lib.rs:10:5`, or empty.
        location: String,
    },
    /// The instance trapped otherwise, and was replaced.
    Trapped {
        /// What the trap was.
        reason: String,
    },
    /// The instance needed more memory than it may have, and was replaced.
    OutOfMemory {
        /// Bytes that it asked for in all.
        wanted: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// The method took longer than `timeout`.
    TimedOut {
        /// The bound.
        limit: Duration,
    },
    /// Another call on the same instance ended it.
    Lost {
        /// What ended the instance.
        reason: String,
    },
    /// There was no instance to call, and a new one could not be started.
    Unavailable {
        /// Why it could not be started.
        reason: String,
    },
    /// The method's reply is not what it may be.
    BadReply {
        /// What is wrong with it.
        reason: String,
    },
    /// The executor is being stopped.
    Stopped,
}

impl CallError {
    /// The exception's name, in Jina's form.
    pub fn name(&self) -> &str {
        match &self.kind {
            CallErrorKind::Failed { name, .. } => name,
            CallErrorKind::Panicked { .. } => "Panic",
            CallErrorKind::Trapped { .. } => "Trap",
            CallErrorKind::OutOfMemory { .. } => "MemoryError",
            CallErrorKind::TimedOut { .. } => "TimeoutError",
            CallErrorKind::Lost { .. } => "InstanceLost",
            CallErrorKind::Unavailable { .. } => "ExecutorUnavailable",
            CallErrorKind::BadReply { .. } => "BadReply",
            CallErrorKind::Stopped => "ExecutorStopped",
        }
    }

    /// What went wrong, without where: the exception's only argument.
    pub fn message(&self) -> String {
        self.kind.to_string()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallError {
            executor,
            endpoint,
            method,
            kind,
            ..
        } = self;
        write!(
            f,
            "executor `{executor}` failed at endpoint `{endpoint}` (method `{method}`): {}: {kind}",
            self.name()
        )
    }
}

impl std::error::Error for CallError {}

impl fmt::Display for CallErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallErrorKind::Failed { message, .. } => f.write_str(message),
            CallErrorKind::Panicked { message, location } if location.is_empty() => {
                f.write_str(message)
            }
            CallErrorKind::Panicked { message, location } => write!(f, "{message} ({location})"),
            CallErrorKind::Trapped { reason } => f.write_str(reason),
            CallErrorKind::OutOfMemory { wanted, limit } => write!(
                f,
                "it asked for {} of memory, and `limits.memory` is {}; raise that in the \
                 executor's table of flow.toml if it needs so much",
                Size(*wanted),
                Size(*limit)
            ),
            CallErrorKind::TimedOut { limit } => write!(
                f,
                "it did not finish within its `timeout` of {limit:?}; raise that in the \
                 executor's table of flow.toml if it needs so long",
            ),
            CallErrorKind::Lost { reason } => write!(
                f,
                "the instance was lost while this call was in flight, by no fault of this call's: \
                 {reason}; the documents are unchanged, and the call may be tried again"
            ),
            CallErrorKind::Unavailable { reason } => {
                write!(f, "no instance could be started: {reason}")
            }
            CallErrorKind::BadReply { reason } => {
                write!(f, "its reply is not usable: {reason}")
            }
            CallErrorKind::Stopped => f.write_str("the executor is being stopped"),
        }
    }
}

/// Bytes for a person: exact, in the largest binary unit that leaves no rest,
/// or rounded to one decimal.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) if self.0.is_multiple_of(*unit) => {
                write!(f, "{} {name}", self.0 / unit)
            }
            Some((unit, name)) => write!(f, "{:.1} {name}", self.0 as f64 / *unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (256 << 20, "256 MiB"),
            (4 << 30, "4 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
