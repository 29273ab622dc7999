#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Loses;

type Docs = DocumentArray;
type Reply = Result<Json>;

#[executor]
impl Loses {
    #[requests(on = "/nothing")]
    fn nothing(&self, docs: DocumentArray) {
        for mut doc in docs {
            doc.set_text("lost");
        }
    }

    #[requests(on = "/moved")]
    async fn moved(&self, docs: wasm_flow_sdk::DocumentArray) -> Result<()> {
        let mut docs = docs;
        docs.clear();
        Ok(())
    }

    #[requests(on = "/json")]
    fn json(&self, parameters: &Parameters, mut docs: DocumentArray) -> Json {
        docs.clear();
        json!({})
    }

    #[requests(on = "/aliases")]
    fn aliases(&self, docs: Docs) -> Reply {
        Ok(json!({ "documents": docs.len() }))
    }
}

fn main() {}
