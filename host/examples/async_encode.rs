//! Fifty calls that wait a second each: an executor with an `async` method runs them at
//! the same time. One that blocks takes a second for each.
//!
//! Run it in the repository's root: `cargo run --release --example async_encode`

use std::error::Error;
use std::time::Instant;

use futures::StreamExt as _;
use wasm_flow::document::DocumentArray;
use wasm_flow::{ExecutorSpec, Flow};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    encode("examples/seeds/async-encode", 50).await?;
    encode("examples/seeds/blocking-encode", 3).await?;
    Ok(())
}

async fn encode(uses: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let flow = Flow::builder()
        .add(ExecutorSpec::new("encode", uses))
        .start()
        .await?;
    let docs = DocumentArray::from_texts(vec!["hello"; count]);

    let begun = Instant::now();
    let mut responses = flow.post("/index", docs).request_size(1).stream()?;
    let mut steps = 0;
    while let Some(response) = responses.next().await {
        if let Some(failure) = response.failure {
            return Err(failure.into());
        }
        steps += 1;
        eprint!("\r{steps} of {count} ");
    }
    eprintln!();
    let seconds = begun.elapsed().as_secs();
    println!("{uses}: {steps} steps done in {seconds} s");

    flow.stop().await;
    Ok(())
}
