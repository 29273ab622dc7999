use bytes::Bytes;
use wasm_flow_hub::artifact::{Index, Manifest, WasmConfig};
use wasm_flow_hub::digest_of;
use wasm_flow_hub::trust::{NamedKey, PublicKey, RawSignature, verify};

/// Keys of cosign's that have signed what is in the corpus.
const KEYS: [&str; 2] = [
    include_str!("../../../host/hub/testdata/trust/cosign-3.1.1/cosign.pub"),
    include_str!("../../../host/hub/testdata/trust/published/simple.pub"),
];

/// Reads what a registry may send: a manifest, a list of them, a configuration, and
/// signatures of either form, the older one with its signature after a zero byte.
///
/// None may panic. What is read is the same if it is written and read once more. No
/// signature is taken for one of what nobody has signed.
pub fn hub(data: &[u8]) {
    if let Ok(manifest) = Manifest::read(data, None) {
        let (written, descriptor) = manifest.write();
        assert_eq!(descriptor.digest, digest_of(&written));
        assert_eq!(Manifest::read(&written, None).unwrap(), manifest);
    }
    if let Ok(mut index) = Index::read(data) {
        let manifests = index.manifests();
        let (written, _) = index.write();
        assert_eq!(Index::read(&written).unwrap().manifests(), manifests);
        if let Some(first) = manifests.first() {
            index.push(first);
            assert_eq!(index.manifests().len(), manifests.len() + 1);
        }
    }
    if let Ok(config) = WasmConfig::read(data) {
        let written = serde_json::to_vec(&config).unwrap();
        assert_eq!(WasmConfig::read(&written).unwrap(), config);
    }
    signatures(data);
}

fn signatures(data: &[u8]) {
    let keys: Vec<NamedKey> = KEYS
        .iter()
        .map(|pem| NamedKey {
            name: "a key".to_owned(),
            key: PublicKey::from_pem(pem.as_bytes()).unwrap(),
        })
        .collect();
    let unsigned = digest_of(b"nobody has signed this");
    let end = data.iter().position(|byte| *byte == 0);
    let (payload, rest) = data.split_at(end.unwrap_or(data.len()));
    let signature = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
    for raw in [
        RawSignature::Bundle(Bytes::copy_from_slice(data)),
        RawSignature::Simple {
            payload: Bytes::copy_from_slice(payload),
            signature: signature.into_owned(),
            has_certificate: false,
        },
    ] {
        match verify(&raw, unsigned, &keys) {
            Ok(_) => panic!("a signature of nothing is taken"),
            Err(wrong) => {
                let said = wrong.to_string();
                assert!(!said.is_empty() && said.len() < 10_000, "{said}");
                assert!(
                    !said.chars().any(char::is_control),
                    "for a terminal: {said:?}"
                );
            }
        }
    }
    if let Ok(key) = PublicKey::from_pem(data) {
        assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()).unwrap(), key);
    }
}
