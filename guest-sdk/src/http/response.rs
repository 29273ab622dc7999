//! A response.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::error::{QUOTED, Repeat, quoted_location};
use super::{ErrorKind, HttpError, retry_after};
use crate::Json;

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    url: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    repeat: Repeat,
}

impl Response {
    /// A response with this status and body. This is for tests, whose `with_http`
    /// answers with it.
    ///
    /// ```
    /// use wasm_flow_sdk::http::Response;
    ///
    /// let busy = Response::new(503, "try again").with_header("retry-after", "2");
    /// assert_eq!(busy.text(), Ok("try again"));
    /// ```
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Response {
            url: String::new(),
            status,
            headers: Vec::new(),
            body: body.into(),
            repeat: Repeat::default(),
        }
    }

    /// A response with JSON as its body, and `content-type` to match. This is for
    /// tests: `Response::of_json(200, json!({ "ok": true }))`.
    pub fn of_json(status: u16, body: impl Into<Json>) -> Self {
        let body: Json = body.into();
        Response::new(status, body.to_string()).with_header("content-type", "application/json")
    }

    /// Adds a header. This is for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A response whose body has not been read.
    #[cfg(target_family = "wasm")]
    pub(super) fn received(status: u16, headers: Vec<(String, Vec<u8>)>) -> Self {
        Response {
            headers,
            ..Response::new(status, [])
        }
    }

    pub(super) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(super) fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Sets what it does to send the request again.
    pub(super) fn repeated(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The URL that the response is from. If the request was redirected, this is
    /// where the last redirect led.
    pub fn url(&self) -> &str {
        &self.url
    }

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

    /// How long the server asks to wait, in a `retry-after` header. At most an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after::parse(self.header("retry-after")?, SystemTime::now)
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
        std::str::from_utf8(&self.body).map_err(|error| self.not(error.to_string()))
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| self.not(error.to_string()))
    }

    fn not(&self, reason: String) -> HttpError {
        HttpError::new(ErrorKind::Body, reason).at(&self.url)
    }

    /// This response, unless its status is a failure.
    ///
    /// A redirect that was not followed is a failure, too, because its body is not
    /// what was asked for. `304 Not Modified` is not: it answers a request with
    /// `if-none-match` or `if-modified-since`.
    ///
    /// # Errors
    /// If the status is 300 or above, except 304. The error quotes the beginning of
    /// the body.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status < 300 || self.status == 304 {
            return Ok(self);
        }
        let mut reason = format!("the response has status {}", self.status);
        if let (300..400, Some(location)) = (self.status, self.header("location")) {
            reason.push_str(", a redirect that was not followed, to ");
            reason.push_str(&quoted_location(location));
        }
        let body = String::from_utf8_lossy(&self.body);
        let quoted: String = body.trim().chars().take(QUOTED).collect();
        if !quoted.is_empty() {
            reason.push_str(": ");
            reason.push_str(&quoted);
        }
        Err(HttpError::new(ErrorKind::Status(self.status), reason)
            .at(&self.url)
            .repeated(self.repeat)
            .with_retry_after(self.retry_after()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_failure_is_an_error_that_quotes_the_body() {
        let response = |status, body: &str| Response::new(status, body).at("http://h/");
        for status in [200, 204, 304] {
            assert!(response(status, "").error_for_status().is_ok(), "{status}");
        }
        let error = response(404, " no such thing\n")
            .error_for_status()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status(404));
        assert_eq!(
            error.to_string(),
            "http://h/: the response has status 404: no such thing"
        );
        assert_eq!(error.retry_after(), None);
        let error = response(302, "Found")
            .with_header("location", "/there")
            .error_for_status()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://h/: the response has status 302, a redirect that was not followed, to /there: \
             Found"
        );
        let error = response(429, "")
            .with_header("Retry-After", "7")
            .error_for_status()
            .unwrap_err();
        assert_eq!(error.to_string(), "http://h/: the response has status 429");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_response_is_read() {
        let response = Response::of_json(200, serde_json::json!({ "a": [1] }))
            .with_header("X-A", "1")
            .with_header("x-b", [0xff]);
        assert!(response.is_success());
        assert_eq!(response.header("x-a"), Some("1"));
        assert_eq!(response.header("X-B"), None, "not text");
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        assert_eq!(response.text(), Ok(r#"{"a":[1]}"#));
        assert_eq!(response.json::<Json>().unwrap()["a"][0], 1);
        let error = Response::new(200, "{").json::<Json>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        let error = Response::new(200, [0xff]).text().map(str::len).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
    }
}
