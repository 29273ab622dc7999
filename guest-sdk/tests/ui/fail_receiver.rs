#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/none")]
    fn none(docs: &mut DocumentArray) {}

    #[requests(on = "/value")]
    fn value(self, docs: &mut DocumentArray) {}

    #[requests(on = "/box")]
    fn boxed(self: Box<Self>) {}
}

fn main() {}
