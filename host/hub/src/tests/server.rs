//! A registry that does what a test says, over HTTP/1.1.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::credentials::Credentials;
use crate::store::Store;
use crate::trust::RawSignature;
use crate::{Accept, Hub, Refusal, digest_of};
use bytes::Bytes;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use wasm_flow_contract::hub::{Digest, Reference, Repository};

pub(super) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    /// With what is behind the `?`.
    pub(super) path: String,
    /// The server itself, as it was asked for.
    pub(super) host: String,
    pub(super) authorization: Option<String>,
    /// What the header `Content-Length` says.
    pub(super) length: Option<usize>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    /// The method and the path.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What is answered.
#[derive(Clone)]
pub(super) enum Answer {
    /// A status, headers, and a body with its length.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, and then the connection is closed.
    Cut(Vec<u8>),
    /// These bytes, and then others without end, until the client has had enough.
    Endless(Vec<u8>, Vec<u8>),
}

impl Answer {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer::Full(200, vec![], body.into())
    }

    pub(super) fn status(status: u16) -> Answer {
        Answer::Full(status, vec![], vec![])
    }

    pub(super) fn redirect(to: impl Into<String>) -> Answer {
        Answer::Full(307, vec![("location", to.into())], vec![])
    }

    /// Chunks without end.
    pub(super) fn endless(status: u16, part: &str) -> Answer {
        let head = format!("HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("{:x}\r\n{part}\r\n", part.len());
        Answer::Endless(head.into(), chunk.into())
    }
}

pub(super) type Handler = dyn Fn(&Seen) -> Answer + Send + Sync;

/// A server that answers as a function says.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Server {
        Server::start_with(None, handler).await
    }

    /// One with TLS, if that is given.
    pub(super) async fn start_with(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let requests = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (handler, requests) = (Arc::clone(&handler), Arc::clone(&requests));
                let tls = tls.clone();
                // A client that has had enough closes the connection.
                connections.spawn(async move {
                    stream.set_nodelay(true)?;
                    match tls {
                        None => serve(stream, &handler, &requests).await,
                        Some(tls) => serve(tls.accept(stream).await?, &handler, &requests).await,
                    }
                });
            }
        });
        Server {
            address,
            seen,
            task,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// How many requests were for this.
    pub(super) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|found| *found == line).count()
    }

    pub(super) fn reference(&self, rest: &str) -> Reference {
        format!("{}/team/clean{rest}", self.address)
            .parse()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: &Arc<Handler>,
    seen: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let mut words = head[0].split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let headers: HashMap<_, _> = head
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .map(|text| text.parse().unwrap());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        let authorization = headers.get("authorization").cloned();
        let request = Seen {
            method,
            path,
            host: headers.get("host").cloned().unwrap_or_default(),
            authorization,
            length,
            body,
        };
        let answer = handler(&request);
        let is_head = request.method == "HEAD";
        seen.lock().unwrap().push(request);
        match answer {
            Answer::Full(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text += &format!("{name}: {value}\r\n");
                }
                text += "\r\n";
                stream.write_all(text.as_bytes()).await?;
                if !is_head {
                    stream.write_all(&body).await?;
                }
            }
            Answer::Cut(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Answer::Endless(head, part) => {
                stream.write_all(&head).await?;
                loop {
                    stream.write_all(&part).await?;
                }
            }
        }
    }
}

/// The content of a registry: what is answered to each method and path.
#[derive(Clone, Default)]
pub(super) struct Content(pub(super) BTreeMap<String, Answer>);

impl Content {
    pub(super) fn put(&mut self, line: impl Into<String>, answer: Answer) {
        self.0.insert(line.into(), answer);
    }

    pub(super) fn blob(&mut self, bytes: &[u8]) -> Digest {
        let digest = digest_of(bytes);
        let line = format!("GET /v2/team/clean/blobs/{digest}");
        self.put(line, Answer::ok(bytes));
        digest
    }

