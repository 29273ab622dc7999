//! What a program calls to share executors.

mod accept;
mod error;
mod pull;
mod push;
mod signatures;
mod transfer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasm_flow_contract::hub::{Digest, Reference, Repository, parse_host};

pub use accept::{Accept, Refusal, Sign};
pub use error::{HubError, HubErrorKind};
pub use pull::{Described, Pulled};
pub use push::Pushed;

use crate::artifact::{AssetList, ExecutorManifest, Manifest};
use crate::bounds::MAX_MANIFEST;
use crate::credentials::{Credentials, Login, Secret};
use crate::registry::Client;
use crate::store::{Kept, Pruned, Store, StoreError};

/// Executors of registries, kept in a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    store: Store,
    credentials: Credentials,
}

impl Hub {
    /// A hub with this store and these credentials. `plain_http` are hosts, each with its
    /// port if that is not 80, that are asked without TLS; those of this machine always
    /// are. Nothing is connected yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(
        store: Store,
        credentials: Credentials,
        plain_http: BTreeSet<String>,
    ) -> Result<Hub, HubError> {
        let client = Client::new(credentials.clone(), plain_http)?;
        Ok(Hub {
            inner: Arc::new(Inner {
                client,
                store,
                credentials,
            }),
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What sends requests to registries, for what is not done here.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// What a reference means now: its digest if it has one, else the registry is asked
    /// for that of the tag.
    ///
    /// # Errors
    /// When there is no such tag, or when the registry cannot be asked.
    pub async fn resolve(&self, reference: &Reference) -> Result<Digest, HubError> {
        if let Some(digest) = reference.digest() {
            return Ok(digest);
        }
        // A reference has one of the two.
        let tag = reference.tag().unwrap_or_default();
        let remote = self.inner.client.at(reference.repository());
        match remote.resolve(tag).await {
            Ok(digest) => Ok(digest),
            Err(error) if error.is_missing() => Err(self.no_tag(reference).await),
            Err(error) => Err(error.into()),
        }
    }

    async fn no_tag(&self, reference: &Reference) -> HubError {
        match self.tags(reference.repository()).await {
            Err(error @ HubError::NoRepository(_)) => error,
            // That it is missing is known, whatever came of the question for the others.
            tags => HubError::NoTag {
                reference: Box::new(reference.clone()),
                tags: tags.ok(),
            },
        }
    }

    /// The tags of a repository: without those that stand for signatures, and those that
    /// are not as tags have to be. `1.10` is behind `1.9`.
    ///
    /// # Errors
    /// When there is no such repository, or when the registry cannot be asked.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, HubError> {
        let tags = match self.inner.client.at(repository).tags().await {
            Ok(tags) => tags,
            Err(error) if error.is_missing() => {
                return Err(HubError::NoRepository(Box::new(repository.clone())));
            }
            Err(error) => return Err(error.into()),
        };
        let is_version = |tag: &String| {
            let text = format!("{repository}:{tag}");
            let read: Result<Reference, _> = text.parse();
            !is_about_another(tag) && read.is_ok_and(|read| read.tag() == Some(tag))
        };
        let mut tags: Vec<String> = tags.into_iter().filter(is_version).collect();
        tags.sort_by_cached_key(|tag| order(tag));
        Ok(tags)
    }

    /// Stores a password, if the registry takes it. Says whether the registry has looked
    /// at it: some let everybody in, and ask only later.
    ///
    /// # Errors
    /// When the registry does not take it or cannot be asked, or when it cannot be stored.
    pub async fn login(&self, host: &str, user: &str, password: Secret) -> Result<bool, HubError> {
        let repository = some_repository(host)?;
        let remote = self.inner.client.at(&repository);
        let user = user.to_owned();
        let login = Login::Password { user, password };
        let was_asked = remote.enter(Some(&login)).await?;
        let Login::Password { user, password } = login else {
            return Ok(was_asked);
        };
        let stored = &self.inner.credentials;
        let stored = stored.store(repository.host(), &user, &password);
        stored.await?;
        Ok(was_asked)
    }

    /// Removes what is stored for a registry. Says whether there was something.
    ///
    /// # Errors
    /// When the text is not a registry, or when it cannot be removed.
    pub async fn logout(&self, host: &str) -> Result<bool, HubError> {
        let repository = some_repository(host)?;
        self.inner.client.forget(&repository);
        Ok(self.inner.credentials.erase(repository.host()).await?)
    }

    /// Makes room: removes what does not belong to the executors whose manifests have
    /// these digests and was not used for `unused`. What runs is left, whatever process runs
    /// it: see [`Pulled::in_use`].
    ///
    /// # Errors
    /// When something cannot be read or removed.
    pub async fn prune(
        &self,
        keep: BTreeSet<Digest>,
        unused: Duration,
    ) -> Result<Pruned, HubError> {
        // What somebody begins to use from now on is touched later.
        let begun = SystemTime::now();
        let prune = move |store: &Store| {
            let used = store.used()?;
            let in_use = used.len();
            let keep = keep.into_iter().chain(used).collect();
            let pruned = store.prune(&belonging(store, keep)?, unused, begun)?;
            Ok(Pruned { in_use, ..pruned })
        };
        self.stored(prune).await
    }
}

/// Whether a tag stands for the signatures of an artifact, or the like:
/// `sha256-<digest>`, and perhaps `.sig` behind it.
fn is_about_another(tag: &str) -> bool {
    let digits = tag.strip_prefix("sha256-").and_then(|rest| rest.get(..64));
    digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// What tags are ordered by: their words, and their numbers by value.
fn order(tag: &str) -> Vec<(usize, String)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let parts = tag.chars().fold(Vec::<String>::new(), |mut parts, c| {
        match parts.last_mut() {
            Some(part) if part.ends_with(is_digit) == is_digit(c) => part.push(c),
            _ => parts.push(c.to_string()),
        }
        parts
    });
    let of = |part: String| match part.starts_with(is_digit) {
        // The longer of two numbers is the larger one.
        true => {
            let digits = part.trim_start_matches('0');
            (digits.len(), digits.to_owned())
        }
        // Behind every number.
        false => (usize::MAX, part),
    };
    parts.into_iter().map(of).collect()
}

/// A repository of a registry that is only asked whether it lets somebody in.
fn some_repository(host: &str) -> Result<Repository, HubError> {
    let repository = parse_host(host).and_then(|host| format!("{host}/any").parse());
    repository.map_err(|_| HubError::NoRegistry(host.to_owned()))
}

/// These manifests, and all that they name.
fn belonging(store: &Store, manifests: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, StoreError> {
    let read = |digest| -> Result<Option<Manifest>, StoreError> {
        match store.read(digest, MAX_MANIFEST)? {
            Kept::Whole(bytes) => Ok(Manifest::read(&bytes, None).ok()),
            Kept::Missing | Kept::Damaged(_) | Kept::TooLarge(_) => Ok(None),
        }
    };
    let mut all = manifests.clone();
    for digest in manifests {
        let Some(executor) = read(digest)?.and_then(|read| ExecutorManifest::of(read).ok()) else {
            continue;
        };
        all.extend([executor.config.digest, executor.component.digest]);
        let Some(assets) = executor.assets else {
            continue;
        };
        all.insert(assets);
        let list = read(assets)?.and_then(|read| AssetList::of(&read, assets).ok());
        let files = list.iter().flat_map(|list| list.files());
        all.extend(files.map(|(_, file)| file.digest));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_in_the_order_of_their_versions() {
        let ordered = [
            "0.9", "1", "1.0-rc1", "1.0.0", "1.9", "1.10", "1.010.1", "10", "a2", "a10", "latest",
        ];
        let mut tags = ordered;
        tags.reverse();
        tags.sort_by_key(|tag| order(tag));
        assert_eq!(tags, ordered);
    }
}
