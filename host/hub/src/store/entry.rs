//! A file of the store: taken back only if it is what its name says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use wasm_flow_contract::hub::Digest;

use super::StoreError;
use crate::digest::Hasher;

/// What is in the store under a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept<T> {
    /// What was asked for.
    Whole(T),
    /// Nothing.
    Missing,
    /// Something else, for this reason. It was removed.
    Damaged(String),
    /// The right bytes, and these are more than were asked for.
    TooLarge(u64),
}

impl<T> Kept<T> {
    /// The same with something else in it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Kept<U> {
        match self {
            Kept::Whole(kept) => Kept::Whole(change(kept)),
            Kept::Missing => Kept::Missing,
            Kept::Damaged(why) => Kept::Damaged(why),
            Kept::TooLarge(size) => Kept::TooLarge(size),
        }
    }
}

/// All bytes of a file, if they have this digest. At most `most` are held.
pub(super) fn read(path: &Path, digest: Digest, most: u64) -> Result<Kept<Bytes>, StoreError> {
    let mut bytes = Vec::new();
    let kept = check(path, digest, most, |part| bytes.extend_from_slice(part))?;
    Ok(kept.map(|_| Bytes::from(bytes)))
}

/// Reads a whole file, and gives its size if it has this digest. `take` gets its
/// bytes, at most `most`.
pub(super) fn check(
    path: &Path,
    digest: Digest,
    most: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<Kept<u64>, StoreError> {
    let failed = |error| StoreError::read(path, error);
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Missing),
        // What has no bytes of its own to read is nothing that was put there from here.
        Err(_) if is_odd(path) => return damaged(path, "it is a link or no file".to_owned()),
        // It was made readable for its owner. Who owns the folder can remove it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return damaged(path, "it may not be read".to_owned());
        }
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return damaged(path, "it is not a file".to_owned());
    }
    let mut hasher = Hasher::default();
    let mut size = 0u64;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            break;
        };
        size = size.saturating_add(count as u64);
        hasher.update(part);
        if size <= most {
            take(part);
        }
    }
    let found = hasher.finish();
    if found != digest {
        return damaged(path, format!("its bytes have {found}"));
    }
    // A manifest that somebody wrote may name whatever is here as something small.
    if size > most {
        return Ok(Kept::TooLarge(size));
    }
    // What was read last stays longest.
    let _ = file.set_modified(SystemTime::now());
    Ok(Kept::Whole(size))
}

fn damaged<T>(path: &Path, why: String) -> Result<Kept<T>, StoreError> {
    tracing::warn!(
        entry = %path.display(),
        reason = why,
        "an artifact that was kept is not what it was, and is fetched again"
    );
    remove(path)?;
    Ok(Kept::Damaged(why))
}

/// Opens a file without following a link, and without waiting for who writes to a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    options.open(path)
}

/// Whether a path is there, and is not a file.
pub(super) fn is_odd(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_file())
}

/// Removes whatever is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = match is_folder {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::removed(path, error))
        }
        _ => Ok(()),
    }
}
