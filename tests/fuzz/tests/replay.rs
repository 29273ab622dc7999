//! Runs every target on its corpus, on variations of that, and on random input:
//! what `cargo fuzz` does without its search, on machines that have none.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use arbitrary::{Result, Unstructured};

/// How long each target is tried, in seconds.
const SECONDS: &str = "WASM_FLOW_FUZZ_SECONDS";

fn time() -> Duration {
    let seconds = match std::env::var(SECONDS) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SECONDS} is {text:?}, not a number of seconds")),
        Err(_) => 1.5,
    };
    Duration::from_secs_f64(seconds)
}

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut corpus = Vec::new();
    for file in fs::read_dir(&folder).unwrap() {
        corpus.push(fs::read(file.unwrap().path()).unwrap());
    }
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus.iter().for_each(|data| target(data));
    arbtest::arbtest(|u| {
        let data = match u.arbitrary()? {
            true => varied(u, &corpus)?,
            false => u.bytes(u.len())?.to_vec(),
        };
        target(&data);
        Ok(())
    })
    .budget(time());
}

/// Some file of the corpus, with bytes changed, taken away, or put in from another.
fn varied(u: &mut Unstructured<'_>, corpus: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut data = u.choose(corpus)?.clone();
    for _ in 0..u.int_in_range(0..=8)? {
        let at = u.int_in_range(0..=data.len())?;
        match u.int_in_range(0..=3)? {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = u.arbitrary()?;
                }
            }
            1 => {
                let end = u.int_in_range(at..=data.len())?;
                data.drain(at..end);
            }
            2 => data.insert(at, u.arbitrary()?),
            _ => {
                let other = u.choose(corpus)?;
                let start = u.int_in_range(0..=other.len())?;
                let end = u.int_in_range(start..=other.len())?;
                data.splice(at..at, other[start..end].iter().copied());
            }
        }
    }
    Ok(data)
}

#[test]
fn documents() {
    run("documents", wasm_flow_fuzz::documents);
}

#[test]
fn differential() {
    run("differential", wasm_flow_fuzz::differential);
}

#[test]
fn structs() {
    run("structs", wasm_flow_fuzz::structs);
}

#[test]
fn json() {
    run("json", wasm_flow_fuzz::json);
}

#[test]
fn live() {
    run("live", wasm_flow_fuzz::live);
}

#[test]
fn frame() {
    run("frame", wasm_flow_fuzz::frame);
}

#[test]
fn flow_toml() {
    run("flow_toml", wasm_flow_fuzz::flow_toml);
}

#[test]
fn query() {
    run("query", wasm_flow_fuzz::query);
}

#[test]
fn flow_yaml() {
    run("flow_yaml", wasm_flow_fuzz::flow_yaml);
}

#[test]
fn call() {
    run("call", wasm_flow_fuzz::call);
}

#[test]
fn hub() {
    run("hub", wasm_flow_fuzz::hub);
}
