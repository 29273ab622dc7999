//! The tests' executors in other languages than Rust, and the tools that build them.
//!
//! A component is built again if its sources, the WIT or the tools' versions are
//! others. The tools do not write the same bytes twice, so to keep a component also
//! keeps the code that the host compiled of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::setup::{
    announce, exclusively, fnv1a, repository, succeed_or, virtual_environment, work_folder,
};

/// The languages, each with a folder in `tests/guests`.
pub const LANGUAGES: [&str; 2] = ["python", "javascript"];

/// The component of the executor in a language.
pub fn component(language: &str) -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    static JAVASCRIPT: OnceLock<PathBuf> = OnceLock::new();
    match language {
        "python" => PYTHON.get_or_init(|| built(language, build_python)),
        "javascript" => JAVASCRIPT.get_or_init(|| built(language, build_javascript)),
        other => panic!("no executor is written in `{other}`"),
    }
    .clone()
}

/// The folder with an executor's sources and its tools' versions.
fn sources(language: &str) -> PathBuf {
    repository().join("tests/guests").join(language)
}

fn wit() -> PathBuf {
    repository().join("wit")
}

/// The component that is there for these sources, or a new one.
fn built(language: &str, build: impl FnOnce(&Path)) -> PathBuf {
    let mut inputs = Vec::new();
    read_below(&sources(language), &mut inputs);
    read_below(&wit(), &mut inputs);
    let folder = work_folder().join("languages");
    let prefix = format!("{language}-");
    let component = folder.join(format!("{prefix}{:016x}.wasm", fnv1a(&inputs)));
    exclusively(language, || {
        if component.exists() {
            return;
        }
        fs::create_dir_all(&folder).expect("a folder for components");
        for old in fs::read_dir(&folder).expect("a folder").flatten() {
            if old.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(old.path());
            }
        }
        // Under its name only once it is whole.
        let unfinished = folder.join(format!("{prefix}unfinished"));
        build(&unfinished);
        fs::rename(&unfinished, &component).expect("the component under its name");
    });
    component
}

fn build_python(to: &Path) {
    let tools = virtual_environment(
        "componentize-py",
        &sources("python").join("requirements.txt"),
        "making a Python environment with componentize-py (17 MB, once)",
    );
    // A copy: the build leaves compiled code beside the sources.
    let copy = work_folder().join("python-sources");
    fs::create_dir_all(&copy).expect("a folder for sources");
    fs::copy(sources("python").join("app.py"), copy.join("app.py")).expect("app.py");
    announce("building the executor in Python (about 15 seconds)");
    succeed_or(
        Command::new(tools.join("bin/componentize-py"))
            .arg("--wit-path")
            .arg(wit())
            .args(["--world", "bare", "componentize", "app", "--python-path"])
            .arg(&copy)
            .arg("--output")
            .arg(to),
        "",
    );
}

fn build_javascript(to: &Path) {
    let tools = virtual_environment(
        "node",
        &sources("javascript").join("requirements.txt"),
        "making a Python environment with node and npm (61 MB, once)",
    );
    let bin = tools.join("bin");
    // npm runs `node`, which is this one.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).expect("a PATH");

    let packages = work_folder().join("javascript");
    fs::create_dir_all(&packages).expect("a folder for npm's packages");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources("javascript").join(file), packages.join(file)).expect(file);
    }
    announce("building the executor in JavaScript (some seconds; npm fetches 12 MB)");
    succeed_or(
        Command::new(bin.join("npm"))
            .args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(&packages)
            .env("PATH", &path),
        "",
    );
    succeed_or(
        Command::new(bin.join("node"))
            .arg(packages.join("node_modules/componentize-qjs/bin/componentize-qjs"))
            .arg("--wit")
            .arg(wit())
            .args(["--world", "bare", "--js"])
            .arg(sources("javascript").join("app.js"))
            .arg("--output")
            .arg(to)
            .current_dir(&packages),
        "",
    );
}

/// The names and contents of all files at or below a path, in order.
fn read_below(path: &Path, into: &mut Vec<u8>) {
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            read_below(&path, into);
        }
    } else {
        let name = path.file_name().unwrap_or_default();
        into.extend(name.as_encoded_bytes());
        into.extend(fs::read(path).expect("a source file"));
    }
}
