//! Where a registry may lead a request to.
//!
//! A registry chooses the address: of a redirect, of an upload, and of the server that
//! gives tokens. Without these rules it could have this machine ask its own services, or
//! those of the cloud that it runs in, such as the one at 169.254.169.254.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};
use wasm_flow_contract::address::Reserved;

/// Why a request is not sent where the registry leads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misled {
    /// The address cannot be read.
    #[error("an address that cannot be read")]
    Unreadable,
    /// It is of a protocol that is not HTTP.
    #[error("an address of `{0}:`, which is not HTTP")]
    Scheme(String),
    /// From TLS to no TLS.
    #[error(
        "{0} without TLS, from an address with TLS (behind a proxy, the registry has to be told \
         of TLS by `X-Forwarded-Proto`, or to give relative addresses)"
    )]
    Downgrade(String),
    /// To a host without TLS that may not be without.
    #[error(
        "{0} without TLS; if that is meant, add \"{0}\" to `plain_http` under [hub] in flow.toml"
    )]
    Plain(String),
    /// To an address that belongs to no server of a registry.
    #[error(
        "{0}, which is a link-local, unspecified or multicast address, or one of a cloud's own \
         services"
    )]
    Forbidden(String),
    /// To this machine.
    #[error("{0}, which is this machine")]
    Loopback(String),
    /// Too many times.
    #[error("a further address, the sixth in a row")]
    TooMany,
}

/// Whether a request to `from` may be led to `to`.
pub(super) fn may_lead(from: &Url, to: &Url, plain: &BTreeSet<String>) -> Result<(), Misled> {
    let authority = authority(to);
    let Some(host) = to.host() else {
        return Err(Misled::Unreadable);
    };
    match to.scheme() {
        "https" => {}
        "http" if from.scheme() == "https" => return Err(Misled::Downgrade(authority)),
        "http" if !is_plain(to, plain) => return Err(Misled::Plain(authority)),
        "http" => {}
        other => return Err(Misled::Scheme(other.to_owned())),
    }
    if address(&host).is_some_and(is_forbidden) {
        return Err(Misled::Forbidden(authority));
    }
    // The registry may have a name of its own on this machine.
    if is_loopback(to) && !is_loopback(from) && from.host() != to.host() {
        return Err(Misled::Loopback(authority));
    }
    Ok(())
}

/// The host, and the port if it is not the usual one.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        None => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    }
}

/// Whether credentials for one are for the other, too.
pub(super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

/// Whether a host is asked without TLS.
pub(super) fn is_plain(url: &Url, plain: &BTreeSet<String>) -> bool {
    is_loopback(url) || plain.contains(&authority(url))
}

/// Whether the host is this machine by its name.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(host) => address(&host).is_some_and(|address| address.is_loopback()),
        None => false,
    }
}

fn address(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        // Also the form of an IPv4 address in IPv6.
        Host::Ipv6(address) => Some(IpAddr::V6(*address).to_canonical()),
    }
}

/// Whether no registry can be there. One may be in a private network.
fn is_forbidden(address: IpAddr) -> bool {
    matches!(
        Reserved::of(address),
        Some(Reserved::LinkLocal | Reserved::Unspecified | Reserved::Multicast | Reserved::Cloud)
    )
}

/// Which addresses a name may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of this machine, for `localhost`.
    Loopback,
    /// Those of a host that the user has named.
    Named,
    /// Those of a host that a registry has named: not this machine.
    Led,
}

impl Reach {
    fn takes(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Reach::Loopback => address.is_loopback(),
            Reach::Named => !is_forbidden(address),
            Reach::Led => !is_forbidden(address) && !address.is_loopback(),
        }
    }
}

/// A name has none of the addresses that it may have.
#[derive(Debug, thiserror::Error)]
#[error("its name has no address but {0}, to which nothing is sent")]
struct NoAddress(IpAddr);

