//! The command line as a user types it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::setup;
use wasm_flow_tests::{Finished, Server, guest, repository, wasm_flow};

/// A folder with a flow of one probe, and a file of three lines.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
    );
    fs::write(folder.path().join("texts.txt"), "one\ntwo\nthree\n").unwrap();
    folder
}

#[test]
fn help_and_version() {
    let help = Finished::successfully(&mut wasm_flow(["--help"]));
    for command in [
        "new",
        "build",
        "inspect",
        "check",
        "graph",
        "run",
        "serve",
        "post",
        "import",
        "test",
        "hub",
        "update",
        "completions",
        "man",
    ] {
        assert!(help.stdout.contains(command), "{help}");
        let own = Finished::successfully(&mut wasm_flow([command, "--help"]));
        assert!(own.stdout.contains("Usage: wasm-flow"), "{own}");
    }
    let version = Finished::successfully(&mut wasm_flow(["--version"]));
    assert_eq!(version.stdout.trim(), "wasm-flow 0.1.0");
}

#[test]
fn bad_usage_is_exit_status_2() {
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["run", "flow.toml", "--port", "many"],
        vec!["run", "flow.toml", "--prot", "1"],
        vec!["--format", "xml", "inspect", "x.wasm"],
        vec!["post", "--parameters"],
    ] {
        let finished = Finished::of(&mut wasm_flow(arguments.clone()));
        assert_eq!(finished.status, Some(2), "{arguments:?}\n{finished}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
    let finished = Finished::of(&mut wasm_flow(["run", "flow.toml", "--prot", "1"]));
    finished.complains_of(&["--prot", "--port"]);
}

#[test]
fn what_fails_is_exit_status_1() {
    for arguments in [
        ["inspect", "nowhere.wasm"],
        ["check", "nowhere.toml"],
        ["serve", "nowhere.wasm"],
        ["build", "nowhere"],
    ] {
        let finished = Finished::of(&mut wasm_flow(arguments));
        assert_eq!(finished.status, Some(1), "{arguments:?}\n{finished}");
        finished.complains_of(&["nowhere"]);
    }
}

#[test]
fn a_new_executor_does_not_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    fs::write(folder.path().join("taken/precious"), "").unwrap();
    let finished = Finished::of(wasm_flow(["new", "taken"]).current_dir(folder.path()));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["taken"]);
    assert!(folder.path().join("taken/precious").exists());
    assert_eq!(
        fs::read_dir(folder.path().join("taken")).unwrap().count(),
        1
    );

    let finished = Finished::of(wasm_flow(["new", "no name"]).current_dir(folder.path()));
    assert_ne!(finished.status, Some(0), "{finished}");
    finished.complains_of(&["no name"]);
}

/// What is in that folder is compiled and run.
#[cfg(unix)]
#[test]
fn a_new_executor_takes_no_sdk_that_others_can_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let exposed = folder.path().join("data/wasm-flow/sdk");
    fs::create_dir_all(&exposed).unwrap();
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o777)).unwrap();
    let mut new = wasm_flow(["new", "greeter"]);
    new.current_dir(folder.path())
        .env("WASM_FLOW_DATA", folder.path().join("data"));
    let finished = Finished::of(&mut new);
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&[
        "data/wasm-flow/sdk can be written by other users",
        "WASM_FLOW_DATA",
    ]);
    assert!(!folder.path().join("greeter").exists());

    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o700)).unwrap();
    Finished::successfully(&mut new);
    let unpacked = fs::read_dir(&exposed).unwrap().next().unwrap().unwrap();
    assert!(unpacked.path().join("guest-sdk/src/lib.rs").is_file());
}

#[test]
fn build_reports_what_does_not_compile() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("broken");
    Finished::successfully(
        wasm_flow(["new", "broken"])
            .arg("--sdk")
            .arg(repository().join("guest-sdk"))
            .current_dir(folder.path()),
    );
    fs::write(made.join("src/lib.rs"), "fn broken( {}").unwrap();
    let finished = Finished::of(
        wasm_flow(["build"])
            .current_dir(&made)
            .env("CARGO_TARGET_DIR", setup::work_folder().join("new")),
    );
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["src/lib.rs:1", "error"]);
}

