//! What an executor is made from.

use std::path::{Path, PathBuf};

/// What `uses` may be, for a person.
pub(crate) const ALLOWED: &str = "allowed: the folder of a crate, or a .wasm file";

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
}

impl Uses {
    /// The same, with its path resolved against `folder`.
    pub(crate) fn in_folder(self, folder: &Path) -> Uses {
        match self {
            Uses::Path { written, path } => Uses::Path {
                written,
                path: folder.join(path),
            },
        }
    }
}
