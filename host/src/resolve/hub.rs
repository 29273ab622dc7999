//! Executors from registries: what they are pinned to, fetched and checked.

use std::collections::HashMap;

use futures::future::join_all;
use tokio::time::timeout;
use wasm_flow_contract::grants::{Access, DirGrant};
use wasm_flow_contract::hub::{Digest, Reference};
use wasm_flow_contract::{Graph, NodeId};
use wasm_flow_hub::store::InUse;
use wasm_flow_hub::{HubError, Pulled};
use wasm_flow_manifest::{LateProblem, Lock, Place};
use wasm_flow_wasm::Component;

use super::{Doubt, Loader, Planned, Remedy, SourceError, Uses};
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
    /// None if no executor comes from a registry, or registries cannot be used, which has
    /// been said.
    registries: Option<Registries>,
    loader: Loader,
    pinning: Pinning,
    /// As it was.
    lock: Lock,
    /// As it is to be.
    pinned: Lock,
    /// What tags that are pinned mean now, as far as it is known.
    now: HashMap<Reference, Result<Digest, HubError>>,
    fetched: HashMap<Reference, Fetched>,
}

/// What references to registries were pinned to, and what they are pinned to now.
pub struct Pins {
    /// As `flow.lock` has them.
    pub before: Lock,
    /// As what runs is.
    pub now: Lock,
    #[cfg(feature = "cli")]
    pub(crate) registries: Registries,
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
        loader: Loader,
        pinning: Pinning,
        problems: &mut Vec<LateProblem>,
    ) -> Fetch {
        let references = references(&plan.executors());
        let mut fetch = Fetch {
            registries: None,
            loader,
            pinning,
            lock: Lock::default(),
            pinned: Lock::default(),
            now: HashMap::new(),
            fetched: HashMap::new(),
        };
        let Some((first, _)) = references.first() else {
            return fetch;
        };
        let problem = |text: String| LateProblem::new(Place::Uses(*first), text);
        let (file, config) = plan.hub();
        let (file, config) = (file.to_owned(), config.clone());
        // It reads files, and makes folders.
        let opening =
            tokio::task::spawn_blocking(move || Registries::open(Some((&file, &config)), &[]));
        match opening.await {
            Ok(Ok(registries)) => fetch.registries = Some(registries),
            Ok(Err(RegistriesError::Keys(wrong))) => {
                problems.extend(wrong.into_iter().map(|wrong| {
                    let place = Place::TrustedKey(wrong.rule, wrong.key);
                    LateProblem::new(place, wrong.problem.to_string())
                }));
            }
            Ok(Err(error)) => problems.push(problem(error.to_string())),
            Err(_) => problems.push(problem(SourceError::Interrupted.to_string())),
        }
        match plan.lock().map(|path| Lock::load(&path)) {
            Some(Ok(lock)) => fetch.lock = lock,
            Some(Err(error)) if pinning != Pinning::Renew => {
                fetch.registries = None;
                problems.push(problem(error.to_string()));
            }
            // It is made anew.
            None | Some(Err(_)) => {}
        }
        fetch.ask_for_tags(references).await;
        fetch
    }

    /// Asks what the tags that are pinned mean now, all of them at the same time.
    async fn ask_for_tags(&mut self, references: Vec<(NodeId, Reference)>) {
        let Some(registries) = &self.registries else {
            return;
        };
        if self.pinning == Pinning::Renew {
            return;
        }
        let pinned = references.into_iter().map(|(_, reference)| reference);
        let pinned = pinned
            .filter(|reference| reference.digest().is_none() && self.lock.pin(reference).is_some());
        let asked = pinned.map(|reference| async move {
            let now = timeout(TAG_CHECK, registries.resolve(&reference)).await;
            Some((reference, now.ok()?))
        });
        self.now = join_all(asked).await.into_iter().flatten().collect();
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
        let (wanted, moved) = self.wanted(id, reference)?;
        let pulled = registries.pull(&wanted).await;
        let mut pulled = pulled.map_err(|error| problem(error.to_string()))?;
        if reference.digest().is_none() {
            self.pinned.set(reference, pulled.digest);
        }
        let origin = format!("oci://{}", wanted.at(pulled.digest));
        let component = self
            .loader
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
    fn wanted(
        &self,
        id: NodeId,
        reference: &Reference,
    ) -> Result<(Reference, Option<Moved>), LateProblem> {
        if reference.digest().is_some() || self.pinning == Pinning::Renew {
            return Ok((reference.clone(), None));
        }
        let refused = |title: String| {
            let help = "`wasm-flow update` shows what has changed, and pins it anew";
            Err(LateProblem::new(Place::Uses(id), title).help(help))
        };
        let is_locked = self.pinning == Pinning::Locked;
        let Some(pin) = self.lock.pin(reference) else {
            return match is_locked {
                true => refused(format!(
                    "flow.lock does not say what {reference} stands for"
                )),
                false => Ok((reference.clone(), None)),
            };
        };
        let moved = match self.now.get(reference) {
            Some(Ok(now)) if *now != pin => Some(Moved::To(*now)),
            Some(Err(HubError::NoTag { .. })) => Some(Moved::Away),
            Some(Err(error @ HubError::Refused { .. })) => {
                return Err(LateProblem::new(Place::Uses(id), error.to_string()));
            }
            // What is pinned can be in the store. If it is not, that is said.
            Some(Err(error)) => {
                tracing::debug!(%error, %reference, "cannot ask what it means now");
                None
            }
            Some(Ok(_)) | None => None,
        };
        match moved {
            Some(Moved::To(now)) if is_locked => refused(format!(
                "{reference} is not what flow.lock says: that is {pin}, and the registry has {now} \
                 now"
            )),
            moved => Ok((reference.at(pin), moved)),
        }
    }

    /// The pins, with what was fetched and nothing else. Those that are locked stay as they
    /// are. None if nothing comes from a registry.
    pub(super) fn pins(self) -> Option<Pins> {
        let registries = self.registries?;
        #[cfg(not(feature = "cli"))]
        drop(registries);
        let now = match self.pinning {
            Pinning::Locked => self.lock.clone(),
            Pinning::Keep | Pinning::Renew => self.pinned,
        };
        Some(Pins {
            before: self.lock,
            now,
            #[cfg(feature = "cli")]
            registries,
        })
    }
}

/// The references of a flow to registries, each once, in its order, with the executor that
/// has it first.
fn references(planned: &Graph<Planned>) -> Vec<(NodeId, Reference)> {
    let mut references: Vec<(NodeId, Reference)> = Vec::new();
    for (id, node) in planned.iter() {
        let around = super::sharding::heads(&node.value).map(|(_, head)| head);
        for planned in std::iter::once(&node.value).chain(around) {
            if let Uses::Named(wasm_flow_manifest::Uses::Hub(reference)) = &planned.uses
                && !references.iter().any(|(_, known)| known == reference)
            {
                references.push((id, reference.clone()));
            }
        }
    }
    references
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

    /// Keeps it in the store.
    pub(super) fn in_use(&self) -> Option<InUse> {
        self.pulled.in_use.clone()
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