#[test]
fn inspect_shows_what_an_executor_is() {
    let file = guest("probe");
    let shown = Finished::successfully(wasm_flow(["inspect"]).arg(&file));
    for part in [
        "Probe",
        "/trace",
        "rewrite",
        "/default",
        "0.1.0",
        "Reports what it saw",
        "made with",
        "rustc 1.",
    ] {
        assert!(shown.stdout.contains(part), "`{part}`\n{shown}");
    }
    let json = Finished::successfully(wasm_flow(["inspect", "--format", "json"]).arg(&file));
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let description = &json["description"];
    assert_eq!(description["name"], "Probe");
    assert!(json["size"].as_u64().is_some_and(|size| size > 0), "{json}");
    let tools = json["producers"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "rustc"), "{json}");
    assert!(
        json["imports"]
            .as_array()
            .is_some_and(|imports| imports.contains(&"wasm-flow:executor/documents@0.1.0".into())),
        "{json}"
    );
    let trace = description["methods"]
        .as_array()
        .and_then(|methods| methods.iter().find(|method| method["name"] == "trace"))
        .unwrap();
    assert_eq!(trace["endpoints"], json!(["/trace"]));
    assert_eq!(trace["concurrency"], "concurrent");

    // The schemas that the SDK makes of the configuration's and parameters' types.
    let embed = Finished::successfully(
        wasm_flow(["inspect", "--format", "json"]).arg(setup::example("embed")),
    );
    let embed: Value = serde_json::from_str(&embed.stdout).expect("JSON");
    let dimension = &embed["description"]["config_schema"]["properties"]["dimension"];
    assert_eq!(
        dimension["description"], "How many numbers an embedding has.",
        "{embed}"
    );
}

#[test]
fn inspect_names_the_elements_of_arrays_and_maps() {
    let folder = tempfile::tempdir().unwrap();
    Finished::successfully(
        wasm_flow(["new", "typed"])
            .arg("--sdk")
            .arg(repository().join("guest-sdk"))
            .current_dir(folder.path()),
    );
    fs::write(
        folder.path().join("typed/src/lib.rs"),
        r#"
use std::collections::BTreeMap;
use wasm_flow_sdk::prelude::*;

#[config]
pub struct Config {
    words: Vec<String>,
    rows: Option<Vec<Vec<f32>>>,
    routes: BTreeMap<String, Vec<u32>>,
    size: Size,
    places: Vec<Place>,
    filter: Option<Map>,
    ids: Option<Vec<String>>,
    hits: Option<Vec<Hit>>,
    range: (u32, f32),
}

#[config]
#[serde(tag = "kind")]
pub enum Hit {
    Near { at: f64 },
}

#[config]
#[serde(rename_all = "lowercase")]
pub enum Size {
    Small,
    Large,
}

#[config]
pub struct Place {
    /// Where it is.
    at: f64,
}

pub struct Typed;

#[executor]
impl Typed {
    pub fn new(config: Config) -> Self {
        let Config { words, rows, routes, size, places, .. } = config;
        let size = matches!(size, Size::Small | Size::Large);
        let at: f64 = places.iter().map(|place| place.at).sum();
        println!("{words:?} {rows:?} {routes:?} {size} {at}");
        println!("{:?} {:?} {:?}", config.filter, config.ids, config.range);
        for Hit::Near { at } in config.hits.unwrap_or_default() {
            println!("{at}");
        }
        Typed
    }

    #[requests]
    pub async fn nothing(&self) {}
}
"#,
    )
    .unwrap();
    let shown = Finished::successfully(
        wasm_flow(["inspect", "typed"])
            .current_dir(folder.path())
            .env("CARGO_TARGET_DIR", setup::work_folder().join("new")),
    );
    for line in [
        "words (array of string, required)",
        "rows (array of array of number or null)",
        "routes (map of array of integer, required)",
        "size (\"small\" or \"large\", required)",
        "places (array of object, required)",
        "  at (number, required): Where it is.",
        "filter (object or null)",
        "ids (array of string or null)",
        "hits (array of any or null)",
        "range (array of [integer, number], required)",
    ] {
        let line = format!("\n  {line}\n");
        assert!(shown.stdout.contains(&line), "{line}\n{shown}");
    }
}

