//! What methods take and return: documents, parameters, and JSON objects beside the
//! documents.
//!
//! Run it in the repository's root: `cargo run --release --example returns`

use std::error::Error;

use serde_json::json;
use wasm_flow::document::DocumentArray;
use wasm_flow::{ExecutorSpec, Flow};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flow = Flow::builder()
        .add(ExecutorSpec::new("mine", "examples/seeds/arguments"))
        .start()
        .await?;
    let docs = || DocumentArray::from_texts(["a", "b"]);
    // An object that a method returns is in the response, by executor and replica.
    let responses = flow
        .post("/full", docs())
        .parameters(json!({ "n": 1 }))
        .responses()
        .await?;
    for response in responses {
        println!("/full: {}", json!(response.results));
    }
    let changed = flow
        .post("/docs_parameters", docs())
        .parameters(json!({ "suffix": "!" }))
        .await?;
    println!(
        "/docs_parameters: {:?}",
        changed.texts().collect::<Vec<_>>()
    );
    flow.stop().await;

    // The same executor twice: each gets what the one before it returned.
    let flow = Flow::builder()
        .add(ExecutorSpec::new("r1", "examples/seeds/returns"))
        .add(ExecutorSpec::new("r2", "examples/seeds/returns"))
        .start()
        .await?;
    for endpoint in ["/da", "/none", "/empty", "/delete", "/append", "/dict"] {
        let docs = DocumentArray::from_texts(["a", "b", "c"]);
        for response in flow.post(endpoint, docs).responses().await? {
            let texts: Vec<&str> = response.docs.texts().collect();
            println!("{endpoint}: {texts:?} {}", json!(response.results));
        }
    }
    // Executors can be picked by name, and an error says which one failed and why.
    let nothing = flow.post("/delete", DocumentArray::new());
    if let Err(error) = nothing.target_executor("r2").await {
        println!("error: {error}");
    }
    flow.stop().await;
    Ok(())
}
