//! Executors that run elsewhere: what is read before they are called.

use std::collections::HashMap;

use futures::future::join_all;
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::graph::{Join, Node};
use wasm_flow_contract::remote::{Predecessors, RemoteConfig, Secret, TlsConfig};
use wasm_flow_contract::{Graph, NodeId};
use wasm_flow_gateway::remote::{RemoteExecutor, Unreachable};
use wasm_flow_manifest::{Head, LateProblem, Pem, Place, Remote, TlsFiles, Token};

use super::advice::{Doubt, Remedy};
use super::{Planned, Uses, sharding};
use crate::pem;

/// The executors of a flow that run elsewhere, by where they stand.
pub(super) type Remotes = HashMap<(NodeId, Option<Head>), Result<Connected, LateProblem>>;

/// An executor that runs elsewhere.
pub(super) struct Connected {
    pub(super) executor: RemoteExecutor,
    /// Why it is not there now, if it is not.
    pub(super) absent: Option<Unreachable>,
}

/// Connects to all executors that run elsewhere at the same time: a flow that starts waits
/// for the slowest of them, and not for one after the other.
pub(super) async fn connect_all(planned: &Graph<Planned>) -> Remotes {
    let mut connecting = Vec::new();
    for (id, node) in planned.iter() {
        for (head, planned, predecessors) in places(node) {
            let Uses::Named(wasm_flow_manifest::Uses::Remote(remote)) = &planned.uses else {
                continue;
            };
            let made = executor(id, remote, &planned.config, predecessors);
            connecting.push(async move {
                let connected = match made {
                    Ok(executor) => Ok(Connected {
                        absent: executor.connect().await.err(),
                        executor,
                    }),
                    Err(problem) => Err(problem),
                };
                ((id, head), connected)
            });
        }
    }
    join_all(connecting).await.into_iter().collect()
}

/// What stands at a node: the executor, and what is before and after its shards. With how
/// each gets the documents of several predecessors.
fn places(node: &Node<Planned>) -> Vec<(Option<Head>, &Planned, Predecessors)> {
    let own = match node.options.join {
        Join::Reduce => Predecessors::Together,
        Join::Concat => Predecessors::Apart,
    };
    let heads = sharding::heads(&node.value).map(|(head, planned)| {
        let predecessors = match head {
            Head::Before => own,
            // It puts together what comes from the shards.
            Head::After => Predecessors::ApartIfTaken,
        };
        (Some(head), planned, predecessors)
    });
    std::iter::once((None, &node.value, own))
        .chain(heads)
        .collect()
}

/// A remote executor. It is not connected yet.
///
/// # Errors
/// When its certificates, its key or its token cannot be used.
fn executor(
    id: NodeId,
    remote: &Remote,
    config: &ExecutorConfig,
    predecessors: Predecessors,
) -> Result<RemoteExecutor, LateProblem> {
    RemoteExecutor::new(RemoteConfig {
        name: config.group.name(&config.name),
        address: remote.address.clone(),
        tls: tls(id, &remote.tls)?,
        token: match &remote.token {
            Some(token) => Some(self::token(id, token)?),
            None => None,
        },
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

fn token(id: NodeId, token: &Token) -> Result<Secret, LateProblem> {
    let path = match token {
        Token::Text(token) => return Ok(token.clone()),
        Token::File(path) => path,
    };
    let text = pem::read_token(path).map_err(|error| {
        LateProblem::new(
            Place::Token(id),
            format!("cannot read {}: {error}", path.display()),
        )
        .about_path()
    })?;
    // What is in it is not shown.
    Secret::token(text.trim()).map_err(|error| {
        LateProblem::new(
            Place::Token(id),
            format!("{} does not hold a token: {error}", path.display()),
        )
        .help(match text.trim() {
            "" => "it is empty: put the token into it",
            _ => "the file is to hold the token alone, on one line",
        })
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
        remedy: Remedy::Words(match unreachable.is_refusal() {
            true => "the flow runs all the same: requests that need the executor fail",
            false => {
                "the flow runs all the same: requests that need the executor fail, until it is there"
            }
        }),
    }
}
