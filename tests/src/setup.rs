//! What has to be there before a test can run: made when missing, once, and
//! announced in one line each.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// Every example, by the name of its crate.
pub const EXAMPLES: [&str; 24] = [
    "http-enricher",
    "vector-index",
    "image-tiler",
    "best-matches",
    "sentence-encode",
    "split",
    "clean",
    "embed",
    "dedupe",
    "some-coroutines",
    "async-encode",
    "blocking-encode",
    "my-executor",
    "request-executor",
    "default-binding",
    "no-binding",
    "only-binding",
    "arguments",
    "returns",
    "process-documents",
    "print-documents",
    "outside-flow",
    "serve",
    "async-outside-flow",
];

/// Every example of `host/examples`: flows from Rust.
pub const RUST_EXAMPLES: [&str; 9] = [
    "async_encode",
    "branches",
    "chain",
    "client",
    "endpoints",
    "executor",
    "from_hub",
    "returns",
    "serve",
];

/// The tests' own executors.
pub const GUESTS: [&str; 5] = ["probe", "hostile", "every", "raw", "twins"];

/// Those that ask for features of the dependencies that the others are to be tested
/// without. They are built by themselves.
const APART: [&str; 3] = ["probe", "raw", "vector-index"];

const CARGO_COMPONENT_VERSION: &str = "0.21.1";

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a folder of the repository")
}

/// Cargo's target folder: the test itself is `target/release/deps/end_to_end-*`.
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let test = std::env::current_exe().expect("the path of this test");
        test.ancestors()
            .nth(3)
            .expect("cargo runs tests in the target folder")
            .to_owned()
    })
}

/// The component of an example.
pub fn example(name: &str) -> PathBuf {
    assert!(EXAMPLES.contains(&name), "no example is called `{name}`");
    build_components();
    component("wasm32-wasip2", name)
}

/// The component of one of the tests' own executors.
pub fn guest(name: &str) -> PathBuf {
    assert!(GUESTS.contains(&name), "no guest is called `{name}`");
    build_components();
    component("wasm32-wasip2", name)
}

/// The component of an example of `tests/guests/later`.
pub fn later(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        wasm_targets();
        exclusively("components", || {
            announce("building executors against the WIT of later releases");
            succeed(cargo().args([
                "build",
                "--release",
                "--target",
                "wasm32-wasip2",
                "--package",
                "later",
                "--examples",
            ]));
        });
    });
    target()
        .join("wasm32-wasip2/release/examples")
        .join(format!("{name}.wasm"))
}

/// Where a build for a target leaves a crate's component.
pub fn component(target_triple: &str, name: &str) -> PathBuf {
    component_in(&target().join(target_triple), name)
}

/// The same in the folder of a target.
pub fn component_in(folder: &Path, name: &str) -> PathBuf {
    folder
        .join("release")
        .join(format!("{}.wasm", name.replace('-', "_")))
}

/// The binary under test: built where it is missing or older than its sources,
/// which is the case where cargo was asked for this package alone.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let path = target()
            .join("release")
            .join(format!("wasm-flow{}", std::env::consts::EXE_SUFFIX));
        exclusively("binary", || {
            let built = modified(&path);
            let newest = ["host", "guest-sdk", "wit", "Cargo.toml"]
                .iter()
                .map(|source| newest_below(&repository().join(source)))
                .max();
            if built.is_none() || newest > Some(built) {
                announce("building the binary wasm-flow (up to 10 minutes, once)");
                // Not by `--package`, for which cargo might choose other features.
                succeed(cargo().args(["build", "--release", "--bin", "wasm-flow"]));
            }
        });
        path
    })
}

/// An example of `host/examples`.
pub fn rust_example(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    assert!(
        RUST_EXAMPLES.contains(&name),
        "no example is called `{name}`"
    );
    BUILT.get_or_init(|| {
        wasm_targets();
        exclusively("rust-examples", || {
            announce("building the examples of host/examples");
            // Not by `--package`, for which cargo might choose other features.
            let names = RUST_EXAMPLES.iter().flat_map(|name| ["--example", name]);
            succeed(cargo().args(["build", "--release"]).args(names));
        });
    });
    target()
        .join("release/examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds the examples and the tests' guests for wasm32-wasip2.
fn build_components() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        wasm_targets();
        exclusively("components", || {
            announce("building the examples and the tests' executors for wasm32-wasip2");
            for apart in [false, true] {
                succeed(
                    cargo()
                        .args(["build", "--release", "--target", "wasm32-wasip2"])
                        .args(packages(apart)),
                );
            }
        });
    });
}

