//! Where an executor comes from: a folder that is built, or a file.

use std::io;
use std::path::{Path, PathBuf};

use wasm_flow_contract::NodeId;
use wasm_flow_contract::config::ExecutorConfig;
use wasm_flow_contract::grants::{Access, Allow};
use wasm_flow_contract::nearest::nearest;
use wasm_flow_manifest::{LateProblem, Place};
use wasm_flow_wasm::LoadError;

use super::build::BuildError;
use super::executor_file;
use crate::bounds::NEIGHBOURS;
use crate::wrong_file::WrongFile;

/// Where a component comes from, as it was found on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A crate's folder, which is built first.
    Folder(PathBuf),
    /// A component.
    File(PathBuf),
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is nothing at this path.
    #[error("no such file or folder: {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// A name beside it that was probably meant.
        neighbour: Option<String>,
    },
    /// The folder is not a crate's.
    #[error("{} has no Cargo.toml; `wasm-flow new` makes an executor's folder", .0.display())]
    NoCrate(PathBuf),
    /// The path cannot be looked at.
    #[error("cannot look at {}: {error}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is of another kind.
    #[error(transparent)]
    WrongFile(#[from] WrongFile),
    /// The folder could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// What was built or found is not an executor.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The build was given up, because the program ends.
    #[error("the build was interrupted")]
    Interrupted,
}

impl SourceError {
    /// The same as a problem of the flow's file, with the executor that it is about.
    /// `written` is the path as the file has it.
    pub(super) fn problem(&self, id: NodeId, written: &str) -> LateProblem {
        match self {
            SourceError::Missing { path, neighbour } => {
                LateProblem::uses_is_missing(id, path, neighbour.as_deref())
            }
            SourceError::NoCrate(_) => LateProblem::uses_is_not_a_crate(id, written),
            SourceError::Unreadable { path, error } => {
                LateProblem::uses_is_unreadable(id, path, error)
            }
            _ => LateProblem::new(Place::Uses(id), self.to_string()),
        }
    }
}

impl Source {
    /// Looks for an executor at a path.
    ///
    /// # Errors
    /// When there is nothing of use at that path.
    pub fn at(path: &Path) -> Result<Source, SourceError> {
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SourceError::Missing {
                path: path.to_owned(),
                neighbour: neighbour(path),
            },
            _ => SourceError::Unreadable {
                path: path.to_owned(),
                error,
            },
        })?;
        executor_file::accept(path)?;
        if !metadata.is_dir() {
            return Ok(Source::File(path.to_owned()));
        }
        match path.join("Cargo.toml").is_file() {
            true => Ok(Source::Folder(path.to_owned())),
            false => Err(SourceError::NoCrate(path.to_owned())),
        }
    }
}

/// The name beside a missing path that was probably meant.
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let parent = match path.parent()? {
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let names: Vec<String> = std::fs::read_dir(parent)
        .ok()?
        .take(NEIGHBOURS)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Folders that several replicas or shards would write to: each would undo what another has
/// written. Instances that live for one request alone are not counted: who wants those knows
/// that they see what others left.
pub(super) fn shared_folders(id: NodeId, config: &ExecutorConfig) -> Vec<LateProblem> {
    let instances = u64::from(config.replicas.get()) * u64::from(config.shards.get());
    let dirs = config.allow.dirs.iter().enumerate();
    let written = dirs.filter(|(_, dir)| dir.access == Access::Write && instances > 1);
    written
        .map(|(index, _)| {
            let title = format!("{instances} instances would write into one folder");
            LateProblem::new(Place::Dir(id, index), title).help(
                "`workspace` gives each of them a folder of its own; or take one replica and one \
                 shard, or let them only read",
            )
        })
        .collect()
}

/// Problems with the folders that an executor is granted.
pub(super) fn missing_folders(id: NodeId, allow: &Allow) -> Vec<LateProblem> {
    let folders = allow.dirs.iter().enumerate();
    folders
        .filter_map(|(index, dir)| match std::fs::metadata(&dir.host) {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some(LateProblem::dir_is_not_a_folder(id, index, &dir.host)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(LateProblem::dir_is_missing(id, index, &dir.host))
            }
            Err(error) => Some(LateProblem::dir_is_unreadable(id, index, &dir.host, &error)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with its guard.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let name = format!("wasm-flow-source-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(path.join("crate")).unwrap();
            std::fs::create_dir_all(path.join("data")).unwrap();
            std::fs::write(path.join("crate/Cargo.toml"), "").unwrap();
            std::fs::write(path.join("a.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
            std::fs::write(path.join("b.txt"), "text").unwrap();
            Dir(path)
        }

        fn find(&self, written: &str) -> Result<Source, SourceError> {
            Source::at(&self.0.join(written))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_uses_may_name() {
        let dir = Dir::new("found");
        let folder = dir.find("crate").unwrap();
        assert_eq!(folder, Source::Folder(dir.0.join("crate")));
        assert_eq!(
            dir.find("a.wasm").unwrap(),
            Source::File(dir.0.join("a.wasm"))
        );
    }

    #[test]
    fn what_uses_may_not_name() {
        let dir = Dir::new("refused");
        for (written, expected) in [
            ("data", "has no Cargo.toml"),
            ("b.txt", "not a WebAssembly component"),
            ("crates", "no such file or folder"),
        ] {
            let error = dir.find(written).unwrap_err();
            assert!(error.to_string().contains(expected), "{written}: {error}");
        }
        let error = dir.find("crates").unwrap_err();
        let SourceError::Missing { neighbour, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(neighbour.as_deref(), Some("crate"));
    }
}
