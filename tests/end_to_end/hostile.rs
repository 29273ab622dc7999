//! Executors that fail, and worse: stopped at a bound that the error names,
//! while everything else goes on.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use wasm_flow::Client;
use wasm_flow_document::DocumentArray;
use wasm_flow_tests::Server;

use crate::attack::Attack;

/// `hostile` with tight bounds, then a well-behaved `probe`. A request for
/// `/trace` passes `hostile` by and shows that the server answers.
fn flow() -> Server {
    Server::run(
        r#"
        [[executors]]
        name = "hostile"
        uses = "{hostile}"
        timeout = "1s"

        [executors.limits]
        memory = "32MiB"

        [[executors]]
        name = "probe"
        uses = "{probe}"
        uses_requests = { "/nowhere" = "report" }
        "#,
    )
}

/// Calls an endpoint of `hostile`, which has to fail and say so.
#[track_caller]
fn attacked(endpoint: &str, parameters: &str, says: &[&str]) -> Value {
    attacked_on(&flow(), endpoint, parameters, says)
}

#[track_caller]
fn attacked_on(flow: &Server, endpoint: &str, parameters: &str, says: &[&str]) -> Value {
    let attack = Attack {
        executor: "hostile",
        endpoint,
        parameters,
        says,
    };
    attack.on(flow)
}

#[test]
fn an_error() {
    let seen = attacked("/error", "{}", &["invalid digit found in string"]);
    assert_eq!(seen["error"]["name"], "ParseIntError");
}

#[test]
fn an_error_leaves_the_instance_as_it_was() {
    let calls = flow().python(
        "
        first = results('/ok', texts('x'))['hostile/rep-0']['calls']
        failed(lambda: client().post('/error', texts('x')))
        answer([first, results('/ok', texts('x'))['hostile/rep-0']['calls']])
        ",
    );
    assert_eq!(
        calls,
        json!([1.0, 2.0]),
        "an error is no reason for a new instance"
    );
}

#[test]
fn a_panic() {
    let seen = attacked("/panic", "{}", &["deliberate panic", "src/lib.rs:"]);
    let stacks = seen["error"]["stacks"].as_array().unwrap();
    assert!(
        stacks
            .iter()
            .filter_map(Value::as_str)
            .any(|line| line.contains("hostile")),
        "a backtrace with the guest's functions: {stacks:#?}"
    );
}

#[test]
fn a_loop_for_ever() {
    attacked("/spin", "{}", &["timeout", "1s"]);
}

#[test]
fn a_loop_of_host_calls_for_ever() {
    attacked("/spin_in_host_calls", "{}", &["timeout", "1s"]);
}

#[test]
fn allocating_for_ever() {
    attacked("/allocate", "{}", &["memory", "32 MiB"]);
}

/// What it prints is bounded, and the rest is told of.
#[test]
fn a_flood_of_output() {
    let flow = flow();
    attacked_on(&flow, "/flood", "{}", &["timeout", "1s"]);
    let dropped = &flow.wait_for_events("dropped", 1)[0];
    assert_eq!(dropped["executor"], "hostile", "{dropped}");
}

#[test]
fn a_blocking_sleep_past_the_timeout() {
    attacked("/block", "{'seconds': 60}", &["timeout", "1s"]);
}

#[test]
fn an_awaited_sleep_past_the_timeout() {
    attacked("/sleep", "{'seconds': 60}", &["timeout", "1s"]);
}

#[test]
fn leaving_with_exit() {
    attacked("/exit", "{}", &["exit"]);
}

#[test]
fn a_stack_without_end() {
    attacked("/overflow", "{}", &["recursion"]);
}

