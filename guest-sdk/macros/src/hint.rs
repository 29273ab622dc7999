//! What the prelude's `#[derive(Deserialize)]` and `#[derive(Serialize)]` are: an
//! error that says what to write.
//!
//! Without them, the compiler would suggest serde's own derives by a path through
//! the SDK, and these would then fail for want of a dependency on serde.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Error, parse_quote};

/// One of serde's traits.
#[derive(Clone, Copy)]
pub(crate) enum Trait {
    Deserialize,
    Serialize,
}

pub(crate) fn expand(derived: Trait, item: TokenStream) -> TokenStream {
    let (name, instead) = match derived {
        Trait::Deserialize => (
            "Deserialize",
            "`#[config]` on the type, or `#[data]` if it is written as JSON as well",
        ),
        Trait::Serialize => ("Serialize", "`#[data]` on the type"),
    };
    let error = Error::new(
        Span::call_site(),
        format!(
            "in place of `#[derive({name})]`, put {instead}. To use serde's own derive, add `serde` \
             with its feature `derive` to Cargo.toml, and write `use serde::{name};`"
        ),
    )
    .into_compile_error();
    let implementation = syn::parse2(item).map(|input| stand_in(derived, input));
    let implementation = implementation.unwrap_or_default();
    quote!(#error #implementation)
}

/// An implementation that never runs: the error beside it ends the compilation. With
/// it, uses of the type are not further errors.
fn stand_in(derived: Trait, input: DeriveInput) -> TokenStream {
    let name = &input.ident;
    let (_, arguments, conditions) = input.generics.split_for_impl();
    let serde = quote!(::wasm_flow_sdk::__private::serde);
    match derived {
        Trait::Deserialize => {
            let mut generics = input.generics.clone();
            generics.params.insert(0, parse_quote!('de));
            let (implementation, _, _) = generics.split_for_impl();
            quote! {
                impl #implementation #serde::Deserialize<'de> for #name #arguments #conditions {
                    fn deserialize<__D: #serde::Deserializer<'de>>(
                        _: __D,
                    ) -> ::core::result::Result<Self, __D::Error> {
                        ::core::unreachable!("the derive is an error")
                    }
                }
            }
        }
        Trait::Serialize => {
            let (implementation, _, _) = input.generics.split_for_impl();
            quote! {
                impl #implementation #serde::Serialize for #name #arguments #conditions {
                    fn serialize<__S: #serde::Serializer>(
                        &self,
                        _: __S,
                    ) -> ::core::result::Result<__S::Ok, __S::Error> {
                        ::core::unreachable!("the derive is an error")
                    }
                }
            }
        }
    }
}
