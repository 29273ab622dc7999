//! From an executor's crate to a component.

mod dep_info;
mod record;

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;

#[cfg(feature = "cli")]
pub(crate) use dep_info::sources;

use crate::sdk::Patch;
pub use crate::sdk::{PatchError, SdkError};

/// The target that gives components.
pub const TARGET: &str = "wasm32-wasip2";

/// What a build, or what loads a component, waits for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A folder is compiled.
    Building {
        /// The crate's folder.
        folder: &'a Path,
    },
    /// The target is added to the toolchain.
    AddingTarget,
    /// A file was written that says where this machine has the SDK.
    FoundSdk {
        /// The file.
        path: &'a Path,
    },
    /// A component is compiled to machine code, which takes longer than a moment.
    Compiling {
        /// Its file, or its reference.
        origin: &'a Path,
    },
    /// A folder was compiled.
    Built {
        /// The crate's folder.
        folder: &'a Path,
        /// Its component.
        component: &'a Path,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Building { folder } => write!(
                f,
                "building {} (cargo build --lib --release --target {TARGET})",
                folder.display()
            ),
            Event::AddingTarget => write!(
                f,
                "the Rust target {TARGET} is missing: adding it (rustup target add {TARGET})"
            ),
            Event::FoundSdk { path } => write!(
                f,
                "wrote {}: it says where this machine has wasm-flow-sdk",
                path.display()
            ),
            Event::Compiling { origin } => write!(f, "compiling {}", origin.display()),
            Event::Built { component, .. } => write!(f, "built {}", component.display()),
        }
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is not a crate's.
    #[error("{} has no Cargo.toml; `wasm-flow new` makes an executor's folder", .0.display())]
    NoCrate(PathBuf),
    /// There is no SDK to build with.
    #[error(transparent)]
    Sdk(#[from] PatchError),
    /// A program of the toolchain is not there.
    #[error(
        "{program} cannot be run: {source}; building an executor needs Rust, from https://rustup.rs"
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The target is not there and cannot be added.
    #[error(
        "the Rust target {TARGET} is not installed, and `rustup target add {TARGET}` failed; \
         add it in the way that this machine's Rust was installed"
    )]
    NoTarget,
    /// The crate does not compile.
    #[error("{} does not compile; cargo's messages are above", .0.display())]
    Failed(PathBuf),
    /// cargo refused before it compiled anything.
    #[error(
        "cargo does not build {}, for the reason that it gives above; an executor is a library, \
         with src/lib.rs",
        .0.display()
    )]
    Refused(PathBuf),
    /// The crate is a library of another type.
    #[error(
        "{} compiles, but gives no component; its Cargo.toml needs\n[lib]\n\
         crate-type = [\"cdylib\", \"rlib\"]",
        .0.display()
    )]
    NoComponent(PathBuf),
}

/// The component of the crate in `folder`: as the last build has left it if nothing has
/// changed since, or else of a new one.
///
/// # Errors
/// As [`build`].
pub fn component(folder: &Path, progress: &dyn Fn(Event<'_>)) -> Result<PathBuf, BuildError> {
    match record::component(folder) {
        Some(component) => {
            let component = component.as_path();
            progress(Event::Built { folder, component });
            Ok(component.to_owned())
        }
        None => build(folder, progress),
    }
}

/// Compiles the crate in `folder` and gives its component's path. Tells `progress`
/// what it waits for; cargo's own messages go to standard error.
///
/// # Errors
/// When there is no crate, no toolchain, or it does not compile to a component.
pub fn build(folder: &Path, progress: &dyn Fn(Event<'_>)) -> Result<PathBuf, BuildError> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::NoCrate(folder.to_owned()));
    }
    let start = SystemTime::now();
    see_to_target(folder, progress)?;
    if let Some(path) = Patch::of(folder).restore()? {
        progress(Event::FoundSdk { path });
    }
    progress(Event::Building { folder });
    // The library alone: a program beside it may not be made for this target,
    // and its file would take the place of a component of the same name.
    let mut cargo = tool("cargo")
        .args(["build", "--lib", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::NoProgram {
            program: "cargo",
            source,
        })?;
    let messages = cargo.stdout.take();
    let manifest = manifest.canonicalize().unwrap_or(manifest);
    let (mut component, mut begun) = (None, false);
    for message in messages
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufReader::lines)
    {
        let Ok(message) = message else { break };
        // What cargo refuses before it compiles anything, it tells on stderr
        // alone.
        begun = true;
        component = component_of(&message, &manifest).or(component);
    }
    let done = cargo.wait().is_ok_and(|status| status.success());
    match (done, begun) {
        (true, _) => {}
        (false, true) => return Err(BuildError::Failed(folder.to_owned())),
        (false, false) => return Err(BuildError::Refused(folder.to_owned())),
    }
    let Some(component) = component else {
        return Err(BuildError::NoComponent(folder.to_owned()));
    };
    record::keep(folder, &component, start);
    let done = Event::Built {
        folder,
        component: &component,
    };
    progress(done);
    Ok(component)
}

/// A program of the Rust toolchain, without what a cargo that this program was
/// started from has told it: build scripts watch some of those variables, and
/// would have their crates compiled anew each time.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_of_a_package) {
            command.env_remove(variable);
        }
    }
    command
}

/// Whether a variable is what cargo tells the programs that it runs of their package.
fn is_of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_MANIFEST_")
        || variable.starts_with("CARGO_PKG_")
        || variable == "OUT_DIR"
}

/// The component that one of cargo's messages tells of, if it is this crate's.
fn component_of(message: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact"
        || Path::new(message.get("manifest_path")?.as_str()?) != manifest
    {
        return None;
    }
    let kinds = message.get("target")?.get("crate_types")?.as_array()?;
    if !kinds.iter().any(|kind| kind == "cdylib") {
        return None;
    }
    message
        .get("filenames")?
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))
}

/// Adds the target where it is missing, and says so.
fn see_to_target(folder: &Path, progress: &dyn Fn(Event<'_>)) -> Result<(), BuildError> {
    let libraries = tool("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stderr(Stdio::null())
        .output()
        .map_err(|source| BuildError::NoProgram {
            program: "rustc",
            source,
        })?;
    let path = String::from_utf8_lossy(&libraries.stdout);
    if libraries.status.success() && Path::new(path.trim()).is_dir() {
        return Ok(());
    }
    progress(Event::AddingTarget);
    let added = tool("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        _ => Err(BuildError::NoTarget),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_component_is_the_library_of_the_crate() {
        let component = |manifest: &str, kinds: &[&str], file: &str| {
            let message = json!({
                "reason": "compiler-artifact",
                "manifest_path": manifest,
                "target": { "kind": kinds, "crate_types": kinds },
                "filenames": [format!("/target/{file}.rlib"), format!("/target/{file}.wasm")],
            });
            component_of(&message.to_string(), Path::new("/crate/Cargo.toml"))
        };
        let own = "/crate/Cargo.toml";
        assert_eq!(
            component(own, &["cdylib", "rlib"], "shout"),
            Some(PathBuf::from("/target/shout.wasm"))
        );
        // A program beside it, a dependency, and what is no artifact.
        assert_eq!(component(own, &["bin"], "shout"), None);
        assert_eq!(component("/other/Cargo.toml", &["cdylib"], "other"), None);
        let done = r#"{ "reason": "build-finished", "success": true }"#;
        assert_eq!(component_of(done, Path::new(own)), None);
    }
}
