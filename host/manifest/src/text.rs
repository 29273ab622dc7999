//! The text of a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wasm_flow_contract::units::Size;

/// The text of a file that has at most so many bytes. No more is read of one that is
/// larger. `what` says what the file is to be, as in "a flow.toml": the error of a file
/// that is too large has the kind [`FileTooLarge`](io::ErrorKind::FileTooLarge), and that
/// of one that is not text [`InvalidData`](io::ErrorKind::InvalidData).
///
/// A pipe is read to its end, too.
///
/// # Errors
/// When it cannot be read, or cannot be what it is to be.
pub fn read_text(path: &Path, most: u64, what: &str) -> io::Result<String> {
    // Bytes, and the length first: the end of what is read may be in the middle of a
    // character.
    let mut bytes = Vec::new();
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {}, so it is not {what}", Size(most)),
        ));
    }
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("not UTF-8 text, so it is not {what}");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}
