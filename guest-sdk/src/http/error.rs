//! Why a request failed.

use std::fmt;
use std::time::Duration;

use crate::future::{Retry, Retryable};

/// Why a request failed.
///
/// `?` makes it an [`Error`](crate::Error) whose [name](crate::Error::name) tells
/// the client the kind of failure, such as `HttpTimeout`. If the request
/// [may succeed later](HttpError::is_retryable), so may the call. The host is told
/// so only if it does no harm to send the request twice, because the flow may then
/// repeat the call:
///
/// - if the method is `GET`, `HEAD`, `PUT`, `DELETE` or `OPTIONS`,
/// - or if the request had no effect: the server was not reached, or the status is
///   425, 429 or 503. After a redirect, this is not known.
///
/// An executor that knows that a `POST` may be repeated says so itself, with
/// [`Error::retry`](crate::Error::retry).
///
/// The client sees the text. It names the URL without its query, which may hold
/// secrets; [`url`](HttpError::url) has it whole. A server's log has it, too, so what
/// is secret is better sent in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    kind: ErrorKind,
    url: String,
    reason: String,
    retry_after: Option<Duration>,
    repeat: Repeat,
}

/// Whether it does harm to send the request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Repeat {
    /// It does none: the effect of two is that of one.
    Harmless,
    /// It may, unless the request failed before it had an effect.
    #[default]
    Harmful,
    /// It may: a redirect was followed, so a server has already answered once.
    HarmfulAfterRedirect,
}

impl Repeat {
    /// For a request with this method.
    pub(super) fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" => Repeat::Harmless,
            _ => Repeat::Harmful,
        }
    }

    /// The same once a redirect was followed.
    pub(super) fn after_redirect(self) -> Self {
        match self {
            Repeat::Harmless => Repeat::Harmless,
            Repeat::Harmful | Repeat::HarmfulAfterRedirect => Repeat::HarmfulAfterRedirect,
        }
    }
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
    /// The server was not found or not reached.
    Connect,
    /// The connection could not be made secure: the server's certificate is not
    /// valid, for example.
    Tls,
    /// The connection broke off before the whole response had come.
    Incomplete,
    /// A redirect cannot be followed, or there were too many.
    Redirect,
    /// The response has this status.
    Status(u16),
    /// The body is larger than allowed, or is not of the form that it was read as.
    Body,
    /// Another error of the protocol or the request.
    Protocol,
    /// There is no host to send the request: this is not a component.
    NoHost,
}

impl ErrorKind {
    /// The name that a client sees: `HttpTimeout`, for example.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Url => "HttpUrl",
            ErrorKind::Refused => "HttpRefused",
            ErrorKind::Timeout => "HttpTimeout",
            ErrorKind::Connect => "HttpConnect",
            ErrorKind::Tls => "HttpTls",
            ErrorKind::Incomplete => "HttpIncomplete",
            ErrorKind::Redirect => "HttpRedirect",
            ErrorKind::Status(_) => "HttpStatus",
            ErrorKind::Body => "HttpBody",
            ErrorKind::Protocol => "HttpProtocol",
            ErrorKind::NoHost => "HttpNoHost",
        }
    }

    /// Whether the same request may succeed later: see [`HttpError::is_retryable`].
    fn is_retryable(self) -> bool {
        match self {
            ErrorKind::Timeout | ErrorKind::Connect | ErrorKind::Incomplete => true,
            // Too slow, too early, too many. A server that fails is not expected to
            // fail forever, except if it does not have what was asked of it, such as
            // the method (501) or the version of HTTP (505).
            ErrorKind::Status(408 | 425 | 429) => true,
            ErrorKind::Status(501 | 505 | 506 | 508 | 510 | 511) => false,
            ErrorKind::Status(status) => status >= 500,
            _ => false,
        }
    }

    /// Whether such a failure comes before the request has an effect.
    fn is_without_effect(self) -> bool {
        matches!(
            self,
            ErrorKind::Connect | ErrorKind::Status(425 | 429 | 503)
        )
    }
}

