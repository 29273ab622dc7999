//! Flows, executors and clients from Rust, with real executors and a real Jina gateway.

use std::fs;
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use wasm_flow::contract::gateway::GatewayConfig;
use wasm_flow::contract::grants::Access;
use wasm_flow::contract::sharding::Poll;
use wasm_flow::document::{Document, DocumentArray};
use wasm_flow::executor::{Level, Output, Printer, Record, Runtime, Stream};
use wasm_flow::gateway::client::ClientError;
use wasm_flow::{
    BatchingSpec, Client, ExecutorSpec, Flow, FlowError, FlowProblems, Functions, HeadSpec,
    PostError,
};
use wasm_flow_tests::jina::Jina;
use wasm_flow_tests::python::Python;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{example, guest};

use crate::examples::{texts, texts_of};

/// Keeps what executors print.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Output for Kept {
    fn line(&self, printer: &Printer, _: Stream, line: &str) {
        let Printer {
            executor, replica, ..
        } = printer;
        self.0
            .lock()
            .unwrap()
            .push(format!("{executor}/{replica}: {line}"));
    }

    fn enabled(&self, _: Level) -> bool {
        false
    }

    fn log(&self, _: &Record<'_>) {}
}

/// What went wrong with a flow of this executor.
async fn problems(executor: ExecutorSpec) -> FlowProblems {
    let error = Flow::builder().name("f").add(executor).start().await;
    match error.unwrap_err() {
        FlowError::Program(problems) => problems,
        other => panic!("{other}"),
    }
}

async fn report(flow: &Flow) -> Value {
    let post = flow
        .post("/", DocumentArray::new())
        .parameters(json!({ "k": 1 }));
    let responses = post.responses().await.unwrap();
    responses[0].results.values().next().unwrap().clone()
}

#[tokio::test]
async fn an_executor_is_run_as_its_spec_says() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::builder()
        .name("search")
        .add(
            ExecutorSpec::new("probe", guest("probe"))
                .uses_with(json!({ "model": "small" }))
                .uses_metas(json!({ "description": "probes" }))
                .uses_requests([("/wait", "block")])
                .replicas(2)
                .timeout(Duration::from_secs(30))
                .workspace(folder.path().join("work"))
                .allow_env("PATH")
                .allow_dir(folder.path(), "/data", Access::Read),
        )
        .start()
        .await
        .unwrap();
    let seen = report(&flow).await;
    assert_eq!(seen["config"], json!({ "model": "small" }));
    assert_eq!(seen["metas"]["description"], "probes");
    assert_eq!(seen["requests"]["/wait"], "block");
    assert_eq!(seen["runtime_args"]["replicas"], 2);
    assert_eq!(seen["parameters"], json!({ "k": 1 }));
    assert!(folder.path().join("work/probe/0").is_dir());
    assert!(folder.path().join("work/probe/1").is_dir());

    // Both replicas at once.
    let begun = Instant::now();
    let wait = flow
        .post("/wait", texts(["a", "b"]))
        .parameters(json!({ "seconds": 3 }))
        .request_size(1);
    wait.await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(5500),
        "{:?}",
        begun.elapsed()
    );
    flow.stop().await;
    let error = flow.post("/", DocumentArray::new()).await.unwrap_err();
    assert!(error.to_string().contains("has been stopped"), "{error}");
}

#[tokio::test]
async fn an_executor_reaches_what_its_spec_grants() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let spec = ExecutorSpec::new("it", guest("hostile"))
        .allow_env("PATH")
        .allow_dir(folder.path(), "/data", Access::Read);
    let flow = Flow::builder().add(spec).start().await.unwrap();
    let post = |on: &str| {
        let post = flow.post(on, DocumentArray::new());
        post.parameters(json!({ "path": "/data/a" }))
    };
    let seen = async |on: &str| {
        let responses = post(on).responses().await.unwrap();
        responses[0].results["it/rep-0"].clone()
    };
    let variables = seen("/environment").await;
    let variables = variables["variables"].as_object().unwrap();
    assert_eq!(variables.keys().collect::<Vec<_>>(), ["PATH"]);
    assert_eq!(seen("/read").await["text"], "x");
    post("/write").await.unwrap_err();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"x");
}

