//! Documents in their protobuf form.
//!
//! A nested message stands behind its length, so the lengths of all documents
//! are found first, each once, however deep its document lies. What a document
//! holds beside other documents is flat, and its lengths are found again while
//! it is written.

use std::collections::HashSet;
use std::ptr;

use bytes::BufMut;

use crate::array::{Content, Document, DocumentArray, NamedScore, Scores};
use crate::ndarray::{Dense, NdArray, NdArrayData, Sparse};
use crate::protobuf::{
    bytes_len, float_len, floats_len, message_len, put_bytes, put_float, put_floats, put_head,
    put_message, put_uint32, put_uint32s, uint32_len, uint32s_len,
};
use crate::{Struct, tag};

impl DocumentArray {
    /// Bytes of the documents as a `docarray.DocumentArrayProto`, `u64::MAX` if
    /// there are more than that counts.
    ///
    /// This allocates nothing. It visits every document in all, each as often as
    /// it is listed: look at [`total`](Self::total) first if somebody else made
    /// the documents, or use [`encoded_len_within`](Self::encoded_len_within).
    pub fn encoded_len(&self) -> u64 {
        let mut lengths = Lengths::new(None, ());
        lengths.documents(self).unwrap_or(u64::MAX)
    }

    /// The same if it is not more than `most`, else `None`.
    ///
    /// Documents are shared, so an array can list a large one a million times
    /// and take no memory, but terabytes once it is written. This stops as soon as
    /// there are more than `most` bytes. Its cost goes with `most` and not with
    /// what the documents come to.
    pub fn encoded_len_within(&self, most: u64) -> Option<u64> {
        Lengths::new(Some(most), ()).documents(self)
    }

    /// Bytes of the documents that are not among those of `before`, if they are not
    /// more than `most`, else `None`.
    ///
    /// A document of `before` that was not written is still the same one, wherever
    /// it stands now. It is passed over once, so an array that lists it again and
    /// again does not escape the bound. Its cost goes with the documents that are
    /// not in their old place.
    pub fn added_len_within(&self, before: &DocumentArray, most: u64) -> Option<u64> {
        let mut old = before.iter();
        let moved = |doc: &&Document| !old.next().is_some_and(|old| std::ptr::eq(old, *doc));
        // Nearly always this is enough: nothing has moved that was not written.
        Lengths::new(Some(most), ())
            .message(self.iter().filter(moved))
            .or_else(|| {
                let mut old: HashSet<*const Document> = before.iter().map(ptr::from_ref).collect();
                let added = self.iter().filter(|doc| !old.remove(&ptr::from_ref(*doc)));
                Lengths::new(Some(most), ()).message(added)
            })
    }

    /// Prepares the documents to be written as a `docarray.DocumentArrayProto`.
    ///
    /// This takes 8 bytes of memory for each document. If somebody else made the
    /// documents, use [`encoding_within`](Self::encoding_within).
    pub fn encoding(&self) -> Encoding {
        let mut lengths = Lengths::new(None, room(self.total()));
        let len = lengths.documents(self).unwrap_or(u64::MAX);
        Encoding {
            docs: self.clone(),
            lens: lengths.noted,
            len,
        }
    }

    /// The same if it does not come to more than `most` bytes, else `None`.
    /// Costs as [`encoded_len_within`](Self::encoded_len_within), and allocates
    /// no more than 4 bytes for each byte of `most`.
    pub fn encoding_within(&self, most: u64) -> Option<Encoding> {
        // A document takes two bytes at least.
        let mut lengths = Lengths::new(Some(most), room(self.total().min(most / 2)));
        let len = lengths.documents(self)?;
        Some(Encoding {
            docs: self.clone(),
            lens: lengths.noted,
            len,
        })
    }
}

impl Document {
    /// Bytes of the document in its protobuf form, with all that is nested in it.
    pub(crate) fn encoded_len(&self) -> u64 {
        let mut lengths = Lengths::new(None, ());
        let chunks = lengths.list(tag::document::CHUNKS, self.chunks.iter());
        let matches = lengths.list(tag::document::MATCHES, self.matches.iter());
        [chunks, matches]
            .into_iter()
            .fold(document_len(self), |sum, len| {
                sum.saturating_add(len.unwrap_or(u64::MAX))
            })
    }
}

