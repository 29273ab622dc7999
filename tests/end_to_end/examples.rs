//! The quickstart, and that no example is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use wasm_flow_document::{Document, DocumentArray};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::setup::{self, EXAMPLES};
use wasm_flow_tests::{Finished, Server, repository, wasm_flow};

/// Documents with these texts.
pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> DocumentArray {
    texts.into_iter().map(Document::from_text).collect()
}

/// The documents' texts.
pub(crate) fn texts_of(docs: &DocumentArray) -> Vec<String> {
    docs.iter().map(|doc| doc.text().to_string()).collect()
}

#[test]
fn every_example_is_tested() {
    fn crates_below(folder: &Path, names: &mut BTreeSet<String>) {
        if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) {
            let name = manifest
                .lines()
                .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
                .expect("a package has a name");
            names.insert(name.to_owned());
            return;
        }
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                crates_below(&entry.path(), names);
            }
        }
    }
    let mut names = BTreeSet::new();
    crates_below(&repository().join("examples"), &mut names);
    let listed: BTreeSet<String> = EXAMPLES.into_iter().map(str::to_owned).collect();
    assert_eq!(
        names, listed,
        "left: folders of examples/, right: EXAMPLES in tests/src/setup.rs"
    );
}

/// The commands of the examples' READMEs, as they are written there.
#[test]
fn the_commands_of_the_readmes_work() {
    let mut path =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    path.insert(0, setup::binary().parent().unwrap().to_owned());
    let path = std::env::join_paths(path).unwrap();
    let _service = Service::start();
    let mut run = 0;
    for readme in ["quickstart", "executors", "seeds"] {
        let text = fs::read_to_string(repository().join("examples").join(readme).join("README.md"))
            .unwrap();
        // In tables between backticks, or a line of a block.
        let commands = text
            .split(['`', '\n'])
            .filter(|part| part.starts_with("wasm-flow run ") && part.contains(" --on "));
        for command in commands {
            let finished = Finished::of(
                Command::new("sh")
                    .args(["-c", command])
                    .current_dir(repository())
                    .env("PATH", &path)
                    .env("CARGO_TARGET_DIR", setup::target()),
            );
            assert_eq!(finished.status, Some(0), "{command}\n{finished}");
            run += 1;
        }
    }
    assert!(run >= 17, "only {run} commands were found");
}

/// The enricher's web service, at the port that its flow asks.
struct Service(Child);

impl Service {
    fn start() -> Service {
        let script = repository().join("examples/executors/http-enricher/service.py");
        let mut service = Command::new("python3")
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(service.stdout.as_mut().unwrap());
        lines.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "http://127.0.0.1:17080");
        Service(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the examples of `executors` print, by their READMEs' commands.
#[test]
fn the_executors_that_do_real_work_do_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = |toml: &str, arguments: &[&str]| {
        write_flow(folder.path(), toml);
        let mut command = wasm_flow(["run", "flow.toml", "--print", "jsonl"]);
        command.args(arguments).current_dir(folder.path());
        let finished = Finished::successfully(&mut command);
        let docs: Vec<Value> = finished
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|doc: &Value| doc.get("id").is_some())
            .collect();
        docs
    };
    let data = |path: &str| {
        let path = repository().join("examples/executors").join(path);
        path.to_str().unwrap().to_owned()
    };

    let toml = format!(
        "[[executors]]\nname = \"index\"\nuses = {:?}\nworkspace = \"index\"\n",
        setup::example("vector-index")
    );
    let things = data("vector-index/things.jsonl");
    run(&toml, &["--on", "/index", "--input", &things]);
    let query = data("vector-index/query.jsonl");
    let found = run(
        &toml,
        &[
            "--on",
            "/search",
            "--input",
            &query,
            "--parameters",
            r#"{"top_k": 2}"#,
        ],
    );
    let matches = found[0]["matches"].as_array().unwrap();
    let names: Vec<&Value> = matches.iter().map(|found| &found["text"]).collect();
    assert_eq!(names, ["apple", "pear"]);
    assert!(matches[0]["scores"]["cosine"]["value"].as_f64().unwrap() > 0.99);

    let toml = format!(
        "[[executors]]\nname = \"tiles\"\nuses = {:?}\nuses_with = {{ tile = 8 }}\n",
        setup::example("image-tiler")
    );
    let images = data("image-tiler/images.jsonl");
    let tiled = run(&toml, &["--on", "/tile", "--input", &images]);
    let tiles = |doc: &Value| doc["chunks"].as_array().unwrap().len();
    assert_eq!((tiles(&tiled[0]), tiles(&tiled[1])), (6, 1));
    assert_eq!(
        tiled[0]["tags"],
        serde_json::json!({ "width": 20, "height": 12 })
    );
    assert!(tiled[0].get("blob").is_none());
}

