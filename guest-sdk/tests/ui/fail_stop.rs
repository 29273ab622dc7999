#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[stop]
    fn end(&self, docs: &DocumentArray) {}

    #[stop]
    fn again(&self) {}

    #[stop(now)]
    #[requests]
    fn both(&self) {}
}

#[derive(Default)]
struct Returns;

#[executor]
impl Returns {
    #[stop]
    fn end(&self) -> u32 {
        0
    }
}

fn main() {}
