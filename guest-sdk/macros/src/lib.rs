//! The macros of `wasm-flow-sdk`: it re-exports them, and documents them there.
//!
//! Generated code refers to everything by `::wasm_flow_sdk`, so that an executor's
//! crate needs no other dependency.

#![allow(
    missing_docs,
    reason = "wasm-flow-sdk documents the macros, where doc tests can use it"
)]

mod about;
mod config;
mod describe;
mod executor;
mod hint;
mod signature;

use proc_macro::TokenStream;
use proc_macro2::Span;

use crate::config::Kind;
use crate::hint::Trait;

#[proc_macro_attribute]
pub fn executor(attributes: TokenStream, item: TokenStream) -> TokenStream {
    executor::expand(attributes.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn requests(_attributes: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("requests", item)
}

#[proc_macro_attribute]
pub fn stop(_attributes: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("stop", item)
}

fn misplaced(name: &str, item: TokenStream) -> TokenStream {
    let message = format!("`#[{name}]` goes on a method of an `impl` block that has `#[executor]`");
    let error: TokenStream = syn::Error::new(Span::call_site(), message)
        .into_compile_error()
        .into();
    // The item is kept, so that this is the only error.
    [error, item].into_iter().collect()
}

#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    config::expand(Kind::Config, arguments.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    config::expand(Kind::Data, arguments.into(), item.into()).into()
}

#[proc_macro_derive(Describe, attributes(serde))]
pub fn derive_describe(item: TokenStream) -> TokenStream {
    // serde's derives report what cannot be read.
    let input = syn::parse(item).ok();
    input
        .and_then(|input| describe::expand(&input))
        .unwrap_or_default()
        .into()
}

#[proc_macro_derive(Deserialize, attributes(serde))]
pub fn derive_deserialize(item: TokenStream) -> TokenStream {
    hint::expand(Trait::Deserialize, item.into()).into()
}

#[proc_macro_derive(Serialize, attributes(serde))]
pub fn derive_serialize(item: TokenStream) -> TokenStream {
    hint::expand(Trait::Serialize, item.into()).into()
}
