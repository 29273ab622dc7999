//! Gets and stores blobs.

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::LOCATION;
use wasm_flow_contract::hub::Digest;

use super::body::BlobBody;
use super::error::{Problem, RegistryError};
use super::payload::Payload;
use super::redirect::{Misled, may_lead};
use super::remote::Remote;
use super::request::{Ask, pause};
use super::tokens::Action;
use crate::artifact::{Descriptor, media_type};
use crate::bounds::{SILENCE, UPLOADED};

impl Remote {
    /// The bytes of a blob, as they come.
    ///
    /// # Errors
    /// When the registry does not have it, says another size, or cannot be asked.
    pub async fn blob(&self, digest: Digest, size: u64) -> Result<BlobBody, RegistryError> {
        let subject = format!("{}, blob {digest}", self.repository());
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
            let subject = format!("{}, blob {}", self.repository(), described.digest);
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

    /// Stores a blob, unless the registry has it. Says whether it was sent.
    ///
    /// # Errors
    /// When the registry does not take it, or cannot be asked.
    pub async fn push_blob(
        &self,
        digest: Digest,
        payload: &Payload,
    ) -> Result<bool, RegistryError> {
        let pushed = async {
            if self.has_blob(digest).await? {
                return Ok(false);
            }
            let mut attempt = 0;
            loop {
                match self.upload(digest, payload).await {
                    Err(problem) if pause(&mut attempt, &problem).await => {}
                    other => return other.map(|()| true),
                }
            }
        };
        let called = || format!("{}, blob {digest}", self.repository());
        let pushed = pushed.await;
        pushed.map_err(|problem| RegistryError::new(called(), problem))
    }

    async fn upload(&self, digest: Digest, payload: &Payload) -> Result<(), Problem> {
        let what = "an address for an upload";
        let begin = Ask {
            method: Method::POST,
            url: self.url("blobs/uploads/")?,
            accept: None,
            content: None,
            action: Action::Push,
            patience: SILENCE,
        };
        let response = self.ask(&begin).await?;
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let Some(location) = location else {
            let why = "there is none".to_owned();
            return Err(Problem::Malformed { what, why });
        };
        let from = response.url();
        let mut url = from.join(location).map_err(|_| Misled::Unreadable)?;
        may_lead(from, &url, self.client().plain())?;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let end = Ask {
            method: Method::PUT,
            url,
            accept: None,
            content: Some((media_type::FILE, payload)),
            action: Action::Push,
            patience: SILENCE,
        };
        self.ask(&end).await.map(drop)
    }
}
