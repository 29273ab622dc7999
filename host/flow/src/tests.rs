use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use tokio::sync::{Barrier, Notify, Semaphore};
use wasm_flow_contract::graph::{Builder, Edge, Join, NodeOptions, Upstream};
use wasm_flow_contract::query::Query;
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{Call, FailureKind, Graph, NodeId, Request, Response, Stage};
use wasm_flow_document::{Bytes, Dense, Document, DocumentArray, NdArray};

use crate::testing::{Functions, failure, flow, graph, map, reply, results, suffixed};
use crate::{Flow, ShapeError};

fn texts(docs: &DocumentArray) -> Vec<&str> {
    docs.texts().collect()
}

/// The executors on a response's way: `*` where one was passed by, `!` where
/// one failed.
fn way(response: &Response) -> String {
    let hops: Vec<String> = response
        .hops
        .iter()
        .map(|hop| {
            let mark = match (hop.end, &hop.failure) {
                (_, Some(_)) => "!",
                (None, None) => "*",
                (Some(_), None) => "",
            };
            format!("{}{mark}", hop.executor)
        })
        .collect();
    hops.join(" ")
}

/// Adds its name to every text, at one endpoint.
fn adds(name: &'static str, endpoint: &str) -> Functions {
    Functions::default().on(endpoint, move |call| async move {
        reply(suffixed(&call.docs, name))
    })
}

#[tokio::test]
async fn a_request_has_a_time() {
    let slow = Functions::default().on("/x", |call| async move {
        tokio::time::sleep(Duration::from_secs(600)).await;
        reply(call.docs)
    });
    let limit = Duration::from_millis(50);
    let flow = flow([("a", &[], slow.clone()), ("b", &[0], slow)]).with_timeout(Some(limit));
    let response = flow.call(request("/x")).await;
    let failure = response.failure.unwrap();
    assert_eq!(failure.kind, wasm_flow_contract::FailureKind::Timeout);
    assert!(
        failure
            .description
            .contains("within the 50ms that flow `test`"),
        "{failure}"
    );
    assert_eq!(texts(&response.docs), texts(&request("/x").docs));
    assert!(flow.call(request("/other")).await.failure.is_none());
}

fn request(endpoint: &str) -> Request {
    Request::new(endpoint, DocumentArray::from_texts(["x"]))
}

#[tokio::test]
async fn executors_are_called_in_order_and_passed_by_where_nothing_is_bound() {
    let flow = flow([
        ("a", &[], adds("a", "/index")),
        ("b", &[0], adds("b", "/search")),
        ("c", &[1], adds("c", "/default")),
    ]);
    for (endpoint, expected, hops) in [
        ("/index", "xac", "a b* c"),
        ("/search", "xbc", "a* b c"),
        ("/default", "xc", "a* b* c"),
        ("index", "xc", "a* b* c"),
        ("", "xc", "a* b* c"),
    ] {
        let response = flow.call(request(endpoint)).await;
        assert_eq!(texts(&response.docs), [expected], "{endpoint}");
        assert_eq!(way(&response), hops, "{endpoint}");
        assert!(response.failure.is_none());
    }
    assert_eq!(
        flow.endpoints(),
        ["/default", "/index", "/search", "_jina_dry_run_"]
    );
}

#[tokio::test]
async fn a_flow_without_executors_gives_back_what_it_gets() {
    let response = flow([]).call(request("/x")).await;
    assert_eq!(texts(&response.docs), ["x"]);
}

#[tokio::test]
async fn a_failure_ends_the_request_with_the_documents_of_before() {
    let flow = flow([
        (
            "a",
            &[],
            Functions::default().on("/x", |call| async { results(call, json!({"n": 1}), 2) }),
        ),
        ("b", &[0], adds("b", "/x")),
        (
            "c",
            &[1],
            Functions::default().on("/x", |_| async { Err(failure("ValueError")) }),
        ),
        ("d", &[2], adds("d", "/x")),
    ]);
    let response = flow.call(request("/x")).await;
    assert_eq!(texts(&response.docs), ["xb"]);
    assert_eq!(way(&response), "a b c!");
    assert_eq!(response.failure.as_deref(), Some(&failure("ValueError")));
    assert_eq!(
        Value::Object(response.results),
        json!({"a/rep-2": {"n": 1}})
    );
}

