//! URLs, as far as a request needs them.
//!
//! The `url` crate would bring its tables for international host names into every
//! component that sends requests. The allow list is in ASCII, and so are the URLs here.

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a URL cannot have anywhere.
const SPACE: &AsciiSet = &CONTROLS.add(b' ');

/// What a reference may have that a URL cannot. Browsers take a `\` for a `/`. Whoever
/// checks a reference may not, so it is not a separator here.
const REFERENCE: &AsciiSet = &SPACE.add(b'\\');

/// What the URL standard encodes in a path. The `%` of what is encoded already is
/// left alone.
const PATH: &AsciiSet = &SPACE
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// What the URL standard encodes in a query.
const QUERY: &AsciiSet = &SPACE.add(b'"').add(b'<').add(b'>').add(b'\'');

/// A URL, split into the parts of a request, and written as the URL standard writes
/// it: without a default port and without `.` and `..` in the path. It has no
/// fragment, since that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    text: String,
    secure: bool,
    /// The host, and the port unless it is the scheme's own.
    authority: String,
    /// The path from its first slash on, with the query.
    path: String,
}

impl Url {
    /// Reads a URL. The error continues a sentence that begins with the URL.
    pub(super) fn parse(url: &str) -> Result<Url, String> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("is not a URL: it has to begin with `http://` or `https://`")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("has the scheme `{scheme}`: use `http` or `https`")),
        };
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(
                "has a space or a control character: encode it, as in `%20`, or add the query \
                 with `query`"
                    .to_owned(),
            );
        }
        let rest = without_fragment(rest);
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority_of(authority, secure)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut path = utf8_percent_encode(&without_dots(path), PATH).to_string();
        if let Some(query) = query {
            path.push('?');
            path.extend(utf8_percent_encode(query, QUERY));
        }
        let scheme = scheme_of(secure);
        Ok(Url {
            text: format!("{scheme}://{authority}{path}"),
            secure,
            authority,
            path,
        })
    }

    /// The URL that a reference, such as a `Location` header, means here.
    pub(super) fn join(&self, reference: &str) -> Result<Url, String> {
        // A browser does not mind a space in a `Location` either.
        let reference: String = utf8_percent_encode(reference.trim(), REFERENCE).collect();
        let reference = without_fragment(&reference);
        if has_scheme(reference) {
            return Url::parse(reference);
        }
        let scheme = scheme_of(self.secure);
        if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"));
        }
        let own = self.path_only();
        let path = match reference.chars().next() {
            None => self.path.clone(),
            Some('/') => reference.to_owned(),
            Some('?') => format!("{own}{reference}"),
            Some(_) => {
                let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{reference}")
            }
        };
        Url::parse(&format!("{scheme}://{}{path}", self.authority))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The path without the query.
    pub(super) fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The query, without its question mark.
    pub(super) fn query(&self) -> Option<&str> {
        Some(self.path.split_once('?')?.1)
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn path_with_query(&self) -> &str {
        &self.path
    }

    /// The origin as `http` under `[executors.allow]` expects it.
    #[cfg(any(test, target_family = "wasm"))]
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", scheme_of(self.secure), self.authority)
    }

    /// Whether scheme, host and port are the same.
    pub(super) fn same_origin(&self, other: &Url) -> bool {
        (self.secure, &self.authority) == (other.secure, &other.authority)
    }
}

/// A URL with a pair appended to its query, before its fragment.
pub(super) fn with_query(url: &str, key: &str, value: &str) -> String {
    let (start, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let between = match start.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let key = byte_serialize(key.as_bytes());
    let value = byte_serialize(value.as_bytes());
    let mut url = format!("{start}{between}");
    url.extend(key);
    url.push('=');
    url.extend(value);
    url.push_str(fragment);
    url
}

fn scheme_of(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.'))
    })
}

/// Host and port, checked and written in the one way that they are compared in.
fn authority_of(authority: &str, secure: bool) -> Result<String, String> {
    if authority.contains('@') {
        return Err("has a user name: send an `authorization` header instead".to_owned());
    }
    // An IPv6 address is in brackets, because it has colons itself.
    let port_at = authority
        .rfind(':')
        .filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = authority.split_at(port_at.unwrap_or(authority.len()));
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    if !host.is_ascii() {
        return Err(format!(
            "has the host `{host}`: write it in ASCII, as in `xn--bcher-kva.example`"
        ));
    }
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    if !valid {
        return Err(format!("has the host `{host}`, which is not valid"));
    }
    let mut authority = host.to_ascii_lowercase();
    if let Some(digits) = port.strip_prefix(':').filter(|digits| !digits.is_empty()) {
        let port: u16 = digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| {
                format!("has the port `{digits}`, which is not a number from 0 to 65535")
            })?;
        if port != if secure { 443 } else { 80 } {
            authority = format!("{authority}:{port}");
        }
    }
    Ok(authority)
}

