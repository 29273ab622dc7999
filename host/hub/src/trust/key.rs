//! Public keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::shown::shown;
use crate::bounds::MAX_KEY_FILE;
use crate::digest_of;

pub(super) const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// What a SubjectPublicKeyInfo has before the point, if it holds a point of P-256 that is
/// not compressed: the algorithm, the curve, and the length of what follows.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_BYTES: usize = 65;

/// Why a file's bytes are not a key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has more bytes than any key.
    #[error("a key's file has at most {MAX_KEY_FILE} bytes, and this one has {0}")]
    TooLarge(usize),
    /// There are no whole lines `-----BEGIN …-----` and `-----END …-----`.
    #[error(
        "it is not a key in PEM form, from a line `-----BEGIN …-----` to a line `-----END …-----` \
         ({0})"
    )]
    NotPem(String),
    /// It is not said which of its keys is meant.
    #[error("it has {0} keys; write each one to a file of its own")]
    Several(usize),
    /// A private key is where a public one belongs.
    #[error(
        "it is a private key, and the public one is wanted (cosign.pub, if the private one is \
         cosign.key); keep the private one to yourself"
    )]
    Private,
    /// A public key is where a private one belongs.
    #[error("it is a public key, and only the private one can sign")]
    Public,
    /// Its form is another one: the label, and how to make a form that is read.
    #[error("it begins with `-----BEGIN {label}-----`, which is not read; {hint}")]
    #[non_exhaustive]
    Form {
        /// What is written between `-----BEGIN ` and `-----`.
        label: String,
        /// What to do.
        hint: &'static str,
    },
    /// The key is not of the one kind that is used.
    #[error(
        "it is {0}, and only ECDSA on the curve P-256 is used, as `cosign generate-key-pair` makes \
         it"
    )]
    Algorithm(&'static str),
    /// What is between the lines is not what their label says.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// No password is given, and the key is encrypted.
    #[error("it is encrypted, and there is no password for it")]
    NoPassword,
    /// The password does not open it.
    #[error("the password is wrong, or somebody has changed the file")]
    Password,
    /// Whoever wrote it wants more memory or time than cosign ever does.
    #[error(
        "it wants scrypt with N={n}, r={r} and p={p}, and cosign uses N=32768, 65536 or 131072 \
         with r=8 and p=1"
    )]
    #[non_exhaustive]
    Cost {
        /// The cost in memory and time.
        n: u64,
        /// The size of a block.
        r: u64,
        /// How often it is done.
        p: u64,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A public key: ECDSA on the curve P-256, the kind that `cosign generate-key-pair` makes.
///
/// Ed25519 is left out: cosign signs with it in two ways that do not fit each other, and
/// refuses its own bundles by such keys (seen with 3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; POINT_BYTES]);

/// A public key, and what it is called where it is configured: mostly its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// What messages call it.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

impl PublicKey {
    /// The key of a file that begins with `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    ///
    /// The bytes are something else, the key is of another kind, or its numbers are not a
    /// point on the curve.
    pub fn from_pem(pem: &[u8]) -> Result<PublicKey, KeyError> {
        let pem = only_block(pem)?;
        match pem.tag() {
            PUBLIC_LABEL => PublicKey::from_spki(pem.contents()),
            label if label.ends_with("PRIVATE KEY") => Err(KeyError::Private),
            "CERTIFICATE" => Err(KeyError::Form {
                label: "CERTIFICATE".to_owned(),
                hint: "take the key out of it: openssl x509 -pubkey -noout -in FILE",
            }),
            label => Err(KeyError::Form {
                label: shown(label),
                hint: "a public key begins with `-----BEGIN PUBLIC KEY-----`",
            }),
        }
    }

    fn from_spki(der: &[u8]) -> Result<PublicKey, KeyError> {
        let point = der
            .strip_prefix(SPKI_PREFIX.as_slice())
            .ok_or_else(|| match kind_of(der) {
                Some(kind) => KeyError::Algorithm(kind),
                None => KeyError::Damaged("there is no point of P-256 in it, or it is compressed"),
            })?;
        PublicKey::from_point(point)
    }

    /// The key of a point as SEC 1 writes it without compression.
    pub(super) fn from_point(point: &[u8]) -> Result<PublicKey, KeyError> {
        let point: [u8; POINT_BYTES] = point
            .try_into()
            .map_err(|_| KeyError::Damaged("its point is too short or too long"))?;
        // ring looks at a point only when it uses it. The secret that comes of this use is
        // thrown away.
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
            .map_err(|_| KeyError::Random)?;
        let theirs = agreement::UnparsedPublicKey::new(&ECDH_P256, &point);
        agreement::agree_ephemeral(own, &theirs, |_| ())
            .map_err(|_| KeyError::Damaged("its numbers are not a point on the curve"))?;
        Ok(PublicKey(point))
    }

    /// A name of the key that is the same wherever it is written: 64 hexadecimal digits, the
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fn id(&self) -> String {
        digest_of(&self.to_spki()).hex()
    }

    /// The same name as bundles write it: the hash in base64.
    pub fn hint(&self) -> String {
        STANDARD.encode(digest_of(&self.to_spki()).as_bytes())
    }

    /// The file's text, as cosign and OpenSSL write it.
    pub fn to_pem(&self) -> String {
        encode(PUBLIC_LABEL, self.to_spki())
    }

    fn to_spki(self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), self.0.as_slice()].concat()
    }

    /// Whether its private key has signed the message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// The one block of a PEM text.
pub(super) fn only_block(pem: &[u8]) -> Result<pem::Pem, KeyError> {
    if pem.len() as u64 > MAX_KEY_FILE {
        return Err(KeyError::TooLarge(pem.len()));
    }
    let mut blocks =
        pem::parse_many(pem).map_err(|error| KeyError::NotPem(shown(&error.to_string())))?;
    match (blocks.len(), blocks.pop()) {
        (1, Some(block)) => Ok(block),
        (0, _) => Err(KeyError::NotPem(
            "there is no such pair of lines".to_owned(),
        )),
        (several, _) => Err(KeyError::Several(several)),
    }
}

/// A PEM text with the ends of lines that cosign writes.
pub(super) fn encode(label: &str, contents: Vec<u8>) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, contents), lines)
}

/// What kind of key this encoding is of, if it is not the one that is used.
pub(super) fn kind_of(der: &[u8]) -> Option<&'static str> {
    const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const ECDSA: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
    const RSA: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    ];
    // The algorithm is at the beginning of both encodings.
    let beginning = der.get(..40).unwrap_or(der);
    let has = |oid: &[u8]| beginning.windows(oid.len()).any(|window| window == oid);
    if has(P256) {
        None
    } else if has(ECDSA) {
        Some("an ECDSA key on another curve")
    } else if has(ED25519) {
        Some("an Ed25519 key")
    } else if has(RSA) {
        Some("an RSA key")
    } else {
        None
    }
}
