//! Two executors in a flow: the second one gets what the first one made of the documents.
//!
//! Run it in the repository's root: `cargo run --release --example chain`

use std::error::Error;

use wasm_flow::document::DocumentArray;
use wasm_flow::{ExecutorSpec, Flow, Stdio};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flow = Flow::builder()
        // The folder of a crate is built first. The path of a `.wasm` file does as well.
        .add(ExecutorSpec::new(
            "process",
            "examples/seeds/chain/process-documents",
        ))
        .add(ExecutorSpec::new(
            "print",
            "examples/seeds/chain/print-documents",
        ))
        // What the executors print, this program prints.
        .output(Stdio)
        .start()
        .await?;

    let request = DocumentArray::from_texts(["request1"]);
    let docs = flow.post("/change_in_place", request).await?;
    println!("{:?}", docs.texts().collect::<Vec<_>>());

    let request = DocumentArray::from_texts(["request2"]);
    let docs = flow.post("/return_different_docarray", request).await?;
    println!("{:?}", docs.texts().collect::<Vec<_>>());

    flow.stop().await;
    Ok(())
}
