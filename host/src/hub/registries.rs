//! A hub with this user's store, credentials and rules.

use std::io;
use std::path::{Path, PathBuf};

use wasm_flow_contract::hub::{Digest, HubConfig, Reference, Signers};
use wasm_flow_hub::bounds::MAX_KEY_FILE;
use wasm_flow_hub::credentials::Credentials;
use wasm_flow_hub::store::{Store, StoreError};
use wasm_flow_hub::trust::{KeyError, NamedKey, Policy, PublicKey, Rules, TrustRule};
use wasm_flow_hub::{Hub, HubError, Pulled};
use wasm_flow_manifest::{ManifestError, UserConfig, read_text};

use super::folders;

/// Registries, and which executors of them are taken. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Registries {
    pub(crate) hub: Hub,
    policy: Policy,
}

/// Why registries cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistriesError {
    #[error(
        "there is no folder to keep executors in: {}, XDG_DATA_HOME and HOME name none; set one \
         of them",
        folders::DATA_VARIABLE
    )]
    NoFolder,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    User(#[from] ManifestError),
    #[error("{file}: {problem}", file = file.display())]
    UserKey { file: PathBuf, problem: KeyProblem },
    /// Keys that the flow names, by their places in its `[[hub.trust]]`.
    #[error("keys of [[hub.trust]] cannot be read")]
    Keys(Vec<(usize, usize, KeyProblem)>),
}

/// Why a file gives no public key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyProblem {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Key { path: PathBuf, error: KeyError },
}

impl Registries {
    /// What a file and its `[hub]` let executors come from, and what the user's own
    /// configuration does. `plain_http` are more registries that are asked over plain HTTP.
    pub(crate) fn open(
        file: Option<(&str, &HubConfig)>,
        plain_http: &[String],
    ) -> Result<Registries, RegistriesError> {
        let user_file = folders::config();
        let user = match &user_file {
            Some(path) => UserConfig::load(path)?.hub,
            None => HubConfig::default(),
        };
        let flow = file.map(|(name, config)| rules(name.to_owned(), config));
        let flow = flow.transpose().map_err(RegistriesError::Keys)?;
        let user_file = user_file.unwrap_or_else(|| PathBuf::from("config.toml"));
        let of_user = rules(user_file.display().to_string(), &user).map_err(|problems| {
            let problem = problems.into_iter().next();
            match problem {
                Some((_, _, problem)) => RegistriesError::UserKey {
                    file: user_file.clone(),
                    problem,
                },
                None => RegistriesError::Keys(Vec::new()),
            }
        })?;
        let store = folders::data().ok_or(RegistriesError::NoFolder)?;
        let store = Store::open(store.join("hub"))?;
        let plain = file.iter().flat_map(|(_, config)| &config.plain_http);
        let plain = plain.chain(&user.plain_http).chain(plain_http).cloned();
        let hub = Hub::new(store, Credentials::of_user(), plain.collect())?;
        Ok(Registries {
            hub,
            policy: Policy::new(flow.into_iter().chain([of_user])),
        })
    }

    /// The executor of a reference, if it may be used.
    pub(crate) async fn pull(&self, reference: &Reference) -> Result<Pulled, HubError> {
        self.hub.pull(reference, &self.policy).await
    }

    /// What a tag means now, if its registry may be asked.
    pub(crate) async fn resolve(&self, reference: &Reference) -> Result<Digest, HubError> {
        let repository = reference.repository();
        self.policy
            .allows(repository)
            .map_err(|why| HubError::Refused {
                reference: Box::new(reference.clone()),
                why: wasm_flow_hub::Refusal::new(why),
            })?;
        self.hub.resolve(reference).await
    }
}

/// What a file says, with the keys that it names.
fn rules(file: String, config: &HubConfig) -> Result<Rules, Vec<(usize, usize, KeyProblem)>> {
    let (mut trust, mut problems) = (Vec::new(), Vec::new());
    for (place, rule) in config.trust.iter().enumerate() {
        let keys = match &rule.signers {
            Signers::Nobody => None,
            Signers::Keys(paths) => {
                let mut keys = Vec::new();
                for (index, path) in paths.iter().enumerate() {
                    match public_key(path) {
                        Ok(key) => keys.push(key),
                        Err(problem) => problems.push((place, index, problem)),
                    }
                }
                Some(keys)
            }
        };
        trust.push(TrustRule {
            of: rule.of.clone(),
            keys,
        });
    }
    match problems.is_empty() {
        true => Ok(Rules {
            file,
            registries: config.registries.clone(),
            trust,
        }),
        false => Err(problems),
    }
}

/// The public key in a file, named after it.
fn public_key(path: &Path) -> Result<NamedKey, KeyProblem> {
    let text = read_text(path, MAX_KEY_FILE, "a public key");
    let text = text.map_err(|error| KeyProblem::Read {
        path: path.to_owned(),
        error,
    })?;
    let key = PublicKey::from_pem(text.as_bytes()).map_err(|error| KeyProblem::Key {
        path: path.to_owned(),
        error,
    })?;
    Ok(NamedKey {
        name: path.display().to_string(),
        key,
    })
}