#[test]
fn run_as_a_batch() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        Finished::successfully(
            wasm_flow(["run", "flow.toml", "--on", "/trace"])
                .args(arguments)
                .current_dir(folder.path()),
        )
    };
    let texts = run(&["--input", "texts.txt", "--print", "text"]);
    assert_eq!(
        texts.stdout,
        "one>probe/rep-0\ntwo>probe/rep-0\nthree>probe/rep-0\n"
    );

    let lines = run(&[
        "--input",
        "texts.txt",
        "--print",
        "jsonl",
        "--request-size",
        "1",
    ]);
    let documents: Vec<Value> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert_eq!(documents.len(), 3, "{lines}");
    assert_eq!(
        documents[1]["text"], "two>probe/rep-0",
        "in the file's order"
    );

    let table = run(&["--input", "texts.txt", "--print", "table"]);
    assert!(table.stdout.contains("two>probe/rep-0"), "{table}");

    // What comes out goes in again.
    fs::write(folder.path().join("again.jsonl"), &lines.stdout).unwrap();
    let again = run(&["--input", "again.jsonl", "--print", "text"]);
    assert_eq!(
        again.stdout.lines().next(),
        Some("one>probe/rep-0>probe/rep-0")
    );

    // Fields and nested documents in JSON lines.
    fs::write(
        folder.path().join("rich.jsonl"),
        "{\"id\": \"a\", \"text\": \"t\", \"tags\": {\"n\": 1}, \"chunks\": [{\"text\": \"c\"}]}\n",
    )
    .unwrap();
    let rich = run(&["--input", "rich.jsonl", "--print", "jsonl"]);
    let document: Value = serde_json::from_str(rich.stdout.trim()).expect("a JSON line");
    assert_eq!(
        (&document["id"], &document["tags"]),
        (&json!("a"), &json!({ "n": 1 }))
    );
    assert_eq!(document["chunks"][0]["text"], "c");
}

#[test]
fn batch_results_and_parameters() {
    let folder = folder();
    let run = Finished::successfully(
        wasm_flow([
            "run",
            "flow.toml",
            "--on",
            "/parameters",
            "--input",
            "texts.txt",
            "--parameters",
            "{\"n\": 1, \"probe__m\": 2}",
            "--format",
            "json",
        ])
        .current_dir(folder.path()),
    );
    assert!(run.stdout.lines().count() >= 3, "{run}");
    let nobody = Finished::successfully(
        wasm_flow([
            "run",
            "flow.toml",
            "--on",
            "/trace",
            "--input",
            "texts.txt",
            "--target",
            "nobody",
            "--print",
            "text",
        ])
        .current_dir(folder.path()),
    );
    assert_eq!(nobody.stdout, "one\ntwo\nthree\n");
}

#[test]
fn a_batch_that_fails_says_so() {
    let folder = folder();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"bad\"\nuses = \"{hostile}\"\n",
    );
    let failed = Finished::of(
        wasm_flow(["run", "flow.toml", "--on", "/panic", "--input", "texts.txt"])
            .current_dir(folder.path()),
    );
    assert_eq!(failed.status, Some(1), "{failed}");
    failed.complains_of(&["bad", "/panic", "deliberate panic"]);

    let missing = Finished::of(
        wasm_flow(["run", "flow.toml", "--on", "/ok", "--input", "nowhere.txt"])
            .current_dir(folder.path()),
    );
    assert_eq!(missing.status, Some(1), "{missing}");
    missing.complains_of(&["nowhere.txt"]);

    fs::write(
        folder.path().join("bad.jsonl"),
        "{\"text\": \"good\"}\n{\"text\": }\n",
    )
    .unwrap();
    let bad = Finished::of(
        wasm_flow(["run", "flow.toml", "--on", "/ok", "--input", "bad.jsonl"])
            .current_dir(folder.path()),
    );
    assert_eq!(bad.status, Some(1), "{bad}");
    bad.complains_of(&["bad.jsonl:2"]);

    let parameters = Finished::of(
        wasm_flow([
            "run",
            "flow.toml",
            "--on",
            "/ok",
            "--input",
            "texts.txt",
            "--parameters",
            "{n: 1}",
        ])
        .current_dir(folder.path()),
    );
    assert_ne!(parameters.status, Some(0), "{parameters}");
    parameters.complains_of(&["parameters"]);
}

