//! What an executor is made from.

use std::path::{Path, PathBuf};

use crate::remote::Remote;

/// What `uses` may be, for a person.
pub(crate) const ALLOWED: &str =
    "allowed: the folder of a crate, a .wasm file, or grpc://host:port";

/// What an executor is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A crate's folder, to be built first, or a component. Neither its kind nor
    /// its existence has been checked.
    Path {
        /// The path as the file has it.
        written: String,
        /// The path as seen from the working directory.
        path: PathBuf,
    },
    /// It runs elsewhere.
    Remote(Box<Remote>),
}

impl Uses {
    /// The same, with its path resolved against `folder`.
    pub(crate) fn in_folder(self, folder: &Path) -> Uses {
        match self {
            Uses::Path { written, path } => Uses::Path {
                written,
                path: folder.join(path),
            },
            remote @ Uses::Remote(_) => remote,
        }
    }
}
