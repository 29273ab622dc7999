//! Notices when something changes that a flow is made from: its file, the components
//! and crates that it uses, and what these crates are compiled from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use wasm_flow_contract::hub::Signers;
use wasm_flow_manifest::{ExecutorEntry, Lock, Manifest, Uses};

use crate::bounds::WATCHED_FOLDERS;
use crate::resolve::build::sources as compiled_from;

/// How long it has to be quiet after a change. Editors write a file in several steps, and
/// version control many files.
const QUIET: Duration = Duration::from_millis(200);
/// How long is waited for that at most.
const AT_MOST: Duration = Duration::from_secs(2);
/// Changes that are noted until somebody looks. More of them say nothing new.
const NOTED: usize = 1024;

/// Files cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("cannot watch files: {0}")]
    Start(notify::Error),
    #[error(
        "cannot watch {}: {source}; Linux bounds how many folders may be watched by \
         `fs.inotify.max_user_watches`", .folder.display()
    )]
    Folder {
        folder: PathBuf,
        source: notify::Error,
    },
    #[error(
        "more than {WATCHED_FOLDERS} folders would have to be watched below {}; build the crate \
         yourself, and name the .wasm file in flow.toml", .0.display()
    )]
    TooMany(PathBuf),
}

/// The components of crates that were built, by the crates' folders.
pub(super) type Built = Arc<Mutex<BTreeMap<PathBuf, PathBuf>>>;

/// Watches what a flow is made from.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    changes: mpsc::Receiver<PathBuf>,
    /// Whether there were changes that could not be noted.
    missed: Arc<AtomicBool>,
    flow: PathBuf,
    built: Built,
    watched: BTreeSet<PathBuf>,
    sources: Sources,
    /// What the flow's lock says, if that is known: this process may just have written it.
    pins: Option<Lock>,
}

/// What a flow is made from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sources {
    files: BTreeSet<PathBuf>,
    crates: BTreeSet<PathBuf>,
    /// Paths that are links or lead through some, and where to.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Watch {
    /// Watches a flow's file, until [`follow`](Self::follow) says what it uses.
    ///
    /// # Errors
    /// If the system does not watch it.
    pub(super) fn new(flow: &Path, built: Built) -> Result<Watch, WatchError> {
        let (noted, changes) = mpsc::channel(NOTED);
        let missed = Arc::new(AtomicBool::new(false));
        let has_missed = Arc::clone(&missed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let event = match event {
                Ok(event) if !event.need_rescan() => event,
                // Something has changed, and it is not known what.
                _ => {
                    has_missed.store(true, Ordering::Relaxed);
                    let _ = noted.try_send(PathBuf::new());
                    return;
                }
            };
            let is_change = !matches!(
                event.kind,
                EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
            );
            for path in event.paths.into_iter().filter(|_| is_change) {
                if noted.try_send(path).is_err() {
                    has_missed.store(true, Ordering::Relaxed);
                }
            }
        });
        let mut watch = Watch {
            watcher: watcher.map_err(WatchError::Start)?,
            changes,
            missed,
            flow: flow.to_owned(),
            built,
            watched: BTreeSet::new(),
            sources: Sources::default(),
            pins: None,
        };
        watch.sources.add_file(flow);
        watch.see_to_folders()?;
        Ok(watch)
    }

    /// Watches what this flow uses, and nothing else.
    ///
    /// # Errors
    /// If the system does not watch it, or it is too much.
    pub(super) fn follow(&mut self, manifest: &Manifest) -> Result<(), WatchError> {
        let mut sources = Sources::default();
        sources.add_file(&self.flow);
        sources.add_file(&Lock::path_for(&self.flow));
        for trust in &manifest.hub.trust {
            if let Signers::Keys(keys) = &trust.signers {
                keys.iter().for_each(|key| sources.add_file(key));
            }
        }
        for (_, node) in manifest.executors.iter() {
            sources.add(&node.value);
        }
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in &sources.crates {
            if let Some(component) = built.get(folder) {
                sources
                    .files
                    .extend(compiled_from(component).into_iter().flatten());
            }
        }
        drop(built);
        self.sources = sources;
        self.see_to_folders()
    }

    /// Completes when something has changed, and it has been quiet since.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Some(path) if self.is_of_interest(&path) => break,
                Some(_) => {}
                None => return std::future::pending().await,
            }
        }
        let last = Instant::now() + AT_MOST;
        let mut quiet = Instant::now() + QUIET;
        while let Ok(Some(path)) = timeout_at(quiet.min(last), self.changes.recv()).await {
            if self.is_of_interest(&path) {
                quiet = Instant::now() + QUIET;
            }
        }
    }

    fn is_of_interest(&self, path: &Path) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
            || (self.sources.have(path) && !self.is_known(path))
            || self.sources.lead_elsewhere()
    }

    /// From now on a lock that says this is no news. None: any change of it is.
    pub(super) fn know(&mut self, pins: Option<&Lock>) {
        self.pins = pins.cloned();
    }

    fn is_known(&self, path: &Path) -> bool {
        let lock = Lock::path_for(&self.flow);
        // The folder may be reached by two paths. Whether it is the file was looked at.
        path.file_name() == lock.file_name()
            && self
                .pins
                .as_ref()
                .is_some_and(|pins| Lock::load(&lock).is_ok_and(|now| now == *pins))
    }

    /// Watches the folders of all sources, also those that have come since, or were removed
    /// and made again.
    fn see_to_folders(&mut self) -> Result<(), WatchError> {
        let folders = self.sources.folders()?;
        for folder in self.watched.difference(&folders) {
            // It may be gone.
            let _ = self.watcher.unwatch(folder);
        }
        for folder in &folders {
            let watched = self.watcher.watch(folder, RecursiveMode::NonRecursive);
            match watched {
                // Gone since it was found.
                Err(_) if !folder.exists() => {}
                watched => watched.map_err(|source| WatchError::Folder {
                    folder: folder.clone(),
                    source,
                })?,
            }
        }
        self.watched = folders;
        Ok(())
    }
}

