//! No binding: without `#[requests]`, an executor does nothing in the flow, and
//! requests pass through it unchanged.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
pub struct MyExecutor;

#[executor]
impl MyExecutor {
    /// A plain method, which only Rust code can call.
    pub fn foo(&self, docs: &mut DocumentArray) {
        docs.clear();
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn a_request_passes_through() -> Result<()> {
        let executor = TestExecutor::<MyExecutor>::start(json!({}))?;
        let reply = executor.post("/foo", ["as it was"])?;
        assert_eq!(reply.docs[0].text(), "as it was");
        Ok(())
    }

    #[test]
    fn the_method_is_still_a_method() {
        let mut docs = DocumentArray::from_texts(["gone"]);
        MyExecutor.foo(&mut docs);
        assert!(docs.is_empty());
    }
}
