//! Which artifacts may be used, and whose signature they need.

use wasm_flow_contract::hub::{Digest, Reference, ReferenceError, Repository};

use super::bounds::MAX_SIGNATURES;
use super::key::NamedKey;
use super::prefix::Prefix;
use super::refusal::{Refusal, Wanted};
use super::signature::{RawSignature, verify};
use super::wrong::Wrong;

/// What a file says about registries: the `[hub]` of flow.toml, or of the user's own
/// configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The file, as messages call it.
    pub file: String,
    /// The registries and the beginnings of repositories that may be used. None: all.
    pub registries: Vec<String>,
    /// Whose signatures are wanted.
    pub trust: Vec<TrustRule>,
}

/// One `[[hub.trust]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustRule {
    /// A registry (`registry.example.com`), or a repository and what is below it
    /// (`registry.example.com/team`).
    pub of: String,
    /// The keys, one of which has to have signed.
    pub keys: Vec<NamedKey>,
    /// No signature is needed. Then there are no keys.
    pub unsigned: bool,
}

/// Rules that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not the beginning of a repository's name.
    #[error(
        "{file}: `{text}` is not a registry or the beginning of a repository's name, as in \
         registry.example.com or registry.example.com/team: {error}"
    )]
    #[non_exhaustive]
    Prefix {
        /// The file that says it.
        file: String,
        /// What it says.
        text: String,
        /// What is wrong with a repository of this name.
        error: ReferenceError,
    },
    /// Neither keys nor `unsigned`.
    #[error(
        "{file}: [[hub.trust]] of {of} says neither whose keys are trusted (`keys = [\"team.pub\"]`) \
         nor that no signature is needed (`unsigned = true`)"
    )]
    #[non_exhaustive]
    Nothing {
        /// The file that says it.
        file: String,
        /// The repositories that are meant.
        of: String,
    },
    /// Keys and `unsigned`.
    #[error(
        "{file}: [[hub.trust]] of {of} has `keys`, and says `unsigned = true`; leave out one of \
         the two"
    )]
    #[non_exhaustive]
    Both {
        /// The file that says it.
        file: String,
        /// The repositories that are meant.
        of: String,
    },
    /// Two rules for the same.
    #[error("{file}: there are two [[hub.trust]] of {of}; write their keys into one")]
    #[non_exhaustive]
    Twice {
        /// The file that says it.
        file: String,
        /// The repositories that are meant.
        of: String,
    },
}

/// The rules of one or more files, each of which has to accept an artifact.
///
/// In a file the longest `of` counts that has the repository. A file that has none does not
/// decide; if none of the files has one, an artifact is refused.
#[derive(Debug, Clone)]
pub struct Policy(Vec<File>);

#[derive(Debug, Clone)]
struct File {
    name: String,
    registries: Vec<Prefix>,
    trust: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    of: Prefix,
    /// None: no signature is needed.
    keys: Option<Vec<NamedKey>>,
}

/// An artifact may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The names of the keys that have signed it: one for each file that wants a signature,
    /// and none if no signature is needed.
    pub signers: Vec<String>,
}

impl Policy {
    /// The rules of these files. The first one is the one that is named if a rule is missing:
    /// flow.toml.
    ///
    /// # Errors
    ///
    /// A file says what makes no sense. What it says is not used then, because a rule that is
    /// misread is worse than none.
    pub fn new(files: impl IntoIterator<Item = Rules>) -> Result<Policy, PolicyError> {
        let files = files.into_iter().map(File::read);
        Ok(Policy(files.collect::<Result<_, _>>()?))
    }

    /// Whether the registry may be asked for this repository.
    ///
    /// # Errors
    ///
    /// [`Refusal::Registry`]: a file names registries, and this one is not among them.
    pub fn allows(&self, repository: &Repository) -> Result<(), Refusal> {
        for file in &self.0 {
            let is_named = file.registries.iter().any(|named| named.has(repository));
            if !file.registries.is_empty() && !is_named {
                return Err(Refusal::Registry {
                    repository: repository.clone(),
                    file: file.name.clone(),
                    registries: file.registries.iter().map(Prefix::to_string).collect(),
                });
            }
        }
        Ok(())
    }

