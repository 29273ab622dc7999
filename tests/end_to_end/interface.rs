//! What the interface gives to an executor, without an SDK in between or with one.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use wasm_flow::contract::Call;
use wasm_flow::contract::config::ExecutorConfig;
use wasm_flow::executor::{
    Executor, Level, Output, Printer, Record, Runtime, RuntimeConfig, Stream,
};
use wasm_flow_document::DocumentArray;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Running, Server, guest, wasm_flow};

#[test]
fn documents_become_bytes_that_docarray_reads() {
    let flow = Server::run("[[executors]]\nname = \"raw\"\nuses = \"{raw}\"\n");
    let seen = flow.python(
        "
        sent = DocumentArray([Document(text='one', chunks=texts('a', 'b')), Document(text='three')])
        (response,) = responses('/bytes', sent)
        (doc,) = response.docs
        read = DocumentArray.from_bytes(doc.blob, protocol='protobuf-array')
        answer({
            'seen': response.parameters['__results__']['raw/rep-0'],
            'id': len(doc.id),
            'same': exact(read) == exact(sent),
        })
        ",
    );
    assert_eq!(seen["same"], true, "{seen}");
    assert_eq!(seen["id"], 32, "an empty id is replaced");
    let seen = &seen["seen"];
    assert_eq!(seen["again"], json!(["one", "three"]));
    assert_eq!(seen["sizes"], json!([5.0, 7.0]), "a text with its head");
    let nested = seen["nested"].as_array().unwrap();
    assert!(
        nested[0].as_f64().unwrap() > 20.0 && nested[1] == 0.0,
        "{seen}"
    );
    assert_eq!(seen["parts"], json!([["gateway", 2.0]]));
    assert_eq!(
        seen["docs"],
        json!(["one", "three"]),
        "the parts are copies"
    );
    assert!(
        seen["broken"].as_str().unwrap().contains("Invalid"),
        "{seen}"
    );
    assert!(
        seen["list"].as_str().unwrap().contains("not an object"),
        "{seen}"
    );
}

#[test]
fn what_an_executor_logs_has_a_level_fields_and_its_request() {
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    let run = |arguments: &[&str]| {
        let mut command = wasm_flow(arguments.iter().copied());
        command
            .args(["run", "flow.toml", "--on", "/log", "--text", "x"])
            .current_dir(folder.path());
        Finished::successfully(&mut command)
    };
    let text = run(&["--log-level", "info"]);
    let line = text
        .stderr
        .lines()
        .find(|line| line.contains("look at"))
        .unwrap();
    assert!(
        line.starts_with(
            r#"probe/rep-0 | WARN look at this fields={"documents":1,"kind":"odd"} request="#
        ),
        "{line}"
    );
    assert!(!text.stderr.contains("looked at"), "{text}");

    let json = run(&["--log-level", "guest=debug", "--log-format", "json"]);
    let events: Vec<Value> = json
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let levels: Vec<_> = events
        .iter()
        .filter(|event| event["target"] == "guest")
        .map(|event| (&event["level"], &event["message"], &event["executor"]))
        .collect();
    assert_eq!(
        levels,
        [
            (&json!("DEBUG"), &json!("looked at"), &json!("probe")),
            (&json!("WARN"), &json!("look at this"), &json!("probe")),
        ],
        "{json}"
    );
    assert!(
        events.iter().all(|event| event["request"].is_string()),
        "{json}"
    );
}

#[test]
fn what_an_executor_says_of_an_error_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    let mut command = wasm_flow(["--log-level", "warn", "run", "flow.toml", "--on", "/busy"]);
    command.args(["--text", "x"]).current_dir(folder.path());
    let failed = Finished::of(&mut command);
    let line = failed.stderr.lines().find(|line| line.contains("WARN"));
    let line = line.unwrap_or_else(|| panic!("no line: {failed}"));
    for part in [
        "come back later",
        "retry: true",
        "retry_after: Some(2s)",
        "documents: [\"",
    ] {
        assert!(line.contains(part), "`{part}`: {line}");
    }
}

#[test]
fn contents_larger_than_the_memory_are_read_in_parts_or_refused_alone() {
    let flow = Server::run(
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\nlimits.memory = \"32MiB\"\n",
    );
    let mut innocent = waiting(&flow, 20);
    let seen = flow.python(
        "
        def lengths(docs):
            (response,) = responses('/lengths', DocumentArray(docs))
            return response.docs.texts
        mib = 1 << 20
        answer({
            'blobs': lengths([Document(blob=b'x' * 5 * mib) for _ in range(12)]),
            'texts': lengths([Document(text='x' * 5 * mib) for _ in range(12)]),
            'tensors': lengths([Document(tensor=np.zeros(5 * mib, np.uint8)) for _ in range(12)]),
            'refused': failed(lambda: client().post('/lengths', DocumentArray([
                Document(text='a'), Document(blob=b'x' * 20 * mib)]))),
            'after': lengths([Document(text='abc')]),
        })
        ",
    );
    let five = json!(vec!["5242880"; 12]);
    for column in ["blobs", "texts", "tensors"] {
        assert_eq!(seen[column], five, "{column}");
    }
    let refused = seen["refused"].to_string();
    for part in ["blobs", "16777216 bytes", "more memory"] {
        assert!(refused.contains(part), "`{part}`: {refused}");
    }
    assert_eq!(seen["after"], json!(["3"]));
    let innocent = innocent.finish();
    assert_eq!(innocent.status, Some(0), "{innocent}");
}

