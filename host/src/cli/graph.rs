//! `wasm-flow graph`: a flow as a picture, and where the time of its requests went.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::ValueEnum;
use wasm_flow_contract::{Graph, Response};
use wasm_flow_drawing::times::{ExecutorTimes, Tally, Times};
use wasm_flow_drawing::{Card, Drawing, Percent, Source, Time};
use wasm_flow_manifest::{ExecutorEntry, Manifest, Uses};

use super::batch::Answers;
use super::operand::{self, Action};
use super::terminal::{self, Page, json_text};
use super::{Error, Format, Result, batch, check, input, load, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow's file. Its executors need not exist, except with --timing.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
    /// What the flow is drawn as. Without it, the name of the output says so, and
    /// standard output gets text.
    #[arg(long = "as", value_name = "FORM", value_enum)]
    form: Option<Form>,
    /// Draw into this file: .svg, .mmd or .md (Mermaid), .txt, or .json.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Run the flow over documents, and draw where the time of the requests went.
    #[arg(long, requires = "on")]
    timing: bool,
    /// With --timing: send documents to this endpoint.
    #[arg(long, value_name = "ENDPOINT", requires = "timing")]
    on: Option<String>,
    #[command(flatten)]
    input: input::Args,
    /// Requests in flight at most, in place of the file's `prefetch`. With 1, none waits
    /// for another one.
    #[arg(long, value_name = "N", requires = "timing")]
    prefetch: Option<NonZeroUsize>,
}

/// What a flow is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines and names for a terminal.
    Text,
    /// A flowchart for Markdown and wikis.
    Mermaid,
    /// A picture for the browser.
    Svg,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Text,
    Mermaid,
    /// Mermaid as a block of Markdown.
    Markdown,
    Svg,
    Json,
}

/// The drawing cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the drawing to {}: {source}{}", path.display(), way_out(source))]
pub(super) struct WriteError {
    path: PathBuf,
    source: io::Error,
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; make its folder first",
        _ => "",
    }
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    let output = Output::of(args.form, args.output.as_deref(), format)?;
    operand::flow(&args.flow, Action::Draw)?;
    match &args.on {
        None => {
            let manifest = check::in_format(Manifest::load(&args.flow), format)?;
            write(args, output, &drawing(&manifest), None)
        }
        Some(endpoint) => timed(endpoint, args, output, format).await,
    }
}

/// Runs the flow, and draws where the time went.
async fn timed(endpoint: &str, args: &Args, output: Output, format: Format) -> Result<()> {
    let mut input = args.input.open()?;
    // Before anything is built or started.
    input.check_beginning().await?;
    let loaded = check::in_format(load(&args.flow).await, format)?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    let manifest = loaded.manifest();
    let mut timed = Timed(Tally::new(&manifest.executors));
    let prefetch = args.prefetch.unwrap_or(manifest.gateway.prefetch);
    let ended = batch::run(
        &loaded,
        endpoint,
        &args.input,
        input,
        prefetch,
        &mut timed,
        format,
    )
    .await;
    match &ended {
        Ok(()) => {}
        // What is known of the others is worth a look.
        Err(Error::Requests { .. }) if timed.0.requests() > 0 => {}
        Err(_) => return ended,
    }
    let times = timed.0.times();
    let drawing = drawing(manifest).with_times(times.clone());
    write(args, output, &drawing, Some(&table(manifest, &times)))?;
    ended
}

/// Adds up the times of a batch.
struct Timed(Tally);

impl Answers for Timed {
    fn answered(&mut self, response: &Response, time: Range<SystemTime>, _page: &mut Page) {
        self.0.add(time.start, time.end, &response.hops);
    }
}

/// A flow as its file describes it.
fn drawing(manifest: &Manifest) -> Drawing {
    let executors: Graph<&ExecutorEntry> = manifest.executors.as_ref();
    Drawing::new(
        manifest.name.as_str(),
        executors.map(|_, _, entry| card(entry)),
    )
}

fn card(entry: &ExecutorEntry) -> Card {
    let mut card = Card::new(source(entry), &entry.config);
    if let Some(before) = &entry.uses_before {
        card = card.uses_before(&source(before));
    }
    if let Some(after) = &entry.uses_after {
        card = card.uses_after(&source(after));
    }
    card
}

fn source(entry: &ExecutorEntry) -> Source {
    match &entry.uses {
        Uses::Path { written, .. } => Source::Here(written.clone()),
        Uses::Hub(reference) => Source::Here(format!("oci://{reference}")),
        Uses::Remote(remote) => Source::Elsewhere(remote.address.to_string()),
    }
}

