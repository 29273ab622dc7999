//! A list of documents: a `Vec` of rows, and their columns.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde_json::{Map, Value};

use crate::raw::{Array, NestedField, Rows};
use crate::source::Source;
use crate::tensor::{self, Element};
use crate::{Document, Error, Matrix, Result, commit};

/// A list of documents.
///
/// It derefs to `Vec<Document>`, so all of `Vec`'s methods work: `docs[0]`,
/// `docs.iter_mut()`, `docs.push(..)`, `docs.retain(..)`, `docs.sort_by(..)`,
/// `docs.drain(..)` and so on. In addition it has columns, and paths to chunks
/// and matches.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// let mut docs = DocumentArray::from_texts(["b", "a", "c"]);
/// for doc in docs.iter_mut() {
///     doc.set_text(doc.text().to_uppercase());
/// }
/// docs.sort_by(|one, two| one.text().cmp(two.text()));
/// docs.retain(|doc| doc.text() != "C");
/// docs.push(Document::new("D"));
/// assert_eq!(docs.texts().collect::<Vec<_>>(), ["A", "B", "D"]);
/// ```
///
/// Changes to the list take effect when the handler returns, like changes to the
/// documents' fields.
#[derive(Clone, Default)]
pub struct DocumentArray {
    docs: Vec<Document>,
}

impl DocumentArray {
    /// An empty array.
    pub fn new() -> Self {
        DocumentArray::default()
    }

    /// An array of `count` documents with no fields set.
    pub fn empty(count: usize) -> Self {
        (0..count).map(|_| Document::default()).collect()
    }

