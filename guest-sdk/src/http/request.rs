//! A request, and what builds one.

use std::borrow::Borrow;
use std::fmt::Display;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Repeat;
use super::url::{Url, with_query};
use super::{ErrorKind, HttpError, Response, redirect};
use crate::time;

/// The largest body of a response, unless the request sets another limit: 64 MiB.
const MAX_BODY: usize = 64 << 20;

/// How many redirects are followed, unless the request sets another number.
const REDIRECTS: u32 = 10;

/// A request to send.
///
/// [`Request::get`] and its like begin one. The getters are for tests, which are
/// given the request that was sent: see [`http`](crate::http).
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) limits: Limits,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Option<Duration>,
    pub(super) max_body: usize,
    pub(super) redirects: u32,
}

impl Request {
    /// A `GET`.
    pub fn get(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("GET", url)
    }

    /// A `HEAD`.
    pub fn head(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("HEAD", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("POST", url)
    }

    /// A `PUT`.
    pub fn put(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("PUT", url)
    }

    /// A `PATCH`.
    pub fn patch(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("PATCH", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new("DELETE", url)
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL with its query and without a fragment, as the URL standard writes
    /// it: `https://example.com/?q=a+b`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The URL's path, percent-encoded: `/v1/embed`.
    pub fn path(&self) -> &str {
        self.url.path_only()
    }

    /// The value of the first pair with this key in the URL's query, decoded.
    pub fn query(&self, key: &str) -> Option<String> {
        form_urlencoded::parse(self.url.query()?.as_bytes())
            .find(|(own, _)| own == key)
            .map(|(_, value)| value.into_owned())
    }

    /// The first header with this name, in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The headers that were set, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            HttpError::new(ErrorKind::Body, format!("the request's body: {error}")).at(self.url())
        })
    }

    /// Sends the request and reads the whole response.
    ///
    /// # Errors
    /// If the host refuses the request, if there is no response, or if a redirect
    /// cannot be followed.
    pub async fn send(self) -> Result<Response, HttpError> {
        let (limit, url) = (self.limits.timeout, self.url().to_owned());
        let repeat = Repeat::of(&self.method);
        // Behind one pointer: with and without a limit it is the same code, which
        // would be in the component twice, and would make each handler's future
        // larger.
        let exchange: Pin<Box<dyn Future<Output = _>>> = Box::pin(redirect::follow(self));
        let Some(limit) = limit else {
            return exchange.await;
        };
        match time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(over) => Err(HttpError::new(ErrorKind::Timeout, over.to_string())
                .at(&url)
                .repeated(repeat)),
        }
    }
}

/// A request that is being built.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    limits: Limits,
}

