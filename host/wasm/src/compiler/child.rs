//! What the child does.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};
use wasm_flow_contract::hub::Digest;

use super::answer::Answer;
use super::confinement::Confinement;
use crate::bounds::MAX_FILE;
use crate::engine;
use crate::text::cut_printable;
use crate::trap::chain;

/// Compiles the component on standard input, and writes its code to standard output: for the
/// process that [`CompilerProgram`](crate::CompilerProgram) starts. `arguments` are those
/// behind the program's own. To be called before the program starts threads.
pub fn compile_component(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(confinement) = Confinement::of_arguments(arguments) else {
        say("this is how the program starts itself to compile a component, and of no other use");
        return ExitCode::from(2);
    };
    match compile(confinement) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Without a panic if nobody listens.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn compile(confinement: Confinement) -> io::Result<()> {
    confinement.apply()?;
    let mut wasm = Vec::new();
    let input = io::stdin().lock();
    input.take(MAX_FILE + 1).read_to_end(&mut wasm)?;
    if wasm.len() as u64 > MAX_FILE {
        return Err(io::Error::other("the component is too large"));
    }
    let engine = engine::compiling().map_err(|error| io::Error::other(chain(&error)))?;
    let answer = Answer {
        digest: Digest::new(Sha256::digest(&wasm).into()),
        outcome: engine
            .precompile_component(&wasm)
            .map_err(|error| cut_printable(&chain(&error))),
    };
    answer.write(io::stdout().lock())
}
