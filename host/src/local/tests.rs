//! Flows of functions: executors are in the end-to-end tests.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use wasm_flow_contract::config::Isolation;
use wasm_flow_contract::gateway::GatewayConfig;
use wasm_flow_contract::grants::Access;
use wasm_flow_contract::limits::Limits;
use wasm_flow_contract::remote::Secret;
use wasm_flow_contract::sharding::Poll;
use wasm_flow_contract::{Call, Failure, Reply, Request, Stage, StageInfo};
use wasm_flow_document::DocumentArray;
use wasm_flow_flow::testing::results;
use wasm_flow_gateway::client::Client;

use super::*;
use crate::Functions;
use crate::whole_file::tests::Folder;

/// Adds a mark to each text.
fn marking(mark: &'static str) -> Functions {
    Functions::new("Marking").on_docs("/mark", move |docs| {
        DocumentArray::from_texts(docs.texts().map(|text| format!("{text}{mark}")))
    })
}

async fn flow(stage: impl Stage) -> Flow {
    let builder = Flow::builder().name("test");
    builder
        .add(ExecutorSpec::stage("a", stage))
        .start()
        .await
        .unwrap()
}

fn texts(docs: &DocumentArray) -> Vec<&str> {
    docs.texts().collect()
}

/// The keys of a table of `flow.toml`, by where the schema has it.
fn keys(table: &str) -> BTreeSet<String> {
    let schema = wasm_flow_manifest::schema();
    let keys = schema.pointer(table).unwrap();
    keys.as_object().unwrap().keys().cloned().collect()
}

/// The keys that a list has, each with the methods that say it. They are in the sources.
fn said(list: &[(&str, &str)], sources: &[&str]) -> BTreeSet<String> {
    for (key, methods) in list {
        for method in methods.split(", ") {
            let begins = [format!("pub fn {method}("), format!("pub fn {method}<")];
            let is_there = |source: &&str| begins.iter().any(|begin| source.contains(begin));
            assert!(sources.iter().any(is_there), "`{key}`: {method}");
        }
    }
    list.iter().map(|(key, _)| (*key).to_owned()).collect()
}

/// A key of `flow.toml` without a counterpart here is one that programs cannot say.
/// Whoever adds a key adds the method to `ExecutorSpec`, and both to this list.
#[test]
fn a_program_can_say_what_a_file_can() {
    let methods: [(&str, &str); 25] = [
        ("name", "new, remote, stage"),
        ("uses", "new, remote, stage"),
        ("uses_with", "uses_with"),
        ("uses_metas", "uses_metas"),
        ("uses_requests", "uses_requests"),
        ("needs", "needs, needs_all"),
        ("when", "when"),
        ("no_reduce", "no_reduce"),
        ("floating", "floating"),
        ("uses_dynamic_batching", "uses_dynamic_batching"),
        ("replicas", "replicas"),
        ("shards", "shards"),
        ("polling", "polling, polling_of"),
        ("uses_before", "uses_before"),
        ("uses_after", "uses_after"),
        ("isolation", "isolation"),
        ("retries", "retries"),
        ("timeout", "timeout"),
        ("timeout_send", "timeout_send"),
        ("tls", "tls"),
        ("token", "token"),
        ("token_file", "token_file"),
        ("workspace", "workspace"),
        ("limits", "limits, limit_reply"),
        (
            "allow",
            "allow_http, allow_private_http, allow_env, allow_dir",
        ),
    ];
    let sources = [include_str!("spec.rs"), include_str!("spec/remote.rs")];
    let said = said(&methods, &sources);
    assert_eq!(said, keys("/properties/executors/items/properties"));
}

/// The same of what is before and after shards, and of the flow itself.
#[test]
fn a_program_can_say_what_the_other_tables_can() {
    let head: [(&str, &str); 11] = [
        ("uses", "new, remote, stage"),
        ("uses_with", "uses_with"),
        ("uses_requests", "uses_requests"),
        ("replicas", "replicas"),
        ("timeout", "timeout"),
        ("timeout_send", "timeout_send"),
        ("tls", "tls"),
        ("token", "token"),
        ("token_file", "token_file"),
        ("limits", "limits, limit_reply"),
        (
            "allow",
            "allow_http, allow_private_http, allow_env, allow_dir",
        ),
    ];
    let of_head = said(&head, &[include_str!("spec/head.rs")]);
    let executor = "/properties/executors/items/properties";
    for key in ["uses_before", "uses_after"] {
        assert_eq!(
            of_head,
            keys(&format!("{executor}/{key}/anyOf/1/properties"))
        );
    }
    let flow: [(&str, &str); 2] = [("name", "name"), ("timeout", "timeout")];
    let of_flow = said(&flow, &[include_str!("builder.rs")]);
    assert_eq!(of_flow, keys("/properties/flow/properties"));
}

