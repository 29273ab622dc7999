//! What is wrong with a flow.toml is said with file, line and column before
//! anything is served.

use std::net::TcpListener;

use wasm_flow_tests::{Finished, Server, repository, wasm_flow};

/// Runs a flow that cannot start; stderr has to hold every part, and nothing
/// may have been served.
#[track_caller]
fn refused(toml: &str, parts: &[&str]) {
    let finished = Server::refused(toml);
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(parts);
    assert!(!finished.stdout.contains("ready"), "{finished}");
}

#[test]
fn not_toml() {
    refused("[flow\nname = 1\n", &["flow.toml:1:6"]);
}

#[test]
fn a_wrong_type() {
    refused(
        "[gateway]\nport = \"http\"\n\n[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n",
        &["flow.toml:2:8", "port"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nreplicas = -1\n",
        &["flow.toml:4:12", "replicas"],
    );
    refused(
        "[[executors]]\nname = 7\nuses = \"{probe}\"\n",
        &["flow.toml:2:8", "name"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\ntimeout = \"soon\"\n",
        &["flow.toml:4:11", "timeout"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n[executors.limits]\nmemory = \"big\"\n",
        &["flow.toml:5:10", "memory"],
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nuse_with = {}\n",
        &["flow.toml:4:1", "use_with", "uses_with"],
    );
    refused(
        "[gatway]\nport = 1\n\n[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n",
        &["flow.toml:1:2", "gatway", "gateway"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n[executors.limits]\nmemroy = \"1GiB\"\n",
        &["flow.toml:5:1", "memroy", "memory"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n[executors.allow]\nhttps = []\n",
        &["flow.toml:5:1", "https", "`http`"],
    );
}

#[test]
fn a_cycle() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nneeds = \"b\"\n\n[[executors]]\nname = \"b\"\nuses = \"{probe}\"\nneeds = \"a\"\n",
        &["flow.toml:4:9", "wait for each other: a -> b -> a"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nneeds = \"a\"\n",
        &["flow.toml:4:", "itself"],
    );
}

#[test]
fn an_unknown_need() {
    refused(
        "[[executors]]\nname = \"encode\"\nuses = \"{probe}\"\n\n[[executors]]\nname = \"rank\"\nuses = \"{probe}\"\nneeds = [\"encoed\"]\n",
        &["flow.toml:8:10", "encoed", "encode"],
    );
}

#[test]
fn a_duplicate_name() {
    refused(
        "[[executors]]\nname = \"twin\"\nuses = \"{probe}\"\n\n[[executors]]\nname = \"twin\"\nuses = \"{probe}\"\n",
        &["flow.toml:6:8", "twin"],
    );
    refused(
        "[[executors]]\nname = \"gateway\"\nuses = \"{probe}\"\n",
        &["flow.toml:2:8", "gateway"],
    );
}

#[test]
fn several_ends_say_how_to_join_them() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n\n[[executors]]\nname = \"b\"\nuses = \"{probe}\"\nneeds = \"gateway\"\n",
        &[
            "flow.toml:8:",
            "\"a\" and \"b\"",
            "needs = \"all\"",
            "floating = true",
        ],
    );
}

#[test]
fn a_missing_file() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"nowhere.wasm\"\n",
        &["flow.toml:3:8", "no such file", "nowhere.wasm"],
    );
    refused("[[executors]]\nname = \"a\"\n", &["flow.toml:1:", "uses"]);
    refused("[flow]\nname = \"empty\"\n", &["flow.toml:", "executors"]);
}

#[test]
fn a_method_that_does_not_exist() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nuses_requests = { \"/x\" = \"sear\" }\n",
        &["flow.toml:4:", "sear", "`trace`"],
    );
}

#[test]
fn all_problems_are_told_at_once() {
    refused(
        "[gateway]\nprot = 1\n\n[[executors]]\nname = \"a\"\nuses = \"nowhere.wasm\"\nreplicas = \"two\"\n",
        &["flow.toml:2:1", "flow.toml:7:12"],
    );
}

