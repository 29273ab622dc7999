#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/typed")]
    fn typed(&self, parameters: Parameters<NotRead>) {}

    #[requests(on = "/bare")]
    async fn bare(&mut self, parameters: Search) -> Json {
        json!({})
    }

    #[requests(on = "/other")]
    fn other(&self, context: mine::Context) {}
}

struct NotRead;

#[config]
struct Search {}

mod mine {
    pub struct Context;
}

fn main() {}