#[tokio::test]
async fn executors_stand_in_the_flow_as_they_are_said_to() {
    let flow = Flow::builder()
        .add(ExecutorSpec::stage("first", marking("1")))
        .add(ExecutorSpec::stage("left", marking("l")).when(json!({ "text": { "$eq": "x1" } })))
        .add(
            ExecutorSpec::stage("right", marking("r"))
                .needs(["first"])
                .when(json!({ "text": { "$neq": "x1" } })),
        )
        .add(ExecutorSpec::stage("beside", marking("!")).floating())
        .add(
            ExecutorSpec::stage("last", marking("2"))
                .needs_all()
                .no_reduce(),
        )
        .start()
        .await
        .unwrap();
    let docs = DocumentArray::from_texts(["x", "y"]);
    let docs = flow.post("/mark", docs).await.unwrap();
    assert_eq!(texts(&docs), ["x1l2", "y1r2"]);
    assert_eq!(flow.endpoints(), ["/mark", "_jina_dry_run_"]);
    assert_eq!((flow.name(), flow.graph().len()), ("flow", 5));
}

#[tokio::test]
async fn what_is_before_and_after_an_executor_is_called_and_stopped_with_it() {
    let (before, mut told, go_on) = Telling::new();
    go_on.notify_one();
    let flow = Flow::builder()
        .add(
            ExecutorSpec::stage(
                "a",
                marking("1").on(
                    "/x",
                    |call: Call| async move { results(call, json!({}), 0) },
                ),
            )
            .uses_before(HeadSpec::stage(before))
            .uses_after(HeadSpec::stage(marking("2").on("/x", |call: Call| {
                let seen: Vec<&str> = call.parts.iter().map(|part| &*part.executor).collect();
                let seen = json!({ "parts": seen });
                std::future::ready(results(call, seen, 0))
            }))),
        )
        .start()
        .await
        .unwrap();
    let docs = DocumentArray::from_texts(["x"]);
    let marked = flow.post("/mark", docs.clone()).await.unwrap();
    assert_eq!(texts(&marked), ["x12"]);
    let responses = flow.post("/x", docs).responses().await.unwrap();
    let results: Vec<&String> = responses[0].results.keys().collect();
    assert_eq!(results, ["a/rep-0", "a/uses_after-0"]);
    let seen = &responses[0].results["a/uses_after-0"];
    assert_eq!(*seen, json!({ "parts": ["a"] }));
    assert_eq!(next(&mut told).await, Some("called"));
    assert_eq!(next(&mut told).await, Some("call over"));
    drop(flow);
    assert_eq!(next(&mut told).await, Some("stopped"));
}

#[tokio::test]
async fn documents_go_in_requests_and_come_back_in_order() {
    let flow = flow(Functions::default().on("/x", |call: Call| async move {
        let first: u64 = call.docs.texts().next().unwrap_or("0").parse().unwrap();
        tokio::time::sleep(Duration::from_millis(200 - first)).await;
        let count = call.docs.len();
        results(call, json!({ "count": count }), 0)
    }))
    .await;
    let docs = DocumentArray::from_texts((0..150).map(|n| n.to_string()));
    let answered = flow.post("/x", docs.clone()).request_size(40).await;
    assert_eq!(texts(&answered.unwrap()), texts(&docs));
    let counts = |size| {
        let responses = flow.post("/x", docs.clone()).request_size(size).responses();
        responses.map(|responses| -> Vec<Value> {
            let responses = responses.unwrap().into_iter();
            let count = |response: wasm_flow_contract::Response| {
                response.results["a/rep-0"]["count"].clone()
            };
            responses.map(count).collect()
        })
    };
    assert_eq!(counts(40).await, [40, 40, 40, 30]);
    assert_eq!(counts(100).await, [100, 50]);
    assert_eq!(counts(1000).await, [150]);
    // 100, if nothing is said; one request if there are no documents.
    assert_eq!(flow.post("/x", docs).responses().await.unwrap().len(), 2);
    let none = flow.post("/x", DocumentArray::new()).responses().await;
    assert_eq!(none.unwrap()[0].results["a/rep-0"], json!({ "count": 0 }));
}

