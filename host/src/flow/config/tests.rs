//! `cases/NAME.toml` must be refused with exactly `cases/NAME.txt`. To write
//! the texts anew after a change of wording, run the tests with `UPDATE=1`, and
//! read the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::executor::{Access, Isolation};

/// A folder with what the files under test name.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path =
            std::env::temp_dir().join(format!("wasm-flow-config-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("crate")).unwrap();
        fs::create_dir_all(path.join("data")).unwrap();
        fs::write(path.join("crate/Cargo.toml"), "").unwrap();
        fs::write(path.join("a.wasm"), "").unwrap();
        fs::write(path.join("b.txt"), "").unwrap();
        Dir(path)
    }

    fn parse(&self, text: &str) -> Result<FlowConfig, ConfigError> {
        FlowConfig::parse(text, self.0.join("flow.toml"))
    }

    /// What is printed, with the folder's path taken out.
    fn problems(&self, text: &str) -> String {
        let error = self.parse(text).expect_err(text).to_string();
        error.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_wrong_is_told() {
    let dir = Dir::new("cases");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow/config/cases");
    let mut seen = 0;
    for entry in fs::read_dir(cases).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let printed = dir.problems(&fs::read_to_string(&path).unwrap()) + "\n";
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &printed).unwrap();
        }
        assert_eq!(
            printed,
            fs::read_to_string(&expected).unwrap_or_default(),
            "{}",
            path.display()
        );
    }
    assert!(seen > 10, "the cases were not found");
}

#[test]
fn everything_that_a_file_can_say() {
    let dir = Dir::new("everything");
    let config = dir
        .parse(
            r#"
            [flow]
            name = "search"
            [gateway]
            host = "0.0.0.0"
            port = 0
            prefetch = 7
            max_message = "1MiB"
            [[executors]]
            name = "last"
            uses = "a.wasm"
            needs = ["first"]
            [[executors]]
            name = "first"
            uses = "crate"
            needs = "gateway"
            uses_with = { s = "x", n = 1, f = 0.5, b = true, l = [1, { d = 1979-05-27 }] }
            uses_metas = { description = "d" }
            uses_requests = { "/index" = "encode" }
            replicas = 2
            isolation = "request"
            timeout = "1.5s"
            workspace = "work"
            [executors.limits]
            memory = "64MiB"
            concurrency = 3
            reply = "5MiB"
            [executors.allow]
            http = "https://API.example.com/v1/"
            env = ["LANG", "HOME"]
            dirs = [{ host = "data", guest = "/data" }, { host = ".", guest = "/all", access = "write" }]
            "#,
        )
        .unwrap();
    assert_eq!(config.name, "search");
    assert_eq!(
        config.gateway,
        GatewayConfig {
            host: "0.0.0.0".into(),
            port: 0,
            prefetch: NonZeroUsize::new(7).unwrap(),
            max_message: 1 << 20,
        }
    );
    assert_eq!(config.graph.order(), [1, 0]);
    let [last, first] = config.executors.as_slice() else {
        panic!("two executors")
    };
    assert_eq!(last.uses, Uses::Wasm(dir.0.join("a.wasm")));
    assert_eq!(last.config.timeout, ExecutorConfig::DEFAULT_TIMEOUT);
    assert_eq!(first.uses, Uses::Folder(dir.0.join("crate")));
    let first = &first.config;
    assert_eq!(first.name, "first");
    assert_eq!(
        serde_json::Value::Object(first.uses_with.clone()),
        json!({"s": "x", "n": 1, "f": 0.5, "b": true, "l": [1, {"d": "1979-05-27"}]})
    );
    assert_eq!(first.uses_metas["description"], "d");
    assert_eq!(first.uses_requests["/index"], "encode");
    assert_eq!(first.replicas.get(), 2);
    assert_eq!(first.isolation, Isolation::Request);
    assert_eq!(first.timeout, Duration::from_millis(1500));
    assert_eq!(first.workspace, Some(dir.0.join("work")));
    assert_eq!(first.limits.memory, 64 << 20);
    assert_eq!(first.limits.concurrency.get(), 3);
    assert_eq!(first.limits.reply.get(), 5 << 20);
    let http: Vec<String> = first.allow.http.iter().map(ToString::to_string).collect();
    assert_eq!(http, ["https://api.example.com/v1"]);
    assert_eq!(first.allow.env, ["LANG", "HOME"]);
    let [data, all] = first.allow.dirs.as_slice() else {
        panic!("two folders")
    };
    assert_eq!((data.guest.as_str(), data.access), ("/data", Access::Read));
    assert_eq!((all.guest.as_str(), all.access), ("/all", Access::Write));
}

#[test]
fn what_is_left_out_has_defaults() {
    let dir = Dir::new("defaults");
    let config = dir
        .parse("[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n[[executors]]\nname = \"b\"\nuses = \"a.wasm\"\n")
        .unwrap();
    assert_eq!(config.gateway, GatewayConfig::default());
    assert_eq!(config.graph.order(), [0, 1]);
    assert_eq!(config.graph.nodes()[1].predecessors, [0]);
    assert!(config.name.starts_with("wasm-flow-config-"));
}

#[test]
fn problems_found_later_have_a_place_too() {
    let dir = Dir::new("late");
    let config = dir
        .parse("[gateway]\nport = 80\n[[executors]]\nname = \"ä\"\nuses = \"a.wasm\"\n")
        .unwrap();
    let late = |place| LateProblem {
        place,
        title: "late".into(),
        help: None,
    };
    let report = config.report([
        late(Place::UsesWith(0)),
        late(Place::Port),
        late(Place::Uses(0)),
    ]);
    let places: Vec<_> = report
        .problems()
        .iter()
        .map(|problem| report.position(problem))
        .collect();
    assert_eq!(places, [(2, 1), (3, 1), (5, 8)]);
}

/// What an executor says when it does not start stands in a report.
#[test]
fn a_report_does_nothing_to_a_terminal() {
    let dir = Dir::new("terminal");
    let config = dir
        .parse("[flow]\nname = \"\u{9b}2J\"\n[[executors]]\nname = \"a\"\nuses = \"a.wasm\" # \u{9b}2J\n")
        .unwrap();
    let report = config.report([LateProblem {
        place: Place::Uses(0),
        title: "a\u{1b}]0;t\u{7}\u{9b}2J".into(),
        help: Some("b\u{1b}]0;t\u{7}\u{9b}2J".into()),
    }]);
    let shown = report.to_string();
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "{shown:?}"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = FlowConfig::load("nowhere/flow.toml").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read nowhere/flow.toml: ")
    );
}
