//! What a bundle's signature says: an in-toto statement about artifacts.

use serde::Deserialize;
use serde_json::json;
use wasm_flow_contract::hub::Digest;

use super::shown::shown;
use super::wrong::Wrong;

/// What kind of text the statement is. It is signed along with it.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const OLD_STATEMENT: &str = "https://in-toto.io/Statement/v0.1";

/// The statement of `cosign sign`: whoever has the key stands by these artifacts.
pub(super) const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Digests,
}

/// The digests of one artifact. Those of other algorithms say nothing here.
#[derive(Default, Deserialize)]
struct Digests {
    sha256: Option<String>,
}

/// The statement that is signed of an artifact.
pub(super) fn about(manifest: Digest) -> Vec<u8> {
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{ "digest": { "sha256": manifest.hex() } }],
        "predicateType": PREDICATE,
        "predicate": {},
    });
    statement.to_string().into_bytes()
}

/// Whether a statement, of which it is known who has signed it, is about this artifact. One
/// about several artifacts is about each of them.
pub(super) fn check(statement: &[u8], manifest: Digest) -> Result<(), Wrong> {
    let statement: Statement = serde_json::from_slice(statement)
        .map_err(|_| Wrong::NotASignature("its payload is not an in-toto statement".to_owned()))?;
    if statement.kind != STATEMENT && statement.kind != OLD_STATEMENT {
        let kind = shown(&statement.kind);
        return Err(Wrong::Form(format!("an in-toto statement `{kind}`")));
    }
    if statement.predicate_type != PREDICATE {
        return Err(Wrong::OtherStatement(shown(&statement.predicate_type)));
    }
    let hex = manifest.hex();
    let signed = || {
        statement
            .subject
            .iter()
            .filter_map(|s| s.digest.sha256.as_ref())
    };
    if signed().any(|signed| *signed == hex) {
        return Ok(());
    }
    Err(Wrong::OtherArtifact {
        signed: signed()
            .map(|hex| shown(&format!("sha256:{hex}")))
            .collect(),
        manifest,
    })
}

/// What DSSE signs of a payload: its kind and itself, each with its length, so that none can
/// be taken for another.
pub(super) fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}
