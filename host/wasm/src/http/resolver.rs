//! What addresses a name has.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;

/// Looks names up.
pub(super) trait Resolve: Send + Sync + 'static {
    /// The addresses of a host, in the order in which they are tried.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// As the operating system does it.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await?;
            Ok(found.collect())
        })
    }
}
