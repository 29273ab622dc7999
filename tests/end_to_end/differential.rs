//! Random flows on the real Jina and on wasm-flow. They answer the same, but for what the
//! table in `docs/flows.md` says. `tests/python/differential` has all of it; this starts it.
//!
//! A plain run takes a few cases, the same each time. `.ci/long` takes many, and others each
//! time: what fails is printed, with the number that makes the case again.
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `WASM_FLOW_DIFFERENTIAL_CASES` | how many cases |
//! | `WASM_FLOW_DIFFERENTIAL_SEED` | the number of the first; without it, any if there are many |
//! | `WASM_FLOW_DIFFERENTIAL_CASE` | the number of the only one |

use std::env;
use std::process::Stdio;

use wasm_flow_tests::{guest, python, setup};

/// The cases of a plain run. Together they have a bit of everything.
const FEW: [&str; 5] = ["--cases", "6", "--seed", "353", "--complete"];

#[test]
fn random_flows_answer_as_on_jina_but_for_the_rows_of_the_table() {
    let setting = |name: &str| env::var(format!("WASM_FLOW_DIFFERENTIAL_{name}")).ok();
    let settings = ["cases", "seed", "case"].into_iter().filter_map(|name| {
        let value = setting(&name.to_uppercase())?;
        Some([format!("--{name}"), value])
    });
    let mut arguments: Vec<String> = settings.flatten().collect();
    if arguments.is_empty() {
        arguments = FEW.map(str::to_owned).to_vec();
    }
    let mut command = python::interpreter();
    command
        .args(["-m", "differential"])
        .arg("--binary")
        .arg(setup::binary())
        .arg("--component")
        .arg(guest("twins"))
        .args(&arguments)
        // The order of Python's sets is a part of what Jina answers at a join.
        .env("PYTHONHASHSEED", "0")
        .env("JINA_LOG_LEVEL", "CRITICAL")
        .stdin(Stdio::null());
    // A long run is watched, so it prints as it goes.
    let status = command.status().expect("Python starts");
    assert!(status.success(), "{command:?}");
}
