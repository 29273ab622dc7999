//! Components that do harm while they are compiled.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Running, Server, guest, wasm_flow};

use super::loading::named_executor;
use super::mib;

/// So many bytes of one function, which the compiler takes as a whole.
const FUNCTION: usize = 3 << 20;

/// A number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        match value {
            0 => {
                bytes.push(low);
                return bytes;
            }
            _ => bytes.push(low | 0x80),
        }
    }
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&number(content.len()), content].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &sized(content)[..]].concat()
}

/// A component with so many functions that take long to compile, each on one thread.
fn slow(functions: usize) -> Vec<u8> {
    // x = x * y ^ z, again and again, for an i64 each.
    let step = [0x20, 0, 0x20, 1, 0x7e, 0x20, 2, 0x85, 0x21, 0];
    let body = [
        &[0][..],
        &step.repeat(FUNCTION / step.len()),
        &[0x20, 0, 0x0b],
    ]
    .concat();
    let bodies: Vec<u8> = (0..functions).flat_map(|_| sized(&body)).collect();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 3, 0x7e, 0x7e, 0x7e, 1, 0x7e]),
        section(3, &[&number(functions), &vec![0; functions][..]].concat()),
        section(10, &[&number(functions), &bodies[..]].concat()),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// A flow of a component, with these bounds of what compiling takes.
fn flow(component: &Path, compile: &str) -> String {
    format!(
        "[host]\ncompile = {{ {compile} }}\n\n[[executors]]\nname = \"mine\"\nuses = \"{}\"\n",
        component.display()
    )
}

/// Runs it, which has to be refused.
#[track_caller]
fn refused(component: &[u8], compile: &str, parts: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.wasm");
    fs::write(&path, component).unwrap();
    let begun = Instant::now();
    let refused = Server::refused(&flow(&path, compile));
    assert!(begun.elapsed() < Duration::from_secs(60), "{refused}");
    assert_eq!(refused.status, Some(1), "{refused}");
    // The line with `uses`.
    refused.complains_of(&["flow.toml:6:8", "slow.wasm", "[host]"]);
    refused.complains_of(parts);
    refused
}

/// A process, as the system shows it.
#[derive(Debug)]
struct Process {
    id: u32,
    /// What it was started with.
    command: Vec<String>,
}

impl Process {
    /// Those that this one has started.
    fn children_of(parent: u32) -> Vec<Process> {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| Process::stat(*id, 4) == Some(parent.to_string()))
            .map(|id| Process {
                id,
                command: Process::texts(id, "cmdline"),
            })
            .collect()
    }

    /// The first one, when it has come so far that it compiles.
    #[track_caller]
    fn compiler_of(parent: u32) -> Process {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let mut children = Process::children_of(parent).into_iter();
            let compiles = |child: &Process| {
                let named = child.command.iter().any(|part| part == "compile-component");
                named
                    && child
                        .status("Threads:")
                        .is_some_and(|threads| threads != "1")
            };
            if let Some(child) = children.find(compiles) {
                return child;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("nothing is compiled by a child")
    }

    /// A field of /proc/ID/stat, counted from 1. None if there is no such process.
    fn stat(id: u32, field: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Behind the name, which is in parentheses and may hold spaces.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(field - 3).map(str::to_owned)
    }

    fn niceness(&self) -> String {
        Process::stat(self.id, 19).unwrap_or_default()
    }

    fn texts(id: u32, file: &str) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let parts = bytes.split(|byte| *byte == 0);
        parts
            .filter(|part| !part.is_empty())
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    }

    fn status(&self, key: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().to_owned())
    }

    /// Waits until it runs no more, whether its parent has noticed or not.
    #[track_caller]
    fn ends(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match Process::stat(self.id, 3).as_deref() {
                None | Some("Z" | "X") => return,
                Some(state) => assert!(Instant::now() < until, "it is still there: {state}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a process has open, by number.
fn open_files(id: u32) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
    let numbered = entries.filter_map(|entry| {
        let to = fs::read_link(entry.path()).ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, to.display().to_string()))
    });
    numbered.collect()
}

/// What this process hands on to those that it starts, beside the first three.
fn handed_on() -> Vec<u32> {
    let numbers = open_files(std::process::id()).into_keys();
    let is_kept = |number: &u32| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        // O_CLOEXEC
        flags.is_some_and(|flags| flags & 0o2_000_000 == 0)
    };
    numbers
        .filter(|number| *number > 2)
        .filter(is_kept)
        .collect()
}

#[test]
fn one_that_takes_too_long_is_refused() {
    let refused = refused(
        &slow(8),
        "time = \"1s\"",
        &["is not compiled within 1s", "`compile.time` of [host]"],
    );
    // It was said what it waits for.
    refused.complains_of(&["compiling ", "slow.wasm"]);
}

