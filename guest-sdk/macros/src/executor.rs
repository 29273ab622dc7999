//! `#[executor]`.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, ImplItem, ImplItemFn, Item, ItemImpl, LitStr, Type};

use crate::about::About;
use crate::signature::{self, DEFAULT, Errors, On, Receiver, Requests, Role, Traits};

pub(crate) fn expand(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let about = About::parse(attributes).unwrap_or_else(|error| {
        errors.add(error);
        About::default()
    });
    let mut block = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) => block,
        Ok(_) => {
            let error = syn::Error::new(
                proc_macro2::Span::call_site(),
                "`#[executor]` goes on the `impl` block that has the handlers, not on this item",
            )
            .into_compile_error();
            return quote!(#error #item);
        }
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let name = check_block(&block, &mut errors);
    let parts = Parts::read(&mut block, &mut errors);
    // The author's code is kept even if something is wrong with it, so that there
    // are no further errors about missing items.
    if !errors.is_empty() {
        let errors = errors.into_compile_error();
        return quote!(#errors #block);
    }
    let implementation = parts.implementation(&block, &name, &about);
    let conflicts = &parts.conflicts;
    let ty = &block.self_ty;
    quote! {
        #block
        #implementation
        #conflicts
        #[cfg(target_family = "wasm")]
        ::wasm_flow_sdk::__component!(#ty);
        // On native targets nothing calls the executor, but it is not dead code.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = ::wasm_flow_sdk::__private::handler::used::<#ty>;
    }
}

/// Checks the block and returns the type's name.
fn check_block(block: &ItemImpl, errors: &mut Errors) -> String {
    if let Some((path, _)) = &block.trait_ {
        errors.at(
            path,
            "`#[executor]` goes on an `impl` block of the type itself, not of a trait",
        );
    }
    if !block.generics.params.is_empty() {
        errors.at(
            &block.generics,
            "an executor is one type: it cannot be generic",
        );
    }
    match &*block.self_ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|segment| segment.ident.unraw().to_string())
            .unwrap_or_default(),
        other => {
            errors.at(other, "an executor is a `struct` or an `enum`");
            String::new()
        }
    }
}

/// The parts of a block.
#[derive(Default)]
struct Parts {
    handlers: Vec<HandlerMethod>,
    constructor: Option<ConstructorMethod>,
    stops: Vec<StopMethod>,
    conflicts: Conflicts,
}

struct HandlerMethod {
    method: ImplItemFn,
    cfgs: Vec<Attribute>,
    endpoints: Vec<LitStr>,
    traits: Traits,
    handler: signature::Handler,
}

struct ConstructorMethod {
    method: ImplItemFn,
    constructor: signature::Constructor,
}

struct StopMethod {
    method: ImplItemFn,
    cfgs: Vec<Attribute>,
}

impl Parts {
    fn read(block: &mut ItemImpl, errors: &mut Errors) -> Parts {
        let mut parts = Parts::default();
        let mut bound: HashMap<String, Claim> = HashMap::new();
        let mut stop = Claim::default();
        for item in &mut block.items {
            let ImplItem::Fn(method) = item else {
                continue;
            };
            let role = signature::role(method, errors);
            let cfgs = signature::cfgs(&method.attrs);
            match role {
                Role::Plain => {}
                Role::Constructor => {
                    let constructor = signature::constructor(method, errors);
                    if let Some(cfg) = cfgs.first() {
                        errors.at(cfg, "`new` cannot have a `#[cfg]`: use `cfg` inside it");
                    }
                    parts.constructor = Some(ConstructorMethod {
                        method: method.clone(),
                        constructor,
                    });
                }
                Role::Stop { attribute } => {
                    signature::stop(&attribute, method, errors);
                    let twice = |first: &Ident| {
                        let message = format!(
                            "an executor has only one `#[stop]` method, and `{first}` is it already"
                        );
                        syn::Error::new_spanned(&attribute, message)
                    };
                    let name = &method.sig.ident;
                    stop.add(name, &cfgs, twice, &mut parts.conflicts, errors);
                    parts.stops.push(StopMethod {
                        method: method.clone(),
                        cfgs,
                    });
                }
                Role::Handler { attribute } => {
                    let handler = signature::handler(method, errors);
                    let Requests { on, traits } = match signature::requests(&attribute) {
                        Ok(requests) => requests,
                        Err(error) => {
                            errors.add(error);
                            Requests::default()
                        }
                    };
                    let endpoints = match on {
                        On::Default(span) => vec![LitStr::new(DEFAULT, span)],
                        On::Endpoints(endpoints) => endpoints,
                    };
                    for endpoint in &endpoints {
                        let name = &method.sig.ident;
                        let twice = |first: &Ident| bound_twice(endpoint, first, name);
                        let claim = bound.entry(endpoint.value()).or_default();
                        claim.add(name, &cfgs, twice, &mut parts.conflicts, errors);
                    }
                    parts.handlers.push(HandlerMethod {
                        method: method.clone(),
                        cfgs,
                        endpoints,
                        traits,
                        handler,
                    });
                }
            }
        }
        parts
    }

