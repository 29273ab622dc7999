//! An executor outside of a flow: constructed, called, and called several times at once.
//!
//! Run it in the repository's root: `cargo run --release --example executor`

use std::error::Error;
use std::future::IntoFuture as _;
use std::time::Instant;

use serde_json::json;
use wasm_flow::ExecutorSpec;
use wasm_flow::document::DocumentArray;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let m = ExecutorSpec::new("my_exec", "examples/seeds/outside-flow")
        .start()
        .await?;
    let docs = m.post("/", DocumentArray::from_texts(["test"])).await?;
    println!("Text: {}", docs.texts().next().unwrap_or_default());
    m.stop().await;

    // Constructed with `foo` and `bar`; a method returns an object.
    let mine = ExecutorSpec::new("mine", "examples/seeds/my-executor")
        .uses_with(json!({ "foo": "hello", "bar": 3 }))
        .uses_metas(json!({ "description": "mine" }))
        .start()
        .await?;
    let reply = mine.post("/info", DocumentArray::new()).reply().await?;
    for results in reply.results {
        for key in ["foo", "bar", "metas"] {
            println!("{key}: {}", json!(results.values.get(key)));
        }
    }
    mine.stop().await;

    // What is missing, or misspelt, is said before anything runs.
    let misspelt = ExecutorSpec::new("mine", "examples/seeds/my-executor")
        .uses_with(json!({ "foo": "hello", "baar": 3 }));
    if let Err(error) = misspelt.start().await {
        println!("error: {error}");
    }

    // Two calls that wait a second each, at once.
    let m = ExecutorSpec::new("async", "examples/seeds/async-outside-flow")
        .start()
        .await?;
    let begun = Instant::now();
    let call = || m.post("/", DocumentArray::new()).into_future();
    let (one, other) = tokio::join!(call(), call());
    one?;
    other?;
    println!("two calls took {} s", begun.elapsed().as_secs());
    m.stop().await;
    Ok(())
}
