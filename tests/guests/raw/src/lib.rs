//! An executor without an SDK in between: what the interface allows, and no SDK
//! would do.

#![cfg(target_family = "wasm")]

mod play;

use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::Cell;
use std::hint::{assert_unchecked, black_box};
use std::mem::ManuallyDrop;
use std::time::Duration;
use std::{fs, process, ptr, slice, thread};

use bindings::exports::wasm_flow::executor::executor as wit;
use bindings::wasm_flow::executor::documents::{
    DocumentArray, Error, Fields, NestedField, Rows, StringField,
};
use bindings::wasm_flow::executor::{diagnostics, logging, timers};
use wasm_flow_sdk::__private::bindings;
use wasm_flow_sdk::serde_json::{Value, json};
use wit_bindgen::{spawn_local, yield_async};

/// What to do when it is started and stopped.
#[derive(Default)]
struct Plan {
    /// Seconds that it takes to start.
    start_seconds: f64,
    /// A file: while it is there, starting fails.
    fails_with: Option<String>,
    /// Panics once it has started.
    trap_after_start: bool,
    /// Does not come back from `stop`.
    spin_at_stop: bool,
    /// A file that `stop` writes after three seconds, in an instance that was
    /// called.
    stop_writes: Option<String>,
}

thread_local! {
    static CALLED: Cell<bool> = const { Cell::new(false) };
    static SPIN_AT_STOP: Cell<bool> = const { Cell::new(false) };
    static STOP_WRITES: Cell<Option<String>> = const { Cell::new(None) };
}

/// In the order of the description.
const METHODS: [&str; 32] = [
    "ok",
    "sleep",
    "block",
    "again",
    "flatten",
    "replace",
    "matrix",
    "tail_panic",
    "tail_spin",
    "report",
    "reserve",
    "abort",
    "repeat",
    "alone",
    "hoard",
    "bytes",
    "print",
    "send_and_sleep",
    "recursion",
    "divide",
    "far",
    "null",
    "exit_1",
    "log_for_ever",
    "random_for_ever",
    "send_and_drop",
    "foreign",
    "drop_twice",
    "fresh_memory",
    "aliased",
    "open_streams",
    "play",
];

/// How it describes itself. A test writes another word over the second in the component's
/// bytes.
#[used]
static DESCRIBE: [u8; 22] = *b"describe itself:well--";

struct Raw;

impl wit::Guest for Raw {
    fn describe() -> wit::Description {
        // SAFETY: a reference. Volatile, so that the bytes are read where a test changed them.
        let how = unsafe { ptr::read_volatile(&DESCRIBE) };
        let mut documentation = String::new();
        let mut more_endpoints = Vec::new();
        match &how[16..] {
            b"spin--" => loop {
                black_box(0);
            },
            b"panic-" => panic!("panicked over its description"),
            b"trap--" => std::arch::wasm32::unreachable(),
            b"memory" => {
                let pieces = (0..48).map(|_| black_box(Vec::<u8>::with_capacity(64 << 20)));
                black_box(pieces.collect::<Vec<_>>());
            }
            b"large-" => documentation = "x".repeat(200_000_000),
            b"many--" => more_endpoints = (0..1024).map(|n| format!("/more{n}")).collect(),
            _ => {}
        }
        let method = |name: &str| wit::Method {
            name: name.to_owned(),
            endpoints: vec![format!("/{name}")],
            concurrency: match name {
                "alone" => wit::Concurrency::Exclusive,
                _ => wit::Concurrency::Concurrent,
            },
            documentation: String::new(),
            parameters_schema: String::new(),
            details: match name {
                "send_and_sleep" => r#"{"stream":true}"#.to_owned(),
                _ => String::new(),
            },
        };
        let mut methods = METHODS.map(method);
        methods[0].endpoints.extend(more_endpoints);
        wit::Description {
            name: "Raw".to_owned(),
            version: String::new(),
            documentation,
            methods: methods.into(),
            config_schema: String::new(),
            sdk: String::new(),
            details: String::new(),
        }
    }

