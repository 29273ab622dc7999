use serde_json::{Value, json};

use super::super::encoding::{decode, encode};
use super::super::statement::{PAYLOAD_TYPE, pre_authentication};
use super::super::{BUNDLE_MEDIA_TYPE, SIMPLE_SIGNING_MEDIA_TYPE, Wrong, verify};
use super::*;
use crate::bounds::MAX_SIGNATURE;

/// A bundle of an author that says something else.
fn says(author: &Author, statement: &Value) -> Value {
    let payload = statement.to_string();
    let signed = pre_authentication(PAYLOAD_TYPE, payload.as_bytes());
    let mut bundle = bundle_of(author);
    bundle["dsseEnvelope"]["payload"] = encode(payload.as_bytes()).into();
    let signature = author.signer.sign(&signed).unwrap();
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = encode(&signature).into();
    bundle
}

/// A right bundle of the first manifest.
fn bundle_of(author: &Author) -> Value {
    serde_json::from_slice(&sign(&author.signer, manifests()[0]).unwrap()).unwrap()
}

fn statement(subject: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

fn subject(manifest: Digest) -> Value {
    json!({ "digest": { "sha256": manifest.hex() } })
}

/// What is wrong with a bundle of the first manifest for who trusts this author.
fn wrong(value: &Value, author: &Author) -> Wrong {
    let keys = [author.key.clone()];
    verify(&bundle(value.to_string()), manifests()[0], &keys).unwrap_err()
}

/// A payload of the older form, signed.
fn simply_says(author: &Author, payload: &Value) -> RawSignature {
    let payload = payload.to_string();
    let signature = author.signer.sign(payload.as_bytes()).unwrap();
    simple(payload, &encode(&signature))
}

fn payload(manifest: Digest) -> Value {
    json!({
        "critical": {
            "identity": { "docker-reference": "registry.example.com/team/clean" },
            "image": { "docker-manifest-digest": manifest.to_string() },
            "type": "cosign container image signature",
        },
        "optional": null,
    })
}

const LARGEST: usize = MAX_SIGNATURE as usize;

#[test]
fn what_cosign_3_signs_is_accepted_and_nothing_else() {
    let keys = [
        key("cosign-2.5.0/cosign.pub"),
        key("cosign-3.1.1/cosign.pub"),
    ];
    for (name, manifest, other) in [
        ("cosign-3.1.1/signature.json", FIRST, SECOND),
        ("cosign-3.1.1/annotated.json", SECOND, FIRST),
    ] {
        let signature = bundle(file(name));
        assert_eq!(
            verify(&signature, digest(manifest), &keys),
            Ok(&keys[1]),
            "{name}"
        );
        let replayed = verify(&signature, digest(other), &keys).unwrap_err();
        assert_eq!(
            replayed.to_string(),
            format!("it signs {manifest}, and not this one ({other})")
        );
        let unknown = verify(&signature, digest(manifest), &keys[..1]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "it is by another key than cosign-2.5.0/cosign.pub (the key with the id \
             VyZ695uW8NmCIg5PXcNbdYafplolfTMwefVk6F7Ip0o=)"
        );
    }
}

#[test]
fn what_cosign_2_signs_is_accepted_and_nothing_else() {
    let keys = [
        key("cosign-3.1.1/cosign.pub"),
        key("cosign-2.5.0/cosign.pub"),
    ];
    let payload = file("cosign-2.5.0/payload.json");
    let signature = simple(payload.clone(), &text("cosign-2.5.0/signature.txt"));
    assert_eq!(verify(&signature, digest(SECOND), &keys), Ok(&keys[1]));
    let replayed = verify(&signature, digest(FIRST), &keys).unwrap_err();
    assert_eq!(
        replayed.to_string(),
        format!("it signs {SECOND}, and not this one ({FIRST})")
    );
    let unknown = verify(&signature, digest(SECOND), &keys[..1]).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "it is by another key than cosign-3.1.1/cosign.pub, or somebody has changed it"
    );
    // A payload for another artifact does not fit the signature.
    let payload = String::from_utf8(payload).unwrap().replace(SECOND, FIRST);
    let forged = simple(payload, &text("cosign-2.5.0/signature.txt"));
    let forged = verify(&forged, digest(FIRST), &keys).unwrap_err();
    assert!(matches!(forged, Wrong::UnknownKey { .. }), "{forged}");
}

#[test]
fn a_published_signature_by_cosign_1_is_accepted() {
    let keys = [key("published/simple.pub")];
    let signature = simple(
        file("published/simple-payload.json"),
        &text("published/simple-signature.txt"),
    );
    let manifest = "sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b";
    assert_eq!(verify(&signature, digest(manifest), &keys), Ok(&keys[0]));
}

