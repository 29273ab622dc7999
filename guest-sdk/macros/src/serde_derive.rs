//! serde's derives, without a dependency on serde.
//!
//! serde's own macros refer to `::serde` unless `#[serde(crate = "..")]` names
//! another path, and a derive macro cannot add an attribute to its type. So this
//! one makes a copy of the type, with that attribute and `#[serde(remote = "..")]`,
//! and derives serde's traits on the copy: the code that serde generates then
//! reads and writes the original.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, Fields, GenericParam, Generics, LitStr, Meta,
    Path, Result, Token, Type, WherePredicate, parse_quote,
};

use crate::signature::documentation;

pub(crate) fn deserialize(input: DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let bounds = bounds(&input, Direction::Deserialize)?;
    let (copy, copied) = copy(&input, Direction::Deserialize, &bounds)?;
    let schema = schema(&input);

    let mut generics = input.generics.clone();
    generics.make_where_clause().predicates.extend(bounds);
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
                fn deserialize<__D>(deserializer: __D) -> ::core::result::Result<Self, __D::Error>
                where
                    __D: ::wasm_flow_sdk::__private::serde::Deserializer<'de>,
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
    let bounds = bounds(&input, Direction::Serialize)?;
    let (copy, copied) = copy(&input, Direction::Serialize, &bounds)?;
    let mut generics = input.generics.clone();
    generics.make_where_clause().predicates.extend(bounds);
    let (implementation, _, conditions) = generics.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    Ok(quote! {
        const _: () = {
            #copied

            #[automatically_derived]
            impl #implementation ::wasm_flow_sdk::__private::serde::Serialize
                for #name #arguments #conditions
            {
                fn serialize<__S>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error>
                where
                    __S: ::wasm_flow_sdk::__private::serde::Serializer,
                {
                    #copy::serialize(self, serializer)
                }
            }
        };
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Deserialize,
    Serialize,
}

impl Direction {
    /// The trait.
    fn derive(self) -> TokenStream {
        match self {
            Direction::Deserialize => quote!(Deserialize),
            Direction::Serialize => quote!(Serialize),
        }
    }

    /// The trait as a bound.
    fn bound(self) -> TokenStream {
        let lifetime = match self {
            Direction::Deserialize => quote!(<'de>),
            Direction::Serialize => quote!(),
        };
        let derive = self.derive();
        quote!(::wasm_flow_sdk::__private::serde::#derive #lifetime)
    }

    /// The key that serde's attributes use for this direction.
    fn key(self) -> &'static str {
        match self {
            Direction::Deserialize => "deserialize",
            Direction::Serialize => "serialize",
        }
    }

    /// serde's attribute for a field that is left out.
    fn skip(self) -> &'static str {
        match self {
            Direction::Deserialize => "skip_deserializing",
            Direction::Serialize => "skip_serializing",
        }
    }
}

type Predicates = Punctuated<WherePredicate, Token![,]>;

/// The copy's name, with generic arguments as an expression needs them, and its
/// tokens.
///
/// serde generates plain functions for the copy and does not expose the bounds
/// that it infers for them. So the copy states these bounds itself.
fn copy(
    input: &DeriveInput,
    direction: Direction,
    bounds: &Predicates,
) -> Result<(TokenStream, TokenStream)> {
    let mut copy = input.clone();
    let renamed = check_container(&input.attrs)?;
    // serde generates helpers such as `__Field` in the same scope.
    copy.ident = format_ident!("__WasmFlowCopyOf{}", input.ident.unraw());
    copy.vis = syn::Visibility::Inherited;
    let (_, arguments, _) = input.generics.split_for_impl();
    let turbofish = arguments.as_turbofish();
    let original = {
        let name = &input.ident;
        // With `::`, it is valid both as a type and as an expression.
        quote!(#name #turbofish)
    };

    let remote = LitStr::new(&input.ident.to_string(), input.ident.span());
    let name = LitStr::new(&input.ident.unraw().to_string(), input.ident.span());
    adapt(&mut copy.attrs, &original, |meta| {
        let path = meta.path();
        if path.is_ident("bound") {
            None
        } else if matches!(meta, Meta::Path(_)) && path.is_ident("default") {
            // A bare `default` asks for the copy's `Default`. With a path, it asks
            // for that of the original.
            Some(parse_quote!(#path = "::core::default::Default::default"))
        } else {
            Some(meta)
        }
    });
    if !renamed {
        copy.attrs.push(parse_quote!(#[serde(rename = #name)]));
    }
    if input.generics.type_params().next().is_some() {
        let bounds = replace_self(quote!(#bounds), &original).to_string();
        let bounds = LitStr::new(&bounds, input.ident.span());
        copy.attrs.push(parse_quote!(#[serde(bound = #bounds)]));
    }
    for fields in fields_mut(&mut copy.data) {
        for field in fields {
            adapt(&mut field.attrs, &original, Some);
            // `Self` is the original, not the copy.
            let ty = replace_self(field.ty.to_token_stream(), &original);
            field.ty = syn::parse2(ty)?;
        }
    }
    if let Data::Enum(data) = &mut copy.data {
        for variant in &mut data.variants {
            adapt(&mut variant.attrs, &original, Some);
        }
    }
    without_defaults(&mut copy.generics);

    let ident = &copy.ident;
    let derive = direction.derive();
    let tokens = quote! {
        #[derive(::wasm_flow_sdk::__private::serde::#derive)]
        #[serde(crate = "::wasm_flow_sdk::__private::serde", remote = #remote)]
        #[allow(dead_code, non_camel_case_types, clippy::all, reason = "serde reads it, and nothing else")]
        #copy
    };
    Ok((quote!(#ident #turbofish), tokens))
}

/// Keeps serde's attributes only, after `change`, and replaces `Self` in them by
/// the original.
fn adapt(
    attributes: &mut Vec<Attribute>,
    original: &TokenStream,
    change: impl Fn(Meta) -> Option<Meta>,
) {
    attributes.retain(|attribute| attribute.path().is_ident("serde"));
    for attribute in attributes {
        // serde reports what cannot be read.
        let (Some(metas), Meta::List(list)) = (metas(attribute), &mut attribute.meta) else {
            continue;
        };
        let metas = metas.into_iter().filter_map(&change).map(|mut meta| {
            if let Meta::NameValue(value) = &mut meta
                && holds_code(&value.path)
                && let Ok(text) = syn::parse2::<LitStr>(value.value.to_token_stream())
                && let Ok(tokens) = text.value().parse::<TokenStream>()
            {
                let tokens = replace_self(tokens, original).to_string();
                let text = LitStr::new(&tokens, text.span());
                value.value = parse_quote!(#text);
            }
            meta
        });
        list.tokens = quote!(#(#metas),*);
    }
}

/// Whether an attribute's value is code, rather than a name or a text.
fn holds_code(attribute: &Path) -> bool {
    [
        "bound",
        "default",
        "deserialize_with",
        "from",
        "into",
        "serialize_with",
        "skip_serializing_if",
        "try_from",
        "with",
    ]
    .iter()
    .any(|code| attribute.is_ident(code))
}

/// The bounds under which the type can be read, or written: those that serde
/// infers, or those that `bound` states.
fn bounds(input: &DeriveInput, direction: Direction) -> Result<Predicates> {
    let mut predicates = Predicates::new();
    let mut fields = Vec::new();
    match &input.data {
        Data::Struct(data) => fields.extend(&data.fields),
        Data::Enum(data) => {
            for variant in &data.variants {
                predicates.extend(stated(&variant.attrs, direction)?.into_iter().flatten());
                if How::read(&variant.attrs, direction).by_its_type {
                    fields.extend(&variant.fields);
                }
            }
        }
        Data::Union(_) => {}
    }
    let mut inferred = Vec::new();
    for field in fields {
        match stated(&field.attrs, direction)? {
            Some(stated) => predicates.extend(stated),
            None => inferred.push(field),
        }
    }
    if let Some(stated) = stated(&input.attrs, direction)? {
        predicates.extend(stated);
        return Ok(predicates);
    }
    let bound = direction.bound();
    for parameter in input
        .generics
        .type_params()
        .map(|parameter| &parameter.ident)
    {
        let (mut needed, mut default) = (false, false);
        for field in &inferred {
            let how = How::read(&field.attrs, direction);
            if is_phantom(&field.ty) || !(how.by_its_type || how.by_default) {
                continue;
            }
            match mentions(field.ty.to_token_stream(), parameter) {
                Mention::Not => continue,
                Mention::Itself => {}
                Mention::Inside => {
                    return Err(Error::new_spanned(
                        &field.ty,
                        format!(
                            "the bound that this needs on `{parameter}` cannot be inferred: state \
                             it, as in `#[serde(bound({} = \"{parameter}::Item: ..\"))]` on the type",
                            direction.key()
                        ),
                    ));
                }
            }
            needed |= how.by_its_type;
            default |= how.by_default;
        }
        if needed {
            predicates.push(parse_quote!(#parameter: #bound));
        }
        if default {
            predicates.push(parse_quote!(#parameter: ::core::default::Default));
        }
    }
    let default = serde_metas(&input.attrs)
        .iter()
        .any(|meta| matches!(meta, Meta::Path(path) if path.is_ident("default")));
    let generic = input.generics.type_params().next().is_some();
    if direction == Direction::Deserialize && default && generic {
        let name = &input.ident;
        let (_, arguments, _) = input.generics.split_for_impl();
        predicates.push(parse_quote!(#name #arguments: ::core::default::Default));
    }
    Ok(predicates)
}

/// The bounds that `bound` states, if it is present.
fn stated(attributes: &[Attribute], direction: Direction) -> Result<Option<Predicates>> {
    serde_metas(attributes)
        .iter()
        .filter(|meta| meta.path().is_ident("bound"))
        .find_map(|meta| Some((meta, text(meta, direction.key())?)))
        .map(|(meta, text)| {
            Predicates::parse_terminated
                .parse_str(&text)
                .map_err(|error| Error::new_spanned(meta, error))
        })
        .transpose()
}

/// How a field is read or written.
struct How {
    by_its_type: bool,
    /// If it is missing, `Default` makes it.
    by_default: bool,
}

impl How {
    fn read(attributes: &[Attribute], direction: Direction) -> How {
        let mut how = How {
            by_its_type: true,
            by_default: false,
        };
        let key = direction.key();
        let (mut skipped, mut named) = (false, false);
        for meta in serde_metas(attributes) {
            let path = meta.path();
            if path.is_ident("skip") || path.is_ident(direction.skip()) {
                skipped = true;
            } else if path.is_ident("with") || path.is_ident(&format!("{key}_with")) {
                how.by_its_type = false;
            } else if path.is_ident("default") {
                named |= !matches!(meta, Meta::Path(_));
                how.by_default |= matches!(meta, Meta::Path(_));
            }
        }
        if skipped {
            how.by_its_type = false;
            how.by_default = !named;
        }
        how.by_default &= direction == Direction::Deserialize;
        how
    }
}

fn is_phantom(ty: &Type) -> bool {
    matches!(ty, Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"))
}

/// How a type mentions a parameter.
enum Mention {
    Not,
    Itself,
    /// A type that belongs to it, `T::Item`.
    Inside,
}

fn mentions(tokens: TokenStream, parameter: &Ident) -> Mention {
    let mut found = Mention::Not;
    let mut tokens = tokens.into_iter().peekable();
    let mut before = ' ';
    while let Some(token) = tokens.next() {
        let here = match &token {
            TokenTree::Group(group) => mentions(group.stream(), parameter),
            // Neither a lifetime nor a later segment of a path.
            TokenTree::Ident(ident) if ident == parameter && !matches!(before, '\'' | ':') => {
                match tokens.peek() {
                    Some(TokenTree::Punct(punct)) if punct.as_char() == ':' => Mention::Inside,
                    _ => Mention::Itself,
                }
            }
            _ => Mention::Not,
        };
        match here {
            Mention::Not => {}
            Mention::Itself => found = Mention::Itself,
            Mention::Inside => return Mention::Inside,
        }
        before = match &token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
    }
    found
}

/// Checks the container's attributes, and tells whether they rename it.
fn check_container(attributes: &[Attribute]) -> Result<bool> {
    let mut renamed = false;
    for meta in serde_metas(attributes) {
        let path = meta.path();
        if path.is_ident("crate") || path.is_ident("remote") {
            return Err(Error::new_spanned(
                path,
                "the SDK's `Deserialize` and `Serialize` do not support `crate` and `remote`: for \
                 those, depend on serde and use its derives",
            ));
        }
        renamed |= path.is_ident("rename");
    }
    Ok(renamed)
}

/// The contents of `#[serde(..)]`, as far as they can be read.
fn serde_metas(attributes: &[Attribute]) -> Vec<Meta> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
        .filter_map(metas)
        .flatten()
        .collect()
}

fn metas(attribute: &Attribute) -> Option<Punctuated<Meta, Token![,]>> {
    attribute.parse_args_with(Punctuated::parse_terminated).ok()
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

/// An implementation of `Described`, if the schema is known.
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
