//! What the seeds say about time, one test after the other.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a failing test is what this is for"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_flow::Client;
use wasm_flow::executor::Executor;
use wasm_flow_document::DocumentArray;
use wasm_flow_tests::{Server, example};

/// Tests of one binary run side by side; these take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const MEASURE: &str = "
c = client()
c.post('/warm', [])
def measure(n):
    started = time.monotonic()
    got = c.post('/index', DocumentArray([Document(text='hello') for _ in range(n)]), request_size=1, show_progress=True)
    return [time.monotonic() - started, got.texts == ['HELLO'] * n]
";

/// S1: 50 documents, one a request, each awaiting a second, on one replica.
#[test]
fn s1_async_handlers_wait_together() {
    let _turn = alone();
    let flow = Server::example("seeds/async-encode");
    let python = flow.python_with_output(&format!("{MEASURE}\nanswer(measure(50))"));
    let seconds = python.answer[0].as_f64().unwrap_or_default();
    assert!(
        (1.0..1.5).contains(&seconds),
        "50 documents took {seconds} s"
    );
    assert_eq!(python.answer[1], json!(true));
    assert!(python.output.contains("50 steps done"), "{}", python.output);
}

/// S2: without async they queue.
#[test]
fn s2_blocking_handlers_queue() {
    let _turn = alone();
    let flow = Server::example("seeds/blocking-encode");
    let python = flow.python_with_output(&format!("{MEASURE}\nanswer(measure(3))"));
    let seconds = python.answer[0].as_f64().unwrap_or_default();
    assert!(
        (3.0..3.9).contains(&seconds),
        "3 documents took {seconds} s"
    );
    assert_eq!(python.answer[1], json!(true));
    assert!(python.output.contains("3 steps done"), "{}", python.output);
}

/// S14: two calls awaited together take the time of one.
#[test]
fn s14_two_calls_of_an_executor_take_the_time_of_one() {
    let _turn = alone();
    let component = example("async-outside-flow");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (took, answers) = runtime.block_on(async {
        let executor = Executor::load(component).await.expect("it is an executor");
        let started = Instant::now();
        let answers = tokio::join!(
            executor.post("/foo", DocumentArray::default()),
            executor.post("/foo", DocumentArray::default())
        );
        let took = started.elapsed();
        executor.stop().await;
        (took, answers)
    });
    assert!(answers.0.is_ok() && answers.1.is_ok());
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_millis(1500),
        "took {took:?}"
    );
}

/// Executors that each wait for 100 ms, one, then others side by side, then one.
fn wide(branches: usize) -> Server {
    let mut flow = "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n".to_owned();
    for branch in 0..branches {
        flow +=
            &format!("[[executors]]\nname = \"b{branch}\"\nuses = \"{{probe}}\"\nneeds = \"a\"\n");
    }
    flow += "[[executors]]\nname = \"end\"\nuses = \"{probe}\"\nneeds = \"all\"\n";
    Server::run(&flow)
}

/// Branches run side by side: 3 x 100 ms, and not 3,000.
#[test]
fn thirty_branches_take_the_time_of_one() {
    let _turn = alone();
    for branches in [2, 30] {
        let flow = wide(branches);
        let seen = flow.python(
            "
            c = client()
            once = lambda: c.post('/gauge', texts('x'), parameters={'seconds': 0.1})
            once()
            best = 10.0
            for _ in range(3):
                started = time.monotonic()
                once()
                best = min(best, time.monotonic() - started)
            answer(best)
            ",
        );
        let seconds = seen.as_f64().unwrap_or_default();
        println!("{branches} branches: {seconds:.3} s");
        assert!((0.3..1.5).contains(&seconds), "{branches}: {seconds} s");
    }
}

/// A model that is busy for 2 ms a call and 0.05 ms a document, with 64 requests of one
/// document in flight: alone, and 32 together. 18 times is the most that there can be.
#[test]
fn batches_are_faster_than_calls() {
    let _turn = alone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let requests_a_second = |requests: usize, more: &str| {
        let flow = Server::run(&format!(
            "[[executors]]\nname = \"model\"\nuses = \"{{probe}}\"\n{more}"
        ));
        runtime.block_on(async {
            let address = format!("grpc://127.0.0.1:{}", flow.port());
            let client = Client::connect(&address).await.expect("a gateway");
            let post = |count: usize| {
                let docs = DocumentArray::from_texts(vec!["x"; count]);
                client
                    .post("/model")
                    .docs(docs)
                    .request_size(1)
                    .prefetch(64)
            };
            post(64).await.expect("answers");
            let started = Instant::now();
            assert_eq!(post(requests).await.expect("answers").len(), requests);
            requests as f64 / started.elapsed().as_secs_f64()
        })
    };
    let alone = requests_a_second(640, "");
    let together = requests_a_second(
        6400,
        "uses_dynamic_batching = { \"/model\" = { preferred_batch_size = 32, timeout = \"5ms\" } }",
    );
    println!(
        "{alone:.0} and {together:.0} requests a second: {:.1} times",
        together / alone
    );
    // Another program may take a part of the machine.
    assert!(together > 4.0 * alone, "{alone} and {together}");
}
