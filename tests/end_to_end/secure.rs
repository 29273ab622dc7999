//! `post` and the Rust client at a gateway over TLS that is not wasm-flow's own: one of
//! tonic, as a proxy in front of a gateway would be. `doors.rs` has wasm-flow's.

use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::thread;

use futures::Stream;
use tempfile::TempDir;
use tonic::service::InterceptorLayer;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming, async_trait};
use wasm_flow::Client;
use wasm_flow::contract::remote::{Secret, TlsConfig};
use wasm_flow::document::DocumentArray;
use wasm_flow_tests::Authority;
use wasm_flow_tests::cli::{Finished, wasm_flow};

/// docarray's messages.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod docarray {
    include!(concat!(env!("OUT_DIR"), "/docarray.rs"));
}

/// Jina's messages and its service `JinaRPC`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod jina {
    include!(concat!(env!("OUT_DIR"), "/jina.rs"));
}

use self::jina::DataRequestProto;
use self::jina::jina_rpc_server::{JinaRpc, JinaRpcServer};

const TOKEN: &str = "open-sesame";

/// Answers each request with itself.
struct Echo;

#[async_trait]
impl JinaRpc for Echo {
    type CallStream = Pin<Box<dyn Stream<Item = Result<DataRequestProto, Status>> + Send>>;

    async fn call(
        &self,
        requests: Request<Streaming<DataRequestProto>>,
    ) -> Result<Response<Self::CallStream>, Status> {
        Ok(Response::new(Box::pin(requests.into_inner())))
    }
}

/// A gateway with TLS that wants a certificate and a token, and the files for that.
struct Secured {
    address: String,
    files: TempDir,
}

impl Secured {
    fn start() -> Secured {
        let ca = Authority::new();
        let (server, client) = (ca.signed(), ca.signed());
        let files = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text).unwrap();
        write("ca.pem", &ca.pem());
        write("client.pem", &client.0);
        write("client.key", &client.1);
        write("other.key", &ca.signed().1);
        write("token", &format!("{TOKEN}\n"));
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(server.0, server.1))
            .client_ca_root(Certificate::from_pem(ca.pem()));
        let port = serve(tls);
        Secured {
            address: format!("grpcs://localhost:{port}"),
            files,
        }
    }

    fn folder(&self) -> &Path {
        self.files.path()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }

    /// `wasm-flow post`, in the folder of the files.
    fn post(&self, options: &[&str]) -> Command {
        let mut command = wasm_flow(["post", &self.address, "--on", "/x", "--text", "a"]);
        command
            .args(["--print", "text"])
            .args(options)
            .current_dir(self.folder());
        command
    }
}

/// Serves until the tests are over.
fn serve(tls: ServerTlsConfig) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            let expected = format!("Bearer {TOKEN}");
            let checked = move |request: Request<()>| {
                let token = request.metadata().get("authorization");
                match token.is_some_and(|token| *token == *expected) {
                    true => Ok(request),
                    false => Err(Status::unauthenticated("no such token")),
                }
            };
            let server = Server::builder()
                .tls_config(tls)
                .unwrap()
                .layer(InterceptorLayer::new(checked))
                .add_service(JinaRpcServer::new(Echo))
                .serve_with_incoming(TcpIncoming::from(listener));
            server.await.unwrap();
        });
    });
    told.recv().unwrap()
}

const ALL: [&str; 8] = [
    "--ca",
    "ca.pem",
    "--cert",
    "client.pem",
    "--key",
    "client.key",
    "--token-file",
    "token",
];

#[test]
fn post_takes_certificates_and_a_token_from_files_and_from_variables() {
    let gateway = Secured::start();
    let files = Finished::of(gateway.post(&ALL).args(["--log-level", "trace"]));
    assert_eq!((files.status, files.stdout.as_str()), (Some(0), "a\n"));
    // Neither the token nor the key is written anywhere.
    let key = gateway.read("client.key");
    let key = key.lines().nth(1).unwrap();
    assert!(files.stderr.contains("TRACE"), "{files}");
    assert!(!files.stderr.contains(TOKEN) && !files.stderr.contains(key));

    let variables = Finished::of(
        gateway
            .post(&[])
            .env("WASM_FLOW_CA", "ca.pem")
            .env("WASM_FLOW_CERT", gateway.read("client.pem"))
            .env("WASM_FLOW_KEY", gateway.read("client.key"))
            .env("WASM_FLOW_TOKEN", TOKEN),
    );
    assert_eq!(
        (variables.status, variables.stdout.as_str()),
        (Some(0), "a\n"),
        "{variables}"
    );
}

#[test]
fn post_says_what_keeps_it_from_a_gateway_over_tls() {
    let gateway = Secured::start();
    let without = |option: &str, instead: Option<&'static str>| {
        let mut options: Vec<&str> = Vec::new();
        for pair in ALL.chunks(2) {
            match (pair[0] == option, instead) {
                (false, _) => options.extend(pair),
                (true, Some(file)) => options.extend([option, file]),
                (true, None) => {}
            }
        }
        Finished::of(&mut gateway.post(&options))
    };
    for (option, instead, expected) in [
        ("--ca", None, "name its authority's certificate as `ca`"),
        (
            "--ca",
            Some("none"),
            "`--ca`: cannot read none: No such file",
        ),
        (
            "--ca",
            Some("token"),
            "`--ca`: there is no certificate in token",
        ),
        ("--cert", None, "`--key`: there is a key and no certificate"),
        ("--key", Some("client.pem"), "and no private key"),
        (
            "--key",
            Some("other.key"),
            "the key is that of another certificate",
        ),
        (
            "--token-file",
            None,
            "no such token (gRPC status UNAUTHENTICATED)",
        ),
        (
            "--token-file",
            Some("."),
            "`--token-file`: cannot read .: Is a directory",
        ),
    ] {
        let failed = without(option, instead);
        assert!(failed.stderr.contains(expected), "{option}\n{failed}");
        assert_eq!(failed.stdout, "", "{failed}");
        assert!(failed.status.is_some_and(|status| status > 0), "{failed}");
    }
    let nobody = gateway
        .post(&["--ca", "ca.pem", "--token-file", "token"])
        .output();
    let nobody = String::from_utf8(nobody.unwrap().stderr).unwrap();
    assert!(
        nobody.contains("the server wants a certificate of this side"),
        "{nobody}"
    );

    let without = Finished::of(&mut wasm_flow([
        "post",
        &gateway.address.replace("grpcs://", "grpc://"),
        "--on",
        "/x",
    ]));
    without.complains_of(&["its address is a grpcs:// one"]);

    let plain = Finished::of(&mut wasm_flow([
        "post",
        "grpc://localhost:1",
        "--on",
        "/x",
        "--token-file",
        "token",
    ]));
    assert_eq!(plain.status, Some(2), "{plain}");
    plain.complains_of(&["`--token-file`", "write grpcs://localhost:1"]);
}

#[tokio::test]
async fn the_rust_client_takes_the_same() {
    let gateway = Secured::start();
    let tls = TlsConfig {
        ca: Some(gateway.read("ca.pem")),
        identity: Some((
            gateway.read("client.pem"),
            Secret::new(gateway.read("client.key")),
        )),
    };
    let token = Secret::new(TOKEN);
    let client = Client::connect_secure(&gateway.address, &tls, Some(&token)).await;
    let docs = client
        .unwrap()
        .post("/x")
        .docs(DocumentArray::from_texts(["a"]));
    assert_eq!(docs.await.unwrap().texts().collect::<Vec<_>>(), ["a"]);
}
