//! Executors for wasm-flow, in Rust.
//!
//! An executor is a struct with an `impl` block that [`#[executor]`](macro@executor)
//! stands on. It depends on this crate alone:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//!
//! [dependencies]
//! wasm-flow-sdk = "0.1"
//! ```
//!
//! ```
//! use wasm_flow_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct GreeterConfig {
//!     greeting: String,
//! }
//!
//! struct Greeter {
//!     greeting: String,
//! }
//!
//! #[executor]
//! impl Greeter {
//!     /// `uses_with` of `flow.toml` is the argument; leave `new` out where
//!     /// `Default` will do.
//!     fn new(config: GreeterConfig) -> Result<Self> {
//!         ensure!(!config.greeting.is_empty(), "`greeting` is empty");
//!         Ok(Greeter { greeting: config.greeting })
//!     }
//!
//!     #[requests(on = ["/index", "/search"])]
//!     async fn greet(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
//!         let mark = parameters.get::<String>("mark")?.unwrap_or_default();
//!         for doc in docs.iter_mut() {
//!             doc.set_text(format!("{} {}{mark}", self.greeting, doc.text()));
//!         }
//!         Ok(())
//!     }
//!
//!     #[requests] // no `on`: every endpoint that nothing else binds
//!     fn fallback(&mut self, docs: &mut DocumentArray) -> Json {
//!         docs.retain(|doc| !doc.text().is_empty());
//!         json!({ "kept": docs.len() })
//!     }
//! }
//!
//! // No host is needed to test it.
//! # fn main() -> Result<()> {
//! use wasm_flow_sdk::testing::TestExecutor;
//!
//! let greeter = TestExecutor::<Greeter>::start(json!({ "greeting": "hello" }))?;
//! let reply = greeter.post("/index", ["world"])?;
//! assert_eq!(reply.docs[0].text(), "hello world");
//! # Ok(())
//! # }
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes the component, and so
//! does `cargo component build --release`, whose target's linker must be
//! `wasm-component-ld`; `wasm-flow new` writes the `.cargo/config.toml` that says
//! so. A crate that is built for WebAssembly has one `#[executor]`, those that it
//! depends on counted: what executors share is in a library crate without one.
//!
//! `wasm-flow inspect` shows the doc comments of the `impl` block and of the
//! handlers; that of the struct is for whoever reads the code.
//!
//! # Construction
//!
//! `new` stands in the block that has `#[executor]`; an executor without one is
//! made by `Default`. It may be `async`, and returns `Self` or `Result<Self>`. It
//! takes its configuration, of any type that serde reads, and a [`Setup`]: the
//! executor's name, metas, and which endpoint calls which method.
//!
//! The [`Deserialize`] of this crate is serde's, without a dependency on serde. A
//! key that the type does not have, or a struct inside of it, and one that is
//! missing, end the start with an error that names it. Where serde does not tell
//! which keys a type has, unknown ones are left alone: in maps, and in types with
//! `flatten`, `tag` or `untagged`, unless they say `deny_unknown_fields`. As an
//! `Option`, the configuration is `None` where `uses_with` is empty.
//!
//! # Handlers
//!
//! [`#[requests]`](macro@requests) makes a method a handler. What it takes and
//! returns is told by the types, in any order:
//!
//! - [`DocumentArray`]: the request's documents. With `&mut`, what is changed of
//!   them goes on. Returned, they go on instead of the request's. By value they
//!   are for a handler that returns documents: elsewhere changes would be lost,
//!   and it does not compile.
//! - [`Parameters`]: what the client sent beside them, as a JSON map or as a type
//!   of the author's.
//! - [`DocsMatrix`]: the documents by predecessor, before they were joined.
//! - [`Context`]: the request's id, the endpoint, the time left.
//! - [`Json`], returned: an object that the client gets under `__results__`.
//!
//! A handler that returns an error changes nothing: the client is told of the
//! error, and the documents are as they were.
//!
//! # At once, or one after the other
//!
//! An instance has one thread. Handlers that are `async fn` and take `&self` run
//! concurrently: while one awaits, another goes on. They share the executor; what
//! they change of it is in a `Cell` or a `RefCell` (not borrowed over an
//! `.await`). A plain `fn`, and whatever takes `&mut self`, runs alone: nothing
//! else of this instance is under way. More instances are had with `replicas`.
//!
//! Await [`time::sleep`] and [`http`]; what blocks, as `std::thread::sleep` does,
//! keeps all calls of the instance waiting.
//!
//! # Documents stay in the host
//!
//! A [`DocumentArray`] is a `Vec` of rows. A row's first getter of a field
//! fetches that field of all rows, with one call; what is not read does not enter
//! the executor's memory. Setters write into the row. When the handler returns,
//! each column that changed is written back, with one call.
//!
//! So there is no need to think of columns for speed. They are there for
//! convenience: [`DocumentArray::texts`], [`DocumentArray::embeddings`].
//!
//! # Panics
//!
//! A panic ends the instance, and with it all calls that are under way there. The
//! client is told of its message and place; the executor's state is lost. Return
//! an error where anything can go wrong.
//!
//! # Features
//!
//! - `ndarray`: [`NdArray`] from and to arrays of the `ndarray` crate.

