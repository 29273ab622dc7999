//! Nothing is granted that flow.toml does not grant, and what it grants works.

use std::fs;
use std::net::TcpListener;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};
use wasm_flow_tests::http::Web;
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Finished, Server, wasm_flow};

fn flow(allow: &str) -> Server {
    Server::run_with(
        &format!("[[executors]]\nname = \"guest\"\nuses = \"{{hostile}}\"\n{allow}"),
        |command| {
            command
                .env("WASM_FLOW_TEST_SECRET", "secret")
                .env("WASM_FLOW_TEST_GRANTED", "granted");
        },
    )
}

/// Calls an endpoint; what it gave back, or how it failed.
fn call(flow: &Server, endpoint: &str, parameters: &Value) -> Value {
    flow.python(&format!(
        "
        (response,) = responses('{endpoint}', texts('t'), parameters=json.loads({}))
        answer({{
            'result': response.parameters.get('__results__', {{}}).get('guest/rep-0'),
            'error': response.header.status.description,
            'code': response.header.status.code,
            'name': response.header.status.exception.name,
        }})
        ",
        // A JSON string is a Python string too.
        json!(parameters.to_string())
    ))
}

#[test]
fn nothing_is_granted_by_default() {
    let web = Web::start();
    let flow = flow("");
    let environment = call(&flow, "/environment", &json!({}));
    let seen = &environment["result"];
    assert_eq!(seen["variables"], json!({}), "no variables");
    assert_eq!(seen["root"], json!([]), "no files");
    assert!(
        !seen["arguments"].to_string().contains("flow.toml"),
        "no arguments of the host: {seen}"
    );

    for path in [
        "/etc/passwd",
        "flow.toml",
        "/",
        "../../../etc/passwd",
        "/proc/self/environ",
    ] {
        let read = call(&flow, "/read", &json!({ "path": path }));
        assert_eq!(read["code"], 1, "{path}: {read}");
        assert!(
            read["error"]
                .as_str()
                .is_some_and(|text| text.contains("cannot read")),
            "{read}"
        );
    }
    let written = call(&flow, "/write", &json!({ "path": "new" }));
    assert_eq!(written["code"], 1, "{written}");
    assert!(!flow.folder().join("new").exists());

    let got = call(&flow, "/http", &json!({ "url": web.origin() }));
    assert_eq!(got["code"], 1, "{got}");
    let error = got["error"].as_str().unwrap();
    assert!(
        error.contains("allow") && error.contains(&web.origin()),
        "it says what to grant: {error}"
    );

    let connected = call(&flow, "/connect", &json!({ "address": web.address() }));
    assert_eq!(connected["code"], 1, "{connected}");
}

#[test]
fn named_variables_are_seen_and_no_others() {
    let flow =
        flow("[executors.allow]\nenv = [\"WASM_FLOW_TEST_GRANTED\", \"WASM_FLOW_TEST_UNSET\"]\n");
    let environment = call(&flow, "/environment", &json!({}));
    assert_eq!(
        environment["result"]["variables"],
        json!({ "WASM_FLOW_TEST_GRANTED": "granted" })
    );
}

#[test]
fn folders_are_seen_under_their_names() {
    let data = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    fs::write(data.path().join("words.txt"), "some words").unwrap();
    fs::write(work.path().join("old.txt"), "old").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", data.path().join("way-out")).unwrap();
    let flow = flow(&format!(
        "[executors.allow]\ndirs = [{{ host = \"{}\", guest = \"/data\", access = \"read\" }}, {{ host = \"{}\", guest = \"/share\", access = \"write\" }}]\n",
        data.path().display(),
        work.path().display(),
    ));
    let read = |path: &str| call(&flow, "/read", &json!({ "path": path }));
    let write = |path: &str| call(&flow, "/write", &json!({ "path": path }));

    assert_eq!(
        read("/data/words.txt")["result"],
        json!({ "text": "some words" })
    );
    assert_eq!(read("/share/old.txt")["result"], json!({ "text": "old" }));
    for path in [
        "/data/../etc/passwd",
        "/data/way-out",
        "/etc/passwd",
        "/data/../share/../etc/passwd",
    ] {
        assert_eq!(read(path)["code"], 1, "{path}");
    }
    assert_eq!(write("/data/new.txt")["code"], 1, "read is not write");
    assert!(!data.path().join("new.txt").exists());
    assert_eq!(write("/data/words.txt")["code"], 1);
    assert_eq!(
        fs::read_to_string(data.path().join("words.txt")).unwrap(),
        "some words"
    );
    assert_eq!(write("/share/new.txt")["code"], 0);
    assert_eq!(
        fs::read_to_string(work.path().join("new.txt")).unwrap(),
        "written by a guest"
    );
}