#[test]
fn a_batch_that_passes_by_every_executor_says_so() {
    let folder = folder();
    write_flow(
        folder.path(),
        "[[executors]]\nname = \"bad\"\nuses = \"{hostile}\"\n",
    );
    let run = |arguments: &[&str]| {
        Finished::successfully(
            wasm_flow(["run", "flow.toml", "--print", "text", "--text", "x"])
                .args(arguments)
                .current_dir(folder.path()),
        )
    };
    let misspelt = run(&["--on", "/okk"]);
    assert_eq!(misspelt.stdout, "x\n");
    misspelt.complains_of(&["warning: no executor binds `/okk`", "`/ok`"]);
    let target = run(&["--on", "/ok", "--target", "god"]);
    target.complains_of(&["warning: no executor that `god` stands for binds `/ok`"]);
    let bound = run(&["--on", "/ok"]);
    assert!(!bound.stderr.contains("warning"), "{bound}");
}

/// Ctrl-C in a batch: the first documents are printed, the command says what
/// became of the others, and nobody takes it for a success.
#[test]
fn an_interrupted_batch_says_how_far_it_came() {
    let folder = folder();
    // Requests of one: three come back at once, the others take a minute.
    fs::write(
        folder.path().join("waits.txt"),
        "1\n1\n1\n".to_owned() + &"60000\n".repeat(7),
    )
    .unwrap();
    write_flow(
        folder.path(),
        "[gateway]\nprefetch = 4\n[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\ntimeout = \"3s\"\n",
    );
    let python = wasm_flow_tests::python::Python::run(
        0,
        &format!(
            "
            import signal, subprocess
            os.chdir({folder:?})
            command = [{binary:?}, 'run', 'flow.toml', '--on', '/wait', '--input', 'waits.txt', '--request-size', '1']
            run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            printed = ''.join(run.stdout.readline() for _ in range(3))
            # The fourth of those in flight is sent once the third has been answered.
            time.sleep(1)
            run.send_signal(signal.SIGINT)
            rest, errors = run.communicate(timeout=60)
            answer([run.returncode, printed + rest, errors])
            ",
            folder = folder.path().display().to_string(),
            binary = setup::binary().display().to_string(),
        ),
    );
    assert_eq!(python.answer[0], 130, "{}", python.answer);
    assert_eq!(python.answer[1], "1\n1\n1\n");
    let errors = python.answer[2].as_str().unwrap();
    assert!(
        errors.contains(
            "error: interrupted: 3 documents done, 4 in flight and given up, the rest not sent\n"
        ),
        "{errors}"
    );
    assert!(!errors.contains("DONE"), "{errors}");
}

#[test]
fn run_serves_with_a_table_and_names_before_output() {
    let folder = folder();
    let mut command = wasm_flow(["run", "flow.toml", "--port", "0"]);
    command.current_dir(folder.path());
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The table names protocol and address; the port in it is the one to call.
    let (sender, lines) = std::sync::mpsc::channel();
    for stream in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(stream)
                .lines()
                .map_while(Result::ok)
            {
                let _ = sender.send(line);
            }
        });
    }
    drop(sender);
    let mut shown = String::new();
    let port = loop {
        let line = lines
            .recv_timeout(Duration::from_secs(60))
            .unwrap_or_else(|_| panic!("no address was shown:\n{shown}"));
        shown += &format!("{line}\n");
        let port = line.split("127.0.0.1:").nth(1).map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        });
        if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
            break port;
        }
    };
    let posted = Finished::successfully(
        wasm_flow([
            "post",
            &format!("grpc://127.0.0.1:{port}"),
            "--on",
            "/print",
            "--text",
            "x",
            "--print",
            "text",
        ])
        .current_dir(folder.path()),
    );
    assert_eq!(posted.stdout, "x\n");
    while !shown.contains("to stdout") || !shown.contains("to stderr") {
        let line = lines
            .recv_timeout(Duration::from_secs(20))
            .unwrap_or_else(|_| panic!("the executor's output was not shown:\n{shown}"));
        shown += &format!("{line}\n");
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(shown.contains("GRPC"), "{shown}");
    for text in ["to stdout", "to stderr"] {
        let line = shown.lines().find(|line| line.contains(text)).unwrap();
        assert!(line.starts_with("probe") && line.contains(" | "), "{line}");
    }
}

