//! What is sent.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream;
use reqwest::Body;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::error::Problem;

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
