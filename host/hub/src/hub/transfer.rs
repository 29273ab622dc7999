//! From a registry into the store.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use wasm_flow_contract::hub::Digest;

use super::{Hub, HubError};
use crate::artifact::{Descriptor, Manifest, NotExecutor};
use crate::bounds::MAX_MANIFEST;
use crate::registry::{BlobBody, Remote, Version, pause};
use crate::store::{Kept, Store, StoreError};

/// Parts of a blob that wait for the disk.
const WAITING: usize = 16;

impl Hub {
    /// Does something with the store, off the threads of the asynchronous runtime.
    pub(super) async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, HubError> {
        let store = self.inner.store.clone();
        let folder = store.folder().to_owned();
        let done = spawn_blocking(move || work(&store)).await;
        let done = done.unwrap_or_else(|error| {
            let error = std::io::Error::other(error);
            Err(StoreError::Io {
                path: folder,
                what: "used",
                error,
            })
        });
        done.map_err(HubError::Store)
    }

    /// A manifest of any kind, from the store or from the registry.
    pub(super) async fn manifest(
        &self,
        remote: &Remote,
        digest: Digest,
    ) -> Result<Result<Manifest, NotExecutor>, HubError> {
        let kept = self
            .stored(move |store| store.read(digest, MAX_MANIFEST))
            .await?;
        let why = match kept {
            Kept::Whole(bytes) => return Ok(Manifest::read(&bytes, None)),
            Kept::Missing => None,
            Kept::Damaged(why) => Some(why),
            Kept::TooLarge(size) => return Err(too_large(remote, digest, size, MAX_MANIFEST)),
        };
        let fetched = remote.manifest(Version::Digest(digest)).await;
        let fetched = fetched.map_err(|error| damaged(remote, digest, why, error.into()))?;
        let manifest = Manifest::read(&fetched.bytes, fetched.media_type.as_deref());
        if manifest.is_ok() {
            self.stored(move |store| store.write(&fetched.bytes))
                .await?;
        }
        Ok(manifest)
    }

    /// The bytes of a blob, from the store or from the registry.
    pub(super) async fn bytes(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        most: u64,
    ) -> Result<Bytes, HubError> {
        let (digest, said) = (blob.digest, blob.size);
        if said > most {
            return Err(too_large(remote, digest, said, most));
        }
        let read = move |store: &Store| store.read(digest, said);
        let why = match self.stored(read).await? {
            Kept::Whole(bytes) => {
                right_size(remote, blob, bytes.len() as u64)?;
                return Ok(bytes);
            }
            Kept::Missing => None,
            Kept::Damaged(why) => Some(why),
            Kept::TooLarge(size) => return Err(other_size(remote, blob, size)),
        };
        let fetched = self.fetch(remote, blob).await;
        fetched.map_err(|error| damaged(remote, digest, why, error))?;
        match self.stored(read).await? {
            Kept::Whole(bytes) => Ok(bytes),
            Kept::Missing => Err(vanished(self, "somebody has removed it")),
            Kept::Damaged(why) => Err(vanished(self, &why)),
            Kept::TooLarge(size) => Err(other_size(remote, blob, size)),
        }
    }

    /// Sees to it that a blob is in the store.
    pub(super) async fn keep(
        &self,
        remote: &Remote,
        blob: &Descriptor,
        most: u64,
    ) -> Result<(), HubError> {
        let (digest, said) = (blob.digest, blob.size);
        if said > most {
            return Err(too_large(remote, digest, said, most));
        }
        let why = match self.stored(move |store| store.check(digest, said)).await? {
            Kept::Whole(size) => return right_size(remote, blob, size),
            Kept::Missing => None,
            Kept::Damaged(why) => Some(why),
            Kept::TooLarge(size) => return Err(other_size(remote, blob, size)),
        };
        let fetched = self.fetch(remote, blob).await;
        fetched.map_err(|error| damaged(remote, digest, why, error))
    }

    async fn fetch(&self, remote: &Remote, blob: &Descriptor) -> Result<(), HubError> {
        let mut attempt = 0;
        loop {
            let body = remote.blob(blob.digest, blob.size).await?;
            match self.receive(body, blob).await {
                Err(HubError::Registry(error)) if pause(&mut attempt, error.problem()).await => {}
                other => return other,
            }
        }
    }

    async fn receive(&self, mut body: BlobBody, blob: &Descriptor) -> Result<(), HubError> {
        let (sender, mut parts) = mpsc::channel::<Bytes>(WAITING);
        let (digest, size) = (blob.digest, blob.size);
        let write = self.stored(move |store| {
            let mut writer = store.writer(digest, size)?;
            while let Some(part) = parts.blocking_recv() {
                writer.write(&part)?;
            }
            // It refuses what is not whole.
            writer.finish()
        });
        let receive = async {
            // Only the writer's end of it can be closed before this one, by an error that
            // the writer gives.
            let sender = sender;
            while let Some(part) = body.next().await? {
                if sender.send(part).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let (written, received) = futures::join!(write, receive);
        received.and(written)
    }
}

/// What is kept has the right digest, and so it is the manifest that errs about its size.
fn right_size(remote: &Remote, blob: &Descriptor, size: u64) -> Result<(), HubError> {
    match size == blob.size {
        true => Ok(()),
        false => Err(other_size(remote, blob, size)),
    }
}

fn other_size(remote: &Remote, blob: &Descriptor, size: u64) -> HubError {
    HubError::OtherSize {
        what: format!("{} ({})", remote.repository(), blob.digest),
        size,
        said: blob.size,
    }
}

fn too_large(remote: &Remote, digest: Digest, size: u64, most: u64) -> HubError {
    let what = format!("{} ({digest})", remote.repository());
    HubError::TooLarge { what, size, most }
}

fn damaged(remote: &Remote, digest: Digest, why: Option<String>, error: HubError) -> HubError {
    match why {
        None => error,
        Some(why) => HubError::Damaged {
            what: format!("{} ({digest})", remote.repository()),
            why,
            error: Box::new(error),
        },
    }
}

/// Something in the store was changed in the moment after it was written.
fn vanished(hub: &Hub, why: &str) -> HubError {
    HubError::Store(StoreError::Io {
        path: hub.inner.store.folder().to_owned(),
        what: "read",
        error: std::io::Error::other(why.to_owned()),
    })
}
