//! An executor out of a registry, called without a flow, as with Jina's `Executor.from_hub`.
//!
//! `cargo run --release --example from_hub -- REFERENCE KEY`: the reference of an executor
//! that has `/hello`, such as docs/hub.md pushes, and the public key that has signed it.

use std::error::Error;

use serde_json::json;
use wasm_flow::ExecutorSpec;
use wasm_flow::document::DocumentArray;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(reference), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("name a reference and a public key: see the first lines of this file".into());
    };
    let executor = ExecutorSpec::from_hub("greeter", reference)
        .signed_by([key])
        .uses_with(json!({ "greeting": "hello" }))
        .start()
        .await?;
    let docs = executor
        .post("/hello", DocumentArray::from_texts(["world"]))
        .await?;
    println!("Text: {}", docs.texts().next().unwrap_or_default());
    executor.stop().await;
    Ok(())
}