#[tokio::test]
async fn target_executor_chooses_by_name() {
    let flow = flow([
        ("encode", &[], adds("e", "/default")),
        ("index", &[0], adds("i", "/default")),
    ]);
    for (target, expected, hops) in [
        ("", "xei", "encode index"),
        ("enc", "xe", "encode index*"),
        (".*(ode|dex)", "xei", "encode index"),
        ("nobody", "x", "encode* index*"),
    ] {
        let response = flow
            .call(Request {
                target: target.to_owned(),
                ..request("/x")
            })
            .await;
        assert_eq!(texts(&response.docs), [expected], "{target}");
        assert_eq!(way(&response), hops, "{target}");
    }
    let response = flow
        .call(Request {
            target: "(".to_owned(),
            ..request("/x")
        })
        .await;
    assert_eq!(texts(&response.docs), ["x"]);
    assert!(response.hops.is_empty());
    let failure = response.failure.unwrap();
    assert!(failure.description.contains("target_executor"), "{failure}");
}

#[tokio::test]
async fn the_dry_run_reaches_every_executor_and_runs_nothing() {
    let flow = flow([
        ("a", &[], adds("a", "/default")),
        (
            "b",
            &[0],
            Functions::default().on("_jina_dry_run_", |_| async { Err(failure("Never")) }),
        ),
    ]);
    let response = flow.call(request(DRY_RUN)).await;
    assert!(response.failure.is_none());
    assert_eq!(
        (texts(&response.docs), way(&response)),
        (vec!["x"], "a b".into())
    );
}

#[tokio::test]
async fn what_an_executor_is_told() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let keep = |name: &'static str| {
        let calls = Arc::clone(&calls);
        Functions::default().on("/default", move |call| {
            calls.lock().unwrap().push((name, call.clone()));
            async move { reply(suffixed(&call.docs, name)) }
        })
    };
    let flow = flow([("a", &[], keep("a")), ("b", &[0], keep("b"))]);
    let parameters = map(json!({"k": 1, "b__k": 2, "__results__": {"x": {}}}));
    flow.call(Request {
        parameters: parameters.into(),
        ..request("/x")
    })
    .await;
    flow.call(Request::new("/empty", DocumentArray::new()))
        .await;

    let calls = calls.lock().unwrap();
    let seen: Vec<_> = calls
        .iter()
        .map(|(name, call)| {
            let parts: Vec<_> = call
                .parts
                .iter()
                .map(|part| format!("{}:{}", part.executor, texts(&part.docs).join(",")))
                .collect();
            let parameters = Value::Object(Map::clone(&call.parameters)).to_string();
            format!("{name} {} {parameters} {}", call.endpoint, parts.join(" "))
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"a /x {"k":1} gateway:x"#,
            r#"b /x {"k":2} a:xa"#,
            "a /empty {} gateway:",
            "b /empty {} a:",
        ]
    );
}

#[test]
fn a_graph_with_several_ends_is_refused() {
    let graph = graph([
        ("a", &[], adds("a", "/x")),
        ("left", &[0], adds("l", "/x")),
        ("right", &[0], adds("r", "/x")),
    ]);
    let Err(ShapeError::SeveralEnds(ends)) = Flow::new("test", graph) else {
        panic!("it has two");
    };
    let ends: Vec<usize> = ends.into_iter().map(NodeId::index).collect();
    assert_eq!(ends, [1, 2]);
}

#[test]
fn nobody_needs_what_floats() {
    let graph = with_options(
        [
            ("a", &[], adds("a", "/x")),
            ("floats", &[0], adds("f", "/x")),
            ("behind", &[1], adds("b", "/x")),
        ],
        NodeOptions {
            floating: true,
            ..NodeOptions::default()
        },
    );
    let Err(ShapeError::NeedsFloating(node)) = Flow::new("test", graph) else {
        panic!("the last one needs it");
    };
    assert_eq!(node.index(), 2);
}

