//! What a component was compiled from, as cargo and the compiler note it beside what they
//! make.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::bounds::DEP_INFO;

/// The sources of a component, also those of other crates that the crate's Cargo.toml names
/// by their paths. None if they are not noted.
pub(crate) fn sources(component: &Path) -> Option<Vec<PathBuf>> {
    let noted = read(&component.with_extension("d"), DEP_INFO)?;
    let (_, files) = noted.lines().next()?.split_once(": ")?;
    Some(paths(files))
}

/// What is behind the colon of a rule, as `make` reads it: a blank in a name has a backslash
/// before it.
fn paths(files: &str) -> Vec<PathBuf> {
    let (mut names, mut name) = (Vec::new(), String::new());
    let mut characters = files.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => name.extend(characters.next()),
            ' ' => names.push(std::mem::take(&mut name)),
            character => name.push(character),
        }
    }
    names.push(name);
    let names = names.into_iter().filter(|name| !name.is_empty());
    names.map(PathBuf::from).collect()
}

/// Whether one of the sources reads a variable that is not cargo's own. The compiler writes
/// that into files of its own, one for each way in which it has built a crate: the component's
/// and those that it names by a path. None if that cannot be read.
pub(super) fn reads_variables(component: &Path, sources: &[PathBuf]) -> Option<bool> {
    for found in fs::read_dir(component.parent()?.join("deps")).ok()? {
        let found = found.ok()?.path();
        if found.extension().is_none_or(|end| end != "d") {
            continue;
        }
        let noted = read(&found, DEP_INFO)?;
        let rule = noted.lines().next().and_then(|rule| rule.split_once(": "));
        // The compiler's paths are relative to the workspace, and cargo's are not.
        let is_theirs = rule.is_some_and(|(_, files)| {
            let mut files = paths(files).into_iter();
            files.any(|file| sources.iter().any(|source| source.ends_with(&file)))
        });
        if is_theirs {
            let mut variables = noted
                .lines()
                .filter_map(|line| line.strip_prefix("# env-dep:"));
            if variables.any(|variable| !variable.starts_with("CARGO_")) {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// A file of at most so many bytes.
pub(super) fn read(path: &Path, most: u64) -> Option<String> {
    let mut text = String::new();
    let mut bounded = fs::File::open(path).ok()?.take(most + 1);
    let length = bounded.read_to_string(&mut text).ok()?;
    (length as u64 <= most).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_make_are_read() {
        let files = paths("/src/lib.rs /my\\ src/x.rs C:\\d\\e.rs");
        let expected = ["/src/lib.rs", "/my src/x.rs", "C:\\d\\e.rs"];
        assert_eq!(files, expected.map(PathBuf::from));
        assert!(paths("").is_empty());
    }
}
