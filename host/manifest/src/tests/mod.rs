//! Files are read from text here: nothing that they name has to exist.

mod cases;
mod late;
mod schema;
mod validator;
mod variables;

use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use wasm_flow_contract::bounds::{DEFAULT_TIMEOUT, MAX_LISTED};
use wasm_flow_contract::config::{ExecutorConfig, Isolation};
use wasm_flow_contract::grants::Access;
use wasm_flow_contract::graph::{GATEWAY, NodeId};
use wasm_flow_contract::hub::Signers;
use wasm_flow_contract::remote::Secret;
use wasm_flow_contract::sharding::{Group, Poll, Polling};

use super::*;
use crate::bounds::{MAX_EXECUTORS, MAX_PROBLEMS};

fn parse(text: &str) -> Manifest {
    match Manifest::parse(text, "flows/search/flow.toml") {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn refused(text: &str) -> Report {
    match Manifest::parse(text, "flow.toml") {
        Err(ManifestError::Invalid(report)) => *report,
        other => panic!("{other:?}\n{text}"),
    }
}

fn ids(manifest: &Manifest) -> Vec<NodeId> {
    manifest.executors.iter().map(|(id, _)| id).collect()
}

fn names(manifest: &Manifest, ids: &[NodeId]) -> Vec<String> {
    let graph = &manifest.executors;
    ids.iter().map(|id| graph[*id].name.to_string()).collect()
}

#[test]
fn everything_that_a_file_can_say() {
    let manifest = parse(
        r#"
            [flow]
            name = "search"
            [gateway]
            host = "0.0.0.0"
            port = 0
            prefetch = 7
            max_message = "1MiB"
            grace = "25s"
            port_health = 8080
            [gateway.tls]
            cert = "server.pem"
            key = "/keys/server.key"
            client_ca = "clients.pem"
            [gateway.auth]
            token_file = "tokens.txt"
            [host.compile]
            time = "1.5s"
            memory = "32MiB"
            [[executors]]
            name = "last"
            uses = "a.wasm"
            needs = ["first"]
            uses_before = "grpc://a:5000"
            uses_after = { uses = "grpcs://b:443", timeout_send = "2s", tls = { ca = "ca.pem" }, token_file = "token.txt" }
            [[executors]]
            name = "first"
            uses = "crate"
            needs = "gateway"
            uses_with = { s = "x", n = 1, f = 0.5, b = true, l = [1, { d = 1979-05-27 }] }
            uses_metas = { description = "d" }
            uses_requests = { "/index" = "encode" }
            replicas = 2
            shards = 3
            polling = { "/x" = "ALL", "*" = "ANY" }
            uses_before = "before.wasm"
            uses_after = { uses = "after", uses_with = { k = 1 }, uses_requests = { "/a" = "m" }, replicas = 4, timeout = "1s", limits = { memory = "1MiB" }, allow = { env = "A", dirs = [{ host = "data", guest = "/d" }] } }
            isolation = "request"
            timeout = "1.5s"
            workspace = "work"
            [executors.limits]
            memory = "64MiB"
            concurrency = 3
            reply = "5MiB"
            [executors.allow]
            http = ["https://API.example.com/v1/", { origin = "http://db.internal:8080", private = true }, { origin = "http://b" }]
            env = ["LANG", "HOME"]
            dirs = [{ host = "data", guest = "/data" }, { host = ".", guest = "/all", access = "write" }]
        "#,
    );
    assert_eq!(manifest.file(), "flows/search/flow.toml");
    assert_eq!(manifest.name, "search");
    assert_eq!(
        manifest.gateway,
        GatewayConfig {
            host: "0.0.0.0".into(),
            port: 0,
            port_health: Some(8080),
            prefetch: NonZeroUsize::new(7).unwrap(),
            max_message: 1 << 20,
            grace: Duration::from_secs(25),
            door: DoorFiles {
                tls: Some(ServerTlsFiles {
                    cert: Pem::File("flows/search/server.pem".into()),
                    key: Pem::File("/keys/server.key".into()),
                    client_ca: Some(Pem::File("flows/search/clients.pem".into())),
                }),
                tokens: Some(TokensFrom::File("flows/search/tokens.txt".into())),
            },
        }
    );
    let compile = manifest.host.compile;
    assert_eq!(
        (compile.time, compile.memory),
        (Duration::from_millis(1500), 32 << 20)
    );
    let graph = &manifest.executors;
    assert_eq!(names(&manifest, graph.order()), ["first", "last"]);
    let [last, first] = ids(&manifest)[..] else {
        panic!("two executors")
    };
    let upstream = |id: NodeId| -> Vec<&str> {
        let needs = graph[id].needs.iter();
        needs.map(|edge| graph.upstream_name(edge.from)).collect()
    };
    assert_eq!(upstream(first), [GATEWAY]);
    assert_eq!(upstream(last), ["first"]);
    let uses = |id: NodeId| graph[id].value.uses.clone();
    let path = |written: &str| Uses::Path {
        written: written.to_owned(),
        path: Path::new("flows/search").join(written),
    };
    assert_eq!(uses(last), path("a.wasm"));
    assert_eq!(uses(first), path("crate"));
    assert_eq!(graph[last].value.config.timeout, DEFAULT_TIMEOUT);

    let before = graph[first].value.uses_before.as_ref().unwrap();
    assert_eq!(before.uses, path("before.wasm"));
    assert_eq!(
        (before.config.name.as_str(), before.config.group),
        ("first", Group::UsesBefore)
    );
    let after = graph[first].value.uses_after.as_ref().unwrap();
    assert_eq!(after.uses, path("after"));
    let after = &after.config;
    assert_eq!(
        (after.name.as_str(), after.group),
        ("first", Group::UsesAfter)
    );
    assert_eq!(
        (
            after.uses_with["k"].as_i64(),
            after.uses_requests["/a"].as_str()
        ),
        (Some(1), "m")
    );
    assert_eq!(
        (after.replicas.get(), after.timeout),
        (4, Duration::from_secs(1))
    );
    assert_eq!(
        (after.limits.memory, after.limits.concurrency.get()),
        (1 << 20, 256)
    );
    assert_eq!(after.allow.env, ["A"]);
    assert_eq!(after.allow.dirs[0].host, Path::new("flows/search/data"));

    // Either may run elsewhere.
    let remote = |entry: &Option<Box<ExecutorEntry>>| match entry.as_ref().map(|entry| &entry.uses)
    {
        Some(Uses::Remote(remote)) => (**remote).clone(),
        other => panic!("{other:?}"),
    };
    let before = remote(&graph[last].value.uses_before);
    assert_eq!(before.address.to_string(), "grpc://a:5000");
    let after = remote(&graph[last].value.uses_after);
    assert_eq!(after.address.to_string(), "grpcs://b:443");
    assert_eq!(after.timeout_send, Some(Duration::from_secs(2)));
    let ca = Pem::File("flows/search/ca.pem".into());
    let token = Token::File("flows/search/token.txt".into());
    assert_eq!((after.token, after.tls.ca), (Some(token), Some(ca)));

    let first = &graph[first].value.config;
    assert_eq!(first.name, "first");
    assert_eq!((first.shards.get(), first.group), (3, Group::Whole));
    let polling = Polling {
        named: [("/x".to_owned(), Poll::All)].into(),
        rest: Some(Poll::Any),
    };
    assert_eq!(first.polling, polling);
    assert_eq!(
        serde_json::Value::Object(first.uses_with.clone()),
        json!({"s": "x", "n": 1, "f": 0.5, "b": true, "l": [1, {"d": "1979-05-27"}]})
    );
    assert_eq!(first.uses_metas["description"], "d");
    assert_eq!(first.uses_requests["/index"], "encode");
    assert_eq!(first.replicas.get(), 2);
    assert_eq!(first.isolation, Isolation::Request);
    assert_eq!(first.timeout, Duration::from_millis(1500));
    assert_eq!(first.workspace, Some(PathBuf::from("flows/search/work")));
    assert_eq!(first.limits.memory, 64 << 20);
    assert_eq!(first.limits.concurrency.get(), 3);
    let http = first.allow.http.iter();
    let http: Vec<(String, bool)> = http
        .map(|grant| (grant.origin.to_string(), grant.private))
        .collect();
    let expected = [
        ("https://api.example.com/v1", false),
        ("http://db.internal:8080", true),
        ("http://b", false),
    ];
    assert_eq!(
        http,
        expected.map(|(origin, private)| (origin.to_owned(), private))
    );
    assert_eq!(first.allow.env, ["LANG", "HOME"]);
    let [data, all] = first.allow.dirs.as_slice() else {
        panic!("two folders")
    };
    assert_eq!(data.host, Path::new("flows/search/data"));
    assert_eq!((data.guest.as_str(), data.access), ("/data", Access::Read));
    assert_eq!((all.guest.as_str(), all.access), ("/all", Access::Write));
}

#[test]
fn what_is_left_out_has_defaults() {
    let manifest = parse(
        r#"
            executors = [{ name = "a", uses = "a.wasm" }, { name = "b", uses = "a.wasm" }]
        "#,
    );
    assert_eq!(manifest.name, "search");
    let open = GatewayConfig::default().with_door(DoorFiles::default());
    assert_eq!(manifest.gateway, open);
    assert_eq!(manifest.host, HostConfig::default());
    let graph = &manifest.executors;
    assert_eq!(names(&manifest, graph.order()), ["a", "b"]);
    for (id, node) in graph.iter() {
        let written = format!("{:?}", node.value.config);
        let default = ExecutorConfig::new(node.name.to_string());
        assert_eq!(written, format!("{default:?}"), "{id:?}");
    }
}

#[test]
fn a_gateways_tokens_are_one_or_several_and_from_variables() {
    let tokens = |token: &str| {
        let text = format!(
            "executors = [{{ name = \"a\", uses = \"a.wasm\" }}]\n[gateway.auth]\ntoken = {token}"
        );
        let value = |name: &str| match name {
            "NEW" => Some("hush-1".into()),
            "WRONG" => Some("hush 2".into()),
            _ => None,
        };
        Manifest::parse_with(&text, "flow.toml", value)
    };
    for (written, count) in [("\"${NEW}\"", 1), ("[\"${NEW}\", \"old\"]", 2)] {
        let manifest = tokens(written).unwrap();
        let Some(TokensFrom::Text(tokens)) = &manifest.gateway.door.tokens else {
            panic!("{:?}", manifest.gateway)
        };
        assert_eq!(tokens.count(), count);
        assert_eq!(tokens.iter().next().map(Secret::reveal), Some("hush-1"));
        assert!(!format!("{manifest:?}").contains("hush"));
    }
    let refused = tokens("\"${WRONG}\"").unwrap_err().to_string();
    assert!(refused.contains("not a token"), "{refused}");
    assert!(!refused.contains("hush"), "{refused}");
}

#[test]
fn the_current_folder_names_a_flow_too() {
    let text = "executors = [{ name = \"a\", uses = \"a.wasm\" }]";
    let manifest = Manifest::parse(text, "flow.toml").unwrap();
    let folder = std::env::current_dir().unwrap();
    assert_eq!(folder.file_name().unwrap(), manifest.name.as_str());
    let (_, node) = manifest.executors.iter().next().unwrap();
    let Uses::Path { path, .. } = &node.value.uses else {
        panic!("not a path")
    };
    assert_eq!(path, Path::new("a.wasm"));
}

#[test]
fn what_the_command_line_takes_too() {
    for (text, expected) in [
        ("1", Some(1)),
        ("1000", Some(1000)),
        ("0", None),
        ("1001", None),
        ("x", None),
    ] {
        let read = ExecutorEntry::parse_replicas(text).ok();
        assert_eq!(read.map(NonZeroU32::get), expected, "{text}");
    }
    for (text, expected) in [
        ("1MiB", Ok(1 << 20)),
        ("4GiB", Ok(4 << 30)),
        ("1023KiB", Err("at least 1 MiB: no executor fits into less")),
        (
            "4.1GiB",
            Err("at most 4 GiB: a component's memory has 32-bit addresses"),
        ),
    ] {
        let expected = expected.map_err(str::to_owned);
        assert_eq!(ExecutorEntry::parse_memory(text), expected);
    }
    for name in ["a", "_", "größe", "a-b.c_1", &"x".repeat(128)] {
        assert_eq!(ExecutorEntry::parse_name(name), Ok(name.to_owned()));
    }
    for name in ["", "gateway", "1a", "a b", "a/b", &"x".repeat(129)] {
        assert!(ExecutorEntry::parse_name(name).is_err(), "{name}");
    }
}

/// What an executor says when it does not start is in a report.
#[test]
fn a_report_does_nothing_to_a_terminal() {
    let manifest = parse(
        "[flow]\nname = \"\u{9b}2J\"\n[[executors]]\nname = \"a\"\nuses = \"a.wasm\" # \u{9b}2J\n",
    );
    let place = Place::Uses(ids(&manifest)[0]);
    let report = manifest.report([LateProblem::new(place, "a\u{1b}]0;t\u{7}\u{9b}2J")
        .label("c\u{1b}]0;t\u{7}\u{9b}2J")
        .help("b\u{1b}]0;t\u{7}\u{9b}2J")]);
    let shown = report.to_string();
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "{shown:?}"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = Manifest::load("nowhere/flow.toml").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read nowhere/flow.toml: ")
    );
}

/// A path of a file that one test writes.
fn scratch(name: &str) -> PathBuf {
    let name = format!("wasm-flow-manifest-{}-{name}.toml", std::process::id());
    std::env::temp_dir().join(name)
}

#[test]
fn a_file_that_is_not_text() {
    let path = scratch("binary");
    fs::write(&path, b"\x7fELF\xff\xfe").unwrap();
    let error = Manifest::load(&path).unwrap_err().to_string();
    fs::remove_file(&path).unwrap();
    let expected = "not UTF-8 text, so it is not a flow.toml";
    assert_eq!(error, format!("cannot read {}: {expected}", path.display()));
}

#[test]
fn a_file_as_an_editor_on_windows_saves_it() {
    let text = "\u{feff}[[executors]]\r\nname = \"a\"\r\nuses = \"a.wasm\"\r\n";
    let manifest = parse(text);
    let report = manifest.report([LateProblem::new(Place::Uses(ids(&manifest)[0]), "late")]);
    assert_eq!(report.position(&report.problems()[0]), (3, 8));
}

#[test]
fn a_file_is_bounded_before_it_is_read() {
    let path = scratch("large");
    let text = "executors = [{ name = \"a\", uses = \"a.wasm\" }]\n";
    let most = usize::try_from(MAX_FILE).unwrap();
    let padded = |len: usize| format!("{text}#{}", "x".repeat(len - text.len() - 1));
    fs::write(&path, padded(most)).unwrap();
    let fits = Manifest::load(&path);
    fs::write(&path, padded(most + 1)).unwrap();
    let too_large = Manifest::load(&path);
    // It is cut in the middle of a character.
    fs::write(&path, "a".repeat(most) + "é").unwrap();
    let cut = Manifest::load(&path);
    fs::remove_file(&path).unwrap();
    assert!(fits.is_ok(), "{fits:?}");
    for too_large in [too_large, cut] {
        assert_eq!(
            too_large.unwrap_err().to_string(),
            format!(
                "cannot read {}: larger than 1 MiB, so it is not a flow.toml",
                path.display()
            )
        );
    }
}

/// What a file makes a report hold does not grow with the square of the file.
#[test]
fn what_a_report_holds_is_bounded() {
    let unknown: String = (0..5000).map(|i| format!("k{i} = 1\n")).collect();
    let report = refused(&unknown);
    assert_eq!(report.problems().len(), MAX_PROBLEMS);
    let shown = report.to_string();
    assert!(
        shown.ends_with(
            "5001 problems in flow.toml: 100 are shown, the others come up when these are solved"
        ),
        "{shown}"
    );

    let executor = |i: usize| format!("[[executors]]\nname = \"e{i}\"\nuses = \"a.wasm\"\n");
    let many: String = (0..100).map(executor).collect();
    let report = refused(&(many + "needs = \"zzz\"\n"));
    let help = report.problems()[0].help_text().unwrap();
    // The gateway is one of them.
    let (last, more) = (MAX_LISTED - 2, 101 - MAX_LISTED);
    assert!(
        help.ends_with(&format!("e{last} and {more} more")),
        "{help}"
    );
}

#[test]
fn executors_are_bounded() {
    let executor = |i: usize| format!("[[executors]]\nname = \"e{i}\"\nuses = \"a.wasm\"\n");
    let flow = |count: usize| (0..count).map(executor).collect::<String>();
    assert_eq!(parse(&flow(MAX_EXECUTORS)).executors.len(), MAX_EXECUTORS);
    let report = refused(&flow(MAX_EXECUTORS + 2));
    let [problem] = report.problems() else {
        panic!("{report}")
    };
    assert_eq!(problem.title(), "`executors` has 1002 tables");
    let shown = report.to_string();
    assert!(shown.contains("^ the first of more than 1000"), "{shown}");
    assert_eq!(report.position(problem), (3001, 1));
}

#[test]
fn tables_that_are_nested_too_deep_are_a_syntax_error() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{} = 1", ["a"; 100_000].join(".")),
    ] {
        let report = refused(&text);
        let title = report.problems()[0].title();
        assert!(title.starts_with("not valid TOML: "), "{title}");
    }
}

