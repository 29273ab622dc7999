//! Tools of others that push to registries and pull from them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::setup::{
    announce, exclusively, forget_this_package, repository, succeed_or, virtual_environment,
};

const WKG_VERSION: &str = "0.16.1";

/// The Python client of ORAS, which knows nothing of WebAssembly. `tests/python/oras_files.py`
/// says which arguments it takes.
pub fn oras() -> Command {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| {
        virtual_environment(
            "oras",
            &repository().join("tests/python/requirements-oras.txt"),
            "making a Python environment with the client of ORAS (1.4 MB, once)",
        )
    });
    let mut command = Command::new(environment.join("bin/python"));
    command
        .arg(repository().join("tests/python/oras_files.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("no_proxy", "*");
    command
}

/// `wkg`, the package tool of the Bytecode Alliance.
pub fn wkg() -> Command {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let program = INSTALLED.get_or_init(|| {
        let tools = repository().join("target/tools");
        exclusively("wkg", || {
            if !tools.join(format!(".wkg-{WKG_VERSION}")).exists() {
                announce("installing wkg into target/tools (about 3 minutes, once)");
            }
            let mut install = Command::new(repository().join(".ci/tool"));
            install
                .args(["wkg", WKG_VERSION])
                // Not into this repository's target folder: it is another project.
                .env_remove("CARGO_TARGET_DIR");
            forget_this_package(&mut install);
            succeed_or(&mut install, "");
        });
        tools.join("bin/wkg")
    });
    let mut command = Command::new(program);
    command
        .env_remove("WKG_OCI_USERNAME")
        .env_remove("WKG_OCI_PASSWORD")
        .env_remove("WKG_OCI_INSECURE")
        .env("no_proxy", "*");
    command
}
