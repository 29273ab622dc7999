//! What is wrong with a `flow.toml`, and how it is shown.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

/// One thing that is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    title: String,
    label: String,
    span: Range<usize>,
    context: Vec<(Range<usize>, String)>,
    note: Option<Box<str>>,
    help: Option<String>,
}

impl Problem {
    /// A problem at a range of bytes of the file.
    pub fn new(span: Range<usize>, title: impl Into<String>) -> Problem {
        Problem {
            title: title.into(),
            label: String::new(),
            span,
            context: Vec::new(),
            note: None,
            help: None,
        }
    }

    /// The same, with a few words under the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// The same, with another place in the file that is part of the problem.
    #[must_use]
    pub fn context(mut self, span: Range<usize>, label: impl Into<String>) -> Problem {
        self.context.push((span, label.into()));
        self
    }

    /// The same, with what to know of the place.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Problem {
        self.note = Some(note.into().into());
        self
    }

    /// The same with its title, label and help said in another way.
    pub(crate) fn map(self, say: impl Fn(&str) -> String) -> Problem {
        Problem {
            title: say(&self.title),
            label: say(&self.label),
            help: self.help.map(|help| say(&help)),
            ..self
        }
    }

    /// The same, with what is allowed, or what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// What is wrong, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What to know of the place: where its value comes from.
    pub fn note_text(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Where it is, in bytes of the file.
    pub fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// What is allowed, or what to do.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// Why a string cannot be what it should be, before it is known where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) title: String,
    /// What to do. An example of a good value, if there is nothing to say.
    pub(crate) help: Option<String>,
}

impl Refusal {
    pub(crate) fn new(title: impl Into<String>) -> Refusal {
        Refusal {
            title: title.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Refusal {
        self.help = Some(help.into());
        self
    }

    /// The problem at this place. `example` is the help if there is no other.
    pub(crate) fn at(self, span: Range<usize>, example: &str) -> Problem {
        let help = self.help.unwrap_or_else(|| example.to_owned());
        Problem::new(span, self.title).help(help)
    }
}

/// How bad the problems of a report are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The flow cannot run.
    Error,
    /// It can, and may not do what it should.
    Warning,
}

/// All that is wrong with one file. Its `Display` shows for each problem
/// `file:line:column` and the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: String,
    source: String,
    problems: Vec<Problem>,
    left_out: usize,
    severity: Severity,
}

impl Report {
    /// Problems are shown in the order of their places. `left_out` says how many
    /// more there are.
    pub(crate) fn new(
        file: String,
        source: String,
        mut problems: Vec<Problem>,
        left_out: usize,
    ) -> Report {
        for problem in &mut problems {
            clamp(&mut problem.span, &source);
            for (span, _) in &mut problem.context {
                clamp(span, &source);
            }
        }
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Report {
            file,
            source,
            problems,
            left_out,
            severity: Severity::Error,
        }
    }

    /// The same of problems in spite of which the flow can run.
    pub(crate) fn into_warnings(self) -> Report {
        Report {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, first in the file first: at most
    /// [`MAX_PROBLEMS`](crate::bounds::MAX_PROBLEMS) of them.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there are, those that are not kept included.
    pub fn total(&self) -> usize {
        self.problems.len() + self.left_out
    }

    /// Where a problem of this report is: line and column, both from 1, the
    /// column in characters.
    pub fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = self.source.get(..problem.span.start).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// The report as text, with colours if asked for.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut shown: Vec<String> = self
            .problems
            .iter()
            .map(|problem| renderer.render(&[self.group(problem)]))
            .map(|shown| shown.replace(is_c1, "\u{fffd}"))
            .collect();
        let (kept, file) = (self.problems.len(), &self.file);
        let problems = match self.severity {
            Severity::Error => "problems",
            Severity::Warning => "warnings",
        };
        match (kept, self.left_out) {
            (0 | 1, 0) => {}
            (_, 0) => shown.push(format!("{kept} {problems} in {file}")),
            (_, more) => shown.push(format!(
                "{} {problems} in {file}: {kept} are shown, the others come up when these are solved",
                kept + more
            )),
        }
        shown.join("\n\n")
    }

    /// Labels and help may quote the file, or what an executor says, and the renderer
    /// prints them as they are: unlike titles and the file's lines.
    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mut primary = AnnotationKind::Primary.span(problem.span.clone());
        if !problem.label.is_empty() {
            primary = primary.label(normalize_untrusted_str(&problem.label));
        }
        let contexts = problem.context.iter().map(|(span, label)| {
            AnnotationKind::Context
                .span(span.clone())
                .label(normalize_untrusted_str(label))
        });
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(problem.title.as_str()).element(
            Snippet::source(self.source.as_str())
                .path(self.file.as_str())
                .annotation(primary)
                .annotations(contexts),
        );
        if let Some(note) = &problem.note {
            group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
        }
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(normalize_untrusted_str(help))),
            None => group,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Whether a terminal may take this for the beginning of a command although the
/// renderer lets it pass: that replaces the control characters of ASCII only.
fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

/// Keeps a span inside the file and on the first line it covers, so that a
/// multi-line table is not printed whole.
fn clamp(span: &mut Range<usize>, source: &str) {
    let mut start = span.start.min(source.len());
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    let rest = source.get(start..).unwrap_or("");
    let line_end = start + rest.find('\n').unwrap_or(rest.len());
    let mut end = span.end.clamp(start, line_end);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    *span = start..end;
}
