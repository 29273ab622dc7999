#![allow(unused)]

use wasm_flow_sdk::prelude::*;

struct Config {
    foo: String,
}

struct NotRead;

#[executor]
impl NotRead {
    fn new(config: Config) -> Self {
        NotRead
    }
}

struct Returns;

#[executor]
impl Returns {
    fn new() -> Option<Self> {
        None
    }
}

struct Fails;

#[executor]
impl Fails {
    fn new() -> Result<Self, String> {
        Ok(Fails)
    }
}

struct NoDefault {
    foo: String,
}

#[executor]
impl NoDefault {
    #[requests]
    fn handle(&self) {}
}

fn main() {}
