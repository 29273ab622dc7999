//! Why a call failed.

use std::fmt;
use std::time::Duration;

use wasm_flow_contract::failure::FailureDetails;
use wasm_flow_contract::units::Size;
use wasm_flow_contract::{Failure, FailureKind};

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
    /// Details for debugging: the guest's traceback, its last lines on stderr.
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
        /// What the executor says beside it.
        details: Option<Box<FailureDetails>>,
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
    /// The method computed for longer than `limits.cpu`, and its instance was replaced.
    OverCpu {
        /// How long it computed. It does not wait meanwhile.
        used: Duration,
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
    /// Instance after instance ended on its own before it took the call.
    CrashLooping {
        /// How many did.
        instances: u32,
        /// Why the last one did.
        reason: String,
    },
    /// The method's reply is not what it may be.
    BadReply {
        /// What is wrong with it.
        reason: String,
    },
    /// The call's parameters are not a JSON object. Nothing was called.
    Parameters {
        /// What they are.
        reason: String,
    },
    /// As many calls wait for the executor as may. Nothing was called.
    QueueFull {
        /// The bound.
        limit: u32,
        /// When there will be room, as far as can be told.
        after: Duration,
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
            CallErrorKind::TimedOut { .. } | CallErrorKind::OverCpu { .. } => "TimeoutError",
            CallErrorKind::Lost { .. } => "InstanceLost",
            CallErrorKind::Unavailable { .. } | CallErrorKind::CrashLooping { .. } => {
                "ExecutorUnavailable"
            }
            CallErrorKind::BadReply { .. } => "BadReply",
            CallErrorKind::Parameters { .. } => "ParametersError",
            CallErrorKind::QueueFull { .. } => "QueueFull",
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
        if let CallErrorKind::Parameters { .. } | CallErrorKind::QueueFull { .. } = kind {
            return write!(
                f,
                "executor `{executor}` is not called at endpoint `{endpoint}`: {kind}"
            );
        }
        write!(
            f,
            "executor `{executor}` failed at endpoint `{endpoint}` (method `{method}`): {}: {kind}",
            self.name()
        )
    }
}

impl std::error::Error for CallError {}

impl CallErrorKind {
    fn failure_kind(&self) -> FailureKind {
        match self {
            CallErrorKind::Failed { .. } => FailureKind::Method,
            CallErrorKind::Panicked { .. }
            | CallErrorKind::Trapped { .. }
            | CallErrorKind::OutOfMemory { .. } => FailureKind::Trap,
            CallErrorKind::TimedOut { .. } | CallErrorKind::OverCpu { .. } => FailureKind::Timeout,
            CallErrorKind::Lost { .. } => FailureKind::Lost,
            CallErrorKind::Unavailable { .. } | CallErrorKind::CrashLooping { .. } => {
                FailureKind::Unavailable
            }
            CallErrorKind::BadReply { .. } => FailureKind::Reply,
            CallErrorKind::Parameters { .. } => FailureKind::Request,
            CallErrorKind::QueueFull { .. } => FailureKind::Exhausted,
            CallErrorKind::Stopped => FailureKind::Stopped,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure {
            kind: error.kind.failure_kind(),
            name: error.name().to_owned(),
            description: error.to_string(),
            args: vec![error.message()],
            stacks: error.trace,
            executor: error.class.into(),
            details: match error.kind {
                CallErrorKind::Failed { details, .. } => details,
                CallErrorKind::QueueFull { after, .. } => Some(Box::new(FailureDetails {
                    retry: true,
                    retry_after: Some(after),
                    documents: Vec::new(),
                })),
                _ => None,
            },
        }
    }
}

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
            CallErrorKind::OverCpu { used, limit } => write!(
                f,
                "it computed for {used:.1?}, and `limits.cpu` is {limit:?} (waiting does not \
                 count); raise that in the executor's table of flow.toml if it needs so much"
            ),
            CallErrorKind::Lost { reason } => write!(
                f,
                "the instance was lost while this call was in flight, through no fault of this call: \
                 {reason}; the documents are unchanged, and the call may be tried again"
            ),
            CallErrorKind::Unavailable { reason } => {
                write!(f, "no instance could be started: {reason}")
            }
            CallErrorKind::CrashLooping { instances, reason } => write!(
                f,
                "it is crash looping: {instances} instances in a row ended before they took a call, \
                 the last one because {reason}"
            ),
            CallErrorKind::BadReply { reason } => {
                write!(f, "its reply is not usable: {reason}")
            }
            CallErrorKind::Parameters { reason } => {
                write!(f, "its parameters cannot be used: {reason}")
            }
            CallErrorKind::QueueFull { limit, after } => write!(
                f,
                "as many calls wait for it as may, and `limits.queue` is {limit}; send the request \
                 again in {after:?} or later, or give it more `replicas`"
            ),
            CallErrorKind::Stopped => f.write_str("the executor is being stopped"),
        }
    }
}
