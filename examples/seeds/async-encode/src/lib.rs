//! With async: while one call waits for its heavy API, the others go on.

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[derive(Default)]
struct DummyAsyncExecutor;

#[executor]
impl DummyAsyncExecutor {
    /// `async` and `&self`: one instance runs many calls at once.
    #[requests]
    async fn encode(&self, docs: &mut DocumentArray) {
        sleep(Duration::from_secs(1)).await;
        for doc in docs.iter_mut() {
            doc.set_text(doc.text().to_uppercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::block_on;

    use super::*;

    #[test]
    fn texts_become_upper_case() {
        let mut docs = DocumentArray::from_texts(["hello", "world"]);
        block_on(DummyAsyncExecutor.encode(&mut docs));
        assert_eq!(docs.texts().collect::<Vec<_>>(), ["HELLO", "WORLD"]);
    }
}