    fn implementation(&self, block: &ItemImpl, name: &str, about: &About) -> TokenStream {
        let ty = &block.self_ty;
        let documentation = signature::documentation(&block.attrs);
        let config_schema = self.config_schema();
        let create = self.create(ty, name);
        let descriptions = self.handlers.iter().map(HandlerMethod::description);
        let arms = self.handlers.iter().map(|handler| handler.arm(ty));
        let stop = self.stop();
        quote! {
            #[automatically_derived]
            #[allow(clippy::all, reason = "generated by #[executor]")]
            impl ::wasm_flow_sdk::Executor for #ty {
                fn describe() -> ::wasm_flow_sdk::__private::description::Description {
                    #[allow(unused_imports)]
                    use ::wasm_flow_sdk::__private::schema::{
                        Known as _, Partly as _, Unknown as _,
                    };
                    #[allow(unused_mut)]
                    let mut methods = ::std::vec::Vec::new();
                    #(#descriptions)*
                    ::wasm_flow_sdk::__private::description::Description {
                        name: #name,
                        version: ::core::env!("CARGO_PKG_VERSION"),
                        documentation: #documentation,
                        methods,
                        config_schema: #config_schema,
                        about: #about,
                    }
                }

                async fn create(
                    setup: &::wasm_flow_sdk::Setup,
                ) -> ::wasm_flow_sdk::Result<Self> {
                    #create
                }

                #[allow(unused_variables, unreachable_patterns)]
                async fn call(
                    running: &::wasm_flow_sdk::__private::handler::Running<Self>,
                    method: &str,
                    call: &mut ::wasm_flow_sdk::__private::handler::Call,
                ) -> ::wasm_flow_sdk::Result<::wasm_flow_sdk::__private::handler::Returned> {
                    match method {
                        #(#arms)*
                        _ => ::core::result::Result::Err(
                            ::wasm_flow_sdk::__private::handler::unknown_method::<Self>(method)
                        ),
                    }
                }

                async fn stop(&mut self) {
                    #stop
                }
            }
        }
    }

    fn config_schema(&self) -> TokenStream {
        let types = self
            .constructor
            .iter()
            .flat_map(|constructor| &constructor.constructor.arguments);
        quote! {
            ::wasm_flow_sdk::__private::schema::Schema::of_config(|schema| {
                #(
                    if (&&&::wasm_flow_sdk::__private::schema::Probe::<#types>::NEW).write(schema) {
                        return true;
                    }
                )*
                false
            })
        }
    }

    fn create(&self, ty: &Type, name: &str) -> TokenStream {
        let handler = quote!(::wasm_flow_sdk::__private::handler);
        // The author's own macro may have written the type. A name with the type's
        // span would belong to that macro, and the argument's name does not.
        let setup = quote!(setup);
        let Some(ConstructorMethod {
            method,
            constructor,
        }) = &self.constructor
        else {
            return quote_spanned! {ty.span()=>
                ::wasm_flow_sdk::__private::handler::made_by_default_without_new::<#ty>(#name, #setup)
            };
        };
        let arguments = constructor.arguments.iter().map(|ty| {
            quote_spanned! {ty.span()=>
                <#ty as ::wasm_flow_sdk::ConstructorArgument<'_>>::from_setup(#name, #setup)?
            }
        });
        let check = (!constructor.configured).then(|| quote!(#handler::no_config(#name, #setup)?;));
        let wait = method.sig.asyncness.map(|_| quote!(.await));
        let returned = signature::returned(method);
        let into = quote_spanned! {returned.span()=>
            <#returned as ::wasm_flow_sdk::ConstructorReturn<Self>>::into_executor
        };
        quote! {
            #check
            #into(Self::new(#(#arguments),*) #wait)
        }
    }

    fn stop(&self) -> TokenStream {
        let stops = self.stops.iter().map(|StopMethod { method, cfgs }| {
            let name = &method.sig.ident;
            let wait = method.sig.asyncness.map(|_| quote!(.await));
            let returned = signature::returned(method);
            let report = quote_spanned! {returned.span()=>
                <#returned as ::wasm_flow_sdk::StopReturn>::report
            };
            quote! {
                #(#cfgs)*
                #report(Self::#name(self) #wait);
            }
        });
        quote!(#(#stops)*)
    }
}

/// Errors that apply only if two methods are compiled together.
#[derive(Default)]
struct Conflicts(TokenStream);

impl ToTokens for Conflicts {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// The methods that claim something that only one method may have. Methods with
/// a `#[cfg]` may replace each other.
#[derive(Default)]
struct Claim(Vec<(Ident, Vec<Attribute>)>);

impl Claim {
    /// Adds a method, and an error for each method that has the claim already.
    fn add(
        &mut self,
        method: &Ident,
        cfgs: &[Attribute],
        error: impl Fn(&Ident) -> syn::Error,
        conflicts: &mut Conflicts,
        errors: &mut Errors,
    ) {
        for (first, first_cfgs) in &self.0 {
            let error = error(first);
            if first_cfgs.is_empty() && cfgs.is_empty() {
                errors.add(error);
            } else {
                let error = error.into_compile_error();
                conflicts.0.extend(quote!(#(#first_cfgs)* #(#cfgs)* #error));
            }
        }
        // A method without `#[cfg]` conflicts with all later ones, so the list can
        // end with it.
        if self.0.iter().all(|(_, cfgs)| !cfgs.is_empty()) {
            self.0.push((method.clone(), cfgs.to_vec()));
        }
    }
}

fn bound_twice(endpoint: &LitStr, first: &Ident, method: &Ident) -> syn::Error {
    let name = endpoint.value();
    let message = if first == method {
        format!("`{name}` is listed twice")
    } else if name == DEFAULT {
        format!(
            "`{first}` is the default already: only one method answers the endpoints that nothing \
             else is bound to. Bind this one with `on`, as in `#[requests(on = \"/index\")]`"
        )
    } else {
        format!("`{name}` is bound to `{first}` already: an endpoint calls one method")
    };
    syn::Error::new(endpoint.span(), message)
}

impl HandlerMethod {
    fn name(&self) -> String {
        self.method.sig.ident.unraw().to_string()
    }

    fn description(&self) -> TokenStream {
        let cfgs = &self.cfgs;
        let name = self.name();
        let endpoints = &self.endpoints;
        // A plain `fn` does not await, so nothing comes between its lines in any case.
        let concurrent = self.handler.receiver == Receiver::Shared;
        let Traits { write, batch } = self.traits;
        let streams = self.handler.streams;
        let documentation = signature::documentation(&self.method.attrs);
        let types = &self.handler.arguments;
        quote! {
            #(#cfgs)*
            methods.push(::wasm_flow_sdk::__private::description::Method {
                name: #name,
                endpoints: &[#(#endpoints),*],
                concurrent: #concurrent,
                documentation: #documentation,
                write: #write,
                batch: #batch,
                stream: #streams,
                parameters_schema: ::wasm_flow_sdk::__private::schema::Schema::of_parameters(
                    |schema| {
                        #(
                            if (&&&::wasm_flow_sdk::__private::schema::Probe::<#types>::NEW)
                                .write(schema)
                            {
                                return true;
                            }
                        )*
                        false
                    }
                ),
            });
        }
    }

    fn arm(&self, executor: &Type) -> TokenStream {
        let cfgs = &self.cfgs;
        let name = self.name();
        let ident = &self.method.sig.ident;
        let wait = self.method.sig.asyncness.map(|_| quote!(.await));
        // A stream's type cannot be named, and says nothing of the arguments.
        let returned = match self.handler.streams {
            true => syn::parse_quote!(::wasm_flow_sdk::__private::handler::Streamed),
            false => signature::returned(&self.method),
        };
        // As `setup` above.
        let call = quote!(call);
        let arguments: Vec<_> = self
            .handler
            .arguments
            .iter()
            .enumerate()
            .map(|(index, ty)| {
                // All errors about an argument point at its type.
                (format_ident!("held_{index}", span = ty.span()), ty)
            })
            .collect();
        let take = arguments.iter().map(|(held, ty)| {
            quote_spanned! {held.span()=>
                let mut #held = <#ty as ::wasm_flow_sdk::Argument<#returned>>::take(#call)?;
            }
        });
        let lend = arguments
            .iter()
            .map(|(held, _)| quote_spanned!(held.span()=> #held.lend()));
        let give_back = arguments
            .iter()
            .map(|(held, _)| quote_spanned!(held.span()=> #held.give_back(#call);));
        let into_returned = quote_spanned! {returned.span()=>
            <#returned as ::wasm_flow_sdk::HandlerReturn>::into_returned
        };
        let (binding, borrow, this) = match self.handler.receiver {
            Receiver::Shared => (quote!(this), quote!(shared), quote!(&*this)),
            Receiver::Exclusive => (quote!(mut this), quote!(exclusive), quote!(&mut *this)),
        };
        if self.handler.streams {
            // Errors about its items point at the return type.
            let send = quote_spanned! {self.method.sig.output.span()=>
                ::wasm_flow_sdk::__private::handler::send_all
            };
            return quote! {
                #(#cfgs)*
                #name => {
                    #call.is_of(#name);
                    #(#take)*
                    let #binding = running.#borrow(method)?;
                    let documents = <#executor>::#ident(#this, #(#lend),*) #wait;
                    #send(#call, documents).await
                }
            };
        }
        quote! {
            #(#cfgs)*
            #name => {
                #call.is_of(#name);
                #(#take)*
                let returned = {
                    let #binding = running.#borrow(method)?;
                    <#executor>::#ident(#this, #(#lend),*) #wait
                };
                let returned = #into_returned(returned)?;
                #(#give_back)*
                ::core::result::Result::Ok(returned)
            }
        }
    }
}
