//! Bodies of answers, none of which is read without a bound.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::timeout;
use wasm_flow_contract::hub::Digest;

use super::error::{Problem, RegistryError};
use super::redirect::authority;
use crate::bounds::{MAX_ERROR_BODY, SILENCE, SLOWEST, WHOLE};
use crate::digest::Hasher;
use crate::shown::shown;

/// An answer's body, of at most `most` bytes.
pub(super) async fn whole(
    response: Response,
    what: &'static str,
    most: u64,
) -> Result<Bytes, Problem> {
    if response.content_length().is_some_and(|said| said > most) {
        return Err(Problem::TooLarge { what, most });
    }
    let host = authority(response.url());
    let read = read(response, most);
    match timeout(WHOLE, read).await {
        Err(_) => Err(silent(host, "been sending one answer", WHOLE)),
        Ok(Err(problem)) => Err(problem),
        Ok(Ok((_, true))) => Err(Problem::TooLarge { what, most }),
        Ok(Ok((bytes, false))) => Ok(bytes),
    }
}

/// At most `most` bytes, and whether there were more.
async fn read(mut response: Response, most: u64) -> Result<(Bytes, bool), Problem> {
    let mut bytes = BytesMut::new();
    while let Some(mut part) = part(&mut response, bytes.len() as u64, None).await? {
        let room = usize::try_from(most).unwrap_or(usize::MAX) - bytes.len();
        if part.len() > room {
            bytes.extend_from_slice(&part.split_to(room));
            return Ok((bytes.freeze(), true));
        }
        bytes.extend_from_slice(&part);
    }
    Ok((bytes.freeze(), false))
}

/// The next part of a body, of which there are `have` bytes so far, and `size` in all if
/// that is known.
async fn part(
    response: &mut Response,
    have: u64,
    size: Option<u64>,
) -> Result<Option<Bytes>, Problem> {
    let host = authority(response.url());
    match timeout(SILENCE, response.chunk()).await {
        Err(_) => Err(silent(host, "sent nothing", SILENCE)),
        Ok(Ok(part)) => Ok(part),
        Ok(Err(error)) => Err(match size {
            Some(size) if have < size && is_end(&error) => Problem::Truncated { have, size },
            _ => Problem::Broken {
                host,
                reason: reason(error),
            },
        }),
    }
}

pub(super) fn silent(host: String, did: &'static str, time: Duration) -> Problem {
    Problem::Silent { host, did, time }
}

/// Whether a connection was closed in the middle of something.
fn is_end(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        let io: Option<&io::Error> = error.downcast_ref();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        source = error.source();
    }
    false
}

/// An error of the HTTP client with all that is behind it, and without the address:
/// the one of a redirect may have a secret in it.
pub(super) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        let further = error.to_string();
        if !text.ends_with(&further) {
            let _ = write!(text, ": {further}");
        }
        source = error.source();
    }
    shown(&text)
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer says that is not a success. What cannot be read of it is left out:
/// the status says enough.
pub(super) async fn complaint(response: Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        return "a page of HTML, so it may be a proxy that answers".to_owned();
    }
    let body = timeout(SILENCE, read(response, MAX_ERROR_BODY)).await;
    let Ok(Ok((body, _))) = body else {
        return String::new();
    };
    match serde_json::from_slice::<Errors>(&body) {
        Ok(Errors { errors }) => {
            let texts = errors.into_iter().take(3).map(|error| {
                match (error.code.as_str(), error.message.as_str()) {
                    (text, "") | ("", text) => text.to_owned(),
                    (code, message) => format!("{code}: {message}"),
                }
            });
            shown(&texts.collect::<Vec<_>>().join("; "))
        }
        Err(_) => shown(&String::from_utf8_lossy(&body)),
    }
}

/// The bytes of a blob as they come: their number and their digest are compared with
/// those that were asked for. They are only right once [`next`](Self::next) has given
/// `None`.
#[derive(Debug)]
pub struct BlobBody {
    subject: String,
    response: Response,
    digest: Digest,
    size: u64,
    have: u64,
    hasher: Option<Hasher>,
    begin: Instant,
}

impl BlobBody {
    pub(super) fn new(
        subject: String,
        response: Response,
        digest: Digest,
        size: u64,
    ) -> Result<BlobBody, RegistryError> {
        match response.content_length() {
            Some(said) if said != size => {
                let found = format!("{said} bytes");
                Err(RegistryError::new(subject, Problem::Size { found, size }))
            }
            _ => Ok(BlobBody {
                subject,
                response,
                digest,
                size,
                have: 0,
                hasher: Some(Hasher::default()),
                begin: Instant::now(),
            }),
        }
    }

    /// As if it had begun earlier.
    #[cfg(test)]
    pub(crate) fn age(&mut self, by: Duration) {
        self.begin -= by;
    }

    /// The next bytes; `None` if all have come, and are right.
    ///
    /// # Errors
    /// When the connection breaks, or when they are others, more or fewer.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let next = self.read().await;
        next.map_err(|problem| RegistryError::new(self.subject.clone(), problem))
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(part) = part(&mut self.response, self.have, Some(self.size)).await? else {
            return self.end().map(|()| None);
        };
        let time = self.begin.elapsed();
        if time > WHOLE + Duration::from_secs(self.size / SLOWEST) {
            let host = authority(self.response.url());
            return Err(silent(host, "been sending one blob, byte by byte,", time));
        }
        self.have = self.have.saturating_add(part.len() as u64);
        if self.have > self.size {
            return Err(Problem::Size {
                found: "more".to_owned(),
                size: self.size,
            });
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&part);
        }
        Ok(Some(part))
    }

    fn end(&mut self) -> Result<(), Problem> {
        let (have, size) = (self.have, self.size);
        if have < size {
            return Err(Problem::Truncated { have, size });
        }
        match self.hasher.take().map(Hasher::finish) {
            Some(found) if found != self.digest => Err(Problem::Altered { found }),
            _ => Ok(()),
        }
    }
}
