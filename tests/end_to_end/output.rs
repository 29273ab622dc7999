//! Standard output: a reader that goes away, one that does not read, and a disk
//! that is full.

use std::fs::{self, File};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Running, Server, guest, wasm_flow};

/// A flow of one probe.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    folder
}

/// A server whose output is read up to the event that says it is ready, and its
/// address.
fn server(folder: &tempfile::TempDir) -> (Running, String) {
    let mut command = wasm_flow(["--format", "json", "run", "flow.toml", "--port", "0"]);
    let mut server = Running::start(command.current_dir(folder.path()));
    let ready: Value = serde_json::from_str(&server.lines(1)[0]).unwrap();
    assert_eq!(ready["event"], "ready", "{ready}");
    (server, format!("grpc://127.0.0.1:{}", ready["port"]))
}

/// Requests of one document, each of which prints two lines.
fn print_in(folder: &tempfile::TempDir, address: &str, requests: usize) {
    let file = folder.path().join("many.txt");
    fs::write(&file, "x\n".repeat(requests)).unwrap();
    let mut command = wasm_flow(["post", address, "--on", "/print", "--print", "text"]);
    command.args(["--request-size", "1", "--input"]).arg(file);
    let posted = Finished::successfully(&mut command);
    assert_eq!(posted.stdout.lines().count(), requests);
}

#[test]
fn a_server_outlives_the_reader_of_its_output() {
    let folder = folder();
    let (mut server, address) = server(&folder);
    server.close_stdout();
    print_in(&folder, &address, 3);
    print_in(&folder, &address, 3);
    server.signal(Signal::TERM);
    let ended = server.finish();
    assert_eq!(ended.status, Some(0), "{ended}");
    ended.complains_of(&["warning: the reader of standard output is gone"]);
}

/// 10,000 lines are a megabyte, and a pipe takes 64 KiB.
#[test]
fn a_reader_that_does_not_read_hangs_nobody() {
    let folder = folder();
    let (mut server, address) = server(&folder);
    print_in(&folder, &address, 5000);
    server.signal(Signal::TERM);
    let ended = server.finish_unread();
    assert_eq!(ended.status, Some(0), "{ended}");
}

#[test]
fn lines_that_a_slow_reader_missed_are_counted() {
    let folder = folder();
    let (mut server, address) = server(&folder);
    print_in(&folder, &address, 5000);
    // Now it reads. One more line comes behind all that there was.
    let (mut lines, mut dropped) = (0, 0);
    while dropped == 0 {
        let event: Value = serde_json::from_str(&server.lines(1)[0]).unwrap();
        let name = event["executor"].as_str().unwrap();
        assert!(name.starts_with("probe"), "{event}");
        match event["event"].as_str() {
            Some("output") => lines += 1,
            Some("dropped") => dropped = event["lines"].as_u64().unwrap(),
            _ => panic!("{event}"),
        }
    }
    assert_eq!(lines + dropped, 10_000);
    assert!(lines >= 1000, "{lines}");
    print_in(&folder, &address, 1);
    let mut printed: Vec<_> = server
        .lines(2)
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].clone())
        .collect();
    printed.sort_by_key(ToString::to_string);
    assert_eq!(printed, ["to stderr", "to stdout"]);
}

/// What an executor prints in a batch goes to stderr. Results are not lost.
#[test]
fn a_batch_prints_every_result() {
    let folder = folder();
    fs::write(folder.path().join("many.txt"), "x\n".repeat(20_000)).unwrap();
    let mut command = wasm_flow(["run", "--on", "/trace", "--input", "many.txt"]);
    let mut batch = Running::start(command.current_dir(folder.path()));
    // The pipe is full long before this.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let finished = batch.finish();
    assert_eq!(finished.status, Some(0), "{finished}");
    assert_eq!(finished.stdout, "x>probe/rep-0\n".repeat(20_000));
}

#[test]
fn a_signal_ends_a_batch_that_nobody_reads() {
    let folder = folder();
    let mut command = wasm_flow(["run", "--on", "/trace", "--input", "-"]);
    let mut batch = Running::start(command.current_dir(folder.path()));
    batch.write_for_ever("x\n");
    batch.lines(1);
    std::thread::sleep(std::time::Duration::from_secs(2));
    batch.signal(Signal::TERM);
    let finished = batch.finish_unread();
    assert_eq!(finished.status, Some(130), "{finished}");
    finished.complains_of(&["error: interrupted: ", "the rest not sent"]);
}

#[test]
fn a_reader_that_goes_ends_a_command_without_a_word() {
    let folder = folder();
    let mut command = wasm_flow(["run", "--on", "/trace", "--input", "-"]);
    let mut batch = Running::start(command.current_dir(folder.path()));
    batch.write_for_ever("x\n");
    assert_eq!(batch.lines(1), ["x>probe/rep-0"]);
    batch.close_stdout();
    let finished = batch.finish();
    assert_eq!(finished.status, Some(0), "{finished}");
    assert!(!finished.stderr.contains("error"), "{finished}");
}

/// Whatever the command, a result that cannot be written is a failure with a
/// reason.
#[test]
fn a_full_disk_is_reported() {
    let folder = folder();
    fs::write(folder.path().join("bad.toml"), "[[executors]]\n").unwrap();
    let running = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let address = format!("grpc://127.0.0.1:{}", running.port());
    let probe = guest("probe").display().to_string();
    let full = |command: &mut Command| {
        let disk = File::options().write(true).open("/dev/full").unwrap();
        command.current_dir(folder.path()).stdout(disk);
        let shown = format!("{command:?}");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{shown}: {stderr}");
        let reason = "error: cannot write to standard output: No space left on device";
        assert_eq!(stderr.matches(reason).count(), 1, "{shown}: {stderr}");
    };
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["new", "made"],
        &["inspect", &probe],
        &["--format", "json", "inspect", &probe],
        &["check"],
        &["--format", "json", "check"],
        &["--format", "json", "check", "bad.toml"],
        &["run", "--on", "/trace", "--text", "a"],
        &[
            "run",
            "--on",
            "/anything",
            "--text",
            "a",
            "--format",
            "json",
        ],
        &["post", &address, "--on", "/trace", "--text", "a"],
        &["run", "--port", "0"],
        &["--format", "json", "run", "--port", "0"],
        &["serve", &probe, "--port", "0"],
    ] {
        full(&mut wasm_flow(arguments.iter().copied()));
    }
}
