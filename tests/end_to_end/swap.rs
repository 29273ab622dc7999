//! A flow is put together anew while it is served: on SIGHUP, and with `--watch`.

use std::fs;
use std::future::IntoFuture as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{SinkExt as _, StreamExt as _};
use rustix::process::Signal;
use serde_json::{Value, json};
use wasm_flow::Client;
use wasm_flow::document::{Document, DocumentArray};
use wasm_flow_tests::cli::{Finished, wasm_flow};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Server, example};

/// The same component with other bytes: a section that says nothing is behind it.
fn variant(component: &Path, number: u8) -> Vec<u8> {
    let mut bytes = fs::read(component).unwrap();
    bytes.extend([0, 3, 1, b'v', number]);
    bytes
}

/// Puts a file in its place at once, as a build or a deployment does.
fn put(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

async fn client(port: u16) -> Client {
    Client::connect(&format!("grpc://127.0.0.1:{port}"))
        .await
        .unwrap()
}

/// How many requests are in flight at all times.
const IN_FLIGHT: usize = 16;
const SWAPS: usize = 20;

/// Has requests in flight at all times and a stream that stays open, while `swaps` swaps a
/// flow's executor again and again. None of the requests fails.
async fn loses_nothing(port: u16, swaps: impl AsyncFnOnce()) {
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let asking = (0..IN_FLIGHT).map(|_| {
        let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
        tokio::spawn(async move {
            let client = client(port).await;
            while !done.load(Ordering::Relaxed) {
                let post = client
                    .post("/clean")
                    .docs(DocumentArray::from_texts(["word"]));
                let docs = post.await.unwrap();
                assert_eq!(docs.texts().collect::<Vec<_>>(), ["word"]);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    let (mut to_send, sent) = futures::channel::mpsc::channel::<Document>(0);
    let stream = tokio::spawn(async move {
        let client = client(port).await;
        let post = client
            .post("/clean")
            .docs_stream(sent)
            .request_size(1)
            .in_order();
        let mut answers = post.stream().await.unwrap();
        let mut texts = Vec::new();
        while let Some(answer) = answers.next().await {
            let answer = answer.unwrap().into_result().unwrap();
            texts.extend(answer.docs.texts().map(str::to_owned));
        }
        texts
    });
    let feeding = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                to_send
                    .send(Document::from_text(format!("s{sent}")))
                    .await
                    .unwrap();
                sent += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sent
        }
    });
    swaps().await;
    let before = answered.load(Ordering::Relaxed);
    // Still served.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(answered.load(Ordering::Relaxed) > before);
    done.store(true, Ordering::Relaxed);
    for outcome in join_all(asking).await {
        outcome.unwrap();
    }
    let sent = feeding.await.unwrap();
    let texts = stream.await.unwrap();
    let expected: Vec<String> = (0..sent).map(|number| format!("s{number}")).collect();
    assert_eq!(texts, expected);
}

/// A flow of one component in its own folder, and the component's path.
fn flow_of_a_file(more: &[&str]) -> (Server, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("e.wasm");
    put(&component, &variant(&example("clean"), 0));
    let toml = format!(
        "[[executors]]\nname = \"e\"\nuses = \"{}\"\n",
        component.display()
    );
    let server = Server::run_with(&toml, |command| {
        command.args(more);
        // Each thread that has compiled keeps what it needed for that, and how many there
        // are depends on the machine's other work.
        command.env("MALLOC_ARENA_MAX", "1");
    });
    // It goes with the machine's other temporary folders.
    let _ = folder.keep();
    (server, component)
}

/// Swaps again and again, and says whether memory grows.
async fn swaps_often(server: &Server, component: &Path, hang_up: bool) {
    let settled = Arc::new(AtomicUsize::new(0));
    loses_nothing(server.port(), async || {
        for swap in 1..=SWAPS {
            put(component, &variant(&example("clean"), swap as u8));
            if hang_up {
                server.signal(Signal::HUP);
            }
            let events = tokio::task::block_in_place(|| server.wait_for_events("swapped", swap));
            let event = &events[swap - 1];
            let started = &event["started"][0];
            assert_eq!(started["name"], "e", "{event}");
            assert_ne!(started["digest"], started["before"], "{event}");
            assert_eq!(event["digests"]["e"], started["digest"], "{event}");
            // What is left of the first ones has gone by then.
            if swap == SWAPS / 4 {
                settled.store(server.resident() as usize, Ordering::Relaxed);
            }
        }
    })
    .await;
    // How many of them end at the same time depends on the machine's other work.
    let first = settled.load(Ordering::Relaxed) as u64;
    let under_load = server.resident();
    assert!(
        under_load < first + (48 << 20),
        "{} MiB after {} swaps, {} MiB after {SWAPS}",
        first >> 20,
        SWAPS / 4,
        under_load >> 20,
    );
    // With nothing else, those that stay would show: each has more than a megabyte. What a
    // compiler has needed once may stay.
    for swap in SWAPS + 1..=4 * SWAPS {
        put(component, &variant(&example("clean"), swap as u8));
        if hang_up {
            server.signal(Signal::HUP);
        }
        tokio::task::block_in_place(|| server.wait_for_events("swapped", swap));
    }
    let after = server.resident();
    assert!(
        after < under_load + (40 << 20),
        "{} MiB after {SWAPS} swaps, {} MiB after {} more",
        under_load >> 20,
        after >> 20,
        3 * SWAPS,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_loses_no_request_and_leaks_no_memory() {
    let (server, component) = flow_of_a_file(&[]);
    swaps_often(&server, &component, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_loses_no_request_and_leaks_no_memory() {
    let (server, component) = flow_of_a_file(&["--watch"]);
    swaps_often(&server, &component, false).await;
}

fn texts(server: &Server, endpoint: &str) -> Value {
    server.python(&format!(
        "answer(client().post({endpoint:?}, texts('world')).texts)"
    ))
}

/// The whole loop of an author: save, see it work, break it, mend it.
#[test]
fn a_crate_is_built_when_it_is_saved_and_a_broken_save_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greeter");
    let made = Finished::of(&mut wasm_flow([
        "new",
        "greeter",
        "--path",
        path.to_str().unwrap(),
    ]));
    assert_eq!(made.status, Some(0), "{made}");
    let toml = format!(
        "[[executors]]\nname = \"greeter\"\nuses = \"{}\"\nuses_with = {{ greeting = \"hello\" }}\n",
        path.display()
    );
    let server = Server::run_with(&toml, |command| {
        command.arg("--watch");
    });
    assert_eq!(texts(&server, "/hello"), json!(["hello world"]));

    let source = path.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let save = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&source, text.replace(from, to)).unwrap();
    };
    save("\"{} {}\"", "\"{}, {}!\"");
    let events = server.wait_for_events("swapped", 1);
    assert_eq!(events[0]["started"][0]["name"], "greeter");
    assert_eq!(texts(&server, "/hello"), json!(["hello, world!"]));
    let good = events[0]["digests"]["greeter"].clone();

    save("\"{} {}\"", "\"{} {}\" broken");
    let kept = &server.wait_for_events("kept", 1)[0];
    assert_eq!(kept["digests"]["greeter"], good);
    let error = kept["error"].as_str().unwrap();
    assert!(error.contains("does not compile"), "{error}");
    // The compiler's own message, and the flow's file with the place.
    server.wait_for_stderr("src/lib.rs:");
    server.wait_for_stderr("flow.toml:3:8");
    assert_eq!(texts(&server, "/hello"), json!(["hello, world!"]));

    // What builds and does not start.
    save("greeting: config.greeting,", "greeting: panic!(\"no\"),");
    let kept = &server.wait_for_events("kept", 2)[1];
    let error = kept["error"].as_str().unwrap();
    assert!(error.contains("cannot be started"), "{error}");
    assert_eq!(texts(&server, "/hello"), json!(["hello, world!"]));

    save("\"{} {}\"", "\"{} {}?\"");
    server.wait_for_events("swapped", 2);
    assert_eq!(texts(&server, "/hello"), json!(["hello world?"]));
}

#[test]
fn the_graph_may_change_and_what_has_not_changed_goes_on() {
    let server = Server::run("[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n");
    let toml = server.folder().join("flow.toml");
    assert_eq!(texts(&server, "/trace"), json!(["world>a/rep-0"]));

    write_flow(
        server.folder(),
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n\
         [[executors]]\nname = \"b\"\nuses = \"{probe}\"\n",
    );
    server.signal(Signal::HUP);
    let swapped = &server.wait_for_events("swapped", 1)[0];
    assert_eq!(swapped["kept"], json!(["a"]));
    assert_eq!(swapped["started"][0]["name"], "b");
    assert_eq!(texts(&server, "/trace"), json!(["world>a/rep-0>b/rep-0"]));

    fs::write(&toml, "[[executors]]\nname = \"a\"\nuse = \"x\"\n").unwrap();
    server.signal(Signal::HUP);
    let kept = &server.wait_for_events("kept", 1)[0];
    assert!(kept["error"].as_str().unwrap().contains("`uses`"), "{kept}");
    assert_eq!(texts(&server, "/trace"), json!(["world>a/rep-0>b/rep-0"]));

    write_flow(
        server.folder(),
        "[gateway]\nprefetch = 7\n[[executors]]\nname = \"b\"\nuses = \"{probe}\"\n",
    );
    server.signal(Signal::HUP);
    let swapped = &server.wait_for_events("swapped", 2)[1];
    assert_eq!(swapped["kept"], json!(["b"]));
    assert_eq!(swapped["removed"], json!(["a"]));
    server.wait_for_stderr("[gateway] is not what it was");
    assert_eq!(texts(&server, "/trace"), json!(["world>b/rep-0"]));

    server.signal(Signal::HUP);
    let swapped = &server.wait_for_events("swapped", 3)[2];
    assert_eq!(swapped["kept"], json!(["b"]));
    assert_eq!(swapped["started"], json!([]));
}

/// Two swaps in a row: what the second one stops is still needed by a request that began
/// before the first.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_there_for_all_who_have_begun_with_it() {
    let toml = |first: &str, second: &str| {
        let executor = |name: &str, timeout: &str| {
            format!(
                "[[executors]]\nname = \"{name}\"\nuses = \"{{probe}}\"\n\
                 isolation = \"request\"\ntimeout = \"{timeout}\"\n"
            )
        };
        executor("a", first) + &executor("b", second)
    };
    let server = Server::run(&toml("60s", "60s"));
    let client = client(server.port()).await;
    let post = client
        .post("/wait")
        .docs(DocumentArray::from_texts(["4000"]));
    let asked = tokio::spawn(post.into_future());
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (count, (first, second)) in [("61s", "60s"), ("61s", "61s")].into_iter().enumerate() {
        write_flow(server.folder(), &toml(first, second));
        server.signal(Signal::HUP);
        let events = tokio::task::block_in_place(|| server.wait_for_events("swapped", count + 1));
        let event = &events[count];
        assert_eq!(event["started"].as_array().unwrap().len(), 1, "{event}");
        assert_eq!(event["handed_over"], json!([]), "{event}");
    }
    assert!(!asked.is_finished());
    assert_eq!(asked.await.unwrap().unwrap().len(), 1);
}

const INDEX: &str = "[[executors]]\nname = \"index\"\nuses = \"{folder}/index.wasm\"\n\
                     workspace = \"{folder}/work\"\n";

/// Its one file is never open twice: the next one reads what the one before wrote last.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_keeps_a_file_is_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("index.wasm");
    let index = example("vector-index");
    put(&component, &variant(&index, 0));
    let toml = INDEX.replace("{folder}", &folder.path().display().to_string());
    let server = Server::run(&toml);
    let added = |number: usize| {
        server.python(&format!(
            "
            docs = DocumentArray([Document(id='d{number}', embedding=np.array([1.0, {number}.0]))])
            client().post('/index', docs)
            found = client().post('/search', DocumentArray([Document(embedding=np.array([1.0, 0.0]))]))
            answer(len(found[0].matches))
            "
        ))
    };
    assert_eq!(added(0), 1);
    for swap in 1..=3 {
        put(&component, &variant(&index, swap as u8));
        server.signal(Signal::HUP);
        let events = server.wait_for_events("swapped", swap);
        assert_eq!(events[swap - 1]["handed_over"][0]["name"], "index");
        assert_eq!(events[swap - 1]["started"], json!([]));
        assert_eq!(added(swap), swap + 1);
    }

    // One that does not start: the one before is started again, with its file.
    fs::write(
        server.folder().join("flow.toml"),
        format!("{toml}uses_with = {{ flush_seconds = 0 }}\n"),
    )
    .unwrap();
    server.signal(Signal::HUP);
    let kept = &server.wait_for_events("kept", 1)[0];
    assert!(
        kept["error"].as_str().unwrap().contains("flush_seconds"),
        "{kept}"
    );
    assert_eq!(added(4), 5);
}

/// An executor that could be started neither as it is to be nor as it was. Once the reason is
/// gone, it comes back, also if the file says what it said at first.
#[test]
fn what_could_not_be_started_again_is_started_by_the_next_swap() {
    let toml = |timeout: &str| {
        format!(
            "[[executors]]\nname = \"raw\"\nuses = \"{{raw}}\"\ntimeout = \"{timeout}\"\n\
             uses_with = {{ fails_with = \"/out/no\" }}\n\
             allow.dirs = [{{ host = \"{{folder}}\", guest = \"/out\" }}]\n"
        )
    };
    let server = Server::run(&toml("60s"));
    let no = server.folder().join("no");
    fs::write(&no, "").unwrap();
    write_flow(server.folder(), &toml("61s"));
    server.signal(Signal::HUP);
    let kept = &server.wait_for_events("kept", 1)[0];
    assert_eq!(kept["restarted"], json!(["raw"]), "{kept}");
    let said = server.python("answer(failed(lambda: client().post('/ok', texts('x')))['args'])");
    assert!(
        said[0]
            .as_str()
            .unwrap()
            .contains("could not be started again"),
        "{said}"
    );

    fs::remove_file(&no).unwrap();
    write_flow(server.folder(), &toml("60s"));
    server.signal(Signal::HUP);
    let swapped = &server.wait_for_events("swapped", 1)[0];
    assert_eq!(swapped["handed_over"][0]["name"], "raw", "{swapped}");
    assert_eq!(texts(&server, "/ok"), json!(["world"]));
}