/// Where the time went, in numbers. The last column comes to all of it.
fn table(manifest: &Manifest, times: &Times) -> String {
    let mut table = print::table(&["executor", "calls", "mean", "95 % within", "share"]);
    for (id, node) in manifest.executors.iter() {
        let ExecutorTimes {
            calls,
            mean,
            p95,
            share,
        } = times.executors[id];
        let time = |time| match calls {
            0 => "-".to_owned(),
            _ => Time(time).to_string(),
        };
        table.add_row([
            node.name.to_string(),
            calls.to_string(),
            time(mean),
            time(p95),
            Percent(share).to_string(),
        ]);
    }
    table.add_row([
        "(the flow itself)",
        "",
        "",
        "",
        &Percent(times.own).to_string(),
    ]);
    table.add_row([
        "a request".to_owned(),
        times.requests.to_string(),
        Time(times.mean).to_string(),
        Time(times.p95).to_string(),
        String::new(),
    ]);
    table.to_string()
}

fn write(args: &Args, output: Output, drawing: &Drawing, table: Option<&str>) -> Result<()> {
    let drawn = match output {
        Output::Text => {
            let width = match args.output {
                None => terminal::width(),
                Some(_) => None,
            };
            let table = table.map(|table| format!("\n{table}\n"));
            drawing.text(width) + table.as_deref().unwrap_or_default()
        }
        Output::Mermaid => drawing.mermaid(),
        Output::Markdown => format!("```mermaid\n{}```\n", drawing.mermaid()),
        Output::Svg => drawing.svg(),
        Output::Json => json_text(&drawing.json()) + "\n",
    };
    match &args.output {
        None => Ok(terminal::line(drawn.trim_end())?),
        Some(path) => Ok(fs::write(path, drawn).map_err(|source| WriteError {
            path: path.clone(),
            source,
        })?),
    }
}

impl Output {
    /// What the command line asks for.
    fn of(form: Option<Form>, path: Option<&Path>, format: Format) -> Result<Output> {
        let by_name = path.and_then(|path| match extension(path)?.as_str() {
            "svg" => Some(Output::Svg),
            "mmd" | "mermaid" => Some(Output::Mermaid),
            "md" | "markdown" => Some(Output::Markdown),
            "txt" => Some(Output::Text),
            "json" => Some(Output::Json),
            _ => None,
        });
        match (form, by_name, format) {
            (Some(_), _, Format::Json) => Err(Error::Usage(
                "JSON is a form by itself: give either --as or --format json".to_owned(),
            )),
            (None, None | Some(Output::Json), Format::Json) => Ok(Output::Json),
            (None, Some(_), Format::Json) => Err(Error::Usage(format!(
                "{} is not a name for JSON: end it in .json, or leave out --format json",
                shown(path)
            ))),
            // Mermaid in a page of Markdown is a block of it.
            (Some(Form::Mermaid), Some(Output::Markdown), _) => Ok(Output::Markdown),
            (Some(Form::Text), ..) => Ok(Output::Text),
            (Some(Form::Mermaid), ..) => Ok(Output::Mermaid),
            (Some(Form::Svg), ..) => Ok(Output::Svg),
            (None, Some(output), _) => Ok(output),
            (None, None, _) if path.is_none() => Ok(Output::Text),
            (None, None, _) => Err(Error::Usage(format!(
                "the name {} does not say what to draw: end it in .svg, .mmd, .md, .txt or .json, \
                 or give --as text, mermaid or svg",
                shown(path)
            ))),
        }
    }
}

fn extension(path: &Path) -> Option<String> {
    path.extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase)
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_asked_for_or_what_the_name_says() {
        let of = |form, path: Option<&str>, format| {
            Output::of(form, path.map(Path::new), format).map_err(|error| error.to_string())
        };
        for (form, path, expected) in [
            (None, None, Output::Text),
            (Some(Form::Svg), None, Output::Svg),
            (Some(Form::Mermaid), None, Output::Mermaid),
            (None, Some("a/flow.svg"), Output::Svg),
            (None, Some("flow.SVG"), Output::Svg),
            (None, Some("flow.mmd"), Output::Mermaid),
            (None, Some("flow.md"), Output::Markdown),
            (None, Some("flow.txt"), Output::Text),
            (None, Some("flow.json"), Output::Json),
            (Some(Form::Mermaid), Some("flow.md"), Output::Markdown),
            (Some(Form::Text), Some("flow.md"), Output::Text),
            (Some(Form::Svg), Some("flow"), Output::Svg),
        ] {
            assert_eq!(of(form, path, Format::Text), Ok(expected), "{path:?}");
        }
        assert_eq!(of(None, None, Format::Json), Ok(Output::Json));
        assert_eq!(of(None, Some("x"), Format::Json), Ok(Output::Json));
        for (form, path, format, part) in [
            (
                None,
                Some("flow"),
                Format::Text,
                "the name flow does not say",
            ),
            (
                None,
                Some("flow.png"),
                Format::Text,
                "flow.png does not say",
            ),
            (None, Some("flow.svg"), Format::Json, "end it in .json"),
            (
                Some(Form::Svg),
                None,
                Format::Json,
                "either --as or --format json",
            ),
        ] {
            let error = of(form, path, format).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
