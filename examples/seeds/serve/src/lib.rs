//! An executor that is served alone, with `wasm-flow serve examples/seeds/serve`.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct MyExec;

#[executor]
impl MyExec {
    #[requests(on = "/foo")]
    fn foo(&self, docs: &mut DocumentArray) -> Result<()> {
        let first = docs.first_mut().context("the request has no document")?;
        first.set_text("executed MyExec"); // custom logic goes here
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_document_says_so() -> Result<()> {
        let mut docs = DocumentArray::empty(1);
        MyExec.foo(&mut docs)?;
        assert_eq!(docs[0].text(), "executed MyExec");
        Ok(())
    }

    #[test]
    fn no_document_is_an_error() {
        let error = MyExec
            .foo(&mut DocumentArray::new())
            .expect_err("there is no document");
        assert!(error.to_string().contains("no document"), "{error}");
    }
}