    async fn start(configuration: wit::Configuration) -> Result<(), wit::Failure> {
        let plan = plan(&configuration.uses_with);
        if plan
            .fails_with
            .is_some_and(|file| fs::exists(file).unwrap_or(false))
        {
            println!("fails to start");
            sleep(plan.start_seconds).await;
            return Err(failure("told to fail".to_owned()));
        }
        println!("starts");
        sleep(plan.start_seconds).await;
        SPIN_AT_STOP.set(plan.spin_at_stop);
        STOP_WRITES.set(plan.stop_writes);
        if plan.trap_after_start {
            spawn_local(async {
                yield_async().await;
                panic!("panicked in the background");
            });
        }
        Ok(())
    }

    async fn handle(
        method: u32,
        request: wit::Request,
        docs: DocumentArray,
        _length: u32,
    ) -> Result<(), wit::Failure> {
        CALLED.set(true);
        let parameters: Value = request.parameters().parse().unwrap_or_default();
        let seconds = parameters["seconds"].as_f64().unwrap_or(0.1);
        match METHODS[method as usize] {
            "sleep" | "alone" => sleep(seconds).await,
            // One document with so many bytes, listed a million times.
            "repeat" => {
                let bytes = parameters["bytes"].as_f64().unwrap_or(1.0) as usize;
                docs.set_strings(
                    StringField::Uri,
                    &Rows::These(vec![0]),
                    &["x".repeat(bytes)],
                )
                .map_err(refused)?;
                let many = docs.select(&million()).map_err(refused)?;
                return request.set_docs(&many).map_err(refused);
            }
            "print" => println!("called"),
            // Does not ask whether they were taken. Jina's client gives `stream_doc` no
            // parameters, so nothing says how long.
            "send_and_sleep" => {
                let taken = request.send_docs(&docs).map_err(refused)?;
                sleep(60.0).await;
                drop(taken);
            }
            "bytes" => return bytes(&request, &docs).map_err(refused),
            // More handles than an instance may have.
            "hoard" => {
                let mut arrays = Vec::new();
                loop {
                    arrays.push(DocumentArray::new());
                }
            }
            // All other calls of the instance wait, too.
            "block" => thread::sleep(Duration::from_secs_f64(seconds)),
            "again" => {
                return request
                    .set_results(&again(&docs).to_string())
                    .map_err(refused);
            }
            "flatten" => {
                let many = docs.select(&million()).map_err(refused)?;
                return many
                    .flatten(&[NestedField::Chunks])
                    .map(drop)
                    .map_err(refused);
            }
            "replace" => {
                let many = docs.select(&million()).map_err(refused)?;
                return request.set_docs(&many).map_err(refused);
            }
            // 160 MB to the host in one call.
            "matrix" => {
                let ends = vec![160_000_000];
                let bytes = vec![b'x'; 160_000_000];
                let packed = bindings::wasm_flow::executor::documents::Packed { bytes, ends };
                docs.set_packed_strings(StringField::Uri, &Rows::All, &packed)
                    .map_err(refused)?;
                drop(packed);
                docs.set_strings(StringField::Uri, &Rows::All, &["short".to_owned()])
                    .map_err(refused)?;
            }
            "tail_panic" => {
                spawn_local(async move {
                    sleep(seconds).await;
                    panic!("panicked after its answer");
                });
            }
            "tail_spin" => {
                spawn_local(async move {
                    sleep(seconds).await;
                    loop {
                        black_box(0);
                    }
                });
            }
            "report" => diagnostics::report_panic(&diagnostics::Panic {
                message: "a panic that was none".to_owned(),
                location: String::new(),
            }),
            "reserve" => {
                let out_of_memory = Vec::<u8>::new().try_reserve_exact(1 << 30).is_err();
                return request
                    .set_results(&json!({ "refused": out_of_memory }).to_string())
                    .map_err(refused);
            }
            "abort" => process::abort(),
            "recursion" => {
                black_box(ackermann(black_box(4), black_box(2)));
            }
            "divide" => {
                let zero = black_box(0_u32);
                // SAFETY: none. This leaves the compiler's own check out.
                unsafe { assert_unchecked(zero != 0) };
                black_box(black_box(7) / zero);
            }
            // SAFETY: none, for all of these.
            "far" => unsafe {
                black_box(ptr::read_volatile(black_box(usize::MAX - 7) as *const u8));
            },
            // In WebAssembly, an address like all others.
            "null" => unsafe {
                let null = black_box(ptr::null_mut::<u8>());
                let before = ptr::read_volatile(null);
                ptr::write_volatile(null, before);
            },
            "exit_1" => process::exit(1),
            "log_for_ever" => loop {
                logging::log(logging::Level::Error, "a line of a storm", "");
            },
            "random_for_ever" => {
                let mut bytes = [0; 256];
                loop {
                    // SAFETY: so many bytes are there.
                    unsafe { getentropy(bytes.as_mut_ptr(), bytes.len()) };
                    black_box(&bytes);
                }
            }
            // Never asks whether they were taken, and drops what would say so.
            "send_and_drop" => {
                let times = parameters["times"].as_f64().unwrap_or(500.0) as usize;
                for _ in 0..times {
                    drop(request.send_docs(&docs).map_err(refused)?);
                }
            }
            // SAFETY: none: nobody gave it such a handle.
            "foreign" => unsafe {
                let foreign = ManuallyDrop::new(DocumentArray::from_handle(54_321));
                black_box(foreign.length());
            },
            // SAFETY: none: the second has been dropped.
            "drop_twice" => unsafe {
                let handle = DocumentArray::new().take_handle();
                drop(DocumentArray::from_handle(handle));
                drop(DocumentArray::from_handle(handle));
            },
            // A gigabyte, for who copies it.
            "aliased" => {
                let one = ManuallyDrop::new("x".repeat(1000));
                let (pointer, length) = (one.as_ptr().cast_mut(), one.len());
                // SAFETY: none: a million owners. They are only read, and never dropped.
                let again = || unsafe { String::from_raw_parts(pointer, length, length) };
                let many: Vec<String> = (0..1_000_000).map(|_| again()).collect();
                let many = ManuallyDrop::new(many);
                return docs
                    .set_strings(StringField::Uri, &million(), &many)
                    .map_err(refused);
            }
            // Streams to the host that are never closed.
            "open_streams" => {
                let count = parameters["times"].as_f64().unwrap_or(f64::INFINITY);
                let mut made = 0.0;
                while made < count {
                    let (writer, reader) = wasip3::wit_stream::new::<u8>();
                    let written = wasip3::cli::stdout::write_via_stream(reader);
                    std::mem::forget((writer, written));
                    made += 1.0;
                }
            }
            "fresh_memory" => {
                return request
                    .set_results(&fresh_memory().to_string())
                    .map_err(refused);
            }
            "play" => return play::play(&request, docs, &parameters),
            _ => {}
        }
        Ok(())
    }

