//! `#[config]` and `#[data]`.
//!
//! serde's derives refer to `::serde` unless `#[serde(crate = "..")]` names another
//! path. A derive cannot add an attribute to its type, and these can. So they write
//! serde's own derives, with the path of the SDK's serde.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Item, Meta, Path, PathSegment, Token};

use crate::signature::Errors;

/// One of the two attributes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Config,
    Data,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::Data => "data",
        }
    }

    /// serde's derives that it writes.
    fn derives(self) -> &'static [&'static str] {
        match self {
            Kind::Config => &["Deserialize"],
            Kind::Data => &["Deserialize", "Serialize"],
        }
    }
}

pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let name = kind.name();
    let mut errors = Errors::default();
    let item = match syn::parse2::<Item>(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let (attributes, ty) = match item {
        Item::Struct(mut item) => (std::mem::take(&mut item.attrs), item.into_token_stream()),
        Item::Enum(mut item) => (std::mem::take(&mut item.attrs), item.into_token_stream()),
        other => {
            let error = misplaced(name, &other).into_compile_error();
            // The item is kept, so that this is the only error.
            return quote!(#error #other);
        }
    };
    if !arguments.is_empty() {
        errors.at(
            &arguments,
            format!(
                "`#[{name}]` takes no arguments: serde's attributes go below it, as in \
                 `#[serde(rename_all = \"kebab-case\")]`"
            ),
        );
    }
    let attributes = check(kind, attributes, &mut errors);
    let errors = errors.into_compile_error();
    let serialize = matches!(kind, Kind::Data)
        .then(|| quote!(#[derive(::wasm_flow_sdk::__private::serde::Serialize)]));
    quote! {
        #errors
        #[derive(::wasm_flow_sdk::__private::serde::Deserialize)]
        #serialize
        #[derive(::wasm_flow_sdk::__private::Describe)]
        #[serde(crate = "::wasm_flow_sdk::__private::serde")]
        #(#attributes)*
        #ty
    }
}

fn misplaced(name: &str, item: &Item) -> Error {
    match item {
        Item::Union(item) => Error::new(
            item.union_token.span(),
            format!(
                "`#[{name}]` cannot go on a union: nothing tells which of its fields is there. \
                 Use an enum"
            ),
        ),
        _ => Error::new(
            Span::call_site(),
            format!("`#[{name}]` goes on a struct or an enum, not on this item"),
        ),
    }
}

/// Checks the type's other attributes, and takes out those that would say the same
/// again: what follows from them would be a second error.
fn check(kind: Kind, attributes: Vec<Attribute>, errors: &mut Errors) -> Vec<Attribute> {
    attributes
        .into_iter()
        .filter_map(|attribute| {
            let path = attribute.path();
            if path.is_ident("derive") {
                return Some(check_derive(kind, attribute, errors));
            }
            if path.is_ident("serde") {
                return check_serde(kind, attribute, errors);
            }
            if means(path, "config") || means(path, "data") {
                errors.at(
                    &attribute,
                    "a type has one `#[config]` or one `#[data]`: `#[data]` does what `#[config]` \
                     does, and writes the type as well",
                );
                return None;
            }
            Some(attribute)
        })
        .collect()
}

/// Whether a path means this macro of ours or of serde. Other crates have derives of
/// these names, too.
fn means(path: &Path, name: &str) -> bool {
    let ours = |segment: &PathSegment| {
        ["serde", "serde_derive", "wasm_flow_sdk"]
            .iter()
            .any(|ours| segment.ident == ours)
    };
    path.segments.last().is_some_and(|last| last.ident == name)
        && (path.segments.len() == 1 || path.segments.first().is_some_and(ours))
}

fn check_derive(kind: Kind, mut attribute: Attribute, errors: &mut Errors) -> Attribute {
    let Ok(paths) = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
    else {
        // The compiler reports it.
        return attribute;
    };
    let mut kept = Vec::new();
    for path in paths {
        let derive = kind.derives().iter().find(|derive| means(&path, derive));
        match derive {
            Some(derive) => errors.at(
                &path,
                format!(
                    "`#[{}]` derives `{derive}` already: leave this one out",
                    kind.name()
                ),
            ),
            None => kept.push(path),
        }
    }
    if let Meta::List(list) = &mut attribute.meta {
        list.tokens = quote!(#(#kept),*);
    }
    attribute
}

/// `crate` is taken.
fn check_serde(kind: Kind, attribute: Attribute, errors: &mut Errors) -> Option<Attribute> {
    let metas = attribute
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .unwrap_or_default();
    let stated = metas.iter().find(|meta| meta.path().is_ident("crate"));
    let Some(meta) = stated else {
        return Some(attribute);
    };
    errors.at(
        meta,
        format!(
            "`#[{}]` sets `crate` itself: leave this out. To use a serde of your own, write its \
             derives in place of `#[{}]`",
            kind.name(),
            kind.name()
        ),
    );
    None
}
