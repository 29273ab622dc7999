//! What `post` reaches a gateway over TLS with: certificates, a key and a token, from
//! files or from variables.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use wasm_flow_contract::remote::{Secret, TlsConfig};

use crate::pem;

/// What an address over TLS begins with.
const SECURE: &str = "grpcs://";

/// Only files: what stands on the command line itself is seen by every user of the
/// machine.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// The certificates of the authorities that the gateway's may come from, as PEM.
    /// Without it, those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show to the gateway, as PEM.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of that certificate, as PEM.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with the token to send with every call. Without it, the variable
    /// WASM_FLOW_TOKEN has the token; WASM_FLOW_CA, WASM_FLOW_CERT and WASM_FLOW_KEY name
    /// files as the options do, or have their text.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Why something of this cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {reason}")]
pub(super) struct CredentialError {
    /// The option or the variable.
    origin: Origin,
    reason: String,
    /// Whether the command line contradicts itself.
    pub(super) is_usage: bool,
}

/// Certificates, a key and a token.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) tls: TlsConfig,
    pub(super) token: Option<Secret>,
}

impl Args {
    /// Reads what there is for a gateway. Variables are for addresses over TLS alone:
    /// they may be set for another gateway.
    ///
    /// # Errors
    /// When something of it cannot be used.
    pub(super) fn read(&self, gateway: &str) -> Result<Credentials, CredentialError> {
        self.read_with(gateway, &|name| std::env::var_os(name))
    }

    fn read_with(
        &self,
        gateway: &str,
        variable: &Variables<'_>,
    ) -> Result<Credentials, CredentialError> {
        if !gateway.starts_with(SECURE) {
            let host = gateway.strip_prefix("grpc://").unwrap_or(gateway);
            return match self.given() {
                None => Ok(Credentials::default()),
                // Not an address at all: the client says what one is.
                Some(_) if host.contains("://") => Ok(Credentials::default()),
                Some(option) => Err(CredentialError {
                    is_usage: true,
                    ..Origin::Option(option).wrong(format!(
                        "`{gateway}` is an address without TLS; write {SECURE}{host}, or leave \
                         the option out"
                    ))
                }),
            };
        }
        let certificate = |option, path: &Option<PathBuf>, name| {
            let given = Given::find(option, path.as_ref(), name, variable);
            given.map(|given| given.certificates()).transpose()
        };
        let ca = certificate("--ca", &self.ca, "WASM_FLOW_CA")?;
        let certificate = certificate("--cert", &self.cert, "WASM_FLOW_CERT")?;
        let key = Given::find("--key", self.key.as_ref(), "WASM_FLOW_KEY", variable);
        let key = key.map(|given| given.key()).transpose()?;
        let identity = match (certificate, key) {
            (None, None) => None,
            (Some((_, certificate)), Some((_, key))) => Some((certificate, Secret::new(key))),
            (Some((origin, _)), None) => {
                let reason = "there is a certificate and no key; add `--key`, or WASM_FLOW_KEY";
                return Err(origin.wrong(reason));
            }
            (None, Some((origin, _))) => {
                let reason = "there is a key and no certificate; add `--cert`, or WASM_FLOW_CERT";
                return Err(origin.wrong(reason));
            }
        };
        Ok(Credentials {
            tls: TlsConfig {
                ca: ca.map(|(_, text)| text),
                identity,
            },
            token: self.token(variable)?,
        })
    }

