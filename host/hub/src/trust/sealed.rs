//! A private key's file under a password, as cosign writes it: JSON that names a key made
//! of the password by scrypt, and what NaCl's secretbox has encrypted with that key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::KeyError;

const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

/// `log2(N)` of what is written.
const LOG_N: u8 = 16;
/// And of all that is read, cosign's older and stricter settings with it. Whoever writes a
/// key file chooses them, and 17 are 128 MiB.
const KNOWN_LOG_N: [u8; 3] = [15, LOG_N, 17];
const R: u32 = 8;
const P: u32 = 1;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const SALT_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl Sealed {
    /// Encrypts a private key.
    pub(super) fn seal(secret: &[u8], password: &[u8]) -> Result<Sealed, KeyError> {
        let salt: [u8; SALT_BYTES] = random()?;
        let nonce: [u8; NONCE_BYTES] = random()?;
        let cipher = cipher(password, &salt, LOG_N)?;
        let ciphertext = cipher
            .encrypt(&nonce.into(), secret)
            .map_err(|_| KeyError::Damaged("there is too much to encrypt"))?;
        Ok(Sealed {
            kdf: Kdf {
                name: KDF.to_owned(),
                params: Params {
                    n: 1 << LOG_N,
                    r: R.into(),
                    p: P.into(),
                },
                salt: STANDARD.encode(salt),
            },
            cipher: Cipher {
                name: CIPHER.to_owned(),
                nonce: STANDARD.encode(nonce),
            },
            ciphertext: STANDARD.encode(ciphertext),
        })
    }

    /// What the file of an encrypted key says.
    pub(super) fn read(json: &[u8]) -> Result<Sealed, KeyError> {
        serde_json::from_slice(json)
            .map_err(|_| KeyError::Damaged("it is not the JSON of an encrypted key"))
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, KeyError> {
        serde_json::to_vec(self).map_err(|_| KeyError::Damaged("it cannot be written"))
    }

    /// The private key.
    pub(super) fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if self.kdf.name != KDF || self.cipher.name != CIPHER {
            return Err(KeyError::Damaged(
                "it is not encrypted by scrypt and nacl/secretbox",
            ));
        }
        let Params { n, r, p } = self.kdf.params;
        let log_n = KNOWN_LOG_N
            .into_iter()
            .find(|log_n| n == 1 << log_n && r == u64::from(R) && p == u64::from(P))
            .ok_or(KeyError::Cost { n, r, p })?;
        let decoded = |text: &str| {
            let decoded = STANDARD.decode(text);
            decoded.map_err(|_| KeyError::Damaged("a part of it is not base64"))
        };
        let salt = decoded(&self.kdf.salt)?;
        let nonce: [u8; NONCE_BYTES] = decoded(&self.cipher.nonce)?
            .try_into()
            .map_err(|_| KeyError::Damaged("its nonce does not have 24 bytes"))?;
        let ciphertext = decoded(&self.ciphertext)?;
        let secret = cipher(password, &salt, log_n)?.decrypt(&nonce.into(), ciphertext.as_slice());
        secret.map(Zeroizing::new).map_err(|_| KeyError::Password)
    }
}

fn cipher(password: &[u8], salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, KeyError> {
    let damaged = |_| KeyError::Damaged("scrypt does not take its settings");
    let params = scrypt::Params::new(log_n, R, P, KEY_BYTES).map_err(damaged)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    scrypt::scrypt(password, salt, &params, key.as_mut_slice())
        .map_err(|_| KeyError::Damaged("scrypt does not take its settings"))?;
    Ok(XSalsa20Poly1305::new((&*key).into()))
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::Random)?;
    Ok(bytes)
}
