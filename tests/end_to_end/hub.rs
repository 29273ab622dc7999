//! Executors that are shared through a real registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use wasm_flow_tests::cli::{Finished, Running, wasm_flow};
use wasm_flow_tests::registry::{Registry, USER};
use wasm_flow_tests::{example, guest, setup};

/// A user with a folder, a store, credentials and keys of its own.
pub(crate) struct User {
    folder: TempDir,
}

impl User {
    pub(crate) fn new() -> User {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("flow")).unwrap();
        User { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.settled(wasm_flow(arguments.iter().copied()))
    }

    /// A program in the user's folder, with the user's store and credentials.
    pub(crate) fn settled(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env("WASM_FLOW_DATA", self.path("data"))
            .env("WASM_FLOW_CONFIG", self.path("config.toml"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("WASM_FLOW_KEY_PASSWORD", "a password")
            .env_remove("COSIGN_PASSWORD")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("WASM_FLOW_SIGNING_KEY");
        command
    }

    #[track_caller]
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let finished = Finished::of(&mut self.command(arguments));
        assert_eq!(finished.status, Some(0), "{arguments:?}\n{finished}");
        finished.stdout
    }

    /// What a command says that fails.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let finished = Finished::of(&mut self.command(arguments));
        assert_ne!(finished.status, Some(0), "{arguments:?}\n{finished}");
        finished.stderr
    }

    /// Writes a flow of one executor from a registry, and what it says of `[hub]`.
    pub(crate) fn flow(&self, reference: &str, hub: &str) {
        // Only one of the executors takes it.
        let with = match reference.contains("greeter") {
            true => "uses_with = { greeting = \"hello\" }\n",
            false => "",
        };
        let text =
            format!("[[executors]]\nname = \"e\"\nuses = \"oci://{reference}\"\n{with}\n{hub}");
        fs::write(self.path("flow/flow.toml"), text).unwrap();
    }

    /// Sends a text through the flow.
    #[track_caller]
    fn runs(&self, more: &[&str]) -> String {
        let arguments = ["run", "flow/flow.toml", "--on", "/hello", "--text", "world"];
        self.does(&[&arguments, more].concat())
    }
}

pub(crate) fn trust(of: &str, key: &Path) -> String {
    format!(
        "[[hub.trust]]\nof = \"{of}\"\nkeys = [\"{}\"]\n",
        key.display()
    )
}

fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// As the README tells it: new, build, push, and elsewhere a flow that runs it by reference,
/// pinned and signed.
#[test]
fn from_a_new_executor_to_a_flow_that_runs_it_by_reference() {
    let registry = Registry::open();
    let host = &registry.host.clone();
    let reference = format!("{host}/team/greeter:1.0");
    let (author, operator) = (User::new(), User::new());
    author.does(&["new", "greeter"]);
    contains_all(
        &author.does(&["test", "greeter/flow.toml"]),
        &["2 passed, 0 failed"],
    );
    author.does(&["hub", "keygen", "team"]);
    let push = ["hub", "push", "greeter", &reference];
    let unsigned = author.fails(&push);
    contains_all(&unsigned, &["nothing signs it", "--unsigned", "hub keygen"]);
    let signed = [&push[..], &["--key", "team.key"]].concat();
    let pushed = author.does(&signed);
    contains_all(
        &pushed,
        &[
            "pushed",
            "sha256:",
            "signed:",
            &format!("uses = \"oci://{reference}\""),
        ],
    );
    assert_eq!(
        operator.does(&["hub", "list", &format!("{host}/team/greeter")]),
        "1.0\n"
    );

    // It can be looked at before it is used; for that, too, its signature has to be right.
    let named = format!("oci://{reference}");
    contains_all(
        &operator.fails(&["inspect", &named]),
        &[
            "does not say whose signature it needs",
            "For once, `--key FILE`",
        ],
    );
    let key = author.path("team.pub").display().to_string();
    contains_all(
        &operator.does(&["inspect", &named, "--key", &key]),
        &[
            "Greeter",
            "/hello",
            &format!("from {reference}@sha256:"),
            &format!("signed by {key}"),
        ],
    );
    let inspected = operator.does(&["inspect", &named, "--key", &key, "--format", "json"]);
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(inspected["registry"]["signer"], *key, "{inspected}");
    contains_all(
        &operator.fails(&["inspect", &reference]),
        &[&format!("write oci://{reference}")],
    );
    contains_all(
        &author.fails(&["inspect", "greeter", "--unsigned"]),
        &["are about a registry", "greeter is not a reference"],
    );

    // A program takes it, too.
    let program = |reference: &str, key: &str| {
        let mut example = Command::new(setup::rust_example("from_hub"));
        let like = operator.command(&[]);
        let environment = like.get_envs();
        example.envs(environment.filter_map(|(name, value)| Some((name, value?))));
        example.args([reference, key]);
        Finished::of(&mut example)
    };
    let taken = program(&reference, &key);
    assert_eq!(taken.stdout, "Text: hello world\n", "{taken}");
    author.does(&["hub", "keygen", "other"]);
    let wrong = author.path("other.pub").display().to_string();
    program(&reference, &wrong).complains_of(&["greeter", "other.pub", "does not count"]);
    program(&reference, "nowhere.pub").complains_of(&["greeter", "signed_by", "nowhere.pub"]);
    program("team/greeter", &key).complains_of(&["from_hub", "team/greeter"]);

    // Nothing runs without a rule, and the rule to write is said.
    operator.flow(&reference, "");
    let refused = operator.fails(&["check", "flow/flow.toml"]);
    contains_all(
        &refused,
        &[
            "flow/flow.toml:3:8",
            "says whose signature it needs",
            "[[hub.trust]]",
            &format!("of = \"{host}/team/greeter\""),
        ],
    );
    operator.flow(
        &reference,
        &trust(&format!("{host}/team"), &author.path("team.pub")),
    );
    assert_eq!(operator.runs(&[]), "hello world\n");
    let lock = fs::read_to_string(operator.path("flow/flow.lock")).unwrap();
    contains_all(
        &lock,
        &[
            "version = 1",
            &format!("uses = \"oci://{reference}\""),
            "sha256:",
        ],
    );
    assert_eq!(operator.runs(&["--locked"]), "hello world\n");

    // The tag moves.
    let source = author.path("greeter/src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let text = text
        .replace("\"{} {}\"", "\"{}, {}!\"")
        .replace("\"/hello\"", "\"/hello\", write")
        // So much that its size is another one, however it is aligned.
        .replace(
            "#[executor]",
            &format!("/// {}\n#[executor]", "long ".repeat(100)),
        );
    fs::write(&source, text).unwrap();
    contains_all(&author.does(&signed), &["the tag meant sha256:"]);
    let moved = Finished::of(&mut operator.command(&[
        "run",
        "flow/flow.toml",
        "--on",
        "/hello",
        "--text",
        "world",
    ]));
    assert_eq!(moved.stdout, "hello world\n", "{moved}");
    contains_all(
        &moved.stderr,
        &["warning", "means sha256:", "`wasm-flow update`"],
    );
    let locked = operator.fails(&[
        "run",
        "flow/flow.toml",
        "--locked",
        "--on",
        "/hello",
        "--text",
        "world",
    ]);
    contains_all(
        &locked,
        &[
            "is not what flow.lock says",
            "`wasm-flow update`",
            "flow.toml:3:8",
        ],
    );
    contains_all(
        &operator.does(&["update", "flow/flow.toml"]),
        &[", after sha256:", "size: "],
    );
    assert_eq!(operator.runs(&["--locked"]), "hello, world!\n");
    contains_all(
        &operator.does(&["update", "flow/flow.toml"]),
        &[", as before"],
    );

    // Somebody else signs the next one.
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("\"{}, {}!\"", "\"{}, dear {}!\"")).unwrap();
    author.does(&[&push[..], &["--key", "other.key"]].concat());
    let (team, other) = (author.path("team.pub"), author.path("other.pub"));
    operator.flow(&reference, &trust(&format!("{host}/team"), &other));
    contains_all(
        &operator.does(&["update", "flow/flow.toml"]),
        &[&format!(
            "  signer: {}, after one that does not count now",
            other.display()
        )],
    );
    fs::write(&source, text.replace("\"{}, {}!\"", "\"{}, dear {}\"")).unwrap();
    author.does(&signed);
    let both = format!(
        "[[hub.trust]]\nof = \"{host}/team\"\nkeys = [\"{}\", \"{}\"]\n",
        team.display(),
        other.display()
    );
    operator.flow(&reference, &both);
    contains_all(
        &operator.does(&["update", "flow/flow.toml"]),
        &[&format!(
            "  signer: {}, after {}",
            team.display(),
            other.display()
        )],
    );
    assert_eq!(operator.runs(&["--locked"]), "hello, dear world\n");

    // What is pinned and in the store needs no registry. What is not, does.
    drop(registry);
    assert_eq!(operator.runs(&["--locked"]), "hello, dear world\n");
    contains_all(&operator.does(&["hub", "prune", "--all"]), &["removed"]);
    let gone = operator.fails(&["check", "flow/flow.toml"]);
    contains_all(&gone, &[host, "flow.toml:3:8"]);
}

