//! Executors for wasm-flow, in Rust.
//!
//! An executor is a struct with an `impl` block that has
//! [`#[executor]`](macro@executor). Its crate depends on this crate alone:
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
//! #[config]
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
//!     /// Takes `uses_with` of `flow.toml`. Leave `new` out if `Default` will do.
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
//!     #[requests] // without `on`: every endpoint that nothing else is bound to
//!     fn fallback(&mut self, docs: &mut DocumentArray) -> Json {
//!         docs.retain(|doc| !doc.text().is_empty());
//!         json!({ "kept": docs.len() })
//!     }
//! }
//!
//! // Testing it needs no host.
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
//! `cargo build --release --target wasm32-wasip2` builds the component. So does
//! `cargo component build --release`, if its target's linker is
//! `wasm-component-ld`: `wasm-flow new` writes a `.cargo/config.toml` that sets
//! it. A crate that is built for WebAssembly must contain exactly one
//! `#[executor]`, including its dependencies. Code that executors share belongs in
//! a library crate without an executor.
//!
//! `wasm-flow inspect` shows the doc comments of the `impl` block and of the
//! handlers. The struct's doc comment is only for readers of the code.
//!
//! # Construction
//!
//! `new` belongs in the block that has `#[executor]`. An executor without it is
//! made by `Default`. `new` may be `async`, and returns `Self` or `Result<Self>`.
//! It takes its configuration, of a type that has [`#[config]`](macro@config), and a
//! [`Setup`]: the executor's name, its metas, and which endpoint calls which method.
//!
//! `#[config]` derives serde's `Deserialize` without a dependency on serde, and
//! [`#[data]`](macro@data) derives its `Serialize`, too. Any other type that serde
//! can read may be the configuration as well. If the configuration has a key that the
//! type, or a struct inside it, does not have, or lacks one that is required, the
//! executor does not start, and the error names the key. Unknown keys are ignored if serde does not tell which keys a type
//! has: in maps, and in types with `flatten`, `tag` or `untagged`, unless they say
//! `deny_unknown_fields`. If the configuration is an `Option`, it is `None` when
//! `uses_with` is empty.
//!
//! # Handlers
//!
//! [`#[requests]`](macro@requests) makes a method a handler. Its types decide what
//! it takes, in any order, and what it returns:
//!
//! - [`DocumentArray`]: the request's documents. A handler that takes them by
//!   `&mut` changes them in place. If a handler returns a `DocumentArray`, these
//!   documents go on instead. Only such a handler can take the documents by value:
//!   in any other, changes to them would be lost, so it does not compile.
//! - [`Parameters`]: what the client sent with the documents, as a JSON map or as
//!   a type of your own.
//! - [`DocsMatrix`]: the documents by predecessor, before they were joined.
//! - [`Context`]: the request's id, the endpoint, and the time left.
//! - [`Json`], returned: an object that the client gets under `__results__`.
//!
//! A handler that returns an error changes nothing: the client gets the error, and
//! the documents stay as they were.
//!
//! # Concurrent and exclusive handlers
//!
//! An instance has one thread. Handlers that take `&self` run concurrently: while
//! one awaits, others go on. They share the executor, so state that they change has
//! to be in a `Cell` or a `RefCell` (do not hold its borrow across an `.await`). A
//! plain `fn` does not await, so nothing else runs until it returns.
//!
//! A handler that takes `&mut self` is exclusive. It waits until all calls of the
//! instance are done, and those that come later wait for it. `replicas` in
//! `flow.toml` gives an executor more instances, and `shards` divides its documents
//! over several: [`Setup::shard_id`] says which of them an instance is.
//!
//! Await [`time::sleep`] and [`http`]. Blocking, as `std::thread::sleep` does,
//! stops all calls of the instance. [`future`] has what runs several things at once
//! or again, and the feature `task` what goes on after a call.
//!
//! # Documents stay in the host
//!
//! A [`DocumentArray`] is a `Vec` of rows. The first getter that reads a field of a
//! row fetches that field for all rows, with one call. What is not read does not
//! enter the executor's memory. Setters write into the row. When the handler
//! returns, each column that changed is written back, with one call.
//!
//! So reading and writing row by row is fast enough. [`DocumentArray::texts`],
//! [`DocumentArray::embeddings`] and the like are there for convenience.
//!
//! Blobs and tensors are fetched a few rows at a time if they are large. Those of a
//! document are let go of when its content is replaced or
//! [taken](Document::take_blob), or when the document is dropped. So a handler that
//! goes through them one by one and replaces them needs memory for a few of them only.
//! One that only reads them, and keeps the documents' contents, calls
//! [`Document::unload`] when it is done with a document. If it does not need the
//! contents to go on, it calls [`Document::take_blob`].
//!
//! If the host refuses to read a field, because the value alone is larger than the
//! executor's memory allows, the getter gives an empty value, and the call fails
//! with the host's reason once the handler has returned.
//!
//! # What is kept
//!
//! [`DocumentArray::to_bytes`] writes documents with all their fields, for a file in
//! the [workspace](Setup::workspace). For anything else there is [`serde_json`],
//! which this crate re-exports.
//!
//! # Logging
//!
//! [`log`] has messages with a level and fields; the host adds the executor and the
//! request. What is printed with `println!` and `eprintln!` is logged, too, without
//! either.
//!
//! # Panics
//!
//! A panic ends the instance, and all calls in flight there. The client gets the
//! panic's message and location, and the executor's state is lost. Return an error
//! if something can go wrong.
//!
//! # Features
//!
//! - `ndarray`: [`NdArray`] from and to arrays of the `ndarray` crate.
//! - `task`: work that goes on after a call has returned, such as writing an index to
//!   its file every now and then.

