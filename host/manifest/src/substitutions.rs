//! The texts of a file that had variables in them: for messages, which show a text as it
//! is written, and have `${NAME}` in place of a value, which may be a secret.
//!
//! What is wrong with names of executors, and with paths of executors and folders, is said
//! with their values: those are in the log anyway, and hard to put right unseen. The path of
//! a file with a secret is not: what should name one may be the secret itself.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use wasm_flow_contract::remote::Secret;

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
    /// The text as the file has it, without escape sequences.
    pub(crate) written: String,
    pub(crate) variables: Vec<Variable>,
    /// Whether the text is one variable and nothing else.
    pub(crate) alone: bool,
}

/// A variable that stands in a text.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// None if the file's own default stands in for it.
    pub(crate) value: Option<Secret>,
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
            let mut seen = HashSet::new();
            text.variables
                .iter()
                .filter(|variable| variable.value.is_some() == set)
                .map(|variable| variable.name.as_str())
                .filter(|name| seen.insert(*name))
                .collect()
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

    /// What is said of the text at this place, without the parts that it quotes of the
    /// text and that the file does not have: they are of a variable's value, and nobody
    /// finds a part of a secret by the whole. `key` is quoted for its own sake.
    pub(crate) fn cut(&self, place: &Range<usize>, text: &str, key: &str, said: &str) -> String {
        let Some(substituted) = self.at(place) else {
            return said.to_owned();
        };
        let is_of_a_value = |part: &str| {
            !part.is_empty()
                && part != key
                && text.contains(part)
                && !substituted.written.contains(part)
        };
        // A value may have a backquote in it, so what is between two quotations is looked
        // at, too.
        let parts = said.split('`').map(|part| match is_of_a_value(part) {
            true => "...",
            false => part,
        });
        parts.collect::<Vec<_>>().join("`")
    }

    /// The same as `hide` for all texts of the file.
    pub(crate) fn hide_all(&self, said: &str) -> String {
        hide(self.texts.values().flat_map(|text| &text.variables), said)
    }
}

fn hide<'v>(variables: impl Iterator<Item = &'v Variable>, said: &str) -> String {
    let mut values: Vec<(&str, &str)> = variables
        .filter_map(|variable| Some((variable.value.as_ref()?.reveal(), variable.name.as_str())))
        .filter(|(value, _)| value.len() >= MIN_HIDDEN && said.contains(value))
        .collect();
    // One value may be a part of another.
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    values.iter().fold(said.to_owned(), |said, (value, name)| {
        said.replace(value, &format!("${{{name}}}"))
    })
}