#[tokio::test]
async fn parameters_and_targets_go_along() {
    let flow = flow(Functions::default().on("/x", |call: Call| async move {
        let seen = Value::Object(serde_json::Map::clone(&call.parameters));
        results(call, seen, 0)
    }))
    .await;
    let post = |target: &str| {
        let parameters = json!({ "k": 1, "a__only": 2, "b__other": 3 });
        flow.post("/x", DocumentArray::new())
            .parameters(parameters)
            .target_executor(target)
            .responses()
    };
    let seen = post("").await.unwrap();
    assert_eq!(seen[0].results["a/rep-0"], json!({ "k": 1, "only": 2 }));
    assert!(post("b").await.unwrap()[0].results.is_empty());

    let wrong = flow
        .post("/x", DocumentArray::new())
        .parameters("k=1")
        .await;
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "these parameters cannot be sent: expected a JSON object, as in { \"top_k\": 10 }, and \
         this is a string"
    );
    let wrong = flow.post("/x", DocumentArray::new()).request_size(0).await;
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "a request has at least one document, and `request_size` is 0"
    );
}

#[tokio::test]
async fn a_request_that_fails_is_an_answer_and_ends_what_is_collected() {
    let flow = flow(Functions::default().on("/x", |call: Call| async move {
        let odd = call.docs.texts().any(|text| text == "1");
        match odd {
            true => Err(Failure::of_method("ValueError", "1 is odd")),
            false => Ok(Reply::new(call.docs)),
        }
    }))
    .await;
    let post = || {
        let docs = DocumentArray::from_texts(["0", "1", "2"]);
        flow.post("/x", docs).request_size(1)
    };
    let error = post().await.unwrap_err();
    assert_eq!(error.to_string(), "ValueError: 1 is odd");
    assert!(matches!(error, PostError::Failed(failure) if failure.name == "ValueError"));
    let failed: Vec<bool> = post()
        .stream()
        .unwrap()
        .map(|response| response.failure.is_some())
        .collect()
        .await;
    assert_eq!(failed, [false, true, false]);
}

#[tokio::test]
async fn prefetch_bounds_what_is_in_flight() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let flow = flow(Functions::default().on("/x", move |call: Call| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&seen));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Reply::new(call.docs))
        }
    }))
    .await;
    for prefetch in [3, 1, 0] {
        most.store(0, Ordering::SeqCst);
        let docs = DocumentArray::from_texts((0..20).map(|n| n.to_string()));
        let post = flow.post("/x", docs).request_size(1).prefetch(prefetch);
        assert_eq!(post.await.unwrap().len(), 20);
        assert_eq!(most.load(Ordering::SeqCst), prefetch.max(1));
    }
}

/// A stage that tells when a call comes and when it is stopped, and keeps calls waiting.
struct Telling {
    tell: mpsc::UnboundedSender<&'static str>,
    go_on: Arc<Notify>,
}

impl Telling {
    fn new() -> (Telling, mpsc::UnboundedReceiver<&'static str>, Arc<Notify>) {
        let (tell, told) = mpsc::unbounded_channel();
        let go_on = Arc::new(Notify::new());
        let telling = Telling {
            tell,
            go_on: Arc::clone(&go_on),
        };
        (telling, told, go_on)
    }
}

