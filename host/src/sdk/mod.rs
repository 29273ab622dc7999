//! wasm-flow-sdk, which the program brings along until it is released as a crate:
//! its sources are a part of the program, and are unpacked for a user once.
//!
//! A build compiles and runs what is in the folder, so it has to be this user's own,
//! and each file is compared before it is used.

mod patch;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::hub::DATA_VARIABLE as FOLDER_VARIABLE;
use crate::whole_file;

pub use patch::PatchError;
pub(crate) use patch::{INCLUDE, Patch};

/// What the build script packed: files, and a folder's name that stands for them.
mod packed {
    include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
}

/// Why the SDK cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum SdkError {
    /// No variable says where.
    #[error(
        "there is no folder to unpack wasm-flow-sdk to: {FOLDER_VARIABLE}, XDG_DATA_HOME and HOME \
         name none; set one of them"
    )]
    NoFolder,
    /// Somebody else could change what is built.
    #[error(
        "wasm-flow-sdk is not unpacked to {}, because {} {reason}; make it this \
         user's alone, or name another folder in {FOLDER_VARIABLE}",
        folder.display(),
        path.display()
    )]
    Exposed {
        /// Where it would be unpacked to.
        folder: PathBuf,
        /// That folder, or one above or below it.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The system refuses.
    #[error(
        "wasm-flow-sdk cannot be unpacked: {}: {source}; {FOLDER_VARIABLE} can name another folder",
        path.display()
    )]
    Io {
        /// What cannot be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Unpacks the SDK, unless that was done before, and gives its crate's folder. There
/// is none if this program was built of released crates.
pub(crate) fn unpacked() -> Result<Option<PathBuf>, SdkError> {
    if packed::FILES.is_empty() {
        return Ok(None);
    }
    let folder = folder()?;
    private_folder(&folder)?;
    let folder = folder.join(packed::FOLDER);
    unpack(&folder, packed::FILES)?;
    Ok(Some(folder.join("guest-sdk")))
}

/// Whether this is the folder that [`unpacked`] gives.
fn is_unpacked(sdk: &Path) -> bool {
    let own = |folder: PathBuf| folder.join(packed::FOLDER).join("guest-sdk") == sdk;
    !packed::FILES.is_empty() && folder().is_ok_and(own)
}

/// Where this user's SDKs are.
fn folder() -> Result<PathBuf, SdkError> {
    let data = crate::hub::data().ok_or(SdkError::NoFolder)?;
    Ok(data.join("sdk"))
}

/// Makes a folder that only this user can write to, or sees to it that an existing one
/// is such a folder.
pub(crate) fn private_folder(folder: &Path) -> Result<(), SdkError> {
    let failed = |source| SdkError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        const ROOT: u32 = 0;
        const OTHERS_WRITE: u32 = 0o002;
        const GROUP_WRITES: u32 = 0o020;
        const STICKY: u32 = 0o1000;
        let user = whole_file::user(folder).map_err(failed)?;
        let real = folder.canonicalize().map_err(failed)?;
        // Who can write to a folder above it could put another in its place.
        for (above, path) in real.ancestors().enumerate() {
            let found = fs::metadata(path).map_err(failed)?;
            let foreign = found.uid() != user && (above == 0 || found.uid() != ROOT);
            let open = match above {
                0 => found.mode() & (OTHERS_WRITE | GROUP_WRITES) != 0,
                // A group of one is common, and a sticky folder keeps others' hands off.
                _ => found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0,
            };
            let reason = match (foreign, open) {
                (true, _) => "belongs to another user",
                (_, true) => "can be written by other users",
                (false, false) => continue,
            };
            return Err(SdkError::Exposed {
                folder: folder.to_owned(),
                path: path.to_owned(),
                reason,
            });
        }
    }
    Ok(())
}

/// Makes a folder and those below it that the files are in, or sees to it that existing
/// ones are this user's own: nobody else can put a file there. The folder above is one
/// that [`private_folder`] has checked.
fn own_folders(root: &Path, files: &[(&str, &str)]) -> Result<(), SdkError> {
    let inner = files
        .iter()
        .flat_map(|(path, _)| Path::new(path).ancestors().skip(1));
    // In this order, each comes before those below it.
    let folders: BTreeSet<PathBuf> = inner.map(|inner| root.join(inner)).collect();
    #[cfg(unix)]
    let above = {
        let path = root.parent().unwrap_or(root);
        fs::metadata(path).map_err(|source| SdkError::Io {
            path: path.to_owned(),
            source,
        })?
    };
    for folder in folders {
        let failed = |source| SdkError::Io {
            path: folder.clone(),
            source,
        };
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        // Of a link itself, and not of what it leads to.
        let found = fs::symlink_metadata(&folder).map_err(failed)?;
        let reason = (!found.is_dir()).then_some("is a link, or not a folder");
        #[cfg(unix)]
        let reason = {
            use std::os::unix::fs::MetadataExt as _;
            const OTHERS_WRITE: u32 = 0o022;
            let foreign = found.uid() != above.uid();
            let open = found.mode() & OTHERS_WRITE != 0;
            reason
                .or(foreign.then_some("belongs to another user"))
                .or(open.then_some("can be written by other users"))
        };
        if let Some(reason) = reason {
            return Err(SdkError::Exposed {
                folder: root.to_owned(),
                path: folder,
                reason,
            });
        }
    }
    Ok(())
}