#[tokio::test]
async fn a_failing_join_does_not_wait_for_a_call() {
    let many = || {
        Functions::default().on("/default", |_| async {
            let chunks: DocumentArray = (0..1000).map(|_| Document::default()).collect();
            let docs = (0..600).map(|_| Document {
                id: wasm_flow_document::random_id(),
                chunks: chunks.clone(),
                ..Document::default()
            });
            reply(docs.collect())
        })
    };
    let endless = || Functions::default().on("/default", |_| std::future::pending());
    let flow = flow([
        ("one", &[], many()),
        ("two", &[], many()),
        ("endless", &[], endless()),
        ("join", &[0, 1], adds("j", "/default")),
        ("end", &[2, 3], adds("e", "/default")),
    ]);
    let response = flow.call(request("/x")).await;
    assert_eq!(response.failure.unwrap().name, "TooManyDocuments");
    assert_eq!(response.docs.len(), 600);
}

#[tokio::test]
async fn documents_without_ids_come_together_by_the_ids_that_they_are_given() {
    let flow = flow([
        ("left", &[], sets(|doc| doc.uri = "left".into())),
        ("right", &[], sets(|doc| doc.modality = "right".into())),
        ("join", &[0, 1], Functions::default()),
    ]);
    let docs = (0..3).map(|_| Document::default()).collect();
    let response = flow.call(Request::new("/x", docs)).await;
    let seen: Vec<_> = response
        .docs
        .iter()
        .map(|doc| (&*doc.uri, &*doc.modality))
        .collect();
    assert_eq!(seen, [("left", "right"); 3]);
}

#[tokio::test]
async fn a_filter_at_a_join_is_asked_of_the_joined_documents() {
    let mut builder = Builder::default();
    let mut node =
        |name, functions: Functions| builder.node(name, Arc::new(functions) as Arc<dyn Stage>);
    let left = node("left", sets(|doc| doc.uri = "yes".into()));
    let right = node("right", sets(|doc| doc.weight = 1.0));
    let join = node("join", reports());
    for need in [right, left] {
        builder.need(join, Edge::new(Upstream::Node(need)));
    }
    let when = Query::parse(&json!({ "uri": { "$eq": "yes" } })).unwrap();
    builder.options(
        join,
        NodeOptions {
            when: Some(Arc::new(when)),
            ..NodeOptions::default()
        },
    );
    let flow = Flow::new("test", builder.build().unwrap()).unwrap();
    let response = flow.call(request("/x")).await;
    let doc = response.docs.get(0).unwrap();
    assert_eq!((&*doc.uri, doc.weight), ("yes", 1.0));
}

/// Sets one field of every document.
fn sets(set: fn(&mut Document)) -> Functions {
    sets_after(set, || async {})
}

/// The same, after something has happened.
fn sets_after<F: Future<Output = ()> + Send>(
    set: fn(&mut Document),
    wait: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> Functions {
    Functions::default().on("/default", move |call| {
        let wait = wait.clone();
        async move {
            wait().await;
            let docs = call.docs.iter().cloned().map(|mut doc| {
                set(&mut doc);
                doc
            });
            reply(docs.collect())
        }
    })
}

/// What came, by predecessor.
fn reports() -> Functions {
    Functions::default().on("/default", |call| async {
        let parts: Vec<Value> = call
            .parts
            .iter()
            .map(|part| json!([&*part.executor, texts(&part.docs)]))
            .collect();
        let docs: Vec<Value> = call.docs.texts().map(Value::from).collect();
        results(call, json!({ "parts": parts, "docs": docs }), 0)
    })
}

#[tokio::test]
async fn branches_run_side_by_side_and_fields_come_together() {
    // Neither goes on without the other.
    let both = Arc::new(Barrier::new(2));
    let meet = move || {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
        }
    };
    let flow = flow([
        ("a", &[], sets(|doc| doc.uri = "a".into())),
        (
            "left",
            &[0],
            sets_after(|doc| doc.weight = 1.0, meet.clone()),
        ),
        (
            "right",
            &[0],
            sets_after(|doc| doc.modality = "r".into(), meet),
        ),
        ("join", &[1, 2], sets(|doc| doc.mime_type = "j".into())),
    ]);
    let response = flow.call(request("/x")).await;
    let doc = response.docs.get(0).unwrap();
    assert_eq!((doc.text(), &*doc.uri, doc.weight), ("x", "a", 1.0));
    assert_eq!((&*doc.modality, &*doc.mime_type), ("r", "j"));
    // As a depth-first walk meets them.
    assert_eq!(way(&response), "a left join right");
}

