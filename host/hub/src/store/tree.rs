//! The files of an executor, as it finds them in a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasm_flow_contract::hub::Digest;

use super::{Kept, Store, StoreError, TEMPORARY, entry, writer};
use crate::artifact::AssetList;

/// The files of an executor. They were compared with their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// Where they are. Nobody may write there.
    pub folder: PathBuf,
    /// The digest of their manifest.
    pub digest: Digest,
    /// How many there are.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    pub(super) fn tree(&self, digest: Digest) -> PathBuf {
        self.trees().join(digest.hex())
    }

    /// The files of a list, whose manifest has this digest, if all of them and nothing
    /// else are in their folder.
    ///
    /// # Errors
    /// When they cannot be read, or damaged ones not be removed.
    pub fn assets(&self, digest: Digest, list: &AssetList) -> Result<Kept<Assets>, StoreError> {
        let folder = self.tree(digest);
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Missing),
            Err(error) => return Err(StoreError::read(&folder, error)),
            Ok(_) => {}
        }
        let why = match whats_wrong(&folder, list)? {
            None => {
                touch(&folder);
                return Ok(Kept::Whole(self.described(digest, list)));
            }
            Some(why) => why,
        };
        tracing::warn!(
            folder = %folder.display(),
            reason = why,
            "the assets that were kept are not what they were, and are made again"
        );
        entry::remove(&folder)?;
        Ok(Kept::Damaged(why))
    }

    /// Makes the folder of a list, whose manifest has this digest, of entries that were
    /// checked.
    ///
    /// # Errors
    /// When one is missing, when there is no room, or when the folder cannot be written.
    pub fn make_assets(&self, digest: Digest, list: &AssetList) -> Result<Assets, StoreError> {
        let trees = self.trees();
        let failed = |error| StoreError::written(&trees, list.bytes(), error);
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(&trees);
        let temporary = temporary.map_err(failed)?;
        for (path, file) in list.files() {
            let to = path.within(temporary.path());
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
            let from = self.blob(file.digest);
            let linked = match fs::hard_link(&from, &to) {
                // Somebody has pruned meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::read(&from, error));
                }
                linked => linked,
            };
            // Some file systems have no links, or not so many of one file.
            if linked.is_err() {
                // Two names that this file system takes for one must not mix.
                let mut new = fs::File::create_new(&to).map_err(failed)?;
                let mut old = fs::File::open(&from).map_err(failed)?;
                io::copy(&mut old, &mut new).map_err(failed)?;
                let mode = old.metadata().map_err(failed)?.permissions();
                new.set_permissions(mode).map_err(failed)?;
                new.sync_all().map_err(failed)?;
            }
        }
        let folder = self.tree(digest);
        let temporary = temporary.keep();
        let renamed = match fs::rename(&temporary, &folder) {
            // Another process has made the same.
            Err(_) if matches!(whats_wrong(&folder, list), Ok(None)) => entry::remove(&temporary),
            other => other.map_err(failed),
        };
        if renamed.is_err() {
            let _ = entry::remove(&temporary);
        }
        renamed?;
        writer::sync_folder(&trees);
        Ok(self.described(digest, list))
    }

    fn described(&self, digest: Digest, list: &AssetList) -> Assets {
        Assets {
            folder: self.tree(digest),
            digest,
            files: list.files().len(),
            bytes: list.bytes(),
        }
    }
}

/// So that what is used is not pruned.
fn touch(folder: &Path) {
    let _ = fs::File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

/// What is not as the list has it.
///
/// The folders come before the files: only then no part of a file's path is a link, and
/// nothing outside of this folder is read or removed.
fn whats_wrong(folder: &Path, list: &AssetList) -> Result<Option<String>, StoreError> {
    let mut files = BTreeSet::new();
    let mut parents = BTreeSet::new();
    for (path, _) in list.files() {
        let path = path.within(folder);
        let folders = path.ancestors().skip(1);
        let folders = folders.take_while(|above| *above != folder);
        parents.extend(folders.map(Path::to_owned));
        files.insert(path);
    }
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    if !is_folder {
        return Ok(Some(format!("{} is not a folder", folder.display())));
    }
    // A file too many could be one that the executor looks for, and uses.
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| StoreError::read(&folder, error);
        for found in fs::read_dir(&folder).map_err(failed)? {
            let found = found.map_err(failed)?;
            let path = found.path();
            // Of a link, this is the kind of the link.
            let kind = found.file_type().map_err(failed)?;
            let wrong = match (parents.contains(&path), files.contains(&path)) {
                (false, false) => "is not one of them",
                _ if kind.is_symlink() => "is a link",
                (true, _) if !kind.is_dir() => "is not a folder",
                (_, true) if !kind.is_file() => "is not a file",
                (true, _) => {
                    folders.push(path);
                    continue;
                }
                (_, true) => continue,
            };
            return Ok(Some(format!("{} {wrong}", path.display())));
        }
    }
    for (path, file) in list.files() {
        let path = path.within(folder);
        match entry::check(&path, file.digest, file.size, |_| {})? {
            Kept::Whole(_) => {}
            Kept::Missing => return Ok(Some(format!("{} is missing", path.display()))),
            Kept::Damaged(why) => return Ok(Some(format!("{}: {why}", path.display()))),
            Kept::TooLarge(size) => {
                return Ok(Some(format!("{} has {size} bytes", path.display())));
            }
        }
    }
    Ok(None)
}
