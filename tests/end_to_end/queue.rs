//! Calls that wait for a replica.

use wasm_flow_tests::Server;

/// Two replicas and an exclusive method: while one call takes its time, all others
/// go to the replica that is idle.
#[test]
fn a_slow_exclusive_call_holds_up_no_other_while_a_replica_is_idle() {
    let flow = Server::run("[[executors]]\nname = \"raw\"\nuses = \"{raw}\"\nreplicas = 2\n");
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def alone(seconds):
            body = request('/alone', texts('x'))
            body.parameters.update({'seconds': seconds})
            begin = time.monotonic()
            status = told(raw(body))['status']
            return [status, time.monotonic() - begin]
        with ThreadPoolExecutor(9) as pool:
            slow = pool.submit(alone, 4)
            time.sleep(0.5)
            one_by_one = [alone(0.01) for _ in range(4)]
            at_once = list(pool.map(alone, [0.01] * 6))
            answer({'quick': one_by_one + at_once, 'busy': not slow.done(), 'slow': slow.result()})
        ",
    );
    assert_eq!(seen["busy"], true, "{seen}");
    assert_eq!(seen["slow"][0], "OK", "{seen}");
    for quick in seen["quick"].as_array().unwrap() {
        assert_eq!(quick[0], "OK", "{seen}");
        assert!(quick[1].as_f64().unwrap() < 2.0, "{seen}");
    }
}

/// An exclusive call is not held up for ever by concurrent ones that follow each
/// other without a gap, and has the instance to itself.
#[test]
fn an_exclusive_call_gets_its_turn_among_concurrent_ones() {
    let flow = Server::run("[[executors]]\nname = \"raw\"\nuses = \"{raw}\"\n");
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        import threading
        def call(on, seconds):
            body = request(on, texts('x'))
            body.parameters.update({'seconds': seconds})
            return told(raw(body))['status']
        done = threading.Event()
        def concurrent(_):
            while not done.is_set():
                call('/sleep', 0.2)
        with ThreadPoolExecutor(9) as pool:
            others = [pool.submit(concurrent, n) for n in range(8)]
            time.sleep(0.5)
            begin = time.monotonic()
            status = call('/alone', 0.01)
            took = time.monotonic() - begin
            done.set()
        answer([status, took])
        ",
    );
    assert_eq!(seen[0], "OK", "{seen}");
    assert!(seen[1].as_f64().unwrap() < 2.0, "{seen}");
}

/// With `limits.queue`, one that would wait behind too many is refused at once, and told
/// when to come again. Those that wait are answered, and so is who comes later.
#[test]
fn no_more_calls_wait_than_may() {
    let flow = Server::run(
        "[[executors]]\nname = \"raw\"\nuses = \"{raw}\"\nlimits = { concurrency = 1, queue = 3 }\n",
    );
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        from google.protobuf.empty_pb2 import Empty
        from google.protobuf.unknown_fields import UnknownFieldSet
        def verdict(response):
            for field in UnknownFieldSet(response.header.status):
                if field.field_number == 1000:
                    said = {f.field_number: f.data for f in UnknownFieldSet(Empty.FromString(field.data))}
                    return [said[1].decode(), bool(said.get(2)), said.get(3)]
        def call(seconds):
            body = request('/alone', texts('x'))
            body.parameters.update({'seconds': seconds})
            begin = time.monotonic()
            response = raw(body)
            return [told(response), verdict(response['response']), time.monotonic() - begin]
        with ThreadPoolExecutor(20) as pool:
            waits = []
            for _ in range(4):
                waits.append(pool.submit(call, 2))
                time.sleep(0.2)
            refused = list(pool.map(call, [0.01] * 10))
            answered = [wait.result() for wait in waits]
        answer({'refused': refused, 'answered': answered, 'later': call(0.01)})
        ",
    );
    for answered in seen["answered"].as_array().unwrap() {
        assert_eq!(answered[0]["description"], "", "{seen}");
    }
    for refused in seen["refused"].as_array().unwrap() {
        let exception = &refused[0]["exception"];
        assert_eq!(exception["name"], "QueueFull", "{seen}");
        let description = refused[0]["description"].as_str().unwrap();
        for part in [
            "executor `raw` is not called at endpoint `/alone`",
            "`limits.queue` is 3",
            "send the request again in ",
            "give it more `replicas`",
        ] {
            assert!(description.contains(part), "`{part}`\n{description}");
        }
        assert_eq!(refused[1][0], "exhausted", "{seen}");
        assert_eq!(refused[1][1], true, "{seen}");
        assert!(
            (1000..=60_000).contains(&refused[1][2].as_u64().unwrap()),
            "{seen}"
        );
        assert!(refused[2].as_f64().unwrap() < 1.0, "{seen}");
    }
    assert_eq!(seen["later"][0]["description"], "", "{seen}");
}
