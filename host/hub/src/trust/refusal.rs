//! Why an artifact is not used, and what to do.

use wasm_flow_contract::hub::{Reference, Repository};

use super::bounds::MAX_LISTED;
use super::shown::{any_of, others};
use super::wrong::Wrong;
use crate::bounds::MAX_SIGNATURES;

/// An artifact may not be used. The text says why, and has the lines that would allow it, if
/// lines can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its registry may not be used.
    #[error(
        "{repository} may not be used: `registries` in {file} has only {}; add \
         \"{repository}\" there, or a beginning of it",
        any_of(.registries)
    )]
    #[non_exhaustive]
    Registry {
        /// What was to be used.
        repository: Repository,
        /// The file with the list.
        file: String,
        /// The list.
        registries: Vec<String>,
    },
    /// No file says whose signature it needs.
    #[error("{}", no_rule(.reference, .files))]
    #[non_exhaustive]
    NoRule {
        /// The artifact, with its digest.
        reference: Box<Reference>,
        /// The files that could say it.
        files: Vec<String>,
    },
    /// It has no signature, and needs one.
    #[error("{}", no_signature(.0))]
    NoSignature(Box<Wanted>),
    /// It has signatures, and none of them counts.
    #[error("{}", no_right_signature(.wanted, .wrong, *.signatures))]
    #[non_exhaustive]
    Signatures {
        /// What would count.
        wanted: Box<Wanted>,
        /// What is wrong with each signature that was looked at.
        wrong: Vec<Wrong>,
        /// How many there are.
        signatures: usize,
    },
}

/// The signature that an artifact needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// The artifact, with its digest.
    pub reference: Reference,
    /// The file that wants the signature.
    pub file: String,
    /// What the rule is of that wants it.
    pub of: String,
    /// The names of the keys, one of which has to have signed.
    pub keys: Vec<String>,
}

fn no_rule(reference: &Reference, files: &[String]) -> String {
    let repository = reference.repository();
    let (first, silent) = match files {
        [] => ("flow.toml", "no file says".to_owned()),
        [only] => (only.as_str(), format!("{only} does not say")),
        [first, ..] => (first.as_str(), format!("none of {} says", any_of(files))),
    };
    format!(
        "{reference} is not used: {silent} whose signature it needs. If you trust its author, \
         write into {first} where the author's public key is:\n\
         \n\
         [[hub.trust]]\n\
         of = \"{repository}\"\n\
         keys = [\"author.pub\"]\n\
         \n\
         or, if it may run without a signature:\n\
         \n\
         {}",
        unsigned(repository)
    )
}

fn no_signature(wanted: &Wanted) -> String {
    let Wanted {
        reference,
        file,
        of,
        keys,
    } = wanted;
    let repository = reference.repository();
    format!(
        "{reference} is not used: it has no signature, and {file} wants one by {} for {of}. Its \
         author signs it by `cosign sign --key cosign.key`. If it may run without a signature, \
         write into {file}:\n\
         \n\
         {}",
        any_of(keys),
        unsigned(repository)
    )
}

fn unsigned(repository: &Repository) -> String {
    format!("[[hub.trust]]\nof = \"{repository}\"\nunsigned = true")
}

/// No lines are shown that would let it run: somebody may have put another artifact there.
fn no_right_signature(wanted: &Wanted, wrong: &[Wrong], signatures: usize) -> String {
    let Wanted {
        reference,
        file,
        of,
        keys,
    } = wanted;
    let keys = any_of(keys);
    let mut text = format!("{reference} is not used: {file} wants a signature by {keys} for {of}");
    match wrong {
        [only] => text.push_str(&format!(", and the one that it has does not count: {only}")),
        several => {
            let count = several.len();
            text.push_str(&format!(", and none of the {count} that it has counts:"));
            for wrong in several.iter().take(MAX_LISTED) {
                text.push_str(&format!("\n  - {wrong}"));
            }
            if count > MAX_LISTED {
                text.push_str(&format!("\n  - and {}", others(count - MAX_LISTED)));
            }
        }
    }
    if signatures > wrong.len() {
        text.push_str(&format!(
            "\n(it has {signatures} signatures, of which the first {MAX_SIGNATURES} are looked at)"
        ));
    }
    text
}
