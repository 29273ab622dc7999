//! What is wrong with one file, as it is found.

use crate::bounds::MAX_PROBLEMS;
use crate::report::{Problem, Report};

/// Collects the problems of one file.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    /// Problems over the bound of what a report keeps.
    left_out: usize,
}

impl Problems {
    pub(crate) fn report(&mut self, problem: Problem) {
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// How many problems there are until now.
    pub(crate) fn count(&self) -> usize {
        self.kept.len() + self.left_out
    }

    /// All problems together.
    pub(crate) fn into_report(self, file: String, source: String) -> Report {
        Report::new(file, source, self.kept, self.left_out)
    }
}
