//! The texts of a file that had variables in them: for messages, which show a text as it
//! is written, and have `${NAME}` in place of a value, which may be a secret.
//!
//! What is wrong with names of executors and with paths is said with their values: those
//! are in the log anyway, and hard to put right unseen.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::bounds::MIN_HIDDEN;

/// The texts of a file that had variables in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Substitutions {
    /// By where the text begins.
    texts: BTreeMap<usize, Substituted>,
}

/// A text that had variables in it.
#[derive(Debug, Clone)]
pub(crate) struct Substituted {
    pub(crate) end: usize,
    pub(crate) variables: Vec<Variable>,
    /// Whether the text is one variable and nothing else.
    pub(crate) alone: bool,
}

/// A variable that stands in a text.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// None if the file's own default stands in for it.
    pub(crate) value: Option<String>,
}

impl Substitutions {
    /// Adds a text, by where it begins.
    pub(crate) fn insert(&mut self, start: usize, text: Substituted) {
        self.texts.insert(start, text);
    }

    fn at(&self, span: &Range<usize>) -> Option<&Substituted> {
        let text = self.texts.get(&span.start)?;
        (text.end == span.end).then_some(text)
    }

    /// Whether the text at this place is one variable and nothing else, so that it may
    /// stand for a number, too.
    pub(crate) fn is_variable(&self, span: &Range<usize>) -> bool {
        self.at(span).is_some_and(|text| text.alone)
    }

    /// Where the value at this place comes from, in words.
    pub(crate) fn note(&self, span: &Range<usize>) -> Option<String> {
        let text = self.at(span)?;
        let listed = |variables: Vec<&str>| -> String {
            let quoted: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(" and ")
        };
        let names = |set: bool| -> Vec<&str> {
            let mut names: Vec<&str> = text
                .variables
                .iter()
                .filter(|variable| variable.value.is_some() == set)
                .map(|variable| variable.name.as_str())
                .collect();
            names.dedup();
            names
        };
        let (set, unset) = (names(true), names(false));
        Some(match (set.as_slice(), unset.as_slice()) {
            ([name], []) if text.alone => {
                format!("the value is that of the environment variable `{name}`")
            }
            ([_], []) => format!(
                "the value of the environment variable {} is in it",
                listed(set)
            ),
            (_, []) => format!(
                "the values of the environment variables {} are in it",
                listed(set)
            ),
            ([], [_]) => format!(
                "the environment variable {} is not set, so its default stands for it",
                listed(unset)
            ),
            ([], _) => format!(
                "the environment variables {} are not set, so their defaults stand for them",
                listed(unset)
            ),
            (_, _) => format!(
                "the value of {} is in it, and the default of {}, which is not set",
                listed(set),
                listed(unset)
            ),
        })
    }

    /// What is said of the texts within this place, with the variables' names in place
    /// of their values.
    pub(crate) fn hide(&self, within: &Range<usize>, said: &str) -> String {
        let texts = self.texts.range(within.start..within.end.max(within.start));
        hide(texts.flat_map(|(_, text)| &text.variables), said)
    }

    /// The same for all texts of the file.
    pub(crate) fn hide_all(&self, said: &str) -> String {
        hide(self.texts.values().flat_map(|text| &text.variables), said)
    }
}

fn hide<'v>(variables: impl Iterator<Item = &'v Variable>, said: &str) -> String {
    let mut values: Vec<(&str, &str)> = variables
        .filter_map(|variable| Some((variable.value.as_deref()?, variable.name.as_str())))
        .filter(|(value, _)| value.len() >= MIN_HIDDEN && said.contains(value))
        .collect();
    // One value may be a part of another.
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    values.iter().fold(said.to_owned(), |said, (value, name)| {
        said.replace(value, &format!("${{{name}}}"))
    })
}