    /// The first option that is given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            ("--ca", &self.ca),
            ("--cert", &self.cert),
            ("--key", &self.key),
            ("--token-file", &self.token_file),
        ];
        let given = options.into_iter().find(|(_, path)| path.is_some());
        given.map(|(option, _)| option)
    }

    fn token(&self, variable: &Variables<'_>) -> Result<Option<Secret>, CredentialError> {
        let (origin, text) = match &self.token_file {
            Some(path) => {
                let origin = Origin::Option("--token-file");
                let read = pem::read_token(path);
                (
                    origin,
                    read.map_err(|error| origin.unreadable(path, &error))?,
                )
            }
            None => {
                const NAME: &str = "WASM_FLOW_TOKEN";
                let Some(value) = set(variable, NAME) else {
                    return Ok(None);
                };
                // What is not text has no place in a header either.
                (Origin::Variable(NAME), value.to_string_lossy().into_owned())
            }
        };
        let place = self.token_file.as_deref();
        let place = place.map_or_else(|| "it".to_owned(), |path| path.display().to_string());
        let token = text.trim();
        if token.is_empty() {
            return Err(origin.wrong(format!("{place} is empty")));
        }
        match Secret::token(token) {
            Ok(token) => Ok(Some(token)),
            Err(error) => {
                let help = match origin {
                    Origin::Option(_) => "; the file is to hold the token alone, on one line",
                    Origin::Variable(_) => "",
                };
                Err(origin.wrong(format!("{place} is not a token: {error}{help}")))
            }
        }
    }
}