/// Tells when it is dropped.
struct Given(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Given {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

impl Stage for Telling {
    fn info(&self) -> StageInfo {
        StageInfo {
            class: "Telling".to_owned(),
            endpoints: vec![("/x".to_owned(), "x".to_owned())],
            replicas: 1,
            ..StageInfo::default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        endpoint == "/x"
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let go_on = Arc::clone(&self.go_on);
        let tell = self.tell.clone();
        Box::pin(async move {
            let _ = tell.send("called");
            let _given = Given(tell, "call over");
            go_on.notified().await;
            Ok(Reply::new(call.docs))
        })
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let _ = self.tell.send("stopped");
        Box::pin(std::future::ready(()))
    }
}

async fn next(told: &mut mpsc::UnboundedReceiver<&'static str>) -> Option<&'static str> {
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, told.recv()).await.unwrap()
}

#[tokio::test]
async fn a_flow_stops_once_with_its_last_clone() {
    let (stage, mut told, _) = Telling::new();
    let first = flow(stage).await;
    let clone = first.clone();
    drop(first);
    tokio::task::yield_now().await;
    assert!(told.try_recv().is_err());
    drop(clone);
    assert_eq!(next(&mut told).await, Some("stopped"));
    assert_eq!(next(&mut told).await, None);

    // It was stopped already.
    let (stage, mut told, _) = Telling::new();
    let flow = flow(stage).await;
    flow.stop().await;
    drop(flow);
    assert_eq!(next(&mut told).await, Some("stopped"));
    assert_eq!(next(&mut told).await, None);
}

#[tokio::test]
async fn a_flow_stops_when_it_is_dropped_on_a_thread_without_a_runtime() {
    let (stage, mut told, _) = Telling::new();
    let flow = flow(stage).await;
    std::thread::spawn(move || drop(flow)).join().unwrap();
    assert_eq!(next(&mut told).await, Some("stopped"));
}

#[test]
fn a_flow_that_outlives_its_runtime_is_dropped_in_peace() {
    let (stage, mut told, _) = Telling::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let flow = runtime.block_on(flow(stage));
    drop(runtime);
    drop(flow);
    assert_eq!(told.blocking_recv(), None);
}

#[tokio::test]
async fn a_post_holds_the_flow_and_gives_up_what_is_dropped() {
    let (stage, mut told, go_on) = Telling::new();
    let running = flow(stage).await;
    let post = tokio::spawn(
        running
            .post("/x", DocumentArray::from_texts(["a"]))
            .into_future(),
    );
    assert_eq!(next(&mut told).await, Some("called"));
    drop(running);
    tokio::task::yield_now().await;
    assert!(told.try_recv().is_err());
    go_on.notify_one();
    assert_eq!(post.await.unwrap().unwrap().len(), 1);
    assert_eq!(next(&mut told).await, Some("call over"));
    assert_eq!(next(&mut told).await, Some("stopped"));

    let (stage, mut told, _) = Telling::new();
    let flow = flow(stage).await;
    let post = tokio::spawn(flow.post("/x", DocumentArray::new()).into_future());
    assert_eq!(next(&mut told).await, Some("called"));
    post.abort();
    assert_eq!(next(&mut told).await, Some("call over"));
}

#[tokio::test]
async fn a_stream_holds_the_flow_until_it_is_dropped_and_gives_up_then() {
    let (stage, mut told, go_on) = Telling::new();
    let running = flow(stage).await;
    let docs = DocumentArray::from_texts(["a", "b"]);
    let mut stream = running.stream(Request::new("/x", docs));
    drop(running);
    go_on.notify_one();
    let mut seen = Vec::new();
    while let Some(docs) = stream.next().await {
        seen.extend(docs.unwrap().texts().map(str::to_owned));
    }
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(next(&mut told).await, Some("called"));
    assert_eq!(next(&mut told).await, Some("call over"));
    tokio::task::yield_now().await;
    assert!(told.try_recv().is_err());
    drop(stream);
    assert_eq!(next(&mut told).await, Some("stopped"));

    let (stage, mut told, _) = Telling::new();
    let running = flow(stage).await;
    let mut stream = running.stream(Request::new("/x", DocumentArray::from_texts(["a"])));
    assert!(stream.next().now_or_never().is_none());
    assert_eq!(next(&mut told).await, Some("called"));
    drop(stream);
    assert_eq!(next(&mut told).await, Some("call over"));
    drop(running);
    assert_eq!(next(&mut told).await, Some("stopped"));
}

#[tokio::test]
async fn a_flow_is_served_until_that_is_stopped() {
    let (stage, mut told, go_on) = Telling::new();
    let flow = flow(stage).await;
    let free = GatewayConfig {
        port: 0,
        ..flow.gateway().clone()
    };
    let serving = flow.serve(free.clone()).await.unwrap();
    let client = Client::connect(&serving.url()).await.unwrap();
    assert_eq!(client.address(), serving.address().to_string());
    assert_eq!(client.endpoints().await.unwrap(), flow.endpoints());
    let docs = DocumentArray::from_texts(["a"]);
    let post = tokio::spawn(client.post("/x").docs(docs).into_future());
    assert_eq!(next(&mut told).await, Some("called"));

    // What is in flight is answered, and the flow goes on for as long as that takes.
    drop(flow);
    let stopping = tokio::spawn(serving.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished() && told.try_recv().is_err());
    go_on.notify_one();
    assert_eq!(post.await.unwrap().unwrap().len(), 1);
    stopping.await.unwrap().unwrap();
    assert_eq!(next(&mut told).await, Some("call over"));
    assert_eq!(next(&mut told).await, Some("stopped"));
    assert!(!client.is_flow_ready().await);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_no_longer_served() {
    let flow = flow(marking("!")).await;
    let free = GatewayConfig {
        port: 0,
        ..GatewayConfig::default()
    };
    let serving = flow.serve(free).await.unwrap();
    let (url, address) = (serving.url(), serving.address());
    drop(serving);
    let gone = async {
        while Client::connect(&url).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    // The flow itself goes on, and the port is free again.
    let docs = DocumentArray::from_texts(["a"]);
    assert_eq!(texts(&flow.post("/mark", docs).await.unwrap()), ["a!"]);
    let again = GatewayConfig {
        port: address.port(),
        ..GatewayConfig::default()
    };
    flow.serve(again).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_said_with_the_executor_and_the_argument() {
    let flow = Flow::builder()
        .name("search")
        .add(
            ExecutorSpec::new("encode", "oci2://x")
                .uses_with(json!(["small"]))
                .uses_metas(json!(3))
                .uses_requests([("/a", "x"), ("/a", "y")])
                .needs(Vec::<String>::new())
                .when(json!({ "colour": { "$eq": 1 } }))
                .uses_dynamic_batching("/a", BatchingSpec::of(0))
                .uses_dynamic_batching("/b", BatchingSpec::of(1).timeout(Duration::ZERO))
                .uses_dynamic_batching("/c", BatchingSpec::of(1))
                .uses_dynamic_batching("/c", BatchingSpec::of(2))
                .retries(11)
                .replicas(0)
                .shards(1001)
                .polling_of("/a", Poll::All)
                .polling_of("/a", Poll::Any)
                .polling_of("/default", Poll::Any)
                .uses_before(HeadSpec::remote("grpc://a:1").token(Secret::new("t")))
                .uses_after(HeadSpec::new("grpc://a:1").uses_with(json!(1)).replicas(0))
                .isolation(Isolation::Request)
                .timeout(Duration::MAX)
                .workspace("")
                .limits(Limits {
                    memory: 1000,
                    ..Limits::default()
                })
                .allow_http("ftp://x")
                .allow_private_http("db.internal")
                .allow_env("A=B")
                .allow_dir("data", "data", Access::Read)
                .allow_dir("", "/data", Access::Write),
        )
        .add(ExecutorSpec::stage("all", marking("!")).needs(["encod", "encod"]));
    let error = flow.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the flow `search` cannot be started: 29 problems\n\
         - executor `encode`: `uses` cannot be oci2://; allowed: the folder of a crate, a .wasm \
         file, oci://registry/name:tag, or grpc://host:port\n\
         - executor `encode`: `uses_with`: expected a JSON object, as in { \"top_k\": 10 }, and \
         this is an array\n\
         - executor `encode`: `uses_metas`: expected a JSON object, as in { \"top_k\": 10 }, and \
         this is a number\n\
         - executor `encode`: `uses_requests`: it sends `/a` to `x` and to `y`; leave one of them \
         out\n\
         - executor `encode`: `needs`: an empty list; name an executor or \"gateway\", or leave \
         it out for the documents of the executor before this one\n\
         - executor `encode`: `when`: `colour`: documents have no such field; they have id, \
         parent_id, granularity, adjacency, text, blob, tensor, uri, mime_type, modality, weight, \
         offset, location, embedding, tags, scores, evaluations, chunks, matches\n\
         - executor `encode`: `uses_dynamic_batching`: /a: `preferred_batch_size`: expected a \
         whole number from 1 to 1000000, and this is 0\n\
         - executor `encode`: `uses_dynamic_batching`: /b: `timeout`: must be longer than zero\n\
         - executor `encode`: `uses_dynamic_batching`: /c: it is said twice\n\
         - executor `encode`: `retries`: expected a whole number from 0 to 10, and this is 11\n\
         - executor `encode`: `replicas`: expected a whole number from 1 to 1000, and this is 0\n\
         - executor `encode`: `shards`: expected a whole number from 1 to 1000, and this is 1001\n\
         - executor `encode`: `polling_of`: `/a` is named twice\n\
         - executor `encode`: `polling_of`: there is no endpoint `/default`; `polling` is about \
         every endpoint that is not named\n\
         - executor `encode`: `uses_before`: `token`: connections to grpc:// are not secured; \
         write grpcs://, or leave it out\n\
         - executor `encode`: `uses_after`: `uses`: it runs elsewhere; `HeadSpec::remote` makes \
         one of an address\n\
         - executor `encode`: `uses_after`: `uses_with`: expected a JSON object, as in \
         { \"top_k\": 10 }, and this is a number\n\
         - executor `encode`: `uses_after`: `replicas`: expected a whole number from 1 to 1000, \
         and this is 0\n\
         - executor `encode`: `timeout`: longer than a year\n\
         - executor `encode`: `workspace`: an empty path; \".\" is the working directory\n\
         - executor `encode`: `limits`: `memory` is from 1 MiB to 4 GiB, and this is 1000 bytes\n\
         - executor `encode`: `allow_http`: not an http or https URL with a host and without a \
         query; write `https://host`, optionally with `:port` and `/path`\n\
         - executor `encode`: `allow_private_http`: not an http or https URL with a host and \
         without a query; write `https://host`, optionally with `:port` and `/path`\n\
         - executor `encode`: `allow_env`: not the name of an environment variable: \"A=B\"\n\
         - executor `encode`: `allow_dir`: the executor's path must begin with `/`: \"data\"\n\
         - executor `encode`: `allow_dir`: an empty path; \".\" is the working directory\n\
         - executor `all`: `needs`: `encod` is in it twice\n\
         - executor `all`: `name`: an executor cannot be called `all`; that word stands for every \
         executor whose documents nobody takes, in `needs`\n\
         - executor `all`: `needs`: there is no executor called `encod`; did you mean `encode`? \
         known: gateway, encode"
    );
    let FlowError::Program(problems) = error else {
        panic!("{error}")
    };
    let last = problems.problems().last().unwrap();
    assert_eq!(
        (last.executor(), last.argument()),
        (Some("all"), Some("needs"))
    );
}

#[tokio::test]
async fn what_cannot_be_of_a_remote_executor_or_a_flow() {
    let words = |builder: FlowBuilder| async {
        let error = builder.name("f").start().await.unwrap_err().to_string();
        error.replace("the flow `f` cannot be started: ", "")
    };
    let one = |executor: ExecutorSpec<kind::Remote>| words(Flow::builder().add(executor));
    let remote = || ExecutorSpec::remote("a", "grpc://127.0.0.1:1");
    assert_eq!(
        one(ExecutorSpec::remote("a", "localhost:1")).await,
        "executor `a`: `remote`: not a gRPC address; write grpc://host:port, or \
         grpcs://host:port for TLS"
    );
    assert_eq!(
        one(remote().token(Secret::new("t"))).await,
        "executor `a`: `token`: connections to grpc:// are not secured; write grpcs://, or leave \
         it out"
    );
    assert_eq!(
        one(ExecutorSpec::remote("a", "grpcs://127.0.0.1:1").token(Secret::new("a\nb"))).await,
        "executor `a`: `token`: a token is of visible ASCII characters"
    );
    assert_eq!(
        one(ExecutorSpec::remote("a", "grpcs://127.0.0.1:1").token_file("/nowhere/token")).await,
        "executor `a`: `token_file`: cannot read /nowhere/token: No such file or \
         directory (os error 2); paths are relative to the working directory"
    );
    assert_eq!(
        one(remote().timeout_send(Duration::ZERO).limit_reply(0)).await,
        "2 problems\n- executor `a`: `timeout_send`: must be longer than zero\n\
         - executor `a`: `limit_reply`: at least one byte"
    );
    assert_eq!(
        words(Flow::builder().add(ExecutorSpec::new("a", "grpc://127.0.0.1:1"))).await,
        "executor `a`: `uses`: it runs elsewhere; `ExecutorSpec::remote` makes one of an address"
    );
    assert_eq!(words(Flow::builder()).await, "the flow has no executors");
    let many = (0..1001).map(|n| ExecutorSpec::stage(format!("e{n}"), marking("!")));
    assert_eq!(
        words(many.fold(Flow::builder(), FlowBuilder::add)).await,
        "the flow has 1001 executors, and at most 1000 are allowed"
    );
    // What runs elsewhere, or is of this program, takes no instance.
    let too_many = Flow::builder()
        .add(ExecutorSpec::stage("z", marking("!")).uses_after(HeadSpec::stage(marking("!"))))
        .add(remote().uses_before(HeadSpec::remote("grpc://127.0.0.1:1")))
        .add(ExecutorSpec::new("b", "b.wasm").replicas(10).shards(90))
        .add(
            ExecutorSpec::new("c", "c.wasm")
                .replicas(98)
                .uses_before(HeadSpec::new("d.wasm").replicas(2))
                .uses_after(HeadSpec::new("d.wasm")),
        );
    assert_eq!(
        words(too_many).await,
        "executor `c`: the executors have 1001 instances in all; one process runs at \
         most 1000: each executor has `replicas`, times `shards`, and the `replicas` of its \
         `uses_before` and its `uses_after`"
    );
    let named = Flow::builder().add(ExecutorSpec::stage("a", marking("!")));
    assert_eq!(
        named
            .name(" ")
            .timeout(Duration::ZERO)
            .start()
            .await
            .unwrap_err()
            .to_string(),
        "the flow ` ` cannot be started: 2 problems\n- `timeout` of the flow: must be longer than \
         zero\n- the flow's name is empty"
    );
}

/// Keeps the warnings that are logged.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<String>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut visit = |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if field.name() == "message" {
                self.0.lock().unwrap().push_str(&format!("{value:?}\n"));
            }
        };
        event.record(&mut visit);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn who_wrote_a_flow_is_warned_in_its_words() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let said = || std::mem::take(&mut *warnings.0.lock().unwrap());

    // Nobody is there.
    let folder = Folder::new("warned");
    let file = folder.0.join("flow.toml");
    let text = "[[executors]]\nname = \"far\"\nuses = \"grpc://127.0.0.1:1\"\n";
    std::fs::write(&file, text).unwrap();
    Flow::load(&file).await.unwrap().stop().await;
    let of_file = said();
    assert!(of_file.contains("flow.toml:3:8"), "{of_file}");
    assert!(
        of_file.contains("help: the flow runs all the same"),
        "{of_file}"
    );

    let far = ExecutorSpec::remote("far", "grpc://127.0.0.1:1");
    let flow = Flow::builder().add(far).start().await.unwrap();
    flow.stop().await;
    let of_program = said();
    assert!(
        of_program.contains("; the flow runs all the same"),
        "{of_program}"
    );
}

#[test]
fn an_executor_that_is_started_outside_of_a_runtime_says_so() {
    let starting = ExecutorSpec::new("a", "a.wasm").start();
    let error = starting.now_or_never().unwrap().unwrap_err();
    assert!(matches!(error, FlowError::NoScheduler), "{error}");
}

#[tokio::test]
async fn what_is_about_a_flow_alone_is_said_once() {
    let executor = ExecutorSpec::new("a", "a.wasm")
        .polling_of("/a", Poll::All)
        .polling_of("/b", Poll::Any);
    assert_eq!(
        executor.start().await.unwrap_err().to_string(),
        "the flow `a` cannot be started: executor `a`: `polling_of`: it means something in a \
         flow alone, and this executor is in none"
    );
}

#[tokio::test]
async fn a_remote_executor_is_a_flow_that_is_served() {
    let served = flow(marking("!")).await;
    let free = GatewayConfig {
        port: 0,
        ..GatewayConfig::default()
    };
    let serving = served.serve(free).await.unwrap();
    let flow = Flow::builder()
        .add(ExecutorSpec::remote("far", serving.url()).timeout(Duration::from_secs(20)))
        .add(ExecutorSpec::stage("near", marking("?")))
        .start()
        .await
        .unwrap();
    let docs = flow.post("/mark", DocumentArray::from_texts(["a"])).await;
    assert_eq!(texts(&docs.unwrap()), ["a!?"]);
}

#[tokio::test]
async fn a_request_takes_no_longer_than_the_flow_allows() {
    let (stage, _, _) = Telling::new();
    let flow = Flow::builder()
        .timeout(Duration::from_millis(50))
        .add(ExecutorSpec::stage("a", stage))
        .start()
        .await
        .unwrap();
    let error = flow.post("/x", DocumentArray::new()).await.unwrap_err();
    assert!(error.to_string().contains("50ms"), "{error}");
}

#[test]
fn all_of_it_goes_to_other_threads() {
    fn is_send<T: Send + 'static>(_: &T) {}
    fn send_and_sync<T: Send + Sync + 'static>() {}
    send_and_sync::<Flow>();
    send_and_sync::<FlowPost>();
    send_and_sync::<Serving>();
    send_and_sync::<FlowBuilder>();
    send_and_sync::<ExecutorSpec>();
    send_and_sync::<ExecutorSpec<kind::Remote>>();
    send_and_sync::<ExecutorSpec<kind::Unsandboxed>>();
    send_and_sync::<FlowError>();
    send_and_sync::<PostError>();
    is_send(&Flow::load("flow.toml"));
    is_send(&Flow::builder().start());
    is_send(&ExecutorSpec::new("a", "a.wasm").start());
}

/// Why executors cannot be in one flow.
async fn refused(executors: impl IntoIterator<Item = ExecutorSpec>) -> String {
    let builder = executors
        .into_iter()
        .fold(Flow::builder(), FlowBuilder::add);
    builder.start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn whose_signature_is_wanted_is_said_once_and_of_a_registry() {
    let of_hub = |name: &str, key: &str| {
        ExecutorSpec::from_hub(name, "registry.example.com/team/a:1.0").signed_by([key])
    };
    for (executors, parts) in [
        (
            vec![of_hub("a", "one.pub"), of_hub("b", "two.pub")],
            ["executor `b`: `signed_by`", "names other keys"],
        ),
        (
            vec![ExecutorSpec::new("a", "folder").signed_by(["one.pub"])],
            ["`signed_by`", "does not come from a registry"],
        ),
        (
            vec![of_hub("a", "one.pub").signed_by([""; 0])],
            ["`signed_by`", "names no key"],
        ),
        (
            vec![ExecutorSpec::from_hub("a", "team/a").signed_by(["one.pub"])],
            ["`from_hub`", "team/a"],
        ),
    ] {
        let error = refused(executors).await;
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn a_rule_for_one_executor_stands_before_those_of_the_flow() {
    use wasm_flow_contract::hub::{HubConfig, Signers, Trust};

    use super::program::Program;

    let reference = "registry.example.com/team/a:1.0";
    let own = ExecutorSpec::from_hub("a", reference).signed_by(["two.pub", "one.pub"]);
    let same = ExecutorSpec::from_hub("b", reference).signed_by(["one.pub", "two.pub"]);
    let parts = vec![own.into_parts(), same.into_parts()];
    let program = Program::new("f".to_owned(), None, parts).unwrap();
    let rule = |of: &str, key: &str| Trust {
        of: of.parse().unwrap(),
        signers: Signers::Keys(vec![key.into()]),
    };
    let program = program.with_hub(HubConfig {
        trust: vec![
            rule("registry.example.com/team", "team.pub"),
            rule("registry.example.com/team/a", "team.pub"),
        ],
        ..HubConfig::default()
    });
    let (_, hub) = crate::resolve::Plan::hub(&program);
    let own = Trust {
        signers: Signers::Keys(vec!["one.pub".into(), "two.pub".into()]),
        ..rule("registry.example.com/team/a", "")
    };
    assert_eq!(
        hub.trust,
        [rule("registry.example.com/team", "team.pub"), own]
    );
}
