//! An executor without an SDK in between: what the interface allows, and no SDK
//! would do.

#![cfg(target_family = "wasm")]

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;
use std::{fs, process, thread};

use bindings::exports::wasm_flow::executor::executor as wit;
use bindings::wasm_flow::executor::documents::{
    DocumentArray, Error, Fields, NestedField, Rows, StringField,
};
use bindings::wasm_flow::executor::{diagnostics, timers};
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
const METHODS: [&str; 18] = [
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
];

struct Raw;

impl wit::Guest for Raw {
    fn describe() -> wit::Description {
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
        wit::Description {
            name: "Raw".to_owned(),
            version: String::new(),
            documentation: String::new(),
            methods: METHODS.map(method).into(),
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
