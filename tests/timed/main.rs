//! What the seeds say about time, one test after the other.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a failing test is what this is for"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
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
