//! Executors from registries: what they are pinned to, fetched and checked.

use std::collections::HashMap;

use tokio::time::timeout;
use wasm_flow_contract::NodeId;
use wasm_flow_contract::grants::{Access, DirGrant};
use wasm_flow_contract::hub::{Digest, Reference};
use wasm_flow_hub::{HubError, Pulled};
use wasm_flow_manifest::{LateProblem, Lock, Place};
use wasm_flow_wasm::{Component, Runtime};

use super::{Doubt, Planned, Remedy, SourceError, Uses};
use crate::bounds::TAG_CHECK;
use crate::hub::{Registries, RegistriesError};

/// Where an executor sees the files that came with it.
pub const ASSETS: &str = "/assets";

/// What becomes of the pins of a flow's references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pinning {
    /// Pins count. What has none is pinned to what it means now.
    #[default]
    Keep,
    /// Everything has a pin, and means the same now: else it is refused.
    Locked,
    /// Everything is pinned anew to what it means now.
    Renew,
}

/// Fetches the executors of one flow.
pub(super) struct Fetch {
    /// None if registries cannot be used, which has been said.
    registries: Option<Registries>,
    runtime: Runtime,
    pinning: Pinning,
    /// As it was.
    lock: Lock,
    /// As it is to be.
    pinned: Lock,
    fetched: HashMap<Reference, Fetched>,
}

/// An executor that was fetched.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) component: Component,
    pulled: Pulled,
    /// What its tag means now, if that is something else.
    moved: Option<Moved>,
}

/// A tag that is not what it was.
#[derive(Debug, Clone, Copy)]
enum Moved {
    To(Digest),
    /// There is no such tag any more.
    Away,
}

impl Fetch {
    /// Opens what is needed, if one of these executors comes from a registry. What is wrong
    /// with that is said once.
    pub(super) async fn new(
        plan: &impl super::Plan,
        runtime: Runtime,
        pinning: Pinning,
        problems: &mut Vec<LateProblem>,
    ) -> Fetch {
        let (file, config) = plan.hub();
        let (file, config) = (file.to_owned(), config.clone());

        let planned = plan.executors();
        let mut references = planned.iter().filter_map(|(id, node)| {
            let around = [&node.value.uses_before, &node.value.uses_after];
            let all = around.into_iter().flatten().map(|planned| &**planned);
            let mut all = std::iter::once(&node.value).chain(all);
            all.find_map(|planned| reference(planned).map(|_| id))
        });
        let mut fetch = Fetch {
            registries: None,
            runtime,
            pinning,
            lock: Lock::default(),
            pinned: Lock::default(),
            fetched: HashMap::new(),
        };
        let Some(first) = references.next() else {
            return fetch;
        };
        let open = move || Registries::open(Some((&file, &config)), &[]);
        // It reads files, and makes folders.
        let opened = tokio::task::spawn_blocking(open).await;
        match opened.unwrap_or(Err(RegistriesError::NoFolder)) {
            Ok(registries) => fetch.registries = Some(registries),
            Err(RegistriesError::Keys(keys)) => {
                problems.extend(keys.into_iter().map(|(rule, key, problem)| {
                    LateProblem::new(Place::TrustedKey(rule, key), problem.to_string())
                }));
            }
            Err(error) => problems.push(LateProblem::new(Place::Uses(first), error.to_string())),
        }
        if let Some(path) = plan.lock() {
            match Lock::load(&path) {
                Ok(lock) => fetch.lock = lock,
                // It is made anew then.
                Err(_) if pinning == Pinning::Renew => {}
                Err(error) => {
                    fetch.registries = None;
                    problems.push(LateProblem::new(Place::Uses(first), error.to_string()));
                }
            }
        }
        fetch
    }

