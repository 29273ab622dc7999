//! What an executor of a program's flow is made from.

use std::path::{Path, PathBuf};

use wasm_flow_manifest::ExecutorEntry;
use wasm_flow_wasm::Component;

use crate::resolve::Uses;

/// What an executor is made from: the path of a crate's folder, which is built first, or
/// of a `.wasm` file, or a [`Component`] that is loaded already. Paths are relative to
/// the working directory.
///
/// A text is read as `uses` in `flow.toml` is.
#[derive(Debug, Clone)]
pub struct ExecutorSource(pub(super) Result<Uses, String>);

impl From<&str> for ExecutorSource {
    fn from(text: &str) -> Self {
        ExecutorSource(ExecutorEntry::parse_uses(text).map(Uses::Named))
    }
}

impl From<String> for ExecutorSource {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for ExecutorSource {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<PathBuf> for ExecutorSource {
    fn from(path: PathBuf) -> Self {
        ExecutorSource(Ok(Uses::Named(wasm_flow_manifest::Uses::Path {
            written: path.display().to_string(),
            path,
        })))
    }
}

impl From<&Path> for ExecutorSource {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

impl From<&PathBuf> for ExecutorSource {
    fn from(path: &PathBuf) -> Self {
        path.clone().into()
    }
}

impl From<Component> for ExecutorSource {
    fn from(component: Component) -> Self {
        ExecutorSource(Ok(Uses::Component(component)))
    }
}

impl From<&Component> for ExecutorSource {
    fn from(component: &Component) -> Self {
        component.clone().into()
    }
}
