//! The file that a command is about: a flow's, or an executor's.
//!
//! A file of the wrong kind is refused before it is read as the right one, with
//! what it is and which command takes it. What is not recognised here is left
//! to the reader of the right kind.

use std::path::Path;

use crate::file_kind::FileKind;
use crate::resolve::{Source, SourceError};
use crate::wrong_file::{WrongFile, folder_of, has_extension, is_named};

/// What a command does with its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Says what it is: `check` a flow, `inspect` an executor.
    Describe,
    /// Runs it: `run` a flow, `serve` an executor.
    Run,
    /// Draws it: `graph` of a flow.
    Draw,
    /// Tests it: `test` of a flow.
    Test,
}

/// Refuses what is not a flow.
///
/// # Errors
/// With what the file is instead. A file that cannot be read is let pass: whoever
/// reads it says why.
pub(super) fn flow(path: &Path, action: Action) -> Result<(), WrongFile> {
    match FileKind::of(path) {
        Ok(kind) => not_a_flow(path, kind, action).map_or(Ok(()), Err),
        Err(_) => Ok(()),
    }
}

/// Looks for an executor.
///
/// # Errors
/// When there is nothing of use at that path.
pub(super) fn executor(path: &Path, action: Action) -> Result<Source, SourceError> {
    Source::at(path).map_err(|error| match error {
        SourceError::WrongFile(wrong) => {
            let advice = wrong.flow().map(|flow| match action {
                Action::Describe | Action::Draw | Action::Test => {
                    format!("`wasm-flow check {}` looks at it", flow.display())
                }
                Action::Run => format!("`wasm-flow run {}` serves it", flow.display()),
            });
            SourceError::WrongFile(match advice {
                Some(advice) => wrong.instead(advice),
                None => wrong,
            })
        }
        other => other,
    })
}

/// Refuses what is not the YAML of a Flow, by its first bytes. What the YAML is says
/// whoever reads it.
///
/// # Errors
/// With what the file is instead. A file that cannot be read is let pass, as above.
pub(super) fn flow_yaml(path: &Path) -> Result<(), WrongFile> {
    let Ok(kind) = FileKind::of(path) else {
        return Ok(());
    };
    let refused = |found: &str| WrongFile::new(path, found);
    Err(match kind {
        FileKind::Text | FileKind::Stream | FileKind::Empty => return Ok(()),
        FileKind::Folder => {
            let wrong = refused("a folder, not the YAML of a Flow");
            let names = ["flow.yml", "flow.yaml"].map(|name| path.join(name));
            match names.iter().find(|flow| flow.is_file()) {
                Some(flow) => wrong.instead(format!(
                    "`wasm-flow import {}` takes its Flow",
                    flow.display()
                )),
                None => wrong.instead("`wasm-flow import` takes the path of a file"),
            }
        }
        kind => {
            let wrong = refused(&format!("{kind}, not the YAML of a Flow"));
            match kind.way_out() {
                Some(way) => wrong.instead(way),
                None => wrong,
            }
        }
    })
}

/// How the files of Flows end.
const YAML: &[&str] = &["yml", "yaml"];

fn not_a_flow(path: &Path, kind: FileKind, action: Action) -> Option<WrongFile> {
    let refused = |found: &str| WrongFile::new(path, found);
    Some(match kind {
        FileKind::Folder => folder_for_flow(path, action),
        FileKind::Component => refused("a WebAssembly component, not a flow")
            .instead(executor_advice(path, action))
            .instead("a flow.toml names it under [[executors]] as its `uses`"),
        FileKind::Text if is_named(path, "Cargo.toml") => refused("a crate's manifest, not a flow")
            .instead(format!(
                "`wasm-flow serve {}` serves an executor alone",
                folder_of(path).display()
            )),
        FileKind::Text if has_extension(path, YAML) => refused("a YAML file")
            .instead("a flow is written in TOML here")
            .instead(format!(
                "`wasm-flow import {}` makes that of a Jina Flow, and `wasm-flow new` an example",
                path.display()
            )),
        FileKind::Text if has_extension(path, &["rs"]) => {
            refused("Rust source, not a flow").instead("name the flow.toml that uses it")
        }
        // The reader of flow.toml bounds what it takes from a stream.
        FileKind::Text | FileKind::Stream => return None,
        kind => {
            let wrong = refused(&format!("{kind}, not a flow.toml"));
            match kind.way_out() {
                Some(way) => wrong.instead(way),
                None => wrong,
            }
        }
    })
}

fn folder_for_flow(path: &Path, action: Action) -> WrongFile {
    let command = match action {
        Action::Describe => "check",
        Action::Run => "run",
        Action::Draw => "graph",
        Action::Test => "test",
    };
    let wrong = WrongFile::new(path, "a folder, not a flow.toml");
    let flow = path.join("flow.toml");
    if flow.is_file() {
        wrong.instead(format!(
            "`wasm-flow {command} {}` takes its flow",
            flow.display()
        ))
    } else if path.join("Cargo.toml").is_file() {
        wrong
            .instead("it holds an executor and no flow.toml")
            .instead(executor_advice(path, action))
    } else {
        wrong.instead(format!(
            "it holds no flow.toml; `wasm-flow {command}` takes the path of one"
        ))
    }
}

/// The command that takes this executor.
fn executor_advice(path: &Path, action: Action) -> String {
    match action {
        Action::Describe | Action::Draw | Action::Test => {
            format!("`wasm-flow inspect {}` says what it is", path.display())
        }
        Action::Run => format!("`wasm-flow serve {}` serves it alone", path.display()),
    }
}
