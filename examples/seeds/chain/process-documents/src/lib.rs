//! The chain's first executor: changes documents in place, or returns different
//! ones.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct ProcessDocuments;

#[executor]
impl ProcessDocuments {
    #[requests(on = "/change_in_place")]
    fn in_place(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            println!(
                " ProcessDocuments: received document with text \"{}\"",
                doc.text()
            );
            doc.set_text("I changed the executor in place");
        }
    }

    #[requests(on = "/return_different_docarray")]
    fn ret_docs(&self, docs: &DocumentArray) -> DocumentArray {
        let mut ret = DocumentArray::new();
        for doc in docs.iter() {
            println!(
                " ProcessDocuments: received document with text \"{}\"",
                doc.text()
            );
            ret.push(Document::new("I returned a different Document"));
        }
        ret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_place_keeps_the_document() {
        let mut docs = DocumentArray::from_texts(["request1"]);
        let id = docs[0].id().to_owned();
        ProcessDocuments.in_place(&mut docs);
        assert_eq!(
            (docs[0].id(), docs[0].text()),
            (id.as_str(), "I changed the executor in place")
        );
    }

    #[test]
    fn returning_makes_another() {
        let docs = DocumentArray::from_texts(["request2"]);
        let different = ProcessDocuments.ret_docs(&docs);
        assert_eq!(different[0].text(), "I returned a different Document");
        assert_ne!(different[0].id(), docs[0].id());
    }
}
