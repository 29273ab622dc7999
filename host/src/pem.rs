//! Files with certificates, keys and tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wasm_flow_contract::units::Size;

use crate::bounds::{PEM, TOKEN};

/// The text of a file with certificates or a key.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_at_most(path, PEM, "a certificate or a key")
}

/// The text of a file with a token.
pub(crate) fn read_token(path: &Path) -> io::Result<String> {
    read_at_most(path, TOKEN, "a token")
}

/// The text of a file that is no larger than `what` can be.
fn read_at_most(path: &Path, most: u64, what: &str) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(most + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let message = format!("not text, so it is not {what} in the form that is read here");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        read => read?,
    };
    if text.len() as u64 > most {
        let most = Size(most);
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {most}, so it is not {what}"),
        ));
    }
    Ok(text)
}