    async fn stop() {
        if let (true, Some(file)) = (CALLED.get(), STOP_WRITES.take()) {
            sleep(3.0).await;
            let _ = fs::write(file, "stopped");
        }
        if SPIN_AT_STOP.get() {
            loop {
                black_box(0);
            }
        }
    }
}

bindings::export_bare!(Raw with_types_in wasm_flow_sdk::__private::bindings);

fn plan(uses_with: &str) -> Plan {
    let with: Value = uses_with.parse().unwrap_or_default();
    let text = |key: &str| with[key].as_str().map(str::to_owned);
    let flag = |key: &str| with[key].as_bool().unwrap_or(false);
    Plan {
        start_seconds: with["start_seconds"].as_f64().unwrap_or(0.0),
        fails_with: text("fails_with"),
        trap_after_start: flag("trap_after_start"),
        spin_at_stop: flag("spin_at_stop"),
        stop_writes: text("stop_writes"),
    }
}

async fn sleep(seconds: f64) {
    timers::after(Duration::from_secs_f64(seconds).as_nanos() as u64).await;
}

fn million() -> Rows {
    Rows::These(vec![0; 1_000_000])
}

/// Answers with the documents as bytes, and says what it saw on the way.
fn bytes(request: &wit::Request, docs: &DocumentArray) -> Result<(), Error> {
    let encoded = docs.encode(&Rows::All)?;
    let again = DocumentArray::decode(&encoded)?;
    let parts = request.docs_matrix();
    for part in &parts {
        let written = vec!["written".to_owned(); part.docs.length() as usize];
        part.docs
            .set_strings(StringField::Text, &Rows::All, &written)?;
    }
    let parts = parts
        .iter()
        .map(|part| json!([part.executor, part.docs.length()]))
        .collect::<Vec<_>>();
    let seen = json!({
        "sizes": docs.sizes(Fields::CONTENT, &Rows::All)?,
        "nested": docs.sizes(Fields::CHUNKS, &Rows::All)?,
        "again": again.strings(StringField::Text, &Rows::All)?,
        "parts": parts,
        "docs": docs.strings(StringField::Text, &Rows::All)?,
        "broken": told(DocumentArray::decode(b"\xff").map(drop)),
        "list": told(request.set_results("[]")),
    });
    request.set_results(&seen.to_string())?;
    let answer = DocumentArray::new();
    answer.append_new(1)?;
    answer.set_strings(StringField::Id, &Rows::All, &[String::new()])?;
    answer.set_blobs(&Rows::All, &[encoded])?;
    request.set_docs(&answer)
}

