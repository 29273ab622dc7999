//! wasm-flow runs **executors**, WebAssembly components that work on
//! DocumentArrays, in a sandbox, and chains them into a **flow** behind a gRPC
//! gateway that speaks Jina's protocol.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`contract`] | what the others agree on: calls, replies, failures, stages |
//! | [`document`] | documents: the model and its wire format |
//! | [`drawing`] | a flow as a picture, and where its time went |
//! | [`executor`] | components in their sandbox |
//! | [`flow`] | a request's way through a graph of executors |
//! | [`gateway`] | gRPC, and a client for it |
//! | [`manifest`] | `flow.toml` |
//! | [`bounds`] | every timeout and bound |
//! | [`resolve`] | from `flow.toml` to a running flow |
//! | `cli` | the command line, with the feature `cli` |
//!
//! A component can be used without a flow:
//!
//! ```no_run
//! use wasm_flow::document::DocumentArray;
//! use wasm_flow::executor::Executor;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let executor = Executor::load("greeter.wasm").await?;
//! let docs = executor.post("/hello", DocumentArray::from_texts(["world"])).await?;
//! println!("{:?}", docs.texts().collect::<Vec<_>>());
//! # Ok(())
//! # }
//! ```

pub mod bounds;
#[cfg(feature = "cli")]
pub mod cli;
mod file_kind;
pub mod resolve;
mod sdk;
mod wrong_file;

pub use wasm_flow_contract as contract;
pub use wasm_flow_document as document;
pub use wasm_flow_drawing as drawing;
pub use wasm_flow_flow as flow;
pub use wasm_flow_gateway as gateway;
pub use wasm_flow_manifest as manifest;
pub use wasm_flow_wasm as executor;
