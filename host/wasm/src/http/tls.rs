//! TLS to servers that a browser would trust.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasm_flow_contract::origin::HttpOrigin;
use wasmtime_wasi_http::Error as HttpError;

/// The configuration of all connections, made once. It has the sessions that are taken up
/// again, too.
pub(super) fn config() -> Result<Arc<ClientConfig>, HttpError> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        trusting(roots).map_err(|error| format!("TLS cannot be set up: {error}"))
    });
    let config = config.as_ref();
    config
        .cloned()
        .map_err(|error| HttpError::InternalError(Some(error.clone())))
}

/// A configuration that trusts these authorities.
pub(super) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    // By name: rustls panics over a default that is ambiguous in a program with several.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Secures a connection to a server that has a certificate for the origin's host.
pub(super) async fn secure(
    config: Arc<ClientConfig>,
    origin: &HttpOrigin,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, HttpError> {
    let name = match origin.address() {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(origin.host())?.to_owned(),
    };
    let connector = TlsConnector::from(config);
    let secured = connector.connect(name, stream).await;
    secured.map_err(|error| unsecured(&error))
}

fn unsecured(error: &io::Error) -> HttpError {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            HttpError::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => HttpError::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        _ => HttpError::TlsProtocolError,
    }
}
