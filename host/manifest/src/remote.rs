//! The keys of an executor that runs elsewhere.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use wasm_flow_contract::remote::{RemoteAddress, Secret};

use crate::entry::Entry;
use crate::problems::Problems;
use crate::report::Problem;
use crate::tables::TlsTable;
use crate::uses::{Pem, Remote, TlsFiles, Token};

/// The keys that are about connections to another host.
pub(crate) struct RemoteKeys {
    pub(crate) timeout_send: Option<Entry<Duration>>,
    pub(crate) tls: Option<Entry<TlsTable>>,
    pub(crate) token: Option<Entry<Secret>>,
    pub(crate) token_file: Option<Entry<String>>,
}

impl RemoteKeys {
    /// The keys that are there, with their places.
    fn given(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> {
        let keys = [
            (
                "timeout_send",
                self.timeout_send.as_ref().map(|entry| &entry.key),
            ),
            ("tls", self.tls.as_ref().map(|entry| &entry.key)),
            ("token", self.token.as_ref().map(|entry| &entry.key)),
            (
                "token_file",
                self.token_file.as_ref().map(|entry| &entry.key),
            ),
        ];
        keys.into_iter()
            .filter_map(|(name, place)| Some((name, place?.clone())))
    }

    /// Reports those that are there, in the table of an executor that runs here.
    pub(crate) fn refuse(&self, problems: &mut Problems) {
        for (name, place) in self.given() {
            // The others are for connections that are secured.
            let (address, instead) = match name {
                "timeout_send" => (
                    "grpc://host:port",
                    "; for one that runs here, `timeout` bounds a call",
                ),
                _ => ("grpcs://host:port", ""),
            };
            problems.report(
                Problem::new(place, format!("`{name}` is for remote executors"))
                    .label("this one runs here")
                    .help(format!(
                        "leave it out, or write uses = \"{address}\"{instead}"
                    )),
            );
        }
    }

    /// What they say of a remote executor. Paths are relative to `folder`.
    pub(crate) fn remote(
        self,
        problems: &mut Problems,
        address: RemoteAddress,
        folder: &Path,
    ) -> Remote {
        if !address.is_secure() {
            let over_tls = self.given().filter(|(name, _)| *name != "timeout_send");
            for (name, place) in over_tls.collect::<Vec<_>>() {
                problems.report(
                    Problem::new(place, format!("`{name}` is for grpcs://"))
                        .label("connections to grpc:// are not secured")
                        .help(format!(
                            "write uses = \"{}\", or leave `{name}` out",
                            address.to_string().replacen("grpc://", "grpcs://", 1)
                        )),
                );
            }
        }
        Remote {
            address,
            tls: self
                .tls
                .map(|tls| read_tls(problems, tls.value, folder))
                .unwrap_or_default(),
            token: read_token(problems, self.token, self.token_file, folder),
            timeout_send: self.timeout_send.map(|entry| entry.value),
        }
    }
}

fn read_token(
    problems: &mut Problems,
    token: Option<Entry<Secret>>,
    file: Option<Entry<String>>,
    folder: &Path,
) -> Option<Token> {
    if let (Some(_), Some(file)) = (&token, &file) {
        problems.report(
            Problem::new(
                file.key.clone(),
                "there are `token` and `token_file`".to_owned(),
            )
            .help("one token goes along with a call: leave one of them out"),
        );
    }
    match file {
        Some(file) => Some(Token::File(folder.join(file.value))),
        None => token.map(|token| Token::Text(token.value)),
    }
}

fn read_tls(problems: &mut Problems, table: TlsTable, folder: &Path) -> TlsFiles {
    let TlsTable { ca, cert, key } = table;
    let all = [("ca", &ca), ("cert", &cert), ("key", &key)];
    for (name, entry) in all {
        if let Some(entry) = entry.as_ref().filter(|entry| entry.value.trim().is_empty()) {
            problems.report(
                Problem::new(entry.span.clone(), format!("`{name}` is empty"))
                    .help("name a file, or put the text of one into a variable: \"${NAME}\""),
            );
        }
    }
    let mut alone = |entry: &Entry<String>, name: &str, other: &str| {
        problems.report(
            Problem::new(
                entry.key.clone(),
                format!("there is `{name}` and no `{other}`"),
            )
            .help(format!(
                "a certificate is of use with its key: add `{other}`"
            )),
        );
    };
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => {
            Some((Pem::read(cert.value, folder), Pem::read(key.value, folder)))
        }
        (Some(cert), None) => {
            alone(&cert, "cert", "key");
            None
        }
        (None, Some(key)) => {
            alone(&key, "key", "cert");
            None
        }
        (None, None) => None,
    };
    TlsFiles {
        ca: ca.map(|ca| Pem::read(ca.value, folder)),
        identity,
    }
}

/// Reports keys that a remote executor cannot have: what it is made from and what it
/// may do is said where it is served.
pub(crate) fn refuse_local(problems: &mut Problems, given: &[(&str, Option<Range<usize>>)]) {
    for (name, place) in given {
        let Some(place) = place else {
            continue;
        };
        problems.report(
            Problem::new(
                place.clone(),
                format!("`{name}` is for executors that run here"),
            )
            .label("this one is remote")
            .help(format!(
                "leave it out: whoever serves the executor decides this{}",
                match *name {
                    "replicas" => ". Several addresses share its calls: grpc://a:5000,b:5000",
                    _ => "",
                }
            )),
        );
    }
}
