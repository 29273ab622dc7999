//! What a join costs: 100 documents with an embedding of 768 floats, through two
//! branches and their join, and through the longer branch alone.
//!
//! `cargo run --release -p wasm-flow-flow --features testing --example join`
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "an example"
)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasm_flow_contract::Request;
use wasm_flow_document::{Bytes, Dense, Document, DocumentArray, NdArray};
use wasm_flow_flow::Flow;
use wasm_flow_flow::testing::{Functions, flow, reply};

const DOCUMENTS: usize = 100;
const FLOATS: usize = 768;
const ROUNDS: usize = 41;
const CALLS: u32 = 500;

/// Changes each document in the same way.
fn sets(change: impl Fn(&mut Document) + Clone + Send + Sync + 'static) -> Functions {
    Functions::default().on("/x", move |call| {
        let change = change.clone();
        async move {
            let docs = call.docs.iter().map(|doc| {
                let mut doc = doc.clone();
                change(&mut doc);
                doc
            });
            reply(docs.collect())
        }
    })
}

fn documents() -> DocumentArray {
    let docs = (0..DOCUMENTS).map(|number| {
        let floats = (0..FLOATS).flat_map(|place| ((number * place) as f32).to_le_bytes());
        let buffer: Bytes = floats.collect::<Vec<u8>>().into();
        let dense = Dense::new("<f4".into(), vec![FLOATS as u32], buffer).unwrap();
        Document {
            id: format!("{number:032}").into(),
            embedding: Some(Arc::new(NdArray::numpy(dense))),
            ..Document::default()
        }
    });
    docs.collect()
}

/// The buffers of the embeddings.
fn buffers(docs: &DocumentArray) -> Vec<&Bytes> {
    let embeddings = docs.iter().filter_map(|doc| doc.embedding.as_ref());
    embeddings
        .filter_map(|embedding| Some(embedding.dense()?.buffer()))
        .collect()
}

async fn timed(flow: &Flow, docs: &DocumentArray) -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        let response = flow.call(Request::new("/x", docs.clone())).await;
        assert!(response.failure.is_none());
    }
    start.elapsed() / CALLS
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let docs = documents();
    let longer = || sets(|doc| doc.mime_type = "text/plain".into());
    let shorter = || sets(|doc| doc.weight = 1.0);
    let branch = flow([("a", &[], longer()), ("b", &[0], longer())]);
    let both = flow([
        ("a", &[], longer()),
        ("b", &[0], longer()),
        ("c", &[], shorter()),
        ("join", &[1, 2], Functions::default()),
    ]);
    let branches = flow([
        ("a", &[], longer()),
        ("b", &[0], longer()),
        ("c", &[1], shorter()),
    ]);

    let joined = both.call(Request::new("/x", docs.clone())).await.docs;
    let before: HashSet<*const u8> = buffers(&docs).iter().map(|bytes| bytes.as_ptr()).collect();
    let copied: usize = buffers(&joined)
        .iter()
        .filter(|bytes| !before.contains(&bytes.as_ptr()))
        .map(|bytes| bytes.len())
        .sum();

    let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(timed(&branch, &docs).await);
        two.push(timed(&both, &docs).await);
        three.push(timed(&branches, &docs).await);
    }
    let (one, two, three) = (median(one), median(two), median(three));
    println!("{DOCUMENTS} documents with {FLOATS} floats each");
    println!("bytes of embeddings copied by the join: {copied}");
    println!("the longer branch alone:       {one:>8.1?}");
    println!("the same work, one after the other: {three:>8.1?}");
    println!("both branches and their join:  {two:>8.1?}");
    println!(
        "the join:                      {:>8.1?}",
        two.saturating_sub(three)
    );
}
