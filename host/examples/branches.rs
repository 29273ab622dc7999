//! A flow with branches, of functions of this program: what a flow does can be tried, and
//! tested, without any executor.
//!
//! Run it as `cargo run --release --example branches`

use std::error::Error;
use std::sync::Arc;

use serde_json::json;
use wasm_flow::contract::{Call, Failure, Reply};
use wasm_flow::document::DocumentArray;
use wasm_flow::{ExecutorSpec, Flow, Functions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flow = Flow::builder()
        .name("branches")
        .add(ExecutorSpec::stage("check", check()))
        .add(ExecutorSpec::stage("short", marking("short")).when(json!({ "text": { "$size": 1 } })))
        .add(
            ExecutorSpec::stage("long", marking("long"))
                .needs(["check"])
                .when(json!({ "$not": { "text": { "$size": 1 } } })),
        )
        .add(ExecutorSpec::stage("joined", marking("joined")).needs_all())
        .start()
        .await?;
    let docs = flow
        .post("/index", DocumentArray::from_texts(["a", "bcd", "e"]))
        .await?;
    println!("{:?}", docs.texts().collect::<Vec<_>>());

    if let Err(error) = flow.post("/index", DocumentArray::new()).await {
        println!("error: {error}");
    }

    // What does not fit together is said before anything runs.
    let wrong = Flow::builder()
        .name("wrong")
        .add(ExecutorSpec::stage("check", check()))
        .add(ExecutorSpec::stage("short", marking("short")).needs(["chekc"]))
        .add(ExecutorSpec::new("long", "executors/long.wasm").replicas(0));
    if let Err(error) = wrong.start().await {
        println!("error: {error}");
    }
    flow.stop().await;
    Ok(())
}

/// Refuses requests without documents.
fn check() -> Functions {
    Functions::new("Check").on("/index", |call: Call| async move {
        match call.docs.is_empty() {
            false => Ok(Reply::new(call.docs)),
            true => Err(Failure::of_method("ValueError", "there are no documents")),
        }
    })
}

/// Adds a word to each text.
fn marking(word: &'static str) -> Functions {
    Functions::new("Marking").on_docs("/index", move |docs| {
        docs.into_iter()
            .map(|doc| {
                let mut doc = Arc::unwrap_or_clone(doc);
                doc.set_text(format!("{} {word}", doc.text()));
                doc
            })
            .collect::<DocumentArray>()
    })
}
