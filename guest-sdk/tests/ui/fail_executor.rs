#![allow(unused)]

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::testing::TestExecutor;

#[executor]
struct OnStruct;

#[derive(Default)]
struct OnTrait;

#[executor]
impl Clone for OnTrait {
    fn clone(&self) -> Self {
        OnTrait
    }
}

struct Generic<T>(T);

#[executor]
impl<T> Generic<T> {
    #[requests]
    fn handle(&self) {}
}

#[derive(Default)]
struct Named;

#[executor(name = "other")]
impl Named {}

struct Outside;

impl Outside {
    #[requests(on = "/a")]
    fn handle(&self) {}

    #[stop]
    fn end(&self) {}
}

fn main() {}
