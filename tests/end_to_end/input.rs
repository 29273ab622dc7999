//! Files and pipes of documents, as `run --on` and `post` read them.

use std::fs;
use std::io::Write;

use serde_json::{Value, json};
use wasm_flow_tests::python::Python;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Running, Server, wasm_flow};

const FLOW: &str = "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n";

/// A folder with a flow of one probe.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_flow(folder.path(), FLOW);
    folder
}

/// Both commands that read documents, up to their endpoint.
fn commands(address: &str) -> [Vec<&str>; 2] {
    [vec!["run", "--on"], vec!["post", address, "--on"]]
}

fn address(server: &Server) -> String {
    format!("grpc://127.0.0.1:{}", server.port())
}

/// The texts that come of a file, in its order.
#[track_caller]
fn texts(name: &str, content: impl AsRef<[u8]>, arguments: &[&str]) -> Vec<String> {
    let finished = read(name, content, arguments);
    assert_eq!(finished.status, Some(0), "{name} {arguments:?}\n{finished}");
    finished.stdout.lines().map(str::to_owned).collect()
}

fn read(name: &str, content: impl AsRef<[u8]>, arguments: &[&str]) -> Finished {
    let folder = folder();
    fs::write(folder.path().join(name), content).unwrap();
    Finished::of(
        wasm_flow([
            "run", "--on", "/nothing", "--print", "text", "--input", name,
        ])
        .args(arguments)
        .current_dir(folder.path()),
    )
}

/// An endless pipe works: output comes while the input is open.
#[test]
fn input_need_not_end() {
    let server = Server::run(FLOW);
    let address = address(&server);
    let folder = folder();
    for command in commands(&address) {
        let mut command = wasm_flow(command);
        command.args(["/trace", "--input", "-"]);
        let mut running = Running::start(command.current_dir(folder.path()));
        running.write_for_ever("y\n");
        let lines = running.lines(5000);
        assert!(lines.iter().all(|line| line == "y>probe/rep-0"));
        running.close_stdout();
        let finished = running.finish();
        assert_eq!(finished.status, Some(0), "{finished}");
    }
}

/// Fewer documents than make a request are not kept until the pipe is closed.
#[test]
fn what_a_pipe_gives_is_answered_while_it_is_open() {
    let server = Server::run(FLOW);
    let address = address(&server);
    let folder = folder();
    for command in commands(&address) {
        let mut command = wasm_flow(command);
        command.args(["/trace", "--input", "-"]);
        let mut running = Running::start(command.current_dir(folder.path()));
        for text in ["one", "two"] {
            running.write(&format!("{text}\n{text}\n"));
            let answer = format!("{text}>probe/rep-0");
            assert_eq!(running.lines(2), [answer.clone(), answer]);
        }
        running.close_stdin();
        let finished = running.finish();
        assert_eq!(finished.status, Some(0), "{finished}");
        finished.complains_of(&["DONE 2 steps"]);
    }
}

/// Once it took ten times the file.
#[test]
fn memory_does_not_grow_with_the_file() {
    const LINES: usize = 200_000;
    // Less than the file, and more than is read ahead.
    const MOST: u64 = 128 << 20;
    let server = Server::run(FLOW);
    let address = address(&server);
    let folder = folder();
    let path = folder.path().join("large.txt");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let line = "x".repeat(1023);
    for _ in 0..LINES {
        writeln!(file, "{line}").unwrap();
    }
    file.into_inner().unwrap();
    for command in commands(&address) {
        let shown = command.clone();
        let mut command = wasm_flow(command);
        command.args(["/nothing", "--print", "text", "--input", "large.txt"]);
        let mut running = Running::start(command.current_dir(folder.path()));
        // All but the last ones, so that it still runs.
        running.skip((LINES as u64 - 100) * 1024);
        let peak = running.peak_memory();
        let finished = running.finish();
        assert_eq!(finished.status, Some(0), "{finished}");
        assert_eq!(finished.stdout.lines().count(), 100);
        assert!(peak < MOST, "{shown:?}: {peak} bytes");
    }
}