/// While one executor spins or blocks, another one of the same server answers.
#[test]
fn neighbours_answer_meanwhile() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "hostile"
        uses = "{hostile}"
        timeout = "8s"

        [[executors]]
        name = "probe"
        uses = "{probe}"
        "#,
    );
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        answers = {}
        with ThreadPoolExecutor(4) as pool:
            for endpoint in ['/spin', '/spin_in_host_calls', '/block']:
                body = request(endpoint, texts('x'))
                body.parameters.update({'seconds': 60})
                body.header.target_executor = 'hostile'
                bad = pool.submit(lambda: told(raw(body)))
                time.sleep(0.5)
                ours = []
                for n in range(10):
                    good = request('/trace', texts(str(n)))
                    ours.append(told(raw(good, timeout=5)))
                answers[endpoint] = [
                    bad.done(), all(got['status'] == 'OK' and got['texts'] == [f'{n}>probe/rep-0'] for n, got in enumerate(ours)),
                    bad.result()['description'],
                ]
        answer(answers)
        ",
    );
    for endpoint in ["/spin", "/spin_in_host_calls", "/block"] {
        let [done, answered, description] = [0, 1, 2].map(|i| seen[endpoint][i].clone());
        assert_eq!(
            done, false,
            "{endpoint} was still running while others were answered"
        );
        assert_eq!(answered, true, "{endpoint}: {seen}");
        assert!(
            description.as_str().is_some_and(|text| text.contains("8s")),
            "{description}"
        );
    }
}

/// A trap takes the whole instance with it. The calls that were in flight there
/// are answered or failed, and never left hanging.
#[test]
fn calls_in_flight_on_a_lost_instance_are_not_left_hanging() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "hostile"
        uses = "{hostile}"
        timeout = "5s"
        "#,
    );
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def slow(n):
            body = request('/sleep', texts(str(n)))
            body.parameters.update({'seconds': 1})
            return told(raw(body, timeout=20))
        with ThreadPoolExecutor(9) as pool:
            waiting = [pool.submit(slow, n) for n in range(8)]
            time.sleep(0.4)
            panicked = told(raw(request('/panic', texts('x')), timeout=20))
            outcomes = [one.result() for one in waiting]
        answer({
            'panicked': panicked['description'],
            'outcomes': [[got['status'], got['code'], len(got['texts']), got['description']] for got in outcomes],
            'again': client().post('/ok', texts('x')).texts,
        })
        ",
    );
    assert!(
        seen["panicked"]
            .as_str()
            .is_some_and(|text| text.contains("deliberate panic")),
        "{seen}"
    );
    for (n, outcome) in seen["outcomes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(outcome[0], "OK", "{outcome}");
        // Retried elsewhere it is done (and leaves one more document behind);
        // failed it says why and the documents are as they were.
        let done = outcome[1] == 0 && outcome[2] == 2;
        let failed = outcome[1] == 1
            && outcome[2] == 1
            && outcome[3]
                .as_str()
                .is_some_and(|text| text.contains("hostile"));
        assert!(done || failed, "{n}: {outcome}");
    }
    assert_eq!(seen["again"], json!(["ok"]));
}

#[test]
fn failing_at_the_start_is_told_before_anything_is_served() {
    let start = |how: &str| {
        Server::refused(&format!(
            "[[executors]]\nname = \"bad\"\nuses = \"{{hostile}}\"\nuses_with = {{ at_start = \"{how}\" }}\ntimeout = \"1s\"\n"
        ))
    };
    for (how, parts) in [
        ("error", ["bad", "refused to start"]),
        ("panic", ["bad", "panicked while starting"]),
        ("spin", ["bad", "1s"]),
    ] {
        let refused = start(how);
        assert_eq!(refused.status, Some(1), "{how}: {refused}");
        refused.complains_of(&parts);
        assert!(!refused.stdout.contains("ready"), "{refused}");
    }
}

/// The documents of a request that failed in the second executor are those
/// that the first one made.
#[test]
fn what_earlier_executors_did_is_kept() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "probe"
        uses = "{probe}"
        uses_requests = { "/error" = "report", "/panic" = "make" }

        [[executors]]
        name = "hostile"
        uses = "{hostile}"

        [[executors]]
        name = "after"
        uses = "{probe}"
        "#,
    );
    let seen = flow.python(
        "
        (error,) = responses('/error', texts('t'))
        (panic,) = responses('/panic', texts('t'))
        answer({
            'results': sorted(error.parameters['__results__']),
            'made': panic.docs[:, 'id'],
            'routes': [route.executor for route in panic.routes],
        })
        ",
    );
    assert_eq!(seen["results"], json!(["probe/rep-0"]));
    assert_eq!(seen["made"], json!(["one", "two", "three"]));
    assert_eq!(seen["routes"], json!(["gateway", "probe", "hostile"]));
}

