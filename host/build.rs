//! Packs the sources of wasm-flow-sdk, so that the program brings its SDK along.
//!
//! That is needed until the SDK is released as a crate. In the package of a registry
//! the sources do not stand beside this crate, and nothing is packed.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The SDK, and the crates of the repository that it is built of.
const CRATES: [&str; 3] = ["guest-sdk", "guest-sdk/macros", "host/document"];

/// What of a crate its package holds, besides Cargo.toml. A test compares.
const SOURCES: [&str; 2] = ["src", "examples"];

/// The most that all files may come to, in bytes: they are a part of the program,
/// and are written to a user's disk.
const MAX_SIZE: usize = 2 << 20;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let mut files = Files(Vec::new());
    if root.join("guest-sdk/Cargo.toml").is_file() {
        files.pack(&root)?;
    }
    let folder = format!("{}-{:016x}", env::var("CARGO_PKG_VERSION")?, files.hash());
    let mut code = format!("pub(super) const FOLDER: &str = {folder:?};\n");
    writeln!(code, "pub(super) const FILES: &[(&str, &str)] = &[")?;
    for (path, text) in &files.0 {
        writeln!(code, "    ({path:?}, {text:?}),")?;
    }
    writeln!(code, "];")?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("sdk.rs"), code)?;
    Ok(())
}

/// Paths, with `/`, and texts.
struct Files(Vec<(String, String)>);

impl Files {
    fn pack(&mut self, root: &Path) -> Result<()> {
        let mut manifests = String::new();
        for folder in CRATES {
            manifests += &self.add_manifest(root, folder)?;
            for sources in SOURCES {
                self.add_folder(root, &format!("{folder}/{sources}"))?;
            }
        }
        self.add(root, "LICENSE")?;
        let workspace = read(root, "Cargo.toml")?;
        let workspace = workspace_of(&workspace, &manifests)?;
        self.0.push(("Cargo.toml".to_owned(), workspace));
        self.0.sort();
        let size: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        if size > MAX_SIZE {
            return Err(
                format!("the SDK's sources have {size} bytes: more than {MAX_SIZE}").into(),
            );
        }
        Ok(())
    }

    fn add(&mut self, root: &Path, path: &str) -> Result<()> {
        let text = read(root, path)?;
        self.0.push((path.to_owned(), text));
        Ok(())
    }

    /// Adds a crate's Cargo.toml, and gives it. It says that there is no build script:
    /// without this, cargo would run one that somebody else has put there.
    fn add_manifest(&mut self, root: &Path, folder: &str) -> Result<String> {
        const PACKAGE: &str = "[package]\n";
        if root.join(folder).join("build.rs").exists() {
            return Err(format!("{folder} has a build script, which is not packed").into());
        }
        let path = format!("{folder}/Cargo.toml");
        let text = read(root, &path)?;
        let (before, after) = text
            .split_once(PACKAGE)
            .ok_or_else(|| format!("{path} has no [package]"))?;
        let text = format!("{before}{PACKAGE}build = false\n{after}");
        self.0.push((path, text.clone()));
        Ok(text)
    }

    /// Adds the Rust files in a folder, and below it.
    fn add_folder(&mut self, root: &Path, folder: &str) -> Result<()> {
        let path = root.join(folder);
        if !path.is_dir() {
            return Ok(());
        }
        println!("cargo:rerun-if-changed={}", path.display());
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().ok_or("a file's name is not text")?;
            let inner = format!("{folder}/{name}");
            if entry.file_type()?.is_dir() {
                self.add_folder(root, &inner)?;
            } else if name.ends_with(".rs") {
                self.add(root, &inner)?;
            }
        }
        Ok(())
    }

    /// FNV-1a of all paths and texts: it tells one state of the sources from another.
    fn hash(&self) -> u64 {
        let parts = self.0.iter().flat_map(|(path, text)| [path, text]);
        let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

fn read(root: &Path, path: &str) -> Result<String> {
    let file = root.join(path);
    println!("cargo:rerun-if-changed={}", file.display());
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.replace("\r\n", "\n"))
}

/// The repository's Cargo.toml, with what these manifests inherit from it.
fn workspace_of(repository: &str, manifests: &str) -> Result<String> {
    let (_, shared) = repository
        .split_once("[workspace.package]\n")
        .ok_or("the repository's Cargo.toml has no [workspace.package]")?;
    let mut text =
        format!("[workspace]\nresolver = \"3\"\nmembers = {CRATES:?}\n\n[workspace.package]\n");
    let mut dependencies = false;
    for line in shared.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            dependencies = line == "[workspace.dependencies]";
        }
        let name = line.split_once(" = ").map(|(name, _)| name);
        let inherited = name.is_none_or(|name| manifests.contains(&format!("\n{name}.workspace")));
        if inherited || !dependencies {
            text += line;
            text.push('\n');
        }
    }
    Ok(text)
}