/// Takes 60 MB that nobody here has written to, says how many words of it are not zero,
/// and leaves none that is.
fn fresh_memory() -> Value {
    let before = memory_size::<0>();
    let first = memory_grow::<0>(960);
    let words = (first << 16) as *mut u64;
    // SAFETY: these pages are there, and nothing of Rust's is in them.
    let words = unsafe { slice::from_raw_parts_mut(words, (960 << 16) / 8) };
    let dirty = words.iter().filter(|word| **word != 0).count();
    words.fill(black_box(0xa5a5_5a5a_a5a5_5a5a));
    json!({ "granted": first == before, "dirty": dirty })
}

/// A recursion without a frame in linear memory.
fn ackermann(m: u64, n: u64) -> u64 {
    match (m, n) {
        (0, n) => n + 1,
        (m, 0) => ackermann(m - 1, 1),
        (m, n) => ackermann(m - 1, ackermann(m, n - 1)),
    }
}

unsafe extern "C" {
    /// Of the C library that Rust's own stands on.
    fn getentropy(bytes: *mut u8, length: usize) -> i32;
}

fn told(result: Result<(), Error>) -> String {
    match result {
        Ok(()) => "nothing".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// What the host says to values that would come to more than there is memory.
fn again(docs: &DocumentArray) -> Value {
    let rows = million();
    let too_many = Rows::These(vec![0; 1_000_001]);
    json!({
        "packed": told(docs.packed_strings(StringField::Text, &rows).map(drop)),
        "strings": told(docs.strings(StringField::Text, &rows).map(drop)),
        "extend": told(docs.extend(docs, &rows)),
        "rows": told(docs.select(&too_many).map(drop)),
    })
}

fn refused(error: Error) -> wit::Failure {
    failure(format!("{error:?}"))
}

fn failure(message: String) -> wit::Failure {
    wit::Failure {
        name: "Refused".to_owned(),
        message,
        trace: Vec::new(),
        details: String::new(),
    }
}
