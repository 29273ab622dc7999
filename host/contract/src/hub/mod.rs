//! What executors are called in OCI registries.

mod digest;
mod reference;

pub use digest::{Digest, DigestError};
pub use reference::{Reference, ReferenceError, Repository, SCHEME};
