//! Documents as bytes, and how many those are.

use ::bytes::{Bytes, BytesMut};

use super::{Fields, LiveArray, LiveError, Result, Rows};
use crate::Limits;
use crate::array::{Document, DocumentArray};

impl LiveArray {
    /// How many bytes the given fields of each row take once they are encoded, with
    /// all documents below them for chunks and matches.
    ///
    /// # Errors
    /// If a row does not exist.
    pub fn sizes(&self, fields: Fields, rows: &Rows) -> Result<Vec<u64>> {
        let size = |doc: &Document| only(doc, fields).encoded_len();
        let mut arena = self.lock();
        if fields.contains(Fields::CHUNKS) || fields.contains(Fields::MATCHES) {
            let docs = arena.resolve_rows(self.list, rows)?;
            return Ok(docs.iter().map(|doc| size(doc)).collect());
        }
        let nodes = arena.pick(self.list, rows)?;
        Ok(nodes
            .iter()
            .map(|node| size(&arena.nodes[*node].doc))
            .collect())
    }

    /// The rows as a `docarray.DocumentArrayProto`.
    ///
    /// # Errors
    /// If a row does not exist, or they come to more bytes than one read may.
    pub fn encode(&self, rows: &Rows) -> Result<Bytes> {
        let (docs, most) = {
            let mut arena = self.lock();
            let docs = arena.resolve_rows(self.list, rows)?;
            (DocumentArray::from(docs), arena.read_limit)
        };
        let encoding = docs.encoding_within(most).ok_or_else(|| {
            LiveError::Limit(format!(
                "these documents are larger than {most} bytes, which is the most that one call \
                 gives; encode fewer rows at a time"
            ))
        })?;
        let mut bytes = BytesMut::with_capacity(encoding.len());
        encoding.write(&mut bytes);
        Ok(bytes.freeze())
    }

    /// The documents of a `docarray.DocumentArrayProto`, with a bound on the bytes
    /// that one read may come to.
    ///
    /// # Errors
    /// If it cannot be read, or has more documents or deeper ones than the limits
    /// allow.
    pub fn decode(bytes: Bytes, limits: Limits, column_limit: u64) -> Result<LiveArray> {
        let docs = DocumentArray::decode_within(bytes, limits)
            .map_err(|error| LiveError::Invalid(error.to_string()))?;
        Ok(LiveArray::with_column_limit(docs, limits, column_limit))
    }
}

/// A copy of a document that has these fields alone.
fn only(doc: &Document, fields: Fields) -> Document {
    let mut copy = Document::default();
    fields.copy(doc, &mut copy);
    copy
}
