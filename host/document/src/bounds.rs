//! Every bound of the document model.
//!
//! The macro that makes the tables is in a crate that depends on this one. So the
//! table of these is there: `wasm_flow_contract::bounds::documents`.

/// Documents of one request, chunks and matches of every depth included.
pub const DOCUMENTS: u64 = 1_000_000;

/// How deep documents may nest.
pub const DOCUMENT_DEPTH: u32 = 64;

/// Scores and evaluations of all documents of one message.
pub const SCORES: u64 = 1_000_000;

/// Dimensions of an array.
pub const DIMENSIONS: usize = 64;

/// How deep the values of a JSON object may nest.
pub const STRUCT_DEPTH: u32 = 32;

/// Values of a JSON object, those of every depth together.
pub const STRUCT_VALUES: u64 = 1_000_000;

/// Bytes of a JSON object's messages whose fields occur several times.
pub const STRUCT_MERGED: usize = 16 << 20;

/// Characters that an error shows of a name or a text that came with a document.
pub const SHOWN: usize = 64;
