//! `wasm-flow test`: a flow, and what is to come out of it.

mod case;
mod compare;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasm_flow_contract::{Failure, Response};
use wasm_flow_flow::Flow;
use wasm_flow_manifest::Manifest;

use super::console::Console;
use super::operand::{self, Action};
use super::shutdown::Signals;
use super::terminal::{self, Page};
use super::{Error, Format, Result, batch, hub, log, resolver, shutdown};
use crate::bounds::MAX_CASES;
use crate::resolve::{Loaded, Pinning};

use case::{Case, CaseError, Expected};
use compare::{Difference, Differences};

/// What a case is, for `--help`. README has the same.
const CASES: &str = r#"A case is a line of a file, such as

  {"name": "greets", "on": "/hello", "docs": [{"text": "world"}], "expect": {"docs": [{"text": "hello world"}]}}

`on`, `docs`, `parameters` and `target_executor` are the request. `expect` has one or both of

  docs      the documents that come out
  results   what executors return beside documents, by executor and replica, as in
            {"hello/rep-0": {"count": 1}}

or `error`, a part of the error of a request that has to fail. Only what `expect` names is compared: a document may have more fields. `null` stands for a field that is not there. Lists have to be as long. Whole numbers have to be the same, and others nearly, as documents hold 32-bit floats. A case fails if no executor has a method for its endpoint.

Cases run one after the other, in the order of their files, on executors that keep what they remember. Their workspaces are folders that are made for the run. Other folders, addresses and executors elsewhere that the flow names are the real ones."#;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "`--help` says how a case is written.",
    after_long_help = CASES
)]
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
         {{\"docs\": [{{\"text\": \"hello world\"}}]}}}}, or name a file with `--cases`",
        .0.display(), .0.join("cases.jsonl").display()
    )]
    NoFiles(PathBuf),
    #[error(
        "there is nothing to test: there is no case in {0}; `wasm-flow test --help` says how one \
         is written"
    )]
    NoCases(String),
    #[error("cannot make a folder for what executors write: {0}; TMPDIR names another place")]
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
    let loaded = resolver()?.with_pinning(pinning).load(manifest).await?;
    if let Some(warnings) = loaded.warnings() {
        terminal::report(&warnings);
    }
    hub::keep_lock(&args.flow, &loaded, terminal::note);
    let console = Console::of_batch(format).map_err(Error::Threads)?;
    log::attach(&console);
    // From now on a signal does not end the process: it would leave the folder behind.
    let signals = shutdown::listen(shutdown::INTERRUPTED);
    let workspace = tempfile::Builder::new().prefix("wasm-flow-test-").tempdir();
    let workspace = workspace.map_err(TestError::Workspace)?;
    let loaded = loaded.with_workspaces_in(workspace.path());
    let result = started(&loaded, &cases, signals, &console, format).await;
    console.finish();
    result
}

/// Runs the cases on a flow that is started for them.
async fn started(
    loaded: &Loaded,
    cases: &[Case],
    mut signals: Signals,
    console: &Console,
    format: Format,
) -> Result<()> {
    let interrupted = |ran: usize| {
        let total = cases.len();
        console.note(&format!("error: interrupted: {ran} of {total} cases ran"));
        Err(Error::Interrupted)
    };
    let flow = tokio::select! {
        flow = loaded.start(console.sink()) => flow?,
        () = signals.first() => return interrupted(0),
    };
    let ran = Cell::new(0);
    let result = tokio::select! {
        result = all(&flow, cases, &ran, format) => result,
        () = signals.first() => interrupted(ran.get()),
    };
    batch::stop(&flow, signals, console).await;
    result
}

/// The cases that are to run.
fn cases(args: &Args) -> Result<Vec<Case>, TestError> {
    let files = match args.cases.is_empty() {
        false => args.cases.clone(),
        true => files_beside(&args.flow)?,
    };
    let (mut cases, mut room) = (Vec::new(), MAX_CASES);
    for file in &files {
        cases.extend(case::read(file, &mut room)?);
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
    let read = |path: &Path, source| CaseError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(TestError::NoFiles(folder));
        }
        Err(error) => return Err(read(&folder, error).into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| read(&folder, error))?.path();
        // As a shell takes `*.jsonl`: editors keep files there that begin with a dot.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".jsonl") && !name.starts_with('.') {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(TestError::NoFiles(folder)),
        false => Ok(files),
    }
}

