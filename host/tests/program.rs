//! The program itself, as far as it goes without an executor. The rest is in
//! the workspace's `tests`, which find the program that cargo builds for this.

#![expect(clippy::expect_used, reason = "a test")]

use std::process::{Command, Output};

fn wasm_flow(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wasm-flow"))
        .args(args)
        .output()
        .expect("the program starts")
}

#[test]
fn says_its_version() {
    let output = wasm_flow(&["--version"]);
    assert!(output.status.success());
    let version = concat!("wasm-flow ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), version);
}

#[test]
fn bad_usage_is_status_2() {
    for args in [
        &[][..],
        &["rnu"],
        &["post", "--text", "a"],
        &["new", "a", "b"],
    ] {
        let output = wasm_flow(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

/// Whatever stands in an error, a terminal does nothing about it.
#[test]
fn errors_are_printable() {
    let output = wasm_flow(&["inspect", "no\u{1b}]0;title\u{7}\u{9b}2J.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("no\u{fffd}]0;title\u{fffd}\u{fffd}2J.wasm"),
        "{message:?}"
    );
    assert!(
        !message.trim_end().contains(char::is_control),
        "{message:?}"
    );
}

/// `serve` takes what flow.toml takes.
#[test]
fn serve_refuses_what_a_flow_refuses() {
    for (args, reason) in [
        (&["--memory", "8GiB"][..], "at most 4 GiB"),
        (&["--memory", "0B"], "at least 1 MiB"),
        (&["--replicas", "0"], "a whole number from 1 to 1000"),
        (&["--replicas", "1001"], "a whole number from 1 to 1000"),
        (&["--name", "gateway"], "stands for the flow's entry"),
        (&["--name", "a b"], "not a name for an executor"),
        (&["--host", "a:1"], "not a host name or an IP address"),
        (
            &["--uses-request", "/a=x", "--uses-request", "/a=y"],
            "`/a` to `x` and to `y`",
        ),
    ] {
        let output = wasm_flow(&[&["serve", "nowhere.wasm"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(reason), "{args:?}: {message}");
    }
}

/// What serving a flow would not look at is not passed over.
#[test]
fn what_only_a_batch_takes_needs_on() {
    for args in [
        &["--text", "hello"][..],
        &["--input", "texts.txt"],
        &["--input", "texts.txt", "--input-format", "text"],
        &["--request-size", "7"],
        &["--parameters", "{}"],
        &["--target", "a"],
        &["--print", "table"],
    ] {
        let output = wasm_flow(&[&["run"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("--on <ENDPOINT>"), "{args:?}: {message}");
    }
}

#[test]
fn new_refuses_names_that_could_not_run() {
    let long = "a".repeat(129);
    for (name, reason) in [
        ("gateway", "stands for the flow's entry"),
        (long.as_str(), "at most 128 bytes"),
        ("std", "is the name of a crate that executors depend on"),
        (
            "wasm_flow_sdk",
            "is the name of a crate that executors depend on",
        ),
        ("No-Crate", "cannot be the name of a crate"),
    ] {
        let folder = std::env::temp_dir().join(format!("wasm-flow-new-{}", std::process::id()));
        let path = folder.to_string_lossy();
        let output = wasm_flow(&["new", name, "--path", &path]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(reason), "{name}: {message}");
        assert!(!folder.exists(), "{name}: nothing is made");
    }
}

#[test]
fn a_failure_is_status_1_and_says_what_failed() {
    let output = wasm_flow(&["run", "no-such-flow.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("cannot read no-such-flow.toml"),
        "{message}"
    );
}
