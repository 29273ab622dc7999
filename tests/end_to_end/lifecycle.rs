//! Instances that start late, end by themselves or do not end, and guests that
//! ask for more than there is.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use wasm_flow_tests::Server;

/// One executor without an SDK, with more in its table.
#[track_caller]
pub(crate) fn raw(more: &str) -> Server {
    Server::run(&format!(
        "[[executors]]\nname = \"raw\"\nuses = \"{{raw}}\"\n{more}\n"
    ))
}

#[track_caller]
fn says(seen: &Value, parts: &[&str]) {
    let text = seen.as_str().unwrap_or_default();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {seen}");
    }
}

#[test]
fn naming_a_row_a_million_times_gives_no_more_than_there_is_memory() {
    let flow = raw("limits = { memory = \"32MiB\" }");
    let seen = flow.python(
        "
        large = texts('x' * (1 << 20))
        nested = DocumentArray([Document(chunks=texts('a', 'b'))])
        (many,) = responses('/flatten', nested)
        (replaced,) = responses('/replace', nested)
        answer({
            'again': results('/again', large)['raw/rep-0'],
            'flatten': many.header.status.description,
            'replace': replaced.header.status.description,
            'unchanged': exact(replaced.docs) == exact(nested),
            'ok': client().post('/ok', texts('x')).texts,
        })
        ",
    );
    let again = &seen["again"];
    for column in ["packed", "strings"] {
        says(&again[column], &["Limit", "larger than 16777216 bytes"]);
    }
    says(
        &again["extend"],
        &["Limit", "1000001 documents", "at most 1000000"],
    );
    says(
        &again["rows"],
        &["Limit", "1000001 rows", "at most 1000000"],
    );
    says(&seen["flatten"], &["/flatten", "rows were named at once"]);
    says(
        &seen["replace"],
        &["Limit", "3000000 documents", "at most 1000000"],
    );
    assert_eq!(seen["unchanged"], true);
    assert_eq!(seen["ok"], json!(["x"]));
}

/// One document listed a million times: the bound holds before anything is
/// encoded, however large the document, and beside a good neighbour.
#[test]
fn a_reply_is_bounded_before_it_is_encoded() {
    let flow = raw("limits = { memory = \"64MiB\" }");
    let before = flow.resident();
    let seen = flow.python(
        "
        def repeat(size):
            (response,) = responses('/repeat', texts('x'), parameters={'bytes': size})
            return response.header.status.description
        answer({
            'huge': repeat(30_000_000),
            'large': repeat(1000),
            'ok': client().post('/ok', texts('x')).texts,
        })
        ",
    );
    for size in ["huge", "large"] {
        says(&seen[size], &["BadReply", "`limits.reply` of 256 MiB"]);
    }
    assert_eq!(seen["ok"], json!(["x"]));
    let grown = flow.peak().saturating_sub(before);
    assert!(grown < 300 << 20, "{} MiB more", grown >> 20);
}

#[test]
fn the_bound_of_a_reply_can_be_set_and_leaves_alone_what_passes_through() {
    let flow = raw("limits = { reply = \"1KiB\" }");
    let seen = flow.python(
        "
        large = texts('x' * 100_000)
        (refused,) = responses('/repeat', texts('x'), parameters={'bytes': 1})
        answer([client().post('/ok', large).texts == large.texts, refused.header.status.description])
        ",
    );
    assert_eq!(seen[0], true, "{seen}");
    says(&seen[1], &["`limits.reply` of 1 KiB", "flow.toml"]);
}

