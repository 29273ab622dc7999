//! The macros of `wasm-flow-sdk`, which re-exports and documents them.
//!
//! Code that is generated here names everything by `::wasm_flow_sdk`, so that an
//! executor's crate depends on nothing else.

mod executor;
mod serde_derive;
mod signature;

use proc_macro::TokenStream;
use proc_macro2::Span;
use syn::DeriveInput;

/// Makes a type an executor. It stands on an `impl` block of the type:
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// #[derive(Deserialize)]
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
/// - `fn new` or `async fn new`, if it is there, makes the executor. It takes
///   the configuration (`uses_with`), of any type that serde reads, and a
///   `Setup`; in any order, any left out. It returns `Self` or `Result<Self>`.
///   Without `new` in this block, `Default` makes it: the macro does not see the
///   type's other blocks.
/// - A method with `#[requests]` is a handler.
/// - A method with `#[stop]` is called before the instance goes.
/// - All other methods are left alone.
///
/// The doc comments of the block (not those of the type, which the macro does
/// not see) and of the handlers are the description that `wasm-flow inspect`
/// shows.
///
/// A component has one executor: a crate that is built for WebAssembly has one
/// `#[executor]`, and depends on no crate that has one, as that would be linked
/// in as a second one (`duplicate symbol`). What executors share is in a library
/// crate without an executor.
#[proc_macro_attribute]
pub fn executor(attributes: TokenStream, item: TokenStream) -> TokenStream {
    executor::expand(attributes.into(), item.into()).into()
}

/// Makes a method of an `#[executor]` block a handler, and binds it.
///
/// - `#[requests]`: to every endpoint that nothing else is bound to.
/// - `#[requests(on = "/index")]`: to an endpoint.
/// - `#[requests(on = ["/index", "/search"])]`: to several.
/// - `#[requests(on = [])]`: to none, until `uses_requests` in `flow.toml` names
///   the method.
///
/// Endpoints are compared as they are written: case counts, and so does `/`. An
/// endpoint calls one method; of several with a `#[cfg]`, one is compiled.
///
/// A handler takes what it names, by type and in any order:
///
/// | type | what it is |
/// | --- | --- |
/// | `&mut DocumentArray` | the request's documents, to change |
/// | `&DocumentArray` | the same, to read |
/// | `DocumentArray` | the same, in a handler that returns documents |
/// | `&Parameters`, `Parameters` | the parameters as a JSON map |
/// | `&Parameters<T>`, `Parameters<T>` | the parameters, read as a `T` |
/// | `&DocsMatrix`, `DocsMatrix` | the documents by predecessor |
/// | `&Context`, `Context` | the request's id and endpoint, the time left |
///
/// and returns, as it is or in a `Result`:
///
/// | type | what it means |
/// | --- | --- |
/// | nothing | the request's documents, as changed, go on |
/// | `DocumentArray` | these go on instead |
/// | `Json`, `Map` | the documents go on; the client gets the JSON object |
///
/// An `async fn` with `&self` runs concurrently with others of its kind. A plain
/// `fn`, and whatever takes `&mut self`, runs alone.
#[proc_macro_attribute]
pub fn requests(_attributes: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("requests", item)
}

/// Makes a method of an `#[executor]` block the one that is called before the
/// instance goes: `fn` or `async fn`, with `&self` or `&mut self` and nothing
/// else. It is not called when the instance traps or hangs.
#[proc_macro_attribute]
pub fn stop(_attributes: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("stop", item)
}

fn misplaced(name: &str, item: TokenStream) -> TokenStream {
    let message =
        format!("`#[{name}]` stands on a method of an `impl` block that `#[executor]` stands on");
    let error: TokenStream = syn::Error::new(Span::call_site(), message)
        .into_compile_error()
        .into();
    // The item stays, so that this is the only error.
    [error, item].into_iter().collect()
}

/// serde's `Deserialize`, without a dependency on serde, and with a JSON schema
/// that the executor's description tells the host.
///
/// serde's attributes work, but `crate` and `remote`: for those, depend on serde
/// and derive with its macros. What a generic type asks of its parameters is
/// found as serde finds it; of what belongs to a parameter, as `T::Item`, it has
/// to be said with `bound`.
#[proc_macro_derive(Deserialize, attributes(serde))]
pub fn derive_deserialize(item: TokenStream) -> TokenStream {
    derive(item, serde_derive::deserialize)
}

/// serde's `Serialize`, without a dependency on serde. What is said of attributes
/// and generic types at [`Deserialize`](macro@Deserialize) goes for it as well.
#[proc_macro_derive(Serialize, attributes(serde))]
pub fn derive_serialize(item: TokenStream) -> TokenStream {
    derive(item, serde_derive::serialize)
}

fn derive(
    item: TokenStream,
    expand: fn(DeriveInput) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    syn::parse(item)
        .and_then(expand)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
