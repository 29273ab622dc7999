//! The quickstart, and that no example is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

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
    let mut run = 0;
    for readme in ["quickstart", "seeds"] {
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
    assert!(run >= 12, "only {run} commands were found");
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
