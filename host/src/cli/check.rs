//! `wasm-flow check`.

use std::path::PathBuf;

use serde_json::json;

use super::{Error, Format, Result, launch, print, terminal};
use crate::flow::{ConfigError, Report};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow's file.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let loaded = match launch::load(&args.flow).await {
        Ok(loaded) => loaded,
        Err(error) if format == Format::Json => return Err(told(error)),
        Err(error) => return Err(error),
    };
    let executors = print::Executors::of_config(&loaded.config, &loaded.components);
    match format {
        Format::Text => {
            terminal::line(&executors.table());
            terminal::line(&format!("{}: fine", args.flow.display()));
        }
        Format::Json => terminal::json(&json!({
            "ok": true,
            "flow": loaded.config.name,
            "executors": executors.json(),
        })),
    }
    Ok(())
}

/// Problems of the file as JSON; another error is left to be told as all are.
fn told(error: Error) -> Error {
    let report = match &error {
        Error::Problems(report) | Error::Config(ConfigError::Invalid(report)) => report,
        _ => return error,
    };
    terminal::json(&json!({ "ok": false, "problems": problems(report) }));
    Error::Told
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
                "help": problem.help_text(),
            })
        })
        .collect()
}
