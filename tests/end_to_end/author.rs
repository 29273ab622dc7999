//! What an executor's author does, from `new` to what packages bring along.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wasm_flow_tests::setup;
use wasm_flow_tests::{Finished, repository, wasm_flow};

/// Kept for the next time: the SDK takes longest.
fn target() -> std::path::PathBuf {
    setup::work_folder().join("new")
}

fn new(folder: &Path, template: &str) {
    Finished::successfully(
        wasm_flow(["new", template, "--template", template])
            .arg("--sdk")
            .arg(repository().join("guest-sdk"))
            .current_dir(folder),
    );
}

fn test(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = wasm_flow(["test"]);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target());
    command
}

#[test]
fn what_new_makes_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    setup::wasm_targets();
    for (template, cases) in [("hello", 2), ("encode", 1), ("index", 3)] {
        new(folder.path(), template);
        let made = folder.path().join(template);
        Finished::successfully(
            setup::cargo()
                .args(["test", "--release"])
                .current_dir(&made)
                .env("CARGO_TARGET_DIR", target()),
        );
        let tested = Finished::successfully(&mut test(&made, &[]));
        assert!(
            tested
                .stdout
                .ends_with(&format!("{cases} passed, 0 failed\n")),
            "{tested}"
        );
        let readme = fs::read_to_string(made.join("README.md")).unwrap();
        assert!(readme.contains("wasm-flow test "), "{readme}");
    }
}

#[test]
fn a_case_that_fails_is_shown_beside_what_came_out() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "index");
    let made = folder.path().join("index");
    let cases = [
        r#"{"on": "/index", "docs": [{"id": "a", "text": "cat"}], "expect": {"docs": [{"id": "a"}]}}"#,
        "",
        r#"{"name": "wrong", "on": "/search", "docs": [{"text": "cat"}], "expect": {"docs": [{"matches": [{"id": "b", "tags": {"n": 1}}]}]}}"#,
        r#"{"on": "/search", "parameters": {"top_k": "x"}, "expect": {"docs": []}}"#,
        r#"{"on": "/search", "expect": {"error": "no such thing"}}"#,
        r#"{"on": "/saerch", "docs": [{"text": "cat"}], "expect": {"docs": []}}"#,
    ];
    fs::write(made.join("other.jsonl"), cases.join("\n")).unwrap();
    let tested = Finished::of(&mut test(&made, &["--cases", "other.jsonl"]));
    assert_eq!(tested.status, Some(1), "{tested}");
    for part in [
        "ok      other.jsonl:1 /index\n",
        "FAILED  other.jsonl:3 wrong\n",
        "  docs[0].matches[0].id: expected \"b\", found \"a\"\n",
        "  docs[0].matches[0].tags: expected {\"n\":1}, and there is none\n",
        "FAILED  other.jsonl:4 /search\n  the request failed: ",
        "  error: expected \"no such thing\", and there is none\n",
        "  docs[0]: not expected, found {",
        "  no executor has a method for /saerch\n",
        "1 passed, 4 failed\n",
    ] {
        assert!(tested.stdout.contains(part), "`{part}`\n{tested}");
    }
    tested.complains_of(&["4 of 5 cases failed"]);

    let json = Finished::of(&mut test(
        &made,
        &["--format", "json", "--cases", "other.jsonl"],
    ));
    let lines: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 6, "{json}");
    assert_eq!(lines[0]["passed"], true);
    assert_eq!(lines[1]["case"], "other.jsonl:3");
    assert_eq!(lines[1]["differences"][0]["path"], "docs[0].matches[0].id");
    assert_eq!(lines[5]["failed"], 4);

    // What is wrong with a file is said before anything is built.
    fs::write(made.join("other.jsonl"), "\n{\"on\": \"/a\"}\n").unwrap();
    let refused = Finished::of(&mut test(&made, &["--cases", "other.jsonl"]));
    refused.complains_of(&["other.jsonl:2: missing field `expect`"]);
    fs::remove_dir_all(made.join("tests")).unwrap();
    let none = Finished::of(&mut test(&made, &[]));
    none.complains_of(&["nothing to test", "tests/cases.jsonl", "\"expect\""]);
}

#[test]
fn build_says_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "hello");
    let mut build = wasm_flow(["build", "hello"]);
    build
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", target());
    let built = Finished::successfully(&mut build);
    let lines: Vec<&str> = built.stdout.lines().collect();
    assert!(lines[0].contains("hello.wasm ("), "{built}");
    assert!(lines[1].starts_with("sha256:"), "{built}");
    assert_eq!(lines[2], "  /hello → hello", "{built}");
}

#[test]
fn shells_and_man_know_the_commands() {
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef wasm-flow"),
        ("fish", "complete -c wasm-flow"),
    ] {
        let script = Finished::successfully(&mut wasm_flow(["completions", shell]));
        assert!(script.stdout.contains(part), "{script}");
        assert!(script.stdout.contains("keygen"), "{script}");
    }
    let folder = tempfile::tempdir().unwrap();
    Finished::successfully(wasm_flow(["man"]).arg(folder.path()));
    for page in ["wasm-flow.1", "wasm-flow-run.1", "wasm-flow-hub-push.1"] {
        let text = fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}: {text}");
    }
    let nowhere = Finished::of(wasm_flow(["man"]).arg(folder.path().join("nowhere")));
    nowhere.complains_of(&["cannot write pages to", "nowhere"]);
}
