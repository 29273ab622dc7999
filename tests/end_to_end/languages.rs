//! Executors in Python and JavaScript, built against this repository's WIT by tools
//! that know nothing of wasm-flow.

use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_flow_tests::languages::component;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Server, wasm_flow};

/// Three languages in a row.
const FLOW: &str = r#"
[[executors]]
name = "python"
uses = "{python}"
uses_with = { key = "value" }

[[executors]]
name = "rust"
uses = "{probe}"

[[executors]]
name = "javascript"
uses = "{javascript}"
"#;

/// What they say of themselves, by language. After the first call their compiled code
/// is in the cache: to compile CPython takes ten seconds, and tests run side by side.
fn descriptions() -> &'static [Value; 2] {
    static DESCRIPTIONS: OnceLock<[Value; 2]> = OnceLock::new();
    DESCRIPTIONS.get_or_init(|| {
        ["python", "javascript"].map(|language| {
            let mut command = wasm_flow(["inspect", "--format", "json"]);
            command.arg(component(language));
            let shown = Finished::successfully(&mut command);
            let mut shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
            shown["description"].take()
        })
    })
}

/// `wasm-flow run` with this endpoint and two documents.
fn run(endpoint: &str, arguments: &[&str]) -> Finished {
    descriptions();
    let folder = tempfile::tempdir().unwrap();
    write_flow(folder.path(), FLOW);
    let mut command = wasm_flow(["--log-level", "guest=info", "run", "flow.toml"]);
    command
        .args(["--on", endpoint, "--text", "one", "--text", "zwölf"])
        .args(["--print", "jsonl"])
        .args(arguments)
        .current_dir(folder.path());
    Finished::of(&mut command)
}