impl Sources {
    fn add(&mut self, entry: &ExecutorEntry) {
        if let Uses::Path { path, .. } = &entry.uses {
            match path.is_dir() {
                true => drop(self.crates.insert(real(path))),
                false => self.add_file(path),
            }
        }
        let around = [&entry.uses_before, &entry.uses_after];
        for entry in around.into_iter().flatten() {
            self.add(entry);
        }
    }

    /// A file, by its own name and as what that leads to.
    fn add_file(&mut self, path: &Path) {
        let own = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let real = real(path);
        if own != real {
            self.links.insert(own.clone(), real.clone());
        }
        self.files.extend([own, real]);
    }

    /// Whether links lead somewhere else by now.
    fn lead_elsewhere(&self) -> bool {
        let mut links = self.links.iter();
        links.any(|(link, before)| real(link) != *before)
    }

    /// Whether this is one of them, or a folder that one of them is to be in.
    fn have(&self, path: &Path) -> bool {
        let in_crate = |folder: &PathBuf| {
            path.strip_prefix(folder)
                .is_ok_and(|inside| inside.iter().all(|name| is_source(Path::new(name))))
        };
        let is_file = self.files.iter().any(|file| file.starts_with(path));
        (is_file && !path.as_os_str().is_empty()) || self.crates.iter().any(in_crate)
    }

    /// The folders that they are in.
    fn folders(&self) -> Result<BTreeSet<PathBuf>, WatchError> {
        let mut folders: BTreeSet<PathBuf> = self
            .files
            .iter()
            // If it is not there, the nearest one above it, where it would come to be.
            .filter_map(|file| file.ancestors().skip(1).find(|folder| folder.is_dir()))
            .map(Path::to_owned)
            .collect();
        // Where links are, also those in the middle of a path.
        let on_the_way = self.links.keys().flat_map(|link| link.ancestors());
        let links = on_the_way.filter(|path| path.is_symlink());
        folders.extend(links.filter_map(Path::parent).map(Path::to_owned));
        for root in &self.crates {
            let mut found = vec![root.clone()];
            while let Some(folder) = found.pop() {
                let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
                let inner = entries
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path())
                    .filter(|path| {
                        path.file_name()
                            .is_some_and(|name| is_source(name.as_ref()))
                    });
                found.extend(inner);
                folders.insert(folder);
                if folders.len() + found.len() > WATCHED_FOLDERS {
                    return Err(WatchError::TooMany(root.clone()));
                }
            }
        }
        Ok(folders)
    }
}

/// Whether a name inside a crate's folder may be that of a source. What cargo writes
/// there by itself is none, nor what editors and version control do.
fn is_source(name: &Path) -> bool {
    let name = name.to_string_lossy();
    !(name.starts_with('.') || name.ends_with('~') || name == "target" || name == "Cargo.lock")
}

