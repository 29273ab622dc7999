//! How a flow is served.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::bounds::DEFAULT_GRACE;
use crate::door::Door;

/// Where and how a gateway serves a flow. `D` is its door: what a file says of it names
/// other files, and is a type of its own until these are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig<D = Door> {
    /// The address or host name to listen on.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
    /// The port that answers health checks alone, without TLS and to everybody; 0 for any
    /// free one. None: there is no such port.
    pub port_health: Option<u16>,
    /// How many requests of one stream may be in flight, if the client does not
    /// ask for another number.
    pub prefetch: NonZeroUsize,
    /// The largest message that is taken or sent, in bytes.
    pub max_message: usize,
    /// How long a stop waits for requests to be answered. What is left then is cut off.
    pub grace: Duration,
    /// Who gets in.
    pub door: D,
}

impl Default for GatewayConfig {
    /// `127.0.0.1:54321`, 1000 requests in flight, messages of up to 256 MiB, five minutes to
    /// stop, and a door that is open.
    fn default() -> Self {
        GatewayConfig {
            host: "127.0.0.1".to_owned(),
            port: 54321,
            port_health: None,
            prefetch: NonZeroUsize::MIN.saturating_add(999),
            max_message: 256 << 20,
            grace: DEFAULT_GRACE,
            door: Door::default(),
        }
    }
}

impl<D> GatewayConfig<D> {
    /// The same with another door.
    #[must_use]
    pub fn with_door<E>(self, door: E) -> GatewayConfig<E> {
        GatewayConfig {
            host: self.host,
            port: self.port,
            port_health: self.port_health,
            prefetch: self.prefetch,
            max_message: self.max_message,
            grace: self.grace,
            door,
        }
    }
}

/// Why a text cannot be a gateway's `host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a host name or an IP address; for example: 127.0.0.1 for this machine alone, 0.0.0.0 for \
     every network; the port is a setting of its own"
)]
pub struct HostError;

impl GatewayConfig {
    /// Checks a `host`: an IP address, or a name that may be a host's.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse_host(text: &str) -> Result<String, HostError> {
        let is_name = !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        match is_name || text.parse::<std::net::IpAddr>().is_ok() {
            true => Ok(text.to_owned()),
            false => Err(HostError),
        }
    }
}
