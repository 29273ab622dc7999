//! Executors that run elsewhere: what is read before they are called.

use std::collections::HashMap;
use std::io;

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

/// What a file with a token has to be.
const ALONE: &str = "the file is to hold the token alone, on one line";

fn token(id: NodeId, token: &Token) -> Result<Secret, LateProblem> {
    let path = match token {
        Token::Text(token) => return Ok(token.clone()),
        Token::File(path) => path,
    };
    let text = pem::read_token(path).map_err(|error| {
        let problem = pem::unreadable(Place::Token(id), path, &error);
        match error.kind() {
            io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData => problem.help(ALONE),
            _ => problem,
        }
    })?;
    // What is in it is not shown.
    Secret::token(text.trim()).map_err(|error| {
        LateProblem::new(
            Place::Token(id),
            format!("{} does not hold a token: {error}", path.display()),
        )
        .help(match text.trim() {
            "" => "it is empty: put the token into it",
            _ => ALONE,
        })
    })
}

fn tls(id: NodeId, files: &TlsFiles) -> Result<TlsConfig, LateProblem> {
    let text = |pem: &Pem| match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => pem::read(path)
            .map(Secret::new)
            .map_err(|error| pem::unreadable(Place::Tls(id), path, &error)),
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

#[cfg(test)]
mod tests {
    use wasm_flow_contract::graph::Builder;

    use super::*;
    use crate::whole_file::tests::Folder;

    #[test]
    fn who_names_a_file_that_cannot_be_read_is_told_what_to_do() {
        let id = Builder::default().node("a", ());
        let folder = Folder::new("credentials");
        std::fs::write(folder.0.join("large"), vec![b'a'; 2 << 20]).unwrap();
        std::fs::write(folder.0.join("binary"), b"\xff").unwrap();
        std::fs::write(folder.0.join("lines"), "a\nb").unwrap();
        let help = |problem: LateProblem| problem.help_for("this file's folder");
        let of_token = |name: &str| {
            let file = Token::File(folder.0.join(name));
            help(token(id, &file).unwrap_err())
        };
        let of_tls = |name: &str| {
            let files = TlsFiles {
                ca: Some(Pem::File(folder.0.join(name))),
                identity: None,
            };
            help(tls(id, &files).unwrap_err())
        };
        let relative = Some("paths are relative to this file's folder".to_owned());
        assert_eq!(
            (of_token("none"), of_tls("none")),
            (relative.clone(), relative)
        );
        for name in ["large", "binary", "lines"] {
            assert_eq!(of_token(name).as_deref(), Some(ALONE), "{name}");
        }
        assert_eq!((of_tls("large"), of_tls("binary")), (None, None));
        // Another system says that it may not be read.
        #[cfg(unix)]
        for help in [of_token(""), of_tls("")] {
            assert_eq!(help.as_deref(), Some("name the file, not its folder"));
        }
    }
}
