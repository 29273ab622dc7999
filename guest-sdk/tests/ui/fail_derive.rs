#![allow(unused)]

use wasm_flow_sdk::prelude::*;

struct NotRead;

#[derive(Deserialize)]
struct Field {
    fine: u32,
    wrong: NotRead,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(defualt)]
    field: u32,
}

#[derive(Serialize)]
#[serde(remote = "Field")]
struct Remote {
    fine: u32,
}

#[derive(Deserialize)]
struct Items<T: IntoIterator> {
    items: Vec<T::Item>,
}

#[derive(Deserialize)]
#[serde(bound = "T Deserialize")]
struct Bound<T> {
    value: T,
}

#[derive(Deserialize)]
#[serde(default)]
struct NoDefault {
    value: u32,
}

fn main() {}
