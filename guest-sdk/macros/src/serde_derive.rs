//! serde's derives, without a dependency on serde.
//!
//! serde's own macros name `::serde`, unless `#[serde(crate = "..")]` says where
//! else it is, and a derive macro cannot add an attribute to the type that it
//! stands on. So this one makes a copy of the type, with that attribute and
//! `#[serde(remote = "..")]`, and lets serde derive on the copy: what comes out
//! reads and writes the original.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, Fields, GenericParam, Generics, LitStr, Meta,
    Path, Result, Token, Type, parse_quote,
};

use crate::signature::documentation;

pub(crate) fn deserialize(input: DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let (copy, copied) = copy(&input, &format_ident!("Deserialize"))?;
    let schema = schema(&input);

    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(
            ::wasm_flow_sdk::__private::serde::Deserialize<'de>
        ));
    }
    let lifetimes: Vec<_> = input.generics.lifetimes().map(|l| &l.lifetime).collect();
    generics
        .params
        .insert(0, parse_quote!('de #(: #lifetimes +)*));
    let (implementation, _, conditions) = generics.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    Ok(quote! {
        const _: () = {
            #copied

            #[automatically_derived]
            impl #implementation ::wasm_flow_sdk::__private::serde::Deserialize<'de>
                for #name #arguments #conditions
            {
                fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
                where
                    D: ::wasm_flow_sdk::__private::serde::Deserializer<'de>,
                {
                    #copy::deserialize(deserializer)
                }
            }

            #schema
        };
    })
}

pub(crate) fn serialize(input: DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let (copy, copied) = copy(&input, &format_ident!("Serialize"))?;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote!(::wasm_flow_sdk::__private::serde::Serialize));
    }
    let (implementation, _, conditions) = generics.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    Ok(quote! {
        const _: () = {
            #copied

            #[automatically_derived]
            impl #implementation ::wasm_flow_sdk::__private::serde::Serialize
                for #name #arguments #conditions
            {
                fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
                where
                    S: ::wasm_flow_sdk::__private::serde::Serializer,
                {
                    #copy::serialize(self, serializer)
                }
            }
        };
    })
}

/// The copy's name, with generic arguments for an expression, and its tokens.
fn copy(input: &DeriveInput, derive: &Ident) -> Result<(TokenStream, TokenStream)> {
    let mut copy = input.clone();
    let renamed = check_container(&input.attrs)?;
    // serde has helpers of its own beside it, `__Field` for one.
    copy.ident = format_ident!("__WasmFlowCopyOf{}", input.ident.unraw());
    copy.vis = syn::Visibility::Inherited;
    let original = {
        let name = &input.ident;
        let (_, arguments, _) = input.generics.split_for_impl();
        quote!(#name #arguments)
    };

    let remote = LitStr::new(&input.ident.to_string(), input.ident.span());
    let name = LitStr::new(&input.ident.unraw().to_string(), input.ident.span());
    keep_serde(&mut copy.attrs);
    for attribute in &mut copy.attrs {
        default_by_path(attribute)?;
    }
    if !renamed {
        copy.attrs.push(parse_quote!(#[serde(rename = #name)]));
    }
    for fields in fields_mut(&mut copy.data) {
        for field in fields {
            keep_serde(&mut field.attrs);
            // `Self` is the original, not the copy.
            let ty = replace_self(field.ty.to_token_stream(), &original);
            field.ty = syn::parse2(ty)?;
        }
    }
    if let Data::Enum(data) = &mut copy.data {
        for variant in &mut data.variants {
            keep_serde(&mut variant.attrs);
        }
    }
    without_defaults(&mut copy.generics);

    let ident = &copy.ident;
    let (_, arguments, _) = input.generics.split_for_impl();
    let turbofish = arguments.as_turbofish();
    let tokens = quote! {
        #[derive(::wasm_flow_sdk::__private::serde::#derive)]
        #[serde(crate = "::wasm_flow_sdk::__private::serde", remote = #remote)]
        #[allow(dead_code, non_camel_case_types, clippy::all, reason = "serde reads it, and nothing else")]
        #copy
    };
    Ok((quote!(#ident #turbofish), tokens))
}

/// Whether the container has a name for serde.
fn check_container(attributes: &[Attribute]) -> Result<bool> {
    let mut renamed = false;
    for meta in serde_metas(attributes) {
        let path = meta.path();
        if path.is_ident("crate") || path.is_ident("remote") {
            return Err(Error::new_spanned(
                path,
                "this `Deserialize` and `Serialize` are the SDK's: for `crate` and `remote`, depend \
                 on serde and derive with its macros",
            ));
        }
        renamed |= path.is_ident("rename");
    }
    Ok(renamed)
}

/// `default` of a container asks for the copy's `Default`; named, it asks for
/// that of what is made.
fn default_by_path(attribute: &mut Attribute) -> Result<()> {
    if let Meta::List(list) = &mut attribute.meta {
        let metas = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
        let metas = metas.into_iter().map(|meta| match meta {
            Meta::Path(path) if path.is_ident("default") => {
                quote!(#path = "::core::default::Default::default")
            }
            meta => quote!(#meta),
        });
        list.tokens = quote!(#(#metas),*);
    }
    Ok(())
}

/// What is in `#[serde(..)]`, as far as it can be read.
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

fn keep_serde(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| attribute.path().is_ident("serde"));
}

fn fields_mut(data: &mut Data) -> Vec<&mut Fields> {
    match data {
        Data::Struct(data) => vec![&mut data.fields],
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .map(|variant| &mut variant.fields)
            .collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn replace_self(tokens: TokenStream, original: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => original.clone(),
            TokenTree::Group(group) => {
                let mut replaced =
                    Group::new(group.delimiter(), replace_self(group.stream(), original));
                replaced.set_span(group.span());
                TokenTree::Group(replaced).into()
            }
            token => token.into(),
        })
        .collect()
}

fn without_defaults(generics: &mut Generics) {
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Type(parameter) => parameter.default = None,
            GenericParam::Const(parameter) => parameter.default = None,
            GenericParam::Lifetime(_) => {}
        }
    }
}

// --- the schema -------------------------------------------------------------

/// A `Described`, where the schema can be told.
fn schema(input: &DeriveInput) -> Option<TokenStream> {
    if !input.generics.params.is_empty() {
        return None;
    }
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
    Some(quote! {
        #[automatically_derived]
        impl ::wasm_flow_sdk::__private::schema::Described for #name {
            fn schema(schema: &mut ::wasm_flow_sdk::__private::schema::Schema) {
                #[allow(unused_imports)]
                use ::wasm_flow_sdk::__private::schema::{
                    Known as _, Optional as _, Required as _, Unknown as _,
                };
                schema.own(::core::any::TypeId::of::<Self>(), |schema| { #body });
            }
        }
    })
}

fn write_or_any(ty: &Type) -> TokenStream {
    quote! {
        if !(&&::wasm_flow_sdk::__private::schema::Probe::<#ty>::NEW).write(schema) {
            schema.any();
        }
    }
}

#[derive(Default)]
struct Container {
    rename_all: Option<String>,
    default: bool,
    closed: bool,
}

impl Container {
    /// None where the attributes make another shape of the type.
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
                || path.is_ident("bound"))
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
            // With a deserialiser of its own, `None` needs a default as well.
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

    /// An enum whose variants hold nothing is a choice of strings.
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

/// `rename = ".."`, or the one for this direction in `rename(deserialize = "..")`.
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

/// serde's case rules, of a field's name, which is `snake_case`.
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

/// The same of a variant's name, which is `PascalCase`.
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
