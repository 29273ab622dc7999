//! A handler may be an `async fn` and await any future.

use wasm_flow_sdk::future::join_all;
use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[derive(Default)]
struct MyExecutor;

#[executor]
impl MyExecutor {
    /// Waits for one coroutine for each document, all at once.
    #[requests]
    async fn encode(&self, docs: &mut DocumentArray) {
        let lengths = join_all(docs.iter().map(|doc| some_coroutine(doc.text()))).await;
        for (doc, length) in docs.iter_mut().zip(lengths) {
            doc.set_tag("length", length);
        }
    }
}

/// Takes the place of a service that responds after a while.
async fn some_coroutine(text: &str) -> usize {
    sleep(Duration::from_millis(100)).await;
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::block_on;

    use super::*;

    #[test]
    fn every_document_gets_its_own_answer() {
        let mut docs = DocumentArray::from_texts(["one", "three"]);
        block_on(MyExecutor.encode(&mut docs));
        assert_eq!(docs[0].tag("length"), Some(&json!(3)));
        assert_eq!(docs[1].tag("length"), Some(&json!(5)));
    }
}
