//! Return values: a `DocumentArray` goes on instead of the request's documents. If
//! a handler returns nothing, the request's documents go on as it changed them. A
//! JSON object goes to the client under `parameters["__results__"]`.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct MyExecutor;

#[executor]
impl MyExecutor {
    #[requests(on = "/da")]
    fn document_array(&self) -> DocumentArray {
        DocumentArray::from_texts(["new1", "new2"])
    }

    #[requests(on = "/none")]
    fn none(&self, docs: &mut DocumentArray) {
        append_to_texts(docs, "!");
    }

    #[requests(on = "/dict")]
    fn dict(&self, docs: &mut DocumentArray) -> Json {
        append_to_texts(docs, "?");
        json!({ "n": docs.len(), "nested": { "list": [1, null, "x"] } })
    }

    #[requests(on = "/empty")]
    fn empty(&self, docs: &mut DocumentArray) {
        docs.clear();
    }

    /// Deletes the first document.
    #[requests(on = "/delete")]
    fn delete(&self, docs: &mut DocumentArray) -> Result<()> {
        ensure!(!docs.is_empty(), "there is no document to delete");
        docs.remove(0);
        Ok(())
    }

    #[requests(on = "/append")]
    fn append(&self, docs: &mut DocumentArray) {
        docs.push(Document::new("appended"));
    }
}

fn append_to_texts(docs: &mut DocumentArray, mark: &str) {
    for doc in docs.iter_mut() {
        doc.set_text(format!("{}{mark}", doc.text()));
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    fn texts_after(endpoint: &str) -> Result<Vec<String>> {
        let executor = TestExecutor::<MyExecutor>::start(json!({}))?;
        let reply = executor.post(endpoint, ["a", "b"])?;
        Ok(reply.docs.texts().map(str::to_owned).collect())
    }

    #[test]
    fn what_goes_on() -> Result<()> {
        assert_eq!(texts_after("/da")?, ["new1", "new2"]);
        assert_eq!(texts_after("/none")?, ["a!", "b!"]);
        assert_eq!(texts_after("/dict")?, ["a?", "b?"]);
        assert_eq!(texts_after("/delete")?, ["b"]);
        assert_eq!(texts_after("/append")?, ["a", "b", "appended"]);
        assert!(texts_after("/empty")?.is_empty());
        Ok(())
    }

    #[test]
    fn an_error_is_returned_as_any_other_value() {
        assert!(MyExecutor.delete(&mut DocumentArray::new()).is_err());
    }
}
