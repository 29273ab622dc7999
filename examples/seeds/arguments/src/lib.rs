//! Arguments: a handler takes what it needs, in any order, and leaves out the rest.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct MyExecutor;

#[executor]
impl MyExecutor {
    /// Takes all arguments. `docs_matrix` has the documents by the executor that
    /// they come from. In a chain, there is one part.
    #[requests(on = "/full")]
    async fn foo(
        &self,
        docs: &mut DocumentArray,
        parameters: &Parameters,
        docs_matrix: &DocsMatrix,
    ) -> Json {
        let matrix: Map = docs_matrix
            .iter()
            .map(|part| (part.executor().into(), part.docs().len().into()))
            .collect();
        json!({ "docs": docs.len(), "parameters": **parameters, "docs_matrix": matrix })
    }

    #[requests(on = "/docs")]
    fn foo_using_docs_arg(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.set_text(doc.text().to_uppercase());
        }
    }

    #[requests(on = "/docs_parameters")]
    fn foo_using_docs_parameters_arg(
        &self,
        docs: &mut DocumentArray,
        parameters: &Parameters,
    ) -> Result<()> {
        let suffix: String = parameters.get("suffix")?.unwrap_or_default();
        for doc in docs.iter_mut() {
            doc.set_text(format!("{}{suffix}", doc.text()));
        }
        Ok(())
    }

    #[requests(on = "/none")]
    fn foo_using_no_arg(&self) {
        println!("called without arguments");
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn each_gets_what_it_asks_for() -> Result<()> {
        let executor = TestExecutor::<MyExecutor>::start(json!({}))?;
        let docs = || DocumentArray::from_texts(["a", "b"]);
        let full = executor.post("/full", docs())?.results.unwrap_or_default();
        assert_eq!(full["docs"], 2);
        assert_eq!(executor.post("/docs", docs())?.docs[1].text(), "B");
        assert_eq!(
            executor.post("/docs_parameters", docs())?.docs[1].text(),
            "b"
        );
        assert_eq!(executor.post("/none", docs())?.docs[1].text(), "b");
        Ok(())
    }
}
