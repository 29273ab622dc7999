//! The key whose value is being read.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::problems::Problems;
use crate::report::Problem;

/// The key whose value is read, for the problems with it.
pub(crate) struct Context<'r> {
    pub(crate) problems: &'r mut Problems,
    /// What the key is called in messages.
    pub(crate) name: &'static str,
    /// Where the key is.
    pub(crate) key: Range<usize>,
    /// `for example: port = 54321`.
    pub(crate) example: String,
}

impl Context<'_> {
    /// Reports why a value cannot be what it should be. It may be that of a variable, so
    /// what the message says of it does not show it.
    pub(crate) fn refuse(&mut self, value: &Spanned<DeValue<'_>>, problem: Problem) {
        let span = value.span();
        let variables = self.problems.variables();
        let text = value.get_ref().as_str().unwrap_or_default();
        let problem = problem.map(|said| {
            let said = variables.hide(&span, said);
            variables.cut(&span, text, self.name, &said)
        });
        self.problems.report(problem);
    }

    /// The text of a value that is a variable and nothing else: it may stand for a
    /// number, or for true or false.
    pub(crate) fn variable<'v>(&self, value: &'v Spanned<DeValue<'_>>) -> Option<&'v str> {
        let text = value.get_ref().as_str()?;
        let is_variable = self.problems.variables().is_variable(&value.span());
        is_variable.then(|| text.trim())
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, expected: &str) {
        self.wrong_type_of(self.name, value, expected);
    }

    /// Reports a value of the wrong type that has a name of its own.
    pub(crate) fn wrong_type_of(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) {
        let problem = Problem::new(value.span(), format!("`{name}` must be {expected}"))
            .label(format!("found {}", found(value.get_ref())))
            .help(self.example.clone());
        self.problems.report(problem);
    }
}

/// What kind of value this is, for a person.
pub(crate) fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
