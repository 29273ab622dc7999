//! A client of OCI registries.
//!
//! It is our own, over `reqwest`, and not `oci-client`: that one reads manifests, lists of
//! tags, lists of referrers and tokens whole into memory without a bound, follows
//! redirects wherever they lead, and has no hook for either. It also brings a second
//! implementation of cryptography. `oci-wasm` is built on it, and what it has beyond that
//! is the configuration of a component, which is a few lines. Whether other tools read
//! what is written here, and this what they write, is tested.

mod answer;
mod auth;
mod blobs;
mod body;
mod challenge;
mod client;
mod error;
mod list;
mod manifests;
mod payload;
mod redirect;
mod remote;
mod request;
mod tokens;

pub use body::BlobBody;
pub use client::{Client, ClientError};
pub use error::{Problem, RegistryError};
pub use manifests::FetchedManifest;
pub use payload::Payload;
pub use redirect::Misled;
pub use remote::{Remote, Version};
pub(crate) use request::pause;