#[test]
fn post_sends_and_prints() {
    let server = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let address = format!("grpc://127.0.0.1:{}", server.port());
    let folder = folder();
    let post = |arguments: &[&str]| {
        Finished::of(
            wasm_flow(["post", &address, "--on", "/trace"])
                .args(arguments)
                .current_dir(folder.path()),
        )
    };
    let texts = post(&["--text", "a", "--text", "b", "--print", "text"]);
    assert_eq!(
        (texts.status, texts.stdout.as_str()),
        (Some(0), "a>probe/rep-0\nb>probe/rep-0\n"),
        "{texts}"
    );

    let file = post(&[
        "--input",
        "texts.txt",
        "--request-size",
        "1",
        "--in-order",
        "--print",
        "jsonl",
    ]);
    let got: Vec<Value> = file
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(got.len(), 3, "{file}");
    assert_eq!(got[0]["text"], "one>probe/rep-0");

    let table = post(&["--text", "a", "--print", "table"]);
    assert!(table.stdout.contains("a>probe/rep-0"), "{table}");

    let elsewhere = Finished::of(&mut wasm_flow([
        "post",
        "grpc://127.0.0.1:1",
        "--on",
        "/x",
        "--text",
        "a",
    ]));
    assert_eq!(elsewhere.status, Some(1), "{elsewhere}");
    elsewhere.complains_of(&["127.0.0.1:1"]);
}

#[test]
fn post_reports_a_failing_executor() {
    let server = Server::run("[[executors]]\nname = \"bad\"\nuses = \"{hostile}\"\n");
    let address = format!("grpc://127.0.0.1:{}", server.port());
    let failed = Finished::of(&mut wasm_flow([
        "post", &address, "--on", "/error", "--text", "a",
    ]));
    assert_eq!(failed.status, Some(1), "{failed}");
    failed.complains_of(&["bad", "invalid digit"]);
    assert!(!failed.stderr.contains("sent again"), "{failed}");
    let server = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let address = format!("grpc://127.0.0.1:{}", server.port());
    let busy = Finished::of(&mut wasm_flow([
        "post", &address, "--on", "/busy", "--text", "a",
    ]));
    busy.complains_of(&["may succeed if it is sent again, in 2s or later"]);
}

#[test]
fn serve_takes_a_file_a_name_and_a_configuration() {
    let file = guest("probe");
    let server = Server::serve([
        file.to_str().unwrap(),
        "--port",
        "0",
        "--name",
        "mine",
        "--uses-with",
        "{\"k\": [1, 2]}",
    ]);
    let seen = server.python(
        "
        (response,) = responses('/anything', texts('t'))
        (result,) = response.parameters['__results__'].values()
        answer([result['name'], result['config'], [route.executor for route in response.routes]])
        ",
    );
    assert_eq!(
        seen,
        json!(["mine/rep-0", { "k": [1.0, 2.0] }, ["gateway", "mine"]])
    );
}

/// Ctrl-C and SIGTERM: what is in flight is finished and answered, new requests
/// are not taken, and the exit status is 0.
#[test]
fn signals_drain_and_stop() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
        let (in_flight, late) = std::thread::scope(|scope| {
            let server = &server;
            let in_flight = scope.spawn(|| {
                server.python(
                    "
                    answer(sorted(response.parameters['__results__']['probe/rep-0']['most'] for response in
                                  responses('/gauge', texts('a', 'b'), request_size=1, parameters={'seconds': 6})))
                    ",
                )
            });
            assert_eq!(server.printed_lines(2), ["waiting", "waiting"]);
            server.signal(signal);
            let late =
                server.python("answer(failed(lambda: client().post('/trace', texts('late'))))");
            let in_flight = in_flight
                .join()
                .expect("the requests in flight were answered");
            (in_flight, late)
        });
        assert_eq!(in_flight, json!([2.0, 2.0]), "{signal:?}");
        assert_eq!(late["class"], "ConnectionError", "{signal:?}: {late}");
        let ended = server.ended();
        assert_eq!(ended.status, Some(0), "{signal:?}\n{ended}");
    }
}

