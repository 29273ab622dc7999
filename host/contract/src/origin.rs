//! Where HTTP requests may go.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

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
    /// Its port is not one.
    #[error("the port is not a number from 0 to 65535; {FORM}")]
    Port,
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
        match uri.query() {
            None => HttpOrigin::of(&uri),
            Some(_) => Err(OriginError::NotOrigin),
        }
    }

    /// Where a request to `uri` goes, with the path of that.
    ///
    /// # Errors
    /// When it goes nowhere.
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let (scheme, default) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(OriginError::NotOrigin),
        };
        let authority = uri.authority().ok_or(OriginError::NotOrigin)?;
        let host = authority.host();
        // `Authority::port` has none both if there is none and if it cannot be read.
        let whole = authority.as_str();
        let after = whole
            .rsplit_once('@')
            .map_or(whole, |(_user, rest)| rest)
            .strip_prefix(host)
            .ok_or(OriginError::NotOrigin)?;
        let port = match after.strip_prefix(':') {
            None if after.is_empty() => default,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map_err(|_| OriginError::Port)?
            }
            _ => return Err(OriginError::Port),
        };
        Ok(HttpOrigin {
            scheme: scheme.to_owned(),
            host: host.to_ascii_lowercase(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The same without a path: all that the server has.
    #[must_use]
    pub fn whole(self) -> Self {
        HttpOrigin {
            path: String::new(),
            ..self
        }
    }

    /// Whether requests go over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The name of the host, or its address. That of IPv6 is in no brackets.
    pub fn host(&self) -> &str {
        let inside = self.host.strip_prefix('[');
        inside
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    /// The port, also if it is the usual one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Whether the host is this machine by its name.
    pub fn is_localhost(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        name == "localhost" || name.ends_with(".localhost")
    }

    /// Whether a request to `uri` is one to this place.
    pub fn covers(&self, uri: &Uri) -> bool {
        HttpOrigin::of(uri).is_ok_and(|other| {
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
            ("http://[::1]:8080", "http://[::1]:8080/", true),
            ("http://[::1]", "http://[::1]:8080/", false),
            ("https://a", "https://a:99999/", false),
            // The host is in the port, too.
            ("http://1", "http://1:8081/", false),
        ] {
            assert_eq!(covers(origin, uri), expected, "{origin} {uri}");
        }
    }

    #[test]
    fn an_origin_says_where_to_connect() {
        for (text, host, port, address, localhost) in [
            ("https://A.example/x", "a.example", 443, false, false),
            ("http://[::1]:8080", "::1", 8080, true, false),
            ("http://10.0.0.1", "10.0.0.1", 80, true, false),
            ("http://localhost", "localhost", 80, false, true),
            ("http://a.localhost.", "a.localhost.", 80, false, true),
            ("http://notlocalhost", "notlocalhost", 80, false, false),
            // What the C library takes for 127.0.0.1 is a name here, and looked up.
            ("http://0x7f000001", "0x7f000001", 80, false, false),
        ] {
            let origin = HttpOrigin::parse(text).unwrap();
            assert_eq!((origin.host(), origin.port()), (host, port), "{text}");
            assert_eq!(origin.address().is_some(), address, "{text}");
            assert_eq!(origin.is_localhost(), localhost, "{text}");
            assert_eq!(origin.is_secure(), text.starts_with("https"), "{text}");
        }
        let whole = HttpOrigin::parse("https://a:1/v1").unwrap().whole();
        assert_eq!(whole.to_string(), "https://a:1");
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
        for text in [
            "https://a:99999",
            "https://a:65536/v1",
            "https://a:",
            "https://[::1]:70000",
        ] {
            assert_eq!(HttpOrigin::parse(text), Err(OriginError::Port), "{text}");
        }
        let origin = HttpOrigin::parse("https://a.example:8443/v1/").unwrap();
        assert_eq!(origin.to_string(), "https://a.example:8443/v1");
    }
}
