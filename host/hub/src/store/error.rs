//! What goes wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use wasm_flow_contract::hub::Digest;

/// Something cannot be kept, or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder belongs to somebody else.
    #[error("{0} belongs to another user; name another folder for the artifacts of registries")]
    Foreign(PathBuf),
    /// Somebody else may change what is in the folder.
    #[error(
        "other users may write to {0}, and could put other artifacts there; take that right away \
         (chmod go-w {0}), or name another folder"
    )]
    Writable(PathBuf),
    /// There is no room.
    #[error(
        "{folder} has no room for {needed} bytes; make some with `wasm-flow hub prune`, or name \
         another folder"
    )]
    Full {
        /// The folder.
        folder: PathBuf,
        /// The bytes of what was written.
        needed: u64,
    },
    /// The system does not let us.
    #[error("{path} cannot be {what}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `written`, `removed`.
        what: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What was to be written is something else.
    #[error("what was to be kept as {named} has {have} bytes and {found}, and not {size} bytes")]
    Other {
        /// What it was to be.
        named: Digest,
        /// How many bytes it was to have.
        size: u64,
        /// What it is.
        found: Digest,
        /// How many bytes it has.
        have: u64,
    },
}

impl StoreError {
    pub(super) fn read(path: &Path, error: io::Error) -> StoreError {
        let path = path.to_owned();
        let what = "read";
        StoreError::Io { path, what, error }
    }

    pub(super) fn removed(path: &Path, error: io::Error) -> StoreError {
        let path = path.to_owned();
        let what = "removed";
        StoreError::Io { path, what, error }
    }

    /// `needed` are the bytes of what is written.
    pub(super) fn written(path: &Path, needed: u64, error: io::Error) -> StoreError {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => StoreError::Full {
                folder: path.to_owned(),
                needed,
            },
            _ => StoreError::Io {
                path: path.to_owned(),
                what: "written",
                error,
            },
        }
    }
}
