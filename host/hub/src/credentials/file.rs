//! Docker's file with credentials.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::helper::Helper;
use super::{CredentialsError, Login, Secret};
use crate::bounds::MAX_CREDENTIALS_FILE;

/// Some tools leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The file as it is: what is not understood here is kept when it is written.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    content: Map<String, Value>,
}

impl ConfigFile {
    /// Reads a file; one that is not there has nothing.
    pub(super) fn read(path: &Path) -> Result<ConfigFile, CredentialsError> {
        let failed = |error| CredentialsError::Io(path.to_owned(), error);
        let malformed = |why: &str| CredentialsError::Malformed(path.to_owned(), why.to_owned());
        let mut bytes = Vec::new();
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(file) => {
                let mut bounded = file.take(MAX_CREDENTIALS_FILE + 1);
                bounded.read_to_end(&mut bytes).map_err(failed)?;
            }
        }
        if bytes.len() as u64 > MAX_CREDENTIALS_FILE {
            return Err(malformed("it is larger than 4 MiB"));
        }
        let content = match bytes.trim_ascii() {
            [] => Map::new(),
            // The error could show a part of a secret.
            bytes => serde_json::from_slice(bytes)
                .map_err(|error| malformed(&format!("line {} is not JSON", error.line())))?,
        };
        let path = path.to_owned();
        Ok(ConfigFile { path, content })
    }

    /// The program that has the credentials of a registry, if it is not this file.
    pub(super) fn helper(&self, host: &str) -> Result<Option<Helper>, CredentialsError> {
        let named = self
            .entries("credHelpers")
            .find(|(key, _)| is_for(key, host));
        let named = named.map(|(_, name)| name);
        match named.or_else(|| self.content.get("credsStore")) {
            None => Ok(None),
            // As Docker has it: that registry, or all, without a helper.
            Some(Value::String(name)) if name.is_empty() => Ok(None),
            Some(Value::String(name)) => Helper::new(name, &self.path).map(Some),
            Some(_) => Err(self.malformed("the name of a helper is not a text")),
        }
    }

    /// What the file itself has for a registry.
    pub(super) fn login(&self, host: &str) -> Result<Option<Login>, CredentialsError> {
        let mut entries: Vec<_> = self
            .entries("auths")
            .filter(|(key, _)| is_for(key, host))
            .collect();
        // The key that is the host itself counts before the older forms.
        entries.sort_by_key(|(key, _)| *key != host);
        let Some((_, entry)) = entries.first() else {
            return Ok(None);
        };
        let text = |name| match entry.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        };
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Login::Token(Secret::new(token))));
        }
        let (user, password) = match (text("auth"), text("username"), text("password")) {
            (Some(auth), ..) => {
                let wrong = || self.malformed("an `auth` is not a name and a password in Base64");
                let pair = BASE64.decode(auth).map_err(|_| wrong())?;
                let pair = String::from_utf8(pair).map_err(|_| wrong())?;
                let (user, password) = pair.split_once(':').ok_or_else(wrong)?;
                // Some tools end it with zeroes.
                let password = password.trim_end_matches('\0');
                (user.to_owned(), Secret::new(password))
            }
            (None, Some(user), Some(password)) => (user.to_owned(), Secret::new(password)),
            // Docker leaves an empty entry for what a helper has.
            _ => return Ok(None),
        };
        Ok(Some(Login::Password { user, password }))
    }

    /// Puts a password into the file.
    pub(super) fn store(
        mut self,
        host: &str,
        user: &str,
        password: &Secret,
    ) -> Result<(), CredentialsError> {
        self.take_out(host)?;
        let auth = BASE64_STANDARD.encode(format!("{user}:{}", password.reveal()));
        let entry = serde_json::json!({ "auth": auth });
        let auths = self.content.entry("auths");
        match auths.or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(auths) => auths.insert(host.to_owned(), entry),
            _ => return Err(self.malformed("`auths` is not an object")),
        };
        self.write()
    }

    /// Takes a registry out of the file. Says whether it was in it.
    pub(super) fn erase(mut self, host: &str) -> Result<bool, CredentialsError> {
        match self.take_out(host)? {
            true => self.write().map(|()| true),
            false => Ok(false),
        }
    }

    fn take_out(&mut self, host: &str) -> Result<bool, CredentialsError> {
        match self.content.get_mut("auths") {
            None => Ok(false),
            Some(Value::Object(auths)) => {
                let before = auths.len();
                auths.retain(|key, _| !is_for(key, host));
                Ok(auths.len() < before)
            }
            Some(_) => Err(self.malformed("`auths` is not an object")),
        }
    }

    /// Writes the whole file, or leaves it as it was.
    fn write(&self) -> Result<(), CredentialsError> {
        let failed = |error| CredentialsError::Io(self.path.clone(), error);
        // It may be a link into a folder that is kept elsewhere.
        let path = std::fs::canonicalize(&self.path).or_else(|error| {
            // It may lead to a file that is not there yet.
            let target = std::fs::read_link(&self.path).map_err(|_| error)?;
            let above = self.path.parent().unwrap_or(Path::new(""));
            Ok::<_, io::Error>(above.join(target))
        });
        let path = path.unwrap_or_else(|_| self.path.clone());
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(failed)?;
        // Only its owner can read it, from the beginning.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut text = serde_json::to_string_pretty(&self.content)
            .map_err(|error| failed(io::Error::other(error)))?;
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(failed)?;
        #[cfg(unix)]
        if let Ok(old) = std::fs::metadata(&path) {
            use std::os::unix::fs::{MetadataExt as _, fchown};
            // Whoever is root for a moment does not take the file from its owner. Others
            // cannot give one away, and have no need to.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
        file.as_file().sync_all().map_err(failed)?;
        let kept = file.persist(path);
        kept.map(drop).map_err(|error| failed(error.error))
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        let object = self.content.get(name).and_then(Value::as_object);
        object.into_iter().flatten()
    }

    fn malformed(&self, why: &str) -> CredentialsError {
        CredentialsError::Malformed(self.path.clone(), why.to_owned())
    }
}

/// Whether a key of the file is for a registry. Older ones are addresses.
fn is_for(key: &str, host: &str) -> bool {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let (of, rest) = key.split_at(key.find('/').unwrap_or(key.len()));
    // Docker's own tools have its registry under another name.
    let of = match of.eq_ignore_ascii_case("index.docker.io") {
        true => "registry-1.docker.io",
        false => of,
    };
    of.eq_ignore_ascii_case(host) && matches!(rest.trim_end_matches('/'), "" | "/v1" | "/v2")
}
