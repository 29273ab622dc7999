//! What a build was made of, so that cargo need not be asked at each start whether something
//! has changed: that takes a tenth of a second for each folder.
//!
//! Beside what it builds, cargo leaves a file with the names of all sources, from which
//! [other build systems](https://doc.rust-lang.org/cargo/reference/build-cache.html#dep-info-files)
//! know when to call it. Those are compared here, and what cargo and rustup read besides:
//! manifests, lock files, their configuration, and the variables that they look at.
//!
//! If in doubt, there is no record, and cargo is asked: if a package that is not from a
//! registry has a build script, or a source reads a variable. What is not seen is a compiler
//! that another program than rustup has replaced. `wasm-flow build` asks cargo each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wasm_flow_hub::digest_of;

use super::dep_info::{self, read};
use crate::bounds::{DEP_INFO, MADE_OF};
use crate::{hub, whole_file};

/// The form of the records. Those of another one are passed over.
const VERSION: u32 = 1;

/// What configures cargo and the toolchain, in a folder or in one above; a build script
/// counts from the moment that it is there.
const CONFIGURATION: [&str; 8] = [
    "Cargo.toml",
    "build.rs",
    "Cargo.lock",
    ".cargo/config.toml",
    ".cargo/config",
    // Which SDK this machine has: see `sdk::Patch`.
    ".cargo/wasm-flow-sdk.toml",
    "rust-toolchain.toml",
    "rust-toolchain",
];

/// A file as it was: when it was written, in nanoseconds since 1970, and its bytes. None if
/// it was not there.
type Seen = Option<(u128, u64)>;

/// The component of the last build of a folder, if nothing that it was made of has changed.
pub(super) fn component(folder: &Path) -> Option<PathBuf> {
    let record = read(&file_of(folder)?, MADE_OF)?;
    let record: Value = serde_json::from_str(&record).ok()?;
    if record.get("version")? != VERSION || record.get("environment")?.as_str()? != environment() {
        return None;
    }
    let files = record.get("files")?.as_object()?;
    let unchanged = files
        .iter()
        .all(|(path, was)| as_json(seen(Path::new(path))) == *was);
    let component = record.get("component")?.as_str()?;
    (unchanged && files.contains_key(component)).then(|| component.into())
}

/// Keeps what a component was made of, by a build that began at this time.
pub(super) fn keep(folder: &Path, component: &Path, begun: SystemTime) {
    let Some(file) = file_of(folder) else {
        return;
    };
    // What it says is not so any more.
    let _ = fs::remove_file(&file);
    let Some(made_of) = made_of(folder, component, begun) else {
        return;
    };
    let files: Option<serde_json::Map<String, Value>> = made_of
        .into_iter()
        .map(|(path, seen)| Some((path.to_str()?.to_owned(), as_json(seen))))
        .collect();
    let (Some(files), Some(component)) = (files, component.to_str()) else {
        return;
    };
    let record = json!({
        "version": VERSION,
        "environment": environment(),
        "component": component,
        "files": files,
    });
    if let Err(error) = whole_file::write(&file, &record.to_string()) {
        tracing::debug!(%error, file = %file.display(), "what a build was made of is not kept");
    }
}

/// Where the record of a folder is.
fn file_of(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let name = digest_of(folder.as_os_str().as_encoded_bytes())
        .hex()
        .to_string();
    let builds = hub::data()?.join("builds");
    // Who can write there says which component runs.
    crate::sdk::private_folder(&builds).ok()?;
    Some(builds.join(name + ".json"))
}

/// All files that a component was made of, and itself. None if they cannot be told, or if
/// one has changed since the build began.
fn made_of(folder: &Path, component: &Path, begun: SystemTime) -> Option<BTreeMap<PathBuf, Seen>> {
    let sources = dep_info::sources(component)?;
    if dep_info::reads_variables(component, &sources)? {
        return None;
    }
    let mut folders = BTreeSet::new();
    for path in sources.iter().map(PathBuf::as_path).chain([folder]) {
        folders.extend(path.canonicalize().ok()?.ancestors().map(Path::to_owned));
    }
    if folders.iter().any(|folder| has_build_script(folder)) {
        return None;
    }
    let configuration = folders
        .iter()
        .flat_map(|folder| CONFIGURATION.map(|name| folder.join(name)));
    let mut files: BTreeMap<PathBuf, Seen> = sources
        .into_iter()
        .chain(configuration)
        .chain(of_the_user())
        .map(|path| {
            let seen = seen(&path);
            (path, seen)
        })
        .collect();
    let begun = since_1970(begun);
    let is_changed = files.iter().any(|(path, seen)| {
        // cargo itself writes the lock file of a crate that has none.
        !path.ends_with("Cargo.lock") && seen.is_some_and(|(written, _)| written >= begun)
    });
    if is_changed {
        return None;
    }
    files.insert(component.to_owned(), seen(component));
    Some(files)
}

