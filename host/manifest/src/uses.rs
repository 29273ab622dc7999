//! What an executor is made from.

use std::path::{Path, PathBuf};

use crate::formats::USES;

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
    /// Reads what `uses` may be, as a file has it. A path is not looked for, and not
    /// resolved against a folder.
    ///
    /// # Errors
    /// A sentence for a person, if it is empty, or a URL of a kind that is not known.
    pub fn parse(text: &str) -> Result<Uses, String> {
        (USES.parse)(text).map_err(|refusal| match refusal.help {
            Some(help) => format!("{}; {help}", refusal.title),
            None => refusal.title,
        })
    }

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
