use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::*;
use crate::artifact::{AssetList, Descriptor, EMPTY_CONFIG, Manifest, annotation, media_type};
use crate::digest_of;
use crate::trust::RawSignature;

struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    Place { folder, store }
}

/// The names of all files and folders below one.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
    }
    names.sort();
    names
}

/// Changes a byte of a file that is read-only.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_kept_is_taken_back() {
    let place = place();
    let store = &place.store;
    assert_eq!(store.read(digest_of(b"abc"), 9).unwrap(), Kept::Missing);
    let digest = store.write(b"abc").unwrap();
    assert_eq!(digest, digest_of(b"abc"));
    let whole = Kept::Whole(Bytes::from_static(b"abc"));
    assert_eq!(store.read(digest, 3).unwrap(), whole);
    assert_eq!(store.check(digest, 3).unwrap(), Kept::Whole(3));
    let empty = store.write(b"").unwrap();
    assert_eq!(store.read(empty, 0).unwrap(), Kept::Whole(Bytes::new()));
    // Another store of the same folder has the same.
    let again = Store::open(store.folder()).unwrap();
    assert_eq!(again.read(digest, 3).unwrap(), whole);
}

#[test]
fn what_was_changed_is_not_taken_back_and_goes() {
    let place = place();
    let digest = place.store.write(b"abc").unwrap();
    let path = place.store.blob(digest);
    flip(&path);
    let kept = place.store.read(digest, 9).unwrap();
    assert!(matches!(&kept, Kept::Damaged(why) if why.contains("its bytes have sha256:")));
    assert_eq!(place.store.read(digest, 9).unwrap(), Kept::Missing);

    let digest = place.store.write(b"abc").unwrap();
    // What is right stays, whoever takes it for something small.
    assert_eq!(place.store.read(digest, 2).unwrap(), Kept::TooLarge(3));
    assert_eq!(place.store.check(digest, 3).unwrap(), Kept::Whole(3));

    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("folder")).unwrap();
    let kept = place.store.check(digest, 9).unwrap();
    assert!(matches!(kept, Kept::Damaged(why) if why == "it is not a file"));
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_not_followed() {
    let place = place();
    let digest = place.store.write(b"abc").unwrap();
    let path = place.store.blob(digest);
    // Even one to the right bytes: they could be others in a moment.
    let elsewhere = place.folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let kept = place.store.read(digest, 9).unwrap();
    assert!(matches!(kept, Kept::Damaged(why) if why.contains("a link")));
    assert!(fs::symlink_metadata(&path).is_err());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"abc");

    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let kept = place.store.read(digest, 9).unwrap();
    assert!(matches!(kept, Kept::Damaged(why) if why == "it is not a file"));
}

#[test]
fn what_is_not_whole_leaves_nothing() {
    let place = place();
    let store = &place.store;
    let before = names(store.folder());
    let digest = digest_of(b"abc");
    // The process goes on, and gives up.
    let mut writer = store.writer(digest, 3).unwrap();
    writer.write(b"ab").unwrap();
    drop(writer);
    for (parts, size) in [
        (&["ab"][..], 3),
        (&["abc"], 4),
        (&["abc", "d"], 3),
        (&["abd"], 3),
    ] {
        let mut writer = store.writer(digest, size).unwrap();
        for part in parts {
            writer.write(part.as_bytes()).unwrap();
        }
        let error = writer.finish().unwrap_err();
        assert!(matches!(error, StoreError::Other { .. }), "{error}");
    }
    assert_eq!(names(store.folder()), before);
    assert_eq!(store.read(digest, 9).unwrap(), Kept::Missing);
}

#[test]
fn what_a_dead_process_left_is_pruned_once_it_is_old() {
    let place = place();
    let store = &place.store;
    let left = [store.blobs(), store.trees(), store.signatures()];
    let left = left.map(|folder| folder.join(".new-left"));
    fs::write(&left[0], "half").unwrap();
    fs::create_dir(&left[1]).unwrap();
    fs::write(left[1].join("file"), "12").unwrap();
    fs::write(&left[2], "").unwrap();
    let digest = store.write(b"abc").unwrap();
    let long = Duration::from_secs(1 << 30);
    let none = Pruned::default();
    assert_eq!(
        store
            .prune(&BTreeSet::new(), long, SystemTime::now())
            .unwrap(),
        none
    );
    let then = SystemTime::now() - Duration::from_secs(3601);
    for path in &left {
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    }
    let pruned = store
        .prune(&BTreeSet::new(), long, SystemTime::now())
        .unwrap();
    assert_eq!((pruned.entries, pruned.bytes), (3, 6));
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(store.check(digest, 9).unwrap(), Kept::Whole(3));
}

