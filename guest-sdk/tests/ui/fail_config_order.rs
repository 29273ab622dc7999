#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[derive(serde::Deserialize)]
#[config]
struct Twice {
    field: u32,
}

#[serde(rename_all = "kebab-case")]
#[config]
struct AttributeFirst {
    field: u32,
}

fn main() {}
