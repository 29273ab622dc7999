//! Gets and stores manifests.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use url::Url;
use wasm_flow_contract::hub::Digest;

use super::error::{Problem, RegistryError};
use super::payload::Payload;
use super::remote::{Remote, Version};
use super::request::{Ask, pause};
use super::tokens::Action;
use crate::bounds::{MAX_MANIFEST, SILENCE};
use crate::digest_of;

/// What a manifest may be. What is not an executor is asked for, too: else the registry
/// would say that there is nothing.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest, as a registry has it. Its bytes have its digest.
#[derive(Debug, Clone)]
pub struct FetchedManifest {
    /// Its digest, made of its bytes.
    pub digest: Digest,
    /// What the registry calls it.
    pub media_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Remote {
    fn manifest_url(&self, version: Version<'_>) -> Result<Url, Problem> {
        match version {
            Version::Tag(tag) => self.url(&format!("manifests/{tag}")),
            Version::Digest(digest) => self.url(&format!("manifests/{digest}")),
        }
    }

    /// A manifest, whatever it is of.
    ///
    /// # Errors
    /// When the registry does not have it, when its bytes are others than a digest says,
    /// or when it cannot be asked.
    pub async fn manifest(&self, version: Version<'_>) -> Result<FetchedManifest, RegistryError> {
        let fetched = self.fetch_manifest(version).await;
        fetched.map_err(|problem| RegistryError::new(self.called(version), problem))
    }

    async fn fetch_manifest(&self, version: Version<'_>) -> Result<FetchedManifest, Problem> {
        let url = self.manifest_url(version)?;
        let what = "a manifest";
        let (bytes, headers) = self
            .read(
                || Ask::get(url.clone(), Some(MANIFESTS)),
                what,
                MAX_MANIFEST,
            )
            .await?;
        let digest = digest_of(&bytes);
        match version {
            Version::Digest(named) if named != digest => {
                return Err(Problem::Altered { found: digest });
            }
            _ => {}
        }
        match said_digest(&headers) {
            Some(said) if said != digest => {
                return Err(Problem::Contradiction {
                    said,
                    found: digest,
                });
            }
            _ => {}
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|kind| {
            let kind = kind.to_str().ok()?;
            Some(kind.split(';').next()?.trim().to_owned())
        });
        Ok(FetchedManifest {
            digest,
            media_type,
            bytes,
        })
    }

    /// The digest of what a tag means now.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub async fn resolve(&self, tag: &str) -> Result<Digest, RegistryError> {
        let version = Version::Tag(tag);
        let head = async {
            let ask = Ask {
                method: Method::HEAD,
                ..Ask::get(self.manifest_url(version)?, Some(MANIFESTS))
            };
            self.ask(&ask).await
        };
        match head.await {
            Ok(response) => {
                if let Some(digest) = said_digest(response.headers()) {
                    return Ok(digest);
                }
            }
            // Not all registries answer it, and an answer without a body cannot say why not.
            Err(Problem::Missing(_) | Problem::Forbidden { .. } | Problem::Answered { .. }) => {}
            Err(problem) => return Err(RegistryError::new(self.called(version), problem)),
        }
        Ok(self.manifest(version).await?.digest)
    }

    /// Stores a manifest under its digest or a tag.
    ///
    /// # Errors
    /// When the registry does not take it, or cannot be asked.
    pub async fn push_manifest(
        &self,
        version: Version<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let put = self.put_manifest(version, media_type, bytes).await;
        put.map(drop)
            .map_err(|problem| RegistryError::new(self.called(version), problem))
    }

    pub(super) async fn put_manifest(
        &self,
        version: Version<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<HeaderMap, Problem> {
        let payload = Payload::Bytes(Bytes::copy_from_slice(bytes));
        let ask = Ask {
            method: Method::PUT,
            url: self.manifest_url(version)?,
            accept: None,
            content: Some((media_type, &payload)),
            action: Action::Push,
            patience: SILENCE,
        };
        let mut attempt = 0;
        let response = loop {
            match self.ask(&ask).await {
                // Twice is as good as once.
                Err(problem) if pause(&mut attempt, &problem).await => {}
                other => break other?,
            }
        };
        match said_digest(response.headers()) {
            Some(said) if said != digest_of(bytes) => Err(Problem::Contradiction {
                said,
                found: digest_of(bytes),
            }),
            _ => Ok(response.headers().clone()),
        }
    }
}

/// Registries may name a manifest by another algorithm, too; then only what is asked for
/// is compared.
fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}
