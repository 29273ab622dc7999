//! Executors that run elsewhere, and how they are reached.

use std::fmt;
use std::time::Duration;

use crate::bounds::MAX_ADDRESSES;

/// How a remote executor is called.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Its name in the flow.
    pub name: String,
    /// Where it is served.
    pub address: RemoteAddress,
    /// What connections are secured with, if the address is a `grpcs://` one.
    pub tls: TlsConfig,
    /// Sent with every call as `authorization: Bearer <token>`, over TLS alone.
    pub token: Option<Secret>,
    /// Wall-clock bound of a call, tries at several addresses included.
    pub timeout: Duration,
    /// Wall-clock bound of a try at one address, from when it is sent. None: `timeout`
    /// is the only bound.
    pub timeout_send: Option<Duration>,
    /// Bytes that one reply may take.
    pub reply: u64,
    /// How it gets the documents of several predecessors.
    pub predecessors: Predecessors,
}

/// How documents of several predecessors are sent. Jina's protocol has no room for both
/// forms in one request, and the gateway of a Jina Deployment takes one list alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessors {
    /// As one list.
    Together,
    /// Apart. A server that does not take them so fails the call.
    Apart,
    /// Apart if the server takes them so, and else as one list. Documents that have been
    /// put together by their ids stay together.
    ApartIfTaken,
}

/// Where a remote executor, or a gateway, is served: `grpc://host:port`, or
/// `grpcs://host:port` over TLS. Several hosts stand for one executor:
/// `grpc://a:5000,b:5000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteAddress {
    secure: bool,
    hosts: Vec<HostPort>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin with `grpc://` or `grpcs://`.
    #[error("not a gRPC address; {FORM}")]
    Scheme,
    /// There is no port.
    #[error("`{0}` has no port; {FORM}")]
    NoPort(String),
    /// The port is no number, or none that can be connected to.
    #[error("the port of `{0}` is not a number from 1 to 65535; {FORM}")]
    Port(String),
    /// The host is none.
    #[error("`{0}` is not a host name or an IP address; {FORM}")]
    Host(String),
    /// There are too many.
    #[error("{0} hosts are named, and at most {MAX_ADDRESSES} can be: give them one DNS name")]
    TooMany(usize),
}

const FORM: &str = "write grpc://host:port, or grpcs://host:port for TLS";

impl RemoteAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<RemoteAddress, AddressError> {
        let (secure, hosts) = match (text.strip_prefix("grpc://"), text.strip_prefix("grpcs://")) {
            (Some(hosts), _) => (false, hosts),
            (_, Some(hosts)) => (true, hosts),
            _ => return Err(AddressError::Scheme),
        };
        let hosts = hosts.trim_end_matches('/').split(',').map(str::trim);
        let count = hosts.clone().count();
        if count > MAX_ADDRESSES {
            return Err(AddressError::TooMany(count));
        }
        Ok(RemoteAddress {
            secure,
            hosts: hosts.map(HostPort::parse).collect::<Result<_, _>>()?,
        })
    }

    /// Whether connections are secured with TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The hosts. There is at least one.
    pub fn hosts(&self) -> &[HostPort] {
        &self.hosts
    }
}

impl HostPort {
    fn parse(text: &str) -> Result<HostPort, AddressError> {
        // An IPv6 address stands in brackets, because of its colons.
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        let is_host = match text.starts_with('[') {
            true => host.parse::<std::net::Ipv6Addr>().is_ok(),
            false => is_name && !host.is_empty() && host.len() <= MAX_HOST,
        };
        if !is_host {
            return Err(AddressError::Host(text.to_owned()));
        }
        let port = port.ok_or_else(|| AddressError::NoPort(text.to_owned()))?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_number && port > 0 => Ok(HostPort {
                host: host.to_owned(),
                port,
            }),
            _ => Err(AddressError::Port(text.to_owned())),
        }
    }
}

/// The most characters of a DNS name.
const MAX_HOST: usize = 253;

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "grpcs://" } else { "grpc://" })?;
        for (index, host) in self.hosts.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            host.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What TLS connections are made with.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// Certificates of the authorities that a server's certificate may come from, as
    /// PEM. None: those that browsers trust.
    pub ca: Option<String>,
    /// The certificate and the key to show to servers, as PEM.
    pub identity: Option<(String, Secret)>,
}

/// A text that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being printed.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The same of a token, which goes along with calls in a header.
    ///
    /// # Errors
    /// When a header cannot have it.
    pub fn token(text: impl Into<String>) -> Result<Secret, TokenError> {
        let text = text.into();
        match !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
            true => Ok(Secret(text)),
            false => Err(TokenError),
        }
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a token. The text is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is of visible ASCII characters")]
pub struct TokenError;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, secure, hosts) in [
            ("grpc://localhost:5000", false, &["localhost:5000"][..]),
            ("grpcs://a.example:443/", true, &["a.example:443"]),
            (
                "grpc://10.0.0.1:1,[::1]:2",
                false,
                &["10.0.0.1:1", "[::1]:2"],
            ),
        ] {
            let address = RemoteAddress::parse(text).unwrap();
            assert_eq!(address.is_secure(), secure);
            let found: Vec<String> = address.hosts().iter().map(HostPort::to_string).collect();
            assert_eq!(found, hosts);
            assert_eq!(address.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let error = |text: &str| RemoteAddress::parse(text).unwrap_err();
        assert_eq!(error("http://a:1"), AddressError::Scheme);
        assert_eq!(error("a:1"), AddressError::Scheme);
        assert_eq!(error("grpc://a"), AddressError::NoPort("a".into()));
        assert_eq!(error("grpc://[::1]"), AddressError::NoPort("[::1]".into()));
        for port in ["a:0", "a:65536", "a:+1", "a:", "a:x"] {
            let text = format!("grpc://{port}");
            assert_eq!(error(&text), AddressError::Port(port.into()));
        }
        for host in ["", ":1", "u@a:1", "::1:1", "a b:1", "[a]:1", "a/x:1"] {
            let text = format!("grpc://{host}");
            assert_eq!(error(&text), AddressError::Host(host.into()), "{text}");
        }
        let many = vec!["a:1"; MAX_ADDRESSES + 1].join(",");
        let many = format!("grpc://{many}");
        assert_eq!(error(&many), AddressError::TooMany(MAX_ADDRESSES + 1));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(..)");
    }

    #[test]
    fn a_token_is_one_that_a_header_can_have() {
        assert_eq!(Secret::token("!a~").unwrap().reveal(), "!a~");
        for wrong in ["", "a\n", "a b", "a ", "t\u{f6}ken", "\u{7f}"] {
            assert_eq!(Secret::token(wrong), Err(TokenError), "{wrong:?}");
        }
    }
}