#[test]
fn threads_may_write_the_same() {
    let place = place();
    let bytes = vec![7; 1 << 20];
    let digest = digest_of(&bytes);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..8 {
                    place.store.write(&bytes).unwrap();
                    let kept = place.store.check(digest, 1 << 20).unwrap();
                    assert_eq!(kept, Kept::Whole(1 << 20));
                }
            });
        }
    });
    assert_eq!(names(&place.store.blobs()), [digest.hex()]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_not_ours_alone_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Store::open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let digest = store.write(b"abc").unwrap();
    assert_eq!(mode(&store.blob(digest)), 0o400);
    let above = path.join("blobs");
    for path in [
        &path,
        &above,
        &store.blobs(),
        &store.trees(),
        &store.signatures(),
    ] {
        for open in [0o777, 0o770, 0o702] {
            fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
            let error = Store::open(store.folder()).unwrap_err();
            assert!(
                matches!(&error, StoreError::Writable(found) if found == path),
                "{error}"
            );
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    Store::open(&path).unwrap();
    // Only root can give a folder away.
    match std::os::unix::fs::chown(&path, Some(12345), None) {
        Ok(()) => {
            let error = Store::open(&path).unwrap_err();
            assert!(matches!(error, StoreError::Foreign(_)), "{error}");
        }
        Err(_) => println!("not tested: a folder of another user, because this one is not root"),
    }
}

/// A file system of 64 KiB, which only root can make.
#[cfg(target_os = "linux")]
struct Small(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Small {
    fn new() -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.is_ok_and(|done| done.status.success());
        is_mounted.then(|| Small(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_so_and_has_no_half_entries() {
    let Some(small) = Small::new() else {
        println!("not tested: a full disk, because this user may not mount one");
        return;
    };
    let store = Store::open(small.0.path().join("store")).unwrap();
    let kept = store.write(&[1; 30 << 10]).unwrap();
    let large = vec![2; 50 << 10];
    let before = names(store.folder());
    let error = store.write(&large).unwrap_err();
    let folder = store.blobs();
    assert!(
        matches!(&error, StoreError::Full { folder: found, needed: 51200 } if *found == folder),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("has no room for 51200 bytes; make some with"),
        "{text}"
    );
    assert_eq!(names(store.folder()), before);
    let signatures = [RawSignature::Bundle(Bytes::from(large.clone()))];
    let error = store.write_signatures(kept, &signatures).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(names(store.folder()), before);
    // Opening it again, to prune it, writes nothing.
    let mount = |option: &str| {
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(["-o", option]).arg(small.0.path());
        assert!(mount.status().unwrap().success());
    };
    mount("remount,ro");
    Store::open(store.folder()).unwrap();
    mount("remount,rw");
    let pruned = store
        .prune(&BTreeSet::new(), Duration::ZERO, SystemTime::now())
        .unwrap();
    assert_eq!(pruned.bytes, 30 << 10);
    store.write(&large).unwrap();
}

fn list(files: &[(&str, &[u8])]) -> AssetList {
    let layers = files.iter().map(|(path, bytes)| Descriptor {
        annotations: BTreeMap::from([(annotation::TITLE.to_owned(), (*path).to_owned())]),
        ..Descriptor::of(media_type::FILE, bytes)
    });
    let config = Descriptor::of(media_type::EMPTY, EMPTY_CONFIG);
    let mut manifest = Manifest::new(config, layers.collect());
    manifest.artifact_type = Some(media_type::ASSETS.to_owned());
    AssetList::of(&manifest, digest_of(b"list")).unwrap()
}

/// Puts the files into the store, and their folder.
fn made(store: &Store, list: &AssetList, contents: &[&[u8]]) -> Assets {
    for content in contents {
        store.write(content).unwrap();
    }
    store.make_assets(digest_of(b"list"), list).unwrap()
}

#[test]
fn assets_are_files_that_are_compared_each_time() {
    let place = place();
    let store = &place.store;
    let contents: [&[u8]; 2] = [b"abc", b""];
    let list = list(&[("a/b/c", b"abc"), ("d", b""), ("e", b"abc")]);
    let digest = digest_of(b"list");
    assert_eq!(store.assets(digest, &list).unwrap(), Kept::Missing);
    let lost = store.make_assets(digest, &list).unwrap_err().to_string();
    let blob = store.blob(digest_of(b"abc"));
    let expected = format!("{} cannot be read", blob.display());
    assert!(lost.contains(&expected), "{lost}");
    assert!(fs::read_dir(store.trees()).unwrap().next().is_none());
    let assets = made(store, &list, &contents);
    assert_eq!((assets.files, assets.bytes), (3, 6));
    assert_eq!(names(&assets.folder), ["a", "b", "c", "d", "e"]);
    assert_eq!(fs::read(assets.folder.join("a/b/c")).unwrap(), b"abc");
    assert_eq!(
        store.assets(digest, &list).unwrap(),
        Kept::Whole(assets.clone())
    );
    // Another process has made them meanwhile.
    assert_eq!(made(store, &list, &contents), assets);

    let file = assets.folder.join("a/b/c");
    let outside = place.folder.path().join("outside");
    fs::create_dir_all(outside.join("b")).unwrap();
    fs::write(outside.join("b/c"), "not of the store").unwrap();
    let changes: [(&dyn Fn(), &str); 9] = [
        (&|| flip(&file), "its bytes have"),
        (&|| fs::remove_file(&file).unwrap(), "c is missing"),
        (
            &|| fs::write(assets.folder.join("a/more"), "").unwrap(),
            "more is not one of them",
        ),
        (
            &|| fs::create_dir(assets.folder.join("more")).unwrap(),
            "more is not one of them",
        ),
        (
            &|| {
                fs::remove_file(&file).unwrap();
                symlink(&assets.folder.join("e"), &file).unwrap();
            },
            "c is a link",
        ),
        (
            &|| {
                let aside = place.folder.path().join("aside");
                fs::rename(assets.folder.join("a"), &aside).unwrap();
                symlink(&aside, &assets.folder.join("a")).unwrap();
            },
            "a is a link",
        ),
        // What is behind a link is somebody's file, and stays.
        (
            &|| {
                fs::remove_dir_all(assets.folder.join("a")).unwrap();
                symlink(&outside, &assets.folder.join("a")).unwrap();
            },
            "a is a link",
        ),
        (
            &|| {
                fs::remove_dir_all(assets.folder.join("a")).unwrap();
                fs::write(assets.folder.join("a"), "").unwrap();
            },
            "a is not a folder",
        ),
        (
            &|| {
                fs::remove_dir_all(assets.folder.join("a")).unwrap();
                symlink(Path::new("a"), &assets.folder.join("a")).unwrap();
            },
            "a is a link",
        ),
    ];
    for (change, expected) in changes {
        change();
        let kept = store.assets(digest, &list).unwrap();
        assert!(
            matches!(&kept, Kept::Damaged(why) if why.contains(expected)),
            "{expected}: {kept:?}"
        );
        assert!(!assets.folder.exists());
        made(store, &list, &contents);
    }
    let left = fs::read_to_string(outside.join("b/c")).unwrap();
    assert_eq!(left, "not of the store");
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

#[test]
fn signatures_are_kept_as_they_came() {
    let place = place();
    let digest = digest_of(b"abc");
    assert_eq!(place.store.read_signatures(digest).unwrap(), None);
    let signatures = vec![
        RawSignature::Bundle(Bytes::from_static(b"{}\xff")),
        RawSignature::Simple {
            payload: Bytes::from_static(b"\0"),
            signature: "s".to_owned(),
            has_certificate: true,
        },
    ];
    for signatures in [signatures, vec![]] {
        place.store.write_signatures(digest, &signatures).unwrap();
        let read = place.store.read_signatures(digest).unwrap();
        assert_eq!(read, Some(signatures));
    }
    let file = place.store.signatures().join(digest.hex());
    // What they are is not read by way of a link.
    let elsewhere = place.store.folder().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert_eq!(place.store.read_signatures(digest).unwrap(), None);
    assert!(elsewhere.exists() && fs::symlink_metadata(&file).is_err());
    fs::write(&file, "[{").unwrap();
    assert_eq!(place.store.read_signatures(digest).unwrap(), None);
}

#[test]
fn pruning_keeps_what_is_named_and_what_was_read_lately() {
    let place = place();
    let store = &place.store;
    let list = list(&[("a", b"asset")]);
    let assets = made(store, &list, &[b"asset"]);
    let kept = store.write(b"kept").unwrap();
    let lately = store.write(b"lately").unwrap();
    let unused = store.write(b"unused").unwrap();
    store.write_signatures(unused, &[]).unwrap();
    let then = SystemTime::now() - Duration::from_secs(1000);
    for folder in [store.blobs(), store.trees(), store.signatures()] {
        for entry in fs::read_dir(folder).unwrap() {
            let file = fs::File::open(entry.unwrap().path()).unwrap();
            file.set_modified(then).unwrap();
        }
    }
    store.read(lately, 9).unwrap();
    let hour = Duration::from_secs(3600);
    let keep = BTreeSet::from([kept]);
    assert_eq!(
        store.prune(&keep, hour, SystemTime::now()).unwrap(),
        Pruned::default()
    );
    let pruned = store
        .prune(&keep, Duration::from_secs(999), SystemTime::now())
        .unwrap();
    // The asset's bytes are counted once, though they had two names.
    assert_eq!((pruned.entries, pruned.bytes), (4, 5 + 6 + 2));
    assert!(!assets.folder.exists());
    let mut left = [kept.hex(), lately.hex()];
    left.sort();
    assert_eq!(names(&store.blobs()), left);
    assert_eq!(
        store
            .prune(&BTreeSet::new(), Duration::ZERO, SystemTime::now())
            .unwrap()
            .entries,
        2
    );
}
