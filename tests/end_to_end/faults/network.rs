//! Clients that do harm, over sockets of their own, and many that do none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use wasm_flow::Client;
use wasm_flow::document::DocumentArray;
use wasm_flow_tests::Server;
use wasm_flow_tests::http2::{
    END_HEADERS, GOAWAY, HEADERS, PREFACE, RST_STREAM, connected, frame, frames, headers,
};

use super::{mib, raw};

/// How long until the server has closed a connection, if it does within a minute.
fn closed_after(mut stream: TcpStream) -> Option<Duration> {
    let begin = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Some(begin.elapsed()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return Some(begin.elapsed());
            }
            Err(_) => return None,
        }
    }
}

async fn client(port: u16) -> Client {
    Client::connect(&format!("grpc://127.0.0.1:{port}"))
        .await
        .unwrap()
}

/// Asks again and again while something goes on, and gives the longest time that an
/// answer took.
fn slowest_answer(port: u16, meanwhile: impl FnOnce() + Send) -> Duration {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(meanwhile);
        let mut slowest = Duration::ZERO;
        runtime.block_on(async {
            let client = client(port).await;
            loop {
                let last = other.is_finished();
                let begin = Instant::now();
                let docs = DocumentArray::from_texts(["x"]);
                let docs = client.post("/ok").docs(docs).await.unwrap();
                assert_eq!(docs.texts().collect::<Vec<_>>(), ["x"]);
                slowest = slowest.max(begin.elapsed());
                if last {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        other.join().unwrap();
        slowest
    })
}

/// Waits until the server has no more open files than this.
#[track_caller]
fn wait_for_descriptors(flow: &Server, most: usize) {
    let begin = Instant::now();
    while flow.descriptors() > most && begin.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(
        flow.descriptors() <= most,
        "{} descriptors, {most} expected",
        flow.descriptors()
    );
}

/// Those who connect and say nothing, or only the half, are left after ten seconds. Until
/// then, and with a call of which only the half has come, others are answered.
#[test]
fn clients_that_say_only_the_half() {
    let flow = raw("");
    let before = flow.descriptors();
    let connect = || TcpStream::connect(("127.0.0.1", flow.port())).unwrap();
    let silent: Vec<_> = (0..50).map(|_| connect()).collect();
    let half: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(&PREFACE[..12]).unwrap();
            stream
        })
        .collect();
    // More headers were to follow, or more of these.
    let half_headers: Vec<_> = (0..50)
        .map(|n| {
            let mut stream = connected(flow.port()).unwrap();
            let headers = frame(HEADERS, 0, 1, &headers());
            let end = if n % 2 == 0 { headers.len() } else { 20 };
            stream.write_all(&headers[..end]).unwrap();
            stream
        })
        .collect();
    let slowest = slowest_answer(flow.port(), || {
        for stream in silent.into_iter().chain(half) {
            let after = closed_after(stream).expect("it is closed");
            assert!(after < Duration::from_secs(40), "{after:?}");
        }
    });
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    drop(half_headers);
    wait_for_descriptors(&flow, before + 5);
}

/// Ten thousand calls on one connection, nine thousand of them more than it may have.
#[test]
fn more_streams_than_a_connection_may_have() {
    let flow = raw("");
    let (memory, descriptors) = (flow.resident(), flow.descriptors());
    let headers = headers();
    let slowest = slowest_answer(flow.port(), || {
        let stream = connected(flow.port()).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let reading = thread::spawn(move || frames(stream, Duration::from_secs(3)));
        for call in 0..10_000 {
            let opened = frame(HEADERS, END_HEADERS, 2 * call + 1, &headers);
            // It may have had enough.
            if writing.write_all(&opened).is_err() {
                break;
            }
        }
        let answers = reading.join().unwrap();
        let count = |kind| answers.iter().filter(|answer| **answer == kind).count();
        let (refused, left) = (count(RST_STREAM), count(GOAWAY));
        assert!(refused >= 9000 || left > 0, "{refused} refused");
    });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let grown = flow.peak().saturating_sub(memory);
    assert!(grown < 64 << 20, "{} MiB more", mib(grown));
    wait_for_descriptors(&flow, descriptors + 5);
}

