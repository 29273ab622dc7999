//! A hub with this user's store, credentials and rules.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use wasm_flow_contract::hub::{Digest, HubConfig, Reference, Signers};
use wasm_flow_hub::bounds::MAX_KEY_FILE;
use wasm_flow_hub::credentials::Credentials;
use wasm_flow_hub::store::{Store, StoreError};
use wasm_flow_hub::trust::{KeyError, NamedKey, Policy, PublicKey, Rules, TrustRule};
use wasm_flow_hub::{Accept, Hub, HubError, Pulled};
use wasm_flow_manifest::{ManifestError, UserConfig, read_text};

use super::folders;

/// Registries, and which executors of them are taken. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Registries {
    pub(crate) hub: Hub,
    /// The same without this user's passwords.
    anonymous: Hub,
    /// The hosts that a flow wants to be asked over plain HTTP, and the user does not.
    exposed: BTreeSet<String>,
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
    /// Keys that the user's configuration names.
    #[error("{}: {}", file.display(), said(problems))]
    UserKeys {
        file: PathBuf,
        problems: Vec<WrongKey>,
    },
    /// Keys that the flow, or the command line, names.
    #[error("{}", said(.0))]
    Keys(Vec<WrongKey>),
}

/// A key of a `[[hub.trust]]` that cannot be read.
#[derive(Debug)]
pub(crate) struct WrongKey {
    /// The table's place among them.
    pub(crate) rule: usize,
    /// The key's place in it.
    pub(crate) key: usize,
    pub(crate) problem: KeyProblem,
}

/// Why a file gives no public key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyProblem {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Key { path: PathBuf, error: KeyError },
}

fn said(keys: &[WrongKey]) -> String {
    let said: Vec<String> = keys.iter().map(|wrong| wrong.problem.to_string()).collect();
    said.join("; ")
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
        let of_user = rules(user_file.display().to_string(), &user);
        let of_user = of_user.map_err(|problems| RegistriesError::UserKeys {
            file: user_file,
            problems,
        })?;
        let store = folders::data().ok_or(RegistriesError::NoFolder)?;
        let store = Store::open(store.join("hub"))?;
        // A flow may be somebody else's: its word is not enough to send passwords over plain
        // HTTP.
        let own: BTreeSet<String> = user.plain_http.iter().chain(plain_http).cloned().collect();
        let of_flow = file.iter().flat_map(|(_, config)| &config.plain_http);
        let exposed: BTreeSet<String> = of_flow
            .filter(|host| !own.contains(*host))
            .cloned()
            .collect();
        let all = own.union(&exposed).cloned().collect();
        Ok(Registries {
            hub: Hub::new(store.clone(), Credentials::of_user(), own)?,
            anonymous: Hub::new(store, Credentials::none(), all)?,
            exposed,
            policy: Policy::new(flow.into_iter().chain([of_user])),
        })
    }

    /// The executor of a reference, if it may be used.
    pub(crate) async fn pull(&self, reference: &Reference) -> Result<Pulled, HubError> {
        self.hub_for(reference).pull(reference, &self.policy).await
    }

    /// Whose signature lets the executor of a reference be used.
    #[cfg(feature = "cli")]
    pub(crate) async fn signer(&self, reference: &Reference) -> Result<Option<String>, HubError> {
        self.hub_for(reference)
            .signer(reference, &self.policy)
            .await
    }

    /// What asks the registry of a reference.
    pub(crate) fn hub_for(&self, reference: &Reference) -> &Hub {
        match self.exposed.contains(reference.repository().host()) {
            true => &self.anonymous,
            false => &self.hub,
        }
    }

    /// What a tag means now, if its registry may be asked.
    pub(crate) async fn resolve(&self, reference: &Reference) -> Result<Digest, HubError> {
        let refused = |why| HubError::Refused {
            reference: Box::new(reference.clone()),
            why,
        };
        Accept::allows(&self.policy, reference).map_err(refused)?;
        self.hub_for(reference).resolve(reference).await
    }
}

/// What a file says, with the keys that it names.
fn rules(file: String, config: &HubConfig) -> Result<Rules, Vec<WrongKey>> {
    let (mut trust, mut problems) = (Vec::new(), Vec::new());
    for (index, rule) in config.trust.iter().enumerate() {
        let keys = match &rule.signers {
            Signers::Nobody => None,
            Signers::Keys(paths) => {
                let mut keys = Vec::new();
                for (place, path) in paths.iter().enumerate() {
                    match public_key(path) {
                        Ok(key) => keys.push(key),
                        Err(problem) => problems.push(WrongKey {
                            rule: index,
                            key: place,
                            problem,
                        }),
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