/// What was sent before stays valid.
#[test]
fn a_line_that_cannot_be_read_ends_the_input_there() {
    let server = Server::run(FLOW);
    let address = address(&server);
    let folder = folder();
    let mut lines: Vec<_> = (1..=300)
        .map(|number| format!("{{\"text\": \"{number}\"}}"))
        .collect();
    lines[249] = "{\"text\": }".to_owned();
    fs::write(folder.path().join("bad.jsonl"), lines.join("\n")).unwrap();
    let said = ["200 documents done", "2 of 2 requests answered"];
    for (command, said) in commands(&address).into_iter().zip(said) {
        let mut command = wasm_flow(command);
        command.args(["/nothing", "--print", "text", "--input", "bad.jsonl"]);
        let failed = Finished::of(command.current_dir(folder.path()));
        assert_eq!(failed.status, Some(1), "{failed}");
        failed.complains_of(&[
            "error: bad.jsonl:250:10: expected value",
            &format!("before the error: {said}"),
        ]);
        let mut printed: Vec<u32> = failed
            .stdout
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        printed.sort_unstable();
        assert_eq!(printed, (1..=200).collect::<Vec<_>>());
    }

    // In the first request, nothing is begun for it.
    let early = read("bad.jsonl", "{}\n{\"text\": }\n", &[]);
    assert_eq!(
        (early.status, early.stdout.as_str()),
        (Some(1), ""),
        "{early}"
    );
    early.complains_of(&["error: bad.jsonl:2:10: expected value"]);
    assert!(!early.stderr.contains("before the error"), "{early}");
}

#[test]
fn json_files_are_read_however_they_are_laid_out() {
    for text in [
        "[{\"text\": \"a\"}, {\"text\": \"b\"}]",
        "[\n  {\n    \"text\": \"a\"\n  },\n  {\n    \"text\": \"b\"\n  }\n]\n",
        "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
    ] {
        assert_eq!(texts("docs.json", text, &[]), ["a", "b"]);
        assert_eq!(texts("DOCS.JSON", text, &[]), ["a", "b"]);
        let named = texts("docs.txt", text, &["--input-format", "json"]);
        assert_eq!(named, ["a", "b"]);
    }
    assert_eq!(texts("one.json", "{\n\"text\": \"a\"\n}", &[]), ["a"]);
    for name in ["docs.jsonl", "docs.JSONL", "docs.NdJson"] {
        assert_eq!(texts(name, "{\"text\": \"a\"}", &[]), ["a"]);
    }
    let bad = read("docs.json", "[{},\n{\"txt\": 1}]", &[]);
    assert_eq!(bad.status, Some(1), "{bad}");
    bad.complains_of(&["docs.json:2: txt: no such field"]);

    // Without a name, it is text, and is noticed.
    let noticed = read("docs", "{\"text\": \"a\"}\n", &[]);
    assert_eq!(noticed.stdout, "{\"text\": \"a\"}\n");
    noticed.complains_of(&["note: docs looks like JSON", "--input-format jsonl"]);
}

#[test]
fn what_docarray_saves_is_read_or_refused() {
    let folder = folder();
    Python::run(
        0,
        &format!(
            "
            os.chdir({folder:?})
            docs = DocumentArray([Document(text='a', tags={{'k': 'v'}}), Document(text='ü', chunks=[Document(text='c')])])
            docs.save_json('docs.json')
            docs.save_binary('docs.bin')
            docs.save_binary('pickled')
            docs.save_binary('each', protocol='protobuf')
            ",
            folder = folder.path().display().to_string(),
        ),
    );
    let read = |name: &str| {
        Finished::of(
            wasm_flow([
                "run", "--on", "/nothing", "--print", "jsonl", "--input", name,
            ])
            .current_dir(folder.path()),
        )
    };
    let json = read("docs.json");
    assert_eq!(json.status, Some(0), "{json}");
    let docs: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(docs[0]["tags"], json!({ "k": "v" }));
    assert_eq!(docs[1]["text"], "ü");
    assert_eq!(docs[1]["chunks"][0]["text"], "c");
    for (name, kind) in [
        ("docs.bin", "docs.bin is binary by its name"),
        ("pickled", "pickled is a Python pickle"),
        ("each", "each is a DocumentArray in docarray's binary form"),
    ] {
        let refused = read(name);
        assert_eq!(refused.status, Some(1), "{refused}");
        refused.complains_of(&[kind]);
    }
}