/// A hundred thousand calls that are given up as soon as they are made.
#[test]
fn calls_that_are_reset_at_once() {
    let flow = raw("");
    let (memory, descriptors) = (flow.resident(), flow.descriptors());
    let headers = headers();
    let slowest = slowest_answer(flow.port(), || {
        let mut made = 0;
        let mut connections = 0;
        // Whoever does this has to connect again and again.
        while made < 100_000 && connections < 200 {
            connections += 1;
            let stream = connected(flow.port()).unwrap();
            let mut writing = stream.try_clone().unwrap();
            let reading = thread::spawn(move || frames(stream, Duration::from_secs(3)));
            for call in (0..100_000).map(|call| 2 * call + 1) {
                let mut frames = frame(HEADERS, END_HEADERS, call, &headers);
                frames.extend(frame(RST_STREAM, 0, call, &8_u32.to_be_bytes()));
                if writing.write_all(&frames).is_err() {
                    break;
                }
                made += 1;
                if made == 100_000 {
                    break;
                }
            }
            let _ = writing.shutdown(std::net::Shutdown::Both);
            drop(reading.join().unwrap());
        }
        assert!(connections > 1, "one connection may reset without end");
    });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let grown = flow.peak().saturating_sub(memory);
    assert!(grown < 64 << 20, "{} MiB more", mib(grown));
    wait_for_descriptors(&flow, descriptors + 5);
}

/// Clients that connect, call and leave. With instances of one request, what was called
/// ends with them.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_in_the_middle_of_a_call() {
    const AT_ONCE: usize = 50;
    const CLIENTS: usize = 1000;
    let flow = raw("isolation = \"request\"\ntimeout = \"10m\"\nlimits = { concurrency = 64 }");
    let port = flow.port();
    let leave = async |count: usize| {
        for _ in 0..count / AT_ONCE {
            let leaving = (0..AT_ONCE).map(|_| async {
                let client = client(port).await;
                let call = client
                    .post("/sleep")
                    .docs(DocumentArray::from_texts(["x"]))
                    .parameters(json!({ "seconds": 500 }));
                let left = tokio::time::timeout(Duration::from_millis(100), async { call.await });
                assert!(left.await.is_err(), "the call came back");
            });
            join_all(leaving).await;
        }
    };
    let answered = async || {
        let call = client(port)
            .await
            .post("/ok")
            .docs(DocumentArray::from_texts(["x"]));
        let call = tokio::time::timeout(Duration::from_secs(20), async { call.await });
        call.await.expect("an answer in time").unwrap();
    };
    answered().await;
    let descriptors = flow.descriptors();
    leave(CLIENTS / 5).await;
    answered().await;
    let memory = flow.resident();
    leave(CLIENTS - CLIENTS / 5).await;
    answered().await;
    let grown = flow.resident().saturating_sub(memory);
    assert!(grown < 48 << 20, "{} MiB more", mib(grown));
    tokio::task::block_in_place(|| wait_for_descriptors(&flow, descriptors + 5));
}

/// Ten thousand calls of a hundred documents leave nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_flat_over_ten_thousand_calls() {
    const CLIENTS: usize = 8;
    let flow = Server::run("[[executors]]\nname = \"h\"\nuses = \"{hostile}\"\n");
    let clients = join_all((0..CLIENTS).map(|_| client(flow.port()))).await;
    let call = async |count: usize| {
        let calling = clients.iter().map(|client| async move {
            for _ in 0..count / CLIENTS {
                let docs = DocumentArray::from_texts(vec!["some words to write over"; 100]);
                let docs = client.post("/ok").docs(docs).await.unwrap();
                assert_eq!(docs.len(), 100);
            }
        });
        join_all(calling).await;
    };
    call(2000).await;
    let first = flow.resident();
    call(8000).await;
    let grown = flow.resident().saturating_sub(first);
    assert!(grown < 16 << 20, "{} MiB more", mib(grown));
}