/// Whether the package in a folder has a program that is run before it is compiled. That may
/// look at anything.
fn has_build_script(folder: &Path) -> bool {
    let Some(manifest) = read(&folder.join("Cargo.toml"), DEP_INFO) else {
        return false;
    };
    let names_one = |line: &str| {
        let rest = line.trim_start().strip_prefix("build");
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    folder.join("build.rs").exists() || manifest.lines().any(names_one)
}

/// What configures cargo and the toolchain for this user. rustup writes a new hash when it
/// updates a toolchain.
fn of_the_user() -> Vec<PathBuf> {
    let home = |variable, name| {
        let set = std::env::var_os(variable).filter(|value| !value.is_empty());
        set.map(PathBuf::from)
            .or_else(|| Some(std::env::home_dir()?.join(name)))
    };
    let mut files = Vec::new();
    if let Some(cargo) = home("CARGO_HOME", ".cargo") {
        files.extend(["config.toml", "config"].map(|name| cargo.join(name)));
    }
    if let Some(rustup) = home("RUSTUP_HOME", ".rustup") {
        files.push(rustup.join("settings.toml"));
        let hashes = rustup.join("update-hashes");
        let found = fs::read_dir(&hashes).into_iter().flatten().flatten();
        files.extend(found.map(|found| found.path()));
        files.push(hashes);
    }
    files
}

/// The variables that cargo and the compiler look at, as one text.
fn environment() -> String {
    let variables: BTreeSet<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(name, _)| {
            let is_read = ["CARGO", "RUST", "CC", "AR"]
                .iter()
                .any(|begin| name.starts_with(begin));
            let is_log = ["RUST_LOG", "RUST_BACKTRACE"].contains(&name.as_str());
            (is_read || name == "PATH") && !is_log && !super::is_of_a_package(name)
        })
        .collect();
    let text = format!("{} {variables:?}", env!("CARGO_PKG_VERSION"));
    digest_of(text.as_bytes()).to_string()
}

fn seen(path: &Path) -> Seen {
    let metadata = fs::metadata(path).ok()?;
    Some((since_1970(metadata.modified().ok()?), metadata.len()))
}

fn since_1970(time: SystemTime) -> u128 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}

/// As a record has it. JSON's numbers are too small for the time.
fn as_json(seen: Seen) -> Value {
    match seen {
        None => Value::Null,
        Some((written, bytes)) => json!(format!("{written} {bytes}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_file::tests::Folder;

    /// A crate as cargo has left it, and when that began.
    fn built(folder: &Path) -> (PathBuf, PathBuf) {
        let (own, target) = (folder.join("crate"), folder.join("target"));
        fs::create_dir_all(own.join("src")).unwrap();
        fs::create_dir_all(target.join("deps")).unwrap();
        let (source, component) = (own.join("src/lib.rs"), target.join("own.wasm"));
        fs::write(own.join("Cargo.toml"), "[package]\n").unwrap();
        fs::write(&source, "").unwrap();
        fs::write(&component, "").unwrap();
        let dep_info = format!("{}: {}\n", component.display(), source.display());
        fs::write(target.join("own.d"), &dep_info).unwrap();
        fs::write(target.join("deps/own-1f.d"), dep_info).unwrap();
        (own, component)
    }

    #[test]
    fn what_cannot_be_told_is_not_kept() {
        let folder = Folder::new("made-of");
        let (own, component) = built(&folder.0);
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        let made = made_of(&own, &component, later).unwrap();
        for known in ["src/lib.rs", "Cargo.toml"] {
            assert!(made[&own.join(known)].is_some());
        }
        // What would count if it were there.
        assert_eq!(made[&folder.0.join(".cargo/config.toml")], None);
        assert_eq!(made[&own.join("rust-toolchain.toml")], None);
        // Somebody may have saved while it was built.
        assert_eq!(made_of(&own, &component, UNIX_EPOCH), None);

        let deps = folder.0.join("target/deps");
        for variable in ["# env-dep:CARGO_PKG_NAME=own\n", "# env-dep:OTHER\n"] {
            let noted = format!("own.wasm: src/lib.rs\n\n{variable}");
            fs::write(deps.join("own-2f.d"), noted).unwrap();
            let is_kept = made_of(&own, &component, later).is_some();
            assert_eq!(is_kept, variable.contains("CARGO_"), "{variable}");
        }
        fs::write(deps.join("own-2f.d"), "").unwrap();
        // A crate from a registry, whose sources are none of these.
        let other = "libother.rlib: /registry/other/src/lib.rs\n\n# env-dep:OTHER\n";
        fs::write(deps.join("other-2f.d"), other).unwrap();
        assert!(made_of(&own, &component, later).is_some());
        fs::write(own.join("Cargo.toml"), "[package]\nbuild = \"x.rs\"\n").unwrap();
        assert_eq!(made_of(&own, &component, later), None);
        fs::write(own.join("Cargo.toml"), "[package]\n").unwrap();
        fs::write(own.join("build.rs"), "").unwrap();
        assert_eq!(made_of(&own, &component, later), None);
    }
}