#[test]
fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let toml =
        format!("[gateway]\nport = {port}\n\n[[executors]]\nname = \"a\"\nuses = \"{{probe}}\"\n");
    let file = wasm_flow_tests::server::write_flow(folder.path(), &toml);
    let finished = Finished::of(wasm_flow(["run"]).arg(&file));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["flow.toml:2:", "something else has that port", &port]);

    // The same on the command line, where there is no line to point at.
    let finished = Finished::of(wasm_flow(["run"]).arg(&file).args(["--port", &port]));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["something else has that port", &port]);
}

#[test]
fn a_grant_that_cannot_be_given() {
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n[executors.allow]\nhttp = [\"example.com\"]\n",
        &["flow.toml:5:9", "https://"],
    );
    refused(
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\n[executors.allow]\ndirs = [{ host = \"nowhere\", guest = \"/data\" }]\n",
        &["flow.toml:5:", "nowhere"],
    );
}

/// `check` finds the same, and serves nothing either way.
#[test]
fn check_tells_good_from_bad() {
    let folder = tempfile::tempdir().unwrap();
    let file = wasm_flow_tests::server::write_flow(
        folder.path(),
        "[[executors]]\nname = \"a\"\nuses = \"{probe}\"\nneeds = \"b\"\n",
    );
    let bad = Finished::of(wasm_flow(["check"]).arg(&file));
    assert_eq!(bad.status, Some(1), "{bad}");
    bad.complains_of(&["flow.toml:4:9", "`b`"]);

    let good = Finished::successfully(
        wasm_flow(["check"]).arg(repository().join("examples/quickstart/flow.toml")),
    );
    for name in ["split", "clean", "embed", "dedupe"] {
        assert!(good.stdout.contains(name), "{good}");
    }
}

/// In JSON, too, it can be seen that there are more problems than are listed.
#[test]
fn check_says_how_many_problems_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flow.toml");
    let keys: String = (0..150).map(|i| format!("k{i} = 1\n")).collect();
    std::fs::write(&file, keys).unwrap();
    let finished = Finished::of(wasm_flow(["--format", "json", "check"]).arg(&file));
    assert_eq!(finished.status, Some(1), "{finished}");
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["problems"].as_array().unwrap().len(), 100);
    // The executors are missing, too.
    assert_eq!(report["total"], 151);
}

#[test]
fn environment_variables() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[executors]]\nname = \"${NAME:-probe}\"\nuses = \"${WF_TEST_PROBE}\"\n\
                replicas = \"${WF_TEST_REPLICAS:-1}\"\n";
    let file = folder.path().join("flow.toml");
    std::fs::write(&file, text).unwrap();
    let check = |variables: &[(&str, &str)]| {
        let mut command = wasm_flow(["--format", "json", "check"]);
        command.arg(&file).envs(variables.iter().copied());
        Finished::of(command.env_remove("NAME"))
    };
    let probe = wasm_flow_tests::guest("probe").display().to_string();
    let good = check(&[("WF_TEST_PROBE", &probe)]);
    assert_eq!(good.status, Some(0), "{good}");
    let unset = check(&[]);
    assert_eq!(unset.status, Some(1), "{unset}");
    let problems = |finished: &Finished| -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        report["problems"].clone()
    };
    let problem = &problems(&unset)[0];
    assert_eq!(
        problem["message"],
        "the environment variable `WF_TEST_PROBE` is not set"
    );
    assert_eq!(
        (&problem["line"], &problem["column"]),
        (&3.into(), &9.into())
    );
    let wrong = check(&[("WF_TEST_PROBE", &probe), ("WF_TEST_REPLICAS", "hunter2")]);
    assert!(!wrong.stdout.contains("hunter2"), "{wrong}");
    assert_eq!(
        problems(&wrong)[0]["note"],
        "the value is that of the environment variable `WF_TEST_REPLICAS`"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let finished = Finished::of(&mut wasm_flow(["run", "/nowhere/flow.toml"]));
    assert_eq!(finished.status, Some(1), "{finished}");
    finished.complains_of(&["/nowhere/flow.toml"]);
}
