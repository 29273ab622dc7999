//! The program that is started to compile.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What Linux calls the program that a process runs, whatever has become of its file.
const SELF: &str = "/proc/self/exe";

/// A program that compiles the component on its standard input: one that calls
/// [`compile_component`](crate::compile_component) with what stands behind its own arguments.
///
/// It has to be the program itself and not a script that starts it, of the same release of
/// wasm-flow as this process. What it answers is run as machine code, so it is trusted like
/// this process itself.
#[derive(Debug, Clone)]
pub struct CompilerProgram {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
}

impl CompilerProgram {
    /// The program at a path.
    pub fn new(path: impl Into<PathBuf>) -> CompilerProgram {
        let path = path.into();
        CompilerProgram {
            name: path.clone().into_os_string(),
            path,
            arguments: Vec::new(),
        }
    }

    /// The program that this process runs, also if its file was replaced since.
    pub fn this() -> CompilerProgram {
        let first = std::env::args_os().next().unwrap_or_default();
        let path = match Path::new(SELF).exists() {
            true => PathBuf::from(SELF),
            // Without /proc, what it was started as has to do.
            false => std::env::current_exe().unwrap_or_else(|_| found(&first)),
        };
        CompilerProgram {
            path,
            name: first,
            arguments: Vec::new(),
        }
    }

    /// Adds an argument that tells the program what it was started for.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> CompilerProgram {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called where processes are listed.
    #[cfg(unix)]
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

/// The file of a program that was started by this name.
fn found(name: &OsStr) -> PathBuf {
    let path = Path::new(name);
    let is_searched = path.components().count() == 1 && !path.is_absolute();
    let folders = std::env::var_os("PATH").filter(|_| is_searched);
    let mut candidates = folders.iter().flat_map(std::env::split_paths);
    let file = candidates.find_map(|folder| Some(folder.join(path)).filter(|file| file.is_file()));
    // Another folder is the child's own.
    let file = file.unwrap_or_else(|| path.to_owned());
    std::path::absolute(&file).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_it_was_started() {
        assert_eq!(found(OsStr::new("/a/b")), Path::new("/a/b"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(found(OsStr::new("./b/c")), here.join("b/c"));
        let shell = found(OsStr::new("sh"));
        assert!(shell.is_absolute() && shell.is_file(), "{shell:?}");
    }
}