/// An instance that is there for one request ends with its client, and its place is free.
#[test]
fn what_nobody_waits_for_does_not_go_on() {
    let flow = Server::run(
        "[[executors]]\nname = \"hostile\"\nuses = \"{hostile}\"\nisolation = \"request\"\n\
         timeout = \"60s\"\nlimits = { concurrency = 1 }\n",
    );
    let seen = flow.python(
        "
        seen = []
        for on in ['/spin', '/sleep', '/block']:
            body = request(on, texts('x'))
            body.parameters.update({'seconds': 60})
            begin = time.monotonic()
            left = raw(body, timeout=0.5)['status']
            answered = told(raw(request('/ok', texts('x')), timeout=30))['status']
            seen.append([on, left, answered, time.monotonic() - begin])
        answer(seen)
        ",
    );
    for seen in seen.as_array().unwrap() {
        assert_eq!(seen[1], "DEADLINE_EXCEEDED", "{seen}");
        assert_eq!(seen[2], "OK", "{seen}");
        assert!(seen[3].as_f64().unwrap() < 10.0, "{seen}");
    }
}

/// Every tenth request traps, and takes none of the others along: those that were in its
/// instance are run again, alone.
#[test]
fn each_tenth_request_fails_and_no_other() {
    for (isolation, at_once, requests) in [
        ("shared", 1, 1_000),
        ("shared", 32, 10_000),
        ("request", 32, 1_000),
    ] {
        let flow = Server::run(&format!(
            "[[executors]]\nname = \"twin\"\nuses = \"{{twins}}\"\nisolation = \"{isolation}\"\n\
             uses_requests = {{ \"/tenth\" = \"tenth\" }}\n"
        ));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let answers: Vec<(u32, Result<DocumentArray, String>)> = runtime.block_on(async {
            let address = format!("grpc://127.0.0.1:{}", flow.port());
            let client = Client::connect(&address).await.unwrap();
            let ask = |number: u32| {
                let docs = DocumentArray::from_texts([number.to_string()]);
                let post = client.post("/tenth").docs(docs);
                async move { (number, post.await.map_err(|error| error.to_string())) }
            };
            let asked = stream::iter((1..=requests).map(ask));
            asked.buffer_unordered(at_once).collect().await
        });
        let mut failed = 0;
        for (number, answer) in &answers {
            match answer {
                Ok(docs) => {
                    let texts: Vec<_> = docs.iter().map(|doc| doc.text().to_owned()).collect();
                    assert_eq!(texts, [format!("{number} is not")], "{isolation}");
                }
                Err(error) => {
                    failed += 1;
                    let words = format!("{number} is a multiple of ten");
                    assert!(
                        error.contains(&words),
                        "{isolation} {at_once}: {number}: {error}"
                    );
                }
            }
        }
        assert_eq!(failed, requests / 10, "{isolation} {at_once}");
    }
}

/// An instance that keeps no state does not compute for clients that have all gone.
#[test]
fn an_instance_does_not_compute_for_clients_that_have_gone() {
    let flow = Server::run(
        "[[executors]]\nname = \"twin\"\nuses = \"{twins}\"\n\
         uses_requests = { \"/endless\" = \"endless\" }\n",
    );
    let seen = flow.python(
        "
        left = raw(request('/endless', texts('x')), timeout=0.5)['status']
        begin = time.monotonic()
        answered = told(raw(request('/upper', texts('x')), timeout=50))['texts']
        answer([left, answered, time.monotonic() - begin])
        ",
    );
    assert_eq!(seen[0], "DEADLINE_EXCEEDED", "{seen}");
    assert_eq!(seen[1], json!(["X"]), "{seen}");
    assert!(seen[2].as_f64().unwrap() < 15.0, "{seen}");
}
