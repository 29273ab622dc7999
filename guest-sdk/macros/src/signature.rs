//! Reading the attributes and signatures of an executor's methods.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ImplItemFn, Lit, LitStr, Meta,
    PathArguments, ReceiverKind, Result, ReturnType, Safety, Token, Type, TypeParamBound,
    bracketed,
};

/// The endpoint of `#[requests]` without `on`.
pub(crate) const DEFAULT: &str = "/default";

const USAGE: &str = "write `#[requests]` for every endpoint that nothing else is bound to, \
                     `#[requests(on = \"/index\")]` for one, or \
                     `#[requests(on = [\"/index\", \"/search\"])]` for several";

/// Several errors in one.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn at(&mut self, tokens: &impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn into_compile_error(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// A method's role, according to its attributes.
pub(crate) enum Role {
    Handler { attribute: Attribute },
    Stop { attribute: Attribute },
    Constructor,
    Plain,
}

/// Finds a method's role and removes our attributes from it.
pub(crate) fn role(method: &mut ImplItemFn, errors: &mut Errors) -> Role {
    let mut found: Option<Role> = None;
    let mut rest = Vec::new();
    for attribute in std::mem::take(&mut method.attrs) {
        let name = attribute
            .path()
            .segments
            .last()
            .map(|segment| segment.ident.to_string());
        let role = match name.as_deref() {
            Some("requests") => Role::Handler { attribute },
            Some("stop") => Role::Stop { attribute },
            _ => {
                rest.push(attribute);
                continue;
            }
        };
        if found.is_some() {
            let (Role::Handler { attribute } | Role::Stop { attribute }) = &role else {
                continue;
            };
            errors.at(
                attribute,
                "a method has one `#[requests]` or one `#[stop]`; to bind several endpoints, write \
                 `#[requests(on = [\"/index\", \"/search\"])]`",
            );
            continue;
        }
        found = Some(role);
    }
    method.attrs = rest;
    match found {
        Some(role) => role,
        None if method.sig.ident == "new" => Role::Constructor,
        None => Role::Plain,
    }
}

/// What `#[requests(..)]` says.
#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) on: On,
    pub(crate) traits: Traits,
}

/// The endpoints of a handler. `#[requests]` names none: its span is the
/// attribute's.
pub(crate) enum On {
    Default(Span),
    Endpoints(Vec<LitStr>),
}

impl Default for On {
    fn default() -> Self {
        On::Endpoints(Vec::new())
    }
}

/// What the host is told of a handler.
#[derive(Default, Clone, Copy)]
pub(crate) struct Traits {
    /// It changes the executor's state.
    pub(crate) write: bool,
    /// Documents of several requests may be put together for it.
    pub(crate) batch: bool,
}

pub(crate) fn requests(attribute: &Attribute) -> Result<Requests> {
    match &attribute.meta {
        Meta::Path(path) => Ok(Requests {
            on: On::Default(path.span()),
            ..Requests::default()
        }),
        Meta::NameValue(meta) => Err(Error::new_spanned(meta, USAGE)),
        Meta::List(list) => {
            let (endpoints, traits) = parse_requests.parse2(list.tokens.clone())?;
            Ok(Requests {
                on: endpoints.map_or(On::Default(list.path.span()), On::Endpoints),
                traits,
            })
        }
    }
}

