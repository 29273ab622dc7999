//! Whether a component imports what the host provides, and exports an executor.

use std::fmt;

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, Val};

use crate::bounds::MAX_LISTED;
use crate::text::printable;

/// The package that our own interfaces are in.
const PACKAGE: &str = "wasm-flow:executor/";

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

/// The version under which the linker has our own interfaces: that of `wit/`.
const OURS: &str = "0.1.0";

/// The release of the program.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// How a component differs from the world that the host runs.
#[derive(Debug, Default)]
pub(super) struct Mismatch {
    /// What it imports of our own interfaces, and the host does not have: whole
    /// interfaces, and functions of those that it has.
    missing_of_ours: Vec<String>,
    /// Other interfaces that it imports, and the host does not have.
    missing: Vec<String>,
    exports_executor: bool,
    other_executor: Option<String>,
    exports: Vec<String>,
    /// The latest release of this line that it was built for.
    built_for: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u64, u64, u64);

/// The interfaces that a component imports.
///
/// # Errors
/// All that is missing at once. Linking would report the first only.
pub(super) fn check<T: 'static>(
    linker: &Linker<T>,
    component: &Component,
) -> Result<Vec<String>, Box<Mismatch>> {
    let engine = linker.engine();
    let ty = component.component_type();
    let mut mismatch = Box::new(Mismatch::default());
    let mut imports = Vec::new();
    let mut known = Known(linker.clone());
    for (name, item) in ty.imports(engine) {
        let ours = name.strip_prefix(PACKAGE);
        if !provided(name) {
            match ours {
                Some(_) => mismatch.missing_of_ours.push(printable(name)),
                None => mismatch.missing.push(printable(name)),
            }
        } else if let (Some(_), ComponentItem::ComponentInstance(interface)) = (ours, item.ty) {
            let functions = interface
                .exports(engine)
                .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
            for (function, _) in functions {
                if !known.has(name, function) {
                    let function = named(name, function);
                    mismatch.missing_of_ours.push(printable(&function));
                }
            }
        }
        if ours.is_some() {
            mismatch.built_for = mismatch.built_for.max(Version::of(name));
        }
        imports.push(name.to_owned());
    }
    for (name, item) in ty.exports(engine) {
        let interface = matches!(item.ty, ComponentItem::ComponentInstance(_));
        match name.strip_prefix(EXECUTOR) {
            Some(version) if interface && version.starts_with("@0.1.") => {
                mismatch.exports_executor = true;
                mismatch.built_for = mismatch.built_for.max(Version::of(name));
            }
            Some(_) => mismatch.other_executor = Some(printable(name)),
            None => {}
        }
        mismatch.exports.push(printable(name));
    }
    if mismatch.exports_executor {
        mismatch.other_executor = None;
        if mismatch.missing_of_ours.is_empty() && mismatch.missing.is_empty() {
            return Ok(imports);
        }
    }
    Err(mismatch)
}

/// The functions that the host has.
struct Known<T: 'static>(Linker<T>);

impl<T: 'static> Known<T> {
    /// Whether the host has this function of one of our own interfaces. A linker
    /// does not say what is in it, but refuses to define anything twice.
    fn has(&mut self, interface: &str, function: &str) -> bool {
        let name = interface
            .split_once('@')
            .map_or(interface, |(name, _)| name);
        let nothing =
            |_: StoreContextMut<'_, T>, _: ComponentFunc, _: &[Val], _: &mut [Val]| Ok(());
        self.0
            .allow_shadowing(false)
            .instance(&format!("{name}@{OURS}"))
            .and_then(|mut interface| interface.func_new(function, nothing))
            .is_err()
    }
}

/// `wasm-flow:executor/requests@0.1.0: request.id`.
fn named(interface: &str, function: &str) -> String {
    let kinds = ["[method]", "[static]"];
    let plain = kinds.iter().find_map(|kind| function.strip_prefix(kind));
    format!("{interface}: {}", plain.unwrap_or(function))
}