/// Documents about to be written, with their lengths: those are found once, when
/// this is made.
#[derive(Debug, Clone, Default)]
pub struct Encoding {
    docs: DocumentArray,
    /// Of every document, in the order of writing.
    lens: Vec<u64>,
    len: u64,
}

impl Encoding {
    /// The documents.
    pub fn docs(&self) -> &DocumentArray {
        &self.docs
    }

    /// Bytes that [`write`](Self::write) writes, or `usize::MAX` if memory cannot
    /// hold them.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Whether there are no documents, and so no bytes.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// Writes a `docarray.DocumentArrayProto`.
    pub fn write(&self, out: &mut impl BufMut) {
        self.write_field(tag::document_array::DOCS, out);
    }

    /// Writes the documents as a field of another message: the field of a
    /// `DocumentArrayProto` is 1. Fields up to 15 take as many bytes.
    pub fn write_field(&self, field: u32, out: &mut impl BufMut) {
        put_documents(field, &self.docs, &mut self.lens.iter(), out);
    }
}

/// Room for the lengths of so many documents, if that is a reasonable number. The
/// number is known before anything has checked it.
fn room(documents: u64) -> Vec<u64> {
    const MOST: u64 = 1_000_000;
    Vec::with_capacity(documents.min(MOST) as usize)
}

// --- lengths ---------------------------------------------------------------

/// Where the length of each document goes: one place each, in the order of
/// writing, which is an owner before what is nested in it.
trait Note {
    fn place(&mut self) -> usize;
    fn note(&mut self, place: usize, len: u64);
}

/// Nowhere.
impl Note for () {
    fn place(&mut self) -> usize {
        0
    }

    fn note(&mut self, _: usize, _: u64) {}
}

impl Note for Vec<u64> {
    fn place(&mut self) -> usize {
        self.push(0);
        self.len() - 1
    }

    fn note(&mut self, place: usize, len: u64) {
        if let Some(noted) = self.get_mut(place) {
            *noted = len;
        }
    }
}

/// Finds the lengths of documents, up to a bound for all of them together.
struct Lengths<N> {
    noted: N,
    /// What may still come, if there is a bound.
    left: Option<u64>,
    most: u64,
}

impl<N: Note> Lengths<N> {
    fn new(most: Option<u64>, noted: N) -> Self {
        Lengths {
            noted,
            left: most,
            most: most.unwrap_or(u64::MAX),
        }
    }

    /// Bytes of the message that holds exactly these documents, or `None` if they
    /// are too many.
    fn documents(&mut self, docs: &DocumentArray) -> Option<u64> {
        self.message(docs.iter())
    }

    /// The same for any documents.
    fn message<'d>(&mut self, docs: impl Iterator<Item = &'d Document>) -> Option<u64> {
        self.list(tag::document_array::DOCS, docs)
            .filter(|len| *len <= self.most)
    }

    /// Bytes of all documents as field `number`.
    fn list<'d>(&mut self, number: u32, docs: impl Iterator<Item = &'d Document>) -> Option<u64> {
        let mut sum = 0u64;
        for doc in docs {
            let place = self.noted.place();
            let own = document_len(doc);
            if let Some(left) = &mut self.left {
                // Two for what stands before the document.
                *left = left.checked_sub(own.saturating_add(2))?;
            }
            let chunks = self.list(tag::document::CHUNKS, doc.chunks.iter())?;
            let matches = self.list(tag::document::MATCHES, doc.matches.iter())?;
            let len = own.saturating_add(chunks).saturating_add(matches);
            self.noted.note(place, len);
            sum = sum.saturating_add(message_len(number, len));
        }
        Some(sum)
    }
}

