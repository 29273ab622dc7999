//! The document model of wasm-flow.
//!
//! A [`Document`] has the fields of docarray v1's `Document`, a
//! [`DocumentArray`] is a list of them, and both are read from and written to
//! docarray v1's protobuf form without copying what is not touched: text,
//! blobs, tensor buffers and tags are slices of the frame that they came in.
//!
//! Values are valid by construction. A [`Dense`] array's shape fits its bytes,
//! a [`Struct`] is a well-formed `google.protobuf.Struct`, and an array knows
//! how many documents it holds in all and how deep they nest, so that
//! [`Limits`] are checked without walking it.
//!
//! [`LiveArray`] is what an executor works on: documents shared between
//! handles, read and written column by column, while the original stays as it
//! was. It is the host's side of the WIT resource `document-array`; on a native
//! target the SDK uses it directly, so that an executor's unit tests see the
//! behaviour that its component will see.
//!
//! Not covered: docarray v2's `DocList`, which has another wire form.

mod array;
pub mod bounds;
mod json;
mod live;
mod ndarray;
pub mod protobuf;
mod reduce;
mod shown;
mod structs;
mod tag;
mod wire;

pub use array::{Content, Document, DocumentArray, NamedScore, Scores};
pub use json::JsonError;
pub use live::{
    ContentKind, Fields, FloatField, IntegerField, JsonField, LiveArray, LiveError, Matrix,
    NdArrayField, NestedField, Packed, Rows, ScoreField, StringField,
};
pub use ndarray::{Dense, NdArray, NdArrayData, ShapeError, Sparse, item_size};
pub use structs::{Found, Nested, Struct, StructError};
pub use wire::{DecodeError, Encoding};

pub use bytes::Bytes;
pub use bytestring::ByteString;

/// Bounds on the documents of one request.
///
/// Documents are cheap to send and expensive to hold: an empty one takes 2 bytes
/// of a message and about 500 of memory, and one that is copied into its own
/// chunks doubles. So the bounds hold for what is decoded and for what an
/// executor makes of it. How many bytes documents come to when they are written
/// is another question: see [`DocumentArray::encoded_len_within`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Documents in all, chunks and matches of every depth included.
    pub documents: u64,
    /// How deep documents may nest; 1 is an array without chunks or matches.
    ///
    /// Protobuf parsers stop at 100 nested messages. Three of them are around the
    /// first document, and tags nest too.
    pub depth: u32,
}

impl Default for Limits {
    /// One million documents, nested 64 deep.
    fn default() -> Self {
        Limits {
            documents: bounds::DOCUMENTS,
            depth: bounds::DOCUMENT_DEPTH,
        }
    }
}

/// Documents that come to more than [`Limits`] allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverLimits {
    /// Too many of them.
    #[error("they are {documents}, chunks and matches included, and the limit is {most}")]
    Documents {
        /// How many there are.
        documents: u64,
        /// How many there may be.
        most: u64,
    },
    /// Nested too deep.
    #[error("they are nested {depth} levels deep, and the limit is {most}")]
    Depth {
        /// How deep they are.
        depth: u32,
        /// How deep they may be.
        most: u32,
    },
}

impl Limits {
    /// Holds documents to the limits. This does not walk them.
    ///
    /// # Errors
    /// If there are too many, or some that are nested too deep.
    pub fn check(&self, docs: &DocumentArray) -> Result<(), OverLimits> {
        if docs.total() > self.documents {
            return Err(OverLimits::Documents {
                documents: docs.total(),
                most: self.documents,
            });
        }
        if docs.depth() > self.depth {
            return Err(OverLimits::Depth {
                depth: docs.depth(),
                most: self.depth,
            });
        }
        Ok(())
    }
}

/// A fresh document id, as docarray makes them: 128 random bits, 32 hex digits.
pub fn random_id() -> ByteString {
    random_ids(1).pop().unwrap_or_default()
}

/// Fresh ids, with one call to the operating system's random source for all.
pub(crate) fn random_ids(count: usize) -> Vec<ByteString> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut raw = vec![0u8; count.saturating_mul(16)];
    if getrandom::fill(&mut raw).is_err() {
        // No random source at all: ids must still differ within this process.
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        for id in raw.chunks_exact_mut(16) {
            let next = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            for (byte, value) in id.iter_mut().rev().zip(next.iter().rev()) {
                *byte = *value;
            }
        }
    }
    raw.chunks_exact(16)
        .map(|id| {
            let hex: String = id
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .filter_map(|digit| DIGITS.get(usize::from(digit)).copied().map(char::from))
                .collect();
            ByteString::from(hex)
        })
        .collect()
}
