//! What the end-to-end tests stand on.
//!
//! The tests drive the real binary over loopback with the real `jina.Client`.
//! [`setup`] makes what they need and is not there yet (the wasm targets, the
//! binary, the guests, a Python environment), [`Server`] runs the binary,
//! [`python`] the client, [`cli`] the command line as a user types it.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a failing test is what this crate is for"
)]

pub mod certificates;
pub mod cli;
pub mod http;
pub mod http2;
pub mod jina;
pub mod languages;
pub mod oci_tools;
pub mod python;
pub mod registry;
pub mod server;
pub mod setup;
pub mod vitals;

pub use certificates::Authority;
pub use cli::{Finished, Running, wasm_flow};
pub use jina::Jina;
pub use server::Server;
pub use setup::{example, guest, repository};