/// Makes a type an executor. It goes on an `impl` block of the type:
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// #[config]
/// struct GreeterConfig { greeting: String }
///
/// struct Greeter { greeting: String }
///
/// /// Greets.
/// #[executor]
/// impl Greeter {
///     fn new(config: GreeterConfig) -> Result<Self> {
///         Ok(Greeter { greeting: config.greeting })
///     }
///
///     /// Puts the greeting before every text.
///     #[requests(on = ["/index", "/search"])]
///     async fn greet(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
///         let mark: String = parameters.get("mark")?.unwrap_or_default();
///         for doc in docs.iter_mut() {
///             doc.set_text(format!("{} {}{mark}", self.greeting, doc.text()));
///         }
///         Ok(())
///     }
///
///     #[requests]
///     fn fallback(&mut self, docs: &mut DocumentArray) -> Json {
///         json!({ "documents": docs.len() })
///     }
///
///     fn helper(&self) {}
/// }
/// ```
///
/// - `fn new` or `async fn new` makes the executor. It takes the configuration
///   (`uses_with`), of any type that serde can read, and a [`Setup`]: both, one or
///   none of them, in any order. It returns `Self` or `Result<Self>`. If there is
///   no `new` in this block, `Default` makes the executor: the macro cannot see the
///   type's other blocks.
/// - A method with [`#[requests]`](macro@requests) is a handler.
/// - A method with [`#[stop]`](macro@stop) is called before the instance ends.
/// - All other methods are left alone.
///
/// The attribute may say what the host should know of the executor:
///
/// ```
/// # use wasm_flow_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct Index;
/// #[executor(
///     wants(http = ["https://api.example.com"], env = ["API_TOKEN"], dirs = ["/models"]),
///     state = "replica",
/// )]
/// impl Index {
/// #   #[requests]
/// #   fn nothing(&self) {}
/// }
/// ```
///
/// - `wants`: the grants that it cannot do without. `wasm-flow inspect` prints the
///   lines of `flow.toml` that give them, and `wasm-flow check` says which of them
///   the flow does not give.
/// - `state`: `"replica"` if requests find what earlier ones left, as in an index.
///   `wasm-flow check` then warns of a flow that spreads requests over several
///   replicas: `shards` divide what is kept. `"none"` if nothing is left. It also lets the flow repeat a call that
///   failed.
///
/// The crate's `license` and `repository` in `Cargo.toml` are part of the
/// description, too.
///
/// The doc comments of the block and of the handlers are the description that
/// `wasm-flow inspect` shows. The type's own doc comment is not part of it, because
/// the macro cannot see it.
///
/// A component has one executor. A crate that is built for WebAssembly must have
/// one `#[executor]`, and must not depend on a crate that has another, because both
/// would be linked into the component (`duplicate symbol`). Code that executors
/// share belongs in a library crate without an executor.
pub use wasm_flow_sdk_macros::executor;