/// Not one byte: what a branch leaves alone is the request's, and what it sets is its
/// own.
#[tokio::test]
async fn a_join_copies_no_embedding() {
    fn embedding(number: u32) -> Arc<NdArray> {
        let buffer: Bytes = vec![number as u8; 768 * 4].into();
        Arc::new(NdArray::numpy(
            Dense::new("<f4".into(), vec![768], buffer).unwrap(),
        ))
    }
    fn buffers(docs: &DocumentArray) -> Vec<*const u8> {
        let dense = docs
            .iter()
            .map(|doc| doc.embedding.as_ref().unwrap().dense());
        dense
            .map(|dense| dense.unwrap().buffer().as_ptr())
            .collect()
    }
    let embedded: Vec<Arc<NdArray>> = (0..100).map(embedding).collect();
    let made: Vec<*const u8> = embedded
        .iter()
        .map(|embedding| embedding.dense().unwrap().buffer().as_ptr())
        .collect();
    let flow = flow([
        ("left", &[], sets(|doc| doc.weight = 1.0)),
        (
            "right",
            &[],
            Functions::default().on("/x", move |call| {
                let embedded = embedded.clone();
                async move {
                    let docs = call
                        .docs
                        .iter()
                        .zip(embedded)
                        .map(|(doc, embedding)| Document {
                            embedding: Some(embedding),
                            ..doc.clone()
                        });
                    reply(docs.collect())
                }
            }),
        ),
        ("join", &[0, 1], Functions::default()),
    ]);
    let docs = DocumentArray::from_texts((0..100).map(|number| number.to_string()));
    let response = flow.call(Request::new("/x", docs)).await;
    assert_eq!(buffers(&response.docs), made);
    assert!(response.docs.iter().all(|doc| doc.weight == 1.0));
}

#[tokio::test]
async fn the_first_need_counts_whichever_is_faster() {
    let done = Arc::new(Notify::new());
    let after_the_fast = {
        let done = Arc::clone(&done);
        move || {
            let done = Arc::clone(&done);
            async move { done.notified().await }
        }
    };
    let flow = flow([
        (
            "slow",
            &[],
            sets_after(|doc| doc.uri = "slow".into(), after_the_fast),
        ),
        (
            "fast",
            &[],
            sets_after(
                |doc| doc.uri = "fast".into(),
                move || {
                    done.notify_one();
                    async {}
                },
            ),
        ),
        ("join", &[0, 1], reports()),
    ]);
    let response = flow.call(request("/x")).await;
    assert_eq!(&*response.docs.get(0).unwrap().uri, "slow");
    assert_eq!(
        response.results["join/rep-0"],
        json!({ "parts": [["slow", ["x"]], ["fast", ["x"]]], "docs": ["x"] })
    );
}

/// A graph whose second node has these options.
fn with_options(
    stages: [(&str, &[usize], Functions); 3],
    options: NodeOptions,
) -> Graph<Arc<dyn Stage>> {
    let mut builder = Builder::default();
    let mut ids: Vec<NodeId> = Vec::new();
    for (name, needs, functions) in stages {
        let stage: Arc<dyn Stage> = Arc::new(functions);
        let id = builder.node(name, stage);
        ids.push(id);
        for &need in needs {
            builder.need(id, Edge::new(Upstream::Node(ids[need])));
        }
    }
    builder.options(ids[1], options);
    builder.build().unwrap()
}

#[tokio::test]
async fn without_a_reduce_all_documents_come() {
    let twice = || Functions::default().on("/default", |call| async { reply(call.docs) });
    let mut builder = Builder::default();
    let one = builder.node("one", Arc::new(twice()) as Arc<dyn Stage>);
    let two = builder.node("two", Arc::new(twice()) as Arc<dyn Stage>);
    let join = builder.node("join", Arc::new(reports()) as Arc<dyn Stage>);
    builder.need(join, Edge::new(Upstream::Node(two)));
    builder.need(join, Edge::new(Upstream::Node(one)));
    builder.options(
        join,
        NodeOptions {
            join: Join::Concat,
            ..NodeOptions::default()
        },
    );
    let flow = Flow::new("test", builder.build().unwrap()).unwrap();
    let response = flow.call(request("/x")).await;
    assert_eq!(
        response.results["join/rep-0"],
        json!({ "parts": [["two", ["x"]], ["one", ["x"]]], "docs": ["x", "x"] })
    );
}

