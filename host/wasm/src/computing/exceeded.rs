//! A bound on computing that a guest has exceeded.

use std::fmt;
use std::time::Duration;

use crate::progress::CallId;

/// Why a guest is ended where the engine interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// A call computed for longer than `limits.cpu`.
    Cpu {
        call: CallId,
        used: Duration,
        limit: Duration,
    },
    /// The guest computed outside of all calls for longer than `limits.background`.
    Background { used: Duration, limit: Duration },
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::Cpu { used, limit, .. } => {
                write!(
                    f,
                    "a call computed for {used:.1?}, and `limits.cpu` is {limit:?}"
                )
            }
            Exceeded::Background { used, limit } => write!(
                f,
                "it computed for {used:.1?} outside of any call, and `limits.background` is \
                 {limit:?}; raise that in the executor's table of flow.toml if it needs so much"
            ),
        }
    }
}

impl std::error::Error for Exceeded {}
