//! Whether a component imports what the host provides, and exports an executor.

use std::fmt;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::text::printable;

/// The interface that makes a component an executor.
const EXECUTOR: &str = "wasm-flow:executor/executor";

/// What the host provides, with the versions: a minor release of the same
/// line is taken for another.
const PROVIDED: [(&str, &[&str]); 12] = [
    ("wasm-flow:executor/documents", &["0.1"]),
    ("wasm-flow:executor/requests", &["0.1"]),
    ("wasm-flow:executor/diagnostics", &["0.1"]),
    ("wasm-flow:executor/logging", &["0.1"]),
    ("wasm-flow:executor/timers", &["0.1"]),
    ("wasi:cli/", &["0.2", "0.3"]),
    ("wasi:clocks/", &["0.2", "0.3"]),
    ("wasi:filesystem/", &["0.2", "0.3"]),
    ("wasi:io/", &["0.2"]),
    ("wasi:random/", &["0.2", "0.3"]),
    ("wasi:sockets/", &["0.2", "0.3"]),
    ("wasi:http/", &["0.2", "0.3"]),
];

/// How a component differs from the world that the host runs.
#[derive(Debug, Default)]
pub(super) struct Mismatch {
    missing_imports: Vec<String>,
    exports_executor: bool,
    other_executor: Option<String>,
    exports: Vec<String>,
}

/// The interfaces that a component imports.
///
/// # Errors
/// All that is missing at once. Linking would report the first only.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<Vec<String>, Mismatch> {
    let ty = component.component_type();
    let mut mismatch = Mismatch::default();
    let mut imports = Vec::new();
    for (name, _) in ty.imports(engine) {
        if !provided(name) {
            mismatch.missing_imports.push(printable(name));
        }
        imports.push(name.to_owned());
    }
    for (name, item) in ty.exports(engine) {
        let interface = matches!(item.ty, ComponentItem::ComponentInstance(_));
        match name.strip_prefix(EXECUTOR) {
            Some(version) if interface && version.starts_with("@0.1.") => {
                mismatch.exports_executor = true;
            }
            Some(_) => mismatch.other_executor = Some(printable(name)),
            None => {}
        }
        mismatch.exports.push(printable(name));
    }
    if mismatch.exports_executor && mismatch.missing_imports.is_empty() {
        return Ok(imports);
    }
    if mismatch.exports_executor {
        mismatch.other_executor = None;
    }
    Err(mismatch)
}

fn provided(import: &str) -> bool {
    let Some((name, version)) = import.split_once('@') else {
        return false;
    };
    PROVIDED.iter().any(|(prefix, versions)| {
        let named = match prefix.strip_suffix('/') {
            Some(_) => name.starts_with(prefix),
            None => name == *prefix,
        };
        let line = |known: &str| {
            version
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        named && versions.iter().any(|known| line(known))
    })
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, names: &[String]| {
            names.iter().try_for_each(|name| write!(f, "\n    {name}"))
        };
        match (&self.other_executor, self.exports_executor) {
            (Some(other), _) => write!(
                f,
                "it exports {other}, and this host runs {EXECUTOR}@0.1; \
                 build it again with the wasm-flow-sdk of this release"
            )?,
            (None, false) => {
                write!(f, "it does not export {EXECUTOR}@0.1")?;
                if self.exports.is_empty() {
                    write!(f, ", nor anything else")?;
                } else {
                    write!(f, "; it exports")?;
                    list(f, &self.exports)?;
                }
                write!(
                    f,
                    "\n  an executor is a struct with `#[executor] impl` of wasm-flow-sdk; \
                     `wasm-flow new` makes one"
                )?;
            }
            (None, true) => write!(f, "it imports what this host does not provide")?,
        }
        if !self.missing_imports.is_empty() {
            write!(f, "\n  it imports, and this host does not provide")?;
            list(f, &self.missing_imports)?;
            write!(
                f,
                "\n  this host provides wasm-flow:executor@0.1 and WASI 0.2 and 0.3 \
                 (cli, clocks, filesystem, http, io, random, sockets)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_line_are_taken_for_each_other() {
        for (import, expected) in [
            ("wasi:cli/environment@0.2.0", true),
            ("wasi:cli/environment@0.2.99", true),
            ("wasi:http/client@0.3.1", true),
            ("wasi:io/poll@0.3.0", false),
            ("wasi:cli/environment@0.20.0", false),
            ("wasi:nn/graph@0.2.0", false),
            ("wasm-flow:executor/documents@0.1.7", true),
            ("wasm-flow:executor/documents-more@0.1.0", false),
            ("wasm-flow:executor/documents@0.2.0", false),
            ("something", false),
        ] {
            assert_eq!(provided(import), expected, "{import}");
        }
    }
}