/// Sends short and long texts different ways. They come together at `join`, the long ones
/// first.
fn by_length(join: Functions) -> Flow {
    let when = |query: Value| Some(Arc::new(Query::parse(&query).unwrap()));
    let mut builder = Builder::default();
    let mut node = |name, functions: Functions, when| {
        let id = builder.node(name, Arc::new(functions) as Arc<dyn Stage>);
        builder.options(
            id,
            NodeOptions {
                when,
                ..NodeOptions::default()
            },
        );
        id
    };
    let short = node(
        "short",
        sets(|doc| doc.uri = "short".into()),
        when(json!({ "text": { "$size": 1 } })),
    );
    let long = node(
        "long",
        sets(|doc| doc.uri = "long".into()),
        when(json!({ "text": { "$not": { "$size": 1 } } })),
    );
    let join = node("join", join, None);
    for need in [long, short] {
        builder.need(join, Edge::new(Upstream::Node(need)));
    }
    Flow::new("test", builder.build().unwrap()).unwrap()
}

#[tokio::test]
async fn a_filter_sends_some_documents_and_the_answer_has_the_requests_order() {
    let flow = by_length(Functions::default());
    let docs = DocumentArray::from_texts(["a", "bb", "c", "dd"]);
    let response = flow.call(Request::new("/x", docs)).await;
    let seen: Vec<_> = response
        .docs
        .iter()
        .map(|doc| (doc.text(), &*doc.uri))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "short"),
            ("bb", "long"),
            ("c", "short"),
            ("dd", "long")
        ]
    );
    // One that is passed by does not filter.
    let response = flow
        .call(Request {
            target: "join".to_owned(),
            ..request("/x")
        })
        .await;
    assert_eq!(texts(&response.docs), ["x"]);
    // The documents of a failure have that order, too.
    let flow =
        by_length(Functions::default().on("/default", |_| async { Err(failure("ValueError")) }));
    let docs = DocumentArray::from_texts(["a", "bb", "c"]);
    let response = flow.call(Request::new("/x", docs)).await;
    assert!(response.failure.is_some());
    assert_eq!(texts(&response.docs), ["a", "bb", "c"]);
}

/// Counts when it goes.
struct Gone(Arc<AtomicU32>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_failing_branch_ends_the_others() {
    let gone = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&gone);
    let flow = flow([
        ("a", &[], adds("a", "/default")),
        (
            "endless",
            &[0],
            Functions::default().on("/default", move |_| {
                let gone = Gone(Arc::clone(&counted));
                async move {
                    let _gone = gone;
                    std::future::pending().await
                }
            }),
        ),
        (
            "wrong",
            &[0],
            Functions::default().on("/default", |_| async { Err(failure("ValueError")) }),
        ),
        ("join", &[1, 2], adds("j", "/default")),
    ]);
    let response = flow.call(request("/x")).await;
    assert_eq!(texts(&response.docs), ["xa"]);
    assert_eq!(way(&response), "a endless* wrong!");
    assert_eq!(gone.load(Ordering::Relaxed), 1);
}

/// Also for executors that it has not come to.
#[tokio::test]
async fn a_stop_waits_for_requests_and_refuses_later_ones() {
    let slow = Functions::default().on("/x", |call: Call| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        reply(call.docs)
    });
    let chain = flow([("slow", &[], slow), ("b", &[0], adds("b", "/x"))]);
    let request = || Request::new("/x", DocumentArray::from_texts(["a"]));
    let mut running = Box::pin(chain.call(request()));
    let mut streaming = chain.stream(request());
    assert!(futures::poll!(&mut running).is_pending());
    assert!(futures::poll!(streaming.next()).is_pending());
    let (answer, streamed, ()) = futures::join!(running, streaming.next(), async {
        chain.stop().await;
    });
    assert!(answer.failure.is_none(), "{:?}", answer.failure);
    assert!(streamed.unwrap().is_ok());
    let later = chain.call(request()).await.failure.unwrap();
    assert_eq!(
        (later.kind, &*later.name),
        (FailureKind::Stopped, "FlowStopped")
    );
    let later = chain.stream(request()).next().await.unwrap().unwrap_err();
    assert_eq!(later.name, "FlowStopped");
    // One that is given up is not waited for.
    let given_up = flow([(
        "a",
        &[],
        Functions::default().on("/x", |_| std::future::pending()),
    )]);
    let mut running = Box::pin(given_up.call(request()));
    assert!(futures::poll!(&mut running).is_pending());
    drop(running);
    given_up.stop().await;
}

