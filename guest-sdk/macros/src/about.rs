//! What `#[executor(..)]` says of an executor.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, LitStr, Result, Token, bracketed, parenthesized};

const USAGE: &str = "`#[executor]` takes `wants(http = [\"https://api.example.com\"], \
                     env = [\"TOKEN\"], dirs = [\"/data\"])` and `state = \"none\"` or \
                     `state = \"replica\"`, or nothing; the executor is named after its type, and \
                     `#[requests]` binds endpoints";

/// What an executor wants to be granted, and what it keeps.
#[derive(Default)]
pub(crate) struct About {
    http: Vec<LitStr>,
    env: Vec<LitStr>,
    dirs: Vec<LitStr>,
    state: Option<LitStr>,
}

impl About {
    pub(crate) fn parse(attributes: TokenStream) -> Result<About> {
        About::parse_all.parse2(attributes)
    }

    fn parse_all(input: ParseStream<'_>) -> Result<About> {
        let mut about = About::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| usage(&error))?;
            once(&mut seen, &key)?;
            match key.to_string().as_str() {
                "wants" => about.parse_wants(input)?,
                "state" => about.state = Some(parse_state(input)?),
                _ => return Err(Error::new(key.span(), USAGE)),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(about)
    }

    fn parse_wants(&mut self, input: ParseStream<'_>) -> Result<()> {
        if !input.peek(syn::token::Paren) {
            return Err(input.error(USAGE));
        }
        let content;
        parenthesized!(content in input);
        let mut seen = Vec::new();
        while !content.is_empty() {
            let key: Ident = content.parse()?;
            once(&mut seen, &key)?;
            let list = match key.to_string().as_str() {
                "http" => &mut self.http,
                "env" => &mut self.env,
                "dirs" => &mut self.dirs,
                _ => {
                    return Err(Error::new(
                        key.span(),
                        format!("an executor can want `http`, `env` and `dirs`, and not `{key}`"),
                    ));
                }
            };
            content.parse::<Token![=]>()?;
            *list = parse_list(&content)?;
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }
}

fn usage(error: &Error) -> Error {
    Error::new(error.span(), USAGE)
}

fn once(seen: &mut Vec<String>, key: &Ident) -> Result<()> {
    let name = key.to_string();
    if seen.contains(&name) {
        return Err(Error::new(key.span(), format!("`{name}` is given twice")));
    }
    seen.push(name);
    Ok(())
}

fn parse_list(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    if !input.peek(syn::token::Bracket) {
        return Err(input.error("a list of strings, as in `[\"https://api.example.com\"]`"));
    }
    let content;
    bracketed!(content in input);
    let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(list.into_iter().collect())
}

fn parse_state(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    let state: LitStr = input.parse()?;
    match state.value().as_str() {
        "none" | "replica" => Ok(state),
        _ => Err(Error::new(
            state.span(),
            "`state` is \"none\" if requests leave nothing behind, and \"replica\" if later \
             requests to the same replica find what earlier ones left",
        )),
    }
}

/// The value of the SDK's type of this name.
impl ToTokens for About {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let About {
            http,
            env,
            dirs,
            state,
        } = self;
        let state = match state {
            Some(state) => quote!(::core::option::Option::Some(#state)),
            None => quote!(::core::option::Option::None),
        };
        tokens.extend(quote! {
            ::wasm_flow_sdk::__private::description::About {
                http: &[#(#http),*],
                env: &[#(#env),*],
                dirs: &[#(#dirs),*],
                state: #state,
                license: ::core::env!("CARGO_PKG_LICENSE"),
                source: ::core::env!("CARGO_PKG_REPOSITORY"),
            }
        });
    }
}