impl Version {
    /// The version at the end of an interface's name.
    fn of(interface: &str) -> Option<Version> {
        let (_, version) = interface.rsplit_once('@')?;
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        let version = Version(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(version)
    }

    /// Its line: the numbers that have to be the same.
    fn line(self) -> String {
        match self {
            Version(0, minor, _) => format!("0.{minor}"),
            Version(major, ..) => major.to_string(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
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

impl Mismatch {
    /// The release that the component needs, if it is later than this one.
    fn later(&self) -> Option<Version> {
        let this = Version::of(&format!("@{RELEASE}"));
        self.built_for.filter(|release| Some(*release) > this)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, names: &[String]| {
            for name in names.iter().take(MAX_LISTED) {
                write!(f, "\n    {name}")?;
            }
            match names.len().saturating_sub(MAX_LISTED) {
                0 => Ok(()),
                more => write!(f, "\n    and {more} more"),
            }
        };
        let imports = "it imports what this host does not provide";
        match (&self.other_executor, self.exports_executor) {
            // All of its imports are of the other line, too.
            (Some(other), _) => {
                write!(
                    f,
                    "is not for this release: it exports {other}, and this host runs \
                     {EXECUTOR}@0.1"
                )?;
                if let Some(version) = Version::of(other) {
                    write!(f, "; run it with wasm-flow {}, or", version.line())?;
                } else {
                    write!(f, ";")?;
                }
                return write!(
                    f,
                    " build it again with the wasm-flow-sdk of this release, {RELEASE}"
                );
            }
            (None, false) => {
                write!(f, "is not an executor: it does not export {EXECUTOR}@0.1")?;
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
                if !self.missing_of_ours.is_empty() || !self.missing.is_empty() {
                    write!(f, "\n  {imports}")?;
                }
            }
            (None, true) => write!(f, "cannot run here: {imports}")?,
        }
        list(f, &self.missing_of_ours)?;
        list(f, &self.missing)?;
        if !self.missing_of_ours.is_empty() {
            match self.later() {
                Some(later) => write!(
                    f,
                    "\n  it was built for wasm-flow {later}, and this is {RELEASE}: run it with \
                     wasm-flow {later} or later"
                )?,
                None => write!(
                    f,
                    "\n  build it again with the wasm-flow-sdk of this release, {RELEASE}"
                )?,
            }
        }
        if !self.missing.is_empty() {
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
    #[test]
    fn functions_are_known_by_the_name_that_the_linker_has() {
        let runtime = crate::Runtime::new(crate::RuntimeConfig {
            cache: false,
            ..crate::RuntimeConfig::default()
        })
        .unwrap();
        for (function, expected) in [
            ("[method]request.id", true),
            ("[method]request.trace-parent", false),
        ] {
            // A probe leaves what it asked for behind.
            let mut known = Known(runtime.linker().clone());
            for version in ["0.1.0", "0.1.7"] {
                let interface = format!("wasm-flow:executor/requests@{version}");
                let found = known.has(&interface, function);
                assert_eq!(found, expected || version == "0.1.7", "{function}");
            }
        }
    }

    #[test]
    fn a_version_is_three_numbers() {
        for (name, expected) in [
            ("wasm-flow:executor/requests@0.1.5", Some(Version(0, 1, 5))),
            ("@1.20.300", Some(Version(1, 20, 300))),
            ("wasm-flow:executor/requests", None),
            ("a@0.1", None),
            ("a@0.1.0.0", None),
            ("a@0.1.x", None),
        ] {
            assert_eq!(Version::of(name), expected, "{name}");
        }
        assert!(Version(0, 1, 10) > Version(0, 1, 9));
        assert_eq!(Version(0, 2, 1).line(), "0.2");
        assert_eq!(Version(2, 1, 0).line(), "2");
        assert!(Version::of(&format!("@{RELEASE}")).is_some());
    }
}
