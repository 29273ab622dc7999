//! `wasm-flow import`, as a user types it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wasm_flow_tests::{Finished, guest, wasm_flow};

const FLOW: &str = "\
jtype: Flow
with: {port: 0, cors: true, env: {MARK: m}}
executors:
- {name: probe, uses: Probe, py_modules: [probe.py], uses_with: {a: 1}, gpus: all}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flow.yml"), FLOW).unwrap();
    folder
}

fn import(folder: &Path, arguments: &[&str]) -> Command {
    let arguments = ["import"].into_iter().chain(arguments.iter().copied());
    let mut command = wasm_flow(arguments);
    command.current_dir(folder);
    command
}

#[test]
fn to_standard_output() {
    let folder = folder();
    let finished = Finished::successfully(&mut import(folder.path(), &[]));
    assert!(
        finished
            .stdout
            .starts_with("# Made from flow.yml by `wasm-flow import`.\n"),
        "{finished}"
    );
    assert!(
        finished.stdout.ends_with(
            "#   MARK=m jina executor --uses Probe --py-modules probe.py --uses-with '{\"a\": 1}' --gpus all \\\n\
             #     --host 127.0.0.1 --port 51001\nuses = \"grpc://127.0.0.1:51001\"\n"
        ),
        "{finished}"
    );
    assert_eq!(
        finished.stderr,
        "note: flow.yml:2:17: `cors` is left out: it is about HTTP\n"
    );
}

#[test]
fn to_a_file_that_is_not_there() {
    let folder = folder();
    let arguments = ["flow.yml", "-o", "new.toml"];
    let finished = Finished::successfully(&mut import(folder.path(), &arguments));
    assert_eq!(
        finished.stdout,
        "wrote new.toml\n\nnext:\n  serve the executors: new.toml has the command for each\n  \
         wasm-flow check new.toml\n"
    );
    let written = fs::read_to_string(folder.path().join("new.toml")).unwrap();
    let printed = Finished::successfully(&mut import(folder.path(), &[])).stdout;
    assert_eq!(written, printed);

    fs::write(folder.path().join("new.toml"), "mine\n").unwrap();
    let finished = Finished::of(&mut import(folder.path(), &arguments));
    assert_eq!(finished.status, Some(1), "{finished}");
    assert_eq!(finished.stdout, "", "{finished}");
    finished.complains_of(&["new.toml exists already; --force writes over it"]);
    let kept = fs::read_to_string(folder.path().join("new.toml")).unwrap();
    assert_eq!(kept, "mine\n");

    Finished::successfully(import(folder.path(), &arguments).arg("--force"));
    let written = fs::read_to_string(folder.path().join("new.toml")).unwrap();
    assert_eq!(written, printed);

    let finished = Finished::of(&mut import(
        folder.path(),
        &["flow.yml", "-o", "no/new.toml"],
    ));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["no/new.toml cannot be written"]);
}

#[test]
fn as_json() {
    let folder = folder();
    let json = |arguments: &[&str]| -> Value {
        let finished = Finished::successfully(&mut import(folder.path(), arguments));
        assert_eq!(finished.stderr, "", "{finished}");
        serde_json::from_str(&finished.stdout).unwrap()
    };
    let printed = json(&["--format", "json", "--executors", "wasm"]);
    assert_eq!(printed["executors_in_python"], 1);
    let text = printed["flow_toml"].as_str().unwrap();
    assert!(text.contains("uses = \"executors/probe\"\n"), "{text}");
    assert_eq!(
        printed["notes"],
        json!([
            { "level": "note", "key": "cors", "message": "is left out: it is about HTTP",
              "places": [{ "line": 2, "column": 17 }], "more_places": 0 },
            { "level": "note", "key": "gpus",
              "message": "is left out: it has no counterpart: a WebAssembly executor has no GPU",
              "places": [{ "line": 4, "column": 73 }], "more_places": 0 },
        ])
    );
    let written = json(&["--format", "json", "-o", "flow.toml"]);
    assert_eq!(written["output"], "flow.toml");
    assert_eq!(written.get("flow_toml"), None);
}

/// What is imported runs, as soon as its executors are there.
#[test]
fn an_imported_flow_runs() {
    let folder = folder();
    let arguments = ["--executors", "wasm", "-o", "flow.toml"];
    Finished::successfully(&mut import(folder.path(), &arguments));
    let check = |mut command: Command| Finished::of(command.current_dir(folder.path()));
    let finished = check(wasm_flow(["check"]));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["flow.toml:", "no such file or folder"]);

    fs::create_dir_all(folder.path().join("executors")).unwrap();
    fs::copy(guest("probe"), folder.path().join("executors/probe")).unwrap();
    let finished = check(wasm_flow(["check"]));
    assert_eq!(finished.status, Some(0), "{finished}");
    let finished = check(wasm_flow(["run", "--on", "/trace", "--text", "a"]));
    assert_eq!(finished.status, Some(0), "{finished}");
    assert!(finished.stdout.contains("a>probe/rep-0"), "{finished}");
}

#[test]
fn what_is_not_a_flow() {
    let folder = folder();
    fs::create_dir(folder.path().join("flows")).unwrap();
    for (name, content) in [
        ("flows/flow.yaml", FLOW.as_bytes()),
        ("config.yml", b"jtype: Enc\n"),
        ("bad.yml", b"a: [\n"),
        (
            "context.yml",
            b"jtype: Flow\nexecutors: [{uses: '${{ CONTEXT.a }}'}]\n",
        ),
        ("packed.yml", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("latin.yml", b"a: \xe9"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::copy(guest("probe"), folder.path().join("x.wasm")).unwrap();
    for (name, part) in [
        (
            "flows",
            "flows is a folder, not the YAML of a Flow; `wasm-flow import flows/flow.yaml` takes",
        ),
        (
            "config.yml",
            "this is the configuration of the executor `Enc`, not a Flow",
        ),
        ("bad.yml", "not valid YAML: "),
        ("context.yml", "give it with `--context a=VALUE`"),
        (
            "packed.yml",
            "packed.yml is a file packed with gzip, not the YAML of a Flow; unpack it first",
        ),
        ("latin.yml", "cannot read latin.yml: "),
        (
            "x.wasm",
            "x.wasm is a WebAssembly component, not the YAML of a Flow",
        ),
        ("nowhere.yml", "cannot read nowhere.yml: "),
    ] {
        let finished = Finished::of(&mut import(folder.path(), &[name, "-o", "out.toml"]));
        assert_eq!(finished.status, Some(1), "{name}\n{finished}");
        assert_eq!(finished.stdout, "", "{name}\n{finished}");
        finished.complains_of(&[part]);
        assert!(!folder.path().join("out.toml").exists(), "{name}");
    }
    let given = ["context.yml", "--context", "a=Enc"];
    let finished = Finished::successfully(&mut import(folder.path(), &given));
    assert!(
        finished.stdout.contains("jina executor --uses Enc "),
        "{finished}"
    );
}