/// Writes those files that are not there, or differ. Any number of processes can do
/// this at once: each is done when all files are as they should be, and none sees half
/// of a file.
fn unpack(folder: &Path, files: &[(&str, &str)]) -> Result<(), SdkError> {
    own_folders(folder, files)?;
    for (path, text) in files {
        let path = folder.join(path);
        // The time of a file that is right stays: cargo compiles by it.
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        whole_file::write(&path, text).map_err(|source| SdkError::Io { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;
    use crate::whole_file::tests::Folder;

    #[test]
    fn what_is_packed_is_what_the_packages_hold() {
        let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut expected = BTreeSet::from(["Cargo.toml".to_owned(), "LICENSE".to_owned()]);
        for (name, folder) in [
            ("wasm-flow-sdk", "guest-sdk"),
            ("wasm-flow-sdk-macros", "guest-sdk/macros"),
            ("wasm-flow-document", "host/document"),
        ] {
            let listed = Command::new(env!("CARGO"))
                .args([
                    "package",
                    "--list",
                    "--offline",
                    "--allow-dirty",
                    "-p",
                    name,
                ])
                .current_dir(repository)
                .output()
                .unwrap();
            assert!(listed.status.success(), "{listed:?}");
            let listed = String::from_utf8(listed.stdout).unwrap();
            let sources = listed
                .lines()
                .filter(|file| *file == "Cargo.toml" || file.ends_with(".rs"));
            expected.extend(sources.map(|file| format!("{folder}/{file}")));
        }
        let packed = packed::FILES.iter().map(|(path, _)| (*path).to_owned());
        assert_eq!(packed.collect::<BTreeSet<_>>(), expected);
    }

    /// The paths are joined to a folder.
    #[test]
    fn packed_paths_stay_below_their_folder() {
        for (path, _) in packed::FILES {
            let path = Path::new(path);
            let below = |part| matches!(part, std::path::Component::Normal(_));
            assert!(path.components().all(below), "{path:?}");
        }
    }

    #[test]
    fn what_is_damaged_or_missing_is_written_again_and_the_rest_is_left() {
        let folder = Folder::new("damaged");
        let files = [("a/b.rs", "b"), ("a/c.rs", "c"), ("d.rs", "d")];
        let sdk = folder.0.join("sdk");
        unpack(&sdk, &files).unwrap();
        let time = |path: &str| fs::metadata(sdk.join(path)).unwrap().modified();
        let before = time("d.rs").unwrap();
        fs::write(sdk.join("a/b.rs"), "b, and more").unwrap();
        fs::remove_file(sdk.join("a/c.rs")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        unpack(&sdk, &files).unwrap();
        for (path, text) in files {
            assert_eq!(fs::read_to_string(sdk.join(path)).unwrap(), text);
        }
        assert_eq!(time("d.rs").unwrap(), before);
        assert_eq!(folder.files(), ["sdk/a/b.rs", "sdk/a/c.rs", "sdk/d.rs"]);
    }

    #[test]
    fn processes_that_unpack_at_once_do_not_disturb_each_other() {
        let folder = Folder::new("at-once");
        let sdk = folder.0.join("sdk");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    unpack(&sdk, packed::FILES).unwrap();
                    for (path, text) in packed::FILES {
                        let found = fs::read_to_string(sdk.join(path)).unwrap();
                        assert!(found == *text, "{path}");
                    }
                });
            }
        });
        assert_eq!(folder.files().len(), packed::FILES.len());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let outer = Folder::new("exposed");
        let folder = outer.0.join("sdk");
        private_folder(&folder).unwrap();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        set(&folder, 0o770);
        let error = private_folder(&folder).unwrap_err().to_string();
        assert!(error.contains("can be written by other users"), "{error}");
        set(&folder, 0o755);
        private_folder(&folder).unwrap();

        set(&outer.0, 0o777);
        let error = private_folder(&folder).unwrap_err().to_string();
        assert!(error.contains("can be written by other users"), "{error}");
        assert!(error.contains("WASM_FLOW_DATA"), "{error}");
        set(&outer.0, 0o1777);
        private_folder(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_an_open_folder_among_the_unpacked_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let outer = Folder::new("planted");
        let (sdk, files) = (outer.0.join("sdk"), [("a/src/lib.rs", "")]);
        unpack(&sdk, &files).unwrap();
        let inner = sdk.join("a/src");
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o770)).unwrap();
        let error = unpack(&sdk, &files).unwrap_err().to_string();
        assert!(error.contains("can be written by other users"), "{error}");
        assert!(error.contains("a/src"), "{error}");

        fs::rename(&inner, outer.0.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(outer.0.join("elsewhere"), &inner).unwrap();
        let error = unpack(&sdk, &files).unwrap_err().to_string();
        assert!(error.contains("is a link, or not a folder"), "{error}");
    }

    #[test]
    fn cargo_runs_no_build_script_that_is_planted() {
        let manifests = packed::FILES
            .iter()
            .filter(|(path, _)| path.ends_with("/Cargo.toml"));
        for (path, text) in manifests {
            assert!(text.contains("[package]\nbuild = false\n"), "{path}");
        }
    }
}