/// A path from its first slash on, without its `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let dots = match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => 1,
            ".." => 2,
            _ => 0,
        };
        if dots == 2 {
            kept.pop();
        }
        if dots == 0 {
            kept.push(segment);
        } else if segments.peek().is_none() {
            // What a last `.` or `..` means is a folder.
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_parts() {
        let url = Url::parse("https://Example.com:8443/a/b?c=d#e").unwrap();
        assert!(url.is_secure());
        assert_eq!(url.authority, "example.com:8443");
        assert_eq!(url.path, "/a/b?c=d");
        assert_eq!(url.path_only(), "/a/b");
        assert_eq!(url.query(), Some("c=d"));
        assert_eq!(url.origin(), "https://example.com:8443");
        assert_eq!(url.as_str(), "https://example.com:8443/a/b?c=d");
        for (url, text) in [
            ("http://h", "http://h/"),
            ("http://h?q", "http://h/?q"),
            ("HTTP://[::1]:80/x", "http://[::1]/x"),
            ("http://h:443/", "http://h:443/"),
            ("https://h:443/", "https://h/"),
            ("https://h:/", "https://h/"),
            ("http://h/a/./b/../c", "http://h/a/c"),
            ("http://h/a/%2E%2e/..", "http://h/"),
            ("http://h/a/..?b=/../c", "http://h/?b=/../c"),
            ("http://h/a//b/", "http://h/a//b/"),
            (
                "http://h/é{x}%20?ü=<'>",
                "http://h/%C3%A9%7Bx%7D%20?%C3%BC=%3C%27%3E",
            ),
        ] {
            assert_eq!(Url::parse(url).unwrap().as_str(), text, "{url}");
        }
        for bad in [
            "example.com",
            "ftp://h/",
            "http:///x",
            "http://:80/",
            "http://u@h/",
            "http://h/a b",
            "http://bücher.example/",
            "http://a\\b/",
            "http://[::1/",
            "http://[x]/",
            "http://h:x/",
            "http://h:+1/",
            "http://h:65536/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    /// The examples of RFC 3986, section 5.4, as far as they are of this scheme.
    #[test]
    fn references_are_resolved() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, url) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g?http://x", "http://a/b/c/g?http://x"),
            (" a b é ", "http://a/b/c/a%20b%20%C3%A9"),
            ("HTTPS://B:443/x", "https://b/x"),
        ] {
            assert_eq!(base.join(reference).unwrap().as_str(), url, "{reference}");
        }
        for bad in ["mailto:a@b", "http:g", "http://", "//", "ftp://a/"] {
            assert!(base.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_is_encoded_and_put_before_the_fragment() {
        for (url, key, value, expected) in [
            (
                "http://h",
                "a b",
                "ü&=+?#/%",
                "http://h?a+b=%C3%BC%26%3D%2B%3F%23%2F%25",
            ),
            ("http://h/?", "a", "", "http://h/?a="),
            ("http://h/?x=y#f?", "a", "1", "http://h/?x=y&a=1#f?"),
            ("http://h/?x&", "a", "1", "http://h/?x&a=1"),
            ("http://h/#f", "a", "*-._~", "http://h/?a=*-._%7E#f"),
        ] {
            assert_eq!(with_query(url, key, value), expected);
        }
    }

    #[test]
    fn origins_are_compared_with_their_ports() {
        let same = |one: &str, other: &str| {
            Url::parse(one)
                .unwrap()
                .same_origin(&Url::parse(other).unwrap())
        };
        assert!(same("https://a/x", "https://A:443/y"));
        assert!(!same("https://a", "http://a"));
        assert!(!same("https://a", "https://a:8443"));
        assert!(!same("https://a", "https://a.b"));
    }

    #[test]
    fn a_backslash_separates_nothing() {
        let url = Url::parse("https://h/a/b").unwrap();
        for (reference, joined) in [
            ("\\c", "https://h/a/%5Cc"),
            ("/\\other/c", "https://h/%5Cother/c"),
            ("..\\c", "https://h/a/..%5Cc"),
        ] {
            assert_eq!(url.join(reference).unwrap().as_str(), joined);
        }
        // Not a host of its own, nor one that is not a host.
        assert!(url.join("https://other\\@h/").is_err());
    }
}
