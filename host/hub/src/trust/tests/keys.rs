use super::super::KeyError;
use super::*;
use crate::bounds::MAX_KEY_FILE;

fn public(pem: &str) -> Result<PublicKey, KeyError> {
    PublicKey::from_pem(pem.as_bytes())
}

/// A key's text with other contents under its label.
fn pem_of(label: &str, contents: impl Into<Vec<u8>>) -> String {
    pem::encode(&pem::Pem::new(label, contents))
}

/// The file of an encrypted key, changed.
fn sealed(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let file = pem::parse(file("cosign-3.1.1/cosign.key")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(file.contents()).unwrap();
    change(&mut json);
    pem_of(file.tag(), json.to_string())
}

fn open(pem: &str) -> KeyError {
    Signer::from_pem(pem.as_bytes(), Some(PASSWORD)).unwrap_err()
}

#[test]
fn public_keys_are_written_as_cosign_does() {
    for (name, id, hint) in [
        (
            "cosign-3.1.1/cosign.pub",
            "57267af79b96f0d982220e4f5dc35b75869fa65a257d333079f564e85ec8a74a",
            "VyZ695uW8NmCIg5PXcNbdYafplolfTMwefVk6F7Ip0o=",
        ),
        (
            "published/attestation.pub",
            "7e7028c182654febc27c9cfb265cfa9a6c73f3e076fc34e7ff624105b8bd6216",
            "fnAowYJlT+vCfJz7Jlz6mmxz8+B2/DTn/2JBBbi9YhY=",
        ),
    ] {
        let key = key(name).key;
        assert_eq!(key.to_pem(), text(name));
        assert_eq!((key.id().as_str(), key.hint().as_str()), (id, hint));
        assert_eq!(format!("{key:?}"), format!("PublicKey({id})"));
    }
}

#[test]
fn the_ends_of_lines_do_not_matter() {
    let unix = text("cosign-3.1.1/cosign.pub");
    let expected = public(&unix).unwrap();
    for other in [
        unix.replace('\n', "\r\n"),
        unix.trim_end().to_owned(),
        format!("# the team's\n\n{unix}\n\n"),
    ] {
        assert_eq!(public(&other).unwrap(), expected, "{other:?}");
    }
    let private = text("published/ecdsa-plain.key").replace('\n', "\r\n");
    Signer::from_pem(private.as_bytes(), None).unwrap();
}

#[test]
fn what_is_not_a_public_key_is_refused_in_words() {
    let pem = text("cosign-3.1.1/cosign.pub");
    let der = pem::parse(&pem).unwrap().into_contents();
    let mut off_curve = der.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    let mut compressed = der.clone();
    compressed[26] = 2;
    let ed25519 = [
        b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
        &[7; 32][..],
    ]
    .concat();
    let rsa = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let p384 = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
    for (pem, expected) in [
        (String::new(), "no such pair of lines"),
        ("hello".to_owned(), "no such pair of lines"),
        (pem[..100].to_owned(), "no such pair of lines"),
        (pem.replace("MFkw", "M!kw"), "it is not a key in PEM form"),
        (
            pem.replace("END PUBLIC", "END PRIVATE"),
            "it is not a key in PEM form",
        ),
        (pem.repeat(2), "it has 2 keys; write each one"),
        (pem.replace("MFkw", ""), "there is no point of P-256 in it"),
        (pem_of("PUBLIC KEY", ""), "there is no point of P-256 in it"),
        (pem_of("PUBLIC KEY", &der[..90]), "too short or too long"),
        (
            pem_of("PUBLIC KEY", [&der[..], b"0"].concat()),
            "too short or too long",
        ),
        (pem_of("PUBLIC KEY", off_curve), "not a point on the curve"),
        (pem_of("PUBLIC KEY", compressed), "not a point on the curve"),
        (
            pem_of("PUBLIC KEY", ed25519),
            "it is an Ed25519 key, and only ECDSA",
        ),
        (
            pem_of("PUBLIC KEY", rsa),
            "it is an RSA key, and only ECDSA",
        ),
        (
            pem_of("PUBLIC KEY", p384),
            "it is an ECDSA key on another curve",
        ),
        (pem_of("CERTIFICATE", der.clone()), "openssl x509 -pubkey"),
        (
            pem_of("PGP PUBLIC KEY BLOCK", "x"),
            "it begins with `-----BEGIN PGP PUBLIC KEY BLOCK-----`",
        ),
        (
            text("published/ecdsa-plain.key"),
            "keep the private one to yourself",
        ),
        (
            text("cosign-3.1.1/cosign.key"),
            "keep the private one to yourself",
        ),
        (
            "x".repeat(MAX_KEY_FILE as usize + 1),
            "has at most 65536 bytes, and this one has 65537",
        ),
    ] {
        let error = public(&pem).unwrap_err().to_string();
        assert!(error.contains(expected), "{pem}: {error}");
    }
}

/// The ids of the keys are OpenSSL's.
#[test]
fn keys_that_others_have_encrypted_are_opened() {
    for (name, password, hint) in [
        (
            "cosign-3.1.1/cosign.key",
            PASSWORD,
            "VyZ695uW8NmCIg5PXcNbdYafplolfTMwefVk6F7Ip0o=",
        ),
        (
            "published/empty-password.key",
            b"",
            "DYzWeU3vXF47QvN79u4puyUs4ml3HPPAeF2S/Ke+WG8=",
        ),
        // The older label, with less work for the password.
        (
            "published/ecdsa-encrypted.key",
            b"123",
            "ACCIY9l4UibfmtaM6yrVtD8fXd1oYUfyURbuCIcm620=",
        ),
    ] {
        let signer = Signer::from_pem(&file(name), Some(password)).unwrap();
        assert_eq!(signer.public().hint(), hint, "{name}");
    }
}

#[test]
fn another_password_opens_nothing() {
    let pem = file("published/ecdsa-encrypted.key");
    let open = |password| Signer::from_pem(&pem, password).unwrap_err();
    assert_eq!(open(Some(b"1234")), KeyError::Password);
    assert_eq!(open(None), KeyError::NoPassword);
}

#[test]
fn a_key_that_is_not_encrypted_needs_no_password() {
    let pem = file("published/ecdsa-plain.key");
    let signer = Signer::from_pem(&pem, None).unwrap();
    let hint = signer.public().hint();
    assert_eq!(hint, "1nZ+jSSK37UHTb++boDtJm5q8u3CuVHqo5/Uaf0Z1FA=");
    let with = Signer::from_pem(&pem, Some(b"any")).unwrap();
    assert_eq!(with.public(), signer.public());
    assert_eq!(
        format!("{signer:?}"),
        format!(
            "Signer {{ public: PublicKey({}), .. }}",
            signer.public().id()
        )
    );
}

#[test]
fn a_key_is_read_as_it_was_written() {
    let signer = Signer::generate().unwrap();
    let pem = signer.to_pem(b"secret").unwrap();
    assert!(
        pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"),
        "{pem}"
    );
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    let json = pem::parse(&pem).unwrap();
    let json: serde_json::Value = serde_json::from_slice(json.contents()).unwrap();
    assert_eq!(
        json["kdf"]["params"],
        serde_json::json!({"N": 65536, "r": 8, "p": 1})
    );
    let read = Signer::from_pem(pem.as_bytes(), Some(b"secret")).unwrap();
    assert_eq!(read.public(), signer.public());
    assert_ne!(Signer::generate().unwrap().public(), signer.public());
}

#[test]
fn nobody_makes_us_spend_memory_on_a_key() {
    for (n, r, p) in [
        (1u64 << 40, 8u64, 1u64),
        (65536, 1 << 20, 1),
        (65536, 8, 1 << 20),
        (65537, 8, 1),
        (262_144, 8, 1),
        (1, 8, 1),
        (0, 0, 0),
        (u64::MAX, u64::MAX, u64::MAX),
    ] {
        let params = serde_json::json!({"N": n, "r": r, "p": p});
        let error = open(&sealed(|json| json["kdf"]["params"] = params));
        assert!(matches!(error, KeyError::Cost { .. }), "{n}: {error}");
        assert!(
            error
                .to_string()
                .contains(&format!("N={n}, r={r} and p={p}"))
        );
    }
    let negative = sealed(|json| json["kdf"]["params"]["N"] = (-1).into());
    assert!(matches!(open(&negative), KeyError::Damaged(_)));
}

#[test]
fn what_is_not_a_private_key_is_refused_in_words() {
    let plain = text("published/ecdsa-plain.key");
    let der = pem::parse(&plain).unwrap().into_contents();
    let mut other_half = der.clone();
    *other_half.last_mut().unwrap() ^= 1;
    for (pem, expected) in [
        (plain[..90].to_owned(), "no such pair of lines"),
        (plain.repeat(2), "it has 2 keys"),
        (text("cosign-3.1.1/cosign.pub"), "it is a public key"),
        (text("published/ed25519-plain.key"), "it is an Ed25519 key"),
        (pem_of("PRIVATE KEY", &der[..90]), "it is damaged"),
        (pem_of("PRIVATE KEY", other_half), "it is damaged"),
        (pem_of("EC PRIVATE KEY", "x"), "openssl pkcs8 -topk8"),
        (pem_of("ENCRYPTED PRIVATE KEY", "x"), "openssl pkcs8 -topk8"),
        (
            pem_of("OPENSSH PRIVATE KEY", "x"),
            "cosign generate-key-pair",
        ),
        (
            pem_of("ENCRYPTED SIGSTORE PRIVATE KEY", "x"),
            "not the JSON of an encrypted key",
        ),
        (
            sealed(|json| json["kdf"]["name"] = "argon2".into()),
            "not encrypted by scrypt",
        ),
        (
            sealed(|json| json["cipher"]["name"] = "aes".into()),
            "not encrypted by scrypt",
        ),
        (
            sealed(|json| json["cipher"]["nonce"] = "AAAA".into()),
            "does not have 24 bytes",
        ),
        (
            sealed(|json| json["kdf"]["salt"] = "!".into()),
            "not base64",
        ),
    ] {
        let error = open(&pem).to_string();
        assert!(error.contains(expected), "{pem}: {error}");
    }
}
