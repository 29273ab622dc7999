//! `#[derive(Describe)]`, which `#[config]` and `#[data]` put on a type: its JSON
//! schema, if serde's attributes leave its shape known.
//!
//! It is a derive, and not a part of the attribute, because a derive sees a type
//! whose `#[cfg]`s are decided.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Fields, Generics, LitStr, Meta, Path, Token, Type,
    parse_quote,
};

use crate::signature::documentation;

/// An implementation of `Described`, if the schema is known.
pub(crate) fn expand(input: &DeriveInput) -> Option<TokenStream> {
    let generics = generics(&input.generics)?;
    let container = Container::read(&input.attrs)?;
    let description = documentation(&input.attrs);
    let body = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => container.object(&description, &data.fields)?,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let ty = &fields.unnamed.first()?.ty;
                write_or_any(ty)
            }
            Fields::Unnamed(_) | Fields::Unit => return None,
        },
        Data::Enum(data) => container.choice(&description, data)?,
        Data::Union(_) => return None,
    };
    let name = &input.ident;
    let (implementation, arguments, conditions) = generics.split_for_impl();
    Some(quote! {
        #[automatically_derived]
        impl #implementation ::wasm_flow_sdk::__private::schema::Described
            for #name #arguments #conditions
        {
            fn schema(schema: &mut ::wasm_flow_sdk::__private::schema::Schema) {
                #[allow(unused_imports)]
                use ::wasm_flow_sdk::__private::schema::{
                    Known as _, Optional as _, Partly as _, Required as _, Unknown as _,
                };
                schema.own(::core::any::TypeId::of::<Self>(), |schema| { #body });
            }
        }
    })
}

/// The parameters of a type, each of which has to be described itself. Types that
/// borrow have no schema: `TypeId`, by which a type that contains itself is found,
/// does not know them.
fn generics(generics: &Generics) -> Option<Generics> {
    if generics.lifetimes().next().is_some() {
        return None;
    }
    let mut generics = generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote!(::wasm_flow_sdk::__private::schema::Described));
        parameter.bounds.push(parse_quote!('static));
    }
    Some(generics)
}

fn write_or_any(ty: &Type) -> TokenStream {
    quote! {
        if !(&&&::wasm_flow_sdk::__private::schema::Probe::<#ty>::NEW).write(schema) {
            schema.any();
        }
    }
}

/// The contents of `#[serde(..)]`, as far as they can be read: serde reports what
/// cannot.
fn serde_metas(attributes: &[Attribute]) -> Vec<Meta> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
        .filter_map(|attribute| {
            attribute
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .collect()
}

#[derive(Default)]
struct Container {
    rename_all: Option<String>,
    default: bool,
    closed: bool,
}

impl Container {
    /// None if the attributes change the type's shape.
    fn read(attributes: &[Attribute]) -> Option<Container> {
        let mut container = Container::default();
        for meta in serde_metas(attributes) {
            let path = meta.path();
            if path.is_ident("rename_all") {
                container.rename_all = Some(text(&meta, "deserialize")?);
            } else if path.is_ident("default") {
                container.default = true;
            } else if path.is_ident("deny_unknown_fields") {
                container.closed = true;
            } else if !(path.is_ident("rename")
                || path.is_ident("expecting")
                || path.is_ident("bound")
                || path.is_ident("crate"))
            {
                return None;
            }
        }
        Some(container)
    }

    fn rename(&self, name: &str, cased: fn(&str, &str) -> Option<String>) -> Option<String> {
        match &self.rename_all {
            None => Some(name.to_owned()),
            Some(rule) => cased(rule, name),
        }
    }

    fn object(&self, description: &str, fields: &Fields) -> Option<TokenStream> {
        let mut described = Vec::new();
        'fields: for field in fields {
            let ident = field.ident.as_ref()?.unraw().to_string();
            let mut name = self.rename(&ident, field_case)?;
            let mut required = !self.default;
            let mut any = false;
            for meta in serde_metas(&field.attrs) {
                let path = meta.path();
                if path.is_ident("skip") || path.is_ident("skip_deserializing") {
                    continue 'fields;
                } else if path.is_ident("flatten") {
                    return None;
                } else if path.is_ident("rename") {
                    name = text(&meta, "deserialize")?;
                } else if path.is_ident("default") {
                    required = false;
                } else if path.is_ident("with") || path.is_ident("deserialize_with") {
                    any = true;
                }
            }
            let ty = &field.ty;
            let description = documentation(&field.attrs);
            let write = if any {
                quote!(schema.any();)
            } else {
                write_or_any(ty)
            };
            // A field with a deserializer of its own needs a default even if it is
            // an `Option`.
            let optional = if any {
                quote!(false)
            } else {
                quote!((&&::wasm_flow_sdk::__private::schema::Probe::<#ty>::NEW).optional())
            };
            described.push(quote! {
                ::wasm_flow_sdk::__private::schema::Field {
                    name: #name,
                    description: #description,
                    required: #required && !#optional,
                    write: |schema| { #write },
                }
            });
        }
        let closed = self.closed;
        Some(quote!(schema.object(#description, #closed, &[#(#described),*]);))
    }

    /// An enum whose variants hold no data is a choice of strings.
    fn choice(&self, description: &str, data: &DataEnum) -> Option<TokenStream> {
        let mut names = Vec::new();
        'variants: for variant in &data.variants {
            if !matches!(variant.fields, Fields::Unit) {
                return None;
            }
            let mut name = self.rename(&variant.ident.unraw().to_string(), variant_case)?;
            for meta in serde_metas(&variant.attrs) {
                let path = meta.path();
                if path.is_ident("skip") || path.is_ident("skip_deserializing") {
                    continue 'variants;
                } else if path.is_ident("rename") {
                    name = text(&meta, "deserialize")?;
                } else if path.is_ident("other") || path.is_ident("deserialize_with") {
                    return None;
                }
            }
            names.push(name);
        }
        Some(quote!(schema.choice(#description, &[#(#names),*]);))
    }
}

/// The text of `rename = ".."`, or that for this direction in
/// `rename(deserialize = "..")`.
fn text(meta: &Meta, direction: &str) -> Option<String> {
    match meta {
        Meta::NameValue(meta) => {
            let text: LitStr = syn::parse2(meta.value.to_token_stream()).ok()?;
            Some(text.value())
        }
        Meta::List(list) => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .ok()?
            .iter()
            .find(|meta| meta.path().is_ident(direction))
            .and_then(|meta| text(meta, direction)),
        Meta::Path(Path { .. }) => None,
    }
}

/// serde's case rules for a field's name, which is `snake_case`.
fn field_case(rule: &str, name: &str) -> Option<String> {
    Some(match rule {
        "lowercase" | "snake_case" => name.to_owned(),
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => name.to_ascii_uppercase(),
        "PascalCase" => pascal(name),
        "camelCase" => lower_first(&pascal(name)),
        "kebab-case" => name.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => name.to_ascii_uppercase().replace('_', "-"),
        _ => return None,
    })
}

/// The same for a variant's name, which is `PascalCase`.
fn variant_case(rule: &str, name: &str) -> Option<String> {
    Some(match rule {
        "PascalCase" => name.to_owned(),
        "lowercase" => name.to_ascii_lowercase(),
        "UPPERCASE" => name.to_ascii_uppercase(),
        "camelCase" => lower_first(name),
        "snake_case" => snake(name),
        "SCREAMING_SNAKE_CASE" => snake(name).to_ascii_uppercase(),
        "kebab-case" => snake(name).replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => snake(name).to_ascii_uppercase().replace('_', "-"),
        _ => return None,
    })
}

fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    let mut start = true;
    for letter in name.chars() {
        if letter == '_' {
            start = true;
        } else if start {
            pascal.push(letter.to_ascii_uppercase());
            start = false;
        } else {
            pascal.push(letter);
        }
    }
    pascal
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_lowercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}
