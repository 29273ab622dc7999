//! The benchmark's executor: a little work, written as an author would write it,
//! and the same work on columns.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct Uppercase;

/// Converts texts to upper case.
#[executor]
impl Uppercase {
    /// Works row by row. Calls share the instance.
    #[requests(on = "/rows")]
    async fn rows(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let text = doc.text().to_uppercase();
            doc.set_text(text);
        }
    }

    /// The same, one call at a time.
    #[requests(on = "/exclusive")]
    fn exclusive(&mut self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let text = doc.text().to_uppercase();
            doc.set_text(text);
        }
    }

    /// The same, but with the whole column at once.
    #[requests(on = "/columns")]
    async fn columns(&self, docs: &mut DocumentArray) -> Result<()> {
        let texts: Vec<String> = docs.texts().map(str::to_uppercase).collect();
        docs.set_texts(texts)
    }

    /// Does not take the documents.
    #[requests(on = "/nothing")]
    async fn nothing(&self) {}
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn all_do_the_same() -> Result<()> {
        let executor = TestExecutor::<Uppercase>::start(json!({}))?;
        for endpoint in ["/rows", "/exclusive", "/columns"] {
            let docs = executor
                .post(endpoint, DocumentArray::from_texts(["one", "zwölf"]))?
                .docs;
            assert_eq!(docs.texts().collect::<Vec<_>>(), ["ONE", "ZWÖLF"]);
        }
        Ok(())
    }
}
