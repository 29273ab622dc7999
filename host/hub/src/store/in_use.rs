//! What runs is not pruned.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasm_flow_contract::hub::Digest;

use super::{Store, StoreError};

/// Keeps an executor and its files in the store, as long as this or a clone of it lives:
/// a file with a lock on it, which ends with the process at the latest.
#[derive(Debug, Clone)]
pub struct InUse {
    _file: Arc<File>,
}

impl Store {
    fn uses(&self) -> PathBuf {
        self.folder.join("in-use")
    }

    /// Says that the executor whose manifest has this digest is used.
    ///
    /// # Errors
    /// When the file cannot be made or locked, as on a full disk.
    pub fn in_use(&self, digest: Digest) -> Result<InUse, StoreError> {
        let folder = self.uses();
        super::folder::private(&folder)?;
        let path = folder.join(digest.hex());
        let failed = |error| StoreError::written(&path, 0, error);
        loop {
            let mut options = File::options();
            // Both: over NFS a shared lock wants a file to read, and an exclusive one a file to
            // write.
            let options = options.create(true).truncate(false).read(true).write(true);
            let file = options.open(&path);
            let file = file.map_err(failed)?;
            file.lock_shared().map_err(failed)?;
            // Somebody may have pruned after it was opened: a lock on what has no name says
            // nothing to anybody.
            if has_name(&file, &path).map_err(failed)? {
                let file = Arc::new(file);
                return Ok(InUse { _file: file });
            }
        }
    }

    /// The manifests of what is used. What was said by processes that have ended is removed.
    ///
    /// # Errors
    /// When the files cannot be read or removed.
    pub fn used(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let folder = self.uses();
        let failed = |error| StoreError::read(&folder, error);
        let mut used = BTreeSet::new();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(used),
            other => other.map_err(failed)?,
        };
        for found in entries {
            let found = found.map_err(failed)?;
            let name = found.file_name();
            let digest = format!("sha256:{}", name.to_string_lossy()).parse::<Digest>();
            let Ok(digest) = digest else {
                continue;
            };
            let opened = File::options().read(true).write(true).open(found.path());
            let file = match opened {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(failed)?,
            };
            match file.try_lock() {
                // Under the lock: who waits for it looks for the name.
                Ok(()) => super::entry::remove(&found.path())?,
                Err(TryLockError::WouldBlock) => drop(used.insert(digest)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Ok(used)
    }
}

#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn has_name(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn what_is_used_is_known_until_nobody_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub")).unwrap();
        assert!(store.used().unwrap().is_empty());
        let digest = crate::digest_of(b"a manifest");
        let (one, two) = (store.in_use(digest).unwrap(), store.in_use(digest).unwrap());
        let more = one.clone();
        drop((one, two));
        assert_eq!(store.used().unwrap(), [digest].into());
        drop(more);
        assert!(store.used().unwrap().is_empty());
        assert_eq!(fs::read_dir(store.uses()).unwrap().count(), 0);
    }

    /// Somebody who prunes removes the file between its making and its lock.
    #[test]
    fn what_is_said_while_others_prune_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub")).unwrap();
        let digest = crate::digest_of(b"a manifest");
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    store.used().unwrap();
                }
            });
            for _ in 0..2000 {
                let in_use = store.in_use(digest).unwrap();
                assert_eq!(store.used().unwrap(), [digest].into());
                drop(in_use);
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
}
