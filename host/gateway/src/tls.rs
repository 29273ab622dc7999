//! The server's side of TLS, from certificates and a key.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{
    CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig,
};
use wasm_flow_contract::door::ServerTls;

/// What a gateway's TLS is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPart {
    /// [`ServerTls::cert`].
    Cert,
    /// [`ServerTls::key`].
    Key,
    /// [`ServerTls::client_ca`].
    ClientCa,
}

/// Why certificates or a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ServerTlsError {
    /// Which of them.
    pub part: TlsPart,
    reason: String,
}

impl ServerTlsError {
    fn new(part: TlsPart, reason: impl fmt::Display) -> ServerTlsError {
        ServerTlsError {
            part,
            reason: reason.to_string(),
        }
    }
}

/// The only protocol that a gateway speaks.
const HTTP2: &[u8] = b"h2";

/// What makes TLS of a client's connection.
///
/// # Errors
/// If the certificates or the key are none, or do not belong together.
pub(super) fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, ServerTlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates(&tls.cert, TlsPart::Cert)?;
    let key = key(tls.key.reveal())?;
    let broken = |error: Error| ServerTlsError::new(TlsPart::Cert, error);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_cert_verifier(verifier(pem, provider)?),
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Why rustls does not take a certificate with its key.
fn unusable(error: Error) -> ServerTlsError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => ServerTlsError::new(
            TlsPart::Key,
            "the key is that of another certificate; name the key that the one in `cert` was \
             made with",
        ),
        Error::InvalidCertificate(CertificateError::BadEncoding) => ServerTlsError::new(
            TlsPart::Cert,
            "the certificate cannot be read: what is between its `-----` lines is none",
        ),
        Error::InvalidCertificate(_) => ServerTlsError::new(TlsPart::Cert, error),
        other => ServerTlsError::new(TlsPart::Key, format!("the key cannot be used: {other}")),
    }
}

/// What asks clients for certificates of these authorities.
fn verifier(
    pem: &str,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ServerTlsError> {
    let wrong = |reason: &dyn fmt::Display| {
        let reason = format!("the certificate of an authority cannot be read: {reason}");
        ServerTlsError::new(TlsPart::ClientCa, reason)
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, TlsPart::ClientCa)? {
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| wrong(&error))
}

/// The certificates of a text. There is at least one.
fn certificates(text: &str, part: TlsPart) -> Result<Vec<CertificateDer<'static>>, ServerTlsError> {
    let wrong = |reason: String| ServerTlsError::new(part, reason);
    let found = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong(format!("the certificate cannot be read: {error}")))?;
    if !found.is_empty() {
        return Ok(found);
    }
    Err(wrong(match text.contains("PRIVATE KEY-----") {
        true => "there is a private key, and no certificate".to_owned(),
        false => "there is no certificate, which has to be PEM: it begins with `-----BEGIN \
                  CERTIFICATE-----`"
            .to_owned(),
    }))
}

fn key(text: &str) -> Result<PrivateKeyDer<'static>, ServerTlsError> {
    let is_encrypted = text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED");
    if is_encrypted {
        let reason = "the private key is encrypted; `openssl pkey` gives one that is not";
        return Err(ServerTlsError::new(TlsPart::Key, reason));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound if text.contains("-----BEGIN CERTIFICATE-----") => {
                "there is a certificate, and no private key".to_owned()
            }
            pem::Error::NoItemsFound => "there is no private key, which has to be PEM: it begins \
                                         with `-----BEGIN PRIVATE KEY-----`"
                .to_owned(),
            // rustls says of a text what is wrong with its lines, and may show one.
            _ => "the private key cannot be read: its PEM is damaged".to_owned(),
        };
        ServerTlsError::new(TlsPart::Key, reason)
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use wasm_flow_contract::remote::Secret;

    use super::*;

    /// A certificate and its key.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        (certificate, key.serialize_pem())
    }

    fn error(cert: &str, key: &str, client_ca: Option<&str>) -> (TlsPart, String) {
        let made = acceptor(&ServerTls {
            cert: cert.to_owned(),
            key: Secret::new(key),
            client_ca: client_ca.map(str::to_owned),
        });
        let error = made.map(|_| ()).unwrap_err();
        (error.part, error.to_string())
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_part() {
        let (cert, key) = pair();
        let (_, other) = pair();
        let damaged = cert.replace("MII", "AAA");
        let cut: String = key.lines().take(2).collect::<Vec<_>>().join("\n");
        let encrypted = key.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE");
        for (cert, key, ca, part, said) in [
            ("", &*key, None, TlsPart::Cert, "there is no certificate"),
            (&*key, &*key, None, TlsPart::Cert, "a private key, and no"),
            (&*damaged, &*key, None, TlsPart::Cert, "certificate"),
            (&*cert, "x", None, TlsPart::Key, "there is no private key"),
            (&*cert, &*cert, None, TlsPart::Key, "and no private key"),
            (&*cert, &*cut, None, TlsPart::Key, "its PEM is damaged"),
            (&*cert, &*encrypted, None, TlsPart::Key, "is encrypted"),
            (&*cert, &*other, None, TlsPart::Key, "of another cert"),
            (&*cert, &*key, Some(""), TlsPart::ClientCa, "there is no"),
            (&*cert, &*key, Some(&*damaged), TlsPart::ClientCa, "certif"),
        ] {
            let (found, text) = error(cert, key, ca);
            assert_eq!(found, part, "{text}");
            assert!(text.contains(said), "{text}");
            let secret = other.lines().nth(1).unwrap();
            assert!(!text.contains(secret), "{text}");
            assert!(!text.contains(key.lines().nth(1).unwrap_or("none")));
        }
    }

    #[test]
    fn what_belongs_together_is_taken() {
        let (cert, key) = pair();
        for client_ca in [None, Some(cert.clone())] {
            let tls = ServerTls {
                cert: cert.clone(),
                key: Secret::new(key.clone()),
                client_ca,
            };
            let acceptor = acceptor(&tls).map(|acceptor| acceptor.config().alpn_protocols.clone());
            assert_eq!(acceptor, Ok(vec![b"h2".to_vec()]));
        }
    }
}
