//! A file of the wrong kind: refused before it is read as the right one, with
//! what it is.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file is not what it has to be.
#[derive(Debug, thiserror::Error)]
#[error("{} is {found}{}", path.display(), Advice(instead))]
pub struct WrongFile {
    path: PathBuf,
    found: String,
    /// What to do, each a clause.
    instead: Vec<String>,
    flow: Option<PathBuf>,
}

struct Advice<'a>(&'a [String]);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|clause| write!(f, "; {clause}"))
    }
}

impl WrongFile {
    /// `found` is what the file is, as in "`x` is {found}".
    pub(crate) fn new(path: &Path, found: impl Into<String>) -> WrongFile {
        WrongFile {
            path: path.to_owned(),
            found: found.into(),
            instead: Vec::new(),
            flow: None,
        }
    }

    /// The same, with a clause that says what to do.
    pub(crate) fn instead(mut self, clause: impl Into<String>) -> WrongFile {
        self.instead.push(clause.into());
        self
    }

    /// The same, with the flow.toml that the file is, or holds.
    pub(crate) fn of_flow(mut self, flow: PathBuf) -> WrongFile {
        self.flow = Some(flow);
        self
    }

    /// The flow.toml that the file is, or holds.
    pub fn flow(&self) -> Option<&Path> {
        self.flow.as_deref()
    }
}

/// Whether this is the last part of the path.
pub(crate) fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}

/// Whether the name ends in one of these, in capitals or not.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            extensions
                .iter()
                .any(|extension| found.eq_ignore_ascii_case(extension))
        })
}

/// The folder that a file stands in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
