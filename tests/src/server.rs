//! The binary under test as a server: `wasm-flow run` and `wasm-flow serve`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{self, Finished, wasm_flow};
use crate::python::Python;
use crate::{languages, setup};

/// A server that builds its executors first may take this long to be ready.
const STARTS_WITHIN: Duration = Duration::from_secs(600);
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// A running `wasm-flow run` or `wasm-flow serve`. It ends with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    written: Arc<Written>,
    port: u16,
    folder: Option<TempDir>,
}

/// What a server has written so far.
#[derive(Debug, Default)]
struct Written {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Value>,
    stderr: String,
    streams_open: u32,
    /// What executors print is not kept.
    is_deaf: bool,
}

/// A server's process.
#[derive(Debug, Clone, Copy)]
pub struct Process(u32);

impl Process {
    /// Bytes of memory that it has; none once it has ended.
    pub fn resident(self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    /// Whether it is there, and has not ended.
    pub fn lives(self) -> bool {
        self.resident().is_some()
    }

    fn memory(self, key: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// How many entries a folder of the system's about it has.
    fn count(self, folder: &str) -> Option<usize> {
        let entries = fs::read_dir(format!("/proc/{}/{folder}", self.0)).ok()?;
        Some(entries.count())
    }
}

impl Server {
    /// Runs a flow from a fresh folder. `{folder}` in the text stands for the folder,
    /// and the name of a guest or of a language, as in `{probe}` or `{python}`, for
    /// its component.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn run(toml: &str) -> Server {
        Server::run_with(toml, |_| {})
    }

    /// The same, with the command changed before it runs.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn run_with(toml: &str, change: impl FnOnce(&mut Command)) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the flow");
        let file = write_flow(folder.path(), toml);
        let mut command = run_command(&file);
        change(&mut command);
        let mut server = Server::start(command);
        server.folder = Some(folder);
        server
    }

