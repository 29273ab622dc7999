//! Compiled code, kept for the next start.
//!
//! Compiled code is machine code that the host runs outside of any sandbox, so it
//! is taken back from the disk only if this user's own wasm-flow wrote it: the
//! folder is private, and each entry carries an HMAC under a random key that lies
//! there too. An entry that is damaged, cut short or foreign is compiled again and
//! replaced. Whoever can read the user's files can read the key; that person needs
//! no cache to run code as the user.
//!
//! Nothing here keeps an executor from starting: without a cache it is compiled.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use wasm_flow_contract::hub::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bounds::MAX_CACHE;
use crate::compiler::Compiled;

/// The variable with the folder to use instead of the user's cache.
const FOLDER_VARIABLE: &str = "WASM_FLOW_CACHE";

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// What an entry's name ends with.
const SUFFIX: &str = ".code";
const TEMPORARY: &str = ".new-";
/// A temporary file this old was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheError {
    #[error("none of {FOLDER_VARIABLE}, XDG_CACHE_HOME and HOME names a folder")]
    NoFolder,
    #[error("{} belongs to another user", .0.display())]
    Foreign(PathBuf),
    #[error("{} cannot be used: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
}

/// A folder of compiled code.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    most: u64,
}

impl Cache {
    /// The cache of the user that runs this process.
    pub(super) fn open() -> Result<Self, CacheError> {
        let absolute = |name| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let folder = match std::env::var_os(FOLDER_VARIABLE).filter(|path| !path.is_empty()) {
            // Not that folder itself: it may hold other things, and be shared.
            Some(folder) => PathBuf::from(folder).join("wasm-flow"),
            None => absolute("XDG_CACHE_HOME")
                .or_else(|| Some(absolute("HOME")?.join(".cache")))
                .ok_or(CacheError::NoFolder)?
                .join("wasm-flow")
                .join("code"),
        };
        Cache::at(folder, MAX_CACHE)
    }

    /// A cache in this folder of at most `most` bytes.
    fn at(folder: PathBuf, most: u64) -> Result<Self, CacheError> {
        let failed = |error| CacheError::Io(folder.clone(), error);
        let exposed = private_folder(&folder)?;
        let path = folder.join(KEY_FILE);
        if exposed {
            // Somebody may know the key, or have put one there.
            remove(&path).map_err(failed)?;
        }
        let key = match read_key(&path) {
            Ok(key) => key,
            Err(error) => {
                // The file that is there is not a key.
                if error.kind() != io::ErrorKind::NotFound {
                    remove(&path).map_err(failed)?;
                }
                make_key(&folder, &path).map_err(failed)?;
                // Another process may have been faster.
                read_key(&path).map_err(failed)?
            }
        };
        Ok(Cache { folder, key, most })
    }

    /// The component, compiled now or before.
    pub(super) fn component<E>(
        &self,
        engine: &Engine,
        digest: Digest,
        compile: impl FnOnce() -> Result<Component, E>,
    ) -> Result<Component, E> {
        let name = entry_name(engine, digest);
        if let Some(component) = self.read(engine, &name) {
            return Ok(component);
        }
        let component = compile()?;
        let written = component
            .serialize()
            .map_err(|error| error.to_string())
            .and_then(|code| self.write(&name, &code).map_err(|error| error.to_string()));
        match written {
            Ok(()) => tracing::debug!(entry = name, "kept compiled code"),
            Err(error) => tracing::warn!(
                folder = %self.folder.display(),
                error,
                "compiled code cannot be kept for the next start"
            ),
        }
        Ok(component)
    }

    fn read(&self, engine: &Engine, name: &str) -> Option<Component> {
        let path = self.folder.join(name);
        let file = File::open(&path).ok()?;
        let foreign = |reason: &str| {
            // It is replaced, so this is said once.
            tracing::warn!(
                entry = %path.display(),
                reason,
                "kept code is not used and will be compiled again"
            );
        };
        if file.metadata().ok()?.len() > self.most {
            foreign("it is larger than the cache may be");
            return None;
        }
        let mut bytes = Vec::new();
        (&file).take(self.most).read_to_end(&mut bytes).ok()?;
        let Some(code) = self.authenticated(name, &bytes) else {
            foreign("it was damaged, or not written by this user's wasm-flow");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => {
                // The oldest goes first, counted from its last use.
                let _ = file.set_modified(SystemTime::now());
                tracing::debug!(entry = name, "took compiled code from the cache");
                Some(component)
            }
            Err(error) => {
                foreign(&error.to_string());
                None
            }
        }
    }

    fn mac(&self, name: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        // An entry under another's name is foreign too.
        mac.update(name.as_bytes());
        Some(mac)
    }

