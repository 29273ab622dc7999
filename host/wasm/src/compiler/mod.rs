//! Compiling, within bounds of time and memory.
//!
//! A compilation cannot be ended from inside its process, and what the compiler takes is not
//! counted there. So it is a process of its own: the program starts itself, the child bounds
//! itself before it reads a byte (`confinement`), reads the component from its standard input
//! and writes the code to its standard output (`answer`). The parent waits no longer than it
//! has said, and kills it then (`supervisor`).
//!
//! Nothing that this process has opened, and no variable of it, is the child's. Descriptors that
//! this process was itself started with, beyond the first three, are handed on.
//!
//! What the parent loads came over the pipe to its own child and over no other way. That the
//! compiler itself is not taken over by a component is not what this is for: whoever has the
//! child has the code that the parent loads.

mod answer;
mod child;
mod confinement;
mod error;
mod program;
mod supervisor;
mod words;

use std::sync::Arc;

use wasm_flow_contract::host::CompileLimits;
use wasm_flow_contract::hub::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

pub use child::compile_component;
pub(super) use error::CompileError;
pub use program::CompilerProgram;
pub(super) use supervisor::Compiled;

use crate::text::cut_printable;
use crate::trap::chain;

/// Where components are compiled.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process, which bounds neither the time nor the memory that it takes. A
    /// component that crashes the compiler ends the process.
    #[default]
    InProcess,
    /// In a child process, within [`CompileLimits`].
    Child(CompilerProgram),
}

/// A component that is to be compiled.
pub(super) struct Job<'a> {
    pub(super) wasm: Arc<Vec<u8>>,
    pub(super) digest: Digest,
    pub(super) limits: CompileLimits,
    /// Whether there is somebody to be served, who goes first.
    pub(super) gives_way: bool,
    /// It is given up soon after this says no, if it can be.
    pub(super) is_wanted: &'a dyn Fn() -> bool,
}

/// A component that was compiled, or the code of one.
pub(super) enum Output {
    Component(Component),
    Code(Compiled),
}

impl Compiler {
    /// Compiles a component.
    pub(super) fn compile(&self, engine: &Engine, job: &Job<'_>) -> Result<Output, CompileError> {
        match self {
            Compiler::InProcess => Component::from_binary(engine, &job.wasm)
                .map(Output::Component)
                .map_err(|error| CompileError::Invalid(cut_printable(&chain(&error)))),
            Compiler::Child(program) => supervisor::compile(program, job).map(Output::Code),
        }
    }

    /// Why code that was compiled is not taken by the engine.
    pub(super) fn foreign(&self, error: &wasmtime::Error) -> CompileError {
        let said = cut_printable(&chain(error));
        match self {
            Compiler::Child(program) => CompileError::Garbage {
                program: program.path().to_owned(),
                said,
            },
            Compiler::InProcess => CompileError::Invalid(said),
        }
    }
}
