//! Both ways to build an executor give one that runs: `cargo build --target
//! wasm32-wasip2` and `cargo component build`, for every example and for what
//! `wasm-flow new` makes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use wasm_flow::contract::config::ExecutorConfig;
use wasm_flow::contract::grants::{Access, DirGrant};
use wasm_flow::executor::{Discard, Executor, Runtime, RuntimeConfig};
use wasm_flow_tests::setup::{self, EXAMPLES};
use wasm_flow_tests::{Finished, repository, wasm_flow};

use crate::examples::{texts, texts_of};

/// What an example makes of `hello`.
enum Outcome {
    Texts(&'static [&'static str]),
    /// It refuses that: with these words.
    Fails(&'static str),
}

/// What to call an example with, and what comes back for `hello`.
fn expected(example: &str) -> (&'static str, Value, Outcome) {
    let (endpoint, uses_with, texts): (_, _, &'static [&'static str]) = match example {
        // It is not granted the service.
        "http-enricher" => {
            let uses_with = json!({ "url": "http://127.0.0.1:17080/about" });
            return ("/", uses_with, Outcome::Fails("HttpRefused"));
        }
        "image-tiler" => return ("/", json!({}), Outcome::Fails("ImageError")),
        "vector-index" => ("/status", json!({}), &["hello"]),
        "best-matches" | "sentence-encode" => ("/search", json!({}), &["hello"]),
        "embed" | "some-coroutines" | "split" | "clean" => ("/index", json!({}), &["hello"]),
        "dedupe" => ("/index", json!({ "threshold": 0.9 }), &["hello"]),
        "async-encode" | "blocking-encode" => ("/index", json!({}), &["HELLO"]),
        "my-executor" => ("/info", json!({ "foo": "x", "bar": 1 }), &["hello"]),
        "request-executor" | "default-binding" | "no-binding" => ("/search", json!({}), &["hello"]),
        "only-binding" => ("/only", json!({}), &["changed"]),
        "arguments" => ("/docs", json!({}), &["HELLO"]),
        "returns" => ("/da", json!({}), &["new1", "new2"]),
        "process-documents" => (
            "/change_in_place",
            json!({}),
            &["I changed the executor in place"],
        ),
        "print-documents" => ("/", json!({}), &["hello"]),
        "outside-flow" => ("/", json!({}), &["hello world"]),
        "serve" => ("/foo", json!({}), &["executed MyExec"]),
        "async-outside-flow" => ("/", json!({}), &["hello"]),
        other => panic!("`{other}` has no expectation yet"),
    };
    (endpoint, uses_with, Outcome::Texts(texts))
}