/// What a method writes into the documents that it was given is a reply, too.
#[test]
fn the_bound_of_a_reply_holds_for_documents_that_are_changed_in_place() {
    let flow = Server::run(
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\nlimits = { reply = \"1KiB\" }\n",
    );
    let seen = flow.python(
        "
        large = texts('x' * 2000)
        (refused,) = responses('/trace', large)
        answer({
            'refused': refused.header.status.description,
            'unchanged': exact(refused.docs) == exact(large),
            'small': client().post('/trace', texts('x')).texts,
        })
        ",
    );
    says(
        &seen["refused"],
        &["BadReply", "`limits.reply` of 1 KiB", "flow.toml"],
    );
    assert_eq!(seen["unchanged"], true);
    assert_eq!(seen["small"], json!(["x>probe/rep-0"]));
}

#[test]
fn too_many_handles_are_told_by_their_number() {
    let flow = raw("");
    let seen = flow.python("answer(failed(lambda: client().post('/hoard', texts('x'))))");
    let text = seen["description"].as_str().unwrap();
    assert!(
        text.contains("Trap: it holds more than 65536 handles at once"),
        "{text}"
    );
}

#[test]
fn a_guest_hands_over_as_much_as_it_can_hold() {
    let flow = raw("limits = { memory = \"400MiB\" }");
    let seen = flow.python("answer(failed(lambda: client().post('/matrix', texts('x'))))");
    assert_eq!(seen, Value::Null);
}

/// What a guest got over has no part in a later trap.
#[test]
fn a_trap_is_told_by_its_own_reason() {
    let flow = raw("limits = { memory = \"32MiB\" }");
    let seen = flow.python(
        "
        refused = results('/reserve', texts('x'))['raw/rep-0']
        memory = failed(lambda: client().post('/abort', texts('x')))
        client().post('/report', texts('x'))
        reported = failed(lambda: client().post('/abort', texts('x')))
        answer([refused, memory['name'], reported['name']])
        ",
    );
    assert_eq!(seen, json!([{ "refused": true }, "Trap", "Trap"]));
}

/// A call that has returned may leave something behind that traps. That is no
/// fault of another one.
#[test]
fn a_trap_outside_of_all_calls_is_nobodys_fault() {
    let flow = raw("");
    let seen = flow.python(
        "
        client().post('/tail_panic', texts('x'), parameters={'seconds': 0.5})
        beside = failed(lambda: client().post('/sleep', texts('x'), parameters={'seconds': 5}))
        client().post('/tail_panic', texts('x'), parameters={'seconds': 0.1})
        time.sleep(1)
        answer([beside['name'], client().post('/ok', texts('x')).texts])
        ",
    );
    assert_eq!(seen, json!(["InstanceLost", ["x"]]));
    flow.wait_for_stderr("trapped outside of any call");
}

#[test]
fn instances_that_all_end_before_they_take_a_call_are_not_started_for_ever() {
    let flow = raw("uses_with = { trap_after_start = true }");
    let seen = flow.python("answer(told(raw(request('/ok', texts('x')), timeout=20)))");
    assert_eq!(seen["status"], "OK", "{seen}");
    assert_eq!(seen["code"], 1, "{seen}");
    let starts = flow
        .printed()
        .iter()
        .filter(|(_, line)| line == "starts")
        .count();
    assert!(starts < 8, "{starts} starts for one call");
}

#[test]
fn a_stop_that_does_not_come_back_is_ended() {
    for isolation in ["shared", "request"] {
        let mut flow = raw(&format!(
            "isolation = \"{isolation}\"\nuses_with = {{ spin_at_stop = true }}"
        ));
        let seen =
            flow.python("answer([client().post('/ok', texts('x')).texts for _ in range(3)])");
        assert_eq!(seen, json!([["x"], ["x"], ["x"]]));
        flow.signal(Signal::TERM);
        let ended = flow.ended();
        assert_eq!(ended.status, Some(0), "{ended}");
        assert!(ended.stderr.contains("did not stop within"), "{ended}");
    }
}

#[test]
fn each_instance_is_stopped_before_the_flow_ends() {
    let mut flow = raw(r#"
        isolation = "request"
        uses_with = { stop_writes = "/out/stopped" }
        allow.dirs = [{ host = "{folder}", guest = "/out", access = "write" }]
        "#);
    flow.python("answer(client().post('/ok', texts('x')).texts)");
    flow.signal(Signal::TERM);
    let ended = flow.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(flow.folder().join("stopped").exists(), "{ended}");
}

/// Six calls that each block the instance for less than the timeout, and for
/// more together.
#[test]
fn the_timeout_counts_from_when_a_method_is_entered() {
    let flow = raw("timeout = \"2s\"");
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def block(n):
            body = request('/block', texts(str(n)))
            body.parameters.update({'seconds': 0.7})
            return told(raw(body))
        with ThreadPoolExecutor(6) as pool:
            answer([[got['status'], got.get('code'), got.get('description')] for got in pool.map(block, range(6))])
        ",
    );
    for outcome in seen.as_array().unwrap() {
        assert_eq!(*outcome, json!(["OK", 0, ""]), "{seen}");
    }
}

/// What a call left behind spins: no call's timeout ends that.
#[test]
fn an_instance_that_takes_no_calls_is_replaced() {
    let flow = raw("timeout = \"1s\"\nlimits = { background = \"60s\" }");
    let seen = flow.python(
        "
        client().post('/tail_spin', texts('x'))
        time.sleep(0.5)
        lost = failed(lambda: client().post('/ok', texts('x')))
        answer([lost['name'], client().post('/ok', texts('x')).texts])
        ",
    );
    assert_eq!(seen, json!(["InstanceLost", ["x"]]));
}

/// What a call leaves behind is found without another call, and said once.
#[test]
fn what_computes_outside_of_calls_is_ended() {
    let mut flow = raw("timeout = \"30s\"\nlimits = { background = \"200ms\" }");
    let seen = flow.python(
        "
        answered = [client().post('/tail_spin', texts('x')).texts for _ in range(2)]
        time.sleep(2)
        begin = time.monotonic()
        answer([answered, client().post('/ok', texts('x')).texts, time.monotonic() - begin])
        ",
    );
    assert_eq!(seen[0], json!([["x"], ["x"]]), "{seen}");
    assert_eq!(seen[1], json!(["x"]), "{seen}");
    assert!(seen[2].as_f64().unwrap() < 2.0, "{seen}");
    let text = "outside of any call, and `limits.background` is 200ms";
    flow.wait_for_stderr(text);
    flow.signal(Signal::TERM);
    let said = flow.ended().stderr.matches(text).count();
    assert!((1..=2).contains(&said), "said {said} times");
}

/// A start goes on when the client that caused it has gone.
#[test]
fn clients_that_give_up_do_not_keep_an_executor_from_starting() {
    let flow = raw("uses_with = { start_seconds = 3 }");
    let seen = flow.python(
        "
        failed(lambda: client().post('/abort', texts('x')))
        attempts = []
        while not attempts or (attempts[-1] != 'OK' and len(attempts) < 15):
            attempts.append(raw(request('/ok', texts('x')), timeout=1)['status'])
        answer(attempts)
        ",
    );
    let attempts = seen.as_array().unwrap();
    assert_ne!(attempts.first(), Some(&json!("OK")));
    assert_eq!(attempts.last(), Some(&json!("OK")), "{seen}");
}

/// All calls that wait for an instance learn of one failure to start.
#[test]
fn a_failed_start_is_told_to_all_who_wait_for_it() {
    let flow = raw(r#"
        uses_with = { start_seconds = 2, fails_with = "/in/broken" }
        allow.dirs = [{ host = "{folder}", guest = "/in" }]
        "#);
    std::fs::write(flow.folder().join("broken"), "").unwrap();
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        failed(lambda: client().post('/abort', texts('x')))
        def ok(n):
            return told(raw(request('/ok', texts(str(n)))))
        with ThreadPoolExecutor(6) as pool:
            answer([got['exception']['name'] for got in pool.map(ok, range(6))])
        ",
    );
    assert_eq!(seen, json!(vec!["ExecutorUnavailable"; 6]));
    std::thread::sleep(Duration::from_millis(500));
    let starts = flow
        .printed()
        .iter()
        .filter(|(_, line)| line == "fails to start")
        .count();
    assert!(starts <= 2, "{starts} starts for six calls at once");
    // It comes back by itself.
    std::fs::remove_file(flow.folder().join("broken")).unwrap();
    let seen = flow.python("answer(client().post('/ok', texts('x')).texts)");
    assert_eq!(seen, json!(["x"]));
}
