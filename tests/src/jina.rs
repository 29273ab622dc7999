//! The real Jina as a server.

use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::python::{self, Python};
use crate::setup;

/// Importing jina and starting its processes takes seconds on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_secs(180);

/// A running server of `tests/python/jina_server.py`. It ends with this value.
#[derive(Debug)]
pub struct Jina {
    child: Child,
    port: u16,
}

impl Jina {
    /// An Executor of this name, alone.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn executor(name: &str, port: u16) -> Jina {
        Jina::start(["executor", name, &port.to_string()], port)
    }

    /// A Flow of these nodes: the arguments of `Flow.add`.
    ///
    /// # Panics
    /// When it does not come up.
    #[track_caller]
    pub fn flow(nodes: &Value) -> Jina {
        let port = free_port();
        Jina::start(["flow", &port.to_string(), &nodes.to_string()], port)
    }

    #[track_caller]
    fn start<const N: usize>(arguments: [&str; N], port: u16) -> Jina {
        let script = setup::repository().join("tests/python/jina_server.py");
        let mut child = python::interpreter()
            .arg(script)
            .args(arguments)
            // Its processes end with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        let stdout = child.stdout.take().expect("a piped stdout");
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line == "ready" {
                    let _ = ready.send(());
                }
            }
        });
        let mut stderr = child.stderr.take().expect("a piped stderr");
        let messages = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut server = Jina { child, port };
        if is_ready.recv_timeout(STARTS_WITHIN).is_err() {
            server.kill();
            panic!(
                "Jina did not come up with {arguments:?}\n{}",
                messages.join().unwrap_or_default()
            );
        }
        server
    }

    /// The port that it serves on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a Python snippet against it, and gives what that answered.
    ///
    /// # Panics
    /// When the snippet fails.
    #[track_caller]
    pub fn python(&self, snippet: &str) -> Value {
        Python::run(self.port, snippet).answer
    }

    /// Ends it and all of its processes, at once.
    pub fn kill(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Jina {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on now.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
