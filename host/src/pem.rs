//! Files with certificates, keys and tokens.

use std::io;
use std::path::Path;

use wasm_flow_manifest::{LateProblem, Place, read_text};

use crate::bounds::{PEM, TOKEN, TOKENS};

/// The text of a file with certificates or a key.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_text(path, PEM, "a certificate or a key in PEM")
}

/// The text of a file with a token.
pub(crate) fn read_token(path: &Path) -> io::Result<String> {
    read_text(path, TOKEN, "a token")
}

/// The text of a file with tokens.
pub(crate) fn read_tokens(path: &Path) -> io::Result<String> {
    read_text(path, TOKENS, "a list of tokens")
}

/// A file cannot be read. Only if there is none, its path may be the wrong one.
pub(crate) fn unreadable(place: Place, path: &Path, error: &io::Error) -> LateProblem {
    let problem = LateProblem::new(place, format!("cannot read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => problem.about_path(),
        io::ErrorKind::IsADirectory => problem.help("name the file, not its folder"),
        _ => problem,
    }
}