#![deny(unsafe_code)]

pub use wasm_flow_sdk_macros::{Deserialize, Serialize, executor, requests, stop};

mod array;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod commit;
mod config;
mod context;
mod document;
mod error;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
#[doc(hidden)]
pub mod handler;
pub mod http;
mod parameters;
mod raw;
#[doc(hidden)]
pub mod schema;
mod source;
mod tensor;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;

pub use array::DocumentArray;
pub use context::{Context, DocsMatrix, Part, Setup};
pub use document::{Content, Document, NamedScore};
pub use error::{Error, ErrorContext, Result};
pub use handler::{
    Argument, ConstructorArgument, ConstructorReturn, Executor, HandlerReturn, IntoError,
    StopReturn,
};
pub use parameters::Parameters;
pub use tensor::{Element, Matrix, NdArray};

pub use serde;
pub use serde::de::Deserialize;
pub use serde::ser::Serialize;
pub use serde_json;
/// Makes a [`Json`]: `json!({ "key": [1, null, "text"] })`.
pub use serde_json::json;

/// A JSON value: a tag, what a handler gives the client.
pub type Json = serde_json::Value;

/// A JSON object: tags, parameters that no type is named for.
pub type Map = serde_json::Map<String, Json>;

/// Waiting for several things at once.
///
/// ```
/// use wasm_flow_sdk::future::{join, join_all};
/// # wasm_flow_sdk::testing::block_on(async {
/// # async fn fetch(n: u32) -> u32 { n }
/// let (one, two) = join(fetch(1), fetch(2)).await;
/// let all: Vec<u32> = join_all((3..6).map(fetch)).await;
/// # assert_eq!((one, two, all), (1, 2, vec![3, 4, 5]));
/// # });
/// ```
pub mod future {
    pub use futures_util::future::{join, join_all, select, try_join_all};
    pub use futures_util::{join, try_join};
}

/// What an executor needs: `use wasm_flow_sdk::prelude::*;`.
///
/// Its `Result` stands in for the standard library's, and takes a second
/// argument like that: `Result<T>` is `Result<T, Error>`.
pub mod prelude {
    pub use crate::{
        Context, Deserialize, DocsMatrix, Document, DocumentArray, Error, ErrorContext as _, Json,
        Map, NamedScore, NdArray, Parameters, Result, Serialize, Setup, bail, ensure, executor,
        json, requests, stop,
    };
}

/// For the macros' code; no part of the API.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::exports::wasm_flow::executor::executor as wit;
    #[cfg(target_family = "wasm")]
    pub use crate::{bindings, guest};
    pub use crate::{handler, schema};
    pub use serde;
}
