//! Clients that do harm while others are served.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;
use wasm_flow::Client;
use wasm_flow_document::DocumentArray;
use wasm_flow_tests::http2::{
    DATA, END_HEADERS, HEADERS, PREFACE, RST_STREAM, connected, frame, headers,
};

/// The pause of a hostile client between two attacks.
const PAUSE: Duration = Duration::from_millis(20);

/// An attack on a port. That the server ends it is no failure.
type Attack = fn(u16) -> io::Result<()>;

const ATTACKS: [Attack; 8] = [
    garbage,
    garbage_frames,
    half_a_preface,
    half_the_headers,
    half_a_message,
    a_huge_message,
    resets,
    not_reading,
];

/// Hostile clients that go on until they are stopped.
pub(super) struct HostileClients {
    stop: Arc<AtomicBool>,
    attacks: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl HostileClients {
    /// Begins.
    pub(super) fn start(port: u16) -> HostileClients {
        let (stop, attacks) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut threads = Vec::new();
        let (stopped, made) = (Arc::clone(&stop), Arc::clone(&attacks));
        threads.push(thread::spawn(move || {
            for attack in ATTACKS.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let _ = attack(port);
                made.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        }));
        let (stopped, made) = (Arc::clone(&stop), Arc::clone(&attacks));
        threads.push(thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            while !stopped.load(Ordering::Relaxed) {
                runtime.block_on(leaves_early(port));
                made.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        }));
        HostileClients {
            stop,
            attacks,
            threads,
        }
    }

    /// Ends them, and says how many attacks they made.
    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a hostile client that works");
        }
        self.attacks.load(Ordering::Relaxed)
    }
}

/// Bytes without a meaning, always the same.
fn noise(count: u32) -> Vec<u8> {
    (0..count)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// The frame of a piece of a message.
fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

fn garbage(port: u16) -> io::Result<()> {
    TcpStream::connect(("127.0.0.1", port))?.write_all(&noise(100_000))
}

fn garbage_frames(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &headers()))?;
    // A message that is no request, and then what is no frame.
    stream.write_all(&data(1, &[&[0, 0, 0, 3, 0], &noise(768)[..]].concat()))?;
    stream.write_all(&noise(10_000))
}

fn half_a_preface(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let (half, _) = PREFACE.split_at(PREFACE.len() / 2);
    stream.write_all(half)?;
    thread::sleep(Duration::from_millis(100));
    Ok(())
}

fn half_the_headers(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    stream.write_all(&frame(HEADERS, 0, 1, &headers()))?;
    thread::sleep(Duration::from_millis(100));
    Ok(())
}

/// A message of a megabyte of which only the half comes.
fn half_a_message(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &headers()))?;
    stream.write_all(&data(1, &[0, 0, 0x10, 0, 0]))?;
    for _ in 0..32 {
        stream.write_all(&data(1, &noise(16_384)))?;
    }
    Ok(())
}

/// One that says that it has four gigabytes.
fn a_huge_message(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &headers()))?;
    stream.write_all(&data(1, &[0, 0xff, 0xff, 0xff, 0xff]))?;
    for _ in 0..200 {
        stream.write_all(&data(1, &noise(16_384)))?;
    }
    Ok(())
}

/// Calls that are given up as soon as they are made.
fn resets(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    for call in (0..1000).map(|call| 2 * call + 1) {
        let mut frames = frame(HEADERS, END_HEADERS, call, &headers());
        frames.extend(frame(RST_STREAM, 0, call, &8_u32.to_be_bytes()));
        stream.write_all(&frames)?;
    }
    Ok(())
}

/// Many calls whose answers nobody reads.
fn not_reading(port: u16) -> io::Result<()> {
    let mut stream = connected(port)?;
    for call in (0..500).map(|call| 2 * call + 1) {
        stream.write_all(&frame(HEADERS, END_HEADERS, call, &headers()))?;
        // A request without anything in it.
        stream.write_all(&data(call, &[0, 0, 0, 0, 0]))?;
    }
    thread::sleep(Duration::from_millis(300));
    Ok(())
}

/// Leaves in the middle of calls: one that sleeps, and one that computes.
async fn leaves_early(port: u16) {
    let Ok(client) = Client::connect(&format!("grpc://127.0.0.1:{port}")).await else {
        return;
    };
    for endpoint in ["/sleep", "/spin"] {
        let post = client
            .post(endpoint)
            .target_executor("loner")
            .parameters(json!({ "seconds": 60 }))
            .docs(DocumentArray::from_texts(["x"]));
        drop(tokio::time::timeout(PAUSE, async { post.await }).await);
    }
}
