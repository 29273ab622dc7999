//! Connections to servers that speak gRPC.

use std::fmt;
use std::time::Duration;

use http::Uri;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use wasm_flow_contract::remote::{HostPort, Secret, TlsConfig};

use crate::bounds::{
    CONNECT, CONNECTION_WINDOW, STREAM_WINDOW, TCP_KEEPALIVE, TCP_KEEPALIVE_RETRIES,
};

/// When a server that is silent is asked whether it is still there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keepalive {
    /// How long it has to have been silent.
    pub(super) after: Duration,
    /// How long it has to answer.
    pub(super) answer: Duration,
}

/// Certificates, a key or a token that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// What connections to the servers of one address are made with.
#[derive(Clone)]
pub(super) struct Connector {
    tls: Option<ClientTlsConfig>,
    keepalive: Keepalive,
}

impl fmt::Debug for Connector {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Connections without TLS.
    pub(super) fn plain(keepalive: Keepalive) -> Connector {
        Connector {
            tls: None,
            keepalive,
        }
    }

    /// Connections over TLS.
    ///
    /// # Errors
    /// When the certificates or the key are none.
    pub(super) fn secure(config: &TlsConfig, keepalive: Keepalive) -> Result<Connector, TlsError> {
        let mut tls = ClientTlsConfig::new();
        tls = match &config.ca {
            // What has none is no error to rustls: no server would be trusted.
            Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => {
                return Err(TlsError(
                    "the certificates cannot be used: there is none in `ca`, which has to be PEM"
                        .to_owned(),
                ));
            }
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_webpki_roots(),
        };
        if let Some((certificate, key)) = &config.identity {
            tls = tls.identity(Identity::from_pem(certificate, key.reveal()));
        }
        let connector = Connector {
            tls: Some(tls),
            keepalive,
        };
        // Certificates are read when an endpoint is made of them.
        let anywhere = HostPort {
            host: "localhost".to_owned(),
            port: 443,
        };
        connector.endpoint(&anywhere, "localhost:443")?;
        Ok(connector)
    }

    /// What connects to `address`, which is one of the server that is known as `server`.
    ///
    /// # Errors
    /// When the certificates or the key are none.
    pub(super) fn endpoint(&self, server: &HostPort, address: &str) -> Result<Endpoint, TlsError> {
        let wrong = |error: &dyn std::error::Error| {
            TlsError(format!(
                "the certificates cannot be used: {}",
                root_cause(error)
            ))
        };
        let scheme = match self.tls {
            Some(_) => "https",
            None => "http",
        };
        let origin: Uri = format!("{scheme}://{server}")
            .parse()
            .map_err(|error| wrong(&error))?;
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| wrong(&error))?
            .origin(origin)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            // A call waits as long as its executors take. Only a path that is dead ends it.
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .tcp_keepalive_interval(Some(TCP_KEEPALIVE))
            .tcp_keepalive_retries(Some(TCP_KEEPALIVE_RETRIES))
            .http2_keep_alive_interval(self.keepalive.after)
            .keep_alive_timeout(self.keepalive.answer)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => endpoint
                .tls_config(tls.clone().domain_name(server.host.clone()))
                .map_err(|error| wrong(&error)),
        }
    }
}

/// A token as a call's metadata.
///
/// # Errors
/// When it has characters that a header cannot have.
pub(super) fn bearer(token: &Secret) -> Result<MetadataValue<Ascii>, TlsError> {
    let mut value = MetadataValue::try_from(format!("Bearer {}", token.reveal()))
        .map_err(|_| TlsError("the token has characters that a header cannot have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The innermost of an error's causes: the outer ones say "transport error".
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