/// The environment: the value of a variable by its name.
type Variables<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// A variable that says something.
fn set(variable: &Variables<'_>, name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

/// Who says something.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Option(&'static str),
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Option(option) => write!(f, "`{option}`"),
            Origin::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

impl Origin {
    fn unreadable(self, path: &Path, error: &std::io::Error) -> CredentialError {
        let help = match self {
            Origin::Option(_) => "",
            Origin::Variable(_) => {
                "; set it to the path of a PEM file, or to the PEM text itself, which begins with \
                 `-----BEGIN`"
            }
        };
        self.wrong(format!("cannot read {}: {error}{help}", self.file(path)))
    }

    /// A file, for a sentence. What a variable holds may be the secret itself.
    fn file(self, path: &Path) -> String {
        match self {
            Origin::Option(_) => path.display().to_string(),
            Origin::Variable(_) => "the file that it names".to_owned(),
        }
    }

    fn wrong(self, reason: impl Into<String>) -> CredentialError {
        CredentialError {
            origin: self,
            reason: reason.into(),
            is_usage: false,
        }
    }
}

/// Certificates or a key, wherever they are.
struct Given {
    origin: Origin,
    pem: Pem,
}

enum Pem {
    File(PathBuf),
    Text(String),
}

impl Given {
    /// What the option says, or else the variable.
    fn find(
        option: &'static str,
        path: Option<&PathBuf>,
        name: &'static str,
        variable: &Variables<'_>,
    ) -> Option<Given> {
        if let Some(path) = path {
            return Some(Given {
                origin: Origin::Option(option),
                pem: Pem::File(path.clone()),
            });
        }
        let value = set(variable, name)?;
        Some(Given {
            origin: Origin::Variable(name),
            pem: match value.to_str() {
                Some(text) if text.contains("-----BEGIN") => Pem::Text(text.to_owned()),
                _ => Pem::File(value.into()),
            },
        })
    }

    fn read(&self) -> Result<String, CredentialError> {
        match &self.pem {
            Pem::Text(text) => Ok(text.clone()),
            Pem::File(path) => {
                pem::read(path).map_err(|error| self.origin.unreadable(path, &error))
            }
        }
    }

    /// Where it is, for a sentence.
    fn place(&self) -> String {
        match &self.pem {
            Pem::Text(_) => "it".to_owned(),
            Pem::File(path) => self.origin.file(path),
        }
    }

    fn certificates(&self) -> Result<(Origin, String), CredentialError> {
        let text = self.read()?;
        if text.contains("-----BEGIN CERTIFICATE-----") {
            return Ok((self.origin, text));
        }
        let place = self.place();
        Err(self.origin.wrong(match has_key(&text) {
            true => format!("there is a private key in {place}, and no certificate"),
            false => format!(
                "there is no certificate in {place}, which has to be PEM: it begins with \
                 `-----BEGIN CERTIFICATE-----`"
            ),
        }))
    }

    fn key(&self) -> Result<(Origin, String), CredentialError> {
        let text = self.read()?;
        let place = self.place();
        let is_encrypted = text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.contains("Proc-Type: 4,ENCRYPTED");
        if is_encrypted {
            return Err(self.origin.wrong(format!(
                "the private key in {place} is encrypted; `openssl pkey` gives one that is not"
            )));
        }
        if has_key(&text) {
            return Ok((self.origin, text));
        }
        let reason = match text.contains("-----BEGIN CERTIFICATE-----") {
            true => format!("there is a certificate in {place}, and no private key"),
            false => format!(
                "there is no private key in {place}, which has to be PEM: it begins with \
                 `-----BEGIN PRIVATE KEY-----`"
            ),
        };
        Err(self.origin.wrong(reason))
    }
}

/// `PRIVATE KEY`, `RSA PRIVATE KEY` and so on.
fn has_key(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n...";
    const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\n...";
    const GATEWAY: &str = "grpcs://localhost:1";

    /// With these files in a folder, and these variables.
    fn read(
        files: &[(&str, &[u8])],
        options: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Result<Credentials, String> {
        let folder = Folder::new(files);
        let option = |name: &str| {
            let mut found = options.iter().filter(|(option, _)| *option == name);
            found.next().map(|(_, file)| folder.0.join(file))
        };
        let args = Args {
            ca: option("ca"),
            cert: option("cert"),
            key: option("key"),
            token_file: option("token-file"),
        };
        let variable = |name: &str| {
            let mut found = variables.iter().filter(|(variable, _)| *variable == name);
            found.next().map(|(_, value)| OsString::from(*value))
        };
        let read = args.read_with(GATEWAY, &variable);
        let place = format!("{}/", folder.0.display());
        read.map_err(|error| error.to_string().replace(&place, ""))
    }

    /// A folder that goes with its guard.
    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[(&str, &[u8])]) -> Folder {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("wasm-flow-tls-{}-{count}", std::process::id());
            let folder = Folder(std::env::temp_dir().join(name));
            std::fs::create_dir_all(&folder.0).unwrap();
            for (name, bytes) in files {
                std::fs::write(folder.0.join(name), bytes).unwrap();
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn options_come_before_variables() {
        let files: &[(&str, &[u8])] = &[
            ("ca.pem", CERTIFICATE.as_bytes()),
            ("key.pem", KEY.as_bytes()),
            ("token", b"hush\n"),
        ];
        let options = [
            ("ca", "ca.pem"),
            ("key", "key.pem"),
            ("token-file", "token"),
        ];
        let variables = [
            ("WASM_FLOW_CA", "no file"),
            ("WASM_FLOW_CERT", CERTIFICATE),
            ("WASM_FLOW_KEY", "no file"),
            ("WASM_FLOW_TOKEN", "other"),
        ];
        let read = read(files, &options, &variables).unwrap();
        assert_eq!(read.tls.ca.as_deref(), Some(CERTIFICATE));
        let identity = Some((CERTIFICATE.to_owned(), Secret::new(KEY)));
        assert_eq!(read.tls.identity, identity);
        assert_eq!(read.token, Some(Secret::new("hush")));
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let unset = [("WASM_FLOW_CA", ""), ("WASM_FLOW_TOKEN", "")];
        let read = read(&[], &[], &unset).unwrap();
        assert!(read.tls.ca.is_none() && read.tls.identity.is_none() && read.token.is_none());
    }

    #[test]
    fn variables_are_for_tls_alone_and_options_need_it() {
        let variable = |_: &str| Some(OsString::from("hush"));
        let read = Args::default().read_with("grpc://localhost:1", &variable);
        assert!(read.unwrap().token.is_none());
        let args = Args {
            token_file: Some("t".into()),
            ..Args::default()
        };
        for gateway in ["grpc://localhost:1", "localhost:1"] {
            let error = args.read_with(gateway, &variable).unwrap_err().to_string();
            let expected = format!(
                "`--token-file`: `{gateway}` is an address without TLS; write \
                 grpcs://localhost:1, or leave the option out"
            );
            assert_eq!(error, expected);
        }
        // What is no address at all is not sent anything: the client refuses it.
        for gateway in ["https://localhost:1", "grpc://https://localhost:1"] {
            let read = args.read_with(gateway, &variable);
            assert!(read.unwrap().token.is_none(), "{gateway}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_with_the_option_and_the_file() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
        let large = vec![b'x'; 10_000];
        let files: &[(&str, &[u8])] = &[
            ("cert.pem", CERTIFICATE.as_bytes()),
            ("key.pem", KEY.as_bytes()),
            ("encrypted.pem", encrypted.as_bytes()),
            ("der", &[0x30, 0x82, 0xff]),
            ("text", b"hello"),
            ("empty", b" \n"),
            ("lines", b"a\nb"),
            ("large", &large),
        ];
        let words = |options: &[(&str, &str)], variables: &[(&str, &str)]| {
            read(files, options, variables).unwrap_err()
        };
        let of = |option: &str, file: &str| words(&[(option, file)], &[]);
        let missing = of("ca", "none");
        assert!(
            missing.starts_with("`--ca`: cannot read none: "),
            "{missing}"
        );
        assert_eq!(
            of("ca", "der"),
            "`--ca`: cannot read der: not UTF-8 text, so it is not a certificate or a key in PEM"
        );
        assert_eq!(
            of("cert", "text"),
            "`--cert`: there is no certificate in text, which has to be PEM: it begins with \
             `-----BEGIN CERTIFICATE-----`"
        );
        assert_eq!(
            of("ca", "key.pem"),
            "`--ca`: there is a private key in key.pem, and no certificate"
        );
        assert_eq!(
            of("key", "cert.pem"),
            "`--key`: there is a certificate in cert.pem, and no private key"
        );
        assert_eq!(
            of("key", "encrypted.pem"),
            "`--key`: the private key in encrypted.pem is encrypted; `openssl pkey` gives one \
             that is not"
        );
        assert_eq!(
            of("cert", "cert.pem"),
            "`--cert`: there is a certificate and no key; add `--key`, or WASM_FLOW_KEY"
        );
        assert_eq!(
            words(&[], &[("WASM_FLOW_KEY", KEY)]),
            "the variable WASM_FLOW_KEY: there is a key and no certificate; add `--cert`, or \
             WASM_FLOW_CERT"
        );
        // What a variable has may be the key itself, in a form that is not read.
        let secret = words(&[], &[("WASM_FLOW_KEY", "LS0tLS1CRUdJTiBQUklW")]);
        assert!(!secret.contains("LS0t"), "{secret}");
        assert!(
            secret.contains("the variable WASM_FLOW_KEY: cannot read the file that it names"),
            "{secret}"
        );
        assert!(
            secret.ends_with(
                "; set it to the path of a PEM file, or to the PEM text itself, which begins with \
                 `-----BEGIN`"
            ),
            "{secret}"
        );
        let key = format!("Bag Attributes\n{KEY}");
        let with_bag = words(&[], &[("WASM_FLOW_KEY", &key)]);
        assert!(
            with_bag.contains("there is a key and no certificate"),
            "{with_bag}"
        );
        assert_eq!(of("token-file", "empty"), "`--token-file`: empty is empty");
        assert_eq!(
            of("token-file", "lines"),
            "`--token-file`: lines is not a token: a token is of visible ASCII characters; the \
             file is to hold the token alone, on one line"
        );
        assert_eq!(
            of("token-file", "large"),
            "`--token-file`: cannot read large: larger than 8 KiB, so it is not a token"
        );
        assert_eq!(
            words(&[], &[("WASM_FLOW_TOKEN", "t\u{f6}ken")]),
            "the variable WASM_FLOW_TOKEN: it is not a token: a token is of visible ASCII \
             characters"
        );
    }
}