/// As [`HttpError::is_retryable`] and [`HttpError::retry_after`] say.
impl Retryable for HttpError {
    fn retryable(&self) -> Retry {
        match self.retry_after {
            _ if !self.is_retryable() => Retry::Never,
            Some(wait) => Retry::After(wait),
            None => Retry::Later,
        }
    }
}

impl HttpError {
    /// An error of this kind. This is for tests, whose `with_http` can answer with
    /// it. The URL is that of the request.
    ///
    /// If the words do not matter, `ErrorKind::Timeout.into()` is shorter.
    pub fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        HttpError {
            kind,
            url: String::new(),
            reason: reason.into(),
            retry_after: None,
            repeat: Repeat::default(),
        }
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The URL of the request. If the request was redirected, the text names the
    /// other URL as well.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the same request may succeed later: it took too long, the server was
    /// not reached, the connection broke off, or the status is 408, 425, 429, or
    /// one of 5xx that passes (not 501, for example).
    ///
    /// It does not tell whether the server has done what was asked. If that must
    /// not be done twice, do not send the request again:
    /// [`future::retry`](crate::future::retry) does so whatever the method.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// How long the server asks to wait, in a `retry-after` header of the response
    /// whose status this is the error of. At most an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the host may be told to repeat the whole call.
    pub(crate) fn may_be_repeated(&self) -> bool {
        self.is_retryable()
            && match self.repeat {
                Repeat::Harmless => true,
                Repeat::Harmful => self.kind.is_without_effect(),
                Repeat::HarmfulAfterRedirect => false,
            }
    }

    /// Sets what it does to send the request again.
    pub(super) fn repeated(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Sets the URL, unless it is known.
    pub(super) fn at(mut self, url: &str) -> Self {
        if self.url.is_empty() {
            self.url = url.to_owned();
        }
        self
    }

    /// Says that this happened at a URL that the request was redirected to.
    pub(super) fn redirected_to(mut self, url: &str) -> Self {
        self.reason = format!("redirected to {}: {}", shown(url), self.reason);
        self
    }

    /// Says that this happened while the response's body was being read.
    #[cfg(target_family = "wasm")]
    pub(super) fn in_body(mut self) -> Self {
        self.reason = match self.kind {
            ErrorKind::Timeout => return self,
            ErrorKind::Incomplete => {
                "the connection broke off before the response's body was complete".to_owned()
            }
            _ => format!("the response's body broke off: {}", self.reason),
        };
        self.kind = ErrorKind::Incomplete;
        self
    }

    pub(super) fn with_retry_after(mut self, time: Option<Duration>) -> Self {
        self.retry_after = time;
        self
    }
}

impl From<ErrorKind> for HttpError {
    fn from(kind: ErrorKind) -> Self {
        let reason = match kind {
            ErrorKind::Url => "the URL is not valid",
            ErrorKind::Refused => "refused by the host",
            ErrorKind::Timeout => "the response took too long",
            ErrorKind::Connect => "the host could not be reached",
            ErrorKind::Tls => "a secure connection could not be made",
            ErrorKind::Incomplete => "the connection broke off",
            ErrorKind::Redirect => "a redirect cannot be followed",
            ErrorKind::Status(status) => {
                return HttpError::new(kind, format!("the response has status {status}"));
            }
            ErrorKind::Body => "the body is not valid",
            ErrorKind::Protocol => "the request is not valid",
            ErrorKind::NoHost => {
                "only a host can send requests, and there is none here: run the executor with \
                 `wasm-flow`, or answer the requests of a test with `with_http` of \
                 `wasm_flow_sdk::testing`"
            }
        };
        HttpError::new(kind, reason)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.url.is_empty() {
            write!(f, "{}: ", shown(&self.url))?;
        }
        f.write_str(&self.reason)
    }
}

/// What a message shows of a URL: not the query, which may hold secrets, nor what
/// follows it.
pub(super) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// What a message quotes of a response's `location`.
pub(super) fn quoted_location(location: &str) -> String {
    shown(location).chars().take(QUOTED).collect()
}

/// How many characters of a response an error quotes.
pub(super) const QUOTED: usize = 200;

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_passes_is_retryable() {
        for kind in [
            ErrorKind::Timeout,
            ErrorKind::Connect,
            ErrorKind::Incomplete,
            ErrorKind::Status(408),
            ErrorKind::Status(425),
            ErrorKind::Status(429),
            ErrorKind::Status(500),
            ErrorKind::Status(503),
            ErrorKind::Status(529),
        ] {
            assert!(HttpError::from(kind).is_retryable(), "{kind:?}");
        }
        for kind in [
            ErrorKind::Url,
            ErrorKind::Refused,
            ErrorKind::Tls,
            ErrorKind::Redirect,
            ErrorKind::Body,
            ErrorKind::Protocol,
            ErrorKind::NoHost,
            ErrorKind::Status(302),
            ErrorKind::Status(404),
            ErrorKind::Status(501),
            ErrorKind::Status(505),
        ] {
            assert!(!HttpError::from(kind).is_retryable(), "{kind:?}");
        }
    }

