//! The real Jina client, in a Python process.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cli::Finished;
use crate::setup;

/// What a Python snippet gave back.
#[derive(Debug)]
pub struct Python {
    /// What it passed to `answer`; null where it did not.
    pub answer: Value,
    /// What it printed, and what the client's progress bar drew.
    pub output: String,
}

impl Python {
    /// Runs a snippet with all of `tests/python/wf.py` at hand. A snippet may be
    /// indented as a whole.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(port: u16, snippet: &str) -> Python {
        let folder = tempfile::tempdir().expect("a folder for the snippet");
        let script = folder.path().join("snippet.py");
        let answer = folder.path().join("answer.json");
        let text = format!("from wf import *\n{}\n", dedented(snippet));
        fs::write(&script, &text).expect("the snippet's file");
        let mut command = interpreter();
        command
            .arg(&script)
            .current_dir(folder.path())
            // Wide enough for the progress bar to stay on one line.
            .env("COLUMNS", "200")
            .env("WASM_FLOW_TEST_PORT", port.to_string())
            .env("WASM_FLOW_TEST_ANSWER", &answer);
        let finished = Finished::of(&mut command);
        assert_eq!(
            finished.status,
            Some(0),
            "this snippet failed:\n{text}\n{finished}"
        );
        let answer = match fs::read(&answer) {
            Ok(json) => serde_json::from_slice(&json).expect("what `answer` wrote is JSON"),
            Err(_) => Value::Null,
        };
        Python {
            answer,
            output: finished.stdout + &finished.stderr,
        }
    }
}

/// The Python with the real Jina, which finds what is in `tests/python`.
pub fn interpreter() -> Command {
    let mut command = Command::new(setup::python());
    command
        .env("PYTHONPATH", setup::repository().join("tests/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Jina would tell its makers of each client and each flow.
        .env("JINA_OPTOUT_TELEMETRY", "1")
        // What a proxy would make of loopback is not what is tested.
        .env("no_proxy", "*");
    command
}

/// Without the white space that all lines begin with.
fn dedented(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or_default();
    text.lines()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}
