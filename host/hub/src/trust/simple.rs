//! Signatures as cosign wrote them before 3: a payload in a layer, its signature in an
//! annotation. Nothing in them says which key is meant.

use serde::Deserialize;
use wasm_flow_contract::hub::Digest;

use super::encoding::decode;
use super::key::NamedKey;
use super::shown::shown;
use super::wrong::{Wrong, not_by};

/// The media type of a payload.
pub const SIMPLE_SIGNING_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of its layer with the signature.
pub(super) const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The one with the certificate, if it was signed without a key.
pub(super) const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";

const TYPE: &str = "cosign container image signature";

/// Of what else a payload has, the name of the artifact does not matter: cosign ignores it,
/// because an artifact is copied from one registry to another with its signatures.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Which of the keys has signed the artifact.
pub(super) fn verify<'k>(
    payload: &[u8],
    signature: &str,
    has_certificate: bool,
    manifest: Digest,
    keys: &'k [NamedKey],
) -> Result<&'k NamedKey, Wrong> {
    if signature.is_empty() {
        return Err(Wrong::NotASignature(
            "there is no signature in it".to_owned(),
        ));
    }
    let signature = decode(signature)?;
    let signer = keys
        .iter()
        .find(|key| key.key.has_signed(payload, &signature));
    let Some(signer) = signer else {
        return Err(match has_certificate {
            true => Wrong::Keyless,
            false => not_by(keys, None),
        });
    };
    let payload: Payload = serde_json::from_slice(payload)
        .map_err(|_| Wrong::NotASignature("what it signs is not a payload of cosign".to_owned()))?;
    if payload.critical.kind != TYPE {
        return Err(Wrong::OtherStatement(shown(&payload.critical.kind)));
    }
    let signed = payload.critical.image.docker_manifest_digest;
    if signed != manifest.to_string() {
        return Err(Wrong::OtherArtifact {
            signed: vec![shown(&signed)],
            manifest,
        });
    }
    Ok(signer)
}
