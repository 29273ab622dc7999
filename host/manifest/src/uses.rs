//! What an executor is made from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wasm_flow_contract::hub::Reference;
use wasm_flow_contract::remote::{RemoteAddress, Secret};

/// What `uses` may be, for a person.
pub(crate) const ALLOWED: &str =
    "allowed: the folder of a crate, a .wasm file, oci://registry/name:tag, or grpc://host:port";

/// What an executor is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A crate's folder, to be built first, or a component. Neither its kind nor
    /// its existence has been checked.
    Path {
        /// The path as the file has it.
        written: String,
        /// The path as seen from the working directory.
        path: PathBuf,
    },
    /// A component in a registry.
    Hub(Reference),
    /// It runs elsewhere.
    Remote(Box<Remote>),
}

impl Uses {
    /// Whether its instances run in this process.
    pub fn is_here(&self) -> bool {
        !matches!(self, Uses::Remote(_))
    }

    /// The same, with its path resolved against `folder`.
    pub(crate) fn in_folder(self, folder: &Path) -> Uses {
        match self {
            Uses::Path { written, path } => Uses::Path {
                written,
                path: folder.join(path),
            },
            other @ (Uses::Hub(_) | Uses::Remote(_)) => other,
        }
    }
}

/// How a remote executor is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it is served.
    pub address: RemoteAddress,
    /// What its connections are secured with.
    pub tls: TlsFiles,
    /// What goes along with every call, as `authorization: Bearer <token>`.
    pub token: Option<Token>,
    /// The wall-clock bound of a try at one address.
    pub timeout_send: Option<Duration>,
}

/// What a remote executor gets with every call. Nothing has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// As it stands in the file, which may have it from an environment variable.
    Text(Secret),
    /// A file that it is in.
    File(PathBuf),
}

/// Certificates and keys. Nothing has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// Those of the authorities that are trusted.
    pub ca: Option<Pem>,
    /// The certificate to show, and its key.
    pub identity: Option<(Pem, Pem)>,
}

/// A certificate or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// As it stands in the file, which has it from an environment variable.
    Text(Secret),
    /// A file that it is in.
    File(PathBuf),
}

impl Pem {
    pub(crate) fn read(text: String, folder: &Path) -> Pem {
        match text.contains("-----BEGIN") {
            true => Pem::Text(Secret::new(text)),
            false => Pem::File(folder.join(text)),
        }
    }
}
