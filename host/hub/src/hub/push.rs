//! Puts an executor into a registry.

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Reference};

use super::{Hub, HubError, Refusal, Sign};
use crate::artifact::{
    Artifact, AssetFile, AssetList, Descriptor, EMPTY_CONFIG, Manifest, NotExecutor, annotation,
    created, media_type,
};
use crate::bounds::{MAX_MANIFEST, MAX_SIGNATURE};
use crate::registry::{Payload, Remote, Version};

/// An executor that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The tag, with the digest behind it.
    pub reference: Reference,
    /// The digest of the manifest of its files, if it has any.
    pub assets: Option<Digest>,
    /// Whether it was signed.
    pub is_signed: bool,
    /// The bytes of the blobs that the registry did not have.
    pub sent: u64,
    /// What the tag meant before, if that was something else.
    pub replaced: Option<Digest>,
}

impl Hub {
    /// Pushes an executor under a tag. The tag is written last, so nobody sees one without
    /// its signature or its files.
    ///
    /// # Errors
    /// When the reference has a digest, when its files are too many or too large, when it
    /// cannot be signed, or when the registry cannot be asked or does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        artifact: &Artifact,
        signer: Option<&dyn Sign>,
    ) -> Result<Pushed, HubError> {
        let (Some(tag), None) = (reference.tag(), reference.digest()) else {
            return Err(HubError::PushToDigest(Box::new(reference.clone())));
        };
        let assets = match artifact.files() {
            [] => None,
            files => Some(asset_manifest(reference, files)?),
        };
        let assets_digest = assets.as_ref().map(|(_, described)| described.digest);
        let (manifest, config) = artifact.manifest(reference.repository(), assets_digest);
        let (bytes, described) = manifest.write();
        let digest = described.digest;
        check_size(reference, described.size)?;
        // Before anything is sent: the password of the key may be wrong.
        let bundle = match signer {
            None => None,
            Some(signer) => Some(signed(reference, digest, signer)?),
        };

        let remote = self.inner.client.at(reference.repository());
        let mut sent = 0;
        if let Some(assets) = &assets {
            push_assets(&remote, artifact.files(), assets, &mut sent).await?;
        }
        let component = Payload::Bytes(artifact.component().clone());
        for layer in &manifest.layers {
            push_blob(&remote, layer, &component, &mut sent).await?;
        }
        let config = Payload::Bytes(config.into());
        push_blob(&remote, &manifest.config, &config, &mut sent).await?;
        let by_digest = Version::Digest(digest);
        remote
            .push_manifest(by_digest, &described.media_type, &bytes)
            .await?;
        if let Some(bundle) = bundle {
            push_signature(&remote, &described, bundle, &mut sent).await?;
        }
        let before = match remote.resolve(tag).await {
            Ok(before) => Some(before),
            Err(error) if error.is_missing() => None,
            // Whoever may write a tag may not always read it.
            Err(error) if error.is_not_answered() => {
                tracing::warn!(%error, "what the tag meant before is not known");
                None
            }
            Err(error) => return Err(error.into()),
        };
        // Where tags cannot be changed, even the same is refused.
        if before != Some(digest) {
            let by_tag = Version::Tag(tag);
            remote
                .push_manifest(by_tag, &described.media_type, &bytes)
                .await?;
        }
        Ok(Pushed {
            digest,
            reference: reference.at(digest),
            assets: assets_digest,
            is_signed: signer.is_some(),
            sent,
            replaced: before.filter(|before| *before != digest),
        })
    }
}

fn check_size(reference: &Reference, size: u64) -> Result<(), HubError> {
    let most = MAX_MANIFEST;
    match size > most {
        true => Err(HubError::NotExecutor {
            what: reference.to_string(),
            why: NotExecutor::TooMuchSaid { size, most },
        }),
        false => Ok(()),
    }
}

/// The bundle of a signature.
fn signed(reference: &Reference, digest: Digest, signer: &dyn Sign) -> Result<Bytes, HubError> {
    let bundle = signer
        .sign(digest)
        .and_then(|bundle| match bundle.len() as u64 > MAX_SIGNATURE {
            true => Err(Refusal::new(
                "the signature has over 1 MiB, and would not be read",
            )),
            false => Ok(bundle),
        });
    bundle.map_err(|why| HubError::Unsigned {
        reference: Box::new(reference.clone()),
        why,
    })
}

/// The manifest of the files, as bytes.
fn asset_manifest(
    reference: &Reference,
    files: &[AssetFile],
) -> Result<(Vec<u8>, Descriptor), HubError> {
    let manifest = AssetList::manifest(files).map_err(|why| HubError::Assets {
        what: reference.to_string(),
        why,
    })?;
    Ok(manifest.write())
}

async fn push_assets(
    remote: &Remote,
    files: &[AssetFile],
    (bytes, described): &(Vec<u8>, Descriptor),
    sent: &mut u64,
) -> Result<(), HubError> {
    for file in files {
        let payload = Payload::File(file.file.clone(), file.size());
        push_blob(remote, &file.described, &payload, sent).await?;
    }
    push_empty_config(remote, sent).await?;
    let version = Version::Digest(described.digest);
    remote
        .push_manifest(version, &described.media_type, bytes)
        .await?;
    Ok(())
}

/// A signature refers to what it signs.
async fn push_signature(
    remote: &Remote,
    subject: &Descriptor,
    bundle: Bytes,
    sent: &mut u64,
) -> Result<(), HubError> {
    let layer = Descriptor::of(media_type::BUNDLE, &bundle);
    push_blob(remote, &layer, &Payload::Bytes(bundle), sent).await?;
    push_empty_config(remote, sent).await?;
    let config = Descriptor::of(media_type::EMPTY, EMPTY_CONFIG);
    let mut manifest = Manifest::new(config, vec![layer]);
    manifest.artifact_type = Some(media_type::BUNDLE.to_owned());
    manifest.subject = Some(subject.clone());
    let created = (annotation::CREATED.to_owned(), created());
    manifest.annotations.extend([created]);
    let (bytes, mut described) = manifest.write();
    // What a registry with the API of referrers would list.
    described.annotations = manifest.annotations;
    remote
        .push_referrer(subject.digest, described, &bytes)
        .await?;
    Ok(())
}

async fn push_empty_config(remote: &Remote, sent: &mut u64) -> Result<(), HubError> {
    let config = Descriptor::of(media_type::EMPTY, EMPTY_CONFIG);
    let payload = Payload::Bytes(EMPTY_CONFIG.into());
    push_blob(remote, &config, &payload, sent).await
}

async fn push_blob(
    remote: &Remote,
    blob: &Descriptor,
    payload: &Payload,
    sent: &mut u64,
) -> Result<(), HubError> {
    if remote.push_blob(blob.digest, payload).await? {
        *sent += blob.size;
    }
    Ok(())
}