fn parse_requests(input: ParseStream<'_>) -> Result<(Option<Vec<LitStr>>, Traits)> {
    if input.peek(LitStr) || input.peek(syn::token::Bracket) {
        return Err(input.error(USAGE));
    }
    let mut endpoints = None;
    let mut traits = Traits::default();
    while !input.is_empty() {
        let key: Ident = input.call(syn::ext::IdentExt::parse_any)?;
        let flag = match key.to_string().as_str() {
            "on" => None,
            "write" => Some(&mut traits.write),
            "batch" => Some(&mut traits.batch),
            _ => {
                return Err(Error::new(
                    key.span(),
                    format!(
                        "unknown key `{key}`: `#[requests]` takes `on`, `write` and `batch`; {USAGE}"
                    ),
                ));
            }
        };
        match flag {
            Some(flag) if *flag => {
                return Err(Error::new(key.span(), format!("`{key}` is given twice")));
            }
            Some(flag) => {
                if input.peek(Token![=]) {
                    let message = format!("`{key}` takes no value: its name is enough");
                    return Err(Error::new(key.span(), message));
                }
                *flag = true;
            }
            None if endpoints.is_some() => {
                return Err(Error::new(
                    key.span(),
                    "`on` is given twice; to bind several endpoints, write \
                     `on = [\"/index\", \"/search\"]`",
                ));
            }
            None => {
                if !input.peek(Token![=]) {
                    return Err(Error::new(key.span(), USAGE));
                }
                input.parse::<Token![=]>()?;
                endpoints = Some(input.call(parse_endpoints)?);
            }
        }
        if input.is_empty() {
            break;
        }
        input.parse::<Token![,]>()?;
    }
    Ok((endpoints, traits))
}

fn parse_endpoints(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let endpoints = if input.peek(syn::token::Bracket) {
        let content;
        bracketed!(content in input);
        Punctuated::<Endpoint, Token![,]>::parse_terminated(&content)?
            .into_iter()
            .map(|endpoint| endpoint.0)
            .collect()
    } else {
        vec![input.parse::<Endpoint>()?.0]
    };
    Ok(endpoints)
}

struct Endpoint(LitStr);

impl Parse for Endpoint {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let expression: Expr = input.parse()?;
        let Expr::Lit(ExprLit {
            lit: Lit::Str(endpoint),
            ..
        }) = expression
        else {
            return Err(Error::new_spanned(
                expression,
                "an endpoint is a string literal, as in `on = \"/index\"`",
            ));
        };
        if endpoint.value().is_empty() {
            return Err(Error::new_spanned(
                endpoint,
                "an endpoint cannot be empty; for every endpoint that nothing else is bound to, \
                 write `#[requests]`",
            ));
        }
        Ok(Endpoint(endpoint))
    }
}

/// The text of all `///` and `#[doc = ".."]`.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else {
            continue;
        };
        let Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) = &meta.value
        else {
            continue;
        };
        if !meta.path.is_ident("doc") {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let line = line.value();
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
    text.trim().to_owned()
}

/// A method's `#[cfg(..)]`, to put on the code that is generated for it.
pub(crate) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .cloned()
        .collect()
}

/// Reports what none of our methods may be.
fn check_plain_function(what: &str, method: &ImplItemFn, errors: &mut Errors) {
    let signature = &method.sig;
    let generics = &signature.generics;
    if !generics.params.is_empty() {
        let lifetimes_only = generics.lifetimes().count() == generics.params.len();
        let why = if lifetimes_only {
            "cannot have lifetime parameters: leave them out"
        } else {
            "cannot be generic: nothing decides which types it is called with"
        };
        errors.at(generics, format!("{what} {why}"));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(unsafety, format!("{what} cannot be unsafe"));
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, format!("{what} cannot be `extern`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(
            variadic,
            format!("{what} takes a fixed number of arguments"),
        );
    }
}

/// How a method takes `self`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    Shared,
    Exclusive,
}

fn receiver(what: &str, method: &ImplItemFn, errors: &mut Errors) -> Receiver {
    let Some(FnArg::Receiver(receiver)) = method.sig.inputs.first() else {
        errors.at(
            &method.sig.ident,
            format!("the first argument of {what} is `&self` or `&mut self`"),
        );
        return Receiver::Shared;
    };
    let reference = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => Some(mutability.is_some()),
        // `self: &Self`.
        ReceiverKind::Typed(_, ty) => match &**ty {
            Type::Reference(reference) if matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("Self")) => {
                Some(reference.mutability.is_some())
            }
            _ => None,
        },
        _ => None,
    };
    match reference {
        Some(true) => Receiver::Exclusive,
        Some(false) => Receiver::Shared,
        None => {
            errors.at(
                receiver,
                format!(
                    "{what} takes `&self` or `&mut self`: later requests need the executor as well"
                ),
            );
            Receiver::Shared
        }
    }
}

