//! Executors that run elsewhere: what is read before they are called.

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::remote::{Predecessors, RemoteConfig, Secret, TlsConfig};
use wasm_flow_gateway::remote::{RemoteExecutor, Unreachable};
use wasm_flow_manifest::{LateProblem, Pem, Place, Remote, TlsFiles};

use super::advice::{Doubt, Remedy};
use crate::pem;

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
        Pem::File(path) => pem::read(path).map(Secret::new).map_err(|error| {
            LateProblem::new(
                Place::Tls(id),
                format!("cannot read {}: {error}", path.display()),
            )
            .about_path()
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

/// That an executor is not there now, which keeps no flow from starting.
pub(super) fn absent(id: NodeId, unreachable: &Unreachable) -> Doubt {
    Doubt {
        place: Place::Uses(id),
        title: unreachable.to_string(),
        remedy: Remedy::Words(
            "the flow runs all the same: requests that need the executor fail, until it is there",
        ),
    }
}
