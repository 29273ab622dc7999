//! A server in a process of its own, and what it uses of the processor.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::native;

/// Says what this program is to be, where it is not the benchmark itself. Both
/// servers are this program, so that nothing but their code is different.
const ROLE: &str = "WASM_FLOW_BENCH_ROLE";
const FLOW: &str = "wasm-flow";

/// Is what this program was started as. False: the benchmark itself.
pub(crate) fn played_role() -> bool {
    let Ok(role) = std::env::var(ROLE) else {
        return false;
    };
    match role.parse() {
        Ok(times) => native::serve(times),
        Err(_) => {
            // All that the binary's own `main` does.
            let _ = wasm_flow::cli::main();
        }
    }
    true
}

/// A running server. It ends with this value.
pub(crate) struct Server {
    child: Child,
    port: u16,
    /// Where its flow.toml is.
    _folder: Option<TempDir>,
}

impl Server {
    /// The plain server, which does its work this often for each request.
    pub(crate) fn native(times: u32) -> Server {
        Server::start(command(&times.to_string()), None)
    }

    /// `wasm-flow run` of a chain of this many executors, all of one component.
    pub(crate) fn flow(executor: &Path, length: u32) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the flow");
        let file = folder.path().join("flow.toml");
        let executors = (1..=length).map(|number| {
            // A path, quoted as TOML and JSON both quote.
            let uses = Value::from(executor.display().to_string());
            format!("[[executors]]\nname = \"executor{number}\"\nuses = {uses}\n")
        });
        fs::write(&file, executors.collect::<String>()).expect("a flow.toml");
        let mut command = command(FLOW);
        command
            .args(["--format", "json", "run", "--port", "0"])
            .arg(&file);
        Server::start(command, Some(folder))
    }

    fn start(mut command: Command, folder: Option<TempDir>) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let stdout = child.stdout.take().expect("a piped stdout");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let event: Value = serde_json::from_str(&line).ok()?;
            let ready = event.get("event")?.as_str()? == "ready";
            let port = event.get("port")?.as_u64()?;
            u16::try_from(port).ok().filter(|_| ready)
        });
        // It must not wait for somebody to read what it prints.
        thread::spawn(move || lines.for_each(drop));
        Server {
            port: port.unwrap_or_else(|| panic!("{command:?} did not come up")),
            child,
            _folder: folder,
        }
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What its threads have used of the processors, where the system tells.
    pub(crate) fn used(&self) -> Option<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let mut nanoseconds = 0;
        for thread in threads.flatten() {
            // A thread that has ended between the two is of no weight.
            let Ok(line) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            nanoseconds += line.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.env(ROLE, role).env_remove("RUST_LOG");
    command
}
