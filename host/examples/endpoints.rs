//! Endpoints and the methods that they are bound to: by name, by default, or not at all.
//!
//! Run it in the repository's root: `cargo run --release --example endpoints`

use std::error::Error;

use wasm_flow::document::DocumentArray;
use wasm_flow::{ExecutorSpec, Flow, Stdio};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // `/index` and `/search` are bound to `foo`, `/other` to `bar`.
    let flow = one("examples/seeds/request-executor").await?;
    for endpoint in ["/index", "/other", "/search"] {
        flow.post(endpoint, DocumentArray::new()).await?;
    }
    println!("bound: {}", flow.endpoints().join(" "));
    flow.stop().await;

    // `foo` is the default, and `bar` is bound to `/index`.
    let flow = one("examples/seeds/default-binding").await?;
    for endpoint in ["/blah", "/index"] {
        flow.post(endpoint, DocumentArray::new()).await?;
    }
    flow.stop().await;

    // An executor without a binding plays no part: documents pass through it.
    let flow = Flow::load("examples/seeds/no-binding/flow.toml").await?;
    for endpoint in ["/only", "/other"] {
        let docs = flow.post(endpoint, DocumentArray::from_texts(["orig"]));
        println!("{endpoint}: {:?}", docs.await?.texts().collect::<Vec<_>>());
    }
    flow.stop().await;

    // `uses_requests` binds methods in place of the executor's own bindings.
    let flow = Flow::builder()
        .add(
            ExecutorSpec::new("requests", "examples/seeds/request-executor")
                .uses_requests([("/mine", "foo")]),
        )
        .output(Stdio)
        .start()
        .await?;
    for endpoint in ["/mine", "/index"] {
        flow.post(endpoint, DocumentArray::new()).await?;
    }
    println!("bound: {}", flow.endpoints().join(" "));
    flow.stop().await;
    Ok(())
}

async fn one(uses: &str) -> Result<Flow, Box<dyn Error>> {
    let executor = ExecutorSpec::new("executor", uses);
    Ok(Flow::builder().add(executor).output(Stdio).start().await?)
}
