//! A real registry on loopback: Debian's `docker-registry`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::setup;

/// The user and the password that a registry with passwords lets in.
pub const USER: (&str, &str) = ("ada", "secret");

/// The same as htpasswd has it.
const HTPASSWD: &str = "ada:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A registry with a folder of its own. It ends with this value.
#[derive(Debug)]
pub struct Registry {
    /// What it is called: `127.0.0.1:5000`.
    pub host: String,
    child: Child,
    _folder: TempDir,
}

impl Registry {
    /// Starts one that lets everybody in.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn open() -> Registry {
        Registry::start(false)
    }

    /// Starts one that lets in [`USER`] alone.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn with_password() -> Registry {
        Registry::start(true)
    }

    fn start(wants_password: bool) -> Registry {
        let folder = tempfile::tempdir().expect("a folder for the registry");
        let root = folder.path().display();
        let mut config = format!(
            "version: 0.1\n\
             storage:\n  filesystem:\n    rootdirectory: {root}/storage\n\
             http:\n  addr: 127.0.0.1:0\n"
        );
        if wants_password {
            fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a file of passwords");
            config += &format!("auth:\n  htpasswd:\n    realm: x\n    path: {root}/htpasswd\n");
        }
        let file = folder.path().join("config.yml");
        fs::write(&file, config).expect("a configuration");
        let found = Command::new(setup::repository().join(".ci/registry"))
            .stderr(Stdio::inherit())
            .output()
            .expect("`.ci/registry` runs");
        assert!(found.status.success(), "apt-get install docker-registry");
        let program = String::from_utf8_lossy(&found.stdout);
        let mut child = Command::new(program.trim())
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the registry starts");
        let mut log = BufReader::new(child.stderr.take().expect("a piped stderr")).lines();
        let host = log.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
            rest.get(..end.unwrap_or(rest.len())).map(str::to_owned)
        });
        // It would stop at a full pipe.
        thread::spawn(move || log.for_each(drop));
        Registry {
            host: host.expect("the registry says where it listens"),
            child,
            _folder: folder,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
