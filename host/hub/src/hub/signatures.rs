//! The signatures of an artifact, as its registry has them.

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

use crate::artifact::{Descriptor, Manifest, annotation, media_type};
use crate::bounds::{MAX_SIGNATURE, MAX_SIGNATURES};
use crate::registry::{RegistryError, Remote, Version};
use crate::trust::RawSignature;

/// The signatures of the manifest with this digest, at most [`MAX_SIGNATURES`].
///
/// One that cannot be used is left out: whoever may write to the repository could else
/// keep others from using it. Whether what is left is enough is for the policy to say.
pub(super) async fn signatures(
    remote: &Remote,
    digest: Digest,
) -> Result<Vec<RawSignature>, RegistryError> {
    let mut found = Vec::new();
    let mut looked_at = 0;
    for referrer in remote.referrers(digest).await? {
        let kind = referrer.artifact_type.as_deref();
        // Some registries leave it out, and cosign writes the type of the empty config into
        // the index of the fallback tag. Then its layer says what it is.
        if kind.is_some_and(|kind| {
            !kind.starts_with(media_type::BUNDLE_PREFIX) && kind != media_type::EMPTY
        }) {
            continue;
        }
        looked_at += 1;
        if looked_at > MAX_SIGNATURES {
            tracing::warn!(
                repository = %remote.repository(),
                %digest,
                "only the first {MAX_SIGNATURES} signatures are looked at"
            );
            break;
        }
        match bundle(remote, &referrer).await {
            Ok(Some(bundle)) => found.push(RawSignature::Bundle(bundle)),
            Ok(None) => {}
            Err(error) if error.is_content() => left_out(&error),
            Err(error) => return Err(error),
        }
    }
    simple(remote, digest, &mut found).await?;
    Ok(found)
}

fn left_out(error: &RegistryError) {
    tracing::warn!(%error, "a signature cannot be used");
}

/// The bundle that a referrer has, if it has one.
async fn bundle(remote: &Remote, referrer: &Descriptor) -> Result<Option<Bytes>, RegistryError> {
    let manifest = remote.manifest(Version::Digest(referrer.digest)).await?;
    let Ok(manifest) = Manifest::read(&manifest.bytes, None) else {
        return Ok(None);
    };
    let layer = manifest.layers.iter();
    let mut layer = layer.filter(|layer| layer.media_type.starts_with(media_type::BUNDLE_PREFIX));
    let Some(layer) = layer.next() else {
        return Ok(None);
    };
    let bytes = remote.blob_bytes(layer, "a signature", MAX_SIGNATURE);
    bytes.await.map(Some)
}

/// Those under the tag `sha256-….sig`.
async fn simple(
    remote: &Remote,
    digest: Digest,
    found: &mut Vec<RawSignature>,
) -> Result<(), RegistryError> {
    let tag = format!("sha256-{}.sig", digest.hex());
    let manifest = match remote.manifest(Version::Tag(&tag)).await {
        Ok(manifest) => manifest,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) if error.is_content() => {
            left_out(&error);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let Ok(manifest) = Manifest::read(&manifest.bytes, manifest.media_type.as_deref()) else {
        return Ok(());
    };
    let room = MAX_SIGNATURES.saturating_sub(found.len());
    for layer in manifest.layers.iter().take(room) {
        let signature = layer.annotations.get(annotation::SIGNATURE);
        let is_one = signature.is_some_and(|text| text.len() as u64 <= MAX_SIGNATURE);
        if !is_one || layer.media_type != media_type::SIMPLE_SIGNING {
            continue;
        }
        match remote.blob_bytes(layer, "a signature", MAX_SIGNATURE).await {
            Ok(payload) => {
                let (kind, said) = (&layer.media_type, &layer.annotations);
                found.extend(RawSignature::from_layer(kind, said, payload));
            }
            Err(error) if error.is_content() => left_out(&error),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
