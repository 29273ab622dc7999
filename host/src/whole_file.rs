//! A file that is there whole or not at all.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Puts a file in its place, over what may be there. If that is a link, the link is
/// replaced, and not what it leads to. Its folder is made if it is not there.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    replace(path, text)
}

/// The same in a folder that is there.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    put(path, text.as_bytes(), EVERYBODY)
}

/// The same with bytes.
#[cfg(feature = "cli")]
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, EVERYBODY)
}

/// The same for this user's eyes alone.
#[cfg(feature = "cli")]
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    put(path, text.as_bytes(), 0o600)
}

/// The mode of a file that the user's mask alone keeps from others.
const EVERYBODY: u32 = 0o666;

fn put(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = new(folder_of(path), bytes, mode)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// The user that runs this process: the owner of a new file.
#[cfg(unix)]
pub(crate) fn user(folder: &Path) -> io::Result<u32> {
    let probe = new(folder, b"", EVERYBODY)?;
    let user = fs::metadata(&probe).map(|file| std::os::unix::fs::MetadataExt::uid(&file));
    fs::remove_file(&probe)?;
    user
}

/// A new file in a folder, of a name that nobody can foresee.
fn new(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let random = RandomState::new().build_hasher().finish();
    let path = folder.join(format!(".new-{}-{random:016x}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&path)?;
    match file.write_all(bytes) {
        Ok(()) => Ok(path),
        Err(error) => {
            fs::remove_file(&path)?;
            Err(error)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of a test's own, removed at its end.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Self {
            let name = format!("wasm-flow-file-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        /// The paths of all files in it, sorted.
        pub(crate) fn files(&self) -> Vec<String> {
            let (mut files, mut folders) = (Vec::new(), vec![self.0.clone()]);
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    match path.is_dir() {
                        true => folders.push(path),
                        false => {
                            let path = path.strip_prefix(&self.0).unwrap();
                            files.push(path.to_str().unwrap().to_owned());
                        }
                    }
                }
            }
            files.sort();
            files
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = Folder::new("link");
        let (target, link) = (folder.0.join("target"), folder.0.join("link"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    }
}
