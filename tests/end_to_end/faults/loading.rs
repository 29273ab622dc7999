//! Components that do harm while they are loaded, before they are executors.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use wasm_flow_tests::{Finished, Server, guest, wasm_flow};

use crate::bad_input::component_refused;

/// A component that exports functions by the names of an executor's, all of another type.
/// What its core modules do when they are instantiated is done before that is noticed.
pub(super) fn named_executor(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {core}
            (core module $nothing (func (export "nothing")))
            (core instance $nothing (instantiate $nothing))
            (func $nothing (canon lift (core func $nothing "nothing")))
            (instance $executor
                (export "describe" (func $nothing))
                (export "start" (func $nothing))
                (export "handle" (func $nothing))
                (export "stop" (func $nothing)))
            (export "wasm-flow:executor/executor@0.1.0" (instance $executor))
        )"#
    );
    wat::parse_str(text).unwrap()
}

/// One with a core module of these fields.
fn module(fields: &str) -> Vec<u8> {
    named_executor(&format!(
        "(core module $module {fields}) (core instance (instantiate $module))"
    ))
}

/// So many instances of a core module.
fn instances(count: usize, fields: &str) -> Vec<u8> {
    let instances = "(core instance (instantiate $module))".repeat(count);
    named_executor(&format!("(core module $module {fields}) {instances}"))
}

/// Loads a component that does no harm: all that is wrong with it are the types of what
/// it exports, and that is noticed when it has been instantiated.
#[track_caller]
fn instantiated(component: &[u8]) {
    component_refused(component, &["does not fit this host", "its exports: "]);
}

/// `raw` with another `describe`.
fn describing(how: &[u8; 6]) -> Vec<u8> {
    let mark = b"describe itself:well--";
    let mut component = fs::read(guest("raw")).unwrap();
    let place = component.windows(mark.len()).position(|part| part == mark);
    let place = place.expect("raw's mark") + mark.len() - how.len();
    component[place..place + how.len()].copy_from_slice(how);
    component
}

fn inspect(component: &[u8]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.wasm");
    fs::write(&file, component).unwrap();
    Finished::of(wasm_flow(["inspect"]).arg(file))
}

#[test]
fn a_file_larger_than_any_component() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"\0asm\x0d\0\x01\0").unwrap();
    // One byte over 256 MiB, almost none of them on the disk.
    file.set_len((256 << 20) + 1).unwrap();
    let refused = Server::refused(&format!(
        "[[executors]]\nname = \"mine\"\nuses = \"{}\"\n",
        path.display()
    ));
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&["large.wasm", "at most 256 MiB are loaded as a component"]);
    // One that is as large as it may be is read, and is none.
    file.set_len(256 << 20).unwrap();
    let refused = Finished::of(wasm_flow(["inspect"]).arg(&path));
    refused.complains_of(&["large.wasm", "is not a valid component"]);
}

#[test]
fn a_core_start_function_that_traps() {
    for (fields, reason) in [
        ("(func $start unreachable)", "unreachable"),
        (
            "(func $start (drop (i32.div_s (i32.const 1) (i32.const 0))))",
            "integer divide by zero",
        ),
        (
            "(memory 1) (func $start (drop (i32.load (i32.const -4))))",
            "out of bounds memory access",
        ),
        (
            "(table 1 funcref) (func $start (call_indirect (i32.const 0)))",
            "uninitialized element",
        ),
    ] {
        component_refused(
            module(&format!("{fields} (start $start)")),
            &["does not describe itself", reason],
        );
    }
}

/// A recursion that uses no linear memory runs off the engine's own stack.
#[test]
fn a_core_start_function_that_recurses() {
    component_refused(
        module(
            "(func $deeper (param i64) (result i64)
                (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
            (func $start (drop (call $deeper (i64.const 0))))
            (start $start)",
        ),
        &[
            "does not describe itself",
            "call stack exhausted",
            "in a recursion that seems to have no end",
        ],
    );
}

/// One that spins while a flow is put together anew takes nothing from the flow that
/// is served.
#[test]
fn a_core_start_function_that_spins() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("mine.wasm");
    fs::copy(guest("hostile"), &component).unwrap();
    let flow = Server::run(&format!(
        "[[executors]]\nname = \"mine\"\nuses = \"{}\"\n",
        component.display()
    ));
    let spinning = folder.path().join("new");
    fs::write(
        &spinning,
        module("(func $start (loop (br 0))) (start $start)"),
    )
    .unwrap();
    fs::rename(&spinning, &component).unwrap();
    flow.signal(Signal::HUP);
    let seen = flow.python(
        "
        answered = []
        for _ in range(20):
            begin = time.monotonic()
            texts_back = client().post('/ok', texts('x')).texts
            answered.append([texts_back, time.monotonic() - begin])
            time.sleep(0.1)
        answer(answered)
        ",
    );
    for answered in seen.as_array().unwrap() {
        assert_eq!(answered[0], json!(["ok"]), "{seen}");
        assert!(answered[1].as_f64().unwrap() < 5.0, "{seen}");
    }
    let kept = &flow.wait_for_events("kept", 1)[0];
    let error = kept["error"].as_str().unwrap();
    assert!(error.contains("mine.wasm"), "{error}");
    assert!(error.contains("`describe` took longer than 10s"), "{error}");
    assert_eq!(
        flow.python("answer(client().post('/ok', texts('x')).texts)"),
        json!(["ok"])
    );
}

