//! What an executor's author does, from `new` to what packages bring along.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::setup;
use wasm_flow_tests::{Finished, Running, example, repository, wasm_flow};

/// Kept for the next time: the SDK takes longest.
fn target() -> std::path::PathBuf {
    setup::work_folder().join("new")
}

/// Makes an executor. Its name is its own among all tests: they build into one folder.
fn new(folder: &Path, name: &str, template: &str) {
    Finished::successfully(
        wasm_flow(["new", name, "--template", template])
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
        let name = format!("made-{template}");
        new(folder.path(), &name, template);
        let made = folder.path().join(name);
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
    new(folder.path(), "shown", "index");
    let made = folder.path().join("shown");
    let cases = [
        r#"{"on": "/index", "docs": [{"id": "a", "text": "cat"}], "expect": {"docs": [{"id": "a"}]}}"#,
        "",
        r#"{"name": "wrong", "on": "/search", "docs": [{"text": "cat"}], "expect": {"docs": [{"matches": [{"id": "b", "tags": {"n": 1}}]}]}}"#,
        r#"{"on": "/search", "parameters": {"top_k": "x"}, "expect": {"docs": []}}"#,
        r#"{"on": "/search", "expect": {"error": "no such thing"}}"#,
        r#"{"on": "/saerch", "docs": [{"text": "cat"}], "expect": {"docs": [{"text": "cat"}]}}"#,
        r#"{"on": "/search", "docs": [{"text": "dog"}], "expect": {"docs": [{"matches": []}]}}"#,
    ];
    fs::write(made.join("other.jsonl"), cases.join("\n")).unwrap();
    let tested = Finished::of(&mut test(&made, &["--cases", "other.jsonl"]));
    assert_eq!(tested.status, Some(1), "{tested}");
    for part in [
        "ok      other.jsonl:1 /index\n",
        "FAILED  other.jsonl:3 wrong\n",
        "  docs[0].matches[0].id: expected \"b\", found \"a\"\n",
        "  docs[0].matches[0].tags: expected {\"n\":1}, and there is none; there is adjacency, id, scores, text\n",
        "FAILED  other.jsonl:4 /search\n  the request failed: ",
        "  error: expected \"no such thing\", and there is none\n",
        "FAILED  other.jsonl:6 /saerch\n  no executor binds `/saerch`",
        "bound are `/index`, `/search`\n",
        "ok      other.jsonl:7 /search\n",
        "2 passed, 4 failed\n",
    ] {
        assert!(tested.stdout.contains(part), "`{part}`\n{tested}");
    }
    tested.complains_of(&["4 of 6 cases failed"]);

    let json = Finished::of(&mut test(
        &made,
        &["--format", "json", "--cases", "other.jsonl"],
    ));
    let lines: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 7, "{json}");
    assert_eq!(lines[0]["passed"], true);
    assert_eq!(lines[1]["case"], "other.jsonl:3");
    assert_eq!(lines[1]["differences"][0]["path"], "docs[0].matches[0].id");
    assert_eq!(lines[6], json!({ "cases": 6, "failed": 4 }));

    // What is wrong with a file is said before anything is built.
    fs::write(made.join("src/lib.rs"), "no Rust").unwrap();
    fs::write(made.join("other.jsonl"), "\n{\"on\": \"/a\"}\n").unwrap();
    let refused = Finished::of(&mut test(&made, &["--cases", "other.jsonl"]));
    refused.complains_of(&["other.jsonl:2: missing field `expect`"]);
    assert!(!refused.stderr.contains("building"), "{refused}");
    fs::remove_dir_all(made.join("tests")).unwrap();
    let none = Finished::of(&mut test(&made, &[]));
    none.complains_of(&["nothing to test", "tests/cases.jsonl", "\"expect\""]);
    // A file in its place is no folder without cases.
    fs::write(made.join("tests"), "").unwrap();
    let file = Finished::of(&mut test(&made, &[]));
    file.complains_of(&["cannot read tests", "Not a directory"]);
}

