use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use wasm_flow_contract::request::DRY_RUN;
use wasm_flow_contract::{Request, Response};
use wasm_flow_document::DocumentArray;

use crate::testing::{Functions, failure, flow, graph, map, reply, results, suffixed};
use crate::{Flow, NotAChain};

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
fn a_graph_that_is_more_than_a_chain_is_refused() {
    let graph = graph([
        ("a", &[], adds("a", "/x")),
        ("left", &[0], adds("l", "/x")),
        ("right", &[0], adds("r", "/x")),
        ("join", &[1, 2], adds("j", "/x")),
    ]);
    let NotAChain(branching) = Flow::new("test", graph).unwrap_err();
    assert_eq!(branching.node().index(), 3, "the join");
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
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&drops);
    let flow = flow([(
        "a",
        &[],
        Functions::default().on("/x", move |_| {
            let dropped = Dropped(Arc::clone(&counted));
            async move {
                let _dropped = dropped;
                std::future::pending().await
            }
        }),
    )]);
    let call = tokio::time::timeout(Duration::from_millis(20), flow.call(request("/x")));
    assert!(call.await.is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}
