//! `wasm-flow new`: an executor to begin with.

mod template;

use std::path::{Path, PathBuf};

use serde_json::json;
use wasm_flow_manifest::ExecutorEntry;

use super::{Format, Result, terminal};
use crate::file_kind::FileKind;
use crate::sdk::{self, Patch, PatchError, SdkError};
use template::Template;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The executor's name, as a crate has it: lower case, words joined by `-`.
    name: String,
    /// What it begins as.
    #[arg(long, value_enum, default_value_t)]
    template: Template,
    /// The folder to make, instead of one of that name.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of wasm-flow-sdk to build against, instead of the one that this
    /// program brings along.
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
    #[error(transparent)]
    Sdk(#[from] SdkError),
    #[error(transparent)]
    Patch(#[from] PatchError),
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

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
    let sdk = Sdk::find(args.sdk.as_deref())?;
    let files = args.template.files();
    let first = args.template.first_request();
    let padded = format!("{first:<37} # one request through flow.toml");
    let readme = fill(README, name).replace("{try}", &padded);
    for (path, text) in [
        ("Cargo.toml", cargo_toml(name, &sdk.dependency())),
        (".cargo/config.toml", sdk.cargo_config()),
        (".gitignore", sdk.ignored()),
        ("flow.toml", fill(files.flow, name)),
        ("README.md", readme + sdk.readme()),
        ("src/lib.rs", fill(files.lib, name)),
        ("tests/cases.jsonl", files.cases.to_owned()),
    ] {
        write(&folder.join(path), &text)?;
    }
    if let Sdk::Unpacked(sdk) = &sdk {
        Patch::of(&folder).write(sdk).map_err(NewError::Patch)?;
    }
    match format {
        Format::Text => {
            let folder = folder.display();
            terminal::line(&format!(
                "made {folder}\n\nnext:\n  cd {folder}\n  cargo test\n  wasm-flow test\n  {first}"
            ))?;
        }
        Format::Json => terminal::json(&json!({ "folder": folder.display().to_string() }))?,
    }
    Ok(())
}

/// What the new crate is built with.
enum Sdk {
    /// A folder that the user named.
    Folder(PathBuf),
    /// The folder of the one that this program brings along.
    Unpacked(PathBuf),
    /// The crate of this program's version.
    Released,
}

impl Sdk {
    fn find(given: Option<&Path>) -> Result<Self, NewError> {
        let Some(folder) = given else {
            return Ok(sdk::unpacked()?.map_or(Sdk::Released, Sdk::Unpacked));
        };
        if !folder.join("Cargo.toml").is_file() {
            return Err(NewError::NoSdk(folder.to_owned()));
        }
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Ok(Sdk::Folder(folder))
    }

    /// As Cargo.toml has it.
    fn dependency(&self) -> String {
        match self {
            Sdk::Folder(folder) => {
                // A JSON string is a TOML string.
                let path = serde_json::Value::from(folder.display().to_string());
                format!("{{ path = {path} }}")
            }
            Sdk::Unpacked(_) | Sdk::Released => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        }
    }

    fn cargo_config(&self) -> String {
        match self {
            Sdk::Unpacked(_) => format!("{}\n{CARGO_CONFIG}", sdk::INCLUDE),
            Sdk::Folder(_) | Sdk::Released => CARGO_CONFIG.to_owned(),
        }
    }

    fn ignored(&self) -> String {
        match self {
            Sdk::Unpacked(_) => format!("/target\n/.cargo/{}\n", Patch::FILE),
            Sdk::Folder(_) | Sdk::Released => "/target\n".to_owned(),
        }
    }

    fn readme(&self) -> &'static str {
        match self {
            Sdk::Unpacked(_) => README_OF_UNPACKED,
            Sdk::Folder(_) | Sdk::Released => "",
        }
    }
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

/// What has a meaning in the templates or may come to have one there: its own types, the
/// SDK's prelude, Rust's prelude.
const TAKEN_TYPES: &str = "
    Config HashSet SearchParameters TestExecutor Self

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

const README: &str = include_str!("templates/README.md");

const README_OF_UNPACKED: &str = "
After a clone, run `wasm-flow build` first. It writes `.cargo/wasm-flow-sdk.toml`,
which says where the machine has wasm-flow-sdk; cargo does not build without it.
";

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
        for template in <Template as clap::ValueEnum>::value_variants() {
            let lib = fill(template.files().lib, "config");
            assert!(lib.contains("pub struct ConfigExecutor {"), "{lib}");
            assert!(lib.matches("struct Config ").count() <= 1, "{lib}");
        }
    }

    /// The SDK may export more one day.
    #[test]
    fn all_of_the_prelude_is_taken() {
        let sdk = include_str!("../../../../guest-sdk/src/lib.rs");
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
