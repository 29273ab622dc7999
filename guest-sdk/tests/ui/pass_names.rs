#![deny(warnings)]

//! An executor written by the author's own macro, which takes the names.

use wasm_flow_sdk::prelude::*;

macro_rules! executor_of {
    ($name:ident) => {
        #[executor]
        impl $name {}
    };
    ($name:ident, $config:ident, $docs:ident, $result:ident, $error:ident) => {
        #[executor]
        impl $name {
            fn new(config: Map, setup: &Setup) -> $result<Self, $error> {
                let _ = (config, setup);
                Ok($name)
            }

            #[requests]
            async fn clear(&self, docs: &mut $docs, parameters: $config) -> $result<(), $error> {
                let _ = parameters;
                docs.clear();
                Ok(())
            }

            #[stop]
            fn end(&self) -> $result<(), $error> {
                Ok(())
            }
        }
    };
}

#[derive(Default)]
struct ByDefault;

executor_of!(ByDefault);

struct Whole;

executor_of!(Whole, Parameters, DocumentArray, Result, Error);

fn main() {}
