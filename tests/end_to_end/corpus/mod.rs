//! Components of earlier releases: they load in this one, and answer as they did.
//! `tests/corpus/README.md` says how a release gets its own.

mod made;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wasm_flow_tests::{Finished, guest, repository, wasm_flow};

/// Beside the components of a release: what they are and how they answer.
const INDEX: &str = "index.json";

#[test]
fn components_of_every_release_answer_as_they_did() {
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        made::update();
    }
    let releases = releases();
    assert!(!releases.is_empty(), "no release has a corpus");
    for release in releases {
        let index = fs::read_to_string(release.join(INDEX)).expect("an index");
        let index: Value = serde_json::from_str(&index).expect("an index in JSON");
        let components = index["components"].as_array().expect("components");
        for component in components {
            answers_as_it_did(&release, component);
        }
        // Whatever is there is looked at.
        let files: BTreeSet<String> = components
            .iter()
            .map(|component| text(&component["file"]).to_owned())
            .chain([INDEX.to_owned()])
            .collect();
        assert_eq!(names_in(&release), files, "{}", release.display());
    }
}

fn answers_as_it_did(release: &Path, recorded: &Value) {
    let file = release.join(text(&recorded["file"]));
    let shown = file.display();
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(
        sha256(&bytes),
        text(&recorded["sha256"]),
        "{shown} has changed: it is to stay what it was"
    );
    let description = described(&file);
    assert!(
        agrees(&recorded["description"], &description, Keys::More),
        "{shown} describes itself as {description:#}\nand did as {:#}",
        recorded["description"]
    );
    for call in recorded["calls"].as_array().expect("calls") {
        let answer = answered(&file, &recorded["uses_with"], call);
        assert!(
            agrees(&call["answer"], &answer, Keys::Same),
            "{shown} answers {call:#}\nwith {answer:#}"
        );
    }
}

/// What a component says of itself.
fn described(file: &Path) -> Value {
    let mut inspect = wasm_flow(["inspect", "--format", "json"]);
    let inspected = Finished::successfully(inspect.arg(file));
    let mut seen: Value = serde_json::from_str(&inspected.stdout).expect("JSON");
    seen["description"].take()
}

/// What a component answers to a call: the documents and the results, or the name
/// of the failure.
fn answered(file: &Path, uses_with: &Value, call: &Value) -> Value {
    let folder = tempfile::tempdir().expect("a folder for the flow");
    // A JSON string is one of TOML, too.
    let with: Vec<String> = uses_with
        .as_object()
        .expect("uses_with is an object")
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let flow = format!(
        "[[executors]]\nname = \"corpus\"\nuses = {:?}\nuses_with = {{ {} }}\n",
        file.display().to_string(),
        with.join(", ")
    );
    fs::write(folder.path().join("flow.toml"), flow).expect("a flow.toml");
    let documents = call["documents"].as_array().expect("documents");
    let lines: String = documents.iter().map(|doc| format!("{doc}\n")).collect();
    fs::write(folder.path().join("documents.jsonl"), lines).expect("documents");

    let mut command = wasm_flow(["run", "--input", "documents.jsonl", "--print", "jsonl"]);
    command
        .args(["--on", text(&call["endpoint"])])
        .args(["--parameters", &call["parameters"].to_string()])
        .current_dir(folder.path());
    let run = Finished::of(&mut command);
    match run.status {
        Some(0) => run
            .stdout
            .lines()
            .map(|line| {
                let mut line = serde_json::from_str(line).expect("a JSON line");
                without_random_ids(&mut line);
                line
            })
            .collect(),
        _ => {
            // `error: executor .. (method ..): NAME: MESSAGE`. How the message is
            // put may change.
            let failure = run.stderr.split_once("): ").map(|(_, failure)| failure);
            let name = failure.and_then(|failure| failure.split_once(": "));
            let name = name.map(|(name, _)| name);
            json!({ "failure": name.unwrap_or_else(|| panic!("no failure\n{run}")) })
        }
    }
}

