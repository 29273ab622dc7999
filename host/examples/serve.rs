//! A flow that is served on a port, and a client that calls it.
//!
//! Run it in the repository's root: `cargo run --release --example serve`

use std::error::Error;

use wasm_flow::contract::gateway::GatewayConfig;
use wasm_flow::document::DocumentArray;
use wasm_flow::{Client, ExecutorSpec, Flow};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flow = Flow::builder()
        .add(ExecutorSpec::new("executor", "examples/seeds/serve"))
        .start()
        .await?;
    // Port 0 takes any free one. `serving.address()` says which.
    let serving = flow
        .serve(GatewayConfig {
            port: 0,
            ..GatewayConfig::default()
        })
        .await?;

    // From here on as if the gateway were on another machine.
    let client = Client::connect(&serving.url()).await?;
    println!("ready: {}", client.is_flow_ready().await);
    println!("endpoints: {}", client.endpoints().await?.join(" "));
    let docs = client
        .post("/foo")
        .docs(DocumentArray::from_texts(["test"]))
        .await?;
    println!("{:?}", docs.texts().collect::<Vec<_>>());
    let responses = client.post("/foo").docs(docs).responses().await?;
    for response in responses {
        println!("routes: {}", response.routes.join(" "));
    }

    // What is in flight is answered before this is done.
    serving.stop().await?;
    flow.stop().await;
    Ok(())
}
