//! An HTTP client to await.
//!
//! An executor reaches only what `flow.toml` grants it:
//!
//! ```toml
//! [executors.allow]
//! http = ["https://api.example.com"]
//! ```
//!
//! ```no_run
//! use wasm_flow_sdk::http::{self, Request};
//! use wasm_flow_sdk::prelude::*;
//! use wasm_flow_sdk::time::Duration;
//!
//! # async fn example() -> Result<()> {
//! let page = http::get("https://api.example.com/page").await?;
//! let text = page.error_for_status()?.text()?.to_owned();
//!
//! let reply: Json = Request::post("https://api.example.com/embed")
//!     .header("authorization", "Bearer ...")
//!     .json(&json!({ "text": text }))?
//!     .timeout(Duration::from_secs(5))
//!     .send()
//!     .await?
//!     .error_for_status()?
//!     .json()?;
//! # let _ = reply;
//! # Ok(())
//! # }
//! ```
//!
//! Without a host, in `cargo test`, every request fails with
//! [`ErrorKind::NoHost`]. To test an executor that uses this, give it its answers
//! in another way there.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::time;

#[cfg_attr(target_family = "wasm", path = "wasi.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
mod platform;

/// What an answer's body may have at most, where nobody says otherwise: 64 MiB.
const MAX_BODY: usize = 64 << 20;

/// Gets a URL: `Request::get(url).send()`.
///
/// # Errors
/// When no answer came. An answer with a status that says failure is one:
/// [`Response::error_for_status`].
pub async fn get(url: impl Into<String>) -> Result<Response, HttpError> {
    Request::get(url).send().await
}

/// A request that is being made up.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "only a component sends requests")
)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    max_body: usize,
}

impl Request {
    /// A request of any method: `Request::new("OPTIONS", url)`.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_body: MAX_BODY,
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Request::new("GET", url)
    }

    /// A `HEAD`.
    pub fn head(url: impl Into<String>) -> Self {
        Request::new("HEAD", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Request::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Request::new("PUT", url)
    }

    /// A `PATCH`.
    pub fn patch(url: impl Into<String>) -> Self {
        Request::new("PATCH", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Request::new("DELETE", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and `content-type` to match.
    ///
    /// # Errors
    /// When the value cannot be JSON: a map whose keys are no strings, or a
    /// `Serialize` that fails.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long all of it may take, the answer's body included. Without, as long
    /// as the host lets the handler run.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many bytes the answer's body may have. Without, 64 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When the URL is none, the host refuses the request, or no answer came.
    pub async fn send(self) -> Result<Response, HttpError> {
        let url = Url::parse(&self.url)
            .map_err(|reason| HttpError::new(ErrorKind::Url, &self.url, reason))?;
        let address = self.url.clone();
        let limit = self.timeout;
        let exchange = platform::send(self, url);
        let result = match limit {
            None => exchange.await,
            Some(limit) => match time::timeout(limit, exchange).await {
                Ok(result) => result,
                Err(over) => Err((ErrorKind::Timeout, over.to_string())),
            },
        };
        result.map_err(|(kind, reason)| HttpError::new(kind, &address, reason))
    }
}

/// An answer, with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    url: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// The status: `200`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success, 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, whose case does not matter. None as well
    /// where its value is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, HttpError> {
        std::str::from_utf8(&self.body)
            .map_err(|error| HttpError::new(ErrorKind::Body, &self.url, error.to_string()))
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// When it is no JSON, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| HttpError::new(ErrorKind::Body, &self.url, error.to_string()))
    }

    /// This answer, if its status is not one of failure.
    ///
    /// # Errors
    /// When the status is 400 or above; the error quotes the body's beginning.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status < 400 {
            return Ok(self);
        }
        const QUOTED: usize = 200;
        let body = String::from_utf8_lossy(&self.body);
        let quoted: String = body.trim().chars().take(QUOTED).collect();
        let reason = match quoted.as_str() {
            "" => format!("answered with status {}", self.status),
            quoted => format!("answered with status {}: {quoted}", self.status),
        };
        Err(HttpError::new(
            ErrorKind::Status(self.status),
            &self.url,
            reason,
        ))
    }
}

/// Why a request has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    kind: ErrorKind,
    url: String,
    reason: String,
}

/// What kind of failure an [`HttpError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL is none that can be sent to.
    Url,
    /// `flow.toml` does not grant it.
    Refused,
    /// It took too long.
    Timeout,
    /// The server was not found, or not reached, or there was no answer.
    Connect,
    /// The answer broke off, is larger than allowed, or is not what was to be
    /// read from it.
    Body,
    /// The answer has this status.
    Status(u16),
    /// Something else about the protocol or the request.
    Protocol,
    /// There is no host to send it: this is not a component.
    NoHost,
}

impl HttpError {
    fn new(kind: ErrorKind, url: &str, reason: impl Into<String>) -> Self {
        HttpError {
            kind,
            url: url.to_owned(),
            reason: reason.into(),
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where the request went.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)
    }
}

impl std::error::Error for HttpError {}

/// A URL in the parts that a request has.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "only a component sends requests")
)]
struct Url {
    secure: bool,
    /// Host, and port where one is given.
    authority: String,
    /// From the slash on; without a fragment.
    path: String,
}

impl Url {
    fn parse(url: &str) -> Result<Url, String> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("not a URL: it has no `http://` or `https://`")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("`{scheme}` is neither http nor https")),
        };
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("has a space or a control character: encode it as `%20`".to_owned());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("has a user name: send an `authorization` header".to_owned());
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err("names no host".to_owned());
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Url {
            secure,
            authority: authority.to_owned(),
            path,
        })
    }

    /// As `[executors.allow] http` takes it.
    #[cfg(any(test, target_family = "wasm"))]
    fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn urls_have_parts() {
        let url = Url::parse("https://example.com:8443/a/b?c=d#e").unwrap();
        assert!(url.secure);
        assert_eq!(url.authority, "example.com:8443");
        assert_eq!(url.path, "/a/b?c=d");
        assert_eq!(url.origin(), "https://example.com:8443");
        assert_eq!(Url::parse("http://h").unwrap().path, "/");
        assert_eq!(Url::parse("http://h?q").unwrap().path, "/?q");
        assert_eq!(
            Url::parse("HTTP://[::1]:80/x").unwrap().authority,
            "[::1]:80"
        );
        for bad in [
            "example.com",
            "ftp://h/",
            "http:///x",
            "http://:80/",
            "http://u@h/",
            "http://h/a b",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_host_a_request_says_so() {
        let error = block_on(get("https://example.com/")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoHost);
        assert!(error.to_string().starts_with("https://example.com/: "));
        assert_eq!(
            block_on(get("example.com")).unwrap_err().kind(),
            ErrorKind::Url
        );
    }

    #[test]
    fn a_status_of_failure_is_an_error_that_quotes_the_body() {
        let response = |status, body: &str| Response {
            url: "http://h/".to_owned(),
            status,
            headers: vec![("X-A".to_owned(), b"1".to_vec())],
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(response(200, "").header("x-a"), Some("1"));
        assert!(response(304, "").error_for_status().is_ok());
        let error = response(404, " no such thing\n")
            .error_for_status()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status(404));
        assert_eq!(
            error.to_string(),
            "http://h/: answered with status 404: no such thing"
        );
        let error = response(200, "{").json::<crate::Json>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    }
}
