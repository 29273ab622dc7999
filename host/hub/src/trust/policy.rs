//! Which artifacts may be used, and whose signature they need.

use wasm_flow_contract::hub::{Digest, Reference, Repository, Scope};

use super::key::NamedKey;
use super::refusal::{Refusal, Wanted};
use super::signature::{RawSignature, verify};
use super::wrong::Wrong;
use crate::bounds::MAX_SIGNATURES;

/// What a file says about registries: the `[hub]` of flow.toml, or of the user's own
/// configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The file, as messages call it.
    pub file: String,
    /// The registries, or parts of them, that may be used. None: all.
    pub registries: Vec<Scope>,
    /// Whose signatures are wanted. No two of them are of the same.
    pub trust: Vec<TrustRule>,
}

/// One `[[hub.trust]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRule {
    /// The repositories that it is about.
    pub of: Scope,
    /// The keys, one of which has to have signed. None: no signature is needed.
    pub keys: Option<Vec<NamedKey>>,
}

/// The rules of one or more files, each of which has to accept an artifact.
///
/// In a file the longest `of` counts that has the repository. A file that has none does not
/// decide; if none of the files has one, an artifact is refused.
#[derive(Debug, Clone)]
pub struct Policy(Vec<Rules>);

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
    pub fn new(files: impl IntoIterator<Item = Rules>) -> Policy {
        Policy(files.into_iter().collect())
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
                    file: file.file.clone(),
                    registries: file.registries.iter().map(Scope::to_string).collect(),
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
        match is_decided {
            true => Ok(Accepted { signers }),
            false => Err(self.no_rule(&reference.at(manifest))),
        }
    }

    /// Whether a file says whose signature an artifact needs. If none does, it is refused
    /// whatever it is, and no registry need be asked.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoRule`]: none does.
    pub fn has_rule(&self, reference: &Reference) -> Result<(), Refusal> {
        let mut files = self.0.iter();
        match files.any(|file| file.rule(reference.repository()).is_some()) {
            true => Ok(()),
            false => Err(self.no_rule(reference)),
        }
    }

    fn no_rule(&self, reference: &Reference) -> Refusal {
        Refusal::NoRule {
            reference: Box::new(reference.clone()),
            files: self.0.iter().map(|file| file.file.clone()).collect(),
        }
    }
}

impl Rules {
    /// The rule that counts for the repository.
    fn rule(&self, repository: &Repository) -> Option<&TrustRule> {
        let fitting = self.trust.iter().filter(|rule| rule.of.has(repository));
        fitting.max_by_key(|rule| rule.of.depth())
    }

    /// What is said if none of the signatures counts.
    fn refusal(
        &self,
        reference: Reference,
        rule: &TrustRule,
        keys: &[NamedKey],
        wrong: Vec<Wrong>,
        signatures: usize,
    ) -> Refusal {
        let wanted = Box::new(Wanted {
            reference,
            file: self.file.clone(),
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