/// Makes a method of an [`#[executor]`](macro@executor) block a handler, and binds
/// it to endpoints.
///
/// - `#[requests]`: to every endpoint that nothing else is bound to.
/// - `#[requests(on = "/index")]`: to one endpoint.
/// - `#[requests(on = ["/index", "/search"])]`: to several endpoints.
/// - `#[requests(on = [])]`: to none, until `uses_requests` in `flow.toml` names
///   the method.
///
/// Endpoints are compared exactly as they are written: upper and lower case differ,
/// and every `/` counts. An endpoint calls one method. Two methods may be bound to
/// the same endpoint only if their `#[cfg]`s exclude each other.
///
/// A handler takes any of these, by type and in any order:
///
/// | type | what it is |
/// | --- | --- |
/// | `&mut DocumentArray` | the request's documents, to change |
/// | `&DocumentArray` | the same, to read |
/// | `DocumentArray` | the same, in a handler that returns documents |
/// | `&Parameters`, `Parameters` | the parameters as a JSON map |
/// | `&Parameters<T>`, `Parameters<T>` | the parameters, read as a `T` |
/// | `&DocsMatrix`, `DocsMatrix` | the documents by predecessor |
/// | `&Context`, `Context` | the request's id and endpoint, and the time left |
///
/// It returns one of these, plain or in a `Result`:
///
/// | type | what it means |
/// | --- | --- |
/// | nothing | the request's documents, as changed, go on |
/// | `DocumentArray` | these documents go on instead |
/// | `Json`, `Map` | the request's documents go on, and the client gets the JSON object |
/// | `impl Stream<Item = Document>` | these documents go to the client one by one, see below |
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// # use wasm_flow_sdk::testing::TestExecutor;
///
/// #[derive(Default)]
/// struct Pages;
///
/// #[executor]
/// impl Pages {
///     /// The documents from `skip` on, and the rest is dropped.
///     #[requests(on = "/page")]
///     async fn page(&self, docs: DocumentArray, parameters: &Parameters) -> Result<DocumentArray> {
///         let skip = parameters.require("skip")?;
///         Ok(docs.into_iter().skip(skip).collect())
///     }
/// }
/// # fn main() -> Result<()> {
/// # let post = wasm_flow_sdk::testing::Post::new("/page")
/// #     .docs(["a", "b"])
/// #     .parameters(json!({ "skip": 1 }));
/// # let pages = TestExecutor::<Pages>::of(Pages);
/// # let reply = wasm_flow_sdk::testing::block_on(pages.send(post))?;
/// # assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["b"]);
/// # Ok(())
/// # }
/// ```
///
/// A handler that returns a stream yields documents, and each goes to the client as soon
/// as it is there, if that asks for a stream (Jina's `Client.stream_doc`). Other clients
/// get all of them when the stream has ended. The next document is asked for once the last
/// has been taken, so a slow client holds the handler up. Items may be `Document`,
/// `DocumentArray` for several that are sent together, or a `Result` of either. What was
/// sent is out of the transaction: it stays sent if the stream fails later, and such a call
/// is never tried again. The crate `async-stream` writes streams with `yield`; without it:
///
/// ```
/// use wasm_flow_sdk::future::{Stream, StreamExt as _, stream};
/// use wasm_flow_sdk::prelude::*;
/// # use wasm_flow_sdk::testing::TestExecutor;
///
/// #[derive(Default)]
/// struct Words;
///
/// #[executor]
/// impl Words {
///     /// A document for each word of the text.
///     #[requests(on = "/words")]
///     fn words(&self, docs: &DocumentArray) -> impl Stream<Item = Result<Document>> {
///         let text = docs.texts().next().unwrap_or_default().to_owned();
///         let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
///         stream::iter(words).map(|word| {
///             ensure!(word != "stop", "a word that ends it");
///             Ok(Document::new(word))
///         })
///     }
/// }
/// # fn main() -> Result<()> {
/// # let words = TestExecutor::<Words>::of(Words);
/// # let reply = words.post("/words", ["one two three"])?;
/// # assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["one", "two", "three"]);
/// # assert!(words.post("/words", ["one stop three"]).is_err());
/// # Ok(())
/// # }
/// ```
///
/// `write` tells the host that the handler changes the executor's state, as Jina's
/// `@write` does. `batch` tells it that the documents of several requests may be put
/// together: the handler does not care which request a document came with.
/// `#[requests(on = "/index", write)]`, `#[requests(on = "/encode", batch)]`.
///
/// A flow puts requests together with `uses_dynamic_batching`. A call may then be for
/// several of them, so:
///
/// - [`Context::request_id`] is empty then, and there is no [`DocsMatrix`] of
///   predecessors.
/// - The handler leaves a document for each that it was given, in their order. The
///   host gives each request its own back by their places.
/// - If the call fails, all of the requests fail.
///
/// Handlers with `&self` run concurrently: while one awaits, others go on. A handler
/// that takes `&mut self` runs alone.
pub use wasm_flow_sdk_macros::requests;

/// Makes a method of an [`#[executor]`](macro@executor) block the one that is
/// called before the instance ends: `fn` or `async fn`, with `&self` or `&mut self`
/// and no other arguments. It returns nothing or `Result<()>`; an error is printed.
/// It is not called if the instance traps or hangs.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// # use wasm_flow_sdk::testing::TestExecutor;
///
/// #[derive(Default)]
/// struct Counter {
///     calls: u32,
/// }
///
/// #[executor]
/// impl Counter {
///     #[requests]
///     fn count(&mut self) {
///         self.calls += 1;
///     }
///
///     #[stop]
///     fn report(&mut self) {
///         println!("{} calls", self.calls);
/// #       self.calls = 100;
///     }
/// }
/// # assert_eq!(TestExecutor::of(Counter::default()).stop().unwrap().calls, 100);
/// ```
pub use wasm_flow_sdk_macros::stop;

