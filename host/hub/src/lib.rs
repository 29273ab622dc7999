//! Executors as artifacts of OCI registries.

mod digest;

pub use digest::digest_of;