async fn runs(runtime: &Runtime, example: &str, file: &Path) {
    let (endpoint, uses_with, outcome) = expected(example);
    let workspace = tempfile::tempdir().unwrap();
    let component = runtime
        .load(file)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut config = ExecutorConfig {
        uses_with: uses_with.as_object().cloned().unwrap_or_default(),
        workspace: Some(workspace.path().to_owned()),
        ..ExecutorConfig::new(example)
    };
    if example == "sentence-encode" {
        config.allow.dirs.push(DirGrant {
            host: setup::sentence_model(),
            guest: "/assets".to_owned(),
            access: Access::Read,
        });
    }
    let executor = Executor::start(runtime, &component, config, Arc::new(Discard))
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let answer = executor.post(endpoint, texts(["hello"])).await;
    let shown = file.display();
    match (outcome, answer) {
        (Outcome::Texts(expected), Ok(docs)) => assert_eq!(texts_of(&docs), expected, "{shown}"),
        (Outcome::Fails(words), Err(error)) => {
            assert!(error.to_string().contains(words), "{shown}: {error}");
        }
        (Outcome::Texts(_), Err(error)) => panic!("{shown}: {error}"),
        (Outcome::Fails(words), Ok(_)) => panic!("{shown}: no `{words}`"),
    }
    executor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_built_for_wasip2_runs() {
    let runtime = Runtime::new(RuntimeConfig::default()).expect("a runtime");
    for name in EXAMPLES {
        runs(&runtime, name, &setup::example(name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_built_with_cargo_component_runs() {
    setup::build_with_cargo_component();
    let runtime = Runtime::new(RuntimeConfig::default()).expect("a runtime");
    for name in EXAMPLES {
        runs(&runtime, name, &setup::component("wasm32-wasip1", name)).await;
    }
}

/// A new executor, outside of this repository and with nothing of it but the
/// program's file: its own tests, both builds, and a run of each.
#[test]
fn what_new_makes_builds_both_ways_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("installed");
    fs::copy(setup::binary(), &program).unwrap();
    // The target folder, whose path the program may hold, is in the repository, too.
    for crate_folder in ["host", "guest-sdk"] {
        let path = repository().join(crate_folder);
        let path = path.to_str().unwrap().as_bytes();
        let found = fs::read(&program)
            .unwrap()
            .windows(path.len())
            .any(|bytes| bytes == path);
        assert!(!found, "the program knows where {crate_folder} was");
    }
    let wasm_flow = |arguments: &[&str]| {
        let like = wasm_flow(arguments.iter().copied());
        let mut command = Command::new(&program);
        command.args(arguments).stdin(Stdio::null());
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    };
    let made = folder.path().join("greeter");
    Finished::successfully(wasm_flow(&["new", "greeter"]).current_dir(folder.path()));
    let sdk = setup::work_folder().join("wasm-flow");
    for (file, names_the_sdk) in [
        ("Cargo.toml", false),
        ("src/lib.rs", false),
        ("flow.toml", false),
        ("README.md", false),
        (".gitignore", false),
        (".cargo/config.toml", false),
        (PATCH, true),
    ] {
        let text = fs::read_to_string(made.join(file)).unwrap();
        assert_eq!(
            text.contains(sdk.to_str().unwrap()),
            names_the_sdk,
            "{text}"
        );
        let repository = repository().join("guest-sdk");
        assert!(!text.contains(repository.to_str().unwrap()), "{text}");
    }
    let ignored = fs::read_to_string(made.join(".gitignore")).unwrap();
    assert_eq!(ignored, format!("/target\n/{PATCH}\n"));

    let cargo = |arguments: &[&str]| {
        let mut cargo = setup::cargo();
        cargo.args(arguments).current_dir(&made);
        // Kept for the next time: the SDK takes longest.
        cargo.env("CARGO_TARGET_DIR", setup::work_folder().join("new"));
        cargo
    };
    let described = |file: &Path| {
        let inspected =
            Finished::successfully(wasm_flow(&["inspect", "--format", "json"]).arg(file));
        let mut seen: Value = serde_json::from_str(&inspected.stdout).expect("JSON");
        seen["description"].take()
    };
    setup::wasm_targets();
    Finished::successfully(&mut cargo(&["test", "--release"]));
    Finished::successfully(&mut cargo(&[
        "build",
        "--release",
        "--target",
        "wasm32-wasip2",
    ]));
    setup::cargo_component();
    Finished::successfully(&mut cargo(&["component", "build", "--release"]));
    let p2 = setup::work_folder().join("new/wasm32-wasip2/release/greeter.wasm");
    let p1 = setup::work_folder().join("new/wasm32-wasip1/release/greeter.wasm");
    assert_eq!(described(&p2)["name"], "Greeter");
    assert_eq!(described(&p2), described(&p1));

    // Its flow.toml, as it is, and with the other build in its place.
    let own = fs::read_to_string(made.join("flow.toml")).unwrap();
    let with = |file: &Path| own.replace("uses = \".\"", &format!("uses = \"{}\"", file.display()));
    for (name, flow) in [
        ("p2.toml", with(&p2)),
        ("p1.toml", with(&p1)),
        ("flow.toml", own.clone()),
    ] {
        fs::write(made.join(name), flow).unwrap();
        let run = Finished::successfully(
            wasm_flow(&[
                "run", name, "--on", "/hello", "--text", "world", "--print", "text",
            ])
            .current_dir(&made)
            .env("CARGO_TARGET_DIR", setup::work_folder().join("new")),
        );
        assert_eq!(run.stdout, "hello world\n", "{name}\n{run}");
    }
    assert_ne!(with(&p1), own, "the .wasm files were run too");

    // In a clone, cargo says what is missing, and `build` sees to it.
    let patch = fs::read_to_string(made.join(PATCH)).unwrap();
    let build = || {
        let built = Finished::successfully(
            wasm_flow(&["build"])
                .current_dir(&made)
                .env("CARGO_TARGET_DIR", setup::work_folder().join("new")),
        );
        // And where the component is.
        assert!(built.stdout.contains("greeter.wasm"), "{built}");
        built
    };
    assert!(!build().stderr.contains(PATCH));
    fs::remove_file(made.join(PATCH)).unwrap();
    let refused = Finished::of(&mut cargo(&["build"]));
    assert_ne!(refused.status, Some(0), "{refused}");
    refused.complains_of(&[PATCH, ".cargo/config.toml"]);
    let elsewhere = "[patch.crates-io]\nwasm-flow-sdk = { path = \"/nowhere\" }\n";
    for found in [None, Some(elsewhere)] {
        if let Some(text) = found {
            fs::write(made.join(PATCH), text).unwrap();
        }
        assert!(build().stderr.contains(&format!("wrote ./{PATCH}")));
        assert_eq!(fs::read_to_string(made.join(PATCH)).unwrap(), patch);
    }
}

/// Says where a machine has the SDK.
const PATCH: &str = ".cargo/wasm-flow-sdk.toml";