/// Bytes of a document without those nested in it.
fn document_len(doc: &Document) -> u64 {
    use tag::document as tag;

    let content = match &doc.content {
        Content::None => 0,
        Content::Blob(blob) => message_len(tag::BLOB, blob.len() as u64),
        Content::Tensor(tensor) => message_len(tag::TENSOR, ndarray_len(tensor)),
        Content::Text(text) => message_len(tag::TEXT, text.len() as u64),
    };
    let embedding = doc
        .embedding
        .as_ref()
        .map_or(0, |array| message_len(tag::EMBEDDING, ndarray_len(array)));
    bytes_len(tag::ID, doc.id.as_bytes())
        .saturating_add(content)
        .saturating_add(uint32_len(tag::GRANULARITY, doc.granularity))
        .saturating_add(uint32_len(tag::ADJACENCY, doc.adjacency))
        .saturating_add(bytes_len(tag::PARENT_ID, doc.parent_id.as_bytes()))
        .saturating_add(float_len(tag::WEIGHT, doc.weight))
        .saturating_add(bytes_len(tag::URI, doc.uri.as_bytes()))
        .saturating_add(bytes_len(tag::MODALITY, doc.modality.as_bytes()))
        .saturating_add(bytes_len(tag::MIME_TYPE, doc.mime_type.as_bytes()))
        .saturating_add(float_len(tag::OFFSET, doc.offset))
        .saturating_add(floats_len(tag::LOCATION, &doc.location))
        .saturating_add(embedding)
        .saturating_add(struct_len(tag::TAGS, doc.tags.as_ref()))
        .saturating_add(scores_len(tag::SCORES, &doc.scores))
        .saturating_add(scores_len(tag::EVALUATIONS, &doc.evaluations))
        .saturating_add(struct_len(tag::METADATA, doc.metadata.as_ref()))
}

fn dense_len(dense: &Dense) -> u64 {
    bytes_len(tag::dense::BUFFER, dense.buffer())
        .saturating_add(uint32s_len(tag::dense::SHAPE, dense.shape()))
        .saturating_add(bytes_len(tag::dense::DTYPE, dense.dtype().as_bytes()))
}

fn sparse_len(sparse: &Sparse) -> u64 {
    message_len(tag::sparse::INDICES, dense_len(&sparse.indices))
        .saturating_add(message_len(tag::sparse::VALUES, dense_len(&sparse.values)))
        .saturating_add(uint32s_len(tag::sparse::SHAPE, &sparse.shape))
}

fn ndarray_len(array: &NdArray) -> u64 {
    use tag::ndarray as tag;

    let data = match &array.data {
        None => 0,
        Some(NdArrayData::Dense(dense)) => message_len(tag::DENSE, dense_len(dense)),
        Some(NdArrayData::Sparse(sparse)) => message_len(tag::SPARSE, sparse_len(sparse)),
    };
    data.saturating_add(bytes_len(tag::CLS_NAME, array.cls_name.as_bytes()))
        .saturating_add(struct_len(tag::PARAMETERS, array.parameters.as_ref()))
}

fn struct_len(number: u32, value: Option<&Struct>) -> u64 {
    value.map_or(0, |value| {
        message_len(number, value.as_bytes().len() as u64)
    })
}

fn named_score_len(score: &NamedScore) -> u64 {
    use tag::named_score as tag;

    float_len(tag::VALUE, score.value)
        .saturating_add(bytes_len(tag::OP_NAME, score.op_name.as_bytes()))
        .saturating_add(bytes_len(tag::DESCRIPTION, score.description.as_bytes()))
        .saturating_add(bytes_len(tag::REF_ID, score.ref_id.as_bytes()))
}

fn score_entry_len(name: &str, score: &NamedScore) -> u64 {
    bytes_len(tag::entry::KEY, name.as_bytes())
        .saturating_add(message_len(tag::entry::VALUE, named_score_len(score)))
}

fn scores_len(number: u32, scores: &Scores) -> u64 {
    scores.iter().fold(0u64, |sum, (name, score)| {
        sum.saturating_add(message_len(number, score_entry_len(name, score)))
    })
}

// --- writing ---------------------------------------------------------------

/// Takes the lengths that [`Lengths`] noted.
fn put_documents(
    number: u32,
    docs: &DocumentArray,
    lens: &mut std::slice::Iter<'_, u64>,
    out: &mut impl BufMut,
) {
    for doc in docs.iter() {
        // One was noted for each.
        let len = lens.next().copied().unwrap_or_default();
        put_head(number, len, out);
        write_document(doc, lens, out);
    }
}