    #[test]
    fn the_failure_has_the_kinds_name_and_says_whether_to_try_again() {
        let error = HttpError::from(ErrorKind::Timeout)
            .at("http://h/")
            .repeated(Repeat::of("GET"));
        let error = Error::from(error);
        assert_eq!(error.name(), "HttpTimeout");
        assert_eq!(error.message(), "http://h/: the response took too long");
        assert_eq!(error.details(), r#"{"retry":true}"#);
        assert!(error.downcast_ref::<HttpError>().is_some());

        let second = Some(Duration::from_secs(1));
        let busy = HttpError::from(ErrorKind::Status(503)).with_retry_after(second);
        let error = Error::from(busy);
        assert_eq!(error.name(), "HttpStatus");
        assert_eq!(error.details(), r#"{"retry":true,"retry-after":1000}"#);

        let moved = HttpError::from(ErrorKind::Status(301)).with_retry_after(second);
        assert_eq!(Error::from(moved).details(), "");
        assert_eq!(
            Error::from(HttpError::from(ErrorKind::Refused)).details(),
            ""
        );
    }

    #[test]
    fn the_host_is_told_to_repeat_only_what_does_no_harm() {
        let told = |kind: ErrorKind, repeat| {
            let error = HttpError::from(kind).repeated(repeat);
            assert!(error.is_retryable(), "{kind:?}");
            assert_ne!(error.retryable(), Retry::Never);
            !Error::from(error).details().is_empty()
        };
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert!(told(ErrorKind::Timeout, Repeat::of(method)), "{method}");
        }
        for method in ["POST", "PATCH", "get"] {
            let repeat = Repeat::of(method);
            for kind in [
                ErrorKind::Timeout,
                ErrorKind::Incomplete,
                ErrorKind::Status(408),
                ErrorKind::Status(500),
                ErrorKind::Status(504),
            ] {
                assert!(!told(kind, repeat), "{method} {kind:?}");
            }
            for kind in [
                ErrorKind::Connect,
                ErrorKind::Status(425),
                ErrorKind::Status(429),
                ErrorKind::Status(503),
            ] {
                assert!(told(kind, repeat), "{method} {kind:?}");
                assert!(!told(kind, repeat.after_redirect()), "{method} {kind:?}");
            }
        }
        assert!(told(ErrorKind::Connect, Repeat::of("GET").after_redirect()));
    }

    #[test]
    fn the_first_url_stays_and_a_redirect_is_named() {
        let error = HttpError::new(ErrorKind::Refused, "no").redirected_to("http://b/");
        assert_eq!(error.to_string(), "redirected to http://b/: no");
        let error = error.at("http://a/").at("http://c/");
        assert_eq!(error.url(), "http://a/");
        assert_eq!(error.to_string(), "http://a/: redirected to http://b/: no");
    }

    #[test]
    fn queries_are_not_shown() {
        let error = HttpError::new(ErrorKind::Refused, "no")
            .redirected_to("http://b/x?token=b#c")
            .at("http://a/?token=a");
        assert_eq!(error.url(), "http://a/?token=a");
        assert_eq!(error.to_string(), "http://a/: redirected to http://b/x: no");
        assert_eq!(
            quoted_location(&format!("/{}", "ü".repeat(300)))
                .chars()
                .count(),
            200
        );
        assert_eq!(quoted_location("/a?token=b"), "/a");
    }
}
