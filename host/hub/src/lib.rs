//! Executors as artifacts of OCI registries: pushed, pulled, and kept by digest.
//!
//! [`Hub`] is what a program calls. Behind it are a client of registries that bounds all
//! that it reads ([`registry`]), what is in a registry ([`artifact`]), whose signature is
//! wanted ([`trust`]), and a folder with what was fetched ([`store`]). Nothing here runs or
//! compiles what it fetches.

pub mod artifact;
pub mod bounds;
pub mod credentials;
mod digest;
mod hub;
pub mod registry;
mod shown;
pub mod store;
pub mod trust;

pub use digest::digest_of;
pub use hub::{Accept, Described, Hub, HubError, HubErrorKind, Pulled, Pushed, Refusal, Sign};

#[cfg(test)]
mod tests;
