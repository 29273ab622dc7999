#![deny(warnings)]

//! An author who depends on serde uses its derives beside the prelude.

use serde::{Deserialize, Serialize};
use wasm_flow_sdk::prelude::*;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    top_k: u32,
}

#[config]
#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
}

mod by_path {
    use wasm_flow_sdk::prelude::*;

    #[derive(serde::Deserialize, serde::Serialize)]
    pub(crate) struct Search {
        pub(crate) text: String,
    }

    #[config]
    #[derive(serde::Serialize)]
    pub(crate) struct Found {
        pub(crate) id: String,
    }

    pub(crate) fn read<'de, T: Deserialize<'de> + Serialize>(json: &'de str) -> Json {
        let value: T = wasm_flow_sdk::serde_json::from_str(json).unwrap();
        wasm_flow_sdk::serde_json::to_value(value).unwrap()
    }
}

struct Whole(u32);

#[executor]
impl Whole {
    fn new(config: Config) -> Self {
        Whole(config.top_k)
    }

    #[requests]
    fn search(&self, parameters: Parameters<by_path::Search>) -> Json {
        json!({ "top_k": self.0, "text": parameters.text })
    }
}

fn main() {
    let whole =
        wasm_flow_sdk::testing::TestExecutor::<Whole>::start(json!({ "top-k": 3 })).unwrap();
    let post = wasm_flow_sdk::testing::Post::new("/x").parameters(json!({ "text": "a" }));
    let reply = wasm_flow_sdk::testing::block_on(whole.send(post)).unwrap();
    assert_eq!(reply.results, Some(json!({ "top_k": 3, "text": "a" })));
    let page = by_path::read::<Page<by_path::Found>>(r#"{ "items": [{ "id": "a" }] }"#);
    assert_eq!(page, json!({ "items": [{ "id": "a" }] }));
    assert_eq!(by_path::Found { id: String::new() }.id, "");
}