/// What executors write goes into a folder of the run, and that goes.
#[test]
fn a_test_leaves_the_workspace_alone() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        &format!(
            "[[executors]]\nname = \"index\"\nuses = \"{}\"\nworkspace = \"kept\"\n\
             uses_with = {{ flush_seconds = 0.01 }}\n",
            example("vector-index").display()
        ),
    );
    fs::create_dir(folder.path().join("tests")).unwrap();
    let cases = [
        r#"{"on": "/status", "expect": {"results": {"index/rep-0": {"documents": 0}}}}"#,
        r#"{"on": "/index", "docs": [{"id": "a", "embedding": [1, 0]}], "expect": {"docs": [{"embedding": [1, 0]}]}}"#,
        r#"{"on": "/status", "expect": {"results": {"index/rep-0": {"documents": 1}}}}"#,
        r#"{"on": "/status", "expect": {"results": {"index": {}}}}"#,
    ];
    fs::write(folder.path().join("tests/cases.jsonl"), cases.join("\n")).unwrap();
    // What an editor keeps there is not read.
    fs::write(folder.path().join("tests/.#cases.jsonl"), "no case").unwrap();
    for _ in 0..2 {
        let tested = Finished::of(test(folder.path(), &[]).env("TMPDIR", temporary.path()));
        assert!(tested.stdout.contains("3 passed, 1 failed\n"), "{tested}");
        // And the name to write is said.
        assert!(tested.stdout.contains("there is index/rep-0\n"), "{tested}");
    }
    assert!(!folder.path().join("kept").exists());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_test_that_is_cut_short_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    let cases = [
        r#"{"name": "short", "on": "/trace", "expect": {"docs": []}}"#,
        r#"{"on": "/wait", "docs": [{"text": "600"}], "expect": {"docs": [{}]}}"#,
    ];
    fs::write(folder.path().join("cases.jsonl"), cases.join("\n")).unwrap();
    let mut running = Running::start(
        test(folder.path(), &["--cases", "cases.jsonl"]).env("TMPDIR", temporary.path()),
    );
    assert_eq!(running.lines(1), ["ok      cases.jsonl:1 short"]);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.status, Some(130), "{ended}");
    ended.complains_of(&["interrupted: 1 of 2 cases ran"]);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

/// cargo is asked if something has changed, and by `build`.
#[test]
fn a_folder_that_has_not_changed_is_not_built_again() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "unchanged", "hello");
    let made = folder.path().join("unchanged");
    let answer = |environment: &[(&str, &str)]| {
        let mut run = wasm_flow(["run", "--on", "/hello", "--text", "world"]);
        run.current_dir(&made)
            .env("CARGO_TARGET_DIR", target())
            .envs(environment.iter().copied());
        let ran = Finished::successfully(&mut run);
        (ran.stdout, ran.stderr.contains("building"))
    };
    let hello = || "hello world\n".to_owned();
    assert_eq!(answer(&[]), (hello(), true));
    assert_eq!(answer(&[]), (hello(), false));
    let mut build = wasm_flow(["build"]);
    build.current_dir(&made).env("CARGO_TARGET_DIR", target());
    Finished::successfully(&mut build).complains_of(&["building"]);
    assert_eq!(answer(&[]), (hello(), false));

    let source = made.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("\"{} {}\"", "\"{}, {}\"")).unwrap();
    let comma = || "hello, world\n".to_owned();
    assert_eq!(answer(&[]), (comma(), true));
    assert_eq!(answer(&[]), (comma(), false));
    // Other flags, another component, and what may become of it by another file.
    assert!(answer(&[("RUSTFLAGS", "-Cdebuginfo=0")]).1);
    assert_eq!(answer(&[]), (comma(), true));
    fs::write(made.join(".cargo/config"), "").unwrap();
    assert_eq!(answer(&[]), (comma(), true));
    assert_eq!(answer(&[]), (comma(), false));
    let manifest = made.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{text}\n# More.\n")).unwrap();
    assert_eq!(answer(&[]), (comma(), true));
    fs::remove_file(setup::component_in(
        &target().join("wasm32-wasip2"),
        "unchanged",
    ))
    .unwrap();
    assert_eq!(answer(&[]), (comma(), true));

    // What reads a variable, or has a build script, may change without a trace.
    fs::write(made.join("build.rs"), "fn main() {}").unwrap();
    assert_eq!(answer(&[]), (comma(), true));
    assert_eq!(answer(&[]), (comma(), true));
    fs::remove_file(made.join("build.rs")).unwrap();
    let text = fs::read_to_string(&source).unwrap();
    let reads = "pub const WHO: Option<&str> = option_env!(\"WHO\");\n";
    fs::write(&source, format!("{text}\n{reads}")).unwrap();
    assert_eq!(answer(&[]), (comma(), true));
    assert_eq!(answer(&[]), (comma(), true));
}

#[test]
fn build_says_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "built", "hello");
    let mut build = wasm_flow(["build", "built"]);
    build
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", target());
    let built = Finished::successfully(&mut build);
    let lines: Vec<&str> = built.stdout.lines().collect();
    assert!(lines[0].contains("built.wasm ("), "{built}");
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
    // A name that is no text is no reason to panic.
    let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    Finished::successfully(wasm_flow(["--format", "json", "man"]).arg(&odd));
    let nowhere = Finished::of(wasm_flow(["man"]).arg(folder.path().join("nowhere")));
    nowhere.complains_of(&["cannot write pages to", "nowhere"]);
}