    /// Runs an example's flow as it stands in the repository, by the path of
    /// its folder below `examples/`.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn example(path: &str) -> Server {
        setup::wasm_targets();
        let file = setup::repository()
            .join("examples")
            .join(path)
            .join("flow.toml");
        Server::start(run_command(&file))
    }

    /// Serves one executor alone: `wasm-flow serve` with these arguments.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn serve<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Server {
        let mut command = wasm_flow(["--format", "json", "serve"]);
        command.args(arguments);
        Server::start(command)
    }

    /// Tries to run a flow that cannot start.
    ///
    /// # Panics
    /// When it starts.
    #[track_caller]
    pub fn refused(toml: &str) -> Finished {
        let folder = tempfile::tempdir().expect("a folder for the flow");
        let file = write_flow(folder.path(), toml);
        let mut server = Server::spawn(run_command(&file));
        match server.ready() {
            Some(_) => panic!("the flow started:\n{toml}"),
            None => server.ended(),
        }
    }

    #[track_caller]
    fn start(command: Command) -> Server {
        let shown = format!("{command:?}");
        let mut server = Server::spawn(command);
        match server.ready() {
            Some(port) => {
                server.port = port;
                server
            }
            None => panic!("{shown} did not come up\n{}", server.ended()),
        }
    }

    fn spawn(mut command: Command) -> Server {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let written = Arc::new(Written::default());
        written.lock().streams_open = 2;
        let stdout = child.stdout.take().expect("a piped stdout");
        let events = Arc::clone(&written);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line)
                    .unwrap_or_else(|_| Value::String(format!("not JSON: {line}")));
                events.change(|state| {
                    let kind = event.get("event").and_then(Value::as_str);
                    let is_output = matches!(kind, Some("output" | "log"));
                    if !(state.is_deaf && is_output) {
                        state.events.push(event);
                    }
                });
            }
            events.change(|state| state.streams_open -= 1);
        });
        let mut stderr = child.stderr.take().expect("a piped stderr");
        let messages = Arc::clone(&written);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                let text =
                    String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
                messages.change(|state| state.stderr.push_str(&text));
            }
            messages.change(|state| state.streams_open -= 1);
        });
        Server {
            child,
            written,
            port: 0,
            folder: None,
        }
    }

    /// Waits for the server to say that it serves, or to end.
    fn ready(&mut self) -> Option<u16> {
        let is_ready = |state: &State| {
            let ready = state
                .events
                .iter()
                .find(|event| event["event"] == "ready")?;
            ready["port"]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
        };
        self.written.wait(STARTS_WITHIN, |state| {
            is_ready(state).is_some() || state.streams_open == 0
        });
        is_ready(&self.written.lock())
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The port that it serves on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that its flow.toml is in, where that was made for it.
    ///
    /// # Panics
    /// Where it was not.
    pub fn folder(&self) -> &Path {
        self.folder
            .as_ref()
            .expect("a flow with a folder of its own")
            .path()
    }

    /// Runs a Python snippet against it, and gives what that answered.
    ///
    /// # Panics
    /// When the snippet fails; the server's output is part of the message.
    #[track_caller]
    pub fn python(&self, snippet: &str) -> Value {
        self.python_with_output(snippet).answer
    }

    /// The same, with what the snippet printed.
    ///
    /// # Panics
    /// When the snippet fails.
    #[track_caller]
    pub fn python_with_output(&self, snippet: &str) -> Python {
        Python::run(self.port, snippet)
    }

    /// The lines that executors have printed so far, as (executor, line).
    pub fn printed(&self) -> Vec<(String, String)> {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        self.written
            .lock()
            .events
            .iter()
            .filter(|event| event["event"] == "output")
            .map(|event| (text(event, "executor"), text(event, "line")))
            .collect()
    }

    /// Waits until executors have printed this many lines.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn printed_lines(&self, count: usize) -> Vec<String> {
        let outputs = |state: &State| {
            state
                .events
                .iter()
                .filter(|event| event["event"] == "output")
                .count()
        };
        self.written
            .wait(Duration::from_secs(20), |state| outputs(state) >= count);
        let lines: Vec<String> = self.printed().into_iter().map(|(_, line)| line).collect();
        assert!(
            lines.len() >= count,
            "{count} lines of output expected, there are {lines:?}"
        );
        lines
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.written.lock().stderr.clone()
    }

    /// Waits until it has written this to stderr.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) {
        self.written
            .wait(Duration::from_secs(20), |state| state.stderr.contains(text));
        let stderr = &self.written.lock().stderr;
        assert!(
            stderr.contains(text),
            "`{text}` is not on stderr:\n{stderr}"
        );
    }

    /// Waits until it has reported this many events of a kind.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_for_events(&self, kind: &str, count: usize) -> Vec<Value> {
        let are_there = |state: &State| -> Vec<Value> {
            let events = state.events.iter();
            events
                .filter(|event| event["event"] == kind)
                .cloned()
                .collect()
        };
        self.written
            .wait(STARTS_WITHIN, |state| are_there(state).len() >= count);
        let events = are_there(&self.written.lock());
        assert!(
            events.len() >= count,
            "{count} events `{kind}` expected, there are {events:?}"
        );
        events
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.expect("a process has an id");
        kill_process(id, signal).expect("a signal to the server");
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Forgets what executors print from here on: in a long test it is too much.
    pub fn keep_no_output(&self) {
        self.written.lock().is_deaf = true;
    }

    /// Bytes of memory that it has.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn resident(&self) -> u64 {
        self.process().resident().expect("its memory in kB")
    }

    /// The most bytes of memory that it has had.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn peak(&self) -> u64 {
        let peak = self.process().memory("VmHWM:");
        peak.expect("its memory in kB")
    }

    /// How many files, sockets among them, it has open.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn descriptors(&self) -> usize {
        self.process().count("fd").expect("the server's open files")
    }

    /// How many threads it has.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn threads(&self) -> usize {
        self.process().count("task").expect("the server's threads")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for it to end.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ended(&mut self) -> Finished {
        let status = cli::wait(&mut self.child, STOPS_WITHIN);
        self.written
            .wait(Duration::from_secs(5), |state| state.streams_open == 0);
        let state = self.written.lock();
        let stdout = state
            .events
            .iter()
            .map(|event| format!("{event}\n"))
            .collect();
        let finished = Finished {
            status: status.flatten(),
            stdout,
            stderr: state.stderr.clone(),
        };
        assert!(status.is_some(), "the server did not stop\n{finished}");
        finished
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let state = self.written.lock();
            eprintln!("--- the server's stdout");
            for event in &state.events {
                eprintln!("{event}");
            }
            eprintln!("--- the server's stderr\n{}", state.stderr);
        }
    }
}

impl Written {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until something holds, or for so long.
    fn wait(&self, patience: Duration, holds: impl Fn(&State) -> bool) {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        while !holds(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

fn run_command(file: &Path) -> Command {
    let mut command = wasm_flow(["--format", "json", "run"]);
    command.arg(file).args(["--port", "0"]);
    command
}

/// Writes a flow.toml, with the places named in braces filled in.
pub fn write_flow(folder: &Path, toml: &str) -> PathBuf {
    let file = folder.join("flow.toml");
    fs::write(&file, filled_in(folder, toml)).expect("a flow.toml");
    file
}

fn filled_in(folder: &Path, toml: &str) -> String {
    let mut text = toml.replace("{folder}", &folder.display().to_string());
    let guests = setup::GUESTS.iter().map(|name| (*name, setup::guest as _));
    let others = languages::LANGUAGES
        .iter()
        .map(|name| (*name, languages::component as fn(&str) -> PathBuf));
    for (name, component) in guests.chain(others) {
        let place = format!("{{{name}}}");
        if text.contains(&place) {
            text = text.replace(&place, &component(name).display().to_string());
        }
    }
    text
}
