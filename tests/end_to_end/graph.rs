//! `wasm-flow graph`: flows as pictures, and where the time of their requests went.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, repository, wasm_flow};

/// A folder with a flow whose executors do not exist.
fn planned(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flow.toml"), toml).unwrap();
    folder
}

fn graph(folder: &Path, arguments: &[&str]) -> Finished {
    Finished::successfully(
        wasm_flow(["graph"])
            .args(arguments)
            .current_dir(folder)
            // Nothing may be compiled for it, nor looked for.
            .env("PATH", "/nonexistent"),
    )
}

const DIAMOND: &str = r#"
[flow]
name = "planned"

[[executors]]
name = "a"
uses = "not/there/yet"

[[executors]]
name = "left"
uses = "left.wasm"
replicas = 2
when = { tags__n = { "$lt" = 5 } }

[[executors]]
name = "right"
uses = "right.wasm"
needs = "a"
isolation = "request"

[[executors]]
name = "watch"
uses = "watch.wasm"
needs = "a"
floating = true

[[executors]]
name = "join"
uses = "join.wasm"
needs = ["right", "left"]
no_reduce = true
shards = 3
polling = { "/x" = "ALL" }
uses_before = "before.wasm"
uses_after = { uses = "grpc://merge:80" }
"#;

#[test]
fn a_flow_is_drawn_before_its_executors_exist() {
    let folder = planned(DIAMOND);
    let text = graph(folder.path(), &[]).stdout;
    let expected = "\
planned: 5 executors

○      gateway
●      a        not/there/yet
├─╮
│ ●    left     left.wasm      when tags.n < 5 · ×2
├─│─╮
│ │ ●  right    right.wasm     fresh per request
├╌│╌│╌╮";
    // Which lanes follow is the drawing's own matter.
    let (head, _) = expected.rsplit_once('\n').unwrap();
    assert!(text.starts_with(head), "{text}");
    for part in [
        "◌",
        "watch.wasm",
        "needs right, left",
        "no_reduce",
        "3 shards",
        "after: grpc://merge:80",
    ] {
        assert!(text.contains(part), "`{part}`\n{text}");
    }

    let svg = graph(folder.path(), &["--as", "svg"]).stdout;
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    let mermaid = graph(folder.path(), &["--as", "mermaid"]).stdout;
    assert!(
        mermaid.contains("flowchart LR") && mermaid.contains("n0 -.-> n3"),
        "{mermaid}"
    );

    let json = graph(folder.path(), &["--format", "json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["flow"], "planned");
    let left = &json["nodes"][1];
    assert_eq!(left["needs"], json!(["a"]));
    assert_eq!(left["when"], json!({ "tags__n": { "$lt": 5 } }));
    assert_eq!(left["options"], json!({ "replicas": 2 }));
    let join = &json["nodes"][4];
    assert_eq!(join["no_reduce"], true);
    assert_eq!(
        join["options"],
        json!({
            "shards": 3,
            "polling": { "/x": "ALL" },
            "uses_before": "before.wasm",
            "uses_after": "grpc://merge:80",
        })
    );
    let edges = json["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 7);
    assert_eq!(
        edges[6],
        json!({ "from": "join", "to": "gateway", "floating": false })
    );
}

#[test]
fn the_outputs_name_says_the_form() {
    let folder = planned(DIAMOND);
    for (file, begins) in [
        ("flow.svg", "<svg "),
        ("flow.mmd", "---\ntitle"),
        ("flow.md", "```mermaid\n---"),
        ("flow.txt", "planned: 5 executors"),
        ("flow.json", "{\"edges\""),
    ] {
        let finished = graph(folder.path(), &["-o", file]);
        assert_eq!(finished.stdout, "", "it is in the file");
        let written = fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(written.starts_with(begins), "{file}: {written}");
    }
    for (arguments, part) in [
        (
            ["-o", "flow.png"],
            "the name flow.png does not say what to draw",
        ),
        (["-o", "flow"], "or give --as text, mermaid or svg"),
    ] {
        let finished = Finished::of(
            wasm_flow(["graph"])
                .args(arguments)
                .current_dir(folder.path()),
        );
        assert_eq!(finished.status, Some(2), "{finished}");
        finished.complains_of(&[part]);
    }
    let finished =
        Finished::of(wasm_flow(["graph", "-o", "nowhere/flow.svg"]).current_dir(folder.path()));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&[
        "cannot write the drawing to nowhere/flow.svg",
        "No such file",
    ]);
}

#[test]
fn what_is_wrong_with_a_file_is_reported_as_check_does() {
    let folder = planned("[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\nneeds = \"b\"\n");
    let finished = Finished::of(wasm_flow(["graph"]).current_dir(folder.path()));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["flow.toml:4", "there is no executor called `b`"]);
    let finished =
        Finished::of(wasm_flow(["graph", "--format", "json"]).current_dir(folder.path()));
    assert_eq!(finished.status, Some(1), "{finished}");
    let problems: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(problems["problems"][0]["line"], 4);

    let finished = Finished::of(wasm_flow(["graph", "."]).current_dir(folder.path()));
    finished.complains_of(&["`wasm-flow graph ./flow.toml` takes its flow"]);
}

#[test]
fn the_examples_are_drawn() {
    let mut folders = vec![repository().join("examples")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "flow.toml") {
                for form in ["text", "mermaid", "svg"] {
                    let drawn = graph(repository(), &[path.to_str().unwrap(), "--as", form]);
                    assert!(drawn.stdout.contains("gateway"), "{drawn}");
                    assert_eq!(drawn.stderr, "");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "the examples were not found");
}

/// A diamond of probes that wait: `right` for longer than `left`.
fn waiting() -> tempfile::TempDir {
    let executor = |name: &str, more: &str| {
        format!("[[executors]]\nname = \"{name}\"\nuses = \"{{probe}}\"\n{more}\n")
    };
    let gauge = "uses_requests = { \"/go\" = \"gauge\" }\n";
    let nothing = "uses_requests = { \"/go\" = \"nothing\" }\n";
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        &[
            executor("a", nothing),
            executor("left", gauge),
            executor("right", &format!("needs = \"a\"\n{gauge}")),
            executor("join", &format!("needs = \"all\"\n{nothing}")),
        ]
        .concat(),
    );
    folder
}

#[test]
fn timing_finds_the_critical_path() {
    let folder = waiting();
    let parameters = r#"{"left__seconds": 0.01, "right__seconds": 0.3}"#;
    let run = |more: &[&str]| {
        Finished::successfully(
            wasm_flow(["graph", "--timing", "--on", "/go", "--prefetch", "1"])
                .args(["--text", "x", "--text", "y", "--text", "z"])
                .args(["--request-size", "1", "--parameters", parameters])
                .args(more)
                .current_dir(folder.path()),
        )
    };
    let json: Value = serde_json::from_str(&run(&["--format", "json"]).stdout).unwrap();
    let times = |index: usize| &json["nodes"][index]["times"];
    let share = |index: usize| times(index)["share"].as_f64().unwrap();
    assert_eq!(json["times"]["requests"], 3);
    for index in 0..4 {
        assert_eq!(times(index)["calls"], 3, "{json}");
    }
    assert!(times(1)["mean"].as_f64().unwrap() >= 0.01);
    assert!(times(2)["mean"].as_f64().unwrap() >= 0.3);
    assert_eq!(share(1), 0.0, "the other branch outlasts it\n{json}");
    assert!(share(2) > 0.5, "{json}");
    let sum: f64 = (0..4).map(share).sum::<f64>() + json["times"]["own_share"].as_f64().unwrap();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    assert!(json["times"]["mean"].as_f64() >= times(2)["mean"].as_f64());

    let text = run(&[]).stdout;
    for part in [
        "●",
        "executor",
        "calls",
        "(the flow itself)",
        "a request",
        "ms",
        " %",
    ] {
        assert!(text.contains(part), "`{part}`\n{text}");
    }
    // The last column comes to all, as it is rounded.
    let percents = |line: &str| -> Option<f64> {
        line.trim_end()
            .strip_suffix(" %")?
            .rsplit(' ')
            .next()?
            .parse()
            .ok()
    };
    let (_, table) = text.split_once("95 % within").unwrap();
    let sum: f64 = table.lines().filter_map(percents).sum();
    assert!((sum - 100.0).abs() <= 0.5, "{sum}\n{text}");

    run(&["-o", "flow.svg"]);
    let svg = fs::read_to_string(folder.path().join("flow.svg")).unwrap();
    assert!(svg.contains("heat4") && svg.contains("3 requests"), "{svg}");
}

#[test]
fn timing_says_what_is_missing() {
    let folder = waiting();
    let run = |arguments: &[&str]| {
        Finished::of(
            wasm_flow(["graph"])
                .args(arguments)
                .current_dir(folder.path()),
        )
    };
    let finished = run(&["--timing"]);
    assert_eq!(finished.status, Some(2), "{finished}");
    finished.complains_of(&["--on <ENDPOINT>"]);
    let finished = run(&["--on", "/go"]);
    assert_eq!(finished.status, Some(2), "{finished}");
    finished.complains_of(&["--timing"]);

    // One of two fails: the picture is that of the other.
    let finished = run(&[
        "--timing",
        "--on",
        "/wait",
        "--text",
        "not a number",
        "--text",
        "1",
        "--request-size",
        "1",
        "--format",
        "json",
    ]);
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["1 of 2 requests failed"]);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(json["times"]["requests"], 1);

    let finished = run(&["--timing", "--on", "/unknown", "--target", "nobody"]);
    assert_eq!(finished.status, Some(0), "{finished}");
    finished.complains_of(&["no executor that `nobody` stands for binds `/unknown`"]);
}

