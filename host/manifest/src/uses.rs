//! What an executor is made from.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::kinds::{Format, members};
use crate::report::Refusal;

/// What `uses` may be, for a person.
pub(crate) const ALLOWED: &str = "allowed: the folder of a crate, or a .wasm file";

/// What an executor is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A crate's folder, to be built first, or a component. Which of the two, and
    /// whether it is there, nobody has looked.
    Path {
        /// The path as the file has it.
        written: String,
        /// The path as seen from the working directory.
        path: PathBuf,
    },
}

/// `uses`. The path is not yet in the file's folder.
pub(crate) const USES: Format<Uses> = Format {
    parse: |text| {
        let title = match text.split_once("://") {
            None if text.is_empty() => "`uses` is empty".to_owned(),
            None => {
                return Ok(Uses::Path {
                    written: text.to_owned(),
                    path: PathBuf::from(text),
                });
            }
            Some(("oci", _)) => {
                "executors from a registry (oci://) are not supported yet".to_owned()
            }
            Some(("grpc", _)) => "remote executors (grpc://) are not supported yet".to_owned(),
            Some((scheme, _)) => format!("`uses` cannot be {scheme}://"),
        };
        Err(Refusal::new(title).help(ALLOWED))
    },
    schema: || members(json!({ "minLength": 1, "not": { "pattern": "://" } })),
};

impl Uses {
    /// The same, with paths as seen from where `folder` is seen from.
    pub(crate) fn in_folder(self, folder: &Path) -> Uses {
        match self {
            Uses::Path { written, path } => Uses::Path {
                written,
                path: folder.join(path),
            },
        }
    }
}
