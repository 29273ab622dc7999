#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/generic")]
    fn generic<T>(&self, parameters: Parameters<T>) {}

    #[requests(on = "/lifetime")]
    fn lifetime<'a>(&'a self, docs: &'a mut DocumentArray) {}

    #[requests(on = "/unsafe")]
    unsafe fn not_safe(&self) {}

    #[requests(on = "/extern")]
    extern "C" fn foreign(&self) {}

    #[requests(on = "/twice")]
    fn twice(&self, one: &mut DocumentArray, two: &DocumentArray) {}

    #[requests(on = "/impl")]
    fn hidden(&self) -> impl Iterator<Item = Document> {
        std::iter::empty()
    }
}

fn main() {}
