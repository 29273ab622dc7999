//! Who has signed an artifact, and whose signature is wanted.
//!
//! An artifact is signed by a key as cosign does it without a transparency log: a signature
//! covers the digest of the artifact's manifest, and with it all that the manifest names by
//! digest. Both of cosign's forms are read, the bundle of cosign 3 and the older one; the
//! bundle is written. Nothing here asks a registry or a log.
//!
//! What a signature does not say:
//!
//! - **When.** There is no log and no time. Whoever gets hold of a key signs for ever, also
//!   back-dated, and nobody sees it; a key is revoked by taking it out of `[[hub.trust]]`
//!   everywhere. Old signatures by it do not count then, either.
//! - **What it is called.** A signed artifact can be put under another name or tag: an older
//!   version, with its gaps, under the tag of a newer one. A digest in the reference, or
//!   flow.lock, says which one is meant.
//! - **That it does no harm.** A signature says who answers for it.
//!
//! `sigstore-verify` can check such bundles, too, if its log is switched off, but it wants a
//! root of trust and a provider of cryptography of our own making (or aws-lc), brings parsers
//! of certificates and timestamps, and reads neither the older form nor private keys. What
//! remains is two JSON texts and a call of ring, which the TLS of registries brings anyway;
//! `scrypt` and `crypto_secretbox` open the key files.

mod bounds;
mod bundle;
mod encoding;
mod key;
mod policy;
mod refusal;
mod sealed;
mod shown;
mod signature;
mod signer;
mod simple;
mod statement;
#[cfg(test)]
mod tests;
mod wrong;

pub use bundle::{BUNDLE_ANNOTATIONS, BUNDLE_MEDIA_TYPE, sign};
pub use key::{KeyError, NamedKey, PublicKey};
pub use policy::{Accepted, Policy, Rules, TrustRule};
pub use refusal::{Refusal, Wanted};
pub use signature::{RawSignature, verify};
pub use signer::Signer;
pub use simple::SIMPLE_SIGNING_MEDIA_TYPE;
pub use wrong::Wrong;
