//! docarray v1's protobuf form of documents, read without copying.
//!
//! It is written by hand rather than derived, for three things that a derived
//! decoder does not give: strings and nested objects that stay slices of the
//! frame, values that are checked while they are read (so that a `Document` is
//! valid when it exists), and errors that name the document and the field.

mod decode;
mod encode;

pub use decode::DecodeError;
pub use encode::Encoding;

#[cfg(test)]
mod tests;
