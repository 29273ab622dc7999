//! Servers with TLS. The registry itself is on this machine, and so without; it leads to
//! one that is.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

/// The variable with a file of authorities that are trusted.
const TRUSTED: &str = "SSL_CERT_FILE";

/// A server's side of TLS for 127.0.0.1, and the authority that vouches for it.
fn acceptor() -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

/// A registry that leads to this address for its blobs.
async fn leading(to: String) -> Server {
    let content = executor();
    let answer = move |request: &Seen| match request.path.contains("/blobs/") {
        true => Answer::redirect(to.clone()),
        false => content.answer(request),
    };
    Server::start(answer).await
}

/// Runs the test again in a process that trusts what is in a file, because a process
/// reads the variable once.
fn again(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TRUSTED, folder.path().join("authorities.pem"))
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[tokio::test]
async fn an_authority_is_trusted_if_the_system_says_so() {
    let (acceptor, authority) = acceptor();
    let trusted = std::env::var_os(TRUSTED).map(PathBuf::from);
    let trusted = trusted.filter(|path| !path.exists());
    if let Some(path) = &trusted {
        std::fs::write(path, authority).unwrap();
    }
    let storage = Server::start_with(Some(acceptor), |request| match request.path.as_str() {
        "/back" => Answer::redirect("http://127.0.0.1:1/there"),
        _ => Answer::ok(COMPONENT),
    });
    let storage = storage.await;
    let place = place();
    let accept = Anything::default();
    let server = leading(format!("https://{}/there", storage.address)).await;
    let pulled = place.hub.pull(&server.reference(":1.0"), &accept).await;
    if trusted.is_none() {
        let error = pulled.map(|pulled| pulled.digest).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable);
        let text = error.to_string();
        assert!(text.contains("invalid peer certificate"), "{text}");
        assert!(text.contains("SSL_CERT_FILE"), "{text}");
        assert!(storage.seen().is_empty());
        again("tests::tls::an_authority_is_trusted_if_the_system_says_so");
        return;
    }
    assert_eq!(pulled.unwrap().component, COMPONENT);
    assert_eq!(storage.lines(), ["GET /there"]);

    // From there, not to an address without TLS.
    let server = leading(format!("https://{}/back", storage.address)).await;
    let place = server::place();
    let error = place.hub.pull(&server.reference(":1.0"), &accept).await;
    let text = error.map(|pulled| pulled.digest).unwrap_err().to_string();
    assert!(
        text.contains("without TLS, from an address with TLS"),
        "{text}"
    );
}
