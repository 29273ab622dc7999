//! A connection to a place that is granted.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use wasm_flow_contract::address::Reserved;
use wasmtime_wasi_http::Error as HttpError;

use super::connections::Held;
use super::resolver::{Resolve, System};
use super::target::Target;
use super::tls;
use crate::abort::AbortOnDrop;
use crate::bounds::{HTTP_CONNECT_EACH, HTTP_CONNECT_WITHIN};

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The name has no address that it may have. This is one of those that it has.
    Forbidden(IpAddr, Reserved),
    /// Anything else.
    Http(HttpError),
}

impl From<HttpError> for ConnectError {
    fn from(error: HttpError) -> Self {
        ConnectError::Http(error)
    }
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    /// The longest time for one connection.
    within: Duration,
    /// None for the authorities that browsers trust.
    tls: Option<Arc<ClientConfig>>,
}

impl Default for Connector {
    fn default() -> Self {
        Connector {
            resolver: Arc::new(System),
            within: HTTP_CONNECT_WITHIN,
            tls: None,
        }
    }
}

#[cfg(test)]
impl Connector {
    pub(super) fn with(resolver: impl Resolve, within: Duration) -> Self {
        Connector {
            resolver: Arc::new(resolver),
            within,
            tls: None,
        }
    }

    pub(super) fn trusting(mut self, roots: rustls::RootCertStore) -> Self {
        self.tls = Some(tls::trusting(roots).unwrap());
        self
    }
}

impl Connector {
    /// Connects, in a task of its own: the caller's future stands still while the guest
    /// computes, and the time goes on.
    pub(super) async fn connect(
        self,
        target: Target,
        limit: Duration,
        held: Arc<Held>,
    ) -> Result<(Box<dyn Stream>, Arc<Held>), ConnectError> {
        let task = tokio::spawn(async move {
            let stream = self.connected(&target, limit, &held).await?;
            Ok((stream, held))
        });
        let _abort = AbortOnDrop::new(task.abort_handle());
        task.await.unwrap_or_else(|error| {
            let reason = format!("the connection was given up: {error}");
            Err(HttpError::InternalError(Some(reason)).into())
        })
    }

    /// Look-up, connection and TLS have one time limit together.
    async fn connected(
        &self,
        target: &Target,
        limit: Duration,
        held: &Arc<Held>,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let deadline = Instant::now() + limit.min(self.within);
        let found = timeout_at(deadline, self.look_up(target, held)).await;
        let found = found.map_err(|_| HttpError::DnsTimeout)??;
        let stream = connect_to_one_of(&admitted(target, found)?, deadline).await?;
        if !target.origin().is_secure() {
            return Ok(Box::new(stream));
        }
        let config = match &self.tls {
            Some(config) => config.clone(),
            None => tls::config()?,
        };
        let secured = tls::secure(config, target.origin(), stream);
        match timeout_at(deadline, secured).await {
            Ok(stream) => Ok(Box::new(stream?)),
            Err(_) => Err(HttpError::ConnectionTimeout.into()),
        }
    }

    async fn look_up(
        &self,
        target: &Target,
        held: &Arc<Held>,
    ) -> Result<Vec<SocketAddr>, HttpError> {
        let (origin, port) = (target.origin(), target.origin().port());
        if let Some(address) = origin.address() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = self.resolver.resolve(origin.host().to_owned(), port);
        // The operating system's look-up occupies a thread until it ends, also if nobody
        // waits for it any more. So it keeps its place until then.
        let held = held.clone();
        let found = tokio::spawn(async move {
            let found = found.await;
            drop(held);
            found
        });
        let found = found.await.unwrap_or_else(|error| Err(error.into()));
        found.map_err(|error| not_found(&error.to_string()))
    }
}

fn not_found(reason: &str) -> HttpError {
    // The guest's SDK says that itself.
    let reason = reason.trim_start_matches("failed to lookup address information: ");
    HttpError::DnsError {
        rcode: Some(reason.to_owned()),
        info_code: None,
    }
}

/// The addresses that a host may have, of those that it has.
fn admitted(target: &Target, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
    let mut refused = None;
    let mut admitted = Vec::new();
    for address in found {
        match target.admits(address.ip()) {
            Ok(()) => admitted.push(address),
            Err(reserved) => refused = refused.or(Some((address.ip(), reserved))),
        }
    }
    match refused {
        Some((address, reserved)) if admitted.is_empty() => {
            Err(ConnectError::Forbidden(address, reserved))
        }
        _ => Ok(admitted),
    }
}

/// Tries the addresses in their order. One that does not answer leaves a part of the time
/// for those behind it.
async fn connect_to_one_of(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, HttpError> {
    let mut failure = not_found("the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let others = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = (left / others).max(HTTP_CONNECT_EACH).min(left);
        failure = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => unconnected(&error),
            Err(_) => HttpError::ConnectionTimeout,
        };
        if Instant::now() >= deadline {
            break;
        }
    }
    Err(failure)
}

fn unconnected(error: &io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpError::ConnectionRefused,
        io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            HttpError::DestinationIpUnroutable
        }
        _ => HttpError::DestinationUnavailable,
    }
}
