//! The `[host]` table.

use wasm_flow_contract::host::{CompileLimits, HostConfig};

use crate::entry::value_or;
use crate::tables::{CompileTable, HostTable};

/// What the process may use.
pub(crate) fn config(table: Option<HostTable>) -> HostConfig {
    let defaults = HostConfig::default();
    let Some(HostTable { compile }) = table else {
        return defaults;
    };
    HostConfig {
        compile: compile.map_or(defaults.compile, |table| limits(table.value)),
    }
}

fn limits(CompileTable { time, memory }: CompileTable) -> CompileLimits {
    let defaults = CompileLimits::default();
    CompileLimits {
        time: value_or(time, defaults.time),
        memory: value_or(memory, defaults.memory),
    }
}