/// Looks names up, and leaves out the addresses that are not asked.
#[derive(Debug, Clone)]
pub(super) struct Resolver(pub(super) Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let name: Arc<str> = Arc::from(name.as_str());
            let found = tokio::net::lookup_host((&*name, 0)).await?;
            let (taken, left): (Vec<SocketAddr>, Vec<_>) =
                found.partition(|found| reach.takes(found.ip()));
            match (taken.is_empty(), left.first()) {
                (true, Some(left)) => Err(NoAddress(left.ip()).into()),
                _ => Ok(Box::new(taken.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(from: &str, to: &str) -> Result<(), Misled> {
        let plain = BTreeSet::from(["plain.example.com:5000".to_owned()]);
        may_lead(&from.parse().unwrap(), &to.parse().unwrap(), &plain)
    }

    #[test]
    fn a_registry_leads_to_other_registries_and_nowhere_else() {
        let registry = "https://registry.example.com/v2/";
        for (from, to) in [
            (registry, "https://blobs.example.com/a?b=c"),
            (registry, "https://registry.example.com:8443/"),
            (registry, "https://10.0.0.1/"),
            ("http://localhost:5000/", "http://localhost:5001/"),
            ("http://localhost:5000/", "http://127.0.0.1:5001/"),
            ("http://127.0.0.1:5000/", "https://blobs.example.com/"),
            ("http://localhost/", "http://plain.example.com:5000/"),
        ] {
            assert_eq!(lead(from, to), Ok(()), "{from} {to}");
        }
        let forbidden = |host: &str| Misled::Forbidden(host.to_owned());
        let loopback = |host: &str| Misled::Loopback(host.to_owned());
        for (from, to, expected) in [
            (
                registry,
                "http://registry.example.com/",
                Misled::Downgrade("registry.example.com".into()),
            ),
            (
                "http://localhost/",
                "http://blobs.example.com/",
                Misled::Plain("blobs.example.com".into()),
            ),
            (
                "http://localhost/",
                "http://plain.example.com/",
                Misled::Plain("plain.example.com".into()),
            ),
            (
                registry,
                "https://169.254.169.254/",
                forbidden("169.254.169.254"),
            ),
            (registry, "https://[fe80::1]/", forbidden("[fe80::1]")),
            (
                registry,
                "https://[::ffff:169.254.169.254]/",
                forbidden("[::ffff:a9fe:a9fe]"),
            ),
            (
                registry,
                "https://[64:ff9b::169.254.169.254]/",
                forbidden("[64:ff9b::a9fe:a9fe]"),
            ),
            (
                registry,
                "https://[fd00:ec2::254]/",
                forbidden("[fd00:ec2::254]"),
            ),
            (
                registry,
                "https://168.63.129.16/",
                forbidden("168.63.129.16"),
            ),
            (registry, "https://0.0.0.0/", forbidden("0.0.0.0")),
            (registry, "https://[::]:80/", forbidden("[::]:80")),
            (registry, "https://224.0.0.1/", forbidden("224.0.0.1")),
            // What browsers and curl take for 169.254.169.254.
            (
                registry,
                "https://0xa9fea9fe/",
                forbidden("169.254.169.254"),
            ),
            (
                "http://localhost/",
                "https://169.254.169.254/",
                forbidden("169.254.169.254"),
            ),
            (registry, "https://127.0.0.1/", loopback("127.0.0.1")),
            (registry, "https://127.9.9.9:1/", loopback("127.9.9.9:1")),
            (registry, "https://localhost/", loopback("localhost")),
            (registry, "https://localhost./", loopback("localhost.")),
            (registry, "https://a.localhost/", loopback("a.localhost")),
            (registry, "https://[::1]/", loopback("[::1]")),
            (
                registry,
                "https://[::ffff:127.0.0.1]/",
                loopback("[::ffff:7f00:1]"),
            ),
            (registry, "file:///etc/passwd", Misled::Unreadable),
            (registry, "ftp://example.com/", Misled::Scheme("ftp".into())),
        ] {
            assert_eq!(lead(from, to), Err(expected), "{from} {to}");
        }
    }

    #[test]
    fn credentials_are_for_one_origin() {
        let same = |a: &str, b: &str| is_same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://a.b/c", "https://a.b:443/d?e"));
        assert!(same("https://a.b/c", "https://A.b/"));
        assert!(!same("https://a.b/", "http://a.b/"));
        assert!(!same("https://a.b/", "https://a.b:8443/"));
        assert!(!same("https://a.b/", "https://c.a.b/"));
        assert!(!same("https://a.b/", "https://a.b.c/"));
    }

    #[tokio::test]
    async fn names_have_no_addresses_that_may_not_be_asked() {
        let ask = |reach| Resolver(reach).resolve("localhost".parse().unwrap());
        assert!(ask(Reach::Loopback).await.unwrap().count() > 0);
        assert!(ask(Reach::Named).await.unwrap().count() > 0);
        let error = ask(Reach::Led).await.err().unwrap().to_string();
        assert!(error.contains("to which nothing is sent"), "{error}");
        let metadata: IpAddr = "169.254.169.254".parse().unwrap();
        let mapped: IpAddr = "::ffff:169.254.169.254".parse().unwrap();
        for reach in [Reach::Loopback, Reach::Named, Reach::Led] {
            assert!(!reach.takes(metadata) && !reach.takes(mapped));
        }
        assert!(!Reach::Loopback.takes("10.0.0.1".parse().unwrap()));
        assert!(Reach::Led.takes("10.0.0.1".parse().unwrap()));
    }
}