#[test]
fn an_attestation_is_not_a_signature() {
    let keys = [key("cosign-3.1.1/cosign.pub")];
    let attestation = bundle(file("cosign-3.1.1/attestation.json"));
    let wrong = verify(&attestation, digest(SECOND), &keys).unwrap_err();
    assert_eq!(
        wrong,
        Wrong::OtherStatement("https://example.com/tested/v1".to_owned())
    );

    let keys = [key("published/attestation.pub")];
    let envelope: Value =
        serde_json::from_slice(&file("published/attestation-envelope.json")).unwrap();
    let attestation = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": "" } },
        "dsseEnvelope": envelope,
    });
    let manifest = "sha256:658781cd4ed9bca60dacd09f7bb914bb51502e8b5d619f57f39a1d652596cc24";
    let wrong = verify(&bundle(attestation.to_string()), digest(manifest), &keys).unwrap_err();
    assert_eq!(
        wrong,
        Wrong::OtherStatement("https://slsa.dev/provenance/v0.2".to_owned())
    );
}

#[test]
fn forms_that_are_not_read_are_refused_in_words() {
    let keys = [key("cosign-3.1.1/cosign.pub")];
    let keyless = verify(
        &bundle(file("published/keyless.json")),
        digest(FIRST),
        &keys,
    );
    assert_eq!(keyless, Err(Wrong::Keyless));
    assert!(Wrong::Keyless.to_string().contains("keyless"));
    let blob = verify(
        &bundle(file("cosign-3.1.1/blob.json")),
        digest(FIRST),
        &keys,
    );
    let blob = blob.unwrap_err().to_string();
    assert!(
        blob.contains("`cosign sign` that signs an artifact"),
        "{blob}"
    );

    let author = author("a.pub");
    let mut chain = bundle_of(&author);
    chain["verificationMaterial"] = json!({ "x509CertificateChain": { "certificates": [] } });
    assert_eq!(wrong(&chain, &author), Wrong::Keyless);
    let mut later = bundle_of(&author);
    later["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json".into();
    assert!(matches!(wrong(&later, &author), Wrong::Form(_)));
    let mut other = bundle_of(&author);
    other["dsseEnvelope"]["payloadType"] = "text/plain".into();
    assert!(matches!(wrong(&other, &author), Wrong::Form(_)));
}

#[test]
fn our_own_signatures_are_accepted() {
    let [manifest, other] = manifests();
    let (author, stranger) = (author("a.pub"), author("b.pub"));
    let signature = author.signs(manifest);
    let keys = [stranger.key.clone(), author.key.clone()];
    assert_eq!(verify(&signature, manifest, &keys), Ok(&keys[1]));
    let replayed = verify(&signature, other, &keys).unwrap_err();
    assert!(
        matches!(replayed, Wrong::OtherArtifact { .. }),
        "{replayed}"
    );
    let unknown = verify(&signature, manifest, &keys[..1]).unwrap_err();
    assert!(matches!(unknown, Wrong::UnknownKey { .. }), "{unknown}");
    let nobody = verify(&signature, manifest, &[]).unwrap_err();
    assert!(
        nobody.to_string().contains("another key than none"),
        "{nobody}"
    );
}

#[test]
fn older_media_types_and_other_base64_are_read() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let mut value = bundle_of(&author);
    value["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    value["verificationMaterial"]["tlogEntries"] = json!([{ "logIndex": "1" }]);
    let signature = value["dsseEnvelope"]["signatures"][0]["sig"]
        .as_str()
        .unwrap();
    let other = signature
        .replace('+', "-")
        .replace('/', "_")
        .replace('=', "");
    value["dsseEnvelope"]["signatures"][0]["sig"] = other.into();
    let signature = bundle(value.to_string());
    assert_eq!(verify(&signature, manifests()[0], &keys), Ok(&keys[0]));
}

#[test]
fn a_changed_byte_is_found() {
    let author = author("a.pub");
    let value = bundle_of(&author);
    let envelope = &value["dsseEnvelope"];
    let payload = decode(envelope["payload"].as_str().unwrap()).unwrap();
    let signature = decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    for (part, bytes) in [("payload", payload), ("signature", signature)] {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let mut value = value.clone();
            let envelope = &mut value["dsseEnvelope"];
            match part {
                "payload" => envelope["payload"] = encode(&changed).into(),
                _ => envelope["signatures"][0]["sig"] = encode(&changed).into(),
            }
            assert_eq!(
                wrong(&value, &author),
                Wrong::DoesNotFit("a.pub".to_owned()),
                "byte {at} of the {part}"
            );
        }
    }
    let text = Wrong::DoesNotFit("a.pub".to_owned()).to_string();
    assert!(
        text.starts_with("it says that it is by a.pub, and is not"),
        "{text}"
    );
}

