//! Executors that run elsewhere: what is read before they are called.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::remote::{Predecessors, RemoteConfig, Secret, TlsConfig};
use wasm_flow_contract::units::Size;
use wasm_flow_gateway::remote::{RemoteExecutor, Unreachable};
use wasm_flow_manifest::{LateProblem, Pem, Place, Remote, TlsFiles};

use crate::bounds::PEM;

/// A remote executor. It is not connected yet.
///
/// # Errors
/// When its certificates or its key cannot be used.
pub(super) fn executor(
    id: NodeId,
    remote: &Remote,
    config: &ExecutorConfig,
    predecessors: Predecessors,
) -> Result<RemoteExecutor, LateProblem> {
    RemoteExecutor::new(RemoteConfig {
        name: config.group.name(&config.name),
        address: remote.address.clone(),
        tls: tls(id, &remote.tls)?,
        token: remote.token.clone(),
        timeout: config.timeout,
        timeout_send: remote.timeout_send,
        reply: config.limits.reply.get(),
        predecessors,
    })
    .map_err(|error| {
        LateProblem::new(Place::Tls(id), error.to_string())
            .help("certificates and keys are PEM, which begins with `-----BEGIN`")
    })
}

fn tls(id: NodeId, files: &TlsFiles) -> Result<TlsConfig, LateProblem> {
    let text = |pem: &Pem| match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => read(path).map(Secret::new).map_err(|error| {
            LateProblem::new(
                Place::Tls(id),
                format!("cannot read {}: {error}", path.display()),
            )
            .help("paths are relative to this file's folder")
        }),
    };
    let revealed = |pem: &Pem| text(pem).map(|text| text.reveal().to_owned());
    let identity = files.identity.as_ref();
    Ok(TlsConfig {
        ca: files.ca.as_ref().map(revealed).transpose()?,
        identity: identity
            .map(|(certificate, key)| Ok((revealed(certificate)?, text(key)?)))
            .transpose()?,
    })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(PEM + 1).read_to_string(&mut text)?;
    if text.len() as u64 > PEM {
        let most = Size(PEM);
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {most}, so it is not a certificate or a key"),
        ));
    }
    Ok(text)
}

/// That an executor is not there now, which keeps no flow from starting.
pub(super) fn absent(id: NodeId, unreachable: &Unreachable) -> LateProblem {
    LateProblem::new(Place::Uses(id), unreachable.to_string())
        .help("the flow runs all the same: requests that need the executor fail, until it is there")
}