    /// An array of documents with these texts.
    pub fn from_texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        texts.into_iter().map(Document::new).collect()
    }

    /// The documents as a `Vec`.
    pub fn into_vec(self) -> Vec<Document> {
        self.docs
    }

    /// The first document with this id.
    pub fn by_id(&self, id: &str) -> Option<&Document> {
        self.docs.iter().find(|doc| doc.id() == id)
    }

    /// The first document with this id, mutably.
    pub fn by_id_mut(&mut self, id: &str) -> Option<&mut Document> {
        self.docs.iter_mut().find(|doc| doc.id() == id)
    }

    /// Copies all documents into the executor's own memory: see
    /// [`Document::into_owned`].
    #[must_use]
    pub fn into_owned(self) -> Self {
        self.docs.into_iter().map(Document::into_owned).collect()
    }

    // These methods of `Vec` are repeated because their arguments often use the
    // length: `docs.truncate(docs.len() - 1)` does not compile through `DerefMut`.

    /// Keeps the first `len` documents.
    pub fn truncate(&mut self, len: usize) {
        self.docs.truncate(len);
    }

    /// Swaps two documents.
    ///
    /// # Panics
    /// If one of them does not exist, as `Vec::swap` does.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.docs.swap(a, b);
    }

    /// Inserts a document before the one at `index`.
    ///
    /// # Panics
    /// If `index` is larger than the length, as `Vec::insert` does.
    pub fn insert(&mut self, index: usize, doc: Document) {
        self.docs.insert(index, doc);
    }

    /// Removes the document at `index` and returns it.
    ///
    /// # Panics
    /// If it does not exist, as `Vec::remove` does.
    pub fn remove(&mut self, index: usize) -> Document {
        self.docs.remove(index)
    }

    // --- columns ------------------------------------------------------------

    /// Every document's id.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.docs.iter().map(Document::id)
    }

    /// Every document's text, or `""` if it has none.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.docs.iter().map(Document::text)
    }

    /// Every document's uri, or `""` if it has none.
    pub fn uris(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.docs.iter().map(Document::uri)
    }

    /// Every document's blob, empty if it has none.
    pub fn blobs(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator {
        self.docs.iter().map(Document::blob)
    }

    /// Every document's tags.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &Map<String, Value>> + DoubleEndedIterator {
        self.docs.iter().map(Document::tags)
    }

    /// Sets every document's text.
    ///
    /// # Errors
    /// If there are not as many texts as documents. No text is set then.
    pub fn set_texts<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) -> Result<()> {
        let texts: Vec<T> = texts.into_iter().collect();
        self.same_length("texts", texts.len())?;
        for (doc, text) in self.docs.iter_mut().zip(texts) {
            doc.set_text(text);
        }
        Ok(())
    }

    /// The embeddings as one matrix of `f32`, a row for each document. Without
    /// documents, it is a matrix without rows.
    ///
    /// The embeddings of a request are not copied if they arrived with the same
    /// length and dtype.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    /// # fn main() -> Result<()> {
    /// let mut docs = DocumentArray::empty(2);
    /// docs.set_embeddings(3, vec![1f32, 2., 3., 4., 5., 6.])?;
    /// let matrix = docs.embeddings()?;
    /// assert_eq!((matrix.rows(), matrix.columns()), (2, 3));
    /// for (doc, row) in docs.iter_mut().zip(matrix.iter()) {
    ///     doc.set_tag("sum", row.iter().sum::<f32>());
    /// }
    /// assert_eq!(docs[1].tag("sum"), Some(&json!(15.0)));
    ///
    /// // numpy makes 64-bit floats unless it is told otherwise.
    /// docs[1].set_embedding([4f64, 5., 6.]);
    /// let error = docs.embeddings().unwrap_err();
    /// assert!(error.message().starts_with("document 1 ("));
    /// assert!(error.message().contains("its embedding has dtype <f8, not <f4"));
    /// assert_eq!(docs.embeddings_to::<f32>()?.row(1), [4., 5., 6.]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a document has no embedding, or one of another dtype or length than the
    /// first. The error names the document, and
    /// [`embeddings_to`](DocumentArray::embeddings_to) converts other dtypes.
    pub fn embeddings(&self) -> Result<Matrix> {
        self.embeddings_as()
    }

    /// Like [`embeddings`](DocumentArray::embeddings), with numbers of type `T`.
    ///
    /// # Errors
    /// As for [`embeddings`](DocumentArray::embeddings).
    pub fn embeddings_as<T: Element>(&self) -> Result<Matrix<T>> {
        Matrix::of_embeddings(&self.docs)
    }

    /// Like [`embeddings`](DocumentArray::embeddings), with numbers that are
    /// converted to `T`, as with `as`, if they are of another type.
    ///
    /// # Errors
    /// If a document has no embedding, one of another length than the first, or one
    /// whose dtype is not a type of number.
    pub fn embeddings_to<T: Element>(&self) -> Result<Matrix<T>> {
        Matrix::of_converted_embeddings(&self.docs)
    }

    /// Sets every document's embedding: `columns` numbers for each, one document
    /// after the other.
    ///
    /// # Errors
    /// If there are not `columns` numbers for each document. No embedding is set
    /// then.
    pub fn set_embeddings<T: Element>(&mut self, columns: usize, values: Vec<T>) -> Result<()> {
        if Some(values.len()) != columns.checked_mul(self.docs.len()) {
            return Err(Error::named(
                "TensorError",
                format_args!(
                    "expected {columns} numbers for each of {} documents, but got {} in all",
                    self.docs.len(),
                    values.len()
                ),
            ));
        }
        let rows = tensor::from_rows(columns, self.docs.len(), values);
        for (doc, embedding) in self.docs.iter_mut().zip(rows) {
            doc.set_embedding(embedding);
        }
        Ok(())
    }

    fn same_length(&self, what: &str, count: usize) -> Result<()> {
        if count != self.docs.len() {
            return Err(Error::msg(format_args!(
                "expected {} {what}, one for each document, but got {count}",
                self.docs.len()
            )));
        }
        Ok(())
    }

    // --- bytes --------------------------------------------------------------

    /// The documents with all their fields, as docarray writes them: for a file, or
    /// for another program. docarray v1 reads them with
    /// `DocumentArray.from_bytes(data, protocol="protobuf-array")`.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    /// # fn main() -> Result<()> {
    /// let docs = DocumentArray::from_texts(["a", "b"]);
    /// let bytes = docs.to_bytes()?;
    /// assert_eq!(DocumentArray::from_bytes(&bytes)?.texts().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If they come to more bytes than the host gives with one call: half of the
    /// executor's memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        commit::build(self.docs.clone())?.encode(&Rows::All)
    }

    /// The documents that [`to_bytes`](DocumentArray::to_bytes) or docarray wrote.
    /// They stand in the host, as a request's do: see
    /// [`into_owned`](DocumentArray::into_owned).
    ///
    /// # Errors
    /// If the bytes are not documents, or too many of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let array = Array::decode(bytes)?;
        Ok(Source::new(array).documents().into())
    }

    // --- chunks and matches -------------------------------------------------

    /// The documents at a path below this array, in docarray's notation: `"@r"`
    /// for these documents, `"@c"` for their chunks, `"@m"` for their matches,
    /// `"@cm"` for the matches of their chunks, and so on. `"@r,c"` gives these
    /// documents and then their chunks.
    ///
    /// Reading a field of a chunk fetches it for the chunks of all documents at
    /// once.
    ///
    /// ```
    /// use wasm_flow_sdk::prelude::*;
    /// # fn main() -> Result<()> {
    /// let docs: DocumentArray = [
    ///     Document::new("ab").with_chunks(["a", "b"]),
    ///     Document::new("c").with_chunks(["c"]),
    /// ].into();
    /// let chunks: Vec<&str> = docs.traverse("@c")?.iter().map(|doc| doc.text()).collect();
    /// assert_eq!(chunks, ["a", "b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If this is not a path.
    pub fn traverse(&self, path: &str) -> Result<Vec<&Document>> {
        let mut found = Vec::new();
        for steps in parse_path(path)? {
            let mut level: Vec<&Document> = self.docs.iter().collect();
            for field in steps {
                level = level
                    .into_iter()
                    .flat_map(|doc| doc.nested(field).iter())
                    .collect();
            }
            found.append(&mut level);
        }
        Ok(found)
    }

    /// The documents at a path below this array, mutably. Only one path is
    /// allowed: with `"@r,c"`, a chunk could be changed through its document as
    /// well.
    ///
    /// # Errors
    /// If this is not a path, or if it is more than one.
    pub fn traverse_mut(&mut self, path: &str) -> Result<Vec<&mut Document>> {
        let mut paths = parse_path(path)?;
        let (Some(steps), true) = (paths.pop(), paths.is_empty()) else {
            return Err(Error::msg(format_args!(
                "`{path}` is more than one path: change the documents of one path after the other"
            )));
        };
        let mut level: Vec<&mut Document> = self.docs.iter_mut().collect();
        for field in steps {
            level = level
                .into_iter()
                .flat_map(|doc| doc.nested_mut(field).iter_mut())
                .collect();
        }
        Ok(level)
    }
}