#[tokio::test]
async fn an_executor_is_divided_as_its_spec_says() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("work");
    let flow = Flow::builder()
        .add(
            ExecutorSpec::new("probe", guest("probe"))
                .workspace(&workspace)
                .shards(2)
                .polling_of("/", Poll::All)
                .uses_before(HeadSpec::stage(
                    Functions::new("Before").on_docs("/trace", |_| texts(["before"])),
                ))
                .uses_after(HeadSpec::new(guest("probe")).replicas(2)),
        )
        .start()
        .await
        .unwrap();
    let responses = flow.post("/", DocumentArray::new()).responses().await;
    let response = &responses.unwrap()[0];
    let seen = |name: &str, key: &str| response.results[name]["runtime_args"][key].clone();
    for (shard, id) in [("probe/shard-0/rep-0", 0), ("probe/shard-1/rep-0", 1)] {
        assert_eq!(seen(shard, "shard_id"), id);
        assert_eq!(seen(shard, "shards"), 2);
    }
    let after = |name: &&String| name.starts_with("probe/uses_after-");
    assert_eq!(response.results.keys().filter(after).count(), 1);
    assert!(workspace.join("probe/shard-1/0").is_dir());

    // `ANY` is one of them, in turn.
    for shard in ["shard-0", "shard-1", "shard-0"] {
        let docs = flow.post("/trace", DocumentArray::new()).await.unwrap();
        let traced = texts_of(&docs).concat();
        assert!(
            traced.starts_with(&format!("before>probe/{shard}/rep-0>probe/uses_after-")),
            "{traced}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_around_shards_is_said_with_where_it_is() {
    let wrong = ExecutorSpec::new("index", example("vector-index"))
        .shards(2)
        .polling_of("/serach", Poll::All)
        .uses_before(HeadSpec::new("none.wasm"))
        .uses_after(HeadSpec::new(guest("probe")).uses_requests([("/x", "no_such_method")]));
    let found = problems(wrong).await;
    let found: Vec<(Option<&str>, &str)> = found
        .problems()
        .iter()
        .map(|problem| (problem.argument(), problem.reason()))
        .collect();
    let said = |argument: &str, reason: &str| {
        let mut found = found.iter();
        found.any(|(said, why)| *said == Some(argument) && why.contains(reason))
    };
    assert!(
        said("polling", "did you mean `/search`?")
            && said("uses_before", "`uses`: no such file or folder")
            && said("uses_after", "`uses_requests`")
            && said("uses_after", "no_such_method"),
        "{found:#?}"
    );
    // It starts, and refuses what it is constructed with.
    let refused = HeadSpec::new(guest("hostile")).uses_with(json!({ "at_start": "error" }));
    let divided = ExecutorSpec::new("probe", guest("probe")).shards(2);
    let found = problems(divided.uses_after(refused)).await.to_string();
    assert!(
        found.contains("executor `probe`: `uses_after`: `uses_with`: ")
            && found.contains("refused to start"),
        "{found}"
    );
}

#[tokio::test]
async fn a_component_is_loaded_once_for_several_flows() {
    let component = Runtime::shared()
        .unwrap()
        .load(guest("probe"))
        .await
        .unwrap();
    let flow = |replicas| {
        Flow::builder()
            .add(ExecutorSpec::new("a", &component).replicas(replicas))
            .add(ExecutorSpec::new("b", component.clone()).needs(["a"]))
            .start()
    };
    let (one, other) = (flow(1).await.unwrap(), flow(2).await.unwrap());
    for flow in [one, other] {
        let docs = flow.post("/trace", texts(["x"])).await.unwrap();
        let text = texts_of(&docs).concat();
        assert!(
            text.starts_with("x>a/rep-") && text.ends_with(">b/rep-0"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn documents_of_several_requests_go_in_one_call() {
    let flow = Flow::builder()
        .add(
            ExecutorSpec::new("probe", guest("probe")).uses_dynamic_batching(
                "/model",
                BatchingSpec::of(8).timeout(Duration::from_millis(200)),
            ),
        )
        .start()
        .await
        .unwrap();
    let docs = DocumentArray::from_texts((0..16).map(|n| n.to_string()));
    let docs = flow.post("/model", docs).request_size(1).await.unwrap();
    let together = |doc: &Document| doc.to_json()["tags"]["together"].clone();
    assert!(
        docs.iter().all(|doc| together(doc) == json!(8)),
        "{:?}",
        docs.get(0)
    );
}

#[tokio::test]
async fn what_executors_print_goes_where_the_program_says() {
    let kept = Kept::default();
    let flow = Flow::builder()
        .add(ExecutorSpec::new("print", example("print-documents")))
        .output(kept.clone())
        .start()
        .await
        .unwrap();
    flow.post("/", texts(["a"])).await.unwrap();
    flow.stop().await;
    assert_eq!(
        *kept.0.lock().unwrap(),
        ["print/0:  PrintExecutor: received document with text: \"a\""]
    );
}

#[tokio::test]
async fn an_executor_that_fails_says_which_and_why() {
    let flow = Flow::builder()
        .add(ExecutorSpec::new("first", guest("probe")))
        .add(ExecutorSpec::new("second", guest("hostile")))
        .start()
        .await
        .unwrap();
    let error = flow.post("/error", texts(["a"])).await.unwrap_err();
    let PostError::Failed(failure) = error else {
        panic!("{error}")
    };
    assert!(
        failure
            .description
            .starts_with("executor `second` failed at endpoint `/error`")
    );
    // The others go on.
    assert_eq!(flow.post("/ok", texts(["a"])).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_keeps_a_flow_from_starting_is_said_with_the_executor() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("probe.wasn");
    fs::copy(guest("probe"), folder.path().join("probe.wasm")).unwrap();
    let found = problems(ExecutorSpec::new("encode", &missing)).await;
    assert_eq!(
        found.to_string(),
        format!(
            "the flow `f` cannot be started: executor `encode`: `uses`: no such file or folder \
             (looked for {}); did you mean `probe.wasm`? Paths are relative to the working \
             directory",
            missing.display()
        )
    );
    let [problem] = found.problems() else {
        panic!("{found}")
    };
    assert_eq!(
        (problem.executor(), problem.argument()),
        (Some("encode"), Some("uses"))
    );

    let mine = || ExecutorSpec::new("mine", example("my-executor"));
    let said = |found: &FlowProblems| {
        let text = found.to_string();
        text.replace("the flow `f` cannot be started: executor `mine`", "")
    };
    let found = problems(mine().uses_with(json!({ "foo": "hello" }))).await;
    assert_eq!(
        said(&found),
        " (MyExecutor) cannot be started: ConfigError: `uses_with`: missing field `bar`; \
         `MyExecutor` takes `foo` and `bar`"
    );
    assert_eq!(found.problems()[0].argument(), Some("uses_with"));
    let found = problems(mine().uses_requests([("/x", "inf")])).await;
    assert_eq!(
        said(&found),
        ": `uses_requests` binds `/x` to `inf`, which is not a method of MyExecutor; it has `info`"
    );
    let found = problems(mine().uses_dynamic_batching("/inf", BatchingSpec::of(2))).await;
    assert_eq!(
        said(&found),
        ": `uses_dynamic_batching` names `/inf`, which MyExecutor binds no method to; did you \
         mean `/info`?"
    );
    let found = problems(mine().allow_dir("no/such/folder", "/data", Access::Read)).await;
    assert_eq!(
        said(&found),
        ": `allow_dir`: no such folder (looked for no/such/folder); make it first; paths are \
         relative to the working directory"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_and_served_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_flow(
        folder.path(),
        "[gateway]\nport = 0\nprefetch = 7\n[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    let flow = Flow::load(&file).await.unwrap();
    assert_eq!(flow.gateway().prefetch.get(), 7);
    let serving = flow.serve(flow.gateway().clone()).await.unwrap();
    let python = Python::run(
        serving.address().port(),
        "answer(client().post('/trace', texts('a')).texts)",
    );
    assert_eq!(python.answer, json!(["a>probe/rep-0"]));
    serving.stop().await.unwrap();

    let file = write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"nowhere\"\n",
    );
    let error = Flow::load(&file).await.unwrap_err();
    assert!(matches!(error, FlowError::File(_)), "{error}");
    assert!(error.to_string().contains("flow.toml:3:8"), "{error}");
}

/// `#[stop]` of an executor writes its file.
#[tokio::test]
async fn executors_are_stopped_with_the_last_clone() {
    let folder = tempfile::tempdir().unwrap();
    let flow = Flow::builder()
        .add(ExecutorSpec::new("index", example("vector-index")).workspace(folder.path()))
        .start()
        .await
        .unwrap();
    let doc = json!({ "id": "a", "text": "a", "embedding": [1.0, 0.0] });
    let doc = Document::from_json(&doc).unwrap();
    flow.post("/index", doc).await.unwrap();
    let kept = folder.path().join("index/0");
    drop(flow);
    let until = Instant::now() + Duration::from_secs(10);
    let is_written = || fs::read_dir(&kept).is_ok_and(|mut files| files.next().is_some());
    while !is_written() {
        assert!(Instant::now() < until, "the executor was not stopped");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_executor_is_called_without_a_flow() {
    let probe = ExecutorSpec::new("probe", guest("probe"))
        .uses_with(json!({ "n": 1 }))
        .start()
        .await
        .unwrap();
    let post = |parameters: Value| probe.post("/", DocumentArray::new()).parameters(parameters);
    let reply = post(json!({ "top_k": 3 })).reply().await.unwrap();
    let seen = &reply.results[0].values;
    assert_eq!(seen["config"], json!({ "n": 1 }));
    assert_eq!(seen["parameters"], json!({ "top_k": 3 }));
    let error = post(json!("top_k")).reply().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "executor `probe` is not called at endpoint `/`: its parameters cannot be used: expected \
         a JSON object, as in { \"top_k\": 10 }, and this is a string"
    );
    probe.stop().await;

    let slow = ExecutorSpec::new("slow", example("async-outside-flow"));
    let slow = slow.start().await.unwrap();
    let begun = Instant::now();
    let calls = (0..20).map(|_| slow.post("/", texts(["a"])).into_future());
    let answers = futures::future::join_all(calls).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );

    let error = ExecutorSpec::new("alone", guest("probe"))
        .needs(["gateway"])
        .retries(1);
    assert_eq!(
        error.start().await.unwrap_err().to_string(),
        "the flow `alone` cannot be started: 2 problems\n\
         - executor `alone`: `needs`: it means something in a flow alone, and this executor is in none\n\
         - executor `alone`: `retries`: it means something in a flow alone, and this executor is in none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_speaks_to_jinas_gateway() {
    let jina = Jina::flow(&json!([{ "name": "upper", "uses": "Remote" }]));
    let client = Client::connect(&format!("grpc://127.0.0.1:{}", jina.port()))
        .await
        .unwrap();
    assert!(client.is_flow_ready().await);
    let versions = client.status().await.unwrap().versions;
    assert!(versions["jina"].starts_with("3."), "{versions:?}");
    let error = client.endpoints().await.unwrap_err();
    assert!(matches!(error, ClientError::Call { .. }), "{error}");

    let docs = (0..25).map(|n| Document::from_text(format!("text {n}")));
    let docs = client
        .post("/trace")
        .docs(docs)
        .request_size(10)
        .await
        .unwrap();
    let expected: Vec<String> = (0..25).map(|n| format!("text {n}>upper")).collect();
    assert_eq!(texts_of(&docs), expected);

    // It sends no headers before its first answer, and there is no document yet.
    let (mut sender, documents) = futures::channel::mpsc::channel(1);
    let post = client.post("/trace").docs_stream(documents).request_size(1);
    let mut answers = timeout(Duration::from_secs(20), post.stream())
        .await
        .unwrap()
        .unwrap();
    sender.send(Document::from_text("late")).await.unwrap();
    let late = answers.next().await.unwrap().unwrap();
    assert_eq!(texts_of(&late.docs), ["late>upper"]);
    drop((sender, answers));

    let mut answers = client
        .post("/parts")
        .docs(texts(["a", "b", "c"]))
        .parameters(json!({ "k": 3, "upper__k": "only" }))
        .request_size(2)
        .prefetch(1)
        .compress()
        .in_order()
        .stream()
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Some(answer) = answers.next().await {
        seen.extend(texts_of(&answer.unwrap().into_result().unwrap().docs));
    }
    assert_eq!(seen, ["[2] ['gateway'] 2 only", "[1] ['gateway'] 1 only"]);
    let progress = answers.progress();
    assert_eq!(
        (progress.sent, progress.answered, progress.failed),
        (2, 2, 0)
    );

    let results = |target: &str| {
        let post = client.post("/results").docs(texts(["a"]));
        post.target_executor(target).responses()
    };
    let found = results("up").await.unwrap();
    assert_eq!(
        found[0].results().unwrap()["upper/rep-0"],
        json!({ "found": 1 })
    );
    let passed = results("other").await.unwrap();
    assert!(passed[0].results().is_none_or(|all| all.is_empty()));
    let error = client.post("/fails").docs(texts(["a"])).await.unwrap_err();
    assert_eq!(error.to_string(), "a request failed: ValueError('no good')");
}

/// The client before wasm-flow's own gateway, while it is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_served_to_its_last_request() {
    let flow = Flow::builder()
        .add(ExecutorSpec::new("slow", example("async-outside-flow")))
        .start()
        .await
        .unwrap();
    let config = GatewayConfig {
        port: 0,
        ..GatewayConfig::default()
    };
    let serving = flow.serve(config).await.unwrap();
    let client = Client::connect(&serving.url()).await.unwrap();
    drop(flow);
    let post = tokio::spawn(client.post("/x").docs(texts(["a"])).into_future());
    tokio::time::sleep(Duration::from_millis(300)).await;
    serving.stop().await.unwrap();
    assert_eq!(texts_of(&post.await.unwrap().unwrap()), ["a"]);
}

/// Whoever does not wait for the end of a swap finds it done, and not half done.
#[tokio::test]
async fn a_swap_that_nobody_waits_for_is_done_to_its_end() {
    let flow_that_starts_in = |seconds: f64| {
        let spec =
            ExecutorSpec::new("raw", guest("raw")).uses_with(json!({ "start_seconds": seconds }));
        Flow::builder().add(spec)
    };
    let flow = flow_that_starts_in(0.0).start().await.unwrap();
    let swap = flow.swap(flow_that_starts_in(2.0));
    assert!(timeout(Duration::from_secs(1), swap).await.is_err());
    // It waits for the one before, and finds nothing to do.
    let swapped = flow.swap(flow_that_starts_in(2.0)).await.unwrap();
    assert_eq!(swapped.kept.len(), 1, "{swapped:?}");
    assert!(swapped.is_unchanged());
    flow.post("/ok", texts(["x"])).await.unwrap();
}
