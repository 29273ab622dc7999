//! A client of OCI registries.
//!
//! It is thin, and our own, because the known ones read manifests, lists of tags, lists of
//! referrers and tokens whole into memory without a bound, follow redirects wherever they
//! lead, and have no hook for either. Whether other tools read what it writes, and it
//! what they write, is tested.

mod auth;
mod body;
mod challenge;
mod client;
mod error;
mod redirect;
mod remote;
mod upload;

pub use body::BlobBody;
pub use client::{Client, ClientError};
pub use error::{Problem, RegistryError};
pub use redirect::Misled;
pub(crate) use remote::pause;
pub use remote::{FetchedManifest, Remote, Version};
pub use upload::Payload;