    /// The executor of a reference. `None` if registries cannot be used.
    pub(super) async fn executor(
        &mut self,
        id: NodeId,
        reference: &Reference,
    ) -> Result<Option<Fetched>, LateProblem> {
        let Some(registries) = self.registries.clone() else {
            return Ok(None);
        };
        if let Some(fetched) = self.fetched.get(reference) {
            return Ok(Some(fetched.clone()));
        }
        let problem = |text: String| LateProblem::new(Place::Uses(id), text);
        let (wanted, moved) = self.wanted(id, reference, &registries).await?;
        let pulled = registries.pull(&wanted).await;
        let mut pulled = pulled.map_err(|error| problem(error.to_string()))?;
        if reference.digest().is_none() {
            self.pinned.set(reference, pulled.digest);
        }
        let origin = format!("oci://{}", wanted.at(pulled.digest));
        let component = self
            .runtime
            .load_bytes(Vec::from(std::mem::take(&mut pulled.component)), origin)
            .await
            .map_err(|error| problem(SourceError::Load(error).to_string()))?;
        let fetched = Fetched {
            component,
            pulled,
            moved,
        };
        self.fetched.insert(reference.clone(), fetched.clone());
        Ok(Some(fetched))
    }

    /// What is to be pulled, and what the tag means now if that is something else.
    async fn wanted(
        &self,
        id: NodeId,
        reference: &Reference,
        registries: &Registries,
    ) -> Result<(Reference, Option<Moved>), LateProblem> {
        if reference.digest().is_some() || self.pinning == Pinning::Renew {
            return Ok((reference.clone(), None));
        }
        let refused = |title: String| {
            let help = "`wasm-flow update` shows what has changed, and pins it anew";
            LateProblem::new(Place::Uses(id), title).help(help)
        };
        let Some(pin) = self.lock.pin(reference) else {
            return match self.pinning {
                Pinning::Locked => Err(refused(format!(
                    "flow.lock does not say what {reference} stands for"
                ))),
                _ => Ok((reference.clone(), None)),
            };
        };
        let pinned = reference.at(pin);
        let now = match timeout(TAG_CHECK, registries.resolve(reference)).await {
            Ok(now) => now,
            Err(_) => Ok(pin),
        };
        match now {
            Ok(now) if now != pin => match self.pinning {
                Pinning::Locked => Err(refused(format!(
                    "{reference} is not what flow.lock says: that is {pin}, and the registry has \
                     {now} now"
                ))),
                _ => Ok((pinned, Some(Moved::To(now)))),
            },
            Ok(_) => Ok((pinned, None)),
            // What is pinned can be in the store. If it is not, that is said.
            Err(HubError::NoTag { .. }) => Ok((pinned, Some(Moved::Away))),
            Err(error @ HubError::Refused { .. }) => {
                Err(LateProblem::new(Place::Uses(id), error.to_string()))
            }
            Err(error) => {
                tracing::debug!(%error, %reference, "cannot ask what it means now");
                Ok((pinned, None))
            }
        }
    }

    /// The lock as it is to be: with what was fetched, and nothing else. None if nothing
    /// comes from a registry.
    pub(super) fn pinned(self) -> Option<(Lock, Lock)> {
        let used = !self.fetched.is_empty() || !self.lock.is_empty();
        used.then_some((self.lock, self.pinned))
    }
}

impl Fetched {
    /// The folder with the files that came with it, to be granted.
    pub(super) fn assets(&self) -> Option<DirGrant> {
        let assets = self.pulled.assets.as_ref()?;
        Some(DirGrant {
            host: assets.folder.clone(),
            guest: ASSETS.to_owned(),
            access: Access::Read,
        })
    }

    /// That its tag means something else now.
    pub(super) fn doubt(&self, id: NodeId, reference: &Reference) -> Option<Doubt> {
        let runs = format!("what runs is {}, as flow.lock says", self.pulled.digest);
        let (title, remedy) = match self.moved? {
            Moved::To(now) => (
                format!("{reference} means {now} now; {runs}"),
                "`wasm-flow update` shows what has changed, and takes it",
            ),
            Moved::Away => (
                format!("the registry has no {reference} any more; {runs}"),
                "name a tag that is there, and pin it with `wasm-flow update`",
            ),
        };
        Some(Doubt {
            place: Place::Uses(id),
            title,
            remedy: Remedy::Words(remedy),
        })
    }

    /// What was fetched.
    pub(super) fn artifact(&self) -> Artifact {
        Artifact {
            digest: self.pulled.digest,
            signer: self.pulled.signer.clone(),
        }
    }
}

/// What of a registry runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Whose signature was right. None if none is wanted.
    pub signer: Option<String>,
}

/// The reference that an executor is made from.
fn reference(planned: &Planned) -> Option<&Reference> {
    match &planned.uses {
        Uses::Named(wasm_flow_manifest::Uses::Hub(reference)) => Some(reference),
        _ => None,
    }
}
