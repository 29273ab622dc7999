//! Connections to servers that speak gRPC.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use http::Uri;
use tonic::ConnectError;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use wasm_flow_contract::remote::{HostPort, Secret, TlsConfig};

use crate::bounds::{
    CLIENT_KEEPALIVE, CONNECT, CONNECTION_WINDOW, KEEPALIVE_ANSWER, STREAM_WINDOW, TCP_KEEPALIVE,
    TCP_KEEPALIVE_RETRIES,
};

/// When a server that is silent is asked whether it is still there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keepalive {
    /// How long it has to have been silent.
    pub(super) after: Duration,
    /// How long it has to answer.
    pub(super) answer: Duration,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive {
            after: CLIENT_KEEPALIVE,
            answer: KEEPALIVE_ANSWER,
        }
    }
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

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// What connects to `address`, which is one of the server that is known as `server`.
    ///
    /// # Errors
    /// When the certificates or the key are none.
    pub(super) fn endpoint(&self, server: &HostPort, address: &str) -> Result<Endpoint, TlsError> {
        let wrong = |error: &dyn Error| {
            let cause = root_cause(error);
            let help = match cause.contains("KeyMismatch") {
                true => "; the key is that of another certificate",
                false => "",
            };
            TlsError(format!("the certificates cannot be used: {cause}{help}"))
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
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// An error and its causes, the outermost first.
pub(super) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Why a connection broke or was never there, and what to do about it. The server
/// `has_answered` if it said anything before, on this connection or on one like it.
pub(super) fn broken(error: &(dyn Error + 'static), is_secure: bool, has_answered: bool) -> String {
    let cause = root_cause(error);
    let known = match is_secure {
        true => tls_help(&cause),
        false => None,
    };
    let unanswered = || match has_answered {
        true => None,
        false => unanswered_help(error, is_secure),
    };
    let help = known.or_else(unanswered);
    cause + help.unwrap_or_default()
}

/// What to do about what rustls says, as far as it does not say so itself.
fn tls_help(cause: &str) -> Option<&'static str> {
    let causes = [
        (
            "UnknownIssuer",
            "; the server's certificate comes from nobody who is trusted: name its authority's \
             certificate as `ca` (`--ca` or WASM_FLOW_CA for `wasm-flow post`)",
        ),
        (
            "CaUsedAsEndEntity",
            "; the server shows the certificate of an authority as its own: give it a \
             certificate of its own, with `basicConstraints=CA:FALSE`",
        ),
        (
            "received corrupt message",
            "; what answers there has no TLS: is it a grpc:// address?",
        ),
        (
            "CertificateRequired",
            "; the server wants a certificate of this side: `cert` and `key`",
        ),
        // std's words for a name that is not known.
        ("failed to lookup address", "; check the name"),
    ];
    let found = causes.into_iter().find(|(known, _)| cause.contains(known));
    found.map(|(_, help)| help)
}

/// What to do about a connection that ended, in whatever way, before the server said
/// anything over it.
fn unanswered_help(error: &(dyn Error + 'static), is_secure: bool) -> Option<&'static str> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

    if causes(error).any(|cause| cause.is::<ConnectError>()) {
        // TLS is a part of connecting.
        let said = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>())?;
        return match said.kind() {
            _ if !is_secure => None,
            io::ErrorKind::ConnectionRefused => {
                Some("; nobody listens there: check the host and the port")
            }
            // What a server without TLS makes of the first bytes of TLS.
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
                Some("; is it a grpc:// address, without TLS?")
            }
            _ => None,
        };
    }
    let mut of_http2 = causes(error).filter_map(|cause| cause.downcast_ref::<h2::Error>());
    if of_http2.any(h2::Error::is_remote) {
        // It speaks HTTP/2, and so has got through.
        return None;
    }
    Some(match is_secure {
        // With TLS 1.3, a server refuses a certificate when the first call is on its way,
        // and its reason may be lost with the connection.
        true => "; if the server wants a certificate of this side, see to `cert` and `key`",
        // What a server with TLS makes of a call without: an alert, which is not HTTP/2, and
        // an end.
        false => {
            "; if the server wants TLS, its address is a grpcs:// one; otherwise it may be no \
             gRPC server"
        }
    })
}
