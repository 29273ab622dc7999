//! Why a component was not compiled.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wasm_flow_contract::units::Size;

/// Why a component was not compiled. The texts follow the name of its file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("is not a valid component: {0}")]
    Invalid(String),
    #[error(
        "is not compiled within {0:?}, and `compile.time` of [host] allows no more; if the component \
         is to be trusted with more of this machine's time, raise that in flow.toml"
    )]
    TooLong(Duration),
    #[error(
        "is not compiled with {} of memory, and `compile.memory` of [host] allows no more; if \
         the component is to be trusted with more of this machine's memory, raise that in \
         flow.toml",
        Size(*.0)
    )]
    OutOfMemory(u64),
    #[error(
        "is not compiled: the process that compiled it was killed, and not by wasm-flow; see \
         whether this machine ran out of memory, and lower `compile.memory` of [host] then"
    )]
    Killed,
    #[error(
        "cannot be compiled: the compiler crashed ({how}){words}; the component was made to do \
         that, or has met a fault of the compiler; nothing else was harmed",
        words = words(said)
    )]
    Crashed { how: String, said: String },
    #[error(
        "is not compiled: {} was started for that, and what it answered is not compiled code{words}; \
         it has to be a program of the same release of wasm-flow that compiles components",
        program.display(),
        words = words(said)
    )]
    Garbage { program: PathBuf, said: String },
    #[error("is not compiled: {} cannot be started for that: {error}", program.display())]
    Start { program: PathBuf, error: io::Error },
    #[error("is not compiled: nobody waits for it any more")]
    Unwanted,
}

fn words(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!("; its last words: {said}"),
    }
}
