//! `examples/semantic-search`: a real model, and executors that come from a registry.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wasm_flow_tests::registry::Registry;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, example, repository, setup, wasm_flow};

use crate::hub::{User, trust};

fn definitions() -> String {
    let file = repository().join("examples/semantic-search/definitions.jsonl");
    file.display().to_string()
}

/// The documents that a command printed.
fn documents(finished: &Finished) -> Vec<Value> {
    let lines = finished.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .filter(|line: &Value| line.get("id").is_some())
        .collect()
}

fn embedding(doc: &Value) -> Vec<f64> {
    let numbers = doc["embedding"].as_array().expect("an embedding");
    numbers.iter().map(|x| x.as_f64().unwrap()).collect()
}

/// `testdata/sentences.jsonl` was made with wordllama 0.4.0.post1 and its own tokenizer.
#[test]
fn the_model_gives_what_its_own_library_gives() {
    let folder = tempfile::tempdir().unwrap();
    let toml = format!(
        "[[executors]]\nname = \"encode\"\nuses = {:?}\n\
         allow.dirs = [{{ host = {:?}, guest = \"/assets\" }}]\n",
        example("sentence-encode"),
        setup::sentence_model()
    );
    write_flow(folder.path(), &toml);
    let sentences = repository().join("tests/testdata/sentences.jsonl");
    let text = fs::read_to_string(&sentences).unwrap();
    let expected: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let texts: Vec<_> = expected
        .iter()
        .map(|doc| serde_json::json!({ "text": doc["text"] }).to_string())
        .collect();
    fs::write(folder.path().join("texts.jsonl"), texts.join("\n")).unwrap();
    let run = ["run", "flow.toml", "--on", "/search", "--print", "jsonl"];
    let mut run = wasm_flow(run);
    run.args(["--input", "texts.jsonl"])
        .current_dir(folder.path());
    let docs = documents(&Finished::successfully(&mut run));
    assert_eq!(docs.len(), expected.len());
    for (doc, expected) in docs.iter().zip(&expected) {
        let (ours, theirs) = (embedding(doc), embedding(expected));
        assert_eq!(ours.len(), 256);
        let cosine: f64 = ours.iter().zip(&theirs).map(|(a, b)| a * b).sum();
        // One other word of a sentence changes it by more.
        assert!(cosine > 0.9995, "{cosine}: {}", doc["text"]);
    }
}

/// What a search finds: the ids, the nearest first.
fn found(finished: &Finished) -> Vec<String> {
    let docs = documents(finished);
    let matches = docs[0]["matches"].as_array().expect("matches");
    let cosines = matches
        .iter()
        .map(|found| &found["scores"]["cosine"]["value"]);
    let cosines: Vec<f64> = cosines.map(|cosine| cosine.as_f64().unwrap()).collect();
    assert!(cosines.is_sorted_by(|one, two| one >= two), "{cosines:?}");
    let ids = matches.iter().map(|found| found["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

/// Both executors are pushed, with the model as an asset of the one. Elsewhere a flow runs
/// them by reference, and its index is there after a restart.
#[test]
fn from_a_registry_texts_are_found_by_what_they_mean() {
    let registry = Registry::open();
    let host = &registry.host;
    let (author, operator) = (User::new(), User::new());
    author.does(&["hub", "keygen", "team"]);
    let model = setup::sentence_model().display().to_string();
    for (name, more) in [
        ("sentence-encode", &["--assets", &*model][..]),
        ("vector-index", &[]),
    ] {
        let component = example(name).display().to_string();
        let reference = format!("{host}/team/{name}:1.0");
        let push = ["hub", "push", &component, &reference, "--key", "team.key"];
        author.does(&[&push, more].concat());
    }
    let toml = format!(
        "[[executors]]\nname = \"encode\"\nuses = \"oci://{host}/team/sentence-encode:1.0\"\n\
         [[executors]]\nname = \"index\"\nuses = \"oci://{host}/team/vector-index:1.0\"\n\
         workspace = \"work\"\n\
         {}",
        trust(&format!("{host}/team"), &author.path("team.pub"))
    );
    write_flow(&operator.path("flow"), &toml);
    let run = |arguments: &[&str]| {
        let run = ["--format", "json", "run", "flow/flow.toml"];
        let arguments = [&run, arguments].concat();
        Finished::successfully(&mut operator.command(&arguments))
    };
    run(&["--on", "/index", "--input", &definitions()]);
    // No registry is needed any more, and each command starts the flow anew.
    drop(registry);
    let search = |text: &str, parameters: &str| {
        let search = ["--on", "/search", "--text", text];
        found(&run(&[&search, &["--parameters", parameters][..]].concat()))
    };
    for (text, word) in [
        ("an insect that makes honey", "honeybee"),
        ("a machine that washes dishes", "dishwasher"),
        ("a sweet frozen dessert", "ice cream"),
    ] {
        let words = search(text, r#"{ "top_k": 3 }"#);
        assert_eq!((words.len(), &*words[0]), (3, word), "{words:?}");
    }
    let animals = search(
        "a big cat with stripes",
        r#"{ "top_k": 5, "filter": { "kind": "animal" } }"#,
    );
    assert!(animals.contains(&"tiger".to_owned()), "{animals:?}");
    let foods = search(
        "a big cat with stripes",
        r#"{ "top_k": 5, "filter": { "kind": "food" } }"#,
    );
    assert!(!foods.contains(&"tiger".to_owned()), "{foods:?}");
}

/// The one command of the example's page.
#[test]
fn the_script_searches_from_nothing() {
    setup::sentence_model();
    let index = repository().join("target/semantic-search/index");
    if Path::new(&index).exists() {
        fs::remove_dir_all(&index).unwrap();
    }
    let search = |more: &[&str]| {
        let script = repository().join("examples/semantic-search/search");
        let mut search = Command::new(script);
        search.arg("an insect that makes honey").args(more);
        setup::forget_this_package(search.env("CARGO_TARGET_DIR", setup::target()));
        Finished::successfully(&mut search)
    };
    let first = search(&[]);
    first.complains_of(&["indexing the definitions"]);
    assert!(first.stdout.contains("≈ honeybee: "), "{first}");
    let second = search(&[r#"{ "top_k": 1, "filter": { "kind": "food" } }"#]);
    assert!(!second.stderr.contains("indexing"), "{second}");
    assert!(second.stdout.contains("≈ honey: "), "{second}");
    assert_eq!(second.stdout.matches('≈').count(), 1, "{second}");
}
