//! The files of an executor, such as a model's weights.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use wasm_flow_contract::hub::Digest;
use wasm_flow_contract::text::printable;

use super::{BadAssets, Descriptor, EMPTY_CONFIG, Manifest, annotation, media_type};
use crate::bounds::{
    MAX_ASSET, MAX_ASSET_FILES, MAX_ASSET_PART, MAX_ASSET_PATH, MAX_ASSETS, MAX_MANIFEST,
};
use crate::digest::Hasher;

/// The path of a file in its folder: relative, with slashes, and never out of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetPath(String);

/// A file of this machine that is to be pushed.
#[derive(Debug, Clone)]
pub struct AssetFile {
    pub(crate) path: AssetPath,
    pub(crate) file: PathBuf,
    pub(crate) described: Descriptor,
}

/// The files of an executor, as their manifest has them.
#[derive(Debug, Clone)]
pub struct AssetList(BTreeMap<AssetPath, Descriptor>);

impl AssetPath {
    /// A path, if it is one that is used.
    ///
    /// # Errors
    /// When it is not relative, could lead out of its folder, or is none that every
    /// system has.
    pub fn new(path: &str) -> Result<AssetPath, BadAssets> {
        let no = |why| Err(BadAssets::Path(path.to_owned(), why));
        if path.len() > MAX_ASSET_PATH {
            return no("it has over 1024 bytes");
        }
        if path.starts_with('/') {
            return no("it is absolute");
        }
        if path.contains('\\') {
            return no("it has a backslash");
        }
        if printable(path) != path {
            return no("it has a character that a terminal would act on");
        }
        for part in path.split('/') {
            match part {
                "" => return no("a part of it is empty"),
                "." | ".." => return no("it has `.` or `..` as a part"),
                _ if part.len() > MAX_ASSET_PART => return no("a part of it has over 255 bytes"),
                _ => {}
            }
            // Such as `C:` of other systems.
            let mut parts = Path::new(part).components();
            if !matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            ) {
                return no("a part of it is not the name of a file");
            }
        }
        Ok(AssetPath(path.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it is in this folder.
    pub(crate) fn within(&self, folder: &Path) -> PathBuf {
        folder.join(self.0.split('/').collect::<PathBuf>())
    }

    /// The folders it is in.
    fn folders(&self) -> impl Iterator<Item = &str> {
        self.0
            .match_indices('/')
            .filter_map(|(end, _)| self.0.get(..end))
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AssetFile {
    /// All files of a folder and of the folders in it, by their paths. Each is read to
    /// know its digest.
    ///
    /// # Errors
    /// When there are none, too many or too large ones, when one cannot be read, or when
    /// something is a link or has a name that other systems do not have.
    pub fn of_folder(folder: &Path) -> Result<Vec<AssetFile>, BadAssets> {
        let mut files = Vec::new();
        let mut folders = vec![(folder.to_owned(), String::new())];
        let mut total = 0u64;
        while let Some((folder, prefix)) = folders.pop() {
            let failed = |error: std::io::Error| BadAssets::Io(folder.clone(), error.to_string());
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let file = entry.path();
                let Ok(name) = entry.file_name().into_string() else {
                    return Err(BadAssets::NotUnicode(file));
                };
                let path = format!("{prefix}{name}");
                // What a link leads to is somebody else's file, perhaps a secret one.
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    if path.len() > MAX_ASSET_PATH {
                        return Err(AssetPath::new(&path)
                            .err()
                            .unwrap_or(BadAssets::NotFile(file)));
                    }
                    folders.push((file, format!("{path}/")));
                } else if kind.is_file() {
                    let file = AssetFile::read(AssetPath::new(&path)?, file)?;
                    total = total.saturating_add(file.described.size);
                    files.push(file);
                    check_bounds(files.len(), total)?;
                } else {
                    return Err(BadAssets::NotFile(file));
                }
            }
        }
        if files.is_empty() {
            return Err(BadAssets::None(folder.to_owned()));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn read(path: AssetPath, file: PathBuf) -> Result<AssetFile, BadAssets> {
        let failed = |error: std::io::Error| BadAssets::Io(file.clone(), error.to_string());
        let mut open = File::open(&file).map_err(failed)?;
        let mut hasher = Hasher::default();
        let mut size = 0u64;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = open.read(&mut buffer).map_err(failed)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                break;
            };
            hasher.update(read);
            size = size.saturating_add(count as u64);
            check_one(path.as_str(), size)?;
        }
        let title = (annotation::TITLE.to_owned(), path.0.clone());
        let described = Descriptor {
            media_type: media_type::FILE.to_owned(),
            digest: hasher.finish(),
            size,
            artifact_type: None,
            annotations: BTreeMap::from([title]),
        };
        Ok(AssetFile {
            path,
            file,
            described,
        })
    }

    /// The file's path in its folder.
    pub fn path(&self) -> &AssetPath {
        &self.path
    }

    /// The file's digest.
    pub fn digest(&self) -> Digest {
        self.described.digest
    }

    /// The file's bytes.
    pub fn size(&self) -> u64 {
        self.described.size
    }
}

impl AssetList {
    /// The manifest of these files.
    pub(crate) fn manifest(files: &[AssetFile]) -> Result<Manifest, BadAssets> {
        let layers = files.iter().map(|file| file.described.clone()).collect();
        let config = Descriptor::of(media_type::EMPTY, EMPTY_CONFIG);
        let mut manifest = Manifest::new(config, layers);
        manifest.artifact_type = Some(media_type::ASSETS.to_owned());
        // What would be refused when it is pulled.
        AssetList::of(&manifest, Digest::new([0; 32]))?;
        let (size, most) = (manifest.write().1.size, MAX_MANIFEST);
        match size > most {
            true => Err(BadAssets::LongList { size, most }),
            false => Ok(manifest),
        }
    }

    /// The files that a manifest has.
    pub(crate) fn of(manifest: &Manifest, digest: Digest) -> Result<AssetList, BadAssets> {
        if manifest.artifact_type.as_deref() != Some(media_type::ASSETS) {
            let found = manifest.artifact_type.as_deref().unwrap_or("missing");
            let why = format!("its artifactType is {found}");
            return Err(BadAssets::NotAssets(digest, why));
        }
        let mut files = BTreeMap::new();
        let mut total = 0u64;
        for layer in &manifest.layers {
            let path = layer.annotations.get(annotation::TITLE);
            let path = AssetPath::new(path.ok_or(BadAssets::NoPath(layer.digest))?)?;
            check_one(path.as_str(), layer.size)?;
            total = total.saturating_add(layer.size);
            if files.insert(path.clone(), layer.clone()).is_some() {
                return Err(BadAssets::Twice(path.0));
            }
            check_bounds(files.len(), total)?;
        }
        let folders: BTreeSet<&str> = files.keys().flat_map(AssetPath::folders).collect();
        match files.keys().find(|path| folders.contains(path.as_str())) {
            Some(path) => Err(BadAssets::FileAndFolder(path.0.clone())),
            None => Ok(AssetList(files)),
        }
    }

    /// The files, and what is in them.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&AssetPath, &Descriptor)> {
        self.0.iter()
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        // It was bounded when the list was read.
        self.0.values().map(|file| file.size).sum()
    }
}

fn check_one(path: &str, size: u64) -> Result<(), BadAssets> {
    let most = MAX_ASSET;
    match size > most {
        true => Err(BadAssets::TooLarge {
            path: path.to_owned(),
            size,
            most,
        }),
        false => Ok(()),
    }
}

fn check_bounds(count: usize, size: u64) -> Result<(), BadAssets> {
    if count > MAX_ASSET_FILES {
        let most = MAX_ASSET_FILES;
        return Err(BadAssets::TooMany { count, most });
    }
    let most = MAX_ASSETS;
    match size > most {
        true => Err(BadAssets::TooLargeTogether { size, most }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        let long = format!("{}/a", "b".repeat(256));
        let longer = "a/".repeat(600);
        for path in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a\\b",
            "a\0",
            "a\nb",
            "a\u{9b}b",
            "a\u{202e}b",
            &long,
            &longer,
        ] {
            assert!(AssetPath::new(path).is_err(), "{path:?}");
        }
        for path in ["a", "a/b/c.bin", "...", "größe", ".hidden", &long[1..]] {
            let path = AssetPath::new(path).unwrap();
            let within = path.within(Path::new("/x"));
            assert_eq!(within, Path::new("/x").join(path.as_str()));
        }
    }

    fn manifest(files: &[(&str, u64)]) -> Manifest {
        let layers = files.iter().map(|(path, size)| {
            let mut layer = Descriptor::of(media_type::FILE, b"");
            layer.size = *size;
            let title = (annotation::TITLE.to_owned(), (*path).to_owned());
            layer.annotations.extend([title]);
            layer
        });
        let config = Descriptor::of(media_type::EMPTY, EMPTY_CONFIG);
        let mut manifest = Manifest::new(config, layers.collect());
        manifest.artifact_type = Some(media_type::ASSETS.to_owned());
        manifest
    }

    fn error(manifest: &Manifest) -> String {
        let digest = Digest::new([0; 32]);
        AssetList::of(manifest, digest).unwrap_err().to_string()
    }

    #[test]
    fn a_list_is_bounded_and_of_one_meaning() {
        let read = AssetList::of(
            &manifest(&[("a/b", 1), ("a.b", 2), ("c", 0)]),
            Digest::new([0; 32]),
        )
        .unwrap();
        assert_eq!(read.bytes(), 3);
        let paths: Vec<_> = read.files().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a.b", "a/b", "c"]);

        assert_eq!(
            error(&manifest(&[("a", 1), ("a", 1)])),
            "two assets have the path `a`"
        );
        assert!(error(&manifest(&[("a/b/c", 1), ("a/b", 1)])).contains("`a/b` is an asset, and"));
        assert!(error(&manifest(&[("a", MAX_ASSET + 1)])).contains("and may have 8589934592"));
        let three = [("a", MAX_ASSET), ("b", MAX_ASSET), ("c", 1)];
        assert!(error(&manifest(&three)).contains("together"));
        let names: Vec<_> = (0..=MAX_ASSET_FILES).map(|n| n.to_string()).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
        assert!(error(&manifest(&many)).contains("there may be 10000"));
        assert!(error(&manifest(&[("../a", 1)])).contains("a path that is not used"));
        let mut other = manifest(&[]);
        other.artifact_type = None;
        assert!(error(&other).contains("its artifactType is missing"));
        let mut nameless = manifest(&[("a", 1)]);
        nameless.layers[0].annotations.clear();
        assert!(error(&nameless).contains("has no path"));
    }

    #[test]
    fn a_folder_is_read_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            AssetFile::of_folder(folder.path()),
            Err(BadAssets::None(_))
        ));
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/c"), "abc").unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let files = AssetFile::of_folder(folder.path()).unwrap();
        let seen: Vec<_> = files
            .iter()
            .map(|file| (file.path().as_str(), file.size(), file.digest()))
            .collect();
        let expected = [
            ("a", 0, crate::digest_of(b"")),
            ("b/c", 3, crate::digest_of(b"abc")),
        ];
        assert_eq!(seen, expected);
        assert_eq!(AssetList::manifest(&files).unwrap().layers.len(), 2);
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
            let error = AssetFile::of_folder(folder.path()).unwrap_err();
            assert_eq!(error, BadAssets::NotFile(link));
        }
    }
}
