//! Whether a file may be an executor's, by its first bytes.

use std::path::Path;

use crate::file_kind::FileKind;
use crate::wrong_file::{WrongFile, folder_of, has_extension, is_named};

/// Refuses what is not an executor. Which kind of WebAssembly it is, and whether a
/// folder is a crate's, is left to those who read it.
///
/// # Errors
/// With what the file is instead. A file that cannot be read is let pass: whoever
/// reads it says why.
pub(super) fn accept(path: &Path) -> Result<(), WrongFile> {
    match FileKind::of(path) {
        Ok(kind) => wrong(path, kind).map_or(Ok(()), Err),
        Err(_) => Ok(()),
    }
}

fn wrong(path: &Path, kind: FileKind) -> Option<WrongFile> {
    let refused = |found: &str| WrongFile::new(path, found);
    let not_a_component = || refused(&format!("{kind}, not a WebAssembly component"));
    Some(match kind {
        // The loader tells these apart further than their beginning.
        FileKind::Component | FileKind::CoreModule | FileKind::OtherWasm => return None,
        FileKind::Folder => {
            let flow = path.join("flow.toml");
            if path.join("Cargo.toml").is_file() || !flow.is_file() {
                return None;
            }
            refused("the folder of a flow, not of an executor").of_flow(flow)
        }
        FileKind::Text if is_named(path, "Cargo.toml") => {
            let folder = folder_of(path).display();
            refused("a crate's manifest")
                .instead(format!("name the crate's folder instead: {folder}"))
        }
        FileKind::Text if has_extension(path, &["toml"]) => {
            refused("a flow, not an executor").of_flow(path.to_owned())
        }
        FileKind::Text if has_extension(path, &["rs"]) => refused("Rust source, not a component")
            .instead("name the folder with its Cargo.toml, which is built first"),
        FileKind::Wat => refused(&kind.to_string()).instead(format!(
            "`wasm-tools parse {} -o x.wasm` gives the binary form, which this program takes",
            path.display()
        )),
        FileKind::Native(_) => not_a_component()
            .instead("an executor is built for wasm32-wasip2: `wasm-flow build` does so"),
        // It may have no end, and be different when it is read again.
        FileKind::Stream => not_a_component().instead("copy it to a file first"),
        kind => not_a_component().instead(kind.way_out().unwrap_or_else(|| {
            "`wasm-flow build` makes a component from an executor's folder".to_owned()
        })),
    })
}
