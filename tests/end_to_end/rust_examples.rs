//! The examples of `host/examples`, as a reader runs them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::process::Command;

use wasm_flow::document::DocumentArray;
use wasm_flow::{Client, ExecutorSpec, Flow};
use wasm_flow_tests::setup::{self, RUST_EXAMPLES};
use wasm_flow_tests::{Finished, Server, repository};

fn example(name: &str) -> Command {
    let mut command = Command::new(setup::rust_example(name));
    command
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", setup::target())
        .env("WASM_FLOW_DATA", setup::work_folder())
        .env_remove("RUST_BACKTRACE");
    setup::forget_this_package(&mut command);
    command
}

/// Runs an example to its end, and gives what it printed.
fn printed(name: &str) -> Vec<String> {
    let finished = Finished::successfully(&mut example(name));
    finished.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_example_is_tested() {
    let files = fs::read_dir(repository().join("host/examples")).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| {
            let path = file.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let listed: BTreeSet<String> = RUST_EXAMPLES.into_iter().map(str::to_owned).collect();
    assert_eq!(
        files, listed,
        "left: host/examples, right: RUST_EXAMPLES in tests/src/setup.rs"
    );
}

#[test]
fn chain() {
    assert_eq!(
        printed("chain"),
        [
            " ProcessDocuments: received document with text \"request1\"",
            " PrintExecutor: received document with text: \"I changed the executor in place\"",
            "[\"I changed the executor in place\"]",
            " ProcessDocuments: received document with text \"request2\"",
            " PrintExecutor: received document with text: \"I returned a different Document\"",
            "[\"I returned a different Document\"]",
        ]
    );
}

#[test]
fn async_encode() {
    let lines = printed("async_encode");
    let seconds = |line: &str, uses: &str, steps: usize| -> u64 {
        let begin = format!("examples/seeds/{uses}: {steps} steps done in ");
        let seconds = line
            .strip_prefix(&begin)
            .and_then(|rest| rest.strip_suffix(" s"));
        seconds
            .unwrap_or_else(|| panic!("{lines:?}"))
            .parse()
            .unwrap()
    };
    // Fifty at once, on a machine that is busy with other tests; three in turn.
    assert!(
        (1..25).contains(&seconds(&lines[0], "async-encode", 50)),
        "{lines:?}"
    );
    assert!(seconds(&lines[1], "blocking-encode", 3) >= 3, "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn endpoints() {
    assert_eq!(
        printed("endpoints"),
        [
            "Calling foo",
            "Calling bar",
            "Calling foo",
            "bound: /index /other /search _jina_dry_run_",
            "Calling foo for /blah",
            "Calling bar",
            "/only: [\"changed\"]",
            "/other: [\"orig\"]",
            "Calling foo",
            "bound: /mine /other _jina_dry_run_",
        ]
    );
}

#[test]
fn returns() {
    let object = r#"{"n":3,"nested":{"list":[1,null,"x"]}}"#;
    assert_eq!(
        printed("returns"),
        [
            r#"/full: {"mine/rep-0":{"docs":2,"docs_matrix":{"gateway":2},"parameters":{"n":1}}}"#
                .to_owned(),
            r#"/docs_parameters: ["a!", "b!"]"#.to_owned(),
            r#"/da: ["new1", "new2"] {}"#.to_owned(),
            r#"/none: ["a!!", "b!!", "c!!"] {}"#.to_owned(),
            r#"/empty: [] {}"#.to_owned(),
            r#"/delete: ["c"] {}"#.to_owned(),
            r#"/append: ["a", "b", "c", "appended", "appended"] {}"#.to_owned(),
            format!(r#"/dict: ["a??", "b??", "c??"] {{"r1/rep-0":{object},"r2/rep-0":{object}}}"#),
            "error: executor `r2` failed at endpoint `/delete` (method `delete`): Error: there is \
             no document to delete"
                .to_owned(),
        ]
    );
}

#[test]
fn executor() {
    let lines = printed("executor");
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0], "Text: hello world");
    assert_eq!(lines[1..3], [r#"foo: "hello""#, "bar: 3"]);
    assert_eq!(
        lines[3],
        r#"metas: {"description":"mine","name":"MyExecutor","workspace":null}"#
    );
    assert_eq!(
        lines[4],
        "error: the flow `mine` cannot be started: executor `mine` (MyExecutor) cannot be started: \
         ConfigError: `uses_with`: unknown key `baar` (did you mean `bar`?); missing field `bar`; \
         `MyExecutor` takes `foo` and `bar`"
    );
    assert!(lines[5].starts_with("two calls took "), "{lines:?}");
}

#[test]
fn serve() {
    assert_eq!(
        printed("serve"),
        [
            "ready: true",
            "endpoints: /foo _jina_dry_run_",
            "[\"executed MyExec\"]",
            "routes: gateway executor",
        ]
    );
}

#[test]
fn branches() {
    assert_eq!(
        printed("branches"),
        [
            "[\"a short joined\", \"bcd long joined\", \"e short joined\"]",
            "error: ValueError: there are no documents",
            "error: the flow `wrong` cannot be started: 2 problems",
            "- executor `long`: `replicas`: expected a whole number from 1 to 1000, and this is 0",
            "- executor `short`: `needs`: there is no executor called `chekc`; did you mean \
             `check`? known: gateway, check, short, long",
        ]
    );
}

#[test]
fn client() {
    let flow = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    let lines: Vec<String> = (0..95).map(|line| format!("line {line}")).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let mut command = example("client");
    command
        .arg(format!("grpc://127.0.0.1:{}", flow.port()))
        .arg("/trace")
        .arg(&file);
    let finished = Finished::successfully(&mut command);
    let expected: Vec<String> = lines
        .iter()
        .map(|line| format!("{line}>probe/rep-0"))
        .collect();
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), expected);
    finished.complains_of(&["10 of 10 requests answered in "]);

    let finished = Finished::of(&mut example("client"));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["usage: client grpc://HOST:PORT ENDPOINT FILE"]);
}

/// The README's snippet, which has to compile. Nobody calls it: its executors are made up.
#[allow(dead_code)]
async fn readme() -> Result<(), Box<dyn Error>> {
    // Begin.
    let flow = Flow::builder()
        .add(ExecutorSpec::new("encode", "executors/encode.wasm").replicas(2))
        .add(ExecutorSpec::new("index", "executors/index.wasm").workspace("work"))
        .start()
        .await?;
    let docs = flow
        .post("/index", DocumentArray::from_texts(["a", "b"]))
        .await?;

    let client = Client::connect("grpc://127.0.0.1:54321").await?;
    let docs = client.post("/index").docs(docs).request_size(100).await?;
    // End.
    drop(docs);
    Ok(())
}

#[test]
fn the_readme_has_the_snippet_that_compiles() {
    let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
    let source = include_str!("rust_examples.rs");
    let snippet = source.split("// Begin.").nth(1).unwrap();
    let snippet = without_spaces(snippet.split("// End.").next().unwrap());
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split("## From Rust").nth(1).unwrap();
    let block = section.split("```rust").nth(1).unwrap();
    assert_eq!(without_spaces(block.split("```").next().unwrap()), snippet);
}