#[tokio::test]
async fn nobody_waits_for_what_floats_but_a_stop() {
    let (go, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let floats = {
        let (go, done) = (Arc::clone(&go), Arc::clone(&done));
        Functions::default().on("/default", move |call| {
            let (go, done) = (Arc::clone(&go), Arc::clone(&done));
            async move {
                go.acquire().await.unwrap().forget();
                done.fetch_add(1, Ordering::Relaxed);
                match call.docs.get(0).unwrap().text() {
                    "bad" => Err(failure("ValueError")),
                    _ => reply(call.docs),
                }
            }
        })
    };
    let graph = with_options(
        [
            ("a", &[], Functions::default()),
            ("floats", &[0], floats),
            ("b", &[0], adds("b", "/default")),
        ],
        NodeOptions {
            floating: true,
            ..NodeOptions::default()
        },
    );
    let flow = Flow::new("test", graph).unwrap();
    for text in ["x", "bad"] {
        let docs = DocumentArray::from_texts([text]);
        let response = flow.call(Request::new("/x", docs)).await;
        assert_eq!(texts(&response.docs), [format!("{text}b")]);
        assert_eq!(way(&response), "a* floats* b");
    }
    assert_eq!((flow.floating(), done.load(Ordering::Relaxed)), (2, 0));
    futures::join!(flow.stop(), async { go.add_permits(2) });
    assert_eq!((flow.floating(), done.load(Ordering::Relaxed)), (0, 2));
    assert_eq!(flow.floating_failures(), 1);
}

#[tokio::test]
async fn a_flow_of_nothing_but_what_floats_gives_back_what_it_gets() {
    let floats = NodeOptions {
        floating: true,
        ..NodeOptions::default()
    };
    let mut builder = Builder::default();
    for name in ["a", "b"] {
        let id = builder.node(name, Arc::new(adds(name, "/default")) as Arc<dyn Stage>);
        builder.options(id, floats.clone());
    }
    let flow = Flow::new("test", builder.build().unwrap()).unwrap();
    let response = flow.call(request("/x")).await;
    assert_eq!(texts(&response.docs), ["x"]);
    assert_eq!(way(&response), "a* b*");
}

#[tokio::test]
async fn documents_that_come_together_are_bounded() {
    // Each shares a thousand chunks with the others.
    let many = || {
        Functions::default().on("/default", |_| async {
            let chunks: DocumentArray = (0..1000).map(|_| Document::default()).collect();
            let docs = (0..600).map(|_| Document {
                id: wasm_flow_document::random_id(),
                chunks: chunks.clone(),
                ..Document::default()
            });
            reply(docs.collect())
        })
    };
    let flow = flow([
        ("one", &[], many()),
        ("two", &[], many()),
        ("join", &[0, 1], adds("j", "/default")),
    ]);
    let failure = flow.call(request("/x")).await.failure.unwrap();
    assert_eq!(failure.name, "TooManyDocuments");
    assert!(
        failure
            .description
            .contains("`join` are too many: they are 1201200"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_call_can_outlive_the_flow() {
    let call = {
        let flow = flow([("a", &[], adds("a", "/x"))]);
        flow.call(request("/x"))
    };
    assert_eq!(texts(&call.await.docs), ["xa"]);
}

#[tokio::test]
async fn dropping_a_call_drops_the_executors_work() {
    let gone = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&gone);
    let flow = flow([(
        "a",
        &[],
        Functions::default().on("/x", move |_| {
            let gone = Gone(Arc::clone(&counted));
            async move {
                let _gone = gone;
                std::future::pending().await
            }
        }),
    )]);
    let call = tokio::time::timeout(Duration::from_millis(20), flow.call(request("/x")));
    assert!(call.await.is_err());
    assert_eq!(gone.load(Ordering::Relaxed), 1);
}