/// The pictures of the documents are what `wasm-flow graph` draws. `UPDATE=1` writes them.
#[test]
fn the_pictures_in_the_documents_are_drawn() {
    let docs = repository().join("docs");
    let compare = |flow: &Path, picture: PathBuf| {
        let drawn = graph(repository(), &[flow.to_str().unwrap(), "--as", "svg"]).stdout;
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&picture, &drawn).unwrap();
        }
        let committed = fs::read_to_string(&picture).unwrap_or_default();
        assert!(
            committed == drawn,
            "{}: write it with UPDATE=1, as CONTRIBUTING.md says",
            picture.display()
        );
    };
    compare(
        &repository().join("examples/quickstart/flow.toml"),
        docs.join("quickstart.svg"),
    );

    // The first flow of the page.
    let page = fs::read_to_string(docs.join("flows.md")).unwrap();
    let (_, flow) = page.split_once("```toml\n").unwrap();
    let (flow, _) = flow.split_once("```").unwrap();
    let folder = planned(&format!("[flow]\nname = \"search\"\n\n{flow}"));
    let file = folder.path().join("flow.toml");
    compare(&file, docs.join("branches.svg"));

    // What the page shows of a terminal is that flow, too.
    let text = graph(folder.path(), &[]).stdout;
    assert!(
        page.contains(&text),
        "docs/flows.md does not show this:\n{text}"
    );
}
