//! The quickstart, from the start of the program to its first answer.

use std::path::Path;
use std::time::Instant;

use wasm_flow_tests::{Finished, Running, repository, wasm_flow};

use crate::Options;
use crate::statistics::{Ratios, median, table};

/// What the program finds of earlier starts.
struct Case {
    what: &'static str,
    /// That its executors are as they were built, without asking cargo.
    builds: bool,
    /// The code that it has compiled of them.
    code: bool,
    /// Milliseconds, a value a round.
    measured: Vec<f64>,
}

pub(crate) fn run(options: &Options) {
    let case = |what, builds, code| Case {
        what,
        builds,
        code,
        measured: Vec::new(),
    };
    let mut cases = [
        case("the first after a build: compiles", true, false),
        case("the second", true, true),
        case("the second, and asks cargo of each folder", false, true),
    ];
    eprintln!(
        "measuring starts of the quickstart, {} rounds",
        options.rounds
    );
    let kept = tempfile::tempdir().expect("a folder");
    // Builds, and leaves all that a second start finds.
    start(kept.path(), kept.path());
    for _ in 0..options.rounds {
        for case in &mut cases {
            let new = tempfile::tempdir().expect("a folder");
            let of = |kept_there| match kept_there {
                true => kept.path(),
                false => new.path(),
            };
            case.measured.push(start(of(case.builds), of(case.code)));
        }
    }
    let second = cases[1].measured.clone();
    let rows: Vec<Vec<String>> = cases
        .iter()
        .map(|case| {
            let least = case.measured.iter().copied().fold(f64::INFINITY, f64::min);
            let median = median(case.measured.clone()).unwrap_or_default();
            vec![
                case.what.to_owned(),
                format!("{median:.0}"),
                format!("{least:.0}"),
                Ratios::new(&case.measured, &second).shown(),
            ]
        })
        .collect();
    println!(
        "\nStarts of the quickstart's four executors, from the program's start to the first answer.\n"
    );
    println!(
        "{}",
        table(&["start", "median ms", "least ms", "to the second"], &rows)
    );
}

/// Milliseconds from the program's start to its first answer.
fn start(builds: &Path, code: &Path) -> f64 {
    let mut command = wasm_flow([
        "run",
        "examples/quickstart/flow.toml",
        "--on",
        "/index",
        "--text",
        "The library closes at six.",
    ]);
    command
        .current_dir(repository())
        .env("WASM_FLOW_DATA", builds)
        .env("WASM_FLOW_CACHE", code);
    let begin = Instant::now();
    let mut program = Running::start(&mut command);
    program.lines(1);
    let took = begin.elapsed();
    let Finished { status, .. } = program.finish();
    assert_eq!(status, Some(0), "the quickstart ran");
    took.as_secs_f64() * 1e3
}
