//! Keys, signatures and policies, with what others have made and with what is forged.

mod keys;
mod policy;
mod signatures;

use std::path::Path;

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

use super::{NamedKey, PublicKey, RawSignature, Signer, sign};
use crate::digest_of;

/// The password of the keys that cosign has made.
const PASSWORD: &[u8] = b"correct horse";

/// What cosign has signed.
const FIRST: &str = "sha256:9abee32e5c18a35a1472ca067fc817675c9009cfbdac5c1dc7b71b31f2fc14de";
const SECOND: &str = "sha256:c25941f09adc70ec889b7f353119648c373844c9adf824badc7975799a24c617";

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

/// A file that others have made.
fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/trust");
    std::fs::read(folder.join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(file(name)).unwrap()
}

fn named(name: &str, key: PublicKey) -> NamedKey {
    NamedKey {
        name: name.to_owned(),
        key,
    }
}

/// A public key that others have made, named by its file.
fn key(name: &str) -> NamedKey {
    named(name, PublicKey::from_pem(&file(name)).unwrap())
}

/// Somebody with a key, and what the key is called.
struct Author {
    signer: Signer,
    key: NamedKey,
}

fn author(name: &str) -> Author {
    let signer = Signer::generate().unwrap();
    let key = named(name, signer.public());
    Author { signer, key }
}

impl Author {
    fn signs(&self, manifest: Digest) -> RawSignature {
        RawSignature::Bundle(sign(&self.signer, manifest).unwrap().into())
    }
}

fn bundle(bytes: impl Into<Bytes>) -> RawSignature {
    RawSignature::Bundle(bytes.into())
}

fn simple(payload: impl Into<Bytes>, signature: &str) -> RawSignature {
    RawSignature::Simple {
        payload: payload.into(),
        signature: signature.to_owned(),
        has_certificate: false,
    }
}

/// The manifests of two artifacts.
fn manifests() -> [Digest; 2] {
    [digest_of(b"one"), digest_of(b"two")]
}
