//! How an executor is run: what it is constructed with, what bounds it, what it
//! is granted.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde_json::{Map, Value};

use crate::bounds;

/// How an executor of a flow is run.
#[derive(Debug, Clone)]
pub struct ExecutorConfig {
    /// Its name in the flow.
    pub name: String,
    /// What it is constructed with.
    pub uses_with: Map<String, Value>,
    /// Overrides of its metas (`name`, `description`, `workspace`).
    pub uses_metas: Map<String, Value>,
    /// Endpoint to method, over the executor's own bindings. A method named
    /// here loses the endpoints of its own.
    pub uses_requests: BTreeMap<String, String>,
    /// How many instances share the requests.
    pub replicas: NonZeroU32,
    /// How long an instance lives.
    pub isolation: Isolation,
    /// Wall-clock bound of one call, from when the method is entered: waiting
    /// in the executor's queue does not count. Also of `start`, per instance.
    pub timeout: Duration,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach. Nothing, by default.
    pub allow: Allow,
    /// The folder to keep its files in. Each replica may read and write a folder of
    /// its own below it, `<workspace>/<name>/<replica>`, which it sees as
    /// `/workspace`. It is made if it is not there.
    pub workspace: Option<PathBuf>,
}

impl ExecutorConfig {
    /// An executor with this name and defaults for everything else.
    pub fn new(name: impl Into<String>) -> Self {
        ExecutorConfig {
            name: name.into(),
            uses_with: Map::new(),
            uses_metas: Map::new(),
            uses_requests: BTreeMap::new(),
            replicas: NonZeroU32::MIN,
            isolation: Isolation::default(),
            timeout: ExecutorConfig::DEFAULT_TIMEOUT,
            limits: Limits::default(),
            allow: Allow::default(),
            workspace: None,
        }
    }

    /// The default of `timeout`.
    pub const DEFAULT_TIMEOUT: Duration = bounds::DEFAULT_TIMEOUT;
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// As long as the flow, unless it traps or hangs. Requests see the state
    /// that earlier ones left.
    #[default]
    Shared,
    /// One request. Nothing is carried over to the next.
    Request,
}

/// What one replica of an executor may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Also of the values that one call of the host gives
    /// to the executor, and of those that it takes from it, but then no less than
    /// 128 MiB.
    pub memory: u64,
    /// Calls in flight; more wait in the executor's queue.
    pub concurrency: NonZeroU32,
    /// Bytes of the documents of one reply that the method made or changed. What it
    /// returns as it came is not counted.
    pub reply: NonZeroU64,
}

impl Limits {
    /// Linear memory is addressed with 32 bits.
    pub const MAX_MEMORY: u64 = bounds::MAX_MEMORY;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: bounds::DEFAULT_MEMORY,
            concurrency: bounds::DEFAULT_CONCURRENCY,
            reply: bounds::DEFAULT_REPLY,
        }
    }
}

/// What an executor may reach.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// Where it may send HTTP requests to.
    pub http: Vec<HttpOrigin>,
    /// Variables of the host's environment that it sees.
    pub env: Vec<String>,
    /// Folders of the host that it sees.
    pub dirs: Vec<DirGrant>,
}

/// A folder that an executor sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The folder on the host.
    pub host: PathBuf,
    /// The absolute path that the executor sees it under.
    pub guest: String,
    /// What it may do there.
    pub access: Access,
}

/// What an executor may do in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// List and read.
    #[default]
    Read,
    /// Also create, change and remove.
    Write,
}

/// A place that an executor may send HTTP requests to: scheme, host and port
/// must be equal, and the path must lie at or below the one given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOrigin {
    scheme: String,
    host: String,
    port: u16,
    /// Without a slash at the end; empty for everything.
    path: String,
}

/// Why a string is not an [`HttpOrigin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It has a `*`.
    #[error("wildcards are not supported: name each host; {FORM}")]
    Wildcard,
    /// It has a user's name.
    #[error("a user name has no place here; {FORM}")]
    UserName,
    /// It cannot be read as a URL.
    #[error("not a URL; {FORM}")]
    NotUrl,
    /// It is a URL of another kind.
    #[error("not an http or https URL with a host and without a query; {FORM}")]
    NotOrigin,
}

const FORM: &str = "write `https://host`, optionally with `:port` and `/path`";

impl HttpOrigin {
    /// Reads `https://host`, with a port and a path if needed.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text.contains('*') {
            return Err(OriginError::Wildcard);
        }
        if text.contains('@') {
            return Err(OriginError::UserName);
        }
        let uri: Uri = text.parse().map_err(|_| OriginError::NotUrl)?;
        HttpOrigin::of(&uri)
            .filter(|_| uri.query().is_none())
            .ok_or(OriginError::NotOrigin)
    }

    fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?;
        let port = match (scheme, uri.port_u16()) {
            ("http" | "https", Some(port)) => port,
            ("http", None) => 80,
            ("https", None) => 443,
            _ => return None,
        };
        Some(HttpOrigin {
            scheme: scheme.to_owned(),
            host: uri.host()?.to_ascii_lowercase(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether a request to `uri` is one to this place.
    pub fn covers(&self, uri: &Uri) -> bool {
        HttpOrigin::of(uri).is_some_and(|other| {
            let below = other
                .path
                .strip_prefix(&self.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // A server may read `..` as it likes, so no prefix holds for it.
            let plain = self.path.is_empty() || !has_dots(uri.path());
            (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
                && below
                && plain
        })
    }
}

/// Whether a path has a `.` or `..` segment, percent-encoded ones included.
fn has_dots(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".");
    path.contains("%2f")
        || path.contains("%5c")
        || path.contains('\\')
        || path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
}

impl fmt::Display for HttpOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => {}
            (_, port) => write!(f, ":{port}")?,
        }
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_covers_itself_and_what_lies_below() {
        let covers = |origin: &str, uri: &str| {
            HttpOrigin::parse(origin)
                .unwrap()
                .covers(&uri.parse().unwrap())
        };
        for (origin, uri, expected) in [
            ("https://a.example", "https://a.example/x?y", true),
            ("https://a.example", "https://A.example:443/", true),
            ("https://a.example", "http://a.example/", false),
            ("https://a.example", "https://b.a.example/", false),
            ("https://a.example", "https://a.example.b/", false),
            ("https://a.example", "https://a.example:8443/", false),
            ("http://a:8080/v1/", "http://a:8080/v1", true),
            ("http://a:8080/v1", "http://a:8080/v1/x", true),
            ("http://a:8080/v1", "http://a:8080/v10", false),
            ("http://a:8080/v1", "http://a:8080/v1/../admin", false),
            ("http://a:8080/v1", "http://a:8080/v1/%2E%2e/admin", false),
            ("http://a:8080/v1", "http://a:8080/v1/..%2fadmin", false),
            ("http://a", "http://user@a/", true),
        ] {
            assert_eq!(covers(origin, uri), expected, "{origin} {uri}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "a.example",
            "ftp://a",
            "https://*.a",
            "https://a?x",
            "",
            "https://u@a",
        ] {
            assert!(HttpOrigin::parse(text).is_err(), "{text}");
        }
        let origin = HttpOrigin::parse("https://a.example:8443/v1/").unwrap();
        assert_eq!(origin.to_string(), "https://a.example:8443/v1");
    }
}
