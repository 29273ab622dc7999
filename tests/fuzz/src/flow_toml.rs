use std::ffi::OsString;
use std::path::Path;

use wasm_flow_manifest::bounds::MAX_PROBLEMS;
use wasm_flow_manifest::{Lock, LockError, Manifest, ManifestError, Report};

/// Reads a text as a flow.toml, and as a lock file.
///
/// Neither may panic. A text that is refused is refused with problems, each of which has a
/// place in the text, and can be shown. A lock that is read is the same once more if it
/// is written.
pub fn flow_toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Manifest::parse_with(&text, "flow.toml", variable) {
        Ok(manifest) => {
            assert!(!manifest.executors.is_empty(), "a flow without executors");
        }
        Err(ManifestError::Invalid(report)) => told(&report, "flow.toml", &text),
        Err(error @ ManifestError::Read { .. }) => panic!("a text is not a file: {error}"),
    }
    match Lock::parse(&text, Path::new("flow.lock")) {
        Ok(lock) => {
            let again = Lock::parse(&lock.to_text(), Path::new("flow.lock")).unwrap();
            assert!(lock.iter().eq(again.iter()), "another lock");
        }
        Err(LockError::Invalid(report)) => told(&report, "flow.lock", &text),
        Err(error) => panic!("a text is not a file: {error}"),
    }
}

/// Some of the variables are there.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    match name.len() % 3 {
        0 => None,
        1 => Some("1".into()),
        _ => Some("a value of its own".into()),
    }
}

/// What a report is held to.
pub(crate) fn told(report: &Report, file: &str, text: &str) {
    assert!(report.total() > 0, "refused without a reason");
    assert!((1..=MAX_PROBLEMS).contains(&report.problems().len()));
    let lines = text.matches('\n').count() + 1;
    for problem in report.problems() {
        assert!(!problem.title().is_empty(), "a problem without a title");
        let span = problem.span().clone();
        assert!(text.get(span.clone()).is_some(), "no place: {span:?}");
        let (line, column) = report.position(problem);
        assert!((1..=lines).contains(&line) && column >= 1);
    }
    let shown = report.to_string();
    assert!(shown.contains(&format!("{file}:")), "no line: {shown}");
    let may_stay = |c: char| !c.is_control() || c == '\n';
    assert!(shown.chars().all(may_stay), "for a terminal: {shown:?}");
    // The colours are the renderer's own.
    report.render(true);
}
