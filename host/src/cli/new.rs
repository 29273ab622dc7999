//! `wasm-flow new`: an executor to begin with.

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_manifest::ExecutorEntry;

use super::{Format, Result, terminal};
use crate::file_kind::FileKind;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The executor's name, as a crate has it: lower case, words joined by `-`.
    name: String,
    /// The folder to make, instead of one of that name.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of wasm-flow-sdk to build against, instead of the released
    /// crate.
    #[arg(long, value_name = "DIR", env = "WASM_FLOW_SDK")]
    sdk: Option<PathBuf>,
}

/// Why there is no new executor.
#[derive(Debug, thiserror::Error)]
pub(super) enum NewError {
    #[error(
        "`{0}` cannot be the name of a crate: use lower-case letters, digits, `-` and `_`, \
         beginning with a letter"
    )]
    Name(String),
    #[error("{0}; choose another name")]
    Executor(String),
    #[error("`{0}` is the name of a crate that executors depend on; choose another name")]
    Taken(String),
    #[error("{} exists already and is not empty", .0.display())]
    Exists(PathBuf),
    #[error("{} is {kind}, and a new executor needs a folder of its own", path.display())]
    NotAFolder { path: PathBuf, kind: FileKind },
    #[error("{} does not hold wasm-flow-sdk: it has no Cargo.toml", .0.display())]
    NoSdk(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The folder that this program was built from, beside which the SDK stands
/// until it is released as a crate.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

pub(super) fn run(args: &Args, format: Format) -> Result<()> {
    let name = &args.name;
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !valid {
        return Err(NewError::Name(name.clone()).into());
    }
    // The flow.toml that is made must be one that this program takes.
    ExecutorEntry::parse_name(name).map_err(NewError::Executor)?;
    if TAKEN_CRATES.contains(&name.replace('_', "-").as_str()) {
        return Err(NewError::Taken(name.clone()).into());
    }
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(name));
    match FileKind::of(&folder) {
        Err(_) | Ok(FileKind::Folder) => {}
        Ok(kind) => return Err(NewError::NotAFolder { path: folder, kind }.into()),
    }
    let empty = std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        return Err(NewError::Exists(folder).into());
    }
    let sdk = sdk(args.sdk.as_deref())?;
    for (path, text) in [
        ("Cargo.toml", cargo_toml(name, &sdk)),
        (".cargo/config.toml", CARGO_CONFIG.to_owned()),
        (".gitignore", "/target\n".to_owned()),
        ("flow.toml", fill(FLOW, name)),
        ("README.md", fill(README, name)),
        ("src/lib.rs", fill(LIB, name)),
    ] {
        write(&folder.join(path), &text)?;
    }
    match format {
        Format::Text => {
            let folder = folder.display();
            terminal::line(&format!(
                "made {folder}\n\nnext:\n  cd {folder}\n  cargo test\n  \
                 wasm-flow run --on /hello --text world"
            ))?;
        }
        Format::Json => terminal::json(&json!({ "folder": folder }))?,
    }
    Ok(())
}

fn sdk(given: Option<&Path>) -> Result<String, NewError> {
    let folder = match given {
        Some(folder) => folder,
        None if Path::new(BESIDE).join("Cargo.toml").is_file() => Path::new(BESIDE),
        None => return Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
    };
    if !folder.join("Cargo.toml").is_file() {
        return Err(NewError::NoSdk(folder.to_owned()));
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    // A JSON string is a TOML string.
    let path = serde_json::Value::from(folder.display().to_string());
    Ok(format!("{{ path = {path} }}"))
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, text));
    written.map_err(|source| NewError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Crates that the new one is built from, and cannot be called like.
const TAKEN_CRATES: [&str; 4] = [
    "std",
    "wasm-flow-document",
    "wasm-flow-sdk",
    "wasm-flow-sdk-macros",
];

/// What has a meaning in [`LIB`] or may come to have one there: its own types, the
/// SDK's prelude, Rust's prelude.
const TAKEN_TYPES: &str = "
    Config TestExecutor Self

    Context Deserialize DocsMatrix Document DocumentArray Error Json Map NamedScore NdArray
    Parameters Result Serialize Setup

    AsMut AsRef AsyncFn AsyncFnMut AsyncFnOnce Box Clone Copy Default DoubleEndedIterator Drop Eq
    Err ExactSizeIterator Extend Fn FnMut FnOnce From FromIterator Future Into IntoFuture
    IntoIterator Iterator None Ok Option Ord PartialEq PartialOrd Send Sized Some String Sync
    ToOwned ToString TryFrom TryInto Unpin Vec
";

/// `hello-world` becomes `HelloWorld`; `string` becomes `StringExecutor`, where
/// `String` would be another type's name.
fn type_name(name: &str) -> String {
    let type_name: String = name
        .split(['-', '_'])
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect();
    match is_taken(&type_name) {
        true => type_name + "Executor",
        false => type_name,
    }
}

fn is_taken(type_name: &str) -> bool {
    TAKEN_TYPES
        .split_whitespace()
        .any(|taken| taken == type_name)
}

fn fill(template: &str, name: &str) -> String {
    template
        .replace("{name}", name)
        .replace("{Type}", &type_name(name))
}

fn cargo_toml(name: &str, sdk: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
# cdylib is the component; rlib is for `cargo test`.
crate-type = ["cdylib", "rlib"]

[dependencies]
wasm-flow-sdk = {sdk}

# A workspace of its own, also inside another's folder.
[workspace]
"#
    )
}

