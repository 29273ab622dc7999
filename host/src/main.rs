//! The `wasm-flow` program; see [`wasm_flow::cli`].

use std::process::ExitCode;

/// musl's own allocator has one lock for all threads, and requests cost half as much
/// processor time again.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wasm_flow::cli::main()
}
