//! Documents and lists of them.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{NdArray, Struct};

/// A document's content: at most one of the three.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Content {
    /// None is set.
    #[default]
    None,
    /// UTF-8 text.
    Text(ByteString),
    /// Bytes of any kind.
    Blob(Bytes),
    /// An array, an image's pixels for instance.
    Tensor(Arc<NdArray>),
}

/// A score, and where it comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedScore {
    /// The score.
    pub value: f32,
    /// The operation that gave it.
    pub op_name: ByteString,
    /// For a person.
    pub description: ByteString,
    /// The document that it was scored against.
    pub ref_id: ByteString,
}

/// Scores by name. A list and not a map: there are few, and their order on the
/// wire is kept.
pub type Scores = Vec<(ByteString, NamedScore)>;

/// docarray v1's `Document`.
///
/// Cheap to clone: text, bytes, arrays and nested documents are shared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Unique among the documents of an array, by convention and not by force.
    pub id: ByteString,
    /// The text, blob or tensor.
    pub content: Content,
    /// How many `chunks` lists are above this document.
    pub granularity: u32,
    /// How many `matches` lists are above this document.
    pub adjacency: u32,
    /// The document whose chunk this is.
    pub parent_id: ByteString,
    /// The weight of this document among its siblings.
    pub weight: f32,
    /// Where the content comes from.
    pub uri: ByteString,
    /// `text`, `image`, ...
    pub modality: ByteString,
    /// The content's media type.
    pub mime_type: ByteString,
    /// Where a chunk lies in its parent, in whatever unit that has.
    pub offset: f32,
    /// The same in more dimensions.
    pub location: Vec<f32>,
    /// The parts of this document.
    pub chunks: DocumentArray,
    /// The documents that this one matched.
    pub matches: DocumentArray,
    /// The vector that stands for this document.
    pub embedding: Option<Arc<NdArray>>,
    /// Anything else, as a JSON object.
    pub tags: Option<Struct>,
    /// Scores by name.
    pub scores: Scores,
    /// Evaluations by name.
    pub evaluations: Scores,
    /// docarray's own notes.
    pub metadata: Option<Struct>,
}

impl Document {
    /// A document with a random id and this text.
    pub fn from_text(text: impl Into<ByteString>) -> Self {
        Document {
            id: crate::random_id(),
            content: Content::Text(text.into()),
            ..Document::default()
        }
    }

    /// The text, empty if the content is something else.
    pub fn text(&self) -> &str {
        match &self.content {
            Content::Text(text) => text,
            _ => "",
        }
    }

    /// Makes this text the content.
    pub fn set_text(&mut self, text: impl Into<ByteString>) {
        self.content = Content::Text(text.into());
    }

    /// This document and all below it.
    pub(crate) fn total(&self) -> u64 {
        1u64.saturating_add(self.chunks.total())
            .saturating_add(self.matches.total())
    }

    /// 1, and one more for each level below it.
    pub(crate) fn depth(&self) -> u32 {
        self.chunks
            .depth()
            .max(self.matches.depth())
            .saturating_add(1)
    }
}

/// An ordered list of documents, immutable and shared.
///
/// Cloning one costs one reference count, which is how an executor's original
/// is kept while the executor changes a copy.
#[derive(Debug, Clone, Default)]
pub struct DocumentArray {
    /// None: there are none. Every document has two arrays, nearly always
    /// empty, and one empty list for all would be a count that all threads write.
    docs: Option<Arc<Vec<Arc<Document>>>>,
    total: u64,
    depth: u32,
}

impl DocumentArray {
    /// An empty array.
    pub fn new() -> Self {
        DocumentArray::default()
    }

    /// Documents with random ids and these texts.
    pub fn from_texts<T: Into<ByteString>>(texts: impl IntoIterator<Item = T>) -> Self {
        texts.into_iter().map(Document::from_text).collect()
    }

    /// How many documents there are, those nested in them not counted.
    pub fn len(&self) -> usize {
        self.shared().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.docs.is_none()
    }

    /// How many documents there are in all, chunks and matches included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How deep they nest: 0 when empty, 1 without chunks and matches.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The document at `index`.
    pub fn get(&self, index: usize) -> Option<&Document> {
        self.shared().get(index).map(Arc::as_ref)
    }