/// Builds packages to be kept, and gives the folder with their components: without
/// the names of functions, and without paths of this machine.
pub fn build_to_keep(packages: &[&str]) -> PathBuf {
    wasm_targets();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home.as_ref()?.join(".cargo")))
        .expect("CARGO_HOME or HOME");
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(sysroot.expect("rustc").stdout).expect("a path");
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    let registries = fs::read_dir(cargo_home.join("registry/src")).expect("cargo's registries");
    let registries = registries.flatten().map(|entry| (entry.path(), "crates"));
    let flags: Vec<String> = registries
        .chain([(library, "rust"), (repository().to_owned(), "wasm-flow")])
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .collect();
    let target = work_folder().join("kept");
    exclusively("kept", || {
        announce("building components to keep (about two minutes)");
        let mut build = cargo();
        build
            .args(["build", "--release", "--target", "wasm32-wasip2"])
            .args(packages.iter().flat_map(|name| ["--package", name]))
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        succeed(&mut build);
    });
    let folder = target.join("wasm32-wasip2/release");
    for package in packages {
        let bytes = fs::read(folder.join(format!("{package}.wasm"))).expect(package);
        for path in [
            Some(&cargo_home),
            home.as_ref(),
            Some(&repository().to_owned()),
        ] {
            let path = path.map(|path| path.as_os_str().as_encoded_bytes());
            let path = path.filter(|path| path.len() > 1);
            let named = path.is_some_and(|path| bytes.windows(path.len()).any(|part| part == path));
            assert!(
                !named,
                "the component of {package} names a path of this machine"
            );
        }
    }
    folder
}

/// Builds the examples and the tests' guests with `cargo component build`.
pub fn build_with_cargo_component() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo_component();
        wasm_targets();
        exclusively("components", || {
            announce("building the examples and the tests' executors with cargo component");
            for apart in [false, true] {
                succeed(
                    cargo()
                        .args(["component", "build", "--release"])
                        .args(packages(apart)),
                );
            }
        });
    });
}

/// The packages to build by themselves, or all others.
fn packages(apart: bool) -> impl Iterator<Item = &'static str> {
    EXAMPLES
        .into_iter()
        .chain(GUESTS)
        .filter(move |name| APART.contains(name) == apart)
        .flat_map(|name| ["--package", name])
}

/// Sees to the targets that executors are built for.
pub fn wasm_targets() {
    static ADDED: OnceLock<()> = OnceLock::new();
    ADDED.get_or_init(|| {
        exclusively("targets", || {
            let installed = Command::new("rustup")
                .args(["target", "list", "--installed"])
                .output();
            let installed = match &installed {
                Ok(output) => String::from_utf8_lossy(&output.stdout),
                // A toolchain without rustup may have them all the same: the
                // build says so if it has not.
                Err(_) => return,
            };
            for target in ["wasm32-wasip2", "wasm32-wasip1"] {
                if !installed.lines().any(|line| line == target) {
                    announce(&format!("rustup target add {target}"));
                    succeed(Command::new("rustup").args(["target", "add", target]));
                }
            }
        });
    });
}

/// Sees to cargo-component.
pub fn cargo_component() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        exclusively("cargo-component", || {
            let present = cargo()
                .args(["component", "--version"])
                .stdin(Stdio::null())
                .output()
                .is_ok_and(|output| output.status.success());
            if !present {
                announce("installing cargo-component (about 11 minutes, once)");
                let mut install = cargo();
                // Not into this repository's target folder: it is another project.
                install
                    .env_remove("CARGO_TARGET_DIR")
                    .current_dir(std::env::temp_dir());
                succeed(install.args([
                    "install",
                    "cargo-component",
                    "--locked",
                    "--version",
                    CARGO_COMPONENT_VERSION,
                ]));
            }
        });
    });
}

/// A Python with the real Jina client.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let environment = virtual_environment(
            "python",
            &repository().join("tests/python/requirements.txt"),
            "making a Python environment with the real Jina client (about a minute, once)",
        );
        let python = environment.join("bin/python");
        succeed_or(
            Command::new(&python).args(["-c", "import jina, docarray, grpc, numpy; jina.Client"]),
            "The packages are installed, but the Jina client does not load in this Python.",
        );
        python
    })
}

