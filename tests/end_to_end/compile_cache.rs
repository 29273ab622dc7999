//! Compiled code that is kept for the next start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wasm_flow_tests::{Finished, guest, wasm_flow};

const FLOW_ENDS_WELL: Option<i32> = Some(0);

/// Loads an executor with its compiled code kept in `cache`, a folder with the name
/// that the program gives it.
fn load(cache: &Path) -> Finished {
    let executor = guest("probe");
    let finished = Finished::of(
        wasm_flow(["inspect"])
            .arg(executor)
            .env("WASM_FLOW_CACHE", cache.parent().unwrap()),
    );
    assert_eq!(finished.status, FLOW_ENDS_WELL, "{finished}");
    finished
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "code")
        })
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_private_used_again_and_replaced_where_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("deep/wasm-flow");
    load(&cache);
    let kept = entries(&cache);
    assert_eq!(kept.len(), 1);
    assert_eq!(mode(&cache), 0o700);
    for file in fs::read_dir(&cache).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }

    // What is used is touched and not written again: a new file would be a new one.
    let identity = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let good = fs::read(&kept[0]).unwrap();
    let first = identity(&kept[0]);
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&kept[0])
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    load(&cache);
    assert_eq!(identity(&kept[0]), first, "a second start does not compile");
    let age = fs::metadata(&kept[0])
        .unwrap()
        .modified()
        .unwrap()
        .elapsed();
    assert!(age.unwrap() < Duration::from_secs(1800), "it was read");

    // Any byte: of the code, of its HMAC.
    for place in [0, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        fs::write(&kept[0], &bad).unwrap();
        load(&cache);
        assert_eq!(fs::read(&kept[0]).unwrap(), good, "replaced");
    }
    fs::write(&kept[0], &good[..good.len() / 3]).unwrap();
    load(&cache);
    assert_eq!(fs::read(&kept[0]).unwrap(), good);
}

#[test]
fn without_a_folder_to_write_to_an_executor_is_compiled_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    load(&file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a folder");
}
