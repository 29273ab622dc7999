//! Takes an executor out of a registry.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm_flow_contract::hub::{Digest, Reference};

use super::signatures::signatures;
use super::{Accept, Hub, HubError};
use crate::artifact::{
    AssetList, BadAssets, ExecutorManifest, NotExecutor, WasmConfig, check_component,
};
use crate::bounds::{MAX_ASSET, MAX_COMPONENT, MAX_CONFIG};
use crate::registry::Remote;
use crate::store::{Assets, InUse, Kept, Store};

/// An executor that was pulled. Its bytes have the digests that its manifest names; nothing
/// of it has been run or compiled.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The digest of its manifest: what a lock names.
    pub digest: Digest,
    /// The component.
    pub component: Bytes,
    /// The digest of the component.
    pub component_digest: Digest,
    /// What it says of itself. Anybody can have written it.
    pub annotations: BTreeMap<String, String>,
    /// Its files, if it has any.
    pub assets: Option<Assets>,
    /// The key, or its name, whose signature was right, if one was asked for.
    pub signer: Option<String>,
    /// Keeps all of it in the store. None if that cannot be said there, as on a full disk.
    pub in_use: Option<InUse>,
}

/// What a registry says of an executor, without its component.
#[derive(Debug, Clone)]
pub struct Described {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The digest of the component.
    pub component_digest: Digest,
    /// The bytes of the component.
    pub component_bytes: u64,
    /// What it says of itself. Anybody can have written it.
    pub annotations: BTreeMap<String, String>,
    /// What it says of the component.
    pub config: WasmConfig,
    /// Its files, if it has any.
    pub assets: Option<AssetList>,
}

impl Hub {
    /// The executor of a reference: from the store, or fetched. `accept` is asked before
    /// the component's bytes are fetched, and each time.
    ///
    /// If the reference has a digest and everything is in the store, no registry is
    /// asked.
    ///
    /// # Errors
    /// When it does not exist or is not an executor, when it is refused, when the registry
    /// cannot be asked or sends other bytes, or when there is no room for it.
    pub async fn pull(
        &self,
        reference: &Reference,
        accept: &dyn Accept,
    ) -> Result<Pulled, HubError> {
        let refused = |why| HubError::Refused {
            reference: Box::new(reference.clone()),
            why,
        };
        let repository = reference.repository();
        accept.allows(reference).map_err(refused)?;
        let remote = self.inner.client.at(repository);
        let digest = self.resolve(reference).await?;
        let in_use = self.in_use(digest).await?;
        let executor = self.executor(&remote, reference, digest).await?;
        let signer = self.accepted(&remote, reference, digest, accept).await?;
        let component = self
            .bytes(&remote, &executor.component, MAX_COMPONENT)
            .await?;
        check_component(&component).map_err(|why| not_executor(reference, why))?;
        let assets = match executor.assets {
            None => None,
            Some(assets) => Some(self.assets(&remote, reference, assets).await?),
        };
        Ok(Pulled {
            digest,
            component,
            component_digest: executor.component.digest,
            annotations: executor.annotations,
            assets,
            signer,
            in_use,
        })
    }

    /// That it is used, from before it is read. It can be used all the same if that cannot
    /// be said.
    async fn in_use(&self, digest: Digest) -> Result<Option<InUse>, HubError> {
        let said = move |store: &Store| {
            let in_use = store.in_use(digest).inspect_err(|error| {
                tracing::warn!(%error, "`wasm-flow hub prune` will not know that this is used");
            });
            Ok(in_use.ok())
        };
        self.stored(said).await
    }

