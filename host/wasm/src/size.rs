//! How large documents are, before anything is reserved for them.

use wasm_flow_document::{
    Content, Dense, Document, DocumentArray, NdArray, NdArrayData, Scores, Sparse, Struct,
};

/// Bytes that a document takes on the wire beside its values: tags and lengths.
const OVERHEAD: u64 = 32;

/// A number of bytes that is counted down.
pub(super) struct Budget(u64);

/// It is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsedUp;

type Result = std::result::Result<(), UsedUp>;

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Budget(bytes)
    }

    fn take(&mut self, bytes: u64) -> Result {
        self.0 = self.0.checked_sub(bytes).ok_or(UsedUp)?;
        Ok(())
    }

    fn take_len(&mut self, bytes: impl AsRef<[u8]>) -> Result {
        self.take(bytes.as_ref().len() as u64)
    }

    fn take_words(&mut self, words: usize) -> Result {
        self.take((words as u64).saturating_mul(4))
    }

    /// Counts the documents of `docs` that are not in `before` at the same place:
    /// to within a few bytes for each value, what they come to on the wire. An
    /// array may list one document a million times, and so come to more than any
    /// memory; the count stops when the budget is used up.
    pub(super) fn take_new(&mut self, docs: &DocumentArray, before: &DocumentArray) -> Result {
        let mut before = before.iter();
        docs.iter().try_for_each(|doc| match before.next() {
            Some(same) if std::ptr::eq(same, doc) => Ok(()),
            _ => self.take_document(doc),
        })
    }

    fn take_documents(&mut self, docs: &DocumentArray) -> Result {
        docs.iter().try_for_each(|doc| self.take_document(doc))
    }

    fn take_document(&mut self, doc: &Document) -> Result {
        // Every field by its name: a new one has to be counted too.
        let Document {
            id,
            content,
            granularity: _,
            adjacency: _,
            parent_id,
            weight: _,
            uri,
            modality,
            mime_type,
            offset: _,
            location,
            chunks,
            matches,
            embedding,
            tags,
            scores,
            evaluations,
            metadata,
        } = doc;
        self.take(OVERHEAD)?;
        for text in [id, parent_id, uri, modality, mime_type] {
            self.take_len(text)?;
        }
        match content {
            Content::None => {}
            Content::Text(text) => self.take_len(text)?,
            Content::Blob(blob) => self.take_len(blob)?,
            Content::Tensor(tensor) => self.take_ndarray(tensor)?,
        }
        self.take_words(location.len())?;
        if let Some(embedding) = embedding {
            self.take_ndarray(embedding)?;
        }
        self.take_struct(tags.as_ref())?;
        self.take_struct(metadata.as_ref())?;
        self.take_scores(scores)?;
        self.take_scores(evaluations)?;
        self.take_documents(chunks)?;
        self.take_documents(matches)
    }

    fn take_struct(&mut self, value: Option<&Struct>) -> Result {
        value.map_or(Ok(()), |value| self.take_len(value.as_bytes()))
    }

    fn take_scores(&mut self, scores: &Scores) -> Result {
        scores.iter().try_for_each(|(name, score)| {
            self.take(OVERHEAD)?;
            for text in [name, &score.op_name, &score.description, &score.ref_id] {
                self.take_len(text)?;
            }
            Ok(())
        })
    }

    fn take_ndarray(&mut self, array: &NdArray) -> Result {
        self.take_len(&array.cls_name)?;
        self.take_struct(array.parameters.as_ref())?;
        match &array.data {
            None => Ok(()),
            Some(NdArrayData::Dense(dense)) => self.take_dense(dense),
            Some(NdArrayData::Sparse(Sparse {
                indices,
                values,
                shape,
            })) => {
                self.take_words(shape.len())?;
                self.take_dense(indices)?;
                self.take_dense(values)
            }
        }
    }

    fn take_dense(&mut self, dense: &Dense) -> Result {
        self.take_len(dense.dtype())?;
        self.take_words(dense.shape().len())?;
        self.take_len(dense.buffer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Document {
        let array = NdArray::numpy(Dense::from_f32(&[0.5; 1000]));
        Document {
            id: "x".repeat(1000).into(),
            content: Content::Tensor(array.clone().into()),
            embedding: Some(array.into()),
            location: vec![1.0; 1000],
            tags: Struct::from_json(&format!(r#"{{"k": "{}"}}"#, "v".repeat(5000))).ok(),
            scores: vec![("s".repeat(3000).into(), Default::default())],
            chunks: DocumentArray::from_texts(vec!["y".repeat(10_000); 3]),
            ..Document::default()
        }
    }

    #[test]
    fn the_count_is_close_to_what_is_written() {
        let docs: DocumentArray = [large(), Document::default()].into_iter().collect();
        let exact = docs.encoding().len() as u64;
        let nothing = DocumentArray::new();
        let fits = |bytes| Budget::new(bytes).take_new(&docs, &nothing).is_ok();
        assert!(fits(exact + exact / 20));
        assert!(!fits(exact - exact / 20));
    }

    #[test]
    fn what_came_in_and_stays_in_its_place_is_not_counted() {
        let docs: DocumentArray = [large(), large()].into_iter().collect();
        assert_eq!(Budget::new(0).take_new(&docs.clone(), &docs), Ok(()));
        let copy: DocumentArray = [large(), large()].into_iter().collect();
        assert_eq!(Budget::new(0).take_new(&copy, &docs), Err(UsedUp));
    }
}