#[test]
fn a_memory_that_begins_too_large() {
    component_refused(
        module("(memory 4097)"),
        &[
            "does not describe itself",
            "`describe` needs 256",
            "of memory, and may have 256 MiB",
        ],
    );
    instantiated(&module("(memory 4096)"));
    // The same under an executor's own limit.
    let refused = Server::refused(
        "[[executors]]\nname = \"bad\"\nuses = \"{hostile}\"\nlimits = { memory = \"1MiB\" }\n",
    );
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&["bad", "`limits.memory` is 1 MiB", "of memory"]);
    assert!(!refused.stdout.contains("ready"), "{refused}");
}

#[test]
fn a_table_that_begins_too_large() {
    component_refused(
        module("(table 65537 funcref)"),
        &["table", "65537", "65536"],
    );
    instantiated(&module("(table 65536 funcref)"));
}

/// Growing a table beyond its bound is refused, and no more than that.
#[test]
fn a_table_that_grows_for_ever() {
    instantiated(&module(
        "(table $table 0 funcref)
        (func $start
            (loop $again
                (br_if $again (i32.ne
                    (table.grow $table (ref.null func) (i32.const 4096))
                    (i32.const -1))))
            ;; What was granted, and what was not.
            (if (i32.gt_u (table.size $table) (i32.const 65536)) (then unreachable))
            (if (i32.lt_u (table.size $table) (i32.const 61440)) (then unreachable)))
        (start $start)",
    ));
}

#[test]
fn too_many_memories_tables_and_instances() {
    for (most, fields, others, what) in [
        (8, "(memory 0)", 0, "Wasm linear memories"),
        (16, "(table 0 funcref)", 0, "tables"),
        // One is there anyway.
        (64, "", 1, "core module instances"),
    ] {
        instantiated(&instances(most - others, fields));
        component_refused(
            instances(most + 1 - others, fields),
            &[
                &format!("{} {what}", most + 1),
                &format!("maximum of {most}"),
            ],
        );
    }
}

/// The guest's allocator is called while the host gives it a list, and must not call the
/// host meanwhile.
#[test]
fn an_allocator_that_calls_the_host() {
    let component = |realloc: &str| {
        named_executor(&format!(
            r#"
            (import "wasi:random/random@0.2.12" (instance $random
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
                (export "get-random-u64" (func (result u64)))))
            (core func $u64 (canon lower (func $random "get-random-u64")))
            (core module $allocator
                (import "host" "u64" (func $u64 (result i64)))
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    {realloc}
                    (i32.const 1024)))
            (core instance $allocator (instantiate $allocator
                (with "host" (instance (export "u64" (func $u64))))))
            (core func $bytes (canon lower (func $random "get-random-bytes")
                (memory (core memory $allocator "memory"))
                (realloc (core func $allocator "realloc"))))
            (core module $main
                (import "host" "bytes" (func $bytes (param i64 i32)))
                (func $start (call $bytes (i64.const 100) (i32.const 16)))
                (start $start))
            (core instance (instantiate $main
                (with "host" (instance (export "bytes" (func $bytes))))))
            "#
        ))
    };
    instantiated(&component(""));
    component_refused(
        component("(drop (call $u64))"),
        &[
            "does not describe itself",
            "cannot leave component instance",
        ],
    );
    let refused = inspect(&component("(loop (br 0))"));
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&["`describe` took longer than 10s"]);
}

#[test]
fn a_description_that_traps() {
    for (how, reason) in [
        (
            b"panic-",
            "unreachable` instruction executed; its last words: panicked over its description",
        ),
        (b"trap--", "unreachable` instruction executed"),
    ] {
        component_refused(describing(how), &["does not describe itself", reason]);
    }
}

#[test]
fn a_description_that_takes_memory_without_end() {
    component_refused(
        describing(b"memory"),
        &[
            "does not describe itself",
            "of memory, and may have 256 MiB",
        ],
    );
}

#[test]
fn a_description_that_does_not_come_to_an_end() {
    let refused = inspect(&describing(b"spin--"));
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&[
        "mine.wasm does not describe itself",
        "`describe` took longer than 10s",
    ]);
}

#[test]
fn a_description_of_200_megabytes() {
    component_refused(
        describing(b"large-"),
        &[
            "does not describe itself",
            "`describe` gives more than 16 MiB",
        ],
    );
}

#[test]
fn a_description_of_more_endpoints_than_may_be() {
    component_refused(
        describing(b"many--"),
        &["unusable description", "binds more than 1024 endpoints"],
    );
}

/// Runs the program with its compiled code kept here and no file longer than 512 KiB, which
/// is what it meets on a full disk: a write that fails half-way. The code is longer.
fn inspect_on_a_full_disk(cache: &Path) -> Finished {
    let inspect = wasm_flow(["--log-level", "warn", "inspect"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(inspect.get_program())
        .args(inspect.get_args())
        .arg(guest("hostile"));
    for (key, value) in inspect.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    Finished::of(limited.env("WASM_FLOW_CACHE", cache))
}

#[test]
fn a_full_disk_below_the_compiled_code() {
    let folder = tempfile::tempdir().unwrap();
    let shown = inspect_on_a_full_disk(folder.path());
    assert_eq!(shown.status, Some(0), "{shown}");
    shown.complains_of(&[
        "compiled code cannot be kept for the next start",
        "wasm-flow",
    ]);
    let left: Vec<_> = fs::read_dir(folder.path().join("wasm-flow"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.contains(".new-") && !name.ends_with(".code")),
        "{left:?}"
    );
}