#[test]
fn a_hint_decides_nothing() {
    let (author, stranger) = (author("a.pub"), author("b.pub"));
    let keys = [author.key.clone(), stranger.key.clone()];
    // A right signature that names another key is as right.
    let mut value = bundle_of(&author);
    value["verificationMaterial"]["publicKey"]["hint"] = stranger.key.key.hint().into();
    let signature = bundle(value.to_string());
    assert_eq!(verify(&signature, manifests()[0], &keys), Ok(&keys[0]));
    // A stranger's that names the author's is not.
    let mut value = bundle_of(&stranger);
    value["verificationMaterial"]["publicKey"]["hint"] = author.key.key.hint().into();
    assert_eq!(
        wrong(&value, &author),
        Wrong::DoesNotFit("a.pub".to_owned())
    );
    // And what it says is shown without what would move a cursor.
    value["verificationMaterial"]["publicKey"]["hint"] = "\u{1b}[2J".into();
    let text = wrong(&value, &author).to_string();
    assert!(text.contains("the id \u{fffd}[2J"), "{text}");
}

#[test]
fn a_statement_about_several_artifacts_is_about_each() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let [one, two] = manifests();
    let others = json!([{ "digest": { "sha512": "00" } }, {}, subject(two), subject(one)]);
    let signature = bundle(says(&author, &statement(&others)).to_string());
    assert_eq!(verify(&signature, one, &keys), Ok(&keys[0]));
    assert_eq!(verify(&signature, two, &keys), Ok(&keys[0]));
    let third = digest_of(b"three");
    let wrong = verify(&signature, third, &keys).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!("it signs {two} and 1 other, and not this one ({third})")
    );
}

#[test]
fn a_signed_statement_has_to_say_that_it_is_a_signature() {
    let author = author("a.pub");
    let one = manifests()[0];
    let right = statement(&json!([subject(one)]));
    for (name, value) in [
        ("predicateType", "https://slsa.dev/provenance/v1"),
        ("predicateType", ""),
        ("_type", "https://in-toto.io/Statement/v9"),
    ] {
        let mut changed = right.clone();
        changed[name] = value.into();
        let wrong = wrong(&says(&author, &changed), &author);
        let is_right = match name {
            "_type" => matches!(wrong, Wrong::Form(_)),
            _ => matches!(wrong, Wrong::OtherStatement(_)),
        };
        assert!(is_right, "{name}: {wrong}");
    }
    for subjects in [
        json!([]),
        json!([{}]),
        json!([{ "digest": { "sha1": one.hex() } }]),
    ] {
        let wrong = wrong(&says(&author, &statement(&subjects)), &author);
        let text = wrong.to_string();
        assert!(
            text.starts_with("it signs nothing that has a SHA-256"),
            "{text}"
        );
    }
    // A prefix of the digest is not the digest.
    let short = json!([{ "digest": { "sha256": one.hex()[..63] } }]);
    let wrong_short = wrong(&says(&author, &statement(&short)), &author);
    assert!(matches!(wrong_short, Wrong::OtherArtifact { .. }));
    let not_one = wrong(&says(&author, &json!({ "subject": 1 })), &author);
    assert!(matches!(not_one, Wrong::NotASignature(_)), "{not_one}");
}

