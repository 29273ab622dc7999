//! Why a server cannot be called.

/// Why a server cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Absent {
    /// It cannot be reached: why.
    Unreachable(String),
    /// It is there and would not take a call: why, and what to do.
    Refuses(String),
}
