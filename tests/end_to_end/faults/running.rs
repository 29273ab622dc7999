//! Guests that do harm while they are called.

use rustix::process::Signal;
use serde_json::json;
use wasm_flow_tests::Server;

use super::{mib, raw, says};
use crate::attack::Attack;

/// `raw`, with more in its table, and after it one that behaves.
fn flow(more: &str) -> Server {
    Server::run(&format!(
        "[[executors]]\nname = \"raw\"\nuses = \"{{raw}}\"\n{more}\n\
         [[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n"
    ))
}

/// Calls an endpoint of `raw`, which has to fail and say so.
#[track_caller]
fn attacked(flow: &Server, endpoint: &str, says: &[&str]) {
    let attack = Attack {
        executor: "raw",
        endpoint,
        parameters: "{}",
        says,
    };
    attack.on(flow);
}

#[test]
fn what_traps_is_told_by_its_reason() {
    let flow = flow("timeout = \"20s\"");
    for (endpoint, reason) in [
        ("/divide", "integer divide by zero"),
        ("/far", "out of bounds memory access"),
        ("/exit_1", "it called exit with a failure"),
        ("/foreign", "unknown handle index 54321"),
        ("/drop_twice", "unknown handle index"),
    ] {
        attacked(&flow, endpoint, &[reason]);
    }
    // In WebAssembly an address like all others.
    let null = flow.python("answer(client().post('/null', texts('x')).texts)");
    assert_eq!(null, json!(["x"]));
}

/// Ackermann's function: it uses no linear memory, so its end is that of the engine's
/// own stack.
#[test]
fn a_recursion_without_frames_in_memory() {
    let says = [
        "call stack exhausted",
        "in a recursion that seems to have no end",
    ];
    attacked(&flow("timeout = \"20s\""), "/recursion", &says);
}

/// Storms of calls that cost the host something each, beside an executor that behaves.
#[test]
fn storms_of_log_lines_and_of_random_bytes() {
    let mut flow = Server::run(
        r#"
        [[executors]]
        name = "raw"
        uses = "{raw}"
        timeout = "2s"

        [[executors]]
        name = "probe"
        uses = "{probe}"
        "#,
    );
    let before = flow.resident();
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        seen = {}
        with ThreadPoolExecutor(2) as pool:
            for on in ['/log_for_ever', '/random_for_ever']:
                body = request(on, texts('x'))
                body.header.target_executor = 'raw'
                bad = pool.submit(lambda: told(raw(body)))
                slowest = 0
                while not bad.done():
                    begin = time.monotonic()
                    assert client().post('/trace', texts('t'), target_executor='probe').texts == ['t>probe/rep-0']
                    slowest = max(slowest, time.monotonic() - begin)
                again = client().post('/ok', texts('x'), target_executor='raw').texts
                seen[on] = [bad.result()['description'], slowest, again]
        answer(seen)
        ",
    );
    for endpoint in ["/log_for_ever", "/random_for_ever"] {
        let seen = &seen[endpoint];
        says(&seen[0], &["raw", endpoint, "timeout", "2s"]);
        assert!(seen[1].as_f64().unwrap() < 1.5, "{endpoint}: {seen}");
        assert_eq!(seen[2], json!(["x"]), "{endpoint}");
    }
    let grown = flow.peak().saturating_sub(before);
    assert!(grown < 150 << 20, "{} MiB more", mib(grown));
    // Part of the lines, and that there were more.
    flow.wait_for_events("log", 1);
    let dropped = flow.wait_for_events("dropped", 1);
    assert_eq!(dropped[0]["executor"], "raw", "{dropped:?}");
    flow.signal(Signal::TERM);
    let ended = flow.ended();
    assert_eq!(ended.status, Some(0));
    let logged = ended.stdout.len() as u64;
    assert!(logged < 100 << 20, "{} MiB of log", mib(logged));
}

/// Futures that are dropped before they complete leave nothing behind: there are more of
/// them than an instance may have handles.
#[test]
fn futures_that_are_dropped() {
    let flow = raw("timeout = \"60s\"");
    let seen = flow.python(
        "
        import asyncio
        async def streamed():
            return [doc.text async for doc in client(asyncio=True).stream_doc('/send_and_drop', inputs=Document(text='s'))]
        many = client().post('/send_and_drop', texts('x'), parameters={'times': 70_000})
        answer([len(many), asyncio.run(streamed()) == ['s'] * 500, client().post('/ok', texts('x')).texts])
        ",
    );
    assert_eq!(seen, json!([70_000, true, ["x"]]));
}

/// Streams that the guest gives to the host and never closes.
#[test]
fn streams_that_are_never_closed() {
    let flow = flow("timeout = \"60s\"");
    let before = flow.resident();
    let beside = flow.python(
        "
        client().post('/open_streams', texts('x'), parameters={'times': 1000})
        answer(client().post('/ok', texts('x')).texts)
        ",
    );
    assert_eq!(beside, json!(["x"]));
    let says = "it holds more than 65536 handles at once";
    attacked(&flow, "/open_streams", &[says]);
    let grown = flow.peak().saturating_sub(before);
    assert!(grown < 200 << 20, "{} MiB more", mib(grown));
}

/// One text, listed a million times: what the host would copy is bounded, not what the
/// guest has.
#[test]
fn a_list_that_names_one_text_a_million_times() {
    let flow = flow("timeout = \"60s\"\nlimits = { memory = \"64MiB\" }");
    let before = flow.resident();
    let says = "one call handed over more than the host takes at once";
    attacked(&flow, "/aliased", &[says]);
    let grown = flow.peak().saturating_sub(before);
    assert!(grown < 300 << 20, "{} MiB more", mib(grown));
}

/// An instance finds nothing in its memory of those that had it before.
#[test]
fn memory_is_zero_in_each_instance() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "a"
        uses = "{raw}"
        isolation = "request"
        timeout = "60s"

        [[executors]]
        name = "b"
        uses = "{raw}"
        isolation = "request"
        timeout = "60s"
        limits = { memory = "128MiB" }
        "#,
    );
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            answer([list(one.values()) for one in pool.map(lambda _: results('/fresh_memory', texts('x')), range(10))])
        ",
    );
    let clean = json!({ "granted": true, "dirty": 0.0 });
    for results in seen.as_array().unwrap() {
        assert_eq!(*results, json!([clean, clean]), "{seen}");
    }
}
