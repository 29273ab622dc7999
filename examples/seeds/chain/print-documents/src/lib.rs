//! The chain's second executor: prints what it received.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct PrintDocuments;

#[executor]
impl PrintDocuments {
    #[requests]
    fn foo(&self, docs: &DocumentArray) {
        for doc in docs.iter() {
            println!(
                " PrintExecutor: received document with text: \"{}\"",
                doc.text()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn documents_pass_through() -> Result<()> {
        let executor = TestExecutor::<PrintDocuments>::start(json!({}))?;
        let reply = executor.post("/any", ["as it was"])?;
        assert_eq!(reply.docs[0].text(), "as it was");
        Ok(())
    }
}