#[test]
fn other_kinds_of_file_are_refused_with_what_they_are() {
    for (name, content, kind) in [
        (
            "x.pdf",
            &b"%PDF-1.7\n%\xe2\xe3"[..],
            "x.pdf is a PDF document",
        ),
        ("x", b"\x89PNG\r\n\x1a\n\0\0", "x is a PNG image"),
        ("x.zip", b"PK\x03\x04\x14\0", "x.zip is a zip archive"),
        (
            "x.jsonl.gz",
            b"\x1f\x8b\x08\0\0",
            "x.jsonl.gz is a file packed with gzip",
        ),
        (
            "x.parquet",
            b"PAR1\x15\x04\x15",
            "x.parquet is a Parquet file",
        ),
        (
            "x.wasm",
            b"\0asm\x0d\0\x01\0",
            "x.wasm is a WebAssembly component",
        ),
        ("x.txt", b"\xff\xfea\0\n\0", "x.txt is text in UTF-16"),
        (
            "x.jsonl",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "x.jsonl is a git-lfs pointer",
        ),
        (
            "x.jsonl",
            b"<!DOCTYPE html><html>",
            "x.jsonl is an HTML page",
        ),
    ] {
        let refused = read(name, content, &[]);
        assert_eq!(refused.status, Some(1), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
        refused.complains_of(&[kind, "not documents as text or JSON"]);
    }
    let piped = Finished::with_input(
        wasm_flow(["run", "--on", "/nothing", "--input", "-"]).current_dir(folder().path()),
        "%PDF-1.7\n",
    );
    piped.complains_of(&["standard input is a PDF document"]);
    let folder = folder();
    let refused = Finished::of(
        wasm_flow(["run", "--on", "/nothing", "--input", "."]).current_dir(folder.path()),
    );
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&[". is a folder"]);
}

#[test]
fn a_byte_order_mark_is_no_text() {
    assert_eq!(texts("docs.txt", "\u{feff}a\nb\n", &[]), ["a", "b"]);
    for name in ["docs.jsonl", "docs.json"] {
        assert_eq!(texts(name, "\u{feff}{\"text\": \"a\"}\n", &[]), ["a"]);
    }
    let folder = folder();
    let piped = Finished::with_input(
        wasm_flow(["run", "--on", "/nothing", "--print", "text", "--input", "-"])
            .current_dir(folder.path()),
        "\u{feff}a\n",
    );
    assert_eq!(piped.stdout, "a\n", "{piped}");
}

#[test]
fn what_is_not_utf8_is_named_by_line_and_byte() {
    for (name, content) in [
        ("latin1.txt", &b"good\nna\xefve\n"[..]),
        ("latin1.jsonl", b"{}\n{\"\xef\"}"),
        ("latin1.json", b"[{},\n\"\xef\"]"),
    ] {
        let refused = read(name, content, &[]);
        assert_eq!(refused.status, Some(1), "{refused}");
        let offset = content.iter().position(|byte| *byte == 0xef).unwrap();
        refused.complains_of(&[
            &format!("{name}:2: byte {offset} of the file (0xef) is not UTF-8"),
            "iconv",
        ]);
    }
}

/// Numbers cross the wire as 64-bit floats. `run --on` has no wire, and gives
/// executors the same.
#[test]
fn parameters_are_the_same_with_and_without_a_wire() {
    let parameters =
        r#"{"a": 1, "b": 1.0, "c": 12345678901234567890, "d": [2.0, 0.5], "e": {"f": -7.0}}"#;
    let server = Server::run(FLOW);
    let address = address(&server);
    let folder = folder();
    let [alone, posted] = commands(&address).map(|command| {
        let mut command = wasm_flow(command);
        command.args([
            "/parameters",
            "--parameters",
            parameters,
            "--format",
            "json",
        ]);
        Finished::successfully(command.current_dir(folder.path())).stdout
    });
    assert!(alone.contains("\"a\":1,\"b\":1,"), "{alone}");
    assert_eq!(alone, posted);

    let deep = "{\"a\":".repeat(40) + "1" + &"}".repeat(40);
    let refused = Finished::of(
        wasm_flow(["run", "--on", "/parameters", "--parameters", &deep]).current_dir(folder.path()),
    );
    assert_eq!(refused.status, Some(2), "{refused}");
    refused.complains_of(&["--parameters", "nested deeper than 32"]);
}
