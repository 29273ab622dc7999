//! What the process may use that runs a flow.

use std::time::Duration;

use crate::bounds;

/// What the process may use, beside what each executor may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostConfig {
    /// What compiling a component may take.
    pub compile: CompileLimits,
}

/// What compiling one component may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall-clock time.
    pub time: Duration,
    /// Bytes of memory.
    pub memory: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits {
            time: bounds::DEFAULT_COMPILE_TIME,
            memory: bounds::DEFAULT_COMPILE_MEMORY,
        }
    }
}
