//! What executors are called in OCI registries, and which of them may be used.

mod config;
mod digest;
mod reference;
mod scope;

pub use config::{HubConfig, Signers, Trust};
pub use digest::{Digest, DigestError};
pub use reference::{Reference, ReferenceError, Repository, SCHEME, parse_host};
pub use scope::Scope;
