//! `wasm-flow import`: a flow.toml from the YAML of a Jina Flow.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value, json};
use wasm_flow_contract::units::Size;
use wasm_flow_import::bounds::MAX_FILE;
use wasm_flow_import::{Imported, Note, Options, Target};

use super::operand;
use super::{Format, Result, terminal};

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
    let mut text = String::new();
    let read = File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let message = "not UTF-8 text, so it is not the YAML of a Flow";
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
        Ok(_) if text.len() as u64 > MAX_FILE => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!(
                "larger than {}, so it is not the YAML of a Flow",
                Size(MAX_FILE)
            ),
        )),
        read => read.map(|_| text),
    }
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match force {
        true => options.create(true).truncate(true),
        // It may have been made since it was looked for.
        false => options.create_new(true),
    };
    options.write(true).open(path)?.write_all(text.as_bytes())
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
