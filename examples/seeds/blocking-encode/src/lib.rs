//! Without async: calls wait in a queue, and nothing runs concurrently.

use std::thread;
use std::time::Duration;

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct DummyExecutor;

#[executor]
impl DummyExecutor {
    /// A plain `fn`: one call runs at a time, and the sleep blocks the instance.
    #[requests]
    fn encode(&self, docs: &mut DocumentArray) {
        thread::sleep(Duration::from_secs(1));
        for doc in docs.iter_mut() {
            doc.set_text(doc.text().to_uppercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_upper_case() {
        let mut docs = DocumentArray::from_texts(["hello", "world"]);
        DummyExecutor.encode(&mut docs);
        assert_eq!(docs.texts().collect::<Vec<_>>(), ["HELLO", "WORLD"]);
    }
}
