//! What one client's request made an executor say does not reach another client.

use serde_json::Value;
use wasm_flow_tests::Server;

fn hostile() -> Server {
    Server::run("[[executors]]\nname = \"hostile\"\nuses = \"{hostile}\"\ntimeout = \"5s\"\n")
}

#[track_caller]
fn says_nothing_of(seen: &Value, secret: &str) {
    let text = seen.to_string();
    assert!(!text.contains(secret), "`{secret}` is in: {seen:#}");
}

fn lines(error: &Value) -> Vec<&str> {
    let stacks = error["stacks"].as_array().unwrap();
    stacks.iter().filter_map(Value::as_str).collect()
}

/// The lines of a call that panics or exits are its own, and they are there.
#[test]
fn a_failure_shows_what_its_own_call_printed() {
    let flow = hostile();
    let seen = flow.python(
        "
        client().post('/say', texts('secret of a', 'and more of a'))
        panicked = failed(lambda: client().post('/say_and_panic', texts('word of b')))
        client().post('/say', texts('secret of a'))
        plain = failed(lambda: client().post('/panic', texts('word of b')))
        client().post('/say', texts('secret of a'))
        left = failed(lambda: client().post('/exit', texts('word of b')))
        answer([panicked, plain, left])
        ",
    );
    for error in seen.as_array().unwrap() {
        says_nothing_of(error, "of a");
    }
    let own = lines(&seen[0]);
    for line in ["stderr: said: word of b", "stderr: begun: word of b"] {
        assert!(own.iter().any(|own| own.contains(line)), "{own:#?}");
    }
    assert!(
        lines(&seen[1])
            .iter()
            .any(|line| line.contains("deliberate panic")),
        "{seen:#}"
    );
}

/// Calls that lose their instance to another one's panic learn of that, and not
/// what was in the other's documents.
#[test]
fn those_beside_a_panic_do_not_learn_its_words() {
    let flow = hostile();
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def beside():
            body = request('/sleep', texts('x'))
            body.parameters.update({'seconds': 3})
            return told(raw(body, timeout=20))
        with ThreadPoolExecutor(2) as pool:
            other = pool.submit(beside)
            time.sleep(0.5)
            own = failed(lambda: client().post('/say_and_panic', texts('secret of a')))
            answer({'own': own, 'other': other.result()})
        ",
    );
    let other = &seen["other"];
    says_nothing_of(other, "secret of a");
    let text = other.to_string();
    for part in ["InstanceLost", "it panicked (", "src/lib.rs"] {
        assert!(text.contains(part), "`{part}` is not in: {other:#}");
    }
    assert!(
        seen["own"]["description"]
            .as_str()
            .is_some_and(|text| text.contains("panicked over [\\\"secret of a\\\"]")
                || text.contains("secret of a")),
        "{seen:#}"
    );
}

/// The author's functions come first, the runtime is one line, and there is no
/// advice that cannot be followed.
#[test]
fn a_stack_begins_with_the_authors_functions() {
    let flow = hostile();
    let seen = flow.python("answer(failed(lambda: client().post('/panic', texts('x'))))");
    let lines = lines(&seen);
    let first = lines
        .iter()
        .position(|line| line.trim_start().starts_with("at "));
    let first = lines[first.unwrap()];
    assert!(first.contains("hostile::"), "{lines:#?}");
    let folded = lines
        .iter()
        .filter(|line| line.contains("frames of the Rust runtime and the SDK"))
        .count();
    assert_eq!(folded, 1, "{lines:#?}");
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("RUST_BACKTRACE") || line.contains("rust_begin_unwind")),
        "{lines:#?}"
    );
}
