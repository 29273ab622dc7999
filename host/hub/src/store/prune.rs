//! Makes room.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use wasm_flow_contract::hub::Digest;

use super::{Store, StoreError, TEMPORARY, entry};
use crate::bounds::ABANDONED;

/// What pruning has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Entries: blobs, folders of assets, and lists of signatures.
    pub entries: usize,
    /// The room that there is now.
    pub bytes: u64,
    /// Executors that run now: they were left.
    pub in_use: usize,
}

impl Store {
    /// Removes what is not in `keep` and was not read for `unused` when this `begun`, and what
    /// a process has left that died. What was read since then stays. `keep` has the digests of blobs, of the manifests whose
    /// signatures are kept, and of the manifests of assets.
    ///
    /// # Errors
    /// When something cannot be removed. What was removed before that is gone.
    pub fn prune(
        &self,
        keep: &BTreeSet<Digest>,
        unused: Duration,
        begun: SystemTime,
    ) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        // Blobs last: their bytes are free once no folder of assets has them any longer.
        for folder in [self.signatures(), self.trees(), self.blobs()] {
            let failed = |error| StoreError::read(&folder, error);
            for found in fs::read_dir(&folder).map_err(failed)? {
                let found = found.map_err(failed)?;
                let Ok(metadata) = found.metadata() else {
                    // Another process has just removed it.
                    continue;
                };
                let name = found.file_name();
                let name = name.to_string_lossy();
                let is_old = |than: Duration| {
                    let age = metadata.modified().map(|then| begun.duration_since(then));
                    age.is_ok_and(|age| age.is_ok_and(|age| age >= than))
                };
                let digest = format!("sha256:{name}").parse::<Digest>();
                let goes = match digest {
                    Ok(digest) => !keep.contains(&digest) && is_old(unused),
                    Err(_) => name.starts_with(TEMPORARY) && is_old(ABANDONED),
                };
                if goes {
                    let freed = freed(&found.path(), &metadata);
                    entry::remove(&found.path())?;
                    pruned.entries += 1;
                    pruned.bytes += freed.map_err(failed)?;
                }
            }
        }
        Ok(pruned)
    }
}

/// The bytes that are free once this is removed: not those that have another name, too.
fn freed(path: &Path, metadata: &Metadata) -> io::Result<u64> {
    if !metadata.is_dir() {
        return Ok(match is_last(metadata) {
            true => metadata.len(),
            false => 0,
        });
    }
    // Another process may be removing it, too, and then the rest is not freed from here.
    let mut bytes = 0u64;
    for found in there(fs::read_dir(path))?.into_iter().flatten() {
        let Some(found) = there(found)? else {
            continue;
        };
        if let Some(metadata) = there(found.metadata())? {
            bytes = bytes.saturating_add(freed(&found.path(), &metadata)?);
        }
    }
    Ok(bytes)
}

/// What was read, if it is still there.
fn there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(unix)]
fn is_last(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) <= 1
}

#[cfg(not(unix))]
fn is_last(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_has_removed_frees_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = folder.path().metadata().unwrap();
        let gone = folder.path().join("gone");
        assert_eq!(freed(&gone, &metadata).unwrap(), 0);
    }
}
