//! Puts an entry into the store: whole, or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use wasm_flow_contract::hub::Digest;

use super::{StoreError, TEMPORARY};
use crate::digest::Hasher;

/// An entry that is being written. Nothing of it is left if it is dropped.
#[derive(Debug)]
pub struct Writer {
    temporary: NamedTempFile,
    /// Where it goes.
    path: PathBuf,
    folder: PathBuf,
    digest: Digest,
    size: u64,
    have: u64,
    hasher: Hasher,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        path: PathBuf,
        digest: Digest,
        size: u64,
    ) -> Result<Writer, StoreError> {
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(folder);
        Ok(Writer {
            temporary: temporary.map_err(|error| StoreError::written(folder, size, error))?,
            path,
            folder: folder.to_owned(),
            digest,
            size,
            have: 0,
            hasher: Hasher::default(),
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When there is no room for them, or when they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.have = self.have.saturating_add(bytes.len() as u64);
        self.hasher.update(bytes);
        let written = self.temporary.write_all(bytes);
        written.map_err(|error| StoreError::written(&self.folder, self.size, error))
    }

    /// Puts the entry into its place, on the disk and not only in memory.
    ///
    /// # Errors
    /// When it does not have the size and the digest that were named, or cannot be
    /// written.
    pub fn finish(self) -> Result<(), StoreError> {
        let (found, have) = (self.hasher.finish(), self.have);
        if found != self.digest || have != self.size {
            return Err(StoreError::Other {
                named: self.digest,
                size: self.size,
                found,
                have,
            });
        }
        let failed = |error| StoreError::written(&self.folder, self.size, error);
        let file = self.temporary.as_file();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::Permissions::from_mode(0o400);
            file.set_permissions(mode).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        // Another process may have been faster: it has put the same there.
        let kept = self.temporary.persist(&self.path);
        kept.map_err(|error| failed(error.error))?;
        sync_folder(&self.folder);
        Ok(())
    }
}

/// So that the name is on the disk, too. Not all systems can, and then the file is found
/// missing after a crash, and fetched again.
pub(super) fn sync_folder(folder: &Path) {
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
}
