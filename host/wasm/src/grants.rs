//! What `[executors.allow]` grants, made into a WASI context. What is not
//! granted is linked all the same and fails inside the guest, because toolchains
//! import all of WASI whether it is used or not.

use std::sync::Arc;

use wasmtime_wasi::{FsPerms, WasiCtx};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use crate::output::LineStream;
use wasm_flow_contract::config::{Access, Allow, HttpOrigin};

/// Why a grant cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A folder that cannot be opened.
    #[error("the folder {path} of `allow.dirs` cannot be opened: {reason}")]
    Dir {
        /// The folder.
        path: String,
        /// What the operating system says.
        reason: String,
    },
}

/// A WASI context with the grants and nothing else: no argument, no standard
/// input, no socket, no name look-up.
pub(super) fn wasi(
    allow: &Allow,
    stdout: &LineStream,
    stderr: &LineStream,
) -> Result<WasiCtx, GrantError> {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdout.clone()).stderr(stderr.clone());
    builder
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    for name in &allow.env {
        // One that is not set on the host is not set in the guest either.
        if let Ok(value) = std::env::var(name) {
            builder.env(name, value);
        }
    }
    for dir in &allow.dirs {
        let perms = match dir.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        builder
            .preopened_dir(&dir.host, &dir.guest, perms)
            .map_err(|error| GrantError::Dir {
                path: dir.host.display().to_string(),
                reason: error.root_cause().to_string(),
            })?;
    }
    Ok(builder.build())
}

/// Lets requests to the granted origins through, and no other.
pub(super) struct HttpGrants {
    pub(super) origins: Arc<[HttpOrigin]>,
}

impl WasiHttpHooks for HttpGrants {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<
        dyn Future<
                Output = Result<
                    (
                        http::Response<WasiBody>,
                        Box<dyn Future<Output = Result<(), HttpError>> + Send>,
                    ),
                    HttpError,
                >,
            > + Send,
    > {
        if !self
            .origins
            .iter()
            .any(|origin| origin.covers(request.uri()))
        {
            return Box::new(async { Err(HttpError::HttpRequestDenied) });
        }
        Box::new(async move {
            use http_body_util::BodyExt as _;
            let (response, io) = wasmtime_wasi_http::default_send_request(request, options).await?;
            Ok((
                response.map(|body| body.boxed_unsync()),
                Box::new(io) as Box<dyn Future<Output = _> + Send>,
            ))
        })
    }
}
