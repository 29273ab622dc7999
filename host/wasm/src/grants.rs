//! What `[executors.allow]` grants, made into a WASI context; `http` has what it grants of
//! HTTP. What is not
//! granted is linked all the same and fails inside the guest, because toolchains
//! import all of WASI whether it is used or not.

use std::path::{Component, Path, PathBuf};

use wasm_flow_contract::grants::{Access, Allow};
use wasm_flow_contract::sharding::Group;
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::line_stream::LineStream;

/// The folder that an executor sees its workspace under.
pub const WORKSPACE: &str = "/workspace";

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
    /// The workspace cannot be made or opened.
    #[error("the workspace {path} cannot be used: {reason}")]
    Workspace {
        /// The replica's own folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another folder is granted in the workspace's place.
    #[error(
        "the executor sees its workspace as `{WORKSPACE}`, and `allow.dirs` grants {path} under \
         the same name; choose another `guest` there, or leave `workspace` out"
    )]
    WorkspaceTaken {
        /// The other folder.
        path: String,
    },
}

/// A replica's folder below the executor's workspace.
///
/// Jina keeps it by the executor's class and shard. Here every replica is an
/// instance of its own that knows nothing of the others, and two executors of a
/// flow may be of one class; so it is the name in the flow, the shard if there are
/// several, and the replica. The shard is not a bare number: the folder of replica 0
/// of an executor that had no shards is not to get folders of others inside.
pub(super) fn workspace(
    folder: &Path,
    name: &str,
    group: Group,
    replica: u32,
) -> Result<PathBuf, GrantError> {
    let path = folder.join(group.name(name)).join(replica.to_string());
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(path),
        _ => Err(GrantError::Workspace {
            path: path.display().to_string(),
            reason: format!("the executor's name, `{name}`, is not the name of a folder"),
        }),
    }
}

/// A WASI context with the grants, the workspace and nothing else: no argument, no standard
/// input, no socket, no name look-up.
pub(super) fn wasi(
    allow: &Allow,
    workspace: Option<&Path>,
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
        // A variable that the host lacks is not set in the guest either.
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
    if let Some(path) = workspace {
        if let Some(other) = allow
            .dirs
            .iter()
            .find(|dir| dir.guest.trim_end_matches('/') == WORKSPACE)
        {
            return Err(GrantError::WorkspaceTaken {
                path: other.host.display().to_string(),
            });
        }
        let failed = |reason: String| GrantError::Workspace {
            path: path.display().to_string(),
            reason,
        };
        std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        builder
            .preopened_dir(path, WORKSPACE, FsPerms::ReadWrite)
            .map_err(|error| failed(error.root_cause().to_string()))?;
    }
    Ok(builder.build())
}
