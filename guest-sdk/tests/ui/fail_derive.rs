#![allow(unused)]

//! serde's derives, without a dependency on serde.

use wasm_flow_sdk::prelude::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    field: u32,
}

#[derive(Serialize)]
struct Page<'a, T: Clone = u8> {
    #[serde(borrow)]
    items: &'a [T],
}

// Where a type is used, it is not said again.
struct Uses;

#[executor]
impl Uses {
    fn new(config: Config) -> Self {
        let _ = wasm_flow_sdk::serde_json::to_value(Page { items: &[1] });
        Uses
    }
}

fn main() {}
