//! One repository of a registry, over the network.

use url::Url;
use wasm_flow_contract::hub::{Digest, Repository};

use super::client::Client;
use super::error::{Problem, RegistryError};
use super::redirect::Misled;

/// What people call a registry that has another name. It leads to pages for people, and a
/// password would be taken for right by them.
const WEB_SITE: &str = "docker.io";

/// Which manifest of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// What the tag means now.
    Tag(&'a str),
    /// The one with this digest.
    Digest(Digest),
}

/// One repository of a registry, over the network.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    repository: Repository,
}

impl Remote {
    fn new(client: Client, repository: Repository) -> Remote {
        Remote { client, repository }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What messages call a manifest.
    pub(super) fn called(&self, version: Version<'_>) -> String {
        match version {
            Version::Tag(tag) => format!("{}:{tag}", self.repository),
            Version::Digest(digest) => format!("{}@{digest}", self.repository),
        }
    }

    pub(super) fn error(&self, problem: Problem) -> RegistryError {
        RegistryError::new(self.repository.to_string(), problem)
    }

    /// The address of the registry.
    pub(super) fn base(&self) -> Result<Url, Problem> {
        if self.repository.host() == WEB_SITE {
            return Err(Problem::WebSite);
        }
        let base = self.client.base(&self.repository);
        base.ok_or_else(|| Misled::Unreadable.into())
    }

    /// An address of this repository.
    pub(super) fn url(&self, rest: &str) -> Result<Url, Problem> {
        let path = self.repository.path();
        let url = self.base()?.join(&format!("{path}/{rest}"));
        url.map_err(|_| Misled::Unreadable.into())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

impl Client {
    /// A repository, as it is reached.
    pub fn at(&self, repository: &Repository) -> Remote {
        Remote::new(self.clone(), repository.clone())
    }
}
