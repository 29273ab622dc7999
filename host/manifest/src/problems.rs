//! What is wrong with one file, as it is found.

use crate::bounds::MAX_PROBLEMS;
use crate::report::{Problem, Report};
use crate::substitutions::Substitutions;

/// Collects the problems of one file, a bounded number of them.
#[derive(Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    variables: Substitutions,
    /// Problems over the bound of what a report keeps.
    left_out: usize,
}

impl Problems {
    /// Says that the file has these variables in it: a problem with the value of one
    /// says so.
    pub(crate) fn set_variables(&mut self, variables: Substitutions) {
        self.variables = variables;
    }

    /// The variables of the file.
    pub(crate) fn variables(&self) -> &Substitutions {
        &self.variables
    }

    /// Adds a problem. Beyond the bound it is only counted.
    pub fn report(&mut self, mut problem: Problem) {
        if let Some(note) = self.variables.note(problem.span()) {
            problem = problem.note(note);
        }
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// How many problems there are until now.
    pub fn count(&self) -> usize {
        self.kept.len() + self.left_out
    }

    /// All problems together. `file` is what it is called in messages, and `source` its
    /// text.
    pub fn into_report(self, file: String, source: String) -> Report {
        Report::new(file, source, self.kept, self.left_out)
    }
}
