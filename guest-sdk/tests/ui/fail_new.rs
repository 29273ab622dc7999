#![allow(unused)]

use wasm_flow_sdk::prelude::*;

struct WithSelf;

#[executor]
impl WithSelf {
    fn new(&self) -> Self {
        WithSelf
    }
}

struct Three;

#[executor]
impl Three {
    fn new(foo: String, bar: u32, setup: Setup) -> Self {
        Three
    }
}

#[config]
struct Config {}

struct Reference;

#[executor]
impl Reference {
    fn new(config: &Config) -> Self {
        Reference
    }
}

struct Generic;

#[executor]
impl Generic {
    fn new<T>(config: T) -> Self {
        Generic
    }
}

struct Conditional;

#[executor]
impl Conditional {
    #[cfg(test)]
    fn new() -> Self {
        Conditional
    }

    #[cfg(not(test))]
    fn new() -> Self {
        Conditional
    }
}

fn main() {}
