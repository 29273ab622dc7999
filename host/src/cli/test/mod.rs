//! `wasm-flow test`: a flow, and what is to come out of it.

mod case;
mod compare;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasm_flow_contract::Response;
use wasm_flow_flow::Flow;
use wasm_flow_manifest::Manifest;

use super::console::Console;
use super::operand::{self, Action};
use super::terminal::{self, Page};
use super::{Error, Format, Result, batch, log, resolver, shutdown};
use crate::resolve::Pinning;

use case::{Case, CaseError, Expected};
use compare::Difference;

#[derive(Debug, clap::Args)]
#[command(after_help = "A case is a line of a file, as in\n  \
    {\"on\": \"/hello\", \"docs\": [{\"text\": \"world\"}], \"expect\": {\"docs\": [{\"text\": \
    \"hello world\"}]}}\n\nOnly what `expect` names is compared. Cases run one after the other, in \
    the order of their files. Executors keep what they write in a folder that is made for the run, \
    and not in the workspace of flow.toml.")]
pub(super) struct Args {
    /// The flow's file.
    #[arg(default_value = "flow.toml")]
    flow: PathBuf,
    /// A file of cases, a JSON object a line; may be given several times. Without it, those of
    /// the folder `tests` beside the flow's file that end in `.jsonl`.
    #[arg(long, value_name = "FILE")]
    cases: Vec<PathBuf>,
    /// Refuse to run if an executor from a registry is not what flow.lock says, or not in
    /// it.
    #[arg(long)]
    locked: bool,
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub(super) enum TestError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(
        "there is nothing to test: {} has no file that ends in `.jsonl`; write a case into {}, \
         a line such as {{\"on\": \"/hello\", \"docs\": [{{\"text\": \"world\"}}], \"expect\": \
         {{\"docs\": [{{\"text\": \"hello world\"}}]}}}}",
        .0.display(), .0.join("cases.jsonl").display()
    )]
    NoFiles(PathBuf),
    #[error("there is nothing to test: there is no case in {0}")]
    NoCases(String),
    #[error("cannot make a folder for what executors write: {0}")]
    Workspace(std::io::Error),
    /// Each was reported when it ran.
    #[error("{failed} of {total} cases failed")]
    Failed { failed: usize, total: usize },
}

pub(super) async fn run(args: &Args, format: Format) -> Result<()> {
    operand::flow(&args.flow, Action::Test)?;
    let manifest = Manifest::load(&args.flow)?;
    // Before anything is built or started.
    let cases = cases(args)?;
    let pinning = match args.locked {
        true => Pinning::Locked,
        false => Pinning::Keep,
    };
    let workspace = tempfile::Builder::new().prefix("wasm-flow-test-").tempdir();
    let workspace = workspace.map_err(TestError::Workspace)?;
    let loaded = resolver()?.with_pinning(pinning).load(manifest).await?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    let loaded = loaded.with_workspaces_in(workspace.path());
    let console = Console::of_batch(format).map_err(Error::Threads)?;
    log::attach(&console);
    let result = match loaded.start(console.sink()).await {
        Ok(flow) => {
            let mut signals = shutdown::listen(shutdown::INTERRUPTED);
            let result = tokio::select! {
                result = all(&flow, &cases, format) => result,
                () = signals.first() => Err(Error::Interrupted),
            };
            batch::stop(&flow, signals, &console).await;
            result
        }
        Err(report) => Err(report.into()),
    };
    console.finish();
    result
}

/// The cases that are to run.
fn cases(args: &Args) -> Result<Vec<Case>, TestError> {
    let files = match args.cases.is_empty() {
        false => args.cases.clone(),
        true => files_beside(&args.flow)?,
    };
    let mut cases = Vec::new();
    for file in &files {
        cases.extend(case::read(file)?);
    }
    match cases.is_empty() {
        true => {
            let names: Vec<_> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            Err(TestError::NoCases(names.join(", ")))
        }
        false => Ok(cases),
    }
}

/// The files of cases beside a flow's file, by name.
fn files_beside(flow: &Path) -> Result<Vec<PathBuf>, TestError> {
    let folder = flow.with_file_name("tests");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(TestError::NoFiles(folder)),
        false => Ok(files),
    }
}

/// Runs all cases, and prints what came of them.
async fn all(flow: &Flow, cases: &[Case], format: Format) -> Result<()> {
    let mut failed = 0;
    for case in cases {
        let response = flow.call(case.request()).await;
        let verdict = Verdict::of(case.expected(), &response);
        failed += usize::from(!verdict.is_passed());
        let mut page = Page::default();
        match format {
            Format::Text => verdict.text(case, &mut page),
            Format::Json => page.json(&verdict.json(case)),
        }
        page.print()?;
    }
    let total = cases.len();
    let passed = total - failed;
    match format {
        Format::Text => terminal::line(&format!("{passed} passed, {failed} failed"))?,
        Format::Json => terminal::json(&json!({ "passed": passed, "failed": failed }))?,
    }
    match failed {
        0 => Ok(()),
        _ => Err(TestError::Failed { failed, total }.into()),
    }
}

/// What came of a case.
struct Verdict<'a> {
    differences: Vec<Difference>,
    response: &'a Response,
    /// A failure that was not expected.
    is_failure: bool,
}

impl<'a> Verdict<'a> {
    fn of(expected: &Expected, response: &'a Response) -> Verdict<'a> {
        let failure = response.failure.as_ref();
        let (differences, is_failure) = match (expected, failure) {
            (Expected::Answer(_), Some(_)) => (Vec::new(), true),
            (Expected::Answer(expected), None) => (expected.differences(response), false),
            (Expected::Failure(part), Some(failure)) => {
                let differs = !failure.description.contains(part);
                let difference = || Difference {
                    path: "error".to_owned(),
                    expected: Some(part.as_str().into()),
                    found: Some(failure.description.as_str().into()),
                };
                (differs.then(difference).into_iter().collect(), false)
            }
            (Expected::Failure(part), None) => {
                let difference = Difference {
                    path: "error".to_owned(),
                    expected: Some(part.as_str().into()),
                    found: None,
                };
                (vec![difference], false)
            }
        };
        Verdict {
            differences,
            response,
            is_failure,
        }
    }

    fn is_passed(&self) -> bool {
        !self.is_failure && self.differences.is_empty()
    }

    /// Whether an executor did anything.
    fn is_handled(&self) -> bool {
        let mut hops = self.response.hops.iter();
        hops.any(|hop| hop.end.is_some() || hop.failure.is_some())
    }

    fn text(&self, case: &Case, page: &mut Page) {
        if self.is_passed() {
            page.line(&format!("ok      {case}"));
            return;
        }
        page.line(&format!("FAILED  {case}"));
        if let Some(failure) = self.response.failure.as_ref().filter(|_| self.is_failure) {
            page.line(&format!("  the request failed: {}", failure.description));
            for line in failure.stacks.iter().flat_map(|stack| stack.lines()) {
                page.line(&format!("  {line}"));
            }
        }
        for difference in &self.differences {
            page.line(&format!("  {difference}"));
        }
        if !self.is_handled() {
            page.line(&format!(
                "  no executor has a method for {}",
                case.endpoint()
            ));
        }
    }

    fn json(&self, case: &Case) -> Value {
        let failure = self.response.failure.as_ref().filter(|_| self.is_failure);
        let differences: Vec<_> = self.differences.iter().map(Difference::json).collect();
        json!({
            "case": case.place(),
            "name": case.name(),
            "passed": self.is_passed(),
            "handled": self.is_handled(),
            "error": failure.map(|failure| &failure.description),
            "differences": differences,
        })
    }
}
