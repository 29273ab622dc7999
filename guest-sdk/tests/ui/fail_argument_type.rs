#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/typed")]
    fn typed(&self, parameters: Parameters<NotRead>) {}

    #[requests(on = "/other")]
    fn other(&self, context: mine::Context) {}
}

struct NotRead;

mod mine {
    pub struct Context;
}

fn main() {}
