//! Components are compiled by a child process: this program, started by itself.

use std::ffi::{OsStr, OsString};

use wasm_flow_wasm::{Compiler, CompilerProgram, Runtime, RuntimeConfig, RuntimeError};

/// What the child is told by. It is not among the commands, because it is of use to nobody
/// else.
const COMMAND: &str = "compile-component";

/// What this process was told if it is such a child.
pub(super) fn arguments() -> Option<impl Iterator<Item = OsString>> {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next()?;
    (command == OsStr::new(COMMAND)).then_some(arguments)
}

/// An engine whose components are compiled by such children.
pub(super) fn runtime() -> Result<Runtime, RuntimeError> {
    let compiler = Compiler::Child(CompilerProgram::this().arg(COMMAND));
    Runtime::new(RuntimeConfig {
        compiler,
        ..RuntimeConfig::default()
    })
}