impl RequestBuilder {
    /// A request with any method: `RequestBuilder::new("OPTIONS", url)`. For most,
    /// [`Request`] has a function.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        RequestBuilder {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            limits: Limits {
                timeout: None,
                max_body: MAX_BODY,
                redirects: REDIRECTS,
            },
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds pairs to the URL's query, encoded as a browser encodes a form: a space
    /// becomes `+`.
    ///
    /// ```
    /// use wasm_flow_sdk::http::Request;
    ///
    /// let request = Request::get("https://example.com/search?lang=de")
    ///     .query([("q", "Bücher & more"), ("sort", "new")])
    ///     .build()?;
    /// assert_eq!(
    ///     request.url(),
    ///     "https://example.com/search?lang=de&q=B%C3%BCcher+%26+more&sort=new"
    /// );
    /// # Ok::<(), wasm_flow_sdk::http::HttpError>(())
    /// ```
    pub fn query<I, K, V>(mut self, pairs: I) -> Self
    where
        I: IntoIterator,
        I::Item: Borrow<(K, V)>,
        K: AsRef<str>,
        V: Display,
    {
        for pair in pairs {
            let (key, value) = pair.borrow();
            self = self.query_pair(key, value);
        }
        self
    }

    /// Adds one pair to the URL's query: `query_pair("top_k", 10)`. See
    /// [`query`](RequestBuilder::query).
    pub fn query_pair(mut self, key: impl AsRef<str>, value: impl Display) -> Self {
        self.url = with_query(&self.url, key.as_ref(), &value.to_string());
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and `content-type` to match, unless a header
    /// has set that.
    ///
    /// # Errors
    /// If the value cannot be JSON: if it has a map whose keys are not strings, or
    /// if its `Serialize` fails. The error is of [`ErrorKind::Body`].
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, HttpError> {
        const NAME: &str = "content-type";
        let body = serde_json::to_vec(value).map_err(|error| {
            let reason = format!("the request's body cannot be JSON: {error}");
            HttpError::new(ErrorKind::Body, reason).at(&self.url)
        })?;
        let is_set = |(name, _): &(String, String)| name.eq_ignore_ascii_case(NAME);
        if !self.headers.iter().any(is_set) {
            self = self.header(NAME, "application/json");
        }
        Ok(self.body(body))
    }

    /// Limits the time of the whole request, including redirects and the response's
    /// body. Without this, the limit is the time that the host gives the handler.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Limits the response's body to this many bytes. Without this, the limit is
    /// 64 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.limits.max_body = bytes;
        self
    }

    /// Limits how many redirects are followed. Without this, the limit is 10. With
    /// 0, a redirect is the response. See [`http`](crate::http#redirects).
    pub fn redirects(mut self, most: u32) -> Self {
        self.limits.redirects = most;
        self
    }

    /// The request.
    ///
    /// # Errors
    /// If the URL, the method or a header is not valid.
    pub fn build(self) -> Result<Request, HttpError> {
        let url = Url::parse(&self.url)
            .map_err(|reason| HttpError::new(ErrorKind::Url, reason).at(&self.url))?;
        let invalid = |reason| HttpError::new(ErrorKind::Protocol, reason).at(&self.url);
        if !is_token(&self.method) {
            return Err(invalid(format!(
                "the method `{}` is not valid",
                self.method
            )));
        }
        for (name, value) in &self.headers {
            if !is_token(name) {
                return Err(invalid(format!(
                    "the header `{name}` has a name that is not valid"
                )));
            }
            // The value is not quoted: it may be secret.
            if value
                .bytes()
                .any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
            {
                return Err(invalid(format!(
                    "the value of the header `{name}` has a control character, such as the end of \
                     a line"
                )));
            }
        }
        Ok(Request {
            method: self.method,
            url,
            headers: self.headers,
            body: self.body,
            limits: self.limits,
        })
    }

    /// Sends the request and reads the whole response.
    ///
    /// # Errors
    /// If the URL, the method or a header is not valid, if the host refuses the
    /// request, if there is no response, or if a redirect cannot be followed.
    pub async fn send(self) -> Result<Response, HttpError> {
        self.build()?.send().await
    }
}

/// Whether it can be a method or the name of a header.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_what_was_set() {
        let request = Request::post("https://h/v1/embed?x=1#part")
            .header("Authorization", "Bearer t")
            .query([("q", "a b&c"), ("ü", "")])
            .query(&[("n".to_owned(), 3)])
            .query_pair("on", true)
            .json(&serde_json::json!({ "a": 1 }))
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(
            request.url(),
            "https://h/v1/embed?x=1&q=a+b%26c&%C3%BC=&n=3&on=true"
        );
        assert_eq!(request.path(), "/v1/embed");
        assert_eq!(request.query("q").as_deref(), Some("a b&c"));
        assert_eq!(request.query("ü").as_deref(), Some(""));
        assert_eq!(request.query("missing"), None);
        assert_eq!(request.header("authorization"), Some("Bearer t"));
        assert_eq!(request.headers().count(), 2);
        assert_eq!(request.body(), br#"{"a":1}"#);
        assert_eq!(request.json::<crate::Json>().unwrap()["a"], 1);
        let error = request.json::<String>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert_eq!(error.url(), request.url());
    }

    #[test]
    fn a_content_type_that_was_set_stays() {
        let request = Request::post("http://h/")
            .header("Content-Type", "application/ld+json")
            .json(&[1])
            .unwrap();
        let set = [("Content-Type".to_owned(), "application/ld+json".to_owned())];
        assert_eq!(request.headers, set);
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = Request::post("http://h/").json(&map).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        let text = error.to_string();
        assert!(
            text.starts_with("http://h/: the request's body cannot be JSON: key must be"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_not_built() {
        let fails = |builder: RequestBuilder| {
            let error = builder.build().unwrap_err();
            (error.kind(), error.to_string())
        };
        let (kind, text) = fails(Request::get("example.com"));
        assert_eq!(kind, ErrorKind::Url);
        assert!(text.starts_with("example.com: is not a URL"), "{text}");
        let (kind, text) = fails(RequestBuilder::new("GET IT", "http://h/"));
        assert_eq!(kind, ErrorKind::Protocol);
        assert_eq!(text, "http://h/: the method `GET IT` is not valid");
        let (_, text) = fails(Request::get("http://h/").header("a:", "x"));
        assert!(text.contains("`a:`"), "{text}");
        let (_, text) = fails(Request::get("http://h/").header("token", "secret\n"));
        assert!(
            text.contains("`token`") && !text.contains("secret"),
            "{text}"
        );
    }
}