    /// The documents in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Document> + DoubleEndedIterator {
        self.shared().iter().map(Arc::as_ref)
    }

    /// The documents' texts in order, empty if the content is something else.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(Document::text)
    }

    /// The documents for which this holds. They are shared.
    pub fn filtered(&self, mut keep: impl FnMut(&Document) -> bool) -> DocumentArray {
        let kept: Vec<_> = self
            .shared()
            .iter()
            .filter(|doc| keep(doc))
            .cloned()
            .collect();
        match kept.len() == self.len() {
            true => self.clone(),
            false => kept.into(),
        }
    }

    /// The documents in this order of their places. Those that are not named are left
    /// out.
    pub fn arranged(&self, order: impl IntoIterator<Item = usize>) -> DocumentArray {
        let docs = self.shared();
        order
            .into_iter()
            .filter_map(|place| docs.get(place).cloned())
            .collect()
    }

    /// The documents of all of these, one array after the other.
    pub fn concat<'a>(arrays: impl IntoIterator<Item = &'a DocumentArray>) -> DocumentArray {
        arrays
            .into_iter()
            .flat_map(|array| array.shared().iter().cloned())
            .collect()
    }

    /// The documents as they are shared.
    pub(crate) fn shared(&self) -> &[Arc<Document>] {
        self.docs.as_ref().map_or(&[], |docs| docs)
    }
}

impl PartialEq for DocumentArray {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.shared(), other.shared()) || self.shared() == other.shared()
    }
}

impl From<Vec<Arc<Document>>> for DocumentArray {
    fn from(docs: Vec<Arc<Document>>) -> Self {
        if docs.is_empty() {
            return DocumentArray::default();
        }
        let total = docs
            .iter()
            .fold(0u64, |sum, doc| sum.saturating_add(doc.total()));
        let depth = docs.iter().map(|doc| doc.depth()).max().unwrap_or(0);
        DocumentArray {
            docs: Some(Arc::new(docs)),
            total,
            depth,
        }
    }
}

impl FromIterator<Document> for DocumentArray {
    fn from_iter<I: IntoIterator<Item = Document>>(docs: I) -> Self {
        docs.into_iter().map(Arc::new).collect::<Vec<_>>().into()
    }
}

impl FromIterator<Arc<Document>> for DocumentArray {
    fn from_iter<I: IntoIterator<Item = Arc<Document>>>(docs: I) -> Self {
        docs.into_iter().collect::<Vec<_>>().into()
    }
}

impl From<Document> for DocumentArray {
    fn from(doc: Document) -> Self {
        vec![Arc::new(doc)].into()
    }
}

impl From<Vec<Document>> for DocumentArray {
    fn from(docs: Vec<Document>) -> Self {
        docs.into_iter().collect()
    }
}

impl<const N: usize> From<[Document; N]> for DocumentArray {
    fn from(docs: [Document; N]) -> Self {
        docs.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a DocumentArray {
    type Item = &'a Document;
    type IntoIter =
        std::iter::Map<std::slice::Iter<'a, Arc<Document>>, fn(&'a Arc<Document>) -> &'a Document>;

    fn into_iter(self) -> Self::IntoIter {
        self.shared().iter().map(Arc::as_ref)
    }
}

/// The documents stay shared. `Arc::unwrap_or_clone` makes one of them into a document
/// that can be changed.
impl IntoIterator for DocumentArray {
    type Item = Arc<Document>;
    type IntoIter = std::vec::IntoIter<Arc<Document>>;

    fn into_iter(self) -> Self::IntoIter {
        self.docs
            .map(Arc::unwrap_or_clone)
            .unwrap_or_default()
            .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_made_of_documents_and_taken_apart_into_the_same() {
        let docs = DocumentArray::from([Document::from_text("a"), Document::from_text("b")]);
        let texts: Vec<&str> = (&docs).into_iter().map(Document::text).collect();
        assert_eq!(texts, ["a", "b"]);
        let kept = docs.clone();
        let apart: Vec<Arc<Document>> = docs.into_iter().collect();
        assert!(std::ptr::eq(&*apart[0], kept.get(0).unwrap()));
        assert_eq!(DocumentArray::from(apart), kept);
        assert_eq!(DocumentArray::new().into_iter().count(), 0);
        assert_eq!(DocumentArray::from(Document::from_text("a")).len(), 1);
        assert!(DocumentArray::from(Vec::<Document>::new()).is_empty());
    }
}
