//! The command line, as a user types it.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

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
        .env("WASM_FLOW_DATA", setup::work_folder())
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

/// A command that runs, with the streams in the test's hands: what is not read
/// stays in the pipe.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<thread::JoinHandle<String>>,
}

impl Running {
    /// Starts a command. Its stderr is read from the beginning.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let stderr = collect(child.stderr.take().expect("a piped stderr"));
        Running {
            shown: format!("{command:?}"),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: Some(stderr),
            child,
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its stdin.
    ///
    /// # Panics
    /// When it does not take that.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an open stdin");
        stdin
            .write_all(text.as_bytes())
            .expect("it reads its stdin");
        stdin.flush().expect("it reads its stdin");
    }

    /// Writes the same to its stdin again and again, until it takes no more.
    pub fn write_for_ever(&mut self, text: &'static str) {
        let mut stdin = self.stdin.take().expect("an open stdin");
        thread::spawn(move || while stdin.write_all(text.as_bytes()).is_ok() {});
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the next lines of its stdout, without their ends. No byte behind
    /// them is taken out of the pipe.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn lines(&mut self, count: usize) -> Vec<String> {
        let mut stdout = self.stdout.take().expect("an open stdout");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = Vec::new();
            let mut line = Vec::new();
            let mut byte = [0];
            while lines.len() < count && matches!(stdout.read(&mut byte), Ok(1)) {
                match byte {
                    [b'\n'] => {
                        lines.push(String::from_utf8_lossy(&line).into_owned());
                        line.clear();
                    }
                    [byte] => line.push(byte),
                }
            }
            let _ = sender.send((lines, stdout));
        });
        match receiver.recv_timeout(PATIENCE / 5) {
            Ok((lines, stdout)) if lines.len() == count => {
                self.stdout = Some(stdout);
                lines
            }
            Ok((lines, _)) => {
                let finished = self.finish();
                panic!(
                    "{}: {count} lines expected, there are {lines:?}\n{finished}",
                    self.shown
                )
            }
            Err(_) => {
                let _ = self.child.kill();
                let finished = self.finish();
                panic!("{}: {count} lines did not come\n{finished}", self.shown)
            }
        }
    }

    /// Reads this many bytes of its stdout, and lets them go.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn skip(&mut self, bytes: u64) {
        let stdout = self.stdout.as_mut().expect("an open stdout");
        let read = std::io::copy(&mut stdout.take(bytes), &mut std::io::sink());
        assert_eq!(read.expect("a stdout"), bytes, "{} ended early", self.shown);
    }

    /// Closes the reading end of its stdout.
    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has an id"), signal).expect("a signal");
    }

    /// The most memory that it has had until now, in bytes.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a process that runs");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak.expect("its peak memory") * 1024
    }

    /// Reads the rest of its stdout, if that is open, and waits for it to end.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn finish(&mut self) -> Finished {
        self.stdin = None;
        let stdout = self.stdout.take().map(collect);
        self.wait(stdout)
    }

    /// Waits for it to end without reading its stdout.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn finish_unread(&mut self) -> Finished {
        self.stdin = None;
        self.wait(None)
    }

    #[track_caller]
    fn wait(&mut self, stdout: Option<thread::JoinHandle<String>>) -> Finished {
        let status = wait(&mut self.child, PATIENCE / 10);
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.map_or_else(String::new, |reader| reader.join().expect("a reader"))
        };
        let finished = Finished {
            status: status.flatten(),
            stdout: text(stdout),
            stderr: text(self.stderr.take()),
        };
        assert!(status.is_some(), "{} did not end\n{finished}", self.shown);
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
