//! One repository of a registry, over the network.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use url::Url;
use wasm_flow_contract::hub::{Digest, Repository};

use super::auth::Action;
use super::body::BlobBody;
use super::client::Client;
use super::error::{Problem, RegistryError};
use super::redirect::Misled;
use super::request::{Ask, pause};
use super::upload::Payload;
use crate::artifact::Descriptor;
use crate::bounds::{MAX_MANIFEST, SILENCE, UPLOADED};
use crate::digest_of;

/// What a manifest may be. What is not an executor is asked for, too: else the registry
/// would say that there is nothing.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// What people call a registry that has another name. It leads to pages for people, and a
/// password would be taken for right by them.
const WEB_SITE: &str = "docker.io";

const CONTENT_DIGEST: &str = "docker-content-digest";

/// Which manifest of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// What the tag means now.
    Tag(&'a str),
    /// The one with this digest.
    Digest(Digest),
}

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

/// One repository of a registry, over the network.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    repository: Repository,
}

impl Remote {
    pub(super) fn new(client: Client, repository: Repository) -> Remote {
        Remote { client, repository }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What messages call a manifest.
    pub(super) fn called(&self, version: Version<'_>) -> String {
        match version {
            Version::Tag(tag) => format!("{}:{tag}", self.repository),
            Version::Digest(digest) => format!("{}@{digest}", self.repository),
        }
    }

    pub(super) fn error(&self, problem: Problem) -> RegistryError {
        RegistryError::new(self.repository.to_string(), problem)
    }

    /// The address of the registry.
    pub(super) fn base(&self) -> Result<Url, Problem> {
        if self.repository.host() == WEB_SITE {
            return Err(Problem::WebSite);
        }
        let base = self.client.base(&self.repository);
        base.ok_or_else(|| Misled::Unreadable.into())
    }

    /// An address of this repository.
    pub(super) fn url(&self, rest: &str) -> Result<Url, Problem> {
        let path = self.repository.path();
        let url = self.base()?.join(&format!("{path}/{rest}"));
        url.map_err(|_| Misled::Unreadable.into())
    }

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

    /// The bytes of a blob, as they come.
    ///
    /// # Errors
    /// When the registry does not have it, says another size, or cannot be asked.
    pub async fn blob(&self, digest: Digest, size: u64) -> Result<BlobBody, RegistryError> {
        let subject = format!("{}, blob {digest}", self.repository);
        let asked = async {
            let url = self.url(&format!("blobs/{digest}"))?;
            // A registry that stands before another one may fetch all of it first.
            let ask = Ask {
                patience: UPLOADED,
                ..Ask::get(url, None)
            };
            self.ask(&ask).await
        };
        match asked.await {
            Ok(response) => BlobBody::new(subject, response, digest, size),
            Err(problem) => Err(RegistryError::new(subject, problem)),
        }
    }

    /// A small blob, whole.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), and when it is larger than `most`.
    pub async fn blob_bytes(
        &self,
        described: &Descriptor,
        what: &'static str,
        most: u64,
    ) -> Result<Bytes, RegistryError> {
        if described.size > most {
            let subject = format!("{}, blob {}", self.repository, described.digest);
            return Err(RegistryError::new(
                subject,
                Problem::TooLarge { what, most },
            ));
        }
        let mut attempt = 0;
        loop {
            let mut blob = self.blob(described.digest, described.size).await?;
            let read = async {
                let mut bytes = BytesMut::new();
                while let Some(part) = blob.next().await? {
                    bytes.extend_from_slice(&part);
                }
                Ok::<_, RegistryError>(bytes.freeze())
            };
            match read.await {
                Err(error) if pause(&mut attempt, error.problem()).await => {}
                other => return other,
            }
        }
    }

    /// Whether the registry has a blob.
    pub(super) async fn has_blob(&self, digest: Digest) -> Result<bool, Problem> {
        let ask = Ask {
            method: Method::HEAD,
            action: Action::Push,
            ..Ask::get(self.url(&format!("blobs/{digest}"))?, None)
        };
        match self.ask(&ask).await {
            Ok(_) => Ok(true),
            // Not all registries answer it. If nothing else goes either, what is sent next
            // says why.
            Err(Problem::Missing(_) | Problem::Forbidden { .. } | Problem::Answered { .. }) => {
                Ok(false)
            }
            Err(other) => Err(other),
        }
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

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// Registries may name a manifest by another algorithm, too; then only what is asked for
/// is compared.
fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}
