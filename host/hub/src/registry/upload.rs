//! Sends blobs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream;
use http::Method;
use http::header::LOCATION;
use reqwest::Body;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use wasm_flow_contract::hub::Digest;

use super::auth::Action;
use super::error::{Problem, RegistryError};
use super::redirect::{Misled, may_lead};
use super::remote::Remote;
use super::request::{Ask, pause};
use crate::artifact::media_type;
use crate::bounds::SILENCE;

/// Bytes that are handed to the connection at once.
const PART: usize = 64 << 10;

/// Bytes to send.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Those in memory.
    Bytes(Bytes),
    /// Those of a file, which has this size.
    File(PathBuf, u64),
}

/// How many bytes of a payload were taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Payload {
    pub(super) fn size(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(_, size) => *size,
        }
    }

    /// The body of one request.
    pub(super) async fn body(&self, progress: &Progress) -> Result<Body, Problem> {
        let progress = progress.clone();
        match self {
            Payload::Bytes(bytes) => {
                let parts = stream::unfold(bytes.clone(), move |mut rest| {
                    let part = rest.split_to(rest.len().min(PART));
                    progress.add(part.len());
                    let next = (!part.is_empty()).then_some((Ok::<_, std::io::Error>(part), rest));
                    std::future::ready(next)
                });
                Ok(Body::wrap_stream(parts))
            }
            Payload::File(path, size) => {
                let failed = |error| Problem::File(path.clone(), error);
                // A file that has grown meanwhile is cut; the digest says that it is
                // another one.
                let file = File::open(path).await.map_err(failed)?.take(*size);
                let path = path.clone();
                let parts = stream::try_unfold(file, move |mut file| {
                    let (progress, path) = (progress.clone(), path.clone());
                    async move {
                        let mut part = Vec::with_capacity(PART);
                        let count = file.read_buf(&mut part).await?;
                        progress.add(count);
                        match (count, file.limit()) {
                            (0, 0) => Ok(None),
                            (0, _) => {
                                let path = path.display();
                                let text = format!("{path} has become shorter meanwhile");
                                Err(std::io::Error::other(text))
                            }
                            _ => Ok(Some((Bytes::from(part), file))),
                        }
                    }
                });
                Ok(Body::wrap_stream(parts))
            }
        }
    }
}

impl Remote {
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