/// Runs all cases, and prints what came of them. `ran` counts them.
async fn all(flow: &Flow, cases: &[Case], ran: &Cell<usize>, format: Format) -> Result<()> {
    let mut failed = 0;
    for case in cases {
        let response = flow.call(case.request().clone()).await;
        ran.set(ran.get() + 1);
        let verdict = Verdict::of(flow, case, &response);
        failed += usize::from(!verdict.is_passed());
        let mut page = Page::default();
        match format {
            Format::Text => verdict.text(case, &mut page),
            Format::Json => page.json(&verdict.json(case)),
        }
        page.print()?;
    }
    let total = cases.len();
    match format {
        Format::Text => terminal::line(&format!("{} passed, {failed} failed", total - failed))?,
        Format::Json => terminal::json(&json!({ "cases": total, "failed": failed }))?,
    }
    match failed {
        0 => Ok(()),
        _ => Err(TestError::Failed { failed, total }.into()),
    }
}

/// What came of a case.
struct Verdict<'a> {
    /// A failure that was not expected.
    failure: Option<&'a Failure>,
    differences: Differences,
    /// That no executor had anything to do with it, and which endpoints there are.
    passed_by: Option<String>,
}

impl<'a> Verdict<'a> {
    fn of(flow: &Flow, case: &Case, response: &'a Response) -> Verdict<'a> {
        let failure = response.failure.as_deref();
        let mut verdict = Verdict {
            failure: None,
            differences: Differences::default(),
            passed_by: passed_by(flow, case, response),
        };
        match (case.expected(), failure) {
            (Expected::Answer(_), Some(_)) => verdict.failure = failure,
            (Expected::Answer(expected), None) => {
                verdict.differences = expected.differences(response);
            }
            (Expected::Failure(part), Some(failure)) => {
                if !failure.description.contains(part) {
                    let found = &failure.description;
                    verdict.differences.other("error", part, found);
                }
            }
            (Expected::Failure(part), None) => verdict.differences.missing("error", part),
        }
        verdict
    }

    fn is_passed(&self) -> bool {
        self.failure.is_none() && self.differences.count == 0 && self.passed_by.is_none()
    }

    fn text(&self, case: &Case, page: &mut Page) {
        if self.is_passed() {
            page.line(&format!("ok      {case}"));
            return;
        }
        page.line(&format!("FAILED  {case}"));
        if let Some(failure) = self.failure {
            page.line(&format!("  the request failed: {}", failure.description));
            for line in failure.stacks.iter().flat_map(|stack| stack.lines()) {
                page.line(&format!("  {line}"));
            }
        }
        for difference in &self.differences.first {
            page.line(&format!("  {difference}"));
        }
        match self.differences.count - self.differences.first.len() {
            0 => {}
            more => page.line(&format!("  and {more} more differences")),
        }
        if let Some(passed_by) = &self.passed_by {
            page.line(&format!("  {passed_by}"));
        }
    }

    fn json(&self, case: &Case) -> Value {
        let differences = self.differences.first.iter().map(Difference::json);
        json!({
            "case": case.place(),
            "name": case.name(),
            "passed": self.is_passed(),
            "error": self.failure.map(|failure| &failure.description),
            "stacks": self.failure.map(|failure| &failure.stacks),
            "differences": differences.collect::<Vec<_>>(),
            "more_differences": self.differences.count - self.differences.first.len(),
            "passed_by": self.passed_by,
        })
    }
}

/// That no executor has a method for a case's endpoint. One that has, and whose `when` lets
/// nothing through, does what it is there for.
fn passed_by(flow: &Flow, case: &Case, response: &Response) -> Option<String> {
    let request = case.request();
    let was_called = response.hops.iter().any(|hop| hop.end.is_some());
    let target = Some(&*request.target).filter(|target| !target.is_empty());
    let mut stages = flow.graph().iter().map(|(_, node)| &node.value);
    let is_bound = target.is_none() && stages.any(|stage| stage.binds(&request.endpoint));
    let is_answer = response.failure.is_none() && !was_called && !is_bound;
    is_answer.then(|| batch::passed_by(flow, &request.endpoint, target))
}
