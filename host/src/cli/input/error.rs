//! Why documents cannot be read.

use wasm_flow_contract::units::Size;

use crate::bounds::MAX_DOCUMENT;
use crate::file_kind::FileKind;

/// Why documents cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum InputError {
    #[error("{file} cannot be read: {source}")]
    Read {
        file: String,
        source: std::io::Error,
    },
    /// `at` is a line, with a column if one is known.
    #[error("{file}:{at}: {reason}")]
    Line {
        file: String,
        at: String,
        reason: String,
    },
    #[error(
        "{file}:{line}: byte {offset} of the file (0x{byte:02x}) is not UTF-8; convert the file \
         first, for example with `iconv -f latin1 -t utf-8`"
    )]
    NotUtf8 {
        file: String,
        line: u64,
        offset: u64,
        byte: u8,
    },
    #[error(
        "{file} is {kind}, and not documents as text or JSON{}",
        kind.way_out().map(|way| format!("; {way}")).unwrap_or_default()
    )]
    Kind { file: String, kind: FileKind },
    #[error(
        "{file} is binary by its name; DocumentArray.save_json writes a .json file, which is read \
         here (if it is something else, say what with --input-format)"
    )]
    BinaryName { file: String },
}

/// Said of a document that is longer.
pub(super) fn too_long() -> String {
    format!(
        "a document of more than {} is not read; split it, or leave out what no executor needs",
        Size(MAX_DOCUMENT as u64)
    )
}
