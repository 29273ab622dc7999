//! What the seeds say about time, one test after the other.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a failing test is what this is for"
)]

mod soak;

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

/// The times of a request to a bystander while so many requests spin in another executor of
/// the same server: the median, and what 99 of 100 stay under, in milliseconds.
fn bystander(spinning: usize, how: &str) -> (f64, f64) {
    let flow = Server::run(&format!(
        "[[executors]]\nname = \"hostile\"\nuses = \"{{hostile}}\"\ntimeout = \"60s\"\n{how}\n\
         [[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n"
    ));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut times = runtime.block_on(async {
        let address = format!("grpc://127.0.0.1:{}", flow.port());
        let client = Client::connect(&address).await.expect("a gateway");
        let hostile = Client::connect(&address).await.expect("a gateway");
        let spin = tokio::spawn(async move {
            let docs = DocumentArray::from_texts(vec!["x"; spinning]);
            let post = hostile.post("/spin").target_executor("hostile").docs(docs);
            drop(post.request_size(1).prefetch(spinning).await);
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut times = Vec::new();
        for _ in 0..500 {
            let started = Instant::now();
            let docs = DocumentArray::from_texts(["x"]);
            let post = client.post("/trace").target_executor("probe").docs(docs);
            assert_eq!(post.await.expect("answers").len(), 1);
            times.push(started.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(spinning == 0 || !spin.is_finished(), "they do not spin");
        spin.abort();
        times
    });
    times.sort_by(f64::total_cmp);
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or(f64::MAX)
    };
    (at(50), at(99))
}

/// Guests that compute keep nobody waiting who does not: 32 instances that spin, and 200
/// requests with an instance each. Alone on two processors it is some 3 ms.
#[test]
fn a_bystander_is_answered_while_others_compute() {
    let _turn = alone();
    for (spinning, how) in [
        (0, ""),
        (32, "replicas = 32\nlimits = { concurrency = 1 }"),
        (200, "isolation = \"request\""),
    ] {
        let (median, most) = bystander(spinning, how);
        println!("{spinning} spinning: median {median:.2} ms, 99 of 100 under {most:.2} ms");
        assert!(most < 60.0, "{spinning} spinning: {most} ms");
    }
}

/// A bound on computing is kept, and waiting does not count.
#[test]
fn computing_is_bounded_and_waiting_is_not() {
    let _turn = alone();
    let flow = Server::run(
        "[[executors]]\nname = \"hostile\"\nuses = \"{hostile}\"\ntimeout = \"60s\"\n\
         limits = { cpu = \"1s\" }\n",
    );
    let seen = flow.python(
        "
        c = client()
        c.post('/ok', texts('x'))
        waited = c.post('/sleep', texts('x'), parameters={'seconds': 5}).texts
        started = time.monotonic()
        error = failed(lambda: c.post('/spin', texts('x')))
        answer([waited, time.monotonic() - started, error['name'], error['description']])
        ",
    );
    assert_eq!(seen[0], json!(["spoiled", "spoiled"]));
    assert_eq!(seen[2], "TimeoutError", "{seen}");
    let text = seen[3].as_str().unwrap_or_default();
    assert!(
        text.contains("it computed for 1") && text.contains("`limits.cpu` is 1s"),
        "{text}"
    );
    let seconds = seen[1].as_f64().unwrap_or_default();
    println!("stopped after {seconds:.3} s");
    assert!((1.0..3.0).contains(&seconds), "{seconds}");
}