#[test]
fn a_folder_beside_flow_toml_is_meant_relative_to_it() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("texts")).unwrap();
    fs::write(data.path().join("texts/one.txt"), "one").unwrap();
    fs::write(
        data.path().join("flow.toml"),
        format!(
            "[[executors]]\nname = \"guest\"\nuses = \"{}\"\n[executors.allow]\ndirs = [{{ host = \"texts\", guest = \"/texts\" }}]\n",
            wasm_flow_tests::guest("hostile").display()
        ),
    )
    .unwrap();
    let finished = wasm_flow_tests::Finished::successfully(
        wasm_flow_tests::wasm_flow(["run"])
            .arg(data.path().join("flow.toml"))
            .args([
                "--on",
                "/read",
                "--text",
                "t",
                "--parameters",
                "{\"path\": \"/texts/one.txt\"}",
            ])
            .current_dir(std::env::temp_dir()),
    );
    assert_eq!(finished.status, Some(0), "{finished}");
}

#[test]
fn http_reaches_what_is_granted() {
    let web = Web::start();
    let other = Web::start();
    let flow = flow(&format!(
        "[executors.allow]\nhttp = [\"{}/v1\"]\n",
        web.origin()
    ));
    let get = |url: String| call(&flow, "/http", &json!({ "url": url }));

    let got = get(format!("{}/v1/things?n=1", web.origin()));
    assert_eq!(
        got["result"],
        json!({ "status": 200.0, "body": "you asked for /v1/things?n=1" }),
        "{got}"
    );
    let posted = call(
        &flow,
        "/http_post",
        &json!({ "url": format!("{}/v1/echo", web.origin()), "body": { "list": [1, "x"] } }),
    );
    assert_eq!(posted["result"], json!({ "list": [1.0, "x"] }), "{posted}");

    for url in [
        format!("{}/v2", web.origin()),
        format!("{}/v1/../v2", web.origin()),
        format!("{}/v1", other.origin()),
        web.origin().replace("127.0.0.1", "localhost"),
        web.origin().replace("http:", "https:"),
    ] {
        let refused = get(url.clone());
        assert_eq!(refused["code"], 1, "{url}: {refused}");
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains("allow"), "{url}: {error}");
    }
    // HTTP is not sockets.
    let connected = call(&flow, "/connect", &json!({ "address": web.address() }));
    assert_eq!(connected["code"], 1, "{connected}");
}

#[test]
fn redirects_lead_only_to_what_is_granted() {
    let web = Web::start();
    let other = Web::start();
    let (origin, elsewhere) = (web.origin(), other.origin());
    let flow = flow(&format!("[executors.allow]\nhttp = [\"{origin}/v1\"]\n"));
    let get = |url: &str| call(&flow, "/http", &json!({ "url": url }));

    for url in [
        format!("{origin}/v1/a/to?../b"),
        format!("{origin}/v1/to?/v1/to?{origin}/v1/b"),
    ] {
        let got = get(&url);
        assert_eq!(
            got["result"],
            json!({ "status": 200.0, "body": "you asked for /v1/b" }),
            "{url}: {got}"
        );
    }
    let posted = call(
        &flow,
        "/http_post",
        &json!({ "url": format!("{origin}/v1/to?echo"), "body": { "n": 1 } }),
    );
    assert_eq!(posted["result"], json!({ "n": 1.0 }), "{posted}");

    for target in [format!("{elsewhere}/v1/b"), format!("{origin}/v2")] {
        let url = format!("{origin}/v1/to?{target}");
        let refused = get(&url);
        assert_eq!(refused["name"], "HttpRefused", "{url}: {refused}");
        let error = refused["error"].as_str().unwrap();
        assert!(
            error.contains(&format!("{origin}/v1/to: redirected to {target}: "))
                && error.contains("allow"),
            "{error}"
        );
    }

    // To itself: the redirect's own query stays.
    let url = format!("{origin}/v1/to?");
    let endless = get(&url);
    assert_eq!(endless["name"], "HttpRedirect", "{endless}");
    let error = endless["error"].as_str().unwrap();
    assert!(error.contains("more than 10 redirects"), "{error}");
}

/// Names that stand for 127.0.0.1 and do not say so. The C library takes `127.1` for one
/// way to write it, so it needs no name server; a machine may have names of its own.
fn names_of_this_machine() -> Vec<String> {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let own = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        (words.next()? == "127.0.0.1").then(|| words.map(str::to_owned).collect::<Vec<_>>())
    });
    let own = own
        .flatten()
        .filter(|name| !name.split('.').any(|part| part == "localhost"));
    [String::from("127.1")].into_iter().chain(own).collect()
}

