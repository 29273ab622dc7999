//! Signatures as cosign 3 writes them: a sigstore bundle, which has the signed statement in
//! it and says which key is meant.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use wasm_flow_contract::hub::Digest;

use super::encoding::{decode, encode};
use super::key::{KeyError, NamedKey};
use super::shown::shown;
use super::signer::Signer;
use super::statement::{self, PAYLOAD_TYPE, PREDICATE};
use super::wrong::{Wrong, not_by};

/// The media type of a bundle: that of its layer, and the artifact type of the manifest that
/// refers to the signed one.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What the media types of all bundles begin with.
pub(super) const BUNDLE_FAMILY: &str = "application/vnd.dev.sigstore.bundle";

/// Older ones. What is read here is the same in all of them.
const OLD_MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];

/// The annotations that cosign writes on the manifest of a bundle, for those who choose
/// among several without fetching them.
pub const BUNDLE_ANNOTATIONS: [(&str, &str); 2] = [
    ("dev.sigstore.bundle.content", "dsse-envelope"),
    ("dev.sigstore.bundle.predicateType", PREDICATE),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<IgnoredAny>,
}

/// Of the many things that can be here, the log's entries and timestamps do not matter if
/// the signer is known by a key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<PublicKeyHint>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct PublicKeyHint {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// Signs an artifact: the bytes of a bundle, for a manifest that refers to the artifact's.
///
/// Two signatures of the same artifact by the same key differ, because ECDSA takes a random
/// number for each.
///
/// # Errors
///
/// The system gives no random numbers.
pub fn sign(signer: &Signer, manifest: Digest) -> Result<Vec<u8>, KeyError> {
    let payload = statement::about(manifest);
    let signature = signer.sign(&statement::pre_authentication(PAYLOAD_TYPE, &payload))?;
    let bundle = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": signer.public().hint() } },
        "dsseEnvelope": {
            "payload": encode(&payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": encode(&signature) }],
        },
    });
    Ok(bundle.to_string().into_bytes())
}

/// Which of the keys has signed the artifact.
pub(super) fn verify<'k>(
    bundle: &[u8],
    manifest: Digest,
    keys: &'k [NamedKey],
) -> Result<&'k NamedKey, Wrong> {
    let bundle: Bundle = serde_json::from_slice(bundle)
        .map_err(|_| Wrong::NotASignature("it is not the JSON of a bundle".to_owned()))?;
    let kind = bundle.media_type.as_str();
    if kind != BUNDLE_MEDIA_TYPE && !OLD_MEDIA_TYPES.contains(&kind) {
        return Err(Wrong::Form(format!("a bundle `{}`", shown(kind))));
    }
    let material = bundle.verification_material;
    if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
        return Err(Wrong::Keyless);
    }
    let hint = match material.public_key {
        Some(key) => key.hint,
        None => return Err(missing("it does not say which key has made it")),
    };
    let envelope = match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), _) => envelope,
        (None, Some(_)) => {
            return Err(Wrong::Form(
                "the signature of a file (`cosign sign-blob`; it is `cosign sign` that signs an \
                 artifact)"
                    .to_owned(),
            ));
        }
        (None, None) => return Err(missing("there is no signature in it")),
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        let kind = shown(&envelope.payload_type);
        return Err(Wrong::Form(format!("the signature of a `{kind}`")));
    }
    // A bundle has one key, so it has one signature.
    let [Signature { sig }] = envelope.signatures.as_slice() else {
        let several = envelope.signatures.len();
        return Err(missing(&format!(
            "it has to have one signature in it, and has {several}"
        )));
    };
    let payload = decode(&envelope.payload)?;
    let signature = decode(sig)?;
    let signed = statement::pre_authentication(PAYLOAD_TYPE, &payload);
    // A hint is not signed, and nothing but a hint: it says what to tell if none fits.
    let signer = keys
        .iter()
        .find(|key| key.key.has_signed(&signed, &signature));
    let Some(signer) = signer else {
        return Err(match keys.iter().find(|key| key.key.hint() == hint) {
            Some(named) => Wrong::DoesNotFit(named.name.clone()),
            None => not_by(keys, Some(shown(&hint))),
        });
    };
    statement::check(&payload, manifest)?;
    Ok(signer)
}

fn missing(what: &str) -> Wrong {
    Wrong::NotASignature(what.to_owned())
}
