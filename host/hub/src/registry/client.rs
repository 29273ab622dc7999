//! The HTTP client that all registries share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::Url;
use wasm_flow_contract::hub::Repository;

use super::redirect::{Reach, Resolver, authority, is_loopback, is_plain};
use super::tokens::Tokens;
use crate::bounds::{CONNECT, SILENCE};
use crate::credentials::Credentials;

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: {0}")]
pub struct ClientError(String);

/// Asks registries. Cheap to clone: all clones share their connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// For this machine. No proxy is asked to reach it.
    loopback: reqwest::Client,
    /// For hosts that the user has named.
    named: reqwest::Client,
    /// For hosts that a registry has named.
    led: reqwest::Client,
    plain: BTreeSet<String>,
    credentials: Credentials,
    tokens: Tokens,
}

impl Client {
    /// A client with these credentials. `plain` are hosts, each with its port if that is
    /// not 80, that are asked without TLS; those of this machine always are.
    ///
    /// Servers are trusted as the system's settings say, so a company's own authority
    /// works. The usual variables (`HTTPS_PROXY`, `NO_PROXY`) name a proxy. Then the
    /// proxy looks names up, and it is the proxy that has to keep this machine from
    /// addresses that it may not ask.
    ///
    /// # Errors
    /// When the settings of TLS cannot be used.
    pub fn new(credentials: Credentials, plain: BTreeSet<String>) -> Result<Client, ClientError> {
        let tls = tls().map_err(|error| ClientError(error.to_string()))?;
        // As addresses have them: without the port 80, and IPv6 in its shortest form.
        let plain = plain.into_iter().map(|host| {
            let url: Option<Url> = format!("http://{host}/").parse().ok();
            url.map_or(host, |url| authority(&url))
        });
        let plain = plain.collect();
        let make = |reach| {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!("wasm-flow/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Resolver(reach))
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT)
                .tcp_keepalive(SILENCE)
                .pool_idle_timeout(Duration::from_secs(30));
            if reach == Reach::Loopback {
                builder = builder.no_proxy();
            }
            let failed = |error: reqwest::Error| ClientError(error.to_string());
            builder.build().map_err(failed)
        };
        Ok(Client {
            shared: Arc::new(Shared {
                loopback: make(Reach::Loopback)?,
                named: make(Reach::Named)?,
                led: make(Reach::Led)?,
                plain,
                credentials,
                tokens: Tokens::default(),
            }),
        })
    }

    /// Forgets the tokens for a registry.
    pub fn forget(&self, repository: &Repository) {
        self.shared.tokens.forget(repository.host());
    }

    /// The address of a registry.
    pub(super) fn base(&self, repository: &Repository) -> Option<Url> {
        let host = repository.host();
        let plain: Url = format!("http://{host}/v2/").parse().ok()?;
        match is_plain(&plain, &self.shared.plain) {
            true => Some(plain),
            false => format!("https://{host}/v2/").parse().ok(),
        }
    }

    /// What sends a request to `to` that the user has meant for `named`.
    pub(super) fn sender(&self, named: &Url, to: &Url) -> &reqwest::Client {
        if is_loopback(to) {
            &self.shared.loopback
        } else if named.host() == to.host() {
            &self.shared.named
        } else {
            &self.shared.led
        }
    }

    pub(super) fn plain(&self) -> &BTreeSet<String> {
        &self.shared.plain
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.shared.credentials
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }
}

/// TLS by ring, as the rest of the host has it, with what the system trusts.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
    };
    let mut tls = match builder()?.with_platform_verifier() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(error) => {
            // Such as a container with no certificates at all. A registry on this machine
            // needs none; of any other one the error says that it is not trusted.
            tracing::debug!(%error, "no certificates of the system can be used");
            let none = rustls::RootCertStore::empty();
            builder()?
                .with_root_certificates(none)
                .with_no_client_auth()
        }
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_asked_by_the_client_that_is_for_it() {
        let plain = [
            "plain.example.com:5000",
            "usual.example.com:80",
            "[2001:DB8:0::1]:5000",
        ];
        let plain = plain.into_iter().map(str::to_owned).collect();
        let client = Client::new(Credentials::none(), plain).unwrap();
        let base = |repository: &str| client.base(&repository.parse().unwrap()).unwrap();
        for (repository, expected) in [
            ("a.example.com/x", "https://a.example.com/v2/"),
            ("plain.example.com/x", "https://plain.example.com/v2/"),
            (
                "plain.example.com:5000/x",
                "http://plain.example.com:5000/v2/",
            ),
            ("localhost:5000/x", "http://localhost:5000/v2/"),
            // The port of plain HTTP need not be written, and is not, in an address.
            ("usual.example.com:80/x", "http://usual.example.com/v2/"),
            ("[2001:db8::1]:5000/x", "http://[2001:db8::1]:5000/v2/"),
        ] {
            assert_eq!(base(repository).as_str(), expected);
        }
        let named = base("a.example.com/x");
        for (to, expected) in [
            ("https://a.example.com/blob", &client.shared.named),
            ("https://a.example.com:444/blob", &client.shared.named),
            ("https://b.example.com/blob", &client.shared.led),
            ("http://127.0.0.1/blob", &client.shared.loopback),
        ] {
            let sender = client.sender(&named, &to.parse().unwrap());
            assert!(std::ptr::eq(sender, expected), "{to}");
        }
    }
}