#[test]
fn one_that_takes_too_much_memory_is_refused() {
    refused(
        &slow(1),
        "memory = \"64MiB\"",
        &[
            "is not compiled with 64 MiB of memory",
            "`compile.memory` of [host]",
        ],
    );
}

#[test]
fn one_of_very_many_functions_is_refused() {
    let functions = "(func (param i64) (result i64) local.get 0)".repeat(100_000);
    let component = named_executor(&format!("(core module {functions})"));
    refused(
        &component,
        "memory = \"64MiB\"",
        &["is not compiled with 64 MiB of memory"],
    );
}

/// What compiling needs in earnest is far below what is refused.
#[test]
fn one_that_does_no_harm_is_compiled_within_little() {
    let cache = tempfile::tempdir().unwrap();
    let flow = flow(&guest("probe"), "time = \"60s\", memory = \"512MiB\"");
    let server = Server::run_with(&flow, |command| {
        command.env("WASM_FLOW_CACHE", cache.path());
    });
    assert_eq!(Process::children_of(server.id()).len(), 0);
    let kept = fs::read_dir(cache.path().join("wasm-flow")).unwrap();
    let kept = kept.flatten().map(|entry| entry.file_name());
    let kept = kept.filter(|name| name.to_string_lossy().ends_with(".code"));
    assert_eq!(kept.count(), 1);
}

/// A flow that is served goes on, its process stays small, and nothing is left behind.
#[test]
fn one_that_takes_the_place_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("mine.wasm");
    fs::copy(guest("hostile"), &component).unwrap();
    let server = Server::run(&flow(&component, "time = \"1s\""));
    let before = server.peak();
    fs::write(&component, slow(8)).unwrap();
    server.signal(Signal::HUP);
    let compiler = Process::compiler_of(server.id());
    assert_eq!(compiler.niceness(), "5", "others are served");
    server.wait_for_events("kept", 1);
    server.wait_for_stderr("is not compiled within 1s");
    compiler.ends();
    assert_eq!(Process::children_of(server.id()).len(), 0, "it was reaped");
    let more = mib(server.peak() - before);
    // The component, and no more of what compiling it takes.
    assert!(more < 100, "{more} MiB more");
    let answered = server.python("answer(client().post('/ok', texts('x')).texts)");
    assert_eq!(answered, json!(["ok"]));
}

#[test]
fn the_child_has_what_it_needs_and_dies_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("slow.wasm");
    fs::write(&component, slow(8)).unwrap();
    let file = write_flow(folder.path(), &flow(&component, "memory = \"3GiB\""));
    let mut command = wasm_flow(["run", "--port", "0"]);
    command.arg(&file).env("SECRET", "a secret");
    let inherited = handed_on();
    let parent = Running::start(&mut command);
    let child = Process::compiler_of(parent.id());

    let environment = Process::texts(child.id, "environ");
    let names: Vec<&str> = environment
        .iter()
        .filter_map(|variable| Some(variable.split_once('=')?.0))
        .collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"]);
    // Three pipes, and nothing that its parent has opened. What was open in this test, and
    // so in the parent, when that was started, is nothing of its own.
    let mut own = open_files(child.id);
    own.retain(|number, _| !inherited.contains(number));
    let own: Vec<String> = own
        .iter()
        .map(|(number, to)| format!("{number} {}", to.split(':').next().unwrap_or_default()))
        .collect();
    assert_eq!(own, ["0 pipe", "1 pipe", "2 pipe"]);
    assert_eq!(child.niceness(), "0", "nobody is served yet");
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id)).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let soft = line.and_then(|line| line.split_whitespace().next());
        soft.unwrap_or_default().to_owned()
    };
    assert_eq!(limit("Max data size"), (3u64 << 30).to_string());
    assert_eq!(limit("Max core file size"), "0");
    assert_ne!(limit("Max cpu time"), "unlimited");

    parent.signal(Signal::KILL);
    child.ends();
}

/// Who gives up waiting does not leave it running.
#[test]
fn the_child_ends_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("mine.wasm");
    fs::copy(guest("hostile"), &component).unwrap();
    let mut server = Server::run(&flow(&component, "time = \"5m\""));
    fs::write(&component, slow(8)).unwrap();
    server.signal(Signal::HUP);
    let compiler = Process::compiler_of(server.id());
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, Some(0));
    compiler.ends();
}

/// By hand, it is of no use and does no harm.
#[test]
fn what_the_child_is_told_by_is_not_a_command() {
    let finished = Finished::of(&mut wasm_flow(["compile-component"]));
    assert_eq!(finished.status, Some(2), "{finished}");
    finished.complains_of(&["how the program starts itself"]);
    let help = Finished::successfully(&mut wasm_flow(["--help"]));
    assert!(!help.stdout.contains("compile-component"), "{help}");
}