    pub(super) fn manifest(&mut self, tag: Option<&str>, bytes: &[u8]) -> Digest {
        let digest = digest_of(bytes);
        let names = [Some(digest.to_string()), tag.map(str::to_owned)];
        for name in names.into_iter().flatten() {
            let headers = vec![
                ("docker-content-digest", digest.to_string()),
                (
                    "content-type",
                    "application/vnd.oci.image.manifest.v1+json".to_owned(),
                ),
            ];
            let answer = Answer::Full(200, headers, bytes.to_vec());
            let path = format!("/v2/team/clean/manifests/{name}");
            self.put(format!("GET {path}"), answer.clone());
            self.put(format!("HEAD {path}"), answer);
        }
        digest
    }

    /// An executor of this component under the tag `1.0`.
    pub(super) fn executor(&mut self, component: &[u8]) -> Digest {
        self.blob(b"{}");
        self.blob(component);
        self.manifest(Some("1.0"), executor(component).as_bytes())
    }

    pub(super) fn answer(&self, request: &Seen) -> Answer {
        let found = self.0.get(&request.line()).cloned();
        found.unwrap_or_else(|| {
            let errors = r#"{"errors":[{"code":"UNKNOWN","message":"not here"}]}"#;
            Answer::Full(404, vec![], errors.into())
        })
    }

    pub(super) async fn serve(self) -> Server {
        Server::start(move |request| self.answer(request)).await
    }
}

pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> String {
    format!(
        r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#,
        digest_of(bytes),
        bytes.len()
    )
}

/// The manifest of an executor with the configuration `{}`.
pub(super) fn executor(component: &[u8]) -> String {
    let config = descriptor("application/vnd.wasm.config.v0+json", b"{}");
    let layer = descriptor("application/wasm", component);
    manifest(&config, &[layer], "")
}

pub(super) fn manifest(config: &str, layers: &[String], rest: &str) -> String {
    let layers = layers.join(",");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{layers}]{rest}}}"#
    )
}

/// Takes everything, and keeps what it was asked about.
#[derive(Default)]
pub(super) struct Anything(pub(super) Mutex<Vec<Vec<RawSignature>>>);

impl Accept for Anything {
    fn allows(&self, _: &Reference) -> Result<(), Refusal> {
        Ok(())
    }

    fn wants_signatures(&self, _: &Repository) -> bool {
        true
    }

    fn accept(
        &self,
        _: &Reference,
        _: Digest,
        signatures: &[RawSignature],
    ) -> Result<Option<String>, Refusal> {
        self.0.lock().unwrap().push(signatures.to_vec());
        Ok(None)
    }
}

/// Takes only what has this bundle.
pub(super) struct Only(pub(super) &'static [u8]);

impl Accept for Only {
    fn allows(&self, _: &Reference) -> Result<(), Refusal> {
        Ok(())
    }

    fn wants_signatures(&self, _: &Repository) -> bool {
        true
    }

    fn accept(
        &self,
        _: &Reference,
        _: Digest,
        signatures: &[RawSignature],
    ) -> Result<Option<String>, Refusal> {
        let right = RawSignature::Bundle(Bytes::from_static(self.0));
        match signatures.contains(&right) {
            true => Ok(Some("a key".to_owned())),
            false => Err(Refusal::new("it is not signed")),
        }
    }
}

/// A hub with a folder of its own.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) hub: Hub,
}

/// A hub that has nobody's credentials.
pub(super) fn place() -> Place {
    with(|_| Credentials::none())
}

/// A hub with a file of credentials, and one user in it.
pub(super) fn place_of(host: SocketAddr, auth: &str) -> Place {
    with(|folder| {
        let file = folder.join("config.json");
        let text = format!(r#"{{"auths":{{"{host}":{auth}}}}}"#);
        std::fs::write(&file, text).unwrap();
        Credentials::of_file(file)
    })
}

fn with(credentials: impl Fn(&std::path::Path) -> Credentials) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let credentials = credentials(folder.path());
    let hub = Hub::new(store, credentials, [].into()).unwrap();
    Place { folder, hub }
}
