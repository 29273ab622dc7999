//! Executors between wasm-flow and tools that others have written, in a real registry with
//! passwords. `wasm-flow hub login` has stored the password for all of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wasm_flow_tests::cli::Finished;
use wasm_flow_tests::example;
use wasm_flow_tests::oci_tools::{oras, wkg};
use wasm_flow_tests::registry::{Registry, USER};

use crate::hub::User;

/// A registry, and a user with its password.
fn logged_in() -> (Registry, User) {
    let (registry, user) = (Registry::with_password(), User::new());
    let (name, password) = USER;
    let login = [
        "hub",
        "login",
        &registry.host,
        "--username",
        name,
        "--password-stdin",
    ];
    let login = Finished::with_input(&mut user.command(&login), password);
    assert_eq!(login.status, Some(0), "{login}");
    (registry, user)
}

/// Lets somebody else's tool work where the user does.
#[track_caller]
fn succeeds(user: &User, tool: Command, arguments: &[&str]) {
    Finished::successfully(user.settled(tool).args(arguments));
}

/// Pushes an executor with a signature, and gives its bytes and what was said.
fn push(user: &User, reference: &str, more: &[&str]) -> (Vec<u8>, String) {
    let component = example("returns");
    let path = component.display().to_string();
    user.does(&["hub", "keygen", "team"]);
    let push = ["hub", "push", &path, reference, "--key", "team.key"];
    let said = user.does(&[&push[..], more].concat());
    (fs::read(component).unwrap(), said)
}

/// Whether the executor can be pulled, inspected, pinned and run, though nobody has signed
/// it and nothing is said of it beside its bytes.
#[track_caller]
fn is_an_executor(user: &User, reference: &str) {
    user.does(&["hub", "pull", reference, "--unsigned", "-o", "pulled.wasm"]);
    let pulled = fs::read(user.path("pulled.wasm")).unwrap();
    assert!(pulled == fs::read(example("returns")).unwrap());
    fs::remove_file(user.path("pulled.wasm")).unwrap();

    let named = format!("oci://{reference}");
    let inspected = user.does(&["inspect", &named, "--unsigned"]);
    assert!(inspected.contains("/da"), "{inspected}");

    let (host, _) = reference.split_once('/').unwrap();
    let rule = format!("[[hub.trust]]\nof = \"{host}\"\nunsigned = true\n");
    user.flow(reference, &rule);
    let pinned = user.does(&["update", "flow/flow.toml"]);
    assert!(pinned.contains("sha256:"), "{pinned}");
    let run = ["run", "flow/flow.toml", "--locked", "--on", "/da"];
    let ran = user.does(&[&run[..], &["--text", "x"]].concat());
    assert_eq!(ran, "new1\nnew2\n");
}

/// The component for a tool that takes only what is in its folder.
fn copy_to(path: &Path) {
    fs::copy(example("returns"), path).unwrap();
}

#[test]
fn oras_pulls_what_is_pushed() {
    let (registry, user) = logged_in();
    let reference = format!("{}/team/returns:1.0", registry.host);
    fs::create_dir_all(user.path("files/model")).unwrap();
    fs::write(user.path("files/model/words.txt"), "one two").unwrap();
    let more = ["--assets", "files", "--format", "json"];
    let (pushed, said) = push(&user, &reference, &more);
    succeeds(&user, oras(), &["pull", &reference, "pulled"]);
    // One file, with a name that a file of its kind has.
    let files: Vec<_> = fs::read_dir(user.path("pulled"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["returns.wasm"]);
    assert!(fs::read(user.path("pulled/returns.wasm")).unwrap() == pushed);

    // The executor's files are an artifact of their own, with a digest and no tag.
    let said: Value = serde_json::from_str(&said).unwrap();
    let assets = said["assets"].as_str().unwrap();
    let assets = format!("{}/team/returns@{assets}", registry.host);
    succeeds(&user, oras(), &["pull", &assets, "assets"]);
    let words = fs::read_to_string(user.path("assets/model/words.txt"));
    assert_eq!(words.unwrap(), "one two");
}

#[test]
fn what_oras_pushes_runs() {
    let (registry, user) = logged_in();
    copy_to(&user.path("any.wasm"));
    fs::write(user.path("config.json"), "{}").unwrap();
    // Both are ways to say nothing in a configuration.
    for (tag, config) in [("1.0", "config.json"), ("1.1", "/dev/null")] {
        let reference = format!("{}/team/any:{tag}", registry.host);
        let config = format!("{config}:application/vnd.wasm.config.v0+json");
        let push = ["push", &reference, "any.wasm:application/wasm", &config];
        succeeds(&user, oras(), &push);
        is_an_executor(&user, &reference);
    }
}

#[test]
fn wkg_pulls_what_is_pushed() {
    let (registry, user) = logged_in();
    let host = &registry.host;
    let reference = format!("{host}/team/returns:1.0");
    let (pushed, _) = push(&user, &reference, &[]);
    let pull = ["oci", "pull", "--insecure", host, &reference];
    succeeds(&user, wkg(), &[&pull[..], &["-o", "pulled.wasm"]].concat());
    assert!(fs::read(user.path("pulled.wasm")).unwrap() == pushed);
}

#[test]
fn what_wkg_pushes_runs() {
    let (registry, user) = logged_in();
    let host = &registry.host;
    let reference = format!("{host}/team/any:1.0");
    copy_to(&user.path("any.wasm"));
    let push = ["oci", "push", "--insecure", host, &reference, "any.wasm"];
    succeeds(&user, wkg(), &push);
    is_an_executor(&user, &reference);
}
