//! wasm-flow runs **executors**, WebAssembly components that work on
//! DocumentArrays, in a sandbox, and chains them into a **flow** behind a gRPC
//! gateway that speaks Jina's protocol.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`document`] | documents: the model and its wire format |
//! | [`executor`] | components in their sandbox |
//! | [`flow`] | `flow.toml`, the graph, a request's way through it |
//! | [`gateway`] | gRPC, and a client for it |
//! | [`cli`] | the command line |
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

pub mod cli;
pub mod executor;
mod file_kind;
pub mod flow;
pub mod gateway;

pub use wasm_flow_document as document;
