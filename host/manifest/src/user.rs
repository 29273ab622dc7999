//! The user's own configuration, for all flows: `config.toml`.

use std::io;
use std::path::Path;

use toml::de::DeTable;
use wasm_flow_contract::hub::HubConfig;

use crate::bounds::MAX_FILE;
use crate::hub;
use crate::problems::Problems;
use crate::reader;
use crate::tables::UserToml;
use crate::text::read_text;
use crate::{ManifestError, syntax_problem};

/// What a user has said for all flows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserConfig {
    /// Which registries executors may come from, and whose signatures are wanted.
    pub hub: HubConfig,
}

impl UserConfig {
    /// Reads a file. Without one, nothing is said.
    ///
    /// # Errors
    /// If it cannot be read, or with all that is wrong with it.
    pub fn load(path: &Path) -> Result<UserConfig, ManifestError> {
        let text = match read_text(path, MAX_FILE, "a config.toml") {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(UserConfig::default());
            }
            Err(source) => {
                return Err(ManifestError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let mut problems = Problems::default();
        let config = read(&mut problems, &text, path);
        if problems.count() == 0 {
            return Ok(config);
        }
        let report = problems.into_report(path.display().to_string(), text);
        Err(ManifestError::Invalid(Box::new(report)))
    }
}

fn read(problems: &mut Problems, text: &str, path: &Path) -> UserConfig {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let found = errors.iter().map(syntax_problem);
        found.for_each(|problem| problems.report(problem));
        return UserConfig::default();
    }
    let UserToml { hub } = reader::table(problems, document.get_ref(), 0..0);
    let folder = path.parent().unwrap_or(Path::new(""));
    let (hub, _) = hub::config(problems, hub, folder);
    UserConfig { hub }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_says_what_hub_says() {
        let folder = std::env::temp_dir().join(format!("wasm-flow-user-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("config.toml");
        assert_eq!(UserConfig::load(&path).unwrap(), UserConfig::default());
        fs::write(&path, "[hub]\nregistries = [\"registry.example.com\"]\n").unwrap();
        let read = UserConfig::load(&path).unwrap();
        assert_eq!(read.hub.registries.len(), 1);
        fs::write(&path, "[hub]\nregistry = \"registry.example.com\"\n").unwrap();
        let error = UserConfig::load(&path).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("config.toml:2:1"), "{error}");
        assert!(error.contains("did you mean `registries`?"), "{error}");
    }
}