/// README's first command.
#[test]
fn the_quickstart_runs_in_one_command() {
    let finished = Finished::successfully(
        wasm_flow([
            "run",
            "examples/quickstart/flow.toml",
            "--on",
            "/index",
            "--input",
            "examples/quickstart/texts.txt",
        ])
        .current_dir(repository()),
    );
    assert!(!finished.stdout.trim().is_empty(), "{finished}");

    let lines = Finished::successfully(
        wasm_flow([
            "run",
            "examples/quickstart/flow.toml",
            "--on",
            "/index",
            "--input",
            "examples/quickstart/texts.txt",
            "--print",
            "jsonl",
        ])
        .current_dir(repository()),
    );
    let documents = lines
        .stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .count();
    assert_eq!(documents, 40, "one a line of texts.txt\n{lines}");
}

/// Where features fall does not depend on how many bits a `usize` has: of the
/// hashes' lower halves, this would be 131, 147 and 244.
#[test]
fn embed_puts_features_where_their_hashes_say() {
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        &format!(
            "[[executors]]\nname = \"embed\"\nuses = {:?}\nuses_with = {{ dimension = 300 }}\n",
            setup::example("embed")
        ),
    );
    let finished = Finished::successfully(
        wasm_flow(["run", "flow.toml", "--on", "/index", "--text", "cat"])
            .args(["--parameters", "{\"traverse\": \"@r\"}", "--print", "jsonl"])
            .current_dir(folder.path()),
    );
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let embedding = document["embedding"].as_array().unwrap();
    let set: Vec<_> = (0..embedding.len())
        .filter(|at| embedding[*at].as_f64() != Some(0.0))
        .collect();
    assert_eq!((embedding.len(), set), (300, vec![3, 15, 148]));
}

#[test]
fn the_quickstart_finds_near_duplicates_over_the_client() {
    let flow = Server::example("quickstart");
    let seen = flow.python(
        "
        lines = open(os.path.join(TESTDATA, '../../examples/quickstart/texts.txt')).read().splitlines()
        docs = client().post('/index', texts(*lines))
        pairs = {
            tuple(sorted([sentence.text, other.text]))
            for sentence in docs['@c'] for other in sentence.matches
        }
        scores = [other.scores['cosine'].value for sentence in docs['@c'] for other in sentence.matches]
        ids = {doc.id for doc in docs}
        (strict,) = responses('/index', texts(*lines), parameters={'threshold': 1.0})
        answer({
            'documents': len(docs),
            'sentences': len(docs['@c']),
            'dimensions': sorted({chunk.embedding.shape[0] for chunk in docs['@c']}),
            'dtype': sorted({str(chunk.embedding.dtype) for chunk in docs['@c']}),
            'pairs': sorted(pairs),
            'least': min(scores),
            'parents': all(other.parent_id in ids for sentence in docs['@c'] for other in sentence.matches),
            'strict': len(strict.docs['@cm']),
            'original': docs[0].chunks[0].tags['original'],
            'tags': [int(doc.tags['near_duplicates']) for doc in docs],
        })
        ",
    );
    assert_eq!(seen["documents"], 40);
    assert_eq!(
        seen["sentences"].as_u64().map(|n| n >= 80),
        Some(true),
        "{seen}"
    );
    assert_eq!(seen["dimensions"], serde_json::json!([256]));
    assert_eq!(seen["dtype"], serde_json::json!(["float32"]));
    assert_eq!(seen["parents"], true);
    assert_eq!(
        seen["original"],
        "The library on Mill Street closes at six this week."
    );
    assert!(
        seen["least"].as_f64().is_some_and(|least| least >= 0.8),
        "{seen}"
    );
    let pairs = seen["pairs"].as_array().unwrap();
    assert!((8..=14).contains(&pairs.len()), "{pairs:#?}");
    let library = serde_json::json!([
        "the library on mill street closes at six oclock this week",
        "the library on mill street closes at six this week",
    ]);
    assert!(pairs.contains(&library), "{pairs:#?}");
    // Word for word the same after cleaning: those alone are left at 1.0.
    let strict = seen["strict"].as_u64().unwrap();
    assert!(strict > 0 && strict < 2 * pairs.len() as u64, "{seen}");
    // Who needs piano lessons posts once.
    assert_eq!(seen["tags"][9], 0);
    assert!(seen["tags"][0].as_u64().is_some_and(|n| n >= 1));
}