/// A virtual environment with what a file of requirements names, and nothing else.
/// It is made once: another set of packages is another folder.
pub(crate) fn virtual_environment(name: &str, requirements: &Path, announcement: &str) -> PathBuf {
    let text = fs::read(requirements).expect("a file of requirements");
    let folder = work_folder().join(format!("{name}-{:016x}", fnv1a(&text)));
    let complete = folder.join("complete");
    exclusively(name, || {
        if complete.exists() {
            return;
        }
        let base = base_python();
        announce(announcement);
        let _ = fs::remove_dir_all(&folder); // what a broken run left
        succeed_or(
            Command::new(&base).args(["-m", "venv"]).arg(&folder),
            "The tests need Python's venv module: on Debian and Ubuntu, `apt-get install python3-venv`.",
        );
        succeed_or(
            Command::new(folder.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--requirement",
                ])
                .arg(requirements),
            "The packages are pinned for Python 3.11. Where `python3` is of another version, \
             put a `python3.11` on the PATH or name one in WASM_FLOW_TEST_PYTHON.",
        );
        fs::write(&complete, "").expect("a mark in the Python environment");
    });
    folder
}

/// The interpreter to make the environment with: the one asked for, else 3.11,
/// which the packages are pinned for, else whatever `python3` is.
fn base_python() -> PathBuf {
    if let Some(python) = std::env::var_os("WASM_FLOW_TEST_PYTHON") {
        return python.into();
    }
    let version = |python: &str| {
        let asked = Command::new(python)
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    };
    for python in ["python3.11", "python3"] {
        if version(python).as_deref() == Some("3.11") {
            return python.into();
        }
    }
    match version("python3") {
        Some(other) => announce(&format!(
            "python3 is {other}; the Jina client's packages are pinned for 3.11 and may not install"
        )),
        None => panic!(
            "the tests drive the real Jina client and need Python 3.11: no `python3` runs here. \
             Install it, or name one in WASM_FLOW_TEST_PYTHON."
        ),
    }
    "python3".into()
}

/// The folder with the sentence model of `examples/semantic-search`.
pub fn sentence_model() -> PathBuf {
    static MADE: OnceLock<()> = OnceLock::new();
    let folder = repository().join("target/semantic-search/model");
    MADE.get_or_init(|| {
        exclusively("sentence-model", || {
            if !folder.join("model.bin").exists() {
                announce("fetching and packing the sentence model (19 MB, some seconds, once)");
            }
            let script = repository().join("examples/semantic-search/model.py");
            succeed(Command::new(base_python()).arg(script));
        });
    });
    folder
}

/// Cargo, in the repository, with this test's target folder.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_TERM_COLOR", "never");
    forget_this_package(&mut command);
    command
}

/// Takes away what the cargo that runs this test says of this package. Build
/// scripts look at it: with it there, each build would undo the other's.
pub fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let of_package = [
            "CARGO_MANIFEST_",
            "CARGO_PKG_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if name == "OUT_DIR" || of_package.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name.as_ref());
        }
    }
}

/// A folder of the tests' own below cargo's.
pub fn work_folder() -> PathBuf {
    let folder = target().join("wasm-flow-tests");
    fs::create_dir_all(&folder).expect("a folder in cargo's target folder");
    folder
}

/// Straight to stderr, past what libtest keeps back: a build of minutes must
/// not look like a test that hangs.
pub fn announce(what: &str) {
    // In one piece: other tests write there too.
    let line = format!("wasm-flow-tests: {what}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Runs `work` while no other process of these tests does the same.
pub(crate) fn exclusively(name: &str, work: impl FnOnce()) {
    let path = work_folder().join(format!("{name}.lock"));
    let file = File::create(&path).expect("a lock file");
    file.lock().expect("a lock on it");
    work();
    // Closing the file gives the lock back.
}

fn succeed(command: &mut Command) {
    succeed_or(command, "");
}

/// Runs a command to its end; where it fails the test does, with its output and
/// what to do about it.
pub(crate) fn succeed_or(command: &mut Command, advice: &str) {
    let output = command.stdin(Stdio::null()).output();
    match output {
        Err(error) => panic!("{} did not start: {error}\n{advice}", shown(command)),
        Ok(output) if !output.status.success() => panic!(
            "{} failed ({})\n{}{}\n{advice}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        ),
        Ok(_) => {}
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// When the newest file at or below a path was written.
fn newest_below(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| newest_below(&entry.path()))
            .max(),
        Err(_) => modified(path),
    }
}

pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
