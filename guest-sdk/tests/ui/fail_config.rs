#![allow(unused)]

use wasm_flow_sdk::prelude::*;

#[config]
fn on_a_function() {}

#[data]
union OnAUnion {
    one: u32,
    two: f32,
}

#[config(rename_all = "kebab-case")]
struct Arguments {
    field: u32,
}

#[config]
#[derive(Debug, serde::Deserialize)]
struct Twice {
    field: u32,
}

#[data]
#[derive(Deserialize, Serialize)]
enum Both {
    One,
}

#[config]
#[data]
struct ConfigAndData {
    field: u32,
}

#[data]
#[serde(crate = "serde", default)]
struct Crate {
    field: u32,
}

struct NotRead;

#[config]
struct Field {
    fine: u32,
    wrong: NotRead,
}

#[config]
struct Attribute {
    #[serde(defualt)]
    field: u32,
}

#[config]
#[serde(bound = "T Deserialize")]
struct Bound<T> {
    value: T,
}

#[config]
#[serde(default)]
struct NoDefault {
    value: u32,
}

// Where a type is used, nothing that is wrong above is said again.
struct Uses;

#[executor]
impl Uses {
    fn new(config: Arguments) -> Self {
        Uses
    }

    #[requests(on = "/twice")]
    fn twice(&self, parameters: Parameters<Twice>) {}

    #[requests(on = "/both")]
    fn both(&self, parameters: Parameters<ConfigAndData>) {}
}

fn main() {}
