//! The `[gateway.tls]` and `[gateway.auth]` tables: who gets in to a gateway.

use std::ops::Range;
use std::path::{Path, PathBuf};

use wasm_flow_contract::door::Tokens;

use crate::entry::{Entry, key_or};
use crate::late::DoorKey;
use crate::problems::Problems;
use crate::report::Problem;
use crate::tables::{GatewayAuthTable, GatewayTlsTable};
use crate::uses::Pem;

/// Who gets in to a gateway. Nothing has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoorFiles {
    /// What its connections are secured with. None: they are not.
    pub tls: Option<ServerTlsFiles>,
    /// The tokens that it takes. None: it wants none.
    pub tokens: Option<TokensFrom>,
}

/// What a gateway's connections are secured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsFiles {
    /// Its certificate.
    pub cert: Pem,
    /// The key of that.
    pub key: Pem,
    /// The certificates of the authorities that a client's has to come from.
    pub client_ca: Option<Pem>,
}

/// Where a gateway's tokens are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokensFrom {
    /// As they stand in the file, which may have them from environment variables.
    Text(Tokens),
    /// A file that they are in, one on a line.
    File(PathBuf),
}

/// Where the keys of a door are.
#[derive(Debug, Clone, Default)]
pub(crate) struct DoorSpans {
    cert: Range<usize>,
    key: Range<usize>,
    client_ca: Range<usize>,
    tokens: Range<usize>,
}

impl DoorSpans {
    pub(crate) fn of(&self, key: DoorKey) -> &Range<usize> {
        match key {
            DoorKey::Cert => &self.cert,
            DoorKey::Key => &self.key,
            DoorKey::ClientCa => &self.client_ca,
            DoorKey::Tokens => &self.tokens,
        }
    }
}

/// The door of a `[gateway]` table, which is at `gateway`, and where it is. Paths are
/// relative to `folder`.
pub(crate) fn read(
    problems: &mut Problems,
    tls: Option<Entry<GatewayTlsTable>>,
    auth: Option<Entry<GatewayAuthTable>>,
    folder: &Path,
    gateway: &Range<usize>,
) -> (DoorFiles, DoorSpans) {
    let tls_span = key_or(tls.as_ref(), gateway);
    let auth_span = key_or(auth.as_ref(), gateway);
    let GatewayTlsTable {
        cert,
        key,
        client_ca,
    } = tls.map(|tls| tls.value).unwrap_or_default();
    let spans = DoorSpans {
        cert: key_or(cert.as_ref(), &tls_span),
        key: key_or(key.as_ref(), &tls_span),
        client_ca: key_or(client_ca.as_ref(), &tls_span),
        tokens: auth.as_ref().map_or_else(
            || auth_span.clone(),
            |auth| tokens_span(&auth.value, &auth_span),
        ),
    };
    let pem = |entry: Entry<String>| Pem::read(entry.value, folder);
    let files = DoorFiles {
        // If one of the two is missing, that has been reported.
        tls: cert.zip(key).map(|(cert, key)| ServerTlsFiles {
            cert: pem(cert),
            key: pem(key),
            client_ca: client_ca.map(pem),
        }),
        tokens: auth.and_then(|auth| tokens(problems, auth, folder)),
    };
    (files, spans)
}

fn tokens_span(table: &GatewayAuthTable, around: &Range<usize>) -> Range<usize> {
    match &table.token {
        Some(token) => token.key.clone(),
        None => key_or(table.token_file.as_ref(), around),
    }
}

fn tokens(
    problems: &mut Problems,
    table: Entry<GatewayAuthTable>,
    folder: &Path,
) -> Option<TokensFrom> {
    const HELP: &str = "name the file that they are in, one on a line: token_file = \"tokens.txt\"; \
                        or take it from a variable: token = \"${TOKEN}\"";
    let GatewayAuthTable { token, token_file } = table.value;
    match (token, token_file) {
        (Some(_), Some(file)) => {
            problems.report(
                Problem::new(file.key, "there are `token` and `token_file`")
                    .help("put all tokens into one of them, and leave the other one out"),
            );
            None
        }
        (None, Some(file)) if file.value.trim().is_empty() => {
            problems.report(Problem::new(file.span, "`token_file` is empty").help(HELP));
            None
        }
        (None, Some(file)) => Some(TokensFrom::File(folder.join(file.value))),
        // A token that was refused has been reported.
        (Some(token), None) if !token.value.complete => None,
        (Some(token), None) => {
            let tokens = token.value.items.into_iter();
            match Tokens::new(tokens.map(toml::Spanned::into_inner).collect()) {
                Ok(tokens) => Some(TokensFrom::Text(tokens)),
                Err(error) => {
                    problems.report(Problem::new(token.key, error.to_string()).help(HELP));
                    None
                }
            }
        }
        (None, None) => {
            let title = "[gateway.auth] names no token";
            problems.report(Problem::new(table.key, title).help(HELP));
            None
        }
    }
}