/// Takes away the ids that the host draws: 32 hexadecimal digits.
fn without_random_ids(value: &mut Value) {
    let random = |id: &Value| {
        let id = id.as_str().unwrap_or_default();
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !(matches!(&**key, "id" | "parent_id") && random(value)));
            map.values_mut().for_each(without_random_ids);
        }
        Value::Array(values) => values.iter_mut().for_each(without_random_ids),
        _ => {}
    }
}

/// Which keys an object may have.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    /// Those that it had.
    Same,
    /// More of them: a later release may say more.
    More,
}

/// Whether a value is what it was. How a number is written does not matter.
fn agrees(was: &Value, is: &Value, keys: Keys) -> bool {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let agree = |(key, was)| is.get(key).is_some_and(|is| agrees(was, is, keys));
            (keys == Keys::More || was.len() == is.len()) && was.iter().all(agree)
        }
        (Value::Array(was), Value::Array(is)) => {
            let agree = |(was, is)| agrees(was, is, keys);
            was.len() == is.len() && was.iter().zip(is).all(agree)
        }
        (Value::Number(was), Value::Number(is)) => was.as_f64() == is.as_f64(),
        (was, is) => was == is,
    }
}

#[test]
fn an_answer_that_differs_does_not_agree() {
    let was = json!({ "a": [1, { "b": null }], "c": "x" });
    for (is, same, more) in [
        (was.clone(), true, true),
        (json!({ "a": [1.0, { "b": null }], "c": "x" }), true, true),
        (
            json!({ "a": [1, { "b": null, "d": 1 }], "c": "x" }),
            false,
            true,
        ),
        (json!({ "a": [1, { "b": null }] }), false, false),
        (
            json!({ "a": [1, { "b": null }, 2], "c": "x" }),
            false,
            false,
        ),
        (json!({ "a": [2, { "b": null }], "c": "x" }), false, false),
        (json!({ "a": [1, { "b": 0 }], "c": "x" }), false, false),
    ] {
        assert_eq!(agrees(&was, &is, Keys::Same), same, "{is}");
        assert_eq!(agrees(&was, &is, Keys::More), more, "{is}");
    }
}

fn corpus() -> PathBuf {
    repository().join("tests/corpus")
}

/// The folders of the releases, each called by its version.
fn releases() -> Vec<PathBuf> {
    let folders = names_in(&corpus()).into_iter();
    let folders = folders.map(|name| corpus().join(name));
    folders.filter(|path| path.is_dir()).collect()
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string in the index")
}

/// The corpus shows that a later host has a function only if a component in it calls
/// that function.
#[test]
fn one_guest_calls_every_function() {
    let bytes = fs::read(guest("every")).unwrap();
    let calls = |name: &str| {
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    let mut functions = Vec::new();
    for file in ["documents.wit", "executor.wit"] {
        let wit = fs::read_to_string(repository().join("wit").join(file)).unwrap();
        functions.extend(functions_of(&wit));
    }
    assert!(
        functions.contains(&"[method]document-array.set-strings".to_owned())
            && functions.contains(&"[static]document-array.decode".to_owned())
            && functions.contains(&"after".to_owned()),
        "{functions:?}"
    );
    let missing: Vec<_> = functions.iter().filter(|name| !calls(name)).collect();
    assert!(
        missing.is_empty(),
        "tests/guests/every does not call {missing:?}"
    );
}

/// The functions that a WIT file declares, by the names that they have in a component.
fn functions_of(wit: &str) -> Vec<String> {
    let mut resource = None;
    let mut functions = Vec::new();
    for line in wit.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("resource ") {
            resource = name.strip_suffix(" {");
        } else if line == "}" {
            // Only a resource has functions and ends inside of an interface.
            resource = None;
        } else if line == "constructor();" {
            functions.push(format!("[constructor]{}", resource.expect("a resource")));
        } else if let Some((name, ty)) = line.split_once(": ") {
            let kind = match ty {
                ty if ty.starts_with("static func(") => "static",
                ty if ty.starts_with("func(") || ty.starts_with("async func(") => "method",
                _ => continue,
            };
            functions.push(match resource {
                Some(resource) => format!("[{kind}]{resource}.{name}"),
                None => name.to_owned(),
            });
        }
    }
    functions
}
