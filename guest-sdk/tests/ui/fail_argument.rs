#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/slice")]
    fn slice(&self, docs: &[Document], parameters: &Parameters) {}

    #[requests(on = "/vec")]
    async fn vec(&self, parameters: &Parameters, docs: Vec<Document>) {}

    #[requests(on = "/mutable")]
    fn mutable(&self, parameters: &mut Parameters) {}

    #[requests(on = "/matrix")]
    fn matrix(&self, docs_matrix: Vec<DocumentArray>, docs: &[DocumentArray]) {}

    #[requests(on = "/map")]
    fn map(&self, parameters: &Map, top_k: &u32) {}

    #[requests(on = "/setup")]
    fn setup(&self, setup: &Setup) {}

    #[requests(on = "/impl")]
    fn hidden(&self, docs: impl Iterator<Item = Document>, pair: (u8, u8)) {}
}

fn main() {}
