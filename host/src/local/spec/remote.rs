//! An executor that runs elsewhere.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use wasm_flow_contract::remote::{RemoteAddress, Secret, TlsConfig};
use wasm_flow_manifest::{Pem, TlsFiles, Token};

use super::ExecutorSpec;
use crate::local::kind::Remote;
use crate::local::program::duration;
use crate::resolve::Uses;

/// What runs elsewhere, and how it is reached.
impl ExecutorSpec<Remote> {
    /// An executor that is served at `grpc://host:port`, or `grpcs://host:port` over TLS,
    /// by wasm-flow or by Jina. Several addresses stand for one executor:
    /// `grpc://a:5000,b:5000`. What it is made from, and what it may do, is said where it
    /// is served.
    ///
    /// If it is not there when the flow is started, the flow runs all the same: requests
    /// that need it fail until it is.
    pub fn remote(name: impl Into<String>, address: impl AsRef<str>) -> ExecutorSpec<Remote> {
        match RemoteAddress::parse(address.as_ref()) {
            Ok(address) => {
                let remote = wasm_flow_manifest::Remote {
                    address,
                    tls: TlsFiles::default(),
                    token: None,
                    timeout_send: None,
                };
                let uses = wasm_flow_manifest::Uses::Remote(Box::new(remote));
                ExecutorSpec::with(name.into(), Some(Uses::Named(uses)))
            }
            Err(error) => ExecutorSpec::with(name.into(), None).refuse("remote", error.to_string()),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut wasm_flow_manifest::Remote)) -> Self {
        // There is none if its address cannot be read, which is said.
        if let Some(Uses::Named(wasm_flow_manifest::Uses::Remote(remote))) = &mut self.uses {
            change(remote);
        }
        self
    }

    /// How long a try at one address may take, from when it is sent. If it is not said,
    /// the timeout is the only bound.
    pub fn timeout_send(self, timeout_send: Duration) -> Self {
        match duration(timeout_send) {
            Ok(()) => self.change(|remote| remote.timeout_send = Some(timeout_send)),
            Err(reason) => self.refuse("timeout_send", reason),
        }
    }

    /// What connections to a `grpcs://` address are secured with, in place of the
    /// authorities that browsers trust.
    pub fn tls(self, tls: TlsConfig) -> Self {
        let TlsConfig { ca, identity } = tls;
        let this = self.change(|remote| {
            remote.tls = TlsFiles {
                ca: ca.map(|ca| Pem::Text(Secret::new(ca))),
                identity: identity.map(|(certificate, key)| {
                    (Pem::Text(Secret::new(certificate)), Pem::Text(key))
                }),
            };
        });
        this.over_tls("tls")
    }

    /// Sent with every call as `authorization: Bearer <token>`, to a `grpcs://` address.
    pub fn token(self, token: Secret) -> Self {
        if let Err(error) = Secret::token(token.reveal()) {
            return self.refuse("token", error.to_string());
        }
        let this = self.change(|remote| remote.token = Some(Token::Text(token)));
        this.over_tls("token")
    }

    /// The same of a token that a file holds. It is read when the flow is started, and blanks
    /// around it do not count.
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let this = self.change(|remote| remote.token = Some(Token::File(path)));
        this.over_tls("token_file")
    }

    fn over_tls(self, argument: &'static str) -> Self {
        let secure = match &self.uses {
            Some(Uses::Named(wasm_flow_manifest::Uses::Remote(remote))) => {
                remote.address.is_secure()
            }
            _ => true,
        };
        match secure {
            true => self,
            false => self.refuse(
                argument,
                "connections to grpc:// are not secured; write grpcs://, or leave it out",
            ),
        }
    }

    /// Bytes that the documents of one reply may take: 256 MiB, if it is not said.
    pub fn limit_reply(mut self, bytes: u64) -> Self {
        match NonZeroU64::new(bytes) {
            Some(bytes) => {
                self.config.limits.reply = bytes;
                self
            }
            None => self.refuse("limit_reply", "at least one byte"),
        }
    }
}
