//! What can be wrong with a signature.

use wasm_flow_contract::hub::Digest;

use super::key::NamedKey;
use super::shown::{any_of, others};
use crate::bounds::MAX_SIGNATURE;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// It has more bytes than signatures have.
    #[error("it has {0} bytes, and a signature has at most {MAX_SIGNATURE}")]
    TooLarge(u64),
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

/// What is wrong if none of the keys has made a signature.
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
        [first, more @ ..] => format!("{first} and {}", others(more.len())),
    }
}
