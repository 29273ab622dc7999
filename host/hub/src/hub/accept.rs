//! Whether an artifact is taken: asked before its bytes are fetched.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Reference};

/// A signature as a registry has it. Nothing of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawSignature {
    /// The bundle of cosign 3: JSON.
    Bundle(Bytes),
    /// What older cosign writes under the tag `sha256-….sig`.
    Simple {
        /// What is signed: JSON that names a digest.
        payload: Bytes,
        /// The signature, in Base64.
        signature: String,
    },
}

impl RawSignature {
    pub(crate) fn size(&self) -> u64 {
        match self {
            RawSignature::Bundle(bytes) => bytes.len() as u64,
            RawSignature::Simple { payload, signature } => (payload.len() + signature.len()) as u64,
        }
    }
}

/// Decides whether an artifact is taken.
pub trait Accept: Send + Sync {
    /// Whether the artifact whose manifest has this digest is taken, with the signatures
    /// that there are for it. The key is given, or its name, whose signature was right,
    /// and `None` if none was asked for.
    ///
    /// `signatures` may be those that were kept of an earlier time. If it is refused with
    /// them, those that the registry has now are fetched, and it is asked again.
    ///
    /// # Errors
    /// With the reason why it is refused.
    fn accept(
        &self,
        reference: &Reference,
        manifest_digest: Digest,
        signatures: &[RawSignature],
    ) -> Result<Option<String>, Refusal>;
}

/// Signs an artifact that is pushed.
pub trait Sign: Send + Sync {
    /// The bundle, in cosign's form, of a signature of the manifest with this digest.
    ///
    /// # Errors
    /// When it cannot be signed.
    fn sign(&self, manifest_digest: Digest) -> Result<Bytes, Refusal>;
}

/// Why an artifact is refused, or not signed.
#[derive(Debug)]
pub struct Refusal(Box<dyn Error + Send + Sync>);

impl Refusal {
    /// For this reason: an error, or a text.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Refusal {
        Refusal(reason.into())
    }

    /// The reason.
    pub fn reason(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Refusal {}
