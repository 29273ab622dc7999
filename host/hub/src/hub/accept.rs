//! Whether an artifact is taken: asked before its bytes are fetched.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Reference, Repository};

use crate::trust::{Policy, RawSignature, Signer, sign};

/// Decides whether an artifact is taken.
pub trait Accept: Send + Sync {
    /// Whether the registry may be asked for this: asked before it is.
    ///
    /// # Errors
    /// With the reason why not, which may be that nothing would be accepted.
    fn allows(&self, reference: &Reference) -> Result<(), Refusal>;

    /// Whether signatures matter, so that they have to be fetched.
    fn wants_signatures(&self, repository: &Repository) -> bool;

    /// Whether the artifact whose manifest has this digest is taken, with the signatures
    /// that there are for it. The key is given, or its name, whose signature was right,
    /// and `None` if none was asked for.
    ///
    /// `signatures` may be those that were kept of an earlier time. If it is refused with
    /// them, those that the registry has now are fetched, and it is asked again.
    ///
    /// # Errors
    /// With the reason why it is refused. It is shown as it is, so it names the artifact.
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

impl Accept for Policy {
    fn allows(&self, reference: &Reference) -> Result<(), Refusal> {
        Policy::allows(self, reference.repository()).map_err(Refusal::new)?;
        self.has_rule(reference).map_err(Refusal::new)
    }

    fn wants_signatures(&self, repository: &Repository) -> bool {
        Policy::wants_signatures(self, repository)
    }

    fn accept(
        &self,
        reference: &Reference,
        manifest_digest: Digest,
        signatures: &[RawSignature],
    ) -> Result<Option<String>, Refusal> {
        let accepted = self.decide(reference, manifest_digest, signatures);
        let signers = accepted.map_err(Refusal::new)?.signers;
        Ok((!signers.is_empty()).then(|| signers.join(", ")))
    }
}

impl Sign for Signer {
    fn sign(&self, manifest_digest: Digest) -> Result<Bytes, Refusal> {
        let bundle = sign(self, manifest_digest);
        bundle.map(Bytes::from).map_err(Refusal::new)
    }
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