#[test]
fn what_is_not_a_bundle_is_refused() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let deep = "[".repeat(100_000);
    let whole = sign(&author.signer, manifests()[0]).unwrap();
    for bytes in [
        &b""[..],
        b"{}",
        b"null",
        b"\xff",
        deep.as_bytes(),
        &whole[..whole.len() - 1],
    ] {
        let wrong = verify(&bundle(bytes.to_vec()), manifests()[0], &keys).unwrap_err();
        assert!(matches!(wrong, Wrong::NotASignature(_)), "{wrong}");
    }
    let right = bundle_of(&author);
    let sig = right["dsseEnvelope"]["signatures"][0].clone();
    for (path, value, expected) in [
        ("/verificationMaterial", json!({}), "does not say which key"),
        ("/dsseEnvelope", Value::Null, "there is no signature in it"),
        ("/dsseEnvelope/signatures", json!([]), "has 0"),
        ("/dsseEnvelope/signatures", json!([sig, sig]), "has 2"),
        ("/dsseEnvelope/payload", json!("?"), "not base64"),
        ("/dsseEnvelope/signatures/0/sig", json!("?"), "not base64"),
    ] {
        let mut changed = right.clone();
        *changed.pointer_mut(path).unwrap() = value;
        let wrong = wrong(&changed, &author);
        assert!(matches!(wrong, Wrong::NotASignature(_)), "{path}: {wrong}");
        assert!(wrong.to_string().contains(expected), "{path}: {wrong}");
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let mut value = bundle_of(&author);
    let small = value.to_string().len();
    value["more"] = "x".repeat(LARGEST - small - r#","more":"""#.len()).into();
    let text = value.to_string();
    assert_eq!(text.len(), LARGEST);
    let most = verify(&bundle(text.clone()), manifests()[0], &keys);
    assert_eq!(most, Ok(&keys[0]));
    let more = verify(&bundle(text + " "), manifests()[0], &keys);
    assert_eq!(more, Err(Wrong::TooLarge(MAX_SIGNATURE + 1)));
    let large = simple(vec![b' '; LARGEST - 3], "AAAA");
    let large = verify(&large, manifests()[0], &keys);
    assert_eq!(large, Err(Wrong::TooLarge(MAX_SIGNATURE + 1)));
}

#[test]
fn payloads_of_the_older_form_are_checked_whole() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let [one, two] = manifests();
    let verify = |signature: &RawSignature| verify(signature, one, &keys).cloned();
    assert_eq!(
        verify(&simply_says(&author, &payload(one))),
        Ok(author.key.clone())
    );
    let wrong = verify(&simply_says(&author, &payload(two))).unwrap_err();
    assert!(matches!(wrong, Wrong::OtherArtifact { .. }), "{wrong}");
    let mut other = payload(one);
    other["critical"]["type"] = "atomic container signature".into();
    let wrong = verify(&simply_says(&author, &other)).unwrap_err();
    assert_eq!(
        wrong,
        Wrong::OtherStatement("atomic container signature".to_owned())
    );
    let mut other = payload(one);
    other["critical"]["image"]["docker-manifest-digest"] = one.hex().into();
    let wrong = verify(&simply_says(&author, &other)).unwrap_err();
    assert!(matches!(wrong, Wrong::OtherArtifact { .. }), "{wrong}");
    let wrong = verify(&simply_says(&author, &json!({ "critical": {} }))).unwrap_err();
    assert!(matches!(wrong, Wrong::NotASignature(_)), "{wrong}");
    let payload = payload(one).to_string();
    for signature in ["", "?"] {
        let wrong = verify(&simple(payload.clone(), signature)).unwrap_err();
        assert!(matches!(wrong, Wrong::NotASignature(_)), "{wrong}");
    }
    let signature = author.signer.sign(payload.as_bytes()).unwrap();
    for at in 0..payload.len() {
        let mut changed = payload.clone().into_bytes();
        changed[at] ^= 1;
        let wrong = verify(&simple(changed, &encode(&signature))).unwrap_err();
        assert!(
            matches!(wrong, Wrong::UnknownKey { hint: None, .. }),
            "{wrong}"
        );
    }
}

#[test]
fn a_signature_of_one_form_is_not_one_of_the_other() {
    let author = author("a.pub");
    let keys = [author.key.clone()];
    let value = bundle_of(&author);
    let envelope = &value["dsseEnvelope"];
    let payload = decode(envelope["payload"].as_str().unwrap()).unwrap();
    let signature = envelope["signatures"][0]["sig"].as_str().unwrap();
    // What is signed of a bundle is not its payload alone.
    let alone = verify(&simple(payload.clone(), signature), manifests()[0], &keys);
    assert!(matches!(alone, Err(Wrong::UnknownKey { .. })));
    // And taken whole, it is not a payload of the older form.
    let whole = pre_authentication(PAYLOAD_TYPE, &payload);
    let whole = verify(&simple(whole, signature), manifests()[0], &keys);
    assert!(matches!(whole, Err(Wrong::NotASignature(_))));
}

#[test]
fn layers_are_told_by_their_media_type() {
    let annotations = |names: &[&str]| {
        let entries = names
            .iter()
            .map(|name| ((*name).to_owned(), "AAAA".to_owned()));
        entries.collect()
    };
    let layer = Bytes::from_static(b"{}");
    let read = |media_type: &str, names: &[&str]| {
        RawSignature::from_layer(media_type, &annotations(names), layer.clone())
    };
    let signature = "dev.cosignproject.cosign/signature";
    let certificate = "dev.sigstore.cosign/certificate";
    assert_eq!(read(BUNDLE_MEDIA_TYPE, &[]), Some(bundle("{}")));
    let later = read("application/vnd.dev.sigstore.bundle.v9+json", &[]);
    assert_eq!(later, Some(bundle("{}")));
    assert_eq!(
        read(SIMPLE_SIGNING_MEDIA_TYPE, &[signature]),
        Some(simple("{}", "AAAA"))
    );
    assert_eq!(read(SIMPLE_SIGNING_MEDIA_TYPE, &[]), Some(simple("{}", "")));
    assert_eq!(read("application/wasm", &[signature]), None);
    let keyless = read(SIMPLE_SIGNING_MEDIA_TYPE, &[signature, certificate]).unwrap();
    let keys = [author("a.pub").key];
    assert_eq!(verify(&keyless, manifests()[0], &keys), Err(Wrong::Keyless));
}
