//! The file of an executor's project that says where this machine has wasm-flow-sdk.
//!
//! It is a file of its own, so that nothing of one machine comes into version control:
//! `.cargo/config.toml` includes it, and `.gitignore` names it. cargo refuses to build
//! while it is missing, instead of taking what a registry has under the SDK's name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{SdkError, is_unpacked, unpacked};
use crate::whole_file;

/// Why it cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// There is no SDK to name.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// This program is of another kind.
    #[error(
        "{} names no folder of wasm-flow-sdk, and this wasm-flow brings none along, because its \
         SDK is a released crate; delete the line `include` in {}",
        path.display(),
        config.display()
    )]
    Released {
        /// The file.
        path: PathBuf,
        /// The file that includes it.
        config: PathBuf,
    },
    /// TOML is text.
    #[error(
        "the path of wasm-flow-sdk, {}, is not UTF-8 and cannot stand in a file of cargo's; name \
         another folder in WASM_FLOW_DATA",
        .0.display()
    )]
    NotText(PathBuf),
    /// The system refuses.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file in one project's folder.
pub(crate) struct Patch {
    /// Also of what is in it.
    path: PathBuf,
    config: PathBuf,
}

impl Patch {
    /// Its name in the folder `.cargo`.
    pub(crate) const FILE: &str = "wasm-flow-sdk.toml";

    pub(crate) fn of(project: &Path) -> Self {
        let folder = project.join(".cargo");
        Patch {
            path: folder.join(Patch::FILE),
            config: folder.join("config.toml"),
        }
    }

    /// Writes the file, with this folder of the SDK.
    pub(crate) fn write(&self, sdk: &Path) -> Result<(), PatchError> {
        let text = text(sdk).ok_or_else(|| PatchError::NotText(sdk.to_owned()))?;
        whole_file::write(&self.path, &text).map_err(|source| PatchError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Writes the file if the project includes it, and it is not there or names a folder
    /// that is not there, as in a fresh clone. Gives its path then. If the file names the
    /// folder that this program unpacks, that is made whole first.
    pub(crate) fn restore(&self) -> Result<Option<&Path>, PatchError> {
        let config = fs::read_to_string(&self.config).unwrap_or_default();
        if !includes(&config) {
            return Ok(None);
        }
        let stays = match fs::read_to_string(&self.path) {
            Ok(text) => match folder_of(&text) {
                // A build runs what is there, so it is checked each time, and repaired.
                Some(sdk) if is_unpacked(&sdk) => {
                    unpacked()?;
                    true
                }
                Some(sdk) => sdk.join("Cargo.toml").is_file(),
                // Without a line of this program's, somebody else has written it.
                None => true,
            },
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if stays {
            return Ok(None);
        }
        let sdk = unpacked()?.ok_or_else(|| PatchError::Released {
            path: self.path.clone(),
            config: self.config.clone(),
        })?;
        self.write(&sdk)?;
        Ok(Some(&self.path))
    }
}

/// What `.cargo/config.toml` has, for [`Patch::FILE`] to be read.
pub(crate) const INCLUDE: &str = r#"# wasm-flow-sdk is not released as a crate yet. This file says where this machine has
# its sources. `wasm-flow build` writes it if it is missing, as after a clone. When the
# crate is released, delete the next line.
include = ["wasm-flow-sdk.toml"]
"#;

const ENTRY: &str = "wasm-flow-sdk = { path = ";

/// What the file says; nothing, if the path is not text.
fn text(sdk: &Path) -> Option<String> {
    // A JSON string is a TOML string.
    let path = serde_json::Value::from(sdk.to_str()?);
    Some(format!(
        "# Where this machine has the sources of wasm-flow-sdk: not for version control.\n\
         # To build with those of another wasm-flow, delete this file, and run that program's\n\
         # `wasm-flow build`.\n\
         [patch.crates-io]\n\
         {ENTRY}{path} }}\n"
    ))
}

/// The folder that the file names.
fn folder_of(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix(ENTRY))?;
    serde_json::from_str(path.strip_suffix(" }")?).ok()
}

fn includes(config: &str) -> bool {
    config
        .lines()
        .any(|line| line.starts_with("include") && line.contains(Patch::FILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_file::tests::Folder;

    /// A project whose file names this folder.
    fn project(name: &str, sdk: &Path) -> (Folder, Patch) {
        let folder = Folder::new(name);
        let patch = Patch::of(&folder.0);
        patch.write(sdk).unwrap();
        fs::write(&patch.config, INCLUDE).unwrap();
        (folder, patch)
    }

    #[test]
    fn a_path_is_read_as_it_was_written() {
        for path in ["/sdk", "C:\\sdk\\guest", "/a \"b\" {c} = d/ü"] {
            let text = text(Path::new(path)).unwrap();
            assert_eq!(folder_of(&text), Some(PathBuf::from(path)), "{text}");
        }
    }

    #[test]
    fn a_file_that_names_an_sdk_stays() {
        let sdk = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk"));
        let (_folder, patch) = project("stays", sdk);
        assert_eq!(patch.restore().unwrap(), None);
        let text = fs::read_to_string(&patch.path).unwrap();
        assert_eq!(folder_of(&text).as_deref(), Some(sdk));
    }

    #[test]
    fn a_file_that_somebody_else_wrote_stays() {
        let (_folder, patch) = project("other", Path::new("/nowhere"));
        let own = "[patch.crates-io.wasm-flow-sdk]\npath = \"/nowhere\"\n";
        fs::write(&patch.path, own).unwrap();
        assert_eq!(patch.restore().unwrap(), None);
        assert_eq!(fs::read_to_string(&patch.path).unwrap(), own);
    }

    #[test]
    fn nothing_is_written_for_a_project_that_does_not_include_it() {
        let (_folder, patch) = project("without", Path::new("/nowhere"));
        fs::remove_file(&patch.path).unwrap();
        fs::write(&patch.config, "# include wasm-flow-sdk.toml\n").unwrap();
        assert_eq!(patch.restore().unwrap(), None);
        assert!(!patch.path.exists());
    }
}
