#![allow(unused)]

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::testing::TestExecutor;

struct Plain;

fn main() {
    let _ = TestExecutor::<Plain>::start(json!({}));
}