#[test]
fn registries_and_whose_signatures_they_want() {
    let manifest = parse(
        r#"
            [hub]
            registries = ["registry.example.com", "localhost:5000/team"]
            plain_http = ["registry.example.com:5000"]
            [[hub.trust]]
            of = "registry.example.com/team"
            keys = ["team.pub", "/keys/lead.pub"]
            [[hub.trust]]
            of = "localhost:5000"
            unsigned = true
            [[executors]]
            name = "clean"
            uses = "oci://registry.example.com/team/clean:1.0"
        "#,
    );
    let [clean] = ids(&manifest)[..] else {
        panic!("one executor")
    };
    let reference = "registry.example.com/team/clean:1.0".parse().unwrap();
    assert_eq!(manifest.executors[clean].value.uses, Uses::Hub(reference));
    let hub = &manifest.hub;
    let scopes: Vec<String> = hub.registries.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["registry.example.com", "localhost:5000/team"]);
    assert_eq!(hub.plain_http, ["registry.example.com:5000"]);
    let signers: Vec<_> = hub.trust.iter().map(|trust| &trust.signers).collect();
    let keys = ["flows/search/team.pub", "/keys/lead.pub"];
    assert_eq!(
        signers,
        [
            &Signers::Keys(keys.map(PathBuf::from).into()),
            &Signers::Nobody
        ]
    );

    let missing = LateProblem::new(Place::TrustedKey(0, 1), "no such key");
    let report = manifest.report([missing]).to_string();
    assert!(report.contains("flow.toml:7:33"), "{report}");
}