    /// What the registry says of an executor. Its component is not fetched, and nobody is
    /// asked whether it is trusted.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub async fn describe(&self, reference: &Reference) -> Result<Described, HubError> {
        let remote = self.inner.client.at(reference.repository());
        let digest = self.resolve(reference).await?;
        let executor = self.executor(&remote, reference, digest).await?;
        let config = self.bytes(&remote, &executor.config, MAX_CONFIG).await?;
        let config = WasmConfig::read(&config).map_err(|error| {
            let why = format!("its config cannot be read: {error}");
            not_executor(reference, NotExecutor::Malformed(why))
        })?;
        let assets = match executor.assets {
            None => None,
            Some(assets) => Some(self.asset_list(&remote, reference, assets).await?),
        };
        Ok(Described {
            digest,
            component_digest: executor.component.digest,
            component_bytes: executor.component.size,
            annotations: executor.annotations,
            config,
            assets,
        })
    }

    /// Whose signature lets it be used, as [`Pulled::signer`] is. Of the executor itself
    /// nothing is fetched.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub async fn signer(
        &self,
        reference: &Reference,
        accept: &dyn Accept,
    ) -> Result<Option<String>, HubError> {
        accept.allows(reference).map_err(|why| HubError::Refused {
            reference: Box::new(reference.clone()),
            why,
        })?;
        let remote = self.inner.client.at(reference.repository());
        let digest = self.resolve(reference).await?;
        self.accepted(&remote, reference, digest, accept).await
    }

    async fn executor(
        &self,
        remote: &Remote,
        reference: &Reference,
        digest: Digest,
    ) -> Result<ExecutorManifest, HubError> {
        let manifest = self.manifest(remote, digest).await?;
        let executor = manifest.and_then(ExecutorManifest::of);
        executor.map_err(|why| not_executor(reference, why))
    }

    /// Asks whether it is taken: first with the signatures that were kept, so that a
    /// second start needs no registry.
    async fn accepted(
        &self,
        remote: &Remote,
        reference: &Reference,
        digest: Digest,
        accept: &dyn Accept,
    ) -> Result<Option<String>, HubError> {
        if !accept.wants_signatures(reference.repository()) {
            return accept.accept(reference, digest, &[]).map_err(|why| {
                let reference = Box::new(reference.clone());
                HubError::Refused { reference, why }
            });
        }
        let kept = self
            .stored(move |store| store.read_signatures(digest))
            .await?;
        let refused = match &kept {
            None => None,
            Some(kept) => match accept.accept(reference, digest, kept) {
                Ok(signer) => return Ok(signer),
                Err(why) => Some(why),
            },
        };
        let fetched = match (signatures(remote, digest).await, refused) {
            (Ok(fetched), _) => fetched,
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(why)) => {
                return Err(HubError::RefusedForNow {
                    reference: Box::new(reference.clone()),
                    why,
                    error: Box::new(error.into()),
                });
            }
        };
        let signer = accept.accept(reference, digest, &fetched).map_err(|why| {
            let reference = Box::new(reference.clone());
            HubError::Refused { reference, why }
        })?;
        let keep = move |store: &crate::store::Store| store.write_signatures(digest, &fetched);
        self.stored(keep).await?;
        Ok(signer)
    }

    async fn asset_list(
        &self,
        remote: &Remote,
        reference: &Reference,
        digest: Digest,
    ) -> Result<AssetList, HubError> {
        let manifest = self.manifest(remote, digest).await?;
        let list = match manifest {
            Ok(manifest) => AssetList::of(&manifest, digest),
            Err(why) => Err(BadAssets::NotAssets(digest, why.to_string())),
        };
        list.map_err(|why| HubError::Assets {
            what: reference.to_string(),
            why,
        })
    }

    async fn assets(
        &self,
        remote: &Remote,
        reference: &Reference,
        digest: Digest,
    ) -> Result<Assets, HubError> {
        let list = self.asset_list(remote, reference, digest).await?;
        let files = list.clone();
        if let Kept::Whole(assets) = self
            .stored(move |store| store.assets(digest, &files))
            .await?
        {
            return Ok(assets);
        }
        for (_, file) in list.files() {
            self.keep(remote, file, MAX_ASSET).await?;
        }
        self.stored(move |store| store.make_assets(digest, &list))
            .await
    }
}

fn not_executor(reference: &Reference, why: NotExecutor) -> HubError {
    HubError::NotExecutor {
        what: reference.to_string(),
        why,
    }
}
