//! Private keys.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::key::{KeyError, PUBLIC_LABEL, PublicKey, encode, kind_of, only_block};
use super::sealed::Sealed;
use super::shown::shown;

/// What cosign writes.
const SEALED_LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// What its older versions wrote.
const OLD_SEALED_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const PLAIN_LABEL: &str = "PRIVATE KEY";

/// A private key, which signs.
///
/// Its encoding is wiped from memory when it is dropped; ring keeps the number itself, and
/// does not wipe it.
pub struct Signer {
    pair: EcdsaKeyPair,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate() -> Result<Signer, KeyError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|_| KeyError::Random)?;
        Signer::from_pkcs8(Zeroizing::new(pkcs8.as_ref().to_vec()))
    }

    /// The key of a file: one that cosign has encrypted (`ENCRYPTED SIGSTORE PRIVATE KEY`,
    /// `ENCRYPTED COSIGN PRIVATE KEY`), or a PKCS#8 key that is not encrypted (`PRIVATE
    /// KEY`), to which a password does not matter.
    ///
    /// Takes about a tenth of a second and 64 MiB if the key is encrypted; 128 MiB at most.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoPassword`] if there is none and the key is encrypted: then ask for it.
    /// [`KeyError::Password`] if it is another one. Else the bytes are something else, or the
    /// key is of another kind.
    pub fn from_pem(pem: &[u8], password: Option<&[u8]>) -> Result<Signer, KeyError> {
        let pem = only_block(pem)?;
        let form = |hint| KeyError::Form {
            label: shown(pem.tag()),
            hint,
        };
        match pem.tag() {
            SEALED_LABEL | OLD_SEALED_LABEL => {
                let sealed = Sealed::read(pem.contents())?;
                Signer::from_pkcs8(sealed.open(password.ok_or(KeyError::NoPassword)?)?)
            }
            PLAIN_LABEL => Signer::from_pkcs8(Zeroizing::new(pem.into_contents())),
            PUBLIC_LABEL => Err(KeyError::Public),
            "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => Err(form(
                "write it as cosign does: openssl pkcs8 -topk8 -nocrypt -in FILE -out plain.key, \
                 then cosign import-key-pair --key plain.key",
            )),
            _ => Err(form(
                "cosign generate-key-pair makes a key that can sign, or `-----BEGIN PRIVATE \
                 KEY-----` begins one of PKCS#8",
            )),
        }
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Signer, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random)
            .map_err(|_| match kind_of(&pkcs8) {
                Some(kind) => KeyError::Algorithm(kind),
                None => KeyError::Damaged(
                    "it is not a PKCS#8 key of P-256 with its public key in it, or the two do not \
                     belong together",
                ),
            })?;
        Ok(Signer {
            public: PublicKey::from_point(pair.public_key().as_ref())?,
            pair,
            pkcs8,
        })
    }

    /// The file's text, encrypted as cosign does it. An empty password is one, too.
    ///
    /// Takes about a tenth of a second and 64 MiB.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn to_pem(&self, password: &[u8]) -> Result<String, KeyError> {
        let sealed = Sealed::seal(&self.pkcs8, password)?;
        Ok(encode(SEALED_LABEL, sealed.to_json()?))
    }

    /// The public key, for those who check its signatures.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| KeyError::Random)?.as_ref().to_vec())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}