/// A call that waits in `probe` for so many seconds, and has begun to.
fn waiting(flow: &Server, seconds: u32) -> Running {
    let address = format!("grpc://127.0.0.1:{}", flow.port());
    let parameters = format!("{{\"seconds\": {seconds}}}");
    let call = Running::start(&mut wasm_flow([
        "post",
        &address,
        "--on",
        "/gauge",
        "--text",
        "x",
        "--parameters",
        &parameters,
    ]));
    flow.printed_lines(1);
    call
}

#[test]
fn a_task_goes_on_between_calls() {
    let flow = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let seen = flow.python(
        "
        ticks = lambda: results('/ticks', texts('x'))['probe/rep-0']['ticks']
        first = ticks()
        time.sleep(1)
        answer({'first': first, 'later': ticks()})
        ",
    );
    let ticks = |key: &str| seen[key].as_f64().unwrap();
    // A hundred on a machine with nothing else to do.
    assert!(ticks("later") > ticks("first") + 5.0, "{seen}");
}

#[test]
fn a_method_that_does_not_await_waits_for_no_other_call() {
    let flow = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let _slow = waiting(&flow, 60);
    let address = format!("grpc://127.0.0.1:{}", flow.port());
    let start = Instant::now();
    let mut ticks = wasm_flow(["post", &address, "--on", "/ticks", "--text", "x"]);
    Finished::successfully(&mut ticks);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_an_executor_wants_is_printed_as_lines_of_the_flow() {
    let probe = guest("probe");
    let probe = probe.to_str().unwrap();
    let inspected = Finished::successfully(&mut wasm_flow(["inspect", probe]));
    for part in [
        "keeps state: each replica has its own",
        "wants, in flow.toml\n  workspace = \"...\"\n  [executors.allow]\n  env = [\"PROBE\"]\n",
        "concurrent, writes, batches",
    ] {
        assert!(inspected.stdout.contains(part), "`{part}`: {inspected}");
    }

    let folder = tempfile::tempdir().unwrap();
    let check = |more: &str| {
        write_flow(
            folder.path(),
            &format!("[[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n{more}"),
        );
        Finished::successfully(wasm_flow(["check"]).current_dir(folder.path()))
    };
    let checked = check("replicas = 2\nallow.env = [\"HOME\"]\n");
    for part in [
        "warning: Probe wants more than it is granted",
        "flow.toml:5:",
        "env = [\"PROBE\"]",
        "workspace = \"...\"",
        "warning: Probe keeps state, and each of its 2 replicas keeps its own",
        "2 warnings in flow.toml",
    ] {
        assert!(checked.stderr.contains(part), "`{part}`: {checked}");
    }
    assert!(checked.stdout.contains("flow.toml: fine"), "{checked}");
    let checked = check("isolation = \"request\"\nworkspace = \"w\"\n");
    assert!(checked.stderr.contains("throws away"), "{checked}");
    assert!(!checked.stderr.contains("workspace ="), "{checked}");
    let checked = check("workspace = \"w\"\nallow.env = [\"PROBE\"]\n");
    assert_eq!(checked.stderr, "", "{checked}");
}

/// Keeps what is printed.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Output for Lines {
    fn line(&self, _: &Printer, _: Stream, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn enabled(&self, _: Level) -> bool {
        false
    }

    fn log(&self, _: &Record<'_>) {}
}

#[tokio::test]
async fn a_call_whose_caller_has_gone_does_not_reach_the_guest() {
    let lines = Arc::new(Lines::default());
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let component = runtime.load(guest("raw")).await.unwrap();
    let config = ExecutorConfig::new("raw");
    let executor = Executor::start(&runtime, &component, config, lines.clone())
        .await
        .unwrap();
    let call = |endpoint: &'static str| {
        let executor = executor.clone();
        async move {
            let call = Call {
                request_id: "r".into(),
                endpoint: endpoint.into(),
                parameters: Arc::new(Map::from_iter([("seconds".to_owned(), json!(2))])),
                docs: DocumentArray::from_texts(["x"]),
                parts: Vec::new(),
                trace: None,
            };
            let route = executor.route(endpoint).unwrap();
            executor.handle(&route, &call).await.map(drop)
        }
    };
    // While it blocks, the instance takes no other call.
    let blocked = tokio::spawn(call("/block"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let gone = tokio::time::timeout(Duration::from_millis(300), call("/print")).await;
    assert!(gone.is_err(), "it waits behind the one that blocks");
    blocked.await.unwrap().unwrap();
    call("/print").await.unwrap();
    executor.stop().await;
    assert_eq!(*lines.0.lock().unwrap(), ["starts", "called"]);
}
