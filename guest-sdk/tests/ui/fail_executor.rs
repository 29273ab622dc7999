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

#[derive(Default)]
struct Wants;

#[executor(wants(gpu = ["all"]))]
impl Wants {}

#[derive(Default)]
struct Keeps;

#[executor(state = "cluster")]
impl Keeps {}

#[derive(Default)]
struct Twice;

#[executor(state = "none", state = "replica")]
impl Twice {}

struct Outside;

impl Outside {
    #[requests(on = "/a")]
    fn handle(&self) {}

    #[stop]
    fn end(&self) {}
}

fn main() {}