/// The arguments' types.
fn arguments(method: &ImplItemFn) -> Vec<Type> {
    method
        .sig
        .inputs
        .iter()
        .filter_map(|argument| match argument {
            FnArg::Receiver(_) => None,
            FnArg::Typed(argument) => Some((*argument.ty).clone()),
        })
        .collect()
}

fn without_reference(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => without_reference(&reference.elem),
        Type::Paren(inner) => without_reference(&inner.elem),
        Type::Group(inner) => without_reference(&inner.elem),
        _ => ty,
    }
}

fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => true,
        Type::Paren(inner) => is_reference(&inner.elem),
        Type::Group(inner) => is_reference(&inner.elem),
        _ => false,
    }
}

/// The last segment of a type's path, without references: `DocumentArray` for
/// `&mut wasm_flow_sdk::DocumentArray`.
fn name_of(ty: &Type) -> Option<String> {
    let Type::Path(path) = without_reference(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    Some(last.ident.to_string())
}

/// The name of the elements' type of a slice, an array or a `Vec`; empty if that
/// type has no name.
fn element_of(ty: &Type) -> Option<String> {
    let element = match without_reference(ty) {
        Type::Slice(slice) => Some(&*slice.elem),
        Type::Array(array) => Some(&*array.elem),
        Type::Path(path) => {
            let last = path
                .path
                .segments
                .last()
                .filter(|last| last.ident == "Vec")?;
            match &last.arguments {
                PathArguments::AngleBracketed(list) => match list.args.first() {
                    Some(GenericArgument::Type(ty)) => Some(ty),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => return None,
    };
    Some(element.and_then(name_of).unwrap_or_default())
}

/// The return type, `()` if there is none.
pub(crate) fn returned(method: &ImplItemFn) -> Type {
    match &method.sig.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}

/// Refuses a type that is written with `impl`: generated code cannot name it.
fn check_named(what: &str, ty: &Type, errors: &mut Errors) {
    if matches!(ty, Type::ImplTrait(_)) {
        errors.at(
            ty,
            format!("{what} must be a type with a name, not `impl ..`"),
        );
    }
}

/// Refuses types that are mistaken for arguments, and suggests what to take
/// instead.
///
/// A macro knows types by name only. A name that is not listed here may be the
/// author's alias of one of the SDK's types, so the compiler has to judge it.
fn check_argument(ty: &Type) -> Result<()> {
    let name = name_of(ty);
    let exclusive = matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
    let hint = match (name.as_deref(), element_of(ty).as_deref()) {
        (_, Some("DocumentArray")) => "for the documents by predecessor, take `&DocsMatrix`".into(),
        (Some("Document" | "Vec"), _) | (None, Some(_)) => {
            "for the documents, take `&mut DocumentArray`, which works like a `Vec` of them".into()
        }
        (Some(name @ ("Parameters" | "DocsMatrix" | "Context")), _) if exclusive => {
            format!("changes to it would be lost: take `&{name}`, or `{name}` to own it")
        }
        (Some("Setup"), _) => "take `&Context` and call its `setup()`".into(),
        (Some("Map" | "HashMap" | "BTreeMap" | "Json" | "Value"), _) => {
            "for the parameters, take `&Parameters`, which is a map of JSON values".into()
        }
        (Some(name), _)
            if name.starts_with(|letter: char| letter.is_lowercase())
                || matches!(name, "String" | "Option") =>
        {
            let ty = without_reference(ty).to_token_stream().to_string();
            let ty = ty.replace(' ', "");
            format!(
                "for one of the parameters, take `&Parameters` and call its `get::<{ty}>(\"..\")`"
            )
        }
        (Some(_), _) => return Ok(()),
        (None, None) => "a request has no value of this type".into(),
    };
    Err(Error::new_spanned(
        ty,
        format!(
            "not an argument of a handler: {hint}\n\n\
             a handler takes, in any order and each at most once:\n\
             - `&mut DocumentArray`, `&DocumentArray` or `DocumentArray`: the request's documents\n\
             - `&Parameters` or `Parameters`: the request's parameters as a JSON map\n\
             - `&Parameters<T>` or `Parameters<T>`: the same, read as a `T` that has `#[config]`\n\
             - `&DocsMatrix` or `DocsMatrix`: the documents by predecessor\n\
             - `&Context` or `Context`: the request's id, endpoint and time left"
        ),
    ))
}

/// A method that requests are bound to.
pub(crate) struct Handler {
    pub(crate) receiver: Receiver,
    /// The types of the arguments.
    pub(crate) arguments: Vec<Type>,
    /// Whether it returns a stream of documents.
    pub(crate) streams: bool,
}

pub(crate) fn handler(method: &ImplItemFn, errors: &mut Errors) -> Handler {
    let what = "a handler";
    check_plain_function(what, method, errors);
    let receiver = receiver(what, method, errors);
    let arguments = arguments(method);
    let mut seen: Vec<String> = Vec::new();
    for argument in &arguments {
        if let Err(error) = check_argument(argument) {
            errors.add(error);
            continue;
        }
        let Some(name) = name_of(argument) else {
            continue;
        };
        if seen.contains(&name) {
            errors.at(
                argument,
                format!("the handler takes `{name}` already: it can take each argument only once"),
            );
        }
        seen.push(name);
    }
    let returned = returned(method);
    let streams = is_stream(&returned);
    if !streams {
        check_named("the return type of a handler", &returned, errors);
    }
    Handler {
        receiver,
        arguments,
        streams,
    }
}

/// Whether a type is `impl Stream<..>`.
fn is_stream(ty: &Type) -> bool {
    let Type::ImplTrait(ty) = ty else {
        return false;
    };
    ty.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.is_some_and(|last| last.ident == "Stream")
        }
        _ => false,
    })
}

/// A `#[stop]` method.
pub(crate) fn stop(attribute: &Attribute, method: &ImplItemFn, errors: &mut Errors) -> Receiver {
    let what = "a `#[stop]` method";
    if !matches!(attribute.meta, Meta::Path(_)) {
        errors.at(attribute, "`#[stop]` takes no arguments");
    }
    check_plain_function(what, method, errors);
    for argument in arguments(method) {
        errors.at(
            &argument,
            "a `#[stop]` method takes nothing but `&self` or `&mut self`",
        );
    }
    check_named(
        "the return type of a `#[stop]` method",
        &returned(method),
        errors,
    );
    receiver(what, method, errors)
}

/// `new`.
pub(crate) struct Constructor {
    /// The types of the arguments.
    pub(crate) arguments: Vec<Type>,
    /// Whether one of the arguments is the configuration.
    pub(crate) configured: bool,
}

pub(crate) fn constructor(method: &ImplItemFn, errors: &mut Errors) -> Constructor {
    let what = "`new`";
    check_plain_function(what, method, errors);
    if let Some(receiver) = method.sig.receiver() {
        errors.at(
            receiver,
            "`new` makes the executor and takes no `self`; give a method that does something else \
             another name",
        );
    }
    check_named("the return type of `new`", &returned(method), errors);
    let arguments = arguments(method);
    let mut configured = false;
    let mut has_setup = false;
    for argument in &arguments {
        check_named("the type of an argument of `new`", argument, errors);
        let is_setup = name_of(argument).as_deref() == Some("Setup");
        let seen = if is_setup {
            &mut has_setup
        } else {
            if is_reference(argument) {
                errors.at(
                    argument,
                    "`new` takes its configuration by value; only `Setup` may be a reference",
                );
            }
            &mut configured
        };
        if *seen {
            errors.at(
                argument,
                "`new` takes at most two arguments, in any order: the configuration (one type, which \
                 is read from all of `uses_with`) and a `Setup`",
            );
        }
        *seen = true;
    }
    Constructor {
        arguments,
        configured,
    }
}
