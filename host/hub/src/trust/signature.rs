//! Signatures of artifacts, and what can be wrong with them.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

use super::bounds::MAX_SIGNATURE;
use super::bundle::{self, BUNDLE_FAMILY};
use super::key::NamedKey;
use super::shown::any_of;
use super::simple::{
    self, CERTIFICATE_ANNOTATION, SIGNATURE_ANNOTATION, SIMPLE_SIGNING_MEDIA_TYPE,
};

/// A signature as it came from a registry: nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawSignature {
    /// A bundle, as cosign writes them since 3.
    Bundle(Bytes),
    /// A payload and its signature, as cosign wrote them before.
    Simple {
        /// The layer.
        payload: Bytes,
        /// What the layer's annotation says, in base64.
        signature: String,
        /// Whether another annotation has a certificate.
        has_certificate: bool,
    },
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// It has more bytes than signatures have.
    #[error("it has {0} bytes, and a signature has at most {MAX_SIGNATURE}")]
    TooLarge(usize),
    /// Its bytes are something else, or damaged.
    #[error("it is not a signature: {0}")]
    NotASignature(String),
    /// It is by a certificate, which a login has got for some minutes.
    #[error(
        "it was made without a key (keyless: a login instead), which is not read; its author has \
         to sign with a key: cosign sign --key cosign.key"
    )]
    Keyless,
    /// It is a signature of another form.
    #[error("it is {0}, which is not read")]
    Form(String),
    /// None of the keys has made it, and it does not name one of them.
    #[error("{}", by_another(.hint.as_deref(), .keys))]
    #[non_exhaustive]
    UnknownKey {
        /// The key that it names, mostly the [`PublicKey::hint`](super::PublicKey::hint)
        /// of the one that has made it. Older signatures name none.
        hint: Option<String>,
        /// The names of the keys that were tried.
        keys: Vec<String>,
    },
    /// It names this key, which has not made it.
    #[error("it says that it is by {0}, and is not: it is forged, or somebody has changed it")]
    DoesNotFit(String),
    /// It is right, and of another artifact.
    #[error("it signs {}, and not this one ({manifest})", listed(.signed))]
    #[non_exhaustive]
    OtherArtifact {
        /// The digests that it signs, as it writes them.
        signed: Vec<String>,
        /// The digest of the manifest that was to be signed.
        manifest: Digest,
    },
    /// It is right, and says something else of an artifact than that it is its signer's.
    #[error("it is not the signature of an artifact, but a statement `{0}`")]
    OtherStatement(String),
}

impl RawSignature {
    /// The signature in a layer, if the layer's media type is that of one.
    pub fn from_layer(
        media_type: &str,
        annotations: &BTreeMap<String, String>,
        layer: Bytes,
    ) -> Option<RawSignature> {
        if media_type.starts_with(BUNDLE_FAMILY) {
            return Some(RawSignature::Bundle(layer));
        }
        let annotation = |name| {
            annotations
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        (media_type == SIMPLE_SIGNING_MEDIA_TYPE).then(|| RawSignature::Simple {
            payload: layer,
            signature: annotation(SIGNATURE_ANNOTATION).to_owned(),
            has_certificate: !annotation(CERTIFICATE_ANNOTATION).is_empty(),
        })
    }

    fn len(&self) -> usize {
        match self {
            RawSignature::Bundle(bundle) => bundle.len(),
            RawSignature::Simple {
                payload, signature, ..
            } => payload.len() + signature.len(),
        }
    }
}

/// Which of the keys has signed the artifact with this manifest.
///
/// # Errors
///
/// None of them has, or not this artifact. What the signature says is looked at only after it
/// is known that one of the keys has made it.
pub fn verify<'k>(
    signature: &RawSignature,
    manifest: Digest,
    keys: &'k [NamedKey],
) -> Result<&'k NamedKey, Wrong> {
    let bytes = signature.len();
    if bytes > MAX_SIGNATURE {
        return Err(Wrong::TooLarge(bytes));
    }
    match signature {
        RawSignature::Bundle(bundle) => bundle::verify(bundle, manifest, keys),
        RawSignature::Simple {
            payload,
            signature,
            has_certificate,
        } => simple::verify(payload, signature, *has_certificate, manifest, keys),
    }
}

pub(super) fn not_by(keys: &[NamedKey], hint: Option<String>) -> Wrong {
    Wrong::UnknownKey {
        hint,
        keys: keys.iter().map(|key| key.name.clone()).collect(),
    }
}

fn by_another(hint: Option<&str>, keys: &[String]) -> String {
    let keys = any_of(keys);
    match hint {
        Some(hint) => format!("it is by another key than {keys} (the key with the id {hint})"),
        None => format!("it is by another key than {keys}, or somebody has changed it"),
    }
}

fn listed(signed: &[String]) -> String {
    match signed {
        [] => "nothing that has a SHA-256 digest".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} and {} others", others.len()),
    }
}
