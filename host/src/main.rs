//! The `wasm-flow` program; see [`wasm_flow::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    wasm_flow::cli::main()
}
