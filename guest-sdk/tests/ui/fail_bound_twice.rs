#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = ["/index", "/search"])]
    fn first(&self) {}

    #[requests(on = "/search")]
    fn second(&self) {}

    #[requests(on = ["/a", "/a"])]
    fn same(&self) {}

    #[requests]
    fn default(&self) {}

    #[requests]
    fn other_default(&self) {}

    #[requests(on = "/default")]
    fn by_name(&self) {}
}

fn main() {}
