//! The file that a command is about: a flow's, or an executor's.
//!
//! A file of the wrong kind is refused before it is read as the right one, with
//! what it is and which command takes it. What is not recognised here is left
//! to the reader of the right kind.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::file_kind::FileKind;

/// A command, as far as its operand goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `run`, which takes a flow.
    Run,
    /// `check`, which takes a flow.
    Check,
    /// `serve`, which takes an executor.
    Serve,
    /// `inspect`, which takes an executor.
    Inspect,
    /// An executor's `uses` in flow.toml.
    Uses,
}

/// Why a file is not what a command takes.
#[derive(Debug, thiserror::Error)]
#[error("{} is {found}{}", path.display(), Advice(instead))]
pub struct WrongFile {
    path: PathBuf,
    found: String,
    /// What to do, each a clause.
    instead: Vec<String>,
}

struct Advice<'a>(&'a [String]);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|clause| write!(f, "; {clause}"))
    }
}

impl Use {
    /// Refuses what this command cannot take.
    ///
    /// # Errors
    /// With what the file is instead. A file that cannot be read is let pass:
    /// whoever reads it says why.
    pub(crate) fn accept(self, path: &Path) -> Result<(), WrongFile> {
        let Ok(kind) = FileKind::of(path) else {
            return Ok(());
        };
        let wrong = match self {
            Use::Run | Use::Check => self.not_a_flow(path, kind),
            Use::Serve | Use::Inspect | Use::Uses => self.not_an_executor(path, kind),
        };
        wrong.map_or(Ok(()), Err)
    }

    fn not_a_flow(self, path: &Path, kind: FileKind) -> Option<WrongFile> {
        let shown = path.display();
        let (found, instead) = match kind {
            FileKind::Folder => return Some(self.folder_for_flow(path)),
            FileKind::Component => (
                "a WebAssembly component, not a flow".to_owned(),
                vec![
                    match self {
                        Use::Check => {
                            format!("`wasm-flow inspect {shown}` says what it is")
                        }
                        _ => format!("`wasm-flow serve {shown}` serves it alone"),
                    },
                    "a flow.toml names it under [[executors]] as its `uses`".to_owned(),
                ],
            ),
            FileKind::Text if is_named(path, "Cargo.toml") => (
                "a crate's manifest, not a flow".to_owned(),
                vec![format!(
                    "`wasm-flow serve {}` serves an executor alone",
                    folder_of(path).display()
                )],
            ),
            FileKind::Text if has_extension(path, &["yml", "yaml"]) => (
                "a YAML file".to_owned(),
                vec!["a flow is written in TOML here: `wasm-flow new` makes an example".to_owned()],
            ),
            FileKind::Text if has_extension(path, &["rs"]) => (
                "Rust source, not a flow".to_owned(),
                vec!["name the flow.toml that uses it".to_owned()],
            ),
            FileKind::Text | FileKind::Stream => return None,
            kind => (
                format!("{kind}, not a flow.toml"),
                kind.way_out().into_iter().collect(),
            ),
        };
        Some(WrongFile {
            path: path.to_owned(),
            found,
            instead,
        })
    }

    fn folder_for_flow(self, path: &Path) -> WrongFile {
        let name = match self {
            Use::Check => "check",
            _ => "run",
        };
        let flow = path.join("flow.toml");
        let instead = if flow.is_file() {
            vec![format!(
                "`wasm-flow {name} {}` takes its flow",
                flow.display()
            )]
        } else if path.join("Cargo.toml").is_file() {
            let command = match self {
                Use::Check => format!("`wasm-flow inspect {}` says what it is", path.display()),
                _ => format!("`wasm-flow serve {}` serves it alone", path.display()),
            };
            vec!["it holds an executor and no flow.toml".to_owned(), command]
        } else {
            vec![format!(
                "it holds no flow.toml; `wasm-flow {name}` takes the path of one"
            )]
        };
        WrongFile {
            path: path.to_owned(),
            found: "a folder, not a flow.toml".to_owned(),
            instead,
        }
    }

    fn not_an_executor(self, path: &Path, kind: FileKind) -> Option<WrongFile> {
        let shown = path.display();
        let flow_command = |flow: &Path| match self {
            Use::Inspect => format!("`wasm-flow check {}` looks at it", flow.display()),
            _ => format!("`wasm-flow run {}` serves it", flow.display()),
        };
        let (found, instead) = match kind {
            // The loader tells these apart further than their beginning.
            FileKind::Component | FileKind::CoreModule | FileKind::OtherWasm | FileKind::Stream => {
                return None;
            }
            FileKind::Folder => {
                let flow = path.join("flow.toml");
                if path.join("Cargo.toml").is_file() || !flow.is_file() {
                    return None;
                }
                (
                    "the folder of a flow, not of an executor".to_owned(),
                    vec![flow_command(&flow)],
                )
            }
            FileKind::Text if is_named(path, "Cargo.toml") => (
                "a crate's manifest".to_owned(),
                vec![format!(
                    "name the crate's folder instead: {}",
                    folder_of(path).display()
                )],
            ),
            FileKind::Text if has_extension(path, &["toml"]) => (
                "a flow, not an executor".to_owned(),
                vec![flow_command(path)],
            ),
            FileKind::Text if has_extension(path, &["rs"]) => (
                "Rust source, not a component".to_owned(),
                vec!["name the folder with its Cargo.toml, which is built first".to_owned()],
            ),
            FileKind::Wat => (
                format!("{kind}"),
                vec![format!(
                    "`wasm-tools parse {shown} -o x.wasm` gives the binary form, which this \
                     program takes"
                )],
            ),
            FileKind::Native(_) => (
                format!("{kind}, not a WebAssembly component"),
                vec![
                    "an executor is built for wasm32-wasip2: `wasm-flow build` does so".to_owned(),
                ],
            ),
            kind => {
                let way_out = kind.way_out().unwrap_or_else(|| {
                    "`wasm-flow build` makes a component from an executor's folder".to_owned()
                });
                (
                    format!("{kind}, not a WebAssembly component"),
                    vec![way_out],
                )
            }
        };
        Some(WrongFile {
            path: path.to_owned(),
            found,
            instead,
        })
    }
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|found| found == name)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            extensions
                .iter()
                .any(|extension| found.eq_ignore_ascii_case(extension))
        })
}

/// The folder that a file stands in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
