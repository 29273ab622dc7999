//! Who a user is at each registry, from where Docker and other tools keep it, too.

mod error;
mod file;
mod helper;
mod login;

use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

pub use error::CredentialsError;
pub use login::Login;
pub use wasm_flow_contract::remote::Secret;

use self::file::ConfigFile;

/// The files with the credentials of a user. They are read when they are needed, and
/// each time: somebody may have logged in meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The first that has a registry counts, and is the one that is written.
    files: Vec<PathBuf>,
}

impl Credentials {
    /// Those of the user that runs this process: the file that `REGISTRY_AUTH_FILE` names
    /// if that is set, then `config.json` in the folder that `DOCKER_CONFIG` names, or in
    /// `~/.docker`.
    pub fn of_user() -> Credentials {
        let variable = |name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let folder = variable("DOCKER_CONFIG")
            .or_else(|| Some(std::env::home_dir()?.join(".docker")))
            .filter(|folder| !folder.as_os_str().is_empty());
        let docker = folder.map(|folder| folder.join("config.json"));
        let files = variable("REGISTRY_AUTH_FILE").into_iter().chain(docker);
        Credentials {
            files: files.collect(),
        }
    }

    /// Those of one file, in Docker's form.
    pub fn of_file(file: impl Into<PathBuf>) -> Credentials {
        Credentials {
            files: vec![file.into()],
        }
    }

    /// None, and no place for any.
    pub fn none() -> Credentials {
        Credentials::default()
    }

    /// What is stored for a registry.
    ///
    /// # Errors
    /// When a file cannot be read, or a helper fails.
    pub async fn get(&self, host: &str) -> Result<Option<Login>, CredentialsError> {
        for path in &self.files {
            let file = read(path).await?;
            if let Some(helper) = file.helper(host)?
                && let Some(login) = helper.get(host).await?
            {
                return Ok(Some(login));
            }
            if let Some(login) = file.login(host)? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    /// Stores a password: by the helper that is configured for the registry, else in the
    /// file itself, as Docker does, where it can be read by whoever can read the file.
    ///
    /// # Errors
    /// When that fails, or when there is no place for it.
    pub async fn store(
        &self,
        host: &str,
        user: &str,
        password: &Secret,
    ) -> Result<(), CredentialsError> {
        // Behind a colon the password would begin.
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            return Err(CredentialsError::User);
        }
        let path = self.files.first().ok_or(CredentialsError::NoPlace)?;
        let file = read(path).await?;
        match file.helper(host)? {
            Some(helper) => {
                helper.store(host, user, password).await?;
                let (host, path) = (host.to_owned(), path.clone());
                blocking(&path.clone(), move || {
                    // Others may have written to it while the helper asked the user.
                    let file = ConfigFile::read(&path)?;
                    // An old password does not stay where it can be read. An empty entry, as
                    // Docker leaves it, has none.
                    match file.login(&host) {
                        Ok(None) => Ok(()),
                        _ => file.erase(&host).map(drop),
                    }
                })
                .await
            }
            None => {
                let (host, user, password) = (host.to_owned(), user.to_owned(), password.clone());
                blocking(path, move || file.store(&host, &user, &password)).await
            }
        }
    }

    /// Removes what is stored for a registry. Says whether there was something.
    ///
    /// # Errors
    /// When a file cannot be read or written, or a helper fails.
    pub async fn erase(&self, host: &str) -> Result<bool, CredentialsError> {
        let mut erased = false;
        for path in &self.files {
            let file = read(path).await?;
            if let Some(helper) = file.helper(host)?
                && helper.get(host).await?.is_some()
            {
                helper.erase(host).await?;
                erased = true;
            }
            let (host, file) = (host.to_owned(), path.clone());
            erased |= blocking(path, move || ConfigFile::read(&file)?.erase(&host)).await?;
        }
        Ok(erased)
    }
}

async fn read(path: &Path) -> Result<ConfigFile, CredentialsError> {
    let file = path.to_owned();
    blocking(path, move || ConfigFile::read(&file)).await
}

/// Waits for the disk off the threads of the asynchronous runtime: the file may be on a
/// network, or a pipe.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, CredentialsError> + Send + 'static,
) -> Result<T, CredentialsError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let error = std::io::Error::other(error);
        Err(CredentialsError::Io(path.to_owned(), error))
    })
}

#[cfg(test)]
mod tests;