/// Makes a struct or an enum one that the SDK can read: a configuration
/// (`uses_with`), or the parameters of a handler.
///
/// It writes serde's `#[derive(Deserialize)]` above the type, with the path of the
/// SDK's serde, so that the executor's crate needs no dependency on serde. All of
/// serde's attributes work, on generic types as well. They go below `#[config]`.
///
/// The type also gets a JSON schema, which `wasm-flow inspect` shows: its fields,
/// their types and doc comments. Types without a schema are allowed everywhere, and
/// `inspect` shows `any` for them: types of other crates, types that borrow, enums
/// whose variants hold data, and types whose shape serde's attributes change
/// (`flatten`, `tag`, `untagged`, `from` and the like).
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// #[config]
/// #[derive(Debug, Clone)]
/// #[serde(rename_all = "kebab-case")]
/// struct Search {
///     /// How many matches to look for.
///     #[serde(default)]
///     top_k: u32,
/// }
///
/// let search: Search = wasm_flow_sdk::serde_json::from_value(json!({ "top-k": 3 })).unwrap();
/// assert_eq!(search.top_k, 3);
/// ```
///
/// # serde's own derives
///
/// Any type that implements serde's [`Deserialize`](trait@Deserialize) can be a
/// configuration, too. With `serde` in Cargo.toml, `use serde::Deserialize;` and
/// `#[derive(Deserialize)]` are what they always are; such a type has no schema.
/// Without the dependency, these derives cannot work, and the prelude's derives of
/// these names say so.
pub use wasm_flow_sdk_macros::config;

/// Makes a struct or an enum one that is written as JSON as well as read: what an
/// executor keeps in a file, or sends and receives over HTTP.
///
/// It is [`#[config]`](macro@config) with serde's `#[derive(Serialize)]`, and all
/// that is said there is true here.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// use wasm_flow_sdk::serde_json;
///
/// #[data]
/// struct Found {
///     id: String,
///     #[serde(default, skip_serializing_if = "Vec::is_empty")]
///     near: Vec<Found>,
/// }
///
/// let found: Found = serde_json::from_str(r#"{ "id": "a" }"#).unwrap();
/// assert!(found.near.is_empty());
/// assert_eq!(serde_json::to_value(found).unwrap(), json!({ "id": "a" }));
/// ```
pub use wasm_flow_sdk_macros::data;

// Their only use is an error that says what to write. They share their names with
// serde's traits, as serde's own derives do.
#[doc(hidden)]
pub use wasm_flow_sdk_macros::{Deserialize, Serialize};

mod array;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod column;
mod commit;
mod config;
mod context;
#[doc(hidden)]
pub mod description;
mod document;
mod error;
pub mod future;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
#[doc(hidden)]
pub mod handler;
pub mod http;
pub mod log;
mod matrix;
mod misspelt;
mod parameters;
mod raw;
#[doc(hidden)]
pub mod schema;
mod source;
#[cfg(feature = "task")]
pub mod task;
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
pub use matrix::Matrix;
pub use parameters::Parameters;
pub use tensor::{Element, NdArray};

pub use serde;
pub use serde::de::Deserialize;
pub use serde::ser::Serialize;
pub use serde_json;
/// Makes a [`Json`]: `json!({ "key": [1, null, "text"] })`.
pub use serde_json::json;

/// A JSON value: a tag, or what a handler sends to the client.
pub type Json = serde_json::Value;

/// A JSON object: tags, or parameters without a type of their own.
pub type Map = serde_json::Map<String, Json>;

/// Everything that an executor needs: `use wasm_flow_sdk::prelude::*;`.
///
/// Its `Result` replaces the standard library's, and can take a second argument
/// like it: `Result<T>` is `Result<T, Error>`.
pub mod prelude {
    pub use crate::{
        Context, Deserialize, DocsMatrix, Document, DocumentArray, Error, ErrorContext as _, Json,
        Map, NamedScore, NdArray, Parameters, Result, Serialize, Setup, bail, config, data, ensure,
        executor, json, requests, stop,
    };
}

/// Compiles the example of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// For code that the macros generate. Not part of the API.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::exports::wasm_flow::executor::executor as wit;
    #[cfg(target_family = "wasm")]
    pub use crate::{bindings, guest};
    pub use crate::{description, handler, schema};
    pub use serde;
    pub use wasm_flow_sdk_macros::Describe;
}
