#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Wrong;

#[executor]
impl Wrong {
    #[requests(on = "/text")]
    fn text(&self) -> String {
        String::new()
    }

    #[requests(on = "/document")]
    async fn document(&self) -> Result<Document> {
        Ok(Document::default())
    }

    #[requests(on = "/list")]
    fn list(&self) -> Vec<Document> {
        Vec::new()
    }

    #[requests(on = "/error")]
    fn error(&self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
