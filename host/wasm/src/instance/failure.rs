//! Why an instance could not be started.

use std::time::Duration;

use crate::grants;
use crate::trap::Trap;

/// Why an instance could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartFailure {
    /// A grant cannot be given.
    #[error(transparent)]
    Grant(grants::GrantError),
    /// The executor refused: what it was constructed with is wrong, or the like.
    #[error("{name}: {message}")]
    Failed {
        /// The kind of error.
        name: String,
        /// What went wrong.
        message: String,
        /// Its causes.
        trace: Vec<String>,
    },
    /// It trapped.
    #[error("{0}")]
    Trapped(Trap),
    /// It took longer than `timeout`.
    #[error("it did not start within its `timeout` of {0:?}")]
    TimedOut(Duration),
    /// One process has room for so many instances and no more.
    #[error(
        "one process has no room for another instance ({0}); lower `replicas`, or \
         `limits.concurrency` if `isolation` is `request`"
    )]
    Full(String),
    /// The host itself failed while it started.
    #[error(
        "wasm-flow itself failed while it started; that is a bug, and what it wrote to its \
         standard error says where"
    )]
    Broken,
}
