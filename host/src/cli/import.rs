//! `wasm-flow import`: a flow.toml from the YAML of a Jina Flow.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value, json};
use wasm_flow_import::bounds::MAX_FILE;
use wasm_flow_import::{Imported, Note, Options, Target};
use wasm_flow_manifest::read_text;

use super::operand;
use super::{Format, Result, terminal};
use crate::whole_file;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The Flow's file.
    #[arg(default_value = "flow.yml")]
    flow: PathBuf,
    /// Write to this file, instead of standard output. Paths in it are relative to its
    /// folder, and to the working directory without this.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over the file of --output, if it is there.
    #[arg(long, requires = "output")]
    force: bool,
    /// What becomes of executors in Python.
    #[arg(long, value_enum, default_value_t)]
    executors: Executors,
    /// What `${{ CONTEXT.NAME }}` stands for in the Flow. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = context)]
    context: Vec<(String, String)>,
}

/// What becomes of executors in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Executors {
    /// They stay in Python: Jina serves them, and the flow calls them over gRPC.
    #[default]
    Remote,
    /// They are to be ported to WebAssembly.
    Wasm,
}

/// Why there is no flow.toml.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} exists already; --force writes over it", .0.display())]
    Exists(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn run(args: &Args, format: Format) -> Result<()> {
    operand::flow_yaml(&args.flow)?;
    let text = read(&args.flow).map_err(|source| ImportError::Read {
        path: args.flow.clone(),
        source,
    })?;
    // Nothing is worth a look if the result has no place.
    if let Some(output) = args.output.as_ref().filter(|_| !args.force)
        && output.symlink_metadata().is_ok()
    {
        return Err(ImportError::Exists(output.clone()).into());
    }
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let file = args.flow.display().to_string();
    let imported = wasm_flow_import::import(
        &text,
        &Options {
            file: &file,
            from: &folder(&args.flow),
            to: &args.output.as_deref().map(folder).unwrap_or_default(),
            target: match args.executors {
                Executors::Remote => Target::Remote,
                Executors::Wasm => Target::Wasm,
            },
            context: args.context.iter().cloned().collect(),
            // A configuration that cannot be read says nothing of the executor.
            read: &|path| read(path).ok(),
        },
    )?;
    if let Some(output) = &args.output {
        write(output, &imported.flow_toml, args.force).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => ImportError::Exists(output.clone()),
            _ => ImportError::Write {
                path: output.clone(),
                source,
            },
        })?;
    }
    match format {
        Format::Text => print(args, &file, &imported)?,
        Format::Json => terminal::json(&as_json(args, &imported))?,
    }
    Ok(())
}

/// The text of a file that is not too large.
fn read(path: &Path) -> io::Result<String> {
    read_text(path, MAX_FILE, "the YAML of a Flow")
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if !force {
        // It may have been made since it was looked for.
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        return file.write_all(text.as_bytes());
    }
    // The file that is there stays whole if the disk is full. If it is a link, that leads to
    // the new text.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole_file::replace(&path, text)
}

fn print(args: &Args, file: &str, imported: &Imported) -> Result<()> {
    for note in &imported.notes {
        terminal::note(&line(file, note));
    }
    if imported.more_notes > 0 {
        terminal::note(&format!("note: {file}: {} more notes", imported.more_notes));
    }
    let Some(output) = &args.output else {
        terminal::line(imported.flow_toml.trim_end())?;
        return Ok(());
    };
    let output = output.display();
    let first = match args.executors {
        _ if imported.in_python == 0 => String::new(),
        Executors::Remote => format!("  serve the executors: {output} has the command for each\n"),
        Executors::Wasm => format!("  make the folders of the executors: {output} says how\n"),
    };
    terminal::line(&format!(
        "wrote {output}\n\nnext:\n{first}  wasm-flow check {output}"
    ))?;
    Ok(())
}

/// `note: flow.yml:3:8: ...`, for an editor to jump to.
fn line(file: &str, note: &Note) -> String {
    let level = if note.is_warning { "warning" } else { "note" };
    let place = note.places.first();
    let place = place.map(|place| format!(":{}:{}", place.line, place.column));
    format!("{level}: {file}{}: {note}", place.unwrap_or_default())
}

fn as_json(args: &Args, imported: &Imported) -> Value {
    let notes: Vec<Value> = imported.notes.iter().map(note_json).collect();
    let (name, result) = match &args.output {
        Some(output) => ("output", json!(output)),
        None => ("flow_toml", json!(imported.flow_toml)),
    };
    json!({
        name: result,
        "executors_in_python": imported.in_python,
        "notes": notes,
        // A bounded number of them is kept.
        "more_notes": imported.more_notes,
    })
}

fn note_json(note: &Note) -> Value {
    let places = note.places.iter();
    let places = places.map(|place| json!({ "line": place.line, "column": place.column }));
    json!({
        "level": if note.is_warning { "warning" } else { "note" },
        "key": note.key,
        "message": note.message,
        "places": places.collect::<Vec<_>>(),
        "more_places": note.more,
    })
}

fn context(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::whole_file::tests::Folder;

    #[test]
    fn what_stands_beside_a_file_that_is_written_over_stays() {
        let folder = Folder::new("import");
        let path = |name: &str| folder.0.join(name);
        fs::write(path("flow.toml"), "old").unwrap();
        fs::write(path("flow.toml.new"), "mine").unwrap();
        write(&path("flow.toml"), "new", true).unwrap();
        fs::create_dir(path("taken")).unwrap();
        fs::write(path("taken/file"), "").unwrap();
        fs::write(path("taken.new"), "mine").unwrap();
        assert!(write(&path("taken"), "new", true).is_err());

        let read = |name: &str| fs::read_to_string(path(name)).unwrap();
        assert_eq!(read("flow.toml"), "new");
        assert_eq!(read("flow.toml.new"), "mine");
        assert_eq!(read("taken.new"), "mine");
        assert_eq!(
            folder.files(),
            ["flow.toml", "flow.toml.new", "taken.new", "taken/file"]
        );
        // A folder is not made, whether the file may be written over or not.
        assert!(write(&path("no/flow.toml"), "new", true).is_err());
        assert!(!path("no").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_what_is_written() {
        let folder = Folder::new("import-link");
        let (target, link) = (folder.0.join("target"), folder.0.join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, "new", true).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
