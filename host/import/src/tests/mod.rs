//! `samples` are Flows as people write them; `cases` are wrong.

mod cases;
mod flows;
mod guide;
mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Imported, Options, Target, import};

const TARGETS: [(&str, Target); 2] = [("remote", Target::Remote), ("wasm", Target::Wasm)];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

/// The YAML files of a folder.
fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    assert!(paths.len() > 5, "the files were not found");
    paths
}

/// Options for a file of the folder `samples`, whose flow.toml stands beside it.
fn options<'a>(
    from: &'a Path,
    target: Target,
    read: &'a dyn Fn(&Path) -> Option<String>,
) -> Options<'a> {
    Options {
        file: "flow.yml",
        from,
        to: from,
        target,
        context: BTreeMap::new(),
        read,
    }
}

fn read_file(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Imports a text that is right.
#[track_caller]
fn imported(text: &str, target: Target) -> Imported {
    match import(text, &options(&folder("samples"), target, &read_file)) {
        Ok(imported) => imported,
        Err(report) => panic!("{report}"),
    }
}

/// The notes as the program prints them.
fn notes(imported: &Imported) -> String {
    let lines = imported.notes.iter().map(|note| {
        let level = if note.is_warning { "warning" } else { "note" };
        let place = note.places[0];
        format!(
            "{level}: flow.yml:{}:{}: {note}\n",
            place.line, place.column
        )
    });
    lines.collect()
}

/// Compares a text with a committed file. `UPDATE=1` writes the file.
fn compare(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, committed, "{}", path.display());
}
