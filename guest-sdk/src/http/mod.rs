//! An asynchronous HTTP client.
//!
//! An executor can reach only what `flow.toml` grants it:
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
//! Without a host, as in `cargo test`, every request fails with
//! [`ErrorKind::NoHost`]. Tests have to provide the responses in another way.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::time;

#[cfg_attr(target_family = "wasm", path = "wasi.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
mod platform;

/// The largest body of a response, unless the request sets another limit: 64 MiB.
const MAX_BODY: usize = 64 << 20;

/// Gets a URL: `Request::get(url).send()`.
///
/// # Errors
/// If there is no response. A response whose status is a failure is still a
/// response: see [`Response::error_for_status`].
pub async fn get(url: impl Into<String>) -> Result<Response, HttpError> {
    Request::get(url).send().await
}

/// A request to send.
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
    /// A request with any method: `Request::new("OPTIONS", url)`.
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
    /// If the value cannot be JSON: if it has a map whose keys are not strings, or
    /// if its `Serialize` fails.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Limits the time of the whole request, including the response's body.
    /// Without this, the limit is the time that the host gives the handler.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits the response's body to this many bytes. Without this, the limit is
    /// 64 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends the request and reads the whole response.
    ///
    /// # Errors
    /// If the URL is not valid, if the host refuses the request, or if there is no
    /// response.
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

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    url: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// The status, such as `200`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status means success: 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header with this name, in upper or lower case. None also if its
    /// value is not text.
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

    /// The body as an owned value.
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str, HttpError> {
        std::str::from_utf8(&self.body)
            .map_err(|error| HttpError::new(ErrorKind::Body, &self.url, error.to_string()))
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| HttpError::new(ErrorKind::Body, &self.url, error.to_string()))
    }

    /// This response, unless its status is a failure.
    ///
    /// # Errors
    /// If the status is 400 or above. The error quotes the beginning of the body.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status < 400 {
            return Ok(self);
        }
        const QUOTED: usize = 200;
        let body = String::from_utf8_lossy(&self.body);
        let quoted: String = body.trim().chars().take(QUOTED).collect();
        let reason = match quoted.as_str() {
            "" => format!("the response has status {}", self.status),
            quoted => format!("the response has status {}: {quoted}", self.status),
        };
        Err(HttpError::new(
            ErrorKind::Status(self.status),
            &self.url,
            reason,
        ))
    }
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    kind: ErrorKind,
    url: String,
    reason: String,
}

/// The kind of an [`HttpError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL is not valid for a request.
    Url,
    /// `flow.toml` does not grant the request.
    Refused,
    /// The request took too long.
    Timeout,
    /// The server was not found or not reached, or did not respond.
    Connect,
    /// The response's body broke off, is larger than allowed, or is not of the
    /// form that it was read as.
    Body,
    /// The response has this status.
    Status(u16),
    /// Another error of the protocol or the request.
    Protocol,
    /// There is no host to send the request: this is not a component.
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

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The URL of the request.
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

/// A URL, split into the parts of a request.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "only a component sends requests")
)]
struct Url {
    secure: bool,
    /// The host, and the port if one is given.
    authority: String,
    /// The path from its first slash on, with the query, without the fragment.
    path: String,
}

impl Url {
    fn parse(url: &str) -> Result<Url, String> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("is not a URL: it has to begin with `http://` or `https://`")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("has the scheme `{scheme}`: use `http` or `https`")),
        };
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("has a space or a control character: encode it, as in `%20`".to_owned());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("has a user name: send an `authorization` header instead".to_owned());
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err("has no host".to_owned());
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

    /// The origin as `http` under `[executors.allow]` expects it.
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
            "http://h/: the response has status 404: no such thing"
        );
        let error = response(200, "{").json::<crate::Json>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    }
}
