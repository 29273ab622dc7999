//! `flow.lock`: what the references to registries in a `flow.toml` meant when it was made.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use wasm_flow_contract::hub::{Digest, Reference};

use crate::bounds::MAX_FILE;
use crate::problems::Problems;
use crate::reader;
use crate::report::{Problem, Report};
use crate::tables::{LockToml, PinTable};
use crate::text::read_text;

/// The pins of a flow: which digest each reference stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    pins: BTreeMap<Reference, Digest>,
}

/// Why there is no [`Lock`].
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is read, and wrong.
    #[error("{0}\n`wasm-flow update` makes it anew")]
    Invalid(Box<Report>),
}

/// The form of the file.
const VERSION: u16 = 1;

const HEAD: &str = "# What the references to registries in flow.toml stand for. It is made by \
                    `wasm-flow run`\n# and `wasm-flow update`, and belongs in version control.\n";

impl Lock {
    /// The file that belongs to a `flow.toml`: beside it, with `.lock` at its end.
    pub fn path_for(flow: &Path) -> PathBuf {
        flow.with_extension("lock")
    }

    /// Reads a file. Without one, nothing is pinned.
    ///
    /// # Errors
    /// If it cannot be read, or with all that is wrong with it.
    pub fn load(path: &Path) -> Result<Lock, LockError> {
        match read_text(path, MAX_FILE, "a flow.lock") {
            Ok(text) => Lock::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock::default()),
            Err(source) => Err(LockError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads a file's text. `path` is where it is, for messages.
    ///
    /// # Errors
    /// With all that is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Lock, LockError> {
        let mut problems = Problems::default();
        let lock = read(&mut problems, text);
        match lock {
            Some(lock) if problems.count() == 0 => Ok(lock),
            _ => {
                let report = problems.into_report(path.display().to_string(), text.to_owned());
                Err(LockError::Invalid(Box::new(report)))
            }
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}version = {VERSION}\n");
        for (reference, digest) in &self.pins {
            // What stands in references needs no escape in TOML.
            text += &format!("\n[[pins]]\nuses = \"oci://{reference}\"\ndigest = \"{digest}\"\n");
        }
        text
    }

    /// What a reference is pinned to. One that has a digest needs no pin.
    pub fn pin(&self, reference: &Reference) -> Option<Digest> {
        self.pins.get(reference).copied()
    }

    /// Pins a reference.
    pub fn set(&mut self, reference: &Reference, digest: Digest) {
        self.pins.insert(reference.clone(), digest);
    }

    /// The pins, sorted by their references.
    pub fn iter(&self) -> impl Iterator<Item = (&Reference, Digest)> {
        self.pins
            .iter()
            .map(|(reference, digest)| (reference, *digest))
    }
}

fn read(problems: &mut Problems, text: &str) -> Option<Lock> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = errors.iter().map(crate::syntax_problem);
        problem.for_each(|problem| problems.report(problem));
        return None;
    }
    let LockToml { version, pins } = reader::table(problems, document.get_ref(), 0..0);
    let version = version?;
    if version.value != VERSION {
        let title = format!("version {} of flow.lock is not known here", version.value);
        problems.report(
            Problem::new(version.span, title)
                .help("a newer wasm-flow has made it: use that one, or have it made anew"),
        );
        return None;
    }
    let mut lock = Lock::default();
    for table in pins.into_iter().flat_map(|pins| pins.value) {
        let span = table.span();
        let PinTable { uses, digest } = table.into_inner();
        let (Some(uses), Some(digest)) = (uses, digest) else {
            continue;
        };
        if lock.pin(&uses.value).is_some() {
            let problem = Problem::new(span, format!("{} is pinned twice", uses.value));
            problems.report(problem);
        }
        lock.set(&uses.value, digest.value);
    }
    Some(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn refused(text: &str) -> String {
        let error = Lock::parse(text, Path::new("flow.lock")).unwrap_err();
        error.to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let one: Reference = "localhost:5000/team/clean:1.0".parse().unwrap();
        let two: Reference = "registry.example.com/embed:2".parse().unwrap();
        let digest: Digest = DIGEST.parse().unwrap();
        let mut lock = Lock::default();
        assert_eq!(lock.iter().count(), 0);
        lock.set(&two, digest);
        lock.set(&one, Digest::new([7; 32]));
        let read = Lock::parse(&lock.to_text(), Path::new("flow.lock")).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.pin(&two), Some(digest));
        let other: Reference = "registry.example.com/embed:3".parse().unwrap();
        assert_eq!(read.pin(&other), None);
        assert_eq!(lock.iter().next(), Some((&one, Digest::new([7; 32]))));
        assert_eq!(
            Lock::load(Path::new("no/flow.lock")).unwrap(),
            Lock::default()
        );
        assert_eq!(
            Lock::path_for(Path::new("a/flow.toml")),
            Path::new("a/flow.lock")
        );
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, expected) in [
            ("", "`version` is missing"),
            ("version = 2", "version 2 of flow.lock is not known here"),
            ("version = ", "not valid TOML"),
            (
                "version = 1\n[[pins]]\nuses = \"a.wasm\"\n",
                "flow.lock:3:8",
            ),
            (
                "version = 1\n[[pins]]\nuses = \"oci://a.b/c:1\"\ndigest = \"sha256:1\"\n",
                "a digest is `sha256:` and 64",
            ),
            ("version = 1\npin = []", "did you mean `pins`?"),
        ] {
            let error = refused(text);
            assert!(error.contains(expected), "{text}\n{error}");
            assert!(error.contains("`wasm-flow update` makes it anew"));
        }
        let pin = format!("[[pins]]\nuses = \"oci://a.b/c:1\"\ndigest = \"{DIGEST}\"\n");
        let twice = refused(&format!("version = 1\n{pin}{pin}"));
        assert!(twice.contains("a.b/c:1 is pinned twice"), "{twice}");
    }
}
