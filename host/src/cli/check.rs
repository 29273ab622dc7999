//! `wasm-flow check`.

use std::path::PathBuf;

use serde_json::json;
use wasm_flow_manifest::{ManifestError, Report};

use super::door;
use super::operand::{self, Action};
use super::{Error, Format, Result, load, print, terminal};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow's file.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    operand::flow(&args.flow, Action::Describe)?;
    let loaded = in_format(load(&args.flow).await, format)?;
    let gateway = in_format(crate::door::gateway(loaded.manifest()), format)?;
    let executors = print::Executors::new(loaded.executors(), |executor| executor.info.clone());
    let warnings = loaded.warnings();
    match format {
        Format::Text => {
            terminal::line(&executors.table())?;
            if let Some(warnings) = &warnings {
                terminal::report(warnings);
            }
            terminal::line(&door::line(&gateway))?;
            terminal::line(&format!("{}: fine", args.flow.display()))?;
        }
        Format::Json => terminal::json(&json!({
            "ok": true,
            "flow": loaded.manifest().name,
            "executors": executors.json(),
            "gateway": {
                "host": gateway.host,
                "port": gateway.port,
                "port_health": gateway.port_health,
                "door": door::json(&gateway.door),
            },
            "warnings": warnings.as_ref().map(problems),
        }))?,
    }
    Ok(())
}

/// What became of a file: its problems are printed, if that is to be as JSON.
pub(super) fn in_format<T, E: Into<Error>>(result: Result<T, E>, format: Format) -> Result<T> {
    let error = match result {
        Ok(read) => return Ok(read),
        Err(error) => error.into(),
    };
    Err(match format {
        Format::Text => error,
        Format::Json => as_json(error),
    })
}

/// Prints problems of the file as JSON. Any other error is left as it is.
fn as_json(error: Error) -> Error {
    let report = match &error {
        Error::Problems(report) | Error::Manifest(ManifestError::Invalid(report)) => report,
        _ => return error,
    };
    match terminal::json(&json!({
        "ok": false,
        "problems": problems(report),
        // A report keeps a bounded number of them.
        "total": report.total(),
    })) {
        Ok(()) => Error::Reported,
        Err(error) => error.into(),
    }
}

fn problems(report: &Report) -> serde_json::Value {
    report
        .problems()
        .iter()
        .map(|problem| {
            let (line, column) = report.position(problem);
            json!({
                "file": report.file(),
                "line": line,
                "column": column,
                "message": problem.title(),
                "note": problem.note_text(),
                "help": problem.help_text(),
            })
        })
        .collect()
}
