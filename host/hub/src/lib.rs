//! Executors as artifacts of OCI registries.

mod digest;
pub mod trust;

pub use digest::digest_of;
