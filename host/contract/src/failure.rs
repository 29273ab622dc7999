//! Why a request failed.

use std::time::Duration;

/// An error as Jina's clients get it, with what the host knows beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct Failure {
    /// What failed, for whoever decides what to do about it.
    pub kind: FailureKind,
    /// The error's type, as the guest's language names it: `ValueError`.
    pub name: String,
    /// What failed, where and why, in a sentence.
    pub description: String,
    /// The error's own words.
    pub args: Vec<String>,
    /// Where it came from: the lines of a backtrace, or the chain of causes.
    pub stacks: Vec<String>,
    /// The type of the executor that failed, not its name in the flow. Empty if
    /// no executor did.
    // Boxed, as the details are, so that the result of every call stays small.
    pub executor: Box<str>,
    /// What the executor says beside that, if it says anything.
    pub details: Option<Box<FailureDetails>>,
}

/// What an executor says of a failure beside its words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureDetails {
    /// The call may succeed on another replica, or later.
    pub retry: bool,
    /// In how long it may.
    pub retry_after: Option<Duration>,
    /// The ids of the documents at fault.
    pub documents: Vec<String>,
}

/// What failed. A client sees [`Failure::name`]; this is for the host: to retry,
/// to count, to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request itself is wrong.
    Request,
    /// The executor's method returned an error.
    Method,
    /// The executor panicked, trapped or ran out of memory.
    Trap,
    /// The call took longer than it may.
    Timeout,
    /// The instance ended through no fault of this call. The documents are
    /// unchanged, and the call may be tried again.
    Lost,
    /// No instance could be had.
    Unavailable,
    /// A remote executor could not be reached. The call was not sent to anybody.
    Unreachable,
    /// What the executor returned cannot be used.
    Reply,
    /// The executor is being stopped.
    Stopped,
}

impl FailureKind {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::Request => "request",
            FailureKind::Method => "method",
            FailureKind::Trap => "trap",
            FailureKind::Timeout => "timeout",
            FailureKind::Lost => "lost",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unreachable => "unreachable",
            FailureKind::Reply => "reply",
            FailureKind::Stopped => "stopped",
        }
    }
}

impl Failure {
    /// A failure that no executor is to blame for.
    pub fn of_flow(kind: FailureKind, name: &str, description: String) -> Failure {
        Failure {
            kind,
            name: name.to_owned(),
            args: vec![description.clone()],
            description,
            stacks: Vec::new(),
            executor: Box::default(),
            details: None,
        }
    }
}