#[test]
fn what_the_rules_do_not_let_run_is_refused() {
    let registry = Registry::open();
    let host = &registry.host;
    let reference = format!("{host}/team/clean:1.0");
    let component = example("clean").display().to_string();
    let user = User::new();
    for key in ["team", "other"] {
        user.does(&["hub", "keygen", key]);
    }
    user.does(&["hub", "push", &component, &reference, "--unsigned"]);
    let check = ["check", "flow/flow.toml"];
    let team = trust(host, &user.path("team.pub"));
    user.flow(&reference, &team);
    contains_all(
        &user.fails(&check),
        &["it has no signature", "unsigned = true"],
    );
    user.flow(
        &reference,
        &format!("[[hub.trust]]\nof = \"{host}\"\nunsigned = true\n"),
    );
    user.does(&check);

    user.does(&["hub", "push", &component, &reference, "--key", "other.key"]);
    user.flow(&reference, &team);
    contains_all(&user.fails(&check), &["by another key"]);
    user.does(&["hub", "push", &component, &reference, "--key", "team.key"]);
    user.does(&check);

    // What the user says counts, too.
    fs::write(
        user.path("config.toml"),
        trust(host, &user.path("none.pub")),
    )
    .unwrap();
    contains_all(
        &user.fails(&check),
        &["config.toml", "none.pub", "No such file"],
    );
    fs::write(
        user.path("config.toml"),
        "[hub]\nregistries = [\"registry.example.com\"]\n",
    )
    .unwrap();
    contains_all(
        &user.fails(&check),
        &["may not be used", "config.toml", "registry.example.com"],
    );
    fs::remove_file(user.path("config.toml")).unwrap();

    user.flow(&reference, &trust(host, &user.path("flow/none.pub")));
    contains_all(
        &user.fails(&check),
        &["flow.toml:", "none.pub", "No such file"],
    );
    fs::write(
        user.path("flow/none.pub"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    contains_all(
        &user.fails(&check),
        &["flow.toml:", "none.pub", "private key"],
    );

    // Alone, by hand.
    let pull = ["hub", "pull", &reference];
    contains_all(&user.fails(&pull), &["config.toml", "[[hub.trust]]"]);
    user.does(&[&pull[..], &["--key", "team.pub"]].concat());
    assert_eq!(
        fs::read(user.path("clean.wasm")).unwrap(),
        fs::read(&component).unwrap()
    );
    contains_all(
        &user.fails(&[&pull[..], &["--key", "team.pub"]].concat()),
        &["is there already"],
    );

    // What the lock does not have, and what it has wrongly.
    user.flow(&reference, &team);
    let locked = [
        "run",
        "flow/flow.toml",
        "--locked",
        "--on",
        "/",
        "--text",
        "x",
    ];
    contains_all(
        &user.fails(&locked),
        &["flow.lock does not say what", "`wasm-flow update`"],
    );
    fs::write(user.path("flow/flow.lock"), "version = 1\n[[pin]]\n").unwrap();
    contains_all(
        &user.fails(&locked),
        &["flow.lock:2:3", "did you mean `pins`?", "makes it anew"],
    );
    user.does(&["update", "flow/flow.toml"]);
    user.does(&locked);
}

/// Pushes an executor that reads files, with one, and writes a flow that runs it.
fn reads_files(user: &User, registry: &Registry) {
    let reference = format!("{}/team/reads:1.0", registry.host);
    fs::create_dir_all(user.path("files/model")).unwrap();
    fs::write(user.path("files/model/words.txt"), "one two").unwrap();
    let component = guest("hostile").display().to_string();
    let push = [
        "hub",
        "push",
        &component,
        &reference,
        "--unsigned",
        "--assets",
        "files",
    ];
    user.does(&push);
    let rule = format!(
        "[[hub.trust]]\nof = \"{}\"\nunsigned = true\n",
        registry.host
    );
    fs::write(
        user.path("flow/flow.toml"),
        format!("[[executors]]\nname = \"e\"\nuses = \"oci://{reference}\"\n{rule}"),
    )
    .unwrap();
}

/// Its files are read where they are, and nothing else of the store is seen.
#[test]
fn files_come_along_with_an_executor() {
    let registry = Registry::open();
    let user = User::new();
    reads_files(&user, &registry);
    let read = |on: &str, path: &str| {
        let parameters = format!("{{ \"path\": \"{path}\" }}");
        let run = [
            "--format",
            "json",
            "run",
            "flow/flow.toml",
            "--on",
            on,
            "--parameters",
            &parameters,
        ];
        Finished::of(&mut user.command(&run))
    };
    let found = read("/read", "/assets/model/words.txt");
    assert!(
        found.stderr.contains("one two") || found.stdout.contains("one two"),
        "{found}"
    );
    // Nor what the store has beside these files.
    let store = user.path("data/wasm-flow/hub");
    let blob = walk(&store.join("blobs")).swap_remove(0);
    let blob = blob.strip_prefix(&store).unwrap().display().to_string();
    let beside = format!("/assets/../../{blob}");
    for (on, path) in [("/write", "/assets/model/words.txt"), ("/read", &*beside)] {
        let refused = read(on, path);
        assert_ne!(refused.status, Some(0), "{refused}");
    }
    // What somebody has changed in the store is not used.
    let trees = user.path("data/wasm-flow/hub/assets");
    let words = walk(&trees)
        .into_iter()
        .find(|path| path.ends_with("words.txt"))
        .unwrap();
    fs::remove_file(&words).unwrap();
    fs::write(&words, "one two three").unwrap();
    let found = read("/read", "/assets/model/words.txt");
    assert!(!format!("{found}").contains("three"), "{found}");
    assert_eq!(found.status, Some(0), "{found}");
}

/// Neither what runs nor its files are pruned, and it can be started again without a
/// registry.
#[test]
fn what_runs_is_not_pruned() {
    let registry = Registry::open();
    let user = User::new();
    reads_files(&user, &registry);
    let read = [
        "--format",
        "json",
        "run",
        "flow/flow.toml",
        "--on",
        "/read",
        "--parameters",
        "{ \"path\": \"/assets/model/words.txt\" }",
        "--request-size",
        "1",
        "--input",
        "-",
    ];
    let mut runs = Running::start(&mut user.command(&read));
    let mut asks = || {
        runs.write("one\n");
        let lines = runs.lines(1).concat();
        assert!(lines.contains("one"), "{lines}");
    };
    asks();
    drop(registry);
    let prune = ["hub", "prune", "--all"];
    contains_all(
        &user.does(&prune),
        &["removed 0 bytes in 0 entries", "1 executor that runs now"],
    );
    asks();
    let again = Finished::with_input(&mut user.command(&read), "one\n");
    contains_all(&again.stdout, &["one two"]);
    // The process ends without a word, and then nothing uses it.
    runs.signal(Signal::KILL);
    runs.finish();
    let pruned = user.does(&prune);
    assert!(!pruned.contains("runs now"), "{pruned}");
    assert!(walk(&user.path("data/wasm-flow/hub")).is_empty());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let inner = folders.iter().flat_map(|folder| walk(folder));
    inner.chain(files).collect()
}

/// A helper may wait for its user, and others write the file meanwhile.
#[test]
fn a_helper_that_is_slow_undoes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;

    let registry = Registry::with_password();
    let host = &registry.host;
    let user = User::new();
    fs::create_dir(user.path("docker")).unwrap();
    let config = |more: &str| {
        format!(
            "{{\"auths\": {{\"{host}\": {{\"auth\": \"YWRhOm9sZA==\"}}{more}}}, \
             \"credHelpers\": {{\"{host}\": \"slow\"}}}}"
        )
    };
    fs::write(user.path("docker/config.json"), config("")).unwrap();
    let meanwhile = config(", \"other.example.com\": {\"auth\": \"YWRhOmE=\"}");
    fs::write(user.path("meanwhile.json"), meanwhile).unwrap();
    let helper = user.path("bin/docker-credential-slow");
    fs::create_dir(user.path("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\ncat > {}\ncp {} {}\n",
        user.path("told").display(),
        user.path("meanwhile.json").display(),
        user.path("docker/config.json").display(),
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).unwrap();
    let (name, password) = USER;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(user.path("bin")).chain(std::env::split_paths(&path));
    let mut login = user.command(&["hub", "login", host, "--username", name, "--password-stdin"]);
    login.env("PATH", std::env::join_paths(paths).unwrap());
    let login = Finished::with_input(&mut login, password);
    assert_eq!(login.status, Some(0), "{login}");
    assert!(
        fs::read_to_string(user.path("told"))
            .unwrap()
            .contains(password)
    );
    let text = fs::read_to_string(user.path("docker/config.json")).unwrap();
    contains_all(&text, &["other.example.com", "slow"]);
    assert!(!text.contains("YWRhOm9sZA=="), "{text}");
}

#[test]
fn a_registry_with_passwords() {
    let registry = Registry::with_password();
    let host = &registry.host;
    let reference = format!("{host}/team/clean:1.0");
    let component = example("clean").display().to_string();
    let user = User::new();
    let push = ["hub", "push", &component, &reference, "--unsigned"];
    let wants = format!("wasm-flow hub login {host}");
    contains_all(&user.fails(&push), &[&wants]);
    let login = [
        "hub",
        "login",
        host,
        "--username",
        USER.0,
        "--password-stdin",
    ];
    let wrong = Finished::with_input(&mut user.command(&login), "hunter2\n");
    assert_eq!(wrong.status, Some(1), "{wrong}");
    assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
    let right = Finished::with_input(&mut user.command(&login), &format!("{}\n", USER.1));
    assert_eq!(right.status, Some(0), "{right}");
    assert!(!right.to_string().contains(USER.1), "{right}");
    user.does(&push);
    let listed = user.does(&[
        "--format",
        "json",
        "hub",
        "list",
        &format!("{host}/team/clean"),
    ]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["tags"], serde_json::json!(["1.0"]));
    user.does(&["hub", "logout", host]);
    contains_all(
        &user.fails(&["hub", "list", &format!("{host}/team/clean")]),
        &[&wants],
    );
}
