//! Signatures of artifacts.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

use super::bundle::{self, BUNDLE_FAMILY};
use super::key::NamedKey;
use super::simple::{
    self, CERTIFICATE_ANNOTATION, SIGNATURE_ANNOTATION, SIMPLE_SIGNING_MEDIA_TYPE,
};
use super::wrong::Wrong;
use crate::bounds::MAX_SIGNATURE;

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

    /// Its bytes.
    pub(crate) fn size(&self) -> u64 {
        let bytes = match self {
            RawSignature::Bundle(bundle) => bundle.len(),
            RawSignature::Simple {
                payload, signature, ..
            } => payload.len() + signature.len(),
        };
        bytes as u64
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
    let bytes = signature.size();
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
