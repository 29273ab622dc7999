//! wasm-flow runs **executors**, WebAssembly components that work on
//! DocumentArrays, in a sandbox, and chains them into a **flow** behind a gRPC
//! gateway that speaks Jina's protocol.
//!
//! A program puts a [`Flow`] together with [`Flow::builder`], or loads one from a
//! `flow.toml`, and sends documents through it or serves it on a port. A [`Client`] sends
//! documents to any gateway. An [`Executor`] can be used without a flow:
//!
//! ```no_run
//! use wasm_flow::document::DocumentArray;
//! use wasm_flow::{Executor, ExecutorSpec, Flow};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let flow = Flow::builder()
//!     .add(ExecutorSpec::new("encode", "executors/encode.wasm").replicas(2))
//!     .add(ExecutorSpec::new("index", "executors/index.wasm").workspace("work"))
//!     .start()
//!     .await?;
//! let docs = flow.post("/index", DocumentArray::from_texts(["a", "b"])).await?;
//! println!("{:?}", docs.texts().collect::<Vec<_>>());
//!
//! let executor = Executor::load("greeter.wasm").await?;
//! let docs = executor.post("/hello", DocumentArray::from_texts(["world"])).await?;
//! println!("{:?}", docs.texts().collect::<Vec<_>>());
//! # Ok(())
//! # }
//! ```
//!
//! The crates below it are here as modules:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`contract`] | what the others agree on: calls, replies, failures, stages |
//! | [`document`] | documents: the model and its wire format |
//! | [`drawing`] | a flow as a picture, and where its time went |
//! | [`executor`] | components in their sandbox |
//! | [`flow`] | a request's way through a graph of executors: what a [`Flow`] runs |
//! | [`gateway`] | gRPC, and a client for it |
//! | [`manifest`] | `flow.toml` |
//! | [`bounds`] | every timeout and bound |
//! | [`resolve`] | from a plan, a file's or a program's, to a running flow |
//! | `cli` | the command line, with the feature `cli` |

pub mod bounds;
#[cfg(feature = "cli")]
pub mod cli;
mod door;
mod file_kind;
mod hub;
mod local;
mod pem;
pub mod resolve;
mod sdk;
mod whole_file;
mod wrong_file;

pub use local::{
    BatchingSpec, ExecutorSource, ExecutorSpec, Flow, FlowBuilder, FlowError, FlowPost,
    FlowProblem, FlowProblems, HeadSpec, Log, PostError, Serving, Stdio, kind,
};
pub use resolve::{Swapped, SwappedExecutor};
pub use wasm_flow_flow::stages::Functions;
pub use wasm_flow_gateway::Doorkeeper;
pub use wasm_flow_gateway::client::Client;
pub use wasm_flow_wasm::Executor;

pub use wasm_flow_contract as contract;
pub use wasm_flow_document as document;
pub use wasm_flow_drawing as drawing;
pub use wasm_flow_flow as flow;
pub use wasm_flow_gateway as gateway;
pub use wasm_flow_manifest as manifest;
pub use wasm_flow_wasm as executor;

/// The snippets of `docs/rust.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rust.md")]
pub struct FromRust;