fn parse_path(path: &str) -> Result<Vec<Vec<NestedField>>> {
    let paths = path.strip_prefix('@').unwrap_or(path);
    paths
        .split(',')
        .map(|one| {
            let one = one.trim();
            let steps = one.strip_prefix('r').unwrap_or(one);
            let steps = steps
                .chars()
                .map(|step| match step {
                    'c' => Some(NestedField::Chunks),
                    'm' => Some(NestedField::Matches),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>();
            match steps {
                Some(steps) if !one.is_empty() => Ok(steps),
                _ => Err(Error::msg(format_args!(
                    "`{path}` is not a path to documents: a path is `@r` for the documents \
                     themselves, or any number of `c` (chunks) and `m` (matches), as in `@c` or \
                     `@cm`"
                ))),
            }
        })
        .collect()
}

impl Deref for DocumentArray {
    type Target = Vec<Document>;

    fn deref(&self) -> &Self::Target {
        &self.docs
    }
}

impl DerefMut for DocumentArray {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.docs
    }
}

impl<D: Into<Document>> FromIterator<D> for DocumentArray {
    fn from_iter<I: IntoIterator<Item = D>>(docs: I) -> Self {
        DocumentArray {
            docs: docs.into_iter().map(Into::into).collect(),
        }
    }
}

impl<D: Into<Document>> Extend<D> for DocumentArray {
    fn extend<I: IntoIterator<Item = D>>(&mut self, docs: I) {
        self.docs.extend(docs.into_iter().map(Into::into));
    }
}

impl<D: Into<Document>> From<Vec<D>> for DocumentArray {
    fn from(docs: Vec<D>) -> Self {
        docs.into_iter().collect()
    }
}

impl<D: Into<Document>, const N: usize> From<[D; N]> for DocumentArray {
    fn from(docs: [D; N]) -> Self {
        docs.into_iter().collect()
    }
}

impl From<Document> for DocumentArray {
    fn from(doc: Document) -> Self {
        DocumentArray { docs: vec![doc] }
    }
}

impl IntoIterator for DocumentArray {
    type Item = Document;
    type IntoIter = std::vec::IntoIter<Document>;

    fn into_iter(self) -> Self::IntoIter {
        self.docs.into_iter()
    }
}

impl<'a> IntoIterator for &'a DocumentArray {
    type Item = &'a Document;
    type IntoIter = std::slice::Iter<'a, Document>;

    fn into_iter(self) -> Self::IntoIter {
        self.docs.iter()
    }
}

impl<'a> IntoIterator for &'a mut DocumentArray {
    type Item = &'a mut Document;
    type IntoIter = std::slice::IterMut<'a, Document>;

    fn into_iter(self) -> Self::IntoIter {
        self.docs.iter_mut()
    }
}

impl fmt::Debug for DocumentArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.docs).finish()
    }
}
