#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(endpoint = "/a")]
    fn unknown_key(&self) {}

    #[requests("/a")]
    fn no_key(&self) {}

    #[requests(["/a", "/b"])]
    fn no_key_list(&self) {}

    #[requests = "/a"]
    fn value(&self) {}

    #[requests(on)]
    fn no_value(&self) {}

    #[requests(on = 1)]
    fn number(&self) {}

    #[requests(on = ["/a", B])]
    fn constant(&self) {}

    #[requests(on = "")]
    fn empty(&self) {}

    #[requests(on = "/c", on = "/d")]
    fn twice(&self) {}

    #[requests(on = "/g", write = true)]
    fn flag(&self) {}

    #[requests(batch, batch)]
    fn flags(&self) {}

    #[requests(on = "/e")]
    #[requests(on = "/f")]
    fn two(&self) {}
}

const B: &str = "/b";

fn main() {}
