//! A soak: mixed load at several times what the server can do, a tenth of it hostile.
//!
//! Every answer to who behaves is right or says that there is no room, none is lost, and
//! what the server takes of the machine does not grow. 16 seconds, and some 20 more to begin
//! and to end, or as many as `WASM_FLOW_SOAK_SECONDS` says.

mod clients;
mod load;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wasm_flow_tests::Server;
use wasm_flow_tests::vitals::{Slack, Vitals};

use clients::HostileClients;
use load::{Load, Tally, percentiles};
use requests::{ATTACK_COUNT, Shot, attack_name};

/// How long all of it takes, without what it takes to start and to stop.
const SECONDS: &str = "WASM_FLOW_SOAK_SECONDS";
const DEFAULT_SECONDS: f64 = 16.0;
/// To find out what the server can do.
const MEASURED: Duration = Duration::from_secs(2);
/// How many times that is asked of it.
const OVERLOAD: f64 = 3.0;
/// A soak of that length has time for each attack, and for memory to come to its most: the
/// system's allocator keeps some for each thread, and threads get their turns at attacks
/// that take much.
const LONG: Duration = Duration::from_secs(300);
/// The most memory that the server may have: what all instances of the flow below may have
/// (1.2 GiB), and what eight of them may hand over at once.
const MOST_MEMORY: u64 = 2 << 30;

const FLOW: &str = r#"
[[executors]]
name = "shared"
uses = "{twins}"
replicas = 2
uses_requests = { "/digest" = "digest", "/tenth" = "tenth" }
limits = { concurrency = 8, queue = 64, memory = "64MiB" }

[[executors]]
name = "fresh"
uses = "{twins}"
isolation = "request"
uses_requests = { "/digest" = "digest" }
limits = { concurrency = 8, queue = 64, memory = "64MiB" }

[[executors]]
name = "probe"
uses = "{probe}"
limits = { queue = 1000 }

[[executors]]
name = "mob"
uses = "{hostile}"
replicas = 2
timeout = "1s"
limits = { concurrency = 4, queue = 16, memory = "32MiB", background = "200ms" }

[[executors]]
name = "loner"
uses = "{hostile}"
isolation = "request"
timeout = "1s"
limits = { concurrency = 8, queue = 16, memory = "32MiB" }

[[executors]]
name = "raw"
uses = "{raw}"
timeout = "1s"
limits = { concurrency = 4, queue = 16, memory = "32MiB", background = "200ms" }

[[executors]]
name = "outcast"
uses = "{raw}"
isolation = "request"
timeout = "1s"
limits = { concurrency = 4, queue = 16, memory = "64MiB" }
"#;

fn time() -> Duration {
    let seconds = match std::env::var(SECONDS) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SECONDS} is {text:?}, not a number of seconds")),
        Err(_) => DEFAULT_SECONDS,
    };
    Duration::from_secs_f64(seconds)
}

