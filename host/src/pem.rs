//! Files with certificates, keys and tokens.

use std::io;
use std::path::Path;

use wasm_flow_manifest::read_text;

use crate::bounds::{PEM, TOKEN};

/// The text of a file with certificates or a key.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_text(path, PEM, "a certificate or a key in PEM")
}

/// The text of a file with a token.
pub(crate) fn read_token(path: &Path) -> io::Result<String> {
    read_text(path, TOKEN, "a token")
}