fn lines(finished: &Finished) -> Vec<Value> {
    assert_eq!(finished.status, Some(0), "{finished}");
    let lines = finished.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

#[test]
fn inspect_shows_what_they_say_of_themselves() {
    for (description, name, sdk) in [
        (&descriptions()[0], "Pythonic", "none (Python)"),
        (&descriptions()[1], "Scripted", "none (JavaScript)"),
    ] {
        assert_eq!(description["name"], name, "{description}");
        assert_eq!(description["version"], "1.2.3", "{description}");
        assert_eq!(description["sdk"], sdk, "{description}");
        let methods = description["methods"].as_array().unwrap();
        let methods: Vec<_> = methods.iter().map(|method| &method["name"]).collect();
        assert_eq!(
            methods,
            ["trace", "embedding", "other", "wait", "fail", "refused"],
            "{description}"
        );
    }
}

#[test]
fn documents_pass_through_three_languages() {
    let traced = run("/trace", &["--parameters", r#"{"n": 1, "python__m": 2}"#]);
    let printed = lines(&traced);
    let [one, twelve, results] = printed.as_slice() else {
        panic!("two documents and the results expected\n{traced}");
    };
    assert_eq!(one["text"], "ONE>python/rep-0>rust/rep-0>javascript/rep-0");
    assert_eq!(
        twelve["text"],
        "ZWÖLF>python/rep-0>rust/rep-0>javascript/rep-0"
    );
    let tags = json!({ "python": "python/rep-0", "javascript": "javascript/rep-0" });
    assert_eq!((&one["tags"], &twelve["tags"]), (&tags, &tags));
    let seen = json!({
        "python/rep-0": {
            "seen": ["one", "zwölf"],
            "parameters": { "n": 1, "m": 2 },
        },
        "javascript/rep-0": {
            "seen": ["ONE>python/rep-0>rust/rep-0", "ZWÖLF>python/rep-0>rust/rep-0"],
            "parameters": { "n": 1 },
        },
    });
    assert_eq!(results["__results__"], seen, "{traced}");
    traced.complains_of(&[
        r#"python/rep-0 | INFO started fields={"key":"value"}"#,
        "javascript/rep-0 | INFO started",
        "javascript/rep-0 | INFO stopped",
        "python/rep-0 | stopped",
    ]);
}

#[test]
fn a_failure_has_the_name_that_it_has_in_the_language() {
    // Each alone: the first to fail is the last that is called.
    for (language, name, message, refusal) in [
        (
            "python",
            "ValueError",
            "deliberate failure in Python",
            "Error_Invalid",
        ),
        (
            "javascript",
            "RangeError",
            "deliberate failure in JavaScript",
            "invalid",
        ),
    ] {
        let target = ["--target", language];
        let failed = run("/fail", &target);
        assert_eq!(failed.status, Some(1), "{failed}");
        failed.complains_of(&[&format!(
            "executor `{language}` failed at endpoint `/fail` (method `fail`): {name}: {message}"
        )]);
        assert!(!failed.stdout.contains("half done"), "{failed}");

        // What the host refuses is an error of the language, too.
        let refused = run("/refused", &target);
        refused.complains_of(&[&format!(
            "executor `{language}` failed at endpoint `/refused` (method `refused`): \
             {refusal}: value 0: expected a JSON object, found a list"
        )]);
    }
}

#[test]
fn the_real_client_talks_to_them() {
    descriptions();
    let flow = Server::run(FLOW);
    let seen = flow.python(
        "
        def failure(language):
            return failed(lambda: client().post('/fail', texts('a'), target_executor=language))

        docs = DocumentArray([
            Document(text='a', embedding=np.array([1, 2], np.float32), tags={'n': 1}),
            Document(text='b', embedding=np.array([3, -0.5], np.float32)),
        ])
        (traced,) = responses('/trace', docs)
        embedded = client().post('/embedding', docs)
        waits = time.time()
        client().post('/wait', texts(*['7'] * 10), request_size=1, target_executor='python|javascript')
        waited = time.time() - waits
        answer({
            'texts': traced.docs.texts,
            'tags': [doc.tags for doc in traced.docs],
            'results': sorted(dict(traced.parameters)['__results__']),
            'embeddings': embedded.embeddings.tolist(),
            'dtype': str(embedded.embeddings.dtype),
            'others': [client().post('/other', texts('a'), target_executor=language).texts
                       for language in ['python', 'javascript']],
            'waited': waited,
            'failures': [failure('python'), failure('javascript')],
            'after': client().post('/trace', texts('c')).texts,
        })
        ",
    );
    let path = "python/rep-0>rust/rep-0>javascript/rep-0";
    assert_eq!(
        seen["texts"],
        json!([format!("A>{path}"), format!("B>{path}")])
    );
    let tags = json!({ "python": "python/rep-0", "javascript": "javascript/rep-0" });
    let mut first = tags.clone();
    first["n"] = json!(1.0);
    assert_eq!(seen["tags"], json!([first, tags]));
    assert_eq!(
        seen["results"],
        json!(["javascript/rep-0", "python/rep-0"]),
        "{seen}"
    );
    assert_eq!(seen["embeddings"], json!([[3.0, 5.0], [7.0, 0.0]]));
    assert_eq!(seen["dtype"], "float32");
    assert_eq!(
        seen["others"],
        json!([["new", "ünïcode"], ["new", "ünïcode"]])
    );
    // Ten calls of a second in each of two languages, one after the other.
    let waited = seen["waited"].as_f64().unwrap();
    assert!((2.0..10.0).contains(&waited), "{waited}");
    for (failure, executor, name, message) in [
        (0, "Pythonic", "ValueError", "deliberate failure in Python"),
        (
            1,
            "Scripted",
            "RangeError",
            "deliberate failure in JavaScript",
        ),
    ] {
        let failure = &seen["failures"][failure];
        assert_eq!(failure["class"], "BadServer", "{failure}");
        assert_eq!(failure["name"], name, "{failure}");
        assert_eq!(failure["args"], json!([message]), "{failure}");
        assert_eq!(failure["executor"], executor, "{failure}");
        // Where in the source it was: the function's name.
        let stacks = failure["stacks"].as_array().unwrap();
        assert!(
            stacks
                .iter()
                .any(|line| line.as_str().is_some_and(|line| line.contains("fail"))),
            "{failure}"
        );
    }
    assert_eq!(seen["after"], json!([format!("C>{path}")]));
}
