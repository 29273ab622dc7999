//! Code that is generated only for WebAssembly compiles.

use std::path::Path;
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

/// Runs a command and returns what it prints.
#[expect(clippy::unwrap_used, reason = "of a test")]
fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{program} {arguments:?}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_authors_names_do_not_meet_those_of_the_component() {
    let libraries = run("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if !Path::new(libraries.trim()).is_dir() {
        eprintln!("rustup target add {TARGET}");
        run("rustup", &["target", "add", TARGET]);
    }
    let example = ["check", "--release", "--example", "names"];
    run(
        env!("CARGO"),
        &[&example[..], &["--target", TARGET]].concat(),
    );
}