/// What takes longer than `grace` is cut off, calls that wait in a queue, too.
#[test]
fn a_stop_takes_no_longer_than_its_grace() {
    let mut server = Server::run(
        "[gateway]\ngrace = \"1s\"\n[[executors]]\nname = \"hostile\"\nuses = \"{hostile}\"\n\
         limits = { concurrency = 1 }\n",
    );
    let begun = std::thread::scope(|scope| {
        let shared = &server;
        let waiting = scope.spawn(|| {
            shared.python(
                "
                from concurrent.futures import ThreadPoolExecutor
                body = request('/block', texts('x'))
                body.parameters.update({'seconds': 30})
                client().post('/say', texts('begin'))
                with ThreadPoolExecutor(8) as pool:
                    answer([got['status'] for got in pool.map(lambda _: raw(body), range(8))])
                ",
            )
        });
        shared.printed_lines(1);
        std::thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        shared.signal(Signal::TERM);
        let cut_off = waiting.join().expect("the client was not left waiting");
        assert!(!cut_off.to_string().contains("OK"), "{cut_off}");
        begun
    });
    let ended = server.ended();
    assert!(begun.elapsed() < Duration::from_secs(15), "{ended}");
    assert_ne!(ended.status, Some(0), "{ended}");
    let words = "8 requests were not answered within 1s; raise `grace`";
    assert!(ended.stderr.contains(words), "{ended}");
}

/// Clients cannot take the process's last file descriptor: no more than half of them are
/// for connections, and more of these wait.
#[test]
fn connections_leave_descriptors_for_others() {
    let mut server = Server::run_with(
        "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n",
        |command| {
            let mut limited = Command::new("sh");
            limited.args(["-c", "ulimit -n 256; exec \"$@\"", "sh"]);
            limited.arg(command.get_program()).args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => limited.env(name, value),
                    None => limited.env_remove(name),
                };
            }
            *command = limited;
        },
    );
    let address = ("127.0.0.1", server.port());
    let silent: Vec<_> = std::iter::repeat_with(|| TcpStream::connect(address).unwrap())
        .take(300)
        .collect();
    server.wait_for_stderr("128 connections are open; more of them wait");
    // Those that say nothing are closed, and those behind them get their turn.
    let seen =
        server.python("answer(told(raw(request('/trace', texts('x')), timeout=100))['status'])");
    assert_eq!(seen, json!("OK"));
    drop(silent);
    server.signal(Signal::TERM);
    let ended = server.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(!ended.stderr.contains("cannot accept"), "{ended}");
}

/// Who cannot wait says so once more.
#[test]
fn a_second_signal_stops_at_once() {
    let mut server = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    let lost = std::thread::scope(|scope| {
        let shared = &server;
        let waiting = scope.spawn(|| {
            shared.python("answer(failed(lambda: client().post('/gauge', texts('a'), parameters={'seconds': 50})))")
        });
        shared.printed_lines(1);
        shared.signal(Signal::INT);
        shared.wait_for_stderr("Ctrl-C again");
        shared.signal(Signal::INT);
        waiting.join().expect("the client was not left waiting")
    });
    assert_ne!(lost, Value::Null, "the request was given up");
    assert_ne!(server.ended().status, Some(0));
}

/// On a terminal the progress is a bar; elsewhere there is one line at the end.
#[test]
fn progress_is_a_bar_on_a_terminal() {
    let folder = folder();
    let python = wasm_flow_tests::python::Python::run(
        0,
        &format!(
            "
            import pty
            shown = b''
            def read(terminal):
                global shown
                data = os.read(terminal, 4096)
                shown += data
                return data
            os.chdir({folder:?})
            status = pty.spawn([{binary:?}, 'run', 'flow.toml', '--on', '/wait', '--text', '700', '--text', '700', '--request-size', '1'], read)
            answer([status, shown.decode()])
            ",
            folder = folder.path().display().to_string(),
            binary = setup::binary().display().to_string(),
        ),
    );
    assert_eq!(python.answer[0], 0, "{}", python.answer);
    let shown = python.answer[1].as_str().unwrap();
    for part in ["0 of 2 steps", "━", "DONE 2 steps done in"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
}

#[test]
fn a_server_without_work_stops_at_once() {
    let mut server = Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n");
    assert!(server.runs());
    server.signal(Signal::INT);
    let ended = server.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err(),
        "the port is free"
    );
}
