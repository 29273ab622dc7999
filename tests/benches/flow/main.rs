//! What a flow costs, beside a server that does the same work without one.
//!
//! ```text
//! cargo bench -p wasm-flow-tests --bench flow              # under 3 minutes
//! cargo bench -p wasm-flow-tests --bench flow -- --quick   # about 20 s
//! ```
//!
//! Three tables are printed. The first is of servers ([`served`]): requests per
//! second over gRPC, of `wasm-flow run` and of a plain tonic server ([`native`])
//! that uppercases the same texts. The second is of calls ([`calls`]):
//! microseconds for one call of an executor in this process, without gRPC. The third is
//! of starts ([`starts`]): milliseconds until the first answer.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nobody to tell but who started it"
)]

mod calls;
mod client;
mod native;
mod served;
mod server;
mod starts;
mod statistics;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use wasm_flow_tests::setup;

use workload::Workload;

const USAGE: &str = "\
options, after `--`:
  --quick        shorter rounds and fewer of them, about 20 s in all: for a first look
  --served       the first table only
  --calls        the second table only
  --starts       the third table only
  --only NAME    this row only, beside the native server; of the second table, the rows
                 whose columns, with commas between, hold this
  --workload W   1, 1+embedding, 100 or 100+embedding only, in the first table
  --rounds N     how many rounds of the first table";

/// How long to measure what.
struct Options {
    /// How often every server gets its turn.
    rounds: u32,
    /// A turn under either load.
    load: Duration,
    /// A turn with one request at a time.
    single: Duration,
    /// How often every call gets its turn, and for how long.
    call_rounds: u32,
    call: Duration,
    only: Option<String>,
    workloads: Vec<Workload>,
    served: bool,
    calls: bool,
    starts: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            rounds: 7,
            load: Duration::from_millis(300),
            single: Duration::from_millis(120),
            call_rounds: 11,
            call: Duration::from_millis(30),
            only: None,
            workloads: Workload::ALL.to_vec(),
            served: true,
            calls: true,
            starts: true,
        };
        let mut rounds = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--quick" => {
                    options.rounds = 2;
                    options.load = Duration::from_millis(100);
                    options.single = Duration::from_millis(40);
                    options.call_rounds = 4;
                    options.call = Duration::from_millis(10);
                }
                "--only" => options.only = Some(arguments.next().ok_or("--only what?")?),
                "--workload" => {
                    let name = arguments.next();
                    let known = |workload: &Workload| Some(workload.name()) == name;
                    options.workloads.retain(known);
                    if options.workloads.is_empty() {
                        return Err(
                            "--workload takes 1, 1+embedding, 100 or 100+embedding".to_owned()
                        );
                    }
                }
                "--rounds" => {
                    let count = arguments.next().and_then(|count| count.parse().ok());
                    rounds = Some(
                        count
                            .filter(|count| *count > 0)
                            .ok_or("--rounds takes a number from 1")?,
                    );
                }
                "--served" => (options.calls, options.starts) = (false, false),
                "--calls" => (options.served, options.starts) = (false, false),
                "--starts" => (options.served, options.calls) = (false, false),
                other => return Err(format!("`{other}` is no option")),
            }
        }
        options.rounds = rounds.unwrap_or(options.rounds);
        Ok(options)
    }
}

fn main() {
    if server::played_role() {
        return;
    }
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            std::process::exit(2);
        }
    };
    let executor = executor();
    if options.served {
        served::run(&executor, &options);
    }
    if options.calls {
        calls::run(&executor, &options);
    }
    // It has no rows to choose from.
    if options.starts && options.only.is_none() {
        starts::run(&options);
    }
}

/// Builds the executor of all flows, and says where it is.
fn executor() -> PathBuf {
    const PACKAGE: &str = "uppercase";
    const TARGET: &str = "wasm32-wasip2";
    setup::wasm_targets();
    let built = setup::cargo()
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            TARGET,
            "--package",
            PACKAGE,
        ])
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the executor of the benchmark, tests/guests/{PACKAGE}, was not built"
    );
    setup::component(TARGET, PACKAGE)
}