fn write_document(doc: &Document, lens: &mut std::slice::Iter<'_, u64>, out: &mut impl BufMut) {
    use tag::document as tag;

    put_bytes(tag::ID, doc.id.as_bytes(), out);
    match &doc.content {
        Content::None => {}
        Content::Blob(blob) => put_message(tag::BLOB, blob, out),
        Content::Tensor(tensor) => {
            put_head(tag::TENSOR, ndarray_len(tensor), out);
            write_ndarray(tensor, out);
        }
        Content::Text(text) => put_message(tag::TEXT, text.as_bytes(), out),
    }
    put_uint32(tag::GRANULARITY, doc.granularity, out);
    put_uint32(tag::ADJACENCY, doc.adjacency, out);
    put_bytes(tag::PARENT_ID, doc.parent_id.as_bytes(), out);
    put_float(tag::WEIGHT, doc.weight, out);
    put_bytes(tag::URI, doc.uri.as_bytes(), out);
    put_bytes(tag::MODALITY, doc.modality.as_bytes(), out);
    put_bytes(tag::MIME_TYPE, doc.mime_type.as_bytes(), out);
    put_float(tag::OFFSET, doc.offset, out);
    put_floats(tag::LOCATION, &doc.location, out);
    put_documents(tag::CHUNKS, &doc.chunks, lens, out);
    put_documents(tag::MATCHES, &doc.matches, lens, out);
    if let Some(array) = &doc.embedding {
        put_head(tag::EMBEDDING, ndarray_len(array), out);
        write_ndarray(array, out);
    }
    put_struct(tag::TAGS, doc.tags.as_ref(), out);
    put_scores(tag::SCORES, &doc.scores, out);
    put_scores(tag::EVALUATIONS, &doc.evaluations, out);
    put_struct(tag::METADATA, doc.metadata.as_ref(), out);
}

fn write_dense(dense: &Dense, out: &mut impl BufMut) {
    put_bytes(tag::dense::BUFFER, dense.buffer(), out);
    put_uint32s(tag::dense::SHAPE, dense.shape(), out);
    put_bytes(tag::dense::DTYPE, dense.dtype().as_bytes(), out);
}

fn write_ndarray(array: &NdArray, out: &mut impl BufMut) {
    use tag::ndarray as tag;

    match &array.data {
        None => {}
        Some(NdArrayData::Dense(dense)) => {
            put_head(tag::DENSE, dense_len(dense), out);
            write_dense(dense, out);
        }
        Some(NdArrayData::Sparse(sparse)) => {
            put_head(tag::SPARSE, sparse_len(sparse), out);
            write_sparse(sparse, out);
        }
    }
    put_bytes(tag::CLS_NAME, array.cls_name.as_bytes(), out);
    put_struct(tag::PARAMETERS, array.parameters.as_ref(), out);
}

fn write_sparse(sparse: &Sparse, out: &mut impl BufMut) {
    use tag::sparse as tag;

    put_head(tag::INDICES, dense_len(&sparse.indices), out);
    write_dense(&sparse.indices, out);
    put_head(tag::VALUES, dense_len(&sparse.values), out);
    write_dense(&sparse.values, out);
    put_uint32s(tag::SHAPE, &sparse.shape, out);
}

fn put_struct(number: u32, value: Option<&Struct>, out: &mut impl BufMut) {
    if let Some(value) = value {
        put_message(number, value.as_bytes(), out);
    }
}

fn put_scores(number: u32, scores: &Scores, out: &mut impl BufMut) {
    use tag::named_score;

    for (name, score) in scores {
        put_head(number, score_entry_len(name, score), out);
        put_bytes(tag::entry::KEY, name.as_bytes(), out);
        put_head(tag::entry::VALUE, named_score_len(score), out);
        put_float(named_score::VALUE, score.value, out);
        put_bytes(named_score::OP_NAME, score.op_name.as_bytes(), out);
        put_bytes(named_score::DESCRIPTION, score.description.as_bytes(), out);
        put_bytes(named_score::REF_ID, score.ref_id.as_bytes(), out);
    }
}