/// The path as the system reports it.
fn real(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::whole_file::tests::Folder;

    fn flow(folder: &Folder, uses: &str) -> (PathBuf, Manifest) {
        let path = folder.0.join("flow.toml");
        fs::write(
            &path,
            format!("[[executors]]\nname = \"e\"\nuses = \"{uses}\"\n"),
        )
        .unwrap();
        let manifest = Manifest::load(&path).unwrap();
        (path, manifest)
    }

    /// Whether a change is noticed within a second.
    async fn is_noticed(watch: &mut Watch, act: impl FnOnce()) -> bool {
        act();
        let waited = tokio::time::timeout(Duration::from_secs(5), watch.changed());
        waited.await.is_ok()
    }

    async fn is_passed_over(watch: &mut Watch, act: impl FnOnce()) -> bool {
        act();
        let waited = tokio::time::timeout(Duration::from_millis(500), watch.changed());
        waited.await.is_err()
    }

    #[tokio::test]
    async fn what_a_crate_is_made_from_is_noticed_and_what_cargo_writes_is_not() {
        let folder = Folder::new("watch-crate");
        let at = |path: &str| folder.0.join(path);
        for inner in ["e/src/inner", "e/target/release", "e/.git", "other"] {
            fs::create_dir_all(at(inner)).unwrap();
        }
        fs::write(at("e/target/release/e.wasm"), "").unwrap();
        let other = at("other/lib.rs")
            .canonicalize()
            .unwrap_or(at("other/lib.rs"));
        fs::write(&other, "").unwrap();
        let rule = format!("e.wasm: {}", real(&other).display());
        fs::write(at("e/target/release/e.d"), rule).unwrap();
        let built = Built::default();
        let component = at("e/target/release/e.wasm");
        built.lock().unwrap().insert(real(&at("e")), component);
        let (path, manifest) = flow(&folder, "e");
        let mut watch = Watch::new(&path, built).unwrap();
        watch.follow(&manifest).unwrap();

        let write = |path: &'static str| {
            let path = at(path);
            move || fs::write(path, "changed").unwrap()
        };
        assert!(is_noticed(&mut watch, write("flow.toml")).await);
        assert!(is_noticed(&mut watch, write("e/src/inner/a.rs")).await);
        assert!(is_noticed(&mut watch, write("e/Cargo.toml")).await);
        assert!(is_noticed(&mut watch, write("other/lib.rs")).await);
        for path in [
            "e/Cargo.lock",
            "e/src/.lib.rs.swp",
            "e/src/lib.rs~",
            "e/target/x",
            "z.toml",
        ] {
            assert!(is_passed_over(&mut watch, write(path)).await, "{path}");
        }
        // A folder that has come is watched as soon as the flow is looked at again.
        let new = at("e/src/new");
        assert!(is_noticed(&mut watch, || fs::create_dir(&new).unwrap()).await);
        watch.follow(&manifest).unwrap();
        assert!(is_noticed(&mut watch, write("e/src/new/b.rs")).await);
    }

    /// A lock that this process has just written is no reason to load the flow again.
    #[tokio::test]
    async fn a_lock_that_says_what_is_known_is_passed_over() {
        let folder = Folder::new("watch-lock");
        let (path, manifest) = flow(&folder, "e.wasm");
        let mut watch = Watch::new(&path, Built::default()).unwrap();
        watch.follow(&manifest).unwrap();
        let lock = Lock::path_for(&path);
        let write = |text: String| {
            let lock = lock.clone();
            move || fs::write(lock, text).unwrap()
        };
        let known = Lock::default();
        watch.know(Some(&known));
        assert!(is_passed_over(&mut watch, write(known.to_text())).await);
        assert!(is_noticed(&mut watch, write("changed".to_owned())).await);
        watch.know(None);
        assert!(is_noticed(&mut watch, write(known.to_text())).await);
    }

    #[tokio::test]
    async fn a_component_that_is_put_in_its_place_is_noticed_once() {
        let folder = Folder::new("watch-file");
        let at = |path: &str| folder.0.join(path);
        fs::write(at("e.wasm"), "old").unwrap();
        let (path, manifest) = flow(&folder, "e.wasm");
        let mut watch = Watch::new(&path, Built::default()).unwrap();
        watch.follow(&manifest).unwrap();
        let replaced = is_noticed(&mut watch, || {
            fs::write(at("new"), "new").unwrap();
            fs::rename(at("new"), at("e.wasm")).unwrap();
        });
        assert!(replaced.await);
        assert!(is_passed_over(&mut watch, || ()).await);
        assert!(is_noticed(&mut watch, || fs::remove_file(at("e.wasm")).unwrap()).await);
    }

    #[tokio::test]
    async fn a_folder_that_is_made_again_is_watched() {
        let folder = Folder::new("watch-again");
        let at = |path: &str| folder.0.join(path);
        fs::create_dir(at("dist")).unwrap();
        fs::write(at("dist/e.wasm"), "old").unwrap();
        let (path, manifest) = flow(&folder, "dist/e.wasm");
        let mut watch = Watch::new(&path, Built::default()).unwrap();
        watch.follow(&manifest).unwrap();
        assert!(is_noticed(&mut watch, || fs::remove_dir_all(at("dist")).unwrap()).await);
        watch.follow(&manifest).unwrap();
        assert!(is_noticed(&mut watch, || fs::create_dir(at("dist")).unwrap()).await);
        watch.follow(&manifest).unwrap();
        let write = || fs::write(at("dist/e.wasm"), "new").unwrap();
        assert!(is_noticed(&mut watch, write).await);
    }

    /// As a mounted configuration is replaced.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_noticed() {
        let folder = Folder::new("watch-link");
        let at = |path: &str| folder.0.join(path);
        for release in ["one", "two"] {
            fs::create_dir(at(release)).unwrap();
            fs::write(at(release).join("e.wasm"), release).unwrap();
        }
        let link = |to: &str| {
            let new = at("new");
            std::os::unix::fs::symlink(at(to), &new).unwrap();
            fs::rename(new, at("current")).unwrap();
        };
        link("one");
        let (path, manifest) = flow(&folder, "current/e.wasm");
        let mut watch = Watch::new(&path, Built::default()).unwrap();
        watch.follow(&manifest).unwrap();
        assert!(is_noticed(&mut watch, || link("two")).await);
    }
}
