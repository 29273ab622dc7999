//! The published packages are complete.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use wasm_flow_sdk::Json;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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
    for file in ["src/lib.rs", "src/bindings/bare.rs", "examples/names.rs"] {
        assert!(files.contains(file), "{file} is not among {files:?}");
    }
    assert!(!files.contains("bindgen/src/main.rs"), "{files:?}");
}

/// They took most of the time of an author's first build.
#[test]
fn an_executor_is_built_without_a_generator_of_bindings() {
    let tree = cargo(&[
        "tree",
        "--package=wasm-flow-sdk",
        "--target=wasm32-wasip2",
        "--edges=normal,build",
        "--prefix=none",
    ]);
    assert!(tree.contains("\nwit-bindgen v"), "{tree}");
    for generator in [
        "wit-bindgen-rust",
        "wit-parser",
        "wasmparser",
        "prettyplease",
    ] {
        assert!(!tree.contains(&format!("\n{generator} v")), "{tree}");
    }
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