    /// Whether signatures matter to [`decide`](Self::decide), and have to be fetched.
    pub fn wants_signatures(&self, repository: &Repository) -> bool {
        let mut rules = self.0.iter().filter_map(|file| file.rule(repository));
        rules.any(|rule| rule.keys.is_some())
    }

    /// Whether an artifact may be used: the one with this manifest, which is what the
    /// reference means now.
    ///
    /// Only the first [`MAX_SIGNATURES`] are looked at.
    ///
    /// # Errors
    ///
    /// A file refuses it, or none says anything. The error's text says what to do.
    pub fn decide(
        &self,
        reference: &Reference,
        manifest: Digest,
        signatures: &[RawSignature],
    ) -> Result<Accepted, Refusal> {
        let repository = reference.repository();
        self.allows(repository)?;
        let mut is_decided = false;
        let mut signers: Vec<String> = Vec::new();
        for file in &self.0 {
            let Some(rule) = file.rule(repository) else {
                continue;
            };
            is_decided = true;
            if let Some(keys) = &rule.keys {
                let signer = signer(keys, manifest, signatures);
                let signer = signer.map_err(|wrong| {
                    let reference = reference.at(manifest);
                    file.refusal(reference, rule, keys, wrong, signatures.len())
                })?;
                if !signers.contains(&signer.name) {
                    signers.push(signer.name.clone());
                }
            }
        }
        if is_decided {
            return Ok(Accepted { signers });
        }
        Err(Refusal::NoRule {
            reference: Box::new(reference.at(manifest)),
            files: self.0.iter().map(|file| file.name.clone()).collect(),
        })
    }
}

impl File {
    fn read(rules: Rules) -> Result<File, PolicyError> {
        let Rules {
            file,
            registries,
            trust,
        } = rules;
        let prefix = |text: String| {
            Prefix::read(&text).map_err(|error| PolicyError::Prefix {
                file: file.clone(),
                text,
                error,
            })
        };
        let registries = registries.into_iter().map(prefix);
        let registries = registries.collect::<Result<Vec<_>, _>>()?;
        let mut read: Vec<Rule> = Vec::new();
        for TrustRule { of, keys, unsigned } in trust {
            let of = prefix(of)?;
            let (file, name) = (file.clone(), of.to_string());
            if read.iter().any(|rule| rule.of.is(&of)) {
                return Err(PolicyError::Twice { file, of: name });
            }
            let keys = match (keys.is_empty(), unsigned) {
                (false, false) => Some(keys),
                (true, true) => None,
                (true, false) => return Err(PolicyError::Nothing { file, of: name }),
                (false, true) => return Err(PolicyError::Both { file, of: name }),
            };
            read.push(Rule { of, keys });
        }
        Ok(File {
            registries,
            trust: read,
            name: file,
        })
    }

    /// The rule that counts for the repository.
    fn rule(&self, repository: &Repository) -> Option<&Rule> {
        let fitting = self.trust.iter().filter(|rule| rule.of.has(repository));
        fitting.max_by_key(|rule| rule.of.len())
    }

    /// What is said if none of the signatures counts.
    fn refusal(
        &self,
        reference: Reference,
        rule: &Rule,
        keys: &[NamedKey],
        wrong: Vec<Wrong>,
        signatures: usize,
    ) -> Refusal {
        let wanted = Box::new(Wanted {
            reference,
            file: self.name.clone(),
            of: rule.of.to_string(),
            keys: keys.iter().map(|key| key.name.clone()).collect(),
        });
        if wrong.is_empty() {
            return Refusal::NoSignature(wanted);
        }
        Refusal::Signatures {
            wanted,
            wrong,
            signatures,
        }
    }
}

/// The first key that has signed the artifact, or what is wrong with each signature.
fn signer<'k>(
    keys: &'k [NamedKey],
    manifest: Digest,
    signatures: &[RawSignature],
) -> Result<&'k NamedKey, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for signature in signatures.iter().take(MAX_SIGNATURES) {
        match verify(signature, manifest, keys) {
            Ok(key) => return Ok(key),
            Err(error) => wrong.push(error),
        }
    }
    Err(wrong)
}
