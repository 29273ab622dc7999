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

#[derive(Default)]
struct Conditional;

#[executor]
impl Conditional {
    #[cfg(all())]
    #[requests(on = "/index")]
    fn first(&self) {}

    #[requests(on = "/index")]
    fn second(&self) {}

    #[cfg(any())]
    #[requests(on = "/index")]
    fn not_there(&self) {}

    #[cfg(all())]
    #[requests(on = ["/a", "/a"])]
    fn same(&self) {}

    #[cfg(all())]
    #[stop]
    fn end(&self) {}

    #[cfg(all())]
    #[cfg(not(any()))]
    #[stop]
    fn other_end(&self) {}
}

fn main() {}
