//! An executor used directly, without a flow: it is a plain Rust object.
//!
//! A program that links the crate `wasm-flow` can also call the compiled component:
//! `Executor::load("outside_flow.wasm").await?.post("/foo", docs).await?`.

use wasm_flow_sdk::prelude::*;

/// `pub`, so that other crates can use it.
#[derive(Default)]
pub struct MyExec;

#[executor]
impl MyExec {
    #[requests]
    pub fn foo(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.set_text("hello world");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_as_an_object() {
        let m = MyExec;
        let mut da = DocumentArray::from_texts(["test"]);
        m.foo(&mut da);
        println!("Text: {}", da[0].text());
        assert_eq!(da[0].text(), "hello world");
    }
}
