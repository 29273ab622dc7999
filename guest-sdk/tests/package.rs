//! The published packages are complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_flow_sdk::Json;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_interface_is_a_copy() {
    let copies: Vec<PathBuf> = std::fs::read_dir(folder().join("wit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(copies.len(), 3);
    for copy in copies {
        let original = folder().join("../wit").join(copy.file_name().unwrap());
        assert_eq!(
            std::fs::read_to_string(&copy).unwrap(),
            std::fs::read_to_string(&original).unwrap(),
            "{} differs: copy {} over it",
            copy.display(),
            original.display()
        );
    }
}

/// Runs cargo and returns what it prints.
#[expect(clippy::unwrap_used, reason = "of a test")]
fn cargo(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(folder())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_package_holds_what_it_is_built_of() {
    let files = cargo(&["package", "--list", "--allow-dirty"]);
    let files: BTreeSet<&str> = files.lines().collect();
    for file in [
        "src/lib.rs",
        "wit/bare.wit",
        "wit/documents.wit",
        "wit/executor.wit",
    ] {
        assert!(files.contains(file), "{file} is not among {files:?}");
    }
    // The bindings are generated only for WebAssembly, which publishing does not
    // check. A path out of the package would fail only for those who depend on it.
    let bindings = std::fs::read_to_string(folder().join("src/bindings.rs")).unwrap();
    assert!(bindings.contains(r#"path: "wit","#), "{bindings}");
}

#[test]
fn the_macros_are_published_first() {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Json = wasm_flow_sdk::serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let macros = packages
        .iter()
        .find(|package| package["name"] == "wasm-flow-sdk-macros")
        .unwrap();
    // If the macros depended on the SDK, even for their tests, neither could be
    // published first. The dependency would also enable the SDK's features in every
    // build of the workspace.
    for dependency in macros["dependencies"].as_array().unwrap() {
        assert_ne!(dependency["name"], "wasm-flow-sdk");
    }
}