    /// The code of an entry, if this cache wrote it under this name.
    fn authenticated<'a>(&self, name: &str, entry: &'a [u8]) -> Option<Authentic<'a>> {
        let (mac, code) = entry.split_at_checked(MAC_BYTES)?;
        let mut expected = self.mac(name)?;
        expected.update(code);
        expected.verify_slice(mac).ok()?;
        Some(Authentic(code))
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        if code.len() as u64 + MAC_BYTES as u64 > self.most {
            return Err(io::Error::other("it is larger than the cache may be"));
        }
        let mut mac = self
            .mac(name)
            .ok_or_else(|| io::Error::other("the key is not usable"))?;
        mac.update(code);
        let mac = mac.finalize().into_bytes();
        let temporary = write_new(&self.folder, &[mac.as_slice(), code])?;
        fs::rename(&temporary, self.folder.join(name))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        self.evict(name)
    }

    /// Removes the oldest entries until the rest has room, but not `newest`.
    fn evict(&self, newest: &str) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut total = 0u64;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(metadata) = entry.metadata() else {
                // Another process has just removed it.
                continue;
            };
            let modified = metadata.modified()?;
            let age = modified.elapsed().unwrap_or_default();
            if name.starts_with(TEMPORARY) && age > ABANDONED {
                remove(&entry.path())?;
            } else if name.ends_with(SUFFIX) {
                total = total.saturating_add(metadata.len());
                if name != newest {
                    entries.push((modified, metadata.len(), entry.path()));
                }
            }
        }
        entries.sort();
        for (_, size, path) in entries {
            if total <= self.most {
                break;
            }
            remove(&path)?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }
}

/// The component of code that a child of this process has compiled.
pub(super) fn of_child(engine: &Engine, compiled: &Compiled) -> wasmtime::Result<Component> {
    deserialize(engine, Authentic(compiled.code()))
}

/// Compiled code whose HMAC under the user's own key was right, or that came from a child of
/// this process.
struct Authentic<'a>(&'a [u8]);