const CARGO_CONFIG: &str = r#"# For `cargo component build`, which compiles for this target: the linker gives
# the finished component, as asynchronous interfaces need.
[target.wasm32-wasip1]
linker = "wasm-component-ld"
"#;

const FLOW: &str = r#"[flow]
name = "{name}"

[[executors]]
name = "{name}"
uses = "."
uses_with = { greeting = "hello" }
"#;

const LIB: &str = r#"use wasm_flow_sdk::prelude::*;

/// What flow.toml's `uses_with` may hold.
#[config]
pub struct Config {
    /// Put before every text.
    greeting: String,
}

pub struct {Type} {
    greeting: String,
}

/// Greets.
#[executor]
impl {Type} {
    pub fn new(config: Config) -> Self {
        {Type} {
            greeting: config.greeting,
        }
    }

    /// Puts the greeting before every document's text.
    #[requests(on = "/hello")]
    pub async fn hello(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let text = format!("{} {}", self.greeting, doc.text());
            doc.set_text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_flow_sdk::testing::TestExecutor;

    #[test]
    fn greets() -> Result<()> {
        let executor = TestExecutor::<{Type}>::start(json!({ "greeting": "hello" }))?;
        let reply = executor.post("/hello", DocumentArray::from_texts(["world"]))?;
        assert_eq!(reply.docs[0].text(), "hello world");
        Ok(())
    }
}
"#;

const README: &str = r#"# {name}

An executor for wasm-flow.

    cargo test                                   # its tests, without a host
    wasm-flow build                              # its component
    wasm-flow run --on /hello --text world       # one request through flow.toml
    wasm-flow run                                # flow.toml, served

`cargo build --release --target wasm32-wasip2` and `cargo component build
--release` give the same component.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_types() {
        assert_eq!(type_name("hello-world_2"), "HelloWorld2");
        assert_eq!(type_name("a"), "A");
    }

    #[test]
    fn a_name_that_is_taken_becomes_another() {
        for (name, expected) in [
            ("config", "ConfigExecutor"),
            ("string", "StringExecutor"),
            ("result", "ResultExecutor"),
            ("document-array", "DocumentArrayExecutor"),
            ("self", "SelfExecutor"),
            ("configs", "Configs"),
        ] {
            assert_eq!(type_name(name), expected);
        }
        assert!(fill(LIB, "config").contains("pub struct ConfigExecutor {"));
        assert_eq!(fill(LIB, "config").matches("struct Config ").count(), 1);
    }

    /// The SDK may export more one day.
    #[test]
    fn all_of_the_prelude_is_taken() {
        let sdk = include_str!("../../../guest-sdk/src/lib.rs");
        let (_, prelude) = sdk.split_once("pub mod prelude {").unwrap();
        let (_, names) = prelude.split_once("pub use crate::{").unwrap();
        let (names, _) = names.split_once('}').unwrap();
        let types = names
            .split(',')
            .map(str::trim)
            // Not what stands for no name, as `X as _`, and not macros.
            .filter(|name| name.starts_with(char::is_uppercase) && !name.contains(" as "));
        let mut seen = 0;
        for name in types {
            seen += 1;
            assert!(is_taken(name), "{name}");
        }
        assert!(seen > 10, "the prelude was not found");
    }
}