#[test]
fn a_name_reaches_this_machine_only_if_the_grant_says_so() {
    let web = Web::start();
    for name in names_of_this_machine() {
        let origin = web.origin().replace("127.0.0.1", &name);
        let url = format!("{origin}/v1/a");
        let mut closed = flow(&format!("[executors.allow]\nhttp = [\"{origin}\"]\n"));
        for _ in 0..2 {
            let refused = call(&closed, "/http", &json!({ "url": url }));
            assert_eq!(refused["name"], "HttpRefused", "{name}: {refused}");
            let error = refused["error"].as_str().unwrap();
            let grant = format!("{{ origin = \"{origin}\", private = true }}");
            assert!(error.contains(&grant), "it says what to grant: {error}");
        }
        closed.signal(Signal::TERM);
        let ended = closed.ended();
        let said = format!(
            "refused an HTTP request to {origin}: the name stands for 127.0.0.1, this machine"
        );
        let count = ended.stderr.matches(&said).count();
        assert_eq!(count, 1, "{name}: the log says so once: {ended}");

        let open = flow(&format!(
            "[executors.allow]\nhttp = [{{ origin = \"{origin}/v1\", private = true }}]\n"
        ));
        let got = call(&open, "/http", &json!({ "url": url }));
        assert_eq!(
            got["result"]["body"], "you asked for /v1/a",
            "{name}: {got}"
        );
        let refused = call(&open, "/http", &json!({ "url": format!("{origin}/v2") }));
        assert_eq!(refused["name"], "HttpRefused", "{name}: {refused}");
    }
}

#[test]
fn the_log_says_what_was_not_granted() {
    let mut flow = flow("");
    for path in ["/a", "/b"] {
        let url = format!("https://api.example.com{path}?secret");
        let refused = call(&flow, "/http", &json!({ "url": url }));
        assert_eq!(refused["name"], "HttpRefused", "{refused}");
    }
    flow.signal(Signal::TERM);
    let ended = flow.ended();
    let said = "refused an HTTP request to https://api.example.com, which flow.toml does not allow";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{ended}");
    let line = "http = [\"https://api.example.com\"]";
    assert!(ended.stderr.contains(line), "{ended}");
}

#[test]
fn an_instance_has_so_many_connections_and_gives_them_back() {
    let web = Web::start();
    // Takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_origin = format!("http://{}", silent.local_addr().unwrap());
    let accepted = thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in silent.incoming().flatten() {
            kept.push(stream);
        }
    });
    let mut flow = flow(&format!(
        "[executors.allow]\nhttp = [\"{silent_origin}\", \"{}\"]\n",
        web.origin()
    ));
    for _ in 0..2 {
        let flooded = call(
            &flow,
            "/http_flood",
            &json!({ "url": silent_origin, "count": 70 }),
        );
        let counts = flooded["result"].as_object().unwrap();
        let count = |part: &str| -> f64 {
            let counts = counts.iter().filter(|(said, _)| said.contains(part));
            counts.filter_map(|(_, count)| count.as_f64()).sum()
        };
        assert_eq!(count("too many connections are open"), 6.0, "{flooded}");
        // The guest's clock says so, or the host's.
        let in_vain = count("not finished within 3s") + count("the response took too long");
        assert_eq!(in_vain, 64.0, "{flooded}");
        // What was opened is closed.
        let url = format!("{}/a", web.origin());
        let got = call(&flow, "/http", &json!({ "url": url }));
        assert_eq!(got["result"]["body"], "you asked for /a", "{got}");
    }
    drop(accepted);
    flow.signal(Signal::TERM);
    let ended = flow.ended();
    let said = "refused an HTTP request: this instance has 64 connections open";
    let lines = ended.stderr.lines().filter(|line| line.contains(said));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "the log says so once: {ended}");
    assert!(
        lines[0].contains("executor=\"guest\""),
        "of which executor: {ended}"
    );
}

/// What one executor may do, another one of the same flow may not.
#[test]
fn grants_are_one_executors_own() {
    let flow = Server::run_with(
        r#"
        [[executors]]
        name = "trusted"
        uses = "{hostile}"
        [executors.allow]
        env = ["WASM_FLOW_TEST_SECRET"]

        [[executors]]
        name = "other"
        uses = "{hostile}"
        "#,
        |command| {
            command.env("WASM_FLOW_TEST_SECRET", "secret");
        },
    );
    let seen = flow.python(
        "
        seen = results('/environment', texts('t'))
        answer({name: result['variables'] for name, result in seen.items()})
        ",
    );
    assert_eq!(
        seen,
        json!({ "trusted/rep-0": { "WASM_FLOW_TEST_SECRET": "secret" }, "other/rep-0": {} })
    );
}

#[test]
fn instances_do_not_write_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let check = |keys: &str| {
        write_flow(
            folder.path(),
            &format!(
                "[[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n{keys}\n\
                 allow.dirs = [{{ host = \".\", guest = \"/data\", access = \"write\" }}]\n"
            ),
        );
        Finished::of(wasm_flow(["check", "flow.toml"]).current_dir(folder.path()))
    };
    assert_eq!(check("").status, Some(0), "{}", check(""));
    for (keys, count) in [("replicas = 2", 2), ("replicas = 2\nshards = 3", 6)] {
        let refused = check(keys);
        assert_eq!(refused.status, Some(1), "{refused}");
        refused.complains_of(&[
            &format!("{count} instances would write into one folder"),
            "`workspace` gives each of them a folder of its own",
            "flow.toml:",
        ]);
    }
}