#[expect(
    unsafe_code,
    reason = "the engine's way to take compiled code back; the one place of the host that needs it"
)]
fn deserialize(engine: &Engine, code: Authentic<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` wants bytes that `Component::serialize` or
    // `Engine::precompile_component` gave, unchanged. `Authentic` is made in two places.
    // `Cache::authenticated` makes it of bytes whose HMAC, under a key that only this user
    // can read, was right, and `Cache::write` makes that HMAC for nothing but the output of
    // `Component::serialize`. `of_child` makes it of a `Compiled`, which exists only for
    // what came over the pipe from a child that this process has started for it: whole, in
    // the form that only `compile_component` writes, and with the digest of the component
    // that it was given. That writes nothing else there but the output of
    // `Engine::precompile_component`. This rests on the program that was started being the
    // one that it is meant to be, and on the compiler not being taken over by a component
    // that it compiles: it would have this process, too, if it compiled here.
    // They are these bytes in memory, and not a file that could change after it was
    // checked. The engine itself refuses code of another version or for other settings.
    unsafe { Component::deserialize(engine, code.0) }
}

/// Names an entry after all that its code depends on: the component, and the
/// engine's version, target and settings.
fn entry_name(engine: &Engine, digest: Digest) -> String {
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine = hasher.0.finalize();
    let mut both = Sha256::new();
    both.update(engine);
    both.update(digest.as_bytes());
    let mut name = hex(&both.finalize());
    name.push_str(SUFFIX);
    name
}

/// SHA-256 behind the standard library's trait, which takes bytes; what `finish`
/// gives is not used.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates a private folder, or makes an existing one private. Says whether
/// others could write there, or read the key, before.
fn private_folder(folder: &Path) -> Result<bool, CacheError> {
    let failed = |error| CacheError::Io(folder.to_owned(), error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let found = fs::metadata(folder).map_err(failed)?;
        // A new file's owner is who runs this process.
        let probe = write_new(folder, &[]).map_err(failed)?;
        let ours = fs::metadata(&probe).map_err(failed)?.uid();
        remove(&probe).map_err(failed)?;
        if found.uid() != ours {
            return Err(CacheError::Foreign(folder.to_owned()));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
            tracing::warn!(
                folder = %folder.display(),
                "other users could read the folder of compiled code; it is private now, and \
                 everything is compiled again"
            );
            return Ok(true);
        }
    }
    Ok(false)
}

/// The key, if the file is one that only its owner can read.
fn read_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = file.metadata()?;
        if found.mode() & 0o077 != 0 {
            return Err(io::Error::other("others can read the key"));
        }
        // The folder is this user's: that was looked at before. A key of another's may
        // be one that the other knows.
        let folder = path.parent().map(fs::metadata).transpose()?;
        if folder.is_some_and(|folder| folder.uid() != found.uid()) {
            return Err(io::Error::other("the key is another user's"));
        }
    }
    let mut key = [0; KEY_BYTES];
    file.read_exact(&mut key)?;
    match file.read(&mut [0])? {
        0 => Ok(key),
        _ => Err(io::Error::other("the key is too long")),
    }
}

/// Makes a key, unless another process makes one at the same moment.
fn make_key(folder: &Path, path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let temporary = write_new(folder, &[&key])?;
    // Whole or not at all, and never over another's.
    let linked = fs::hard_link(&temporary, path);
    remove(&temporary)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A new file with this content that only its owner can read.
fn write_new(folder: &Path, content: &[&[u8]]) -> io::Result<PathBuf> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let path = folder.join(format!("{TEMPORARY}{}", hex(&random)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    let written = content.iter().try_for_each(|part| file.write_all(part));
    match written {
        Ok(()) => Ok(path),
        Err(error) => {
            remove(&path)?;
            Err(error)
        }
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn digest_of(wasm: &[u8]) -> Digest {
        Digest::new(Sha256::digest(wasm).into())
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("wasm-flow-cache-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }

        fn cache(&self) -> Cache {
            Cache::at(self.0.clone(), MAX_CACHE).unwrap()
        }

        fn entries(&self) -> Vec<PathBuf> {
            let mut entries: Vec<_> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.to_string_lossy().ends_with(SUFFIX))
                .collect();
            entries.sort();
            entries
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn compile(cache: &Cache) {
        let engine = Engine::default();
        let compile = || Component::from_binary(&engine, WASM);
        cache.component(&engine, digest_of(WASM), compile).unwrap();
    }

    /// Whether a component comes from the cache.
    fn kept(cache: &Cache, wasm: &[u8]) -> bool {
        let engine = Engine::default();
        cache
            .read(&engine, &entry_name(&engine, digest_of(wasm)))
            .is_some()
    }

    #[test]
    fn what_was_compiled_once_is_taken_from_the_cache() {
        let folder = Folder::new("kept");
        assert!(!kept(&folder.cache(), WASM));
        compile(&folder.cache());
        assert_eq!(folder.entries().len(), 1);
        assert!(kept(&folder.cache(), WASM), "by the next process too");
    }

    #[test]
    fn an_entry_with_any_byte_changed_or_cut_off_is_replaced() {
        let folder = Folder::new("damaged");
        compile(&folder.cache());
        let entry = folder.entries().remove(0);
        let good = fs::read(&entry).unwrap();
        let places = [0, 1, MAC_BYTES, good.len() / 2, good.len() - 1];
        let flipped = places.map(|place| {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            bytes
        });
        let cut = [0, 10, MAC_BYTES, good.len() - 1].map(|length| good[..length].to_vec());
        for bad in flipped.into_iter().chain(cut) {
            fs::write(&entry, &bad).unwrap();
            assert!(!kept(&folder.cache(), WASM));
            compile(&folder.cache());
            assert!(kept(&folder.cache(), WASM));
        }
    }

    #[test]
    fn an_entry_is_good_under_its_own_name_and_key_only() {
        let folder = Folder::new("foreign");
        let engine = Engine::default();
        let cache = folder.cache();
        compile(&cache);
        let entry = folder.entries().remove(0);
        let other = b"\0asm\x0d\0\x01\0\0\x01\0";
        fs::copy(&entry, folder.0.join(entry_name(&engine, digest_of(other)))).unwrap();
        assert!(!kept(&cache, other));
        fs::write(folder.0.join(KEY_FILE), [7; KEY_BYTES]).unwrap();
        assert!(!kept(&folder.cache(), WASM));
        // A key of another length is not usable, so a new one is made.
        fs::write(folder.0.join(KEY_FILE), [7; KEY_BYTES + 1]).unwrap();
        assert!(!kept(&folder.cache(), WASM));
        assert_eq!(fs::read(folder.0.join(KEY_FILE)).unwrap().len(), KEY_BYTES);
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_private_and_are_made_so_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = Folder::new("private");
        compile(&folder.cache());
        assert_eq!(mode(&folder.0), 0o700);
        for file in fs::read_dir(&folder.0).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        // The key may be known now, so nothing under it counts any more.
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!kept(&folder.cache(), WASM));
        assert_eq!(mode(&folder.0), 0o700);
        compile(&folder.cache());
        fs::set_permissions(folder.0.join(KEY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!kept(&folder.cache(), WASM));
        assert_eq!(mode(&folder.0.join(KEY_FILE)), 0o600);
    }

    #[test]
    fn the_oldest_entries_go_when_there_is_no_room() {
        let folder = Folder::new("evict");
        let cache = Cache::at(folder.0.clone(), 1000).unwrap();
        let name = |n: u8| format!("{n}{SUFFIX}");
        for n in 0..3 {
            cache.write(&name(n), &[n; 300]).unwrap();
            let age = Duration::from_secs(60 * u64::from(10 - n));
            let file = File::options()
                .write(true)
                .open(folder.0.join(name(n)))
                .unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        assert_eq!(folder.entries().len(), 3);
        cache.write(&name(3), &[3; 600]).unwrap();
        let left = [name(2), name(3)].map(|name| folder.0.join(name));
        assert_eq!(folder.entries(), left);
        assert!(cache.write(&name(4), &[4; 1000]).is_err());
        assert_eq!(folder.entries(), left);
    }

    #[test]
    fn processes_that_start_together_agree_on_the_key() {
        let folder = Folder::new("together");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| folder.cache().key)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        let files = fs::read_dir(&folder.0).unwrap().count();
        assert_eq!(files, 1, "nothing is left behind");
    }
}
