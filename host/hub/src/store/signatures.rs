//! Signatures that were fetched, so that a second start needs no registry.
//!
//! They are kept as they came. Who reads them checks them against the digest of what
//! they sign, and with a key, so it does not matter who has written them.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wasm_flow_contract::hub::Digest;

use super::{Store, StoreError, TEMPORARY, entry, writer};
use crate::bounds::{MAX_SIGNATURE, MAX_SIGNATURES};
use crate::trust::RawSignature;

/// In the file, bytes are written in Base64.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Written {
    Bundle(String),
    Simple {
        payload: String,
        signature: String,
        #[serde(default)]
        has_certificate: bool,
    },
}

impl Store {
    fn signatures_of(&self, digest: Digest) -> PathBuf {
        self.signatures().join(digest.hex())
    }

    /// The signatures of the manifest with this digest, as they were last fetched;
    /// `None` if they never were.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_signatures(&self, digest: Digest) -> Result<Option<Vec<RawSignature>>, StoreError> {
        let path = self.signatures_of(digest);
        let failed = |error| StoreError::read(&path, error);
        // Base64 takes a third more, and each signature may have a second part.
        let most = 3 * MAX_SIGNATURES as u64 * MAX_SIGNATURE;
        let file = match entry::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // It is not followed, and nothing from here has put it there.
            Err(_) if entry::is_odd(&path) => return entry::remove(&path).map(|()| None),
            Err(error) => return Err(failed(error)),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return entry::remove(&path).map(|()| None);
        }
        // What is used is not pruned.
        let _ = file.set_modified(SystemTime::now());
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        let read = serde_json::from_slice::<Vec<Written>>(&bytes);
        // What cannot be read is fetched again.
        let read = read.ok().and_then(|read| {
            let read = read.into_iter().take(MAX_SIGNATURES);
            read.map(Written::read).collect()
        });
        Ok(read)
    }

    /// Keeps the signatures of the manifest with this digest.
    ///
    /// # Errors
    /// When there is no room, or the folder cannot be written to.
    pub fn write_signatures(
        &self,
        digest: Digest,
        signatures: &[RawSignature],
    ) -> Result<(), StoreError> {
        let folder = self.signatures();
        let written: Vec<_> = signatures.iter().map(Written::of).collect();
        let bytes = serde_json::to_vec(&written).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| {
            let temporary = tempfile::Builder::new()
                .prefix(TEMPORARY)
                .tempfile_in(&folder)?;
            io::Write::write_all(&mut temporary.as_file(), &bytes)?;
            // Else a crash may leave the name without the bytes.
            temporary.as_file().sync_all()?;
            temporary.persist(self.signatures_of(digest))?;
            writer::sync_folder(&folder);
            Ok(())
        });
        let needed = signatures.iter().map(RawSignature::size).sum();
        written.map_err(|error| StoreError::written(&folder, needed, error))
    }
}

impl Written {
    fn of(signature: &RawSignature) -> Written {
        match signature {
            RawSignature::Bundle(bytes) => Written::Bundle(BASE64_STANDARD.encode(bytes)),
            RawSignature::Simple {
                payload,
                signature,
                has_certificate,
            } => Written::Simple {
                payload: BASE64_STANDARD.encode(payload),
                signature: signature.clone(),
                has_certificate: *has_certificate,
            },
        }
    }

    fn read(self) -> Option<RawSignature> {
        let bytes = |text| BASE64_STANDARD.decode(text).ok().map(Bytes::from);
        Some(match self {
            Written::Bundle(text) => RawSignature::Bundle(bytes(text)?),
            Written::Simple {
                payload,
                signature,
                has_certificate,
            } => RawSignature::Simple {
                payload: bytes(payload)?,
                signature,
                has_certificate,
            },
        })
    }
}