#[test]
fn what_behaves_is_served_whatever_else_comes() {
    let _turn = crate::alone();
    let (quiet_time, hostile_time) = (time() / 4, time() * 3 / 4);
    let mut server = Server::run(FLOW);
    server.keep_no_output();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let load = runtime.block_on(Load::connect(server.port()));

    let capacity = runtime.block_on(load.closed(32, MEASURED));
    is_right("measuring", &capacity);
    let rate = capacity.shots as f64 / capacity.time.as_secs_f64();
    let before = Vitals::of(&server);

    let quiet = runtime.block_on(load.open(rate * OVERLOAD, quiet_time, Shot::well_behaved));
    is_right("without attacks", &quiet);
    let hostile_clients = HostileClients::start(server.port());
    let memory = Memory::watch(&server);
    let hostile = runtime.block_on(load.open(rate * OVERLOAD, hostile_time, Shot::tenth_hostile));
    let memory = memory.stop();
    let by_clients = hostile_clients.stop();
    is_right("with attacks", &hostile);

    drop(load);
    drop(runtime);
    let (early, late) = memory.growth();
    println!("attacks of clients: {by_clients}");
    println!(
        "memory at most: early {} MiB, late {} MiB",
        early >> 20,
        late >> 20
    );
    println!("before: {before}; peak {} MiB", server.peak() >> 20);
    println!("at once after: {}", Vitals::of(&server));
    let slack = Slack {
        // What of it is free is the allocator's to keep.
        memory: MOST_MEMORY,
        threads: 32,
        descriptors: 4,
    };
    let begin = Instant::now();
    let after = before.returns(&server, slack);
    println!("after {:?}: {after}", begin.elapsed());

    // Attacks were made, and there was too much of the rest.
    assert!(quiet.refused > 0, "it was not more than can be served");
    assert!(by_clients > 20, "{by_clients} attacks of clients");
    let without_effect: Vec<String> = (0..ATTACK_COUNT)
        .filter(|attack| !hostile.by_design.contains_key(attack))
        .map(attack_name)
        .collect();
    let most = match time() >= LONG {
        true => 0,
        false => ATTACK_COUNT / 2,
    };
    assert!(
        without_effect.len() <= most,
        "these never came to anything: {without_effect:?}"
    );
    // Others were served all along.
    let (served, alone) = (hostile.served_a_second(), quiet.served_a_second());
    assert!(served > alone / 20.0, "{served:.0} of {alone:.0} a second");
    let (_, bystander) = percentiles(hostile.bystander);
    assert!(bystander < 5000.0, "bystander: {bystander:.0} ms");
    let peak = server.peak();
    assert!(peak < MOST_MEMORY, "{} MiB at most", peak >> 20);
    assert!(
        time() < LONG || late < early + early / 4 + (64 << 20),
        "memory grows"
    );

    assert!(server.runs(), "the server has ended");
    let begin = Instant::now();
    server.signal(Signal::TERM);
    let ended = server.ended();
    println!("stopped within {:?}", begin.elapsed());
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(!ended.stderr.contains("panicked at host/"), "{ended}");
}

/// Prints what became of some load, and fails if any of it must not be.
#[track_caller]
fn is_right(what: &str, tally: &Tally) {
    let (busy, busy_most) = percentiles(tally.busy.clone());
    let (bystander, bystander_most) = percentiles(tally.bystander.clone());
    println!(
        "{what}: {} sent in {:.1} s, the last answered {:.1} s later; {} served ({:.0} a second), \
         {} refused; hostile: {} failed by design, {} refused; failed otherwise {}, lost {}",
        tally.sent,
        tally.time.as_secs_f64(),
        tally.rest.as_secs_f64(),
        tally.served,
        tally.served_a_second(),
        tally.refused,
        tally.designed(),
        tally.hostile_refused,
        tally.otherwise,
        tally.lost,
    );
    println!(
        "    served: p50 {busy:.1} ms, p99 {busy_most:.1} ms; bystander: p50 {bystander:.1} ms, \
         p99 {bystander_most:.1} ms"
    );
    assert_eq!((tally.otherwise, tally.lost), (0, 0), "{:#?}", tally.kept);
    let counted = tally.served + tally.refused + tally.designed() + tally.hostile_refused;
    assert_eq!(counted, tally.sent);
}

/// Samples of a server's memory.
struct Memory {
    stop: Arc<AtomicBool>,
    samples: thread::JoinHandle<Vec<u64>>,
}

/// The samples that were taken.
struct Samples(Vec<u64>);

impl Memory {
    fn watch(server: &Server) -> Memory {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, process) = (Arc::clone(&stop), server.process());
        let samples = thread::spawn(move || {
            let mut samples = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                samples.extend(process.resident());
                thread::sleep(Duration::from_millis(250));
            }
            samples
        });
        Memory { stop, samples }
    }

    fn stop(self) -> Samples {
        self.stop.store(true, Ordering::Relaxed);
        Samples(self.samples.join().expect("samples"))
    }
}

impl Samples {
    /// The most of the first half, and the most of the second.
    fn growth(&self) -> (u64, u64) {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
        (most(first), most(second))
    }
}
