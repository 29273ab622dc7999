//! What was fetched, kept by its digest.
//!
//! Everything is hashed again each time it is read, so what the disk or somebody else has
//! changed is never used. It is removed, and fetched again.

mod entry;
mod error;
mod folder;
mod in_use;
mod prune;
mod signatures;
mod tree;
mod writer;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

pub use entry::Kept;
pub use error::StoreError;
pub use in_use::InUse;
pub use prune::Pruned;
pub use tree::Assets;
pub use writer::Writer;

/// What the names of temporary files and folders begin with.
const TEMPORARY: &str = ".new-";

/// A folder of artifacts. Several processes may use it at the same time.
///
/// All of it waits for the disk: it is not for the threads of the asynchronous runtime.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder is another user's, when others may write to it, or when it cannot
    /// be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Store, StoreError> {
        let folder = folder.into();
        let store = Store { folder };
        folder::private(&store.folder)?;
        let above = store.folder.join("blobs");
        for folder in [above, store.blobs(), store.trees(), store.signatures()] {
            folder::private(&folder)?;
        }
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join("blobs").join("sha256")
    }

    fn trees(&self) -> PathBuf {
        self.folder.join("assets")
    }

    fn signatures(&self) -> PathBuf {
        self.folder.join("signatures")
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// The bytes with this digest, at most `most`.
    ///
    /// # Errors
    /// When the file cannot be read, or a damaged one not be removed.
    pub fn read(&self, digest: Digest, most: u64) -> Result<Kept<Bytes>, StoreError> {
        entry::read(&self.blob(digest), digest, most)
    }

    /// How many bytes have this digest, if they are there and right.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn check(&self, digest: Digest, most: u64) -> Result<Kept<u64>, StoreError> {
        entry::check(&self.blob(digest), digest, most, |_| {})
    }

    /// Begins to write what has this digest and this size.
    ///
    /// # Errors
    /// When there is no room, or the folder cannot be written to.
    pub fn writer(&self, digest: Digest, size: u64) -> Result<Writer, StoreError> {
        Writer::new(&self.blobs(), self.blob(digest), digest, size)
    }

    /// Keeps bytes, and gives their digest.
    ///
    /// # Errors
    /// When there is no room, or the folder cannot be written to.
    pub fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = crate::digest_of(bytes);
        let mut writer = self.writer(digest, bytes.len() as u64)?;
        writer.write(bytes)?;
        writer.finish()?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests;
