//! A client for any gateway: it sends each line of a file as a document, and prints the
//! texts that come back.
//!
//! The file may be larger than memory, and a pipe need not end: it is read no faster than
//! the gateway answers.
//!
//! Run it as `cargo run --release --example client -- grpc://127.0.0.1:54321 /index FILE`

use std::error::Error;

use futures::{StreamExt as _, stream};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use wasm_flow::Client;
use wasm_flow::document::Document;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(gateway), Some(endpoint), Some(file)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: client grpc://HOST:PORT ENDPOINT FILE".into());
    };

    let client = Client::connect(&gateway).await?;
    let lines = BufReader::new(File::open(file).await?).lines();
    let docs = stream::try_unfold(lines, |mut lines| async move {
        let line = lines.next_line().await?;
        Ok::<_, std::io::Error>(line.map(|line| (Document::from_text(line), lines)))
    });
    let mut answers = client
        .post(endpoint)
        .try_docs_stream(docs)
        .request_size(10)
        .in_order()
        .on_response(|_, progress| {
            eprint!(
                "\r{} of {} requests answered in {:.1} s ",
                progress.answered,
                progress.sent,
                progress.elapsed().as_secs_f64()
            );
        })
        .stream()
        .await?;
    while let Some(answer) = answers.next().await {
        // Without `into_result`, a request that failed is an answer like the others.
        for doc in &answer?.into_result()?.docs {
            println!("{}", doc.text());
        }
    }
    eprintln!();
    Ok(())
}
