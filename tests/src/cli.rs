//! The command line, as a user types it.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::setup;

/// Long enough for a build on a slow machine; a command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// `wasm-flow`, with these arguments, ready to run. Nothing of this process's
/// own settings for cargo or for wasm-flow reaches it.
pub fn wasm_flow<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(setup::binary());
    command
        .args(arguments)
        .env("CARGO_TARGET_DIR", setup::target())
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    setup::forget_this_package(&mut command);
    command
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// All that it wrote to stdout.
    pub stdout: String,
    /// All that it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it does not start or does not end.
    pub fn of(command: &mut Command) -> Finished {
        Finished::with_input(command, "")
    }

    /// Runs a command to its end with this on its stdin.
    ///
    /// # Panics
    /// When it does not start or does not end.
    pub fn with_input(command: &mut Command, input: &str) -> Finished {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let mut stdin = child.stdin.take().expect("a piped stdin");
        let input = input.to_owned();
        thread::spawn(move || {
            // A command that does not read its stdin may end before this is written.
            let _ = stdin.write_all(input.as_bytes());
        });
        let stdout = collect(child.stdout.take().expect("a piped stdout"));
        let stderr = collect(child.stderr.take().expect("a piped stderr"));
        let status = wait(&mut child, PATIENCE)
            .unwrap_or_else(|| panic!("{command:?} was still running after {PATIENCE:?}"));
        Finished {
            status,
            stdout: stdout.join().expect("the output's reader"),
            stderr: stderr.join().expect("the output's reader"),
        }
    }

    /// The same, where it has to succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn successfully(command: &mut Command) -> Finished {
        let finished = Finished::of(command);
        assert_eq!(finished.status, Some(0), "{command:?}\n{finished}");
        finished
    }

    /// Fails unless stderr holds every one of these.
    ///
    /// # Panics
    /// When one is missing.
    #[track_caller]
    pub fn complains_of(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks `{part}`\n{self}");
        }
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit status: {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.status, self.stdout, self.stderr
        )
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for a process to end, and ends it where it does not: then there is no
/// answer. The inner option is none where a signal ended it.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> Option<Option<i32>> {
    let until = Instant::now() + patience;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.code());
        }
        if Instant::now() >= until {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
