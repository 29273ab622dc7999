//! Makes the corpus of the release that is being worked on.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use wasm_flow_tests::{Finished, repository, setup};

use super::{INDEX, answered, corpus, described, sha256};

/// Components to keep: two that are as authors write them, one that touches every
/// field, and one that calls every function, without an SDK.
const PACKAGES: [&str; 4] = ["uppercase", "embed", "probe", "every"];

const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The configuration that a component is started with, and its calls: an endpoint,
/// parameters and documents.
fn calls(package: &str) -> (Value, Vec<(&'static str, Value, Value)>) {
    let texts = json!([{ "id": "1", "text": "one" }, { "id": "2", "text": "zwölf" }]);
    // Every field, the numbers as docarray writes them.
    let full = json!([{
        "id": "full", "parent_id": "p", "granularity": 1, "adjacency": 2,
        "tensor": [[1, 2], [3, 4]], "embedding": [0.5, -1.5],
        "uri": "u", "mime_type": "text/plain", "modality": "m",
        "weight": 0.5, "offset": 1.5, "location": [1.0, 2.0],
        "tags": { "n": 1, "list": [true, null, 1.25], "text": "ü" },
        "scores": { "s": { "value": 0.25, "op_name": "op", "description": "d", "ref_id": "r" } },
        "evaluations": { "e": { "value": 2.0 } },
        "chunks": [{ "id": "c", "text": "chunk" }],
        "matches": [{ "id": "m", "blob": "AAEC" }],
    }]);
    match package {
        "uppercase" => (
            json!({}),
            vec![
                ("/rows", json!({}), texts.clone()),
                ("/columns", json!({}), texts.clone()),
                ("/exclusive", json!({}), texts),
            ],
        ),
        "embed" => (
            json!({ "dimension": 4 }),
            vec![
                ("/index", json!({ "traverse": "@r" }), texts),
                ("/index", json!({}), full),
                ("/index", json!({ "traverse": 1 }), json!([{ "id": "1" }])),
            ],
        ),
        "probe" => (
            json!({ "key": ["value"] }),
            vec![
                ("/read", json!({}), full.clone()),
                ("/rewrite", json!({}), full.clone()),
                (
                    "/golden",
                    json!({ "n": 1, "corpus__m": 2, "other__m": 3 }),
                    texts.clone(),
                ),
                ("/make", json!({}), texts.clone()),
                ("/rearrange", json!({}), texts.clone()),
                ("/trace", json!({}), texts.clone()),
                ("/busy", json!({}), texts),
            ],
        ),
        "every" => (
            json!({ "given": true }),
            vec![
                ("/every", json!({ "n": 1 }), full),
                ("/fail", json!({}), texts.clone()),
                ("/panic", json!({}), texts),
            ],
        ),
        other => panic!("`{other}` has no calls yet"),
    }
}

/// Builds the components of this release, calls them, and writes down what they
/// answer.
pub(super) fn update() {
    let tag = git(&["tag", "--list", &format!("v{RELEASE}")]);
    assert!(
        tag.is_empty(),
        "{RELEASE} is released, and what is released does not change: set the next version first"
    );
    let built = setup::build_to_keep(&PACKAGES);
    let folder = corpus().join(RELEASE);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for the release");
    let components: Vec<Value> = PACKAGES
        .iter()
        .map(|package| {
            let file = folder.join(format!("{package}.wasm"));
            let bytes = fs::read(built.join(format!("{package}.wasm"))).expect(package);
            fs::write(&file, &bytes).expect("the component");
            let description = described(&file);
            let (uses_with, calls) = calls(package);
            let calls = calls.into_iter().map(|(endpoint, parameters, documents)| {
                let mut call = json!({
                    "endpoint": endpoint,
                    "parameters": parameters,
                    "documents": documents,
                });
                call["answer"] = answered(&file, &uses_with, &call);
                call
            });
            json!({
                "file": format!("{package}.wasm"),
                "size": bytes.len(),
                "sha256": sha256(&bytes),
                "sdk": description["sdk"],
                "uses_with": uses_with,
                "calls": calls.collect::<Vec<_>>(),
                "description": description,
            })
        })
        .collect();
    let rustc = Finished::successfully(Command::new("rustc").arg("--version"));
    let index = json!({
        "release": RELEASE,
        "commit": git(&["describe", "--always", "--abbrev=40", "--exclude", "*", "--dirty"]),
        "rustc": rustc.stdout.trim(),
        "target": "wasm32-wasip2",
        "components": components,
    });
    let mut text = serde_json::to_string_pretty(&index).expect("JSON");
    text.push('\n');
    fs::write(folder.join(INDEX), text).expect("the index");
}

fn git(arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(repository());
    Finished::successfully(&mut git).stdout.trim().to_owned()
}
