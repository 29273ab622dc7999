//! The ports that a gateway listens on.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::tls::ServerTlsError;

/// What listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The gateway.
    Gateway,
    /// Its health checks alone.
    Health,
}

impl fmt::Display for Listener {
    /// Where its port is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Listener::Gateway => "`--port` or with `port` under [gateway] in flow.toml",
            Listener::Health => "`port_health` under [gateway] in flow.toml",
        })
    }
}

/// Takes a port.
pub(super) async fn listen(
    listener: Listener,
    host: &str,
    port: u16,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let fail = |reason| BindError::new(listener, host, port, reason);
    // A host name may not resolve. The system has no error kind of its own for that.
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| fail(io::Error::new(io::ErrorKind::NotFound, error)))?
        .collect();
    let listener = TcpListener::bind(addresses.as_slice())
        .await
        .map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

/// Why a gateway has no port.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else has it.
    #[error(
        "cannot listen on {address}: something else has that port; stop it, or take another \
         port with {listener} (0 takes any free one)"
    )]
    Taken {
        /// What was to listen there.
        listener: Listener,
        /// `host:port`.
        address: String,
    },
    /// The port needs rights that this process lacks.
    #[error(
        "cannot listen on {address}: this user may not open that port; take one above 1023 with \
         {listener}"
    )]
    Forbidden {
        /// What was to listen there.
        listener: Listener,
        /// `host:port`.
        address: String,
    },
    /// The host is not one of this machine's.
    #[error(
        "cannot listen on {address}: `{host}` is not an address of this machine; 127.0.0.1 is \
         reached from this machine alone, 0.0.0.0 from every network ({reason})"
    )]
    NotHere {
        /// `host:port`.
        address: String,
        /// The host.
        host: String,
        /// What the system said.
        reason: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {reason}")]
    Other {
        /// What was to listen there.
        listener: Listener,
        /// `host:port`.
        address: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The certificates or the key of its door cannot be used.
    #[error("the gateway's TLS cannot be used: {0}")]
    Tls(#[from] ServerTlsError),
}

impl BindError {
    /// Whether the host is what is wrong, and not the port.
    pub fn is_about_host(&self) -> bool {
        matches!(self, BindError::NotHere { .. })
    }

    /// Whether it is about the port of the health checks.
    pub fn is_about_health(&self) -> bool {
        match self {
            BindError::Taken { listener, .. }
            | BindError::Forbidden { listener, .. }
            | BindError::Other { listener, .. } => *listener == Listener::Health,
            BindError::NotHere { .. } | BindError::Tls(_) => false,
        }
    }

    fn new(listener: Listener, host: &str, port: u16, reason: io::Error) -> BindError {
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        match reason.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { listener, address },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { listener, address },
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::NotFound => BindError::NotHere {
                address,
                host: host.to_owned(),
                reason,
            },
            _ => BindError::Other {
                listener,
                address,
                reason,
            },
        }
    }
}
