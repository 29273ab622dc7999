//! A gateway's door: TLS, clients' certificates, tokens, and the port for health checks.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_flow::Client;
use wasm_flow::contract::remote::{Secret, TlsConfig};
use wasm_flow::document::{Document, DocumentArray};
use wasm_flow_tests::cli::{Finished, wasm_flow};
use wasm_flow_tests::server::write_flow;
use wasm_flow_tests::{Authority, Server};

const PROBE: &str = "[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n";

/// The files of a door: those of a gateway, those of a client, and tokens.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Files {
        let files = Files {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new(),
        };
        files.write("ca.pem", &files.authority.pem());
        files.write("tokens", "hush-old\n");
        files.write("hush", "hush-old\n");
        files.new_pair("server");
        files.new_pair("client");
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new certificate and key, in the place of those before.
    fn new_pair(&self, name: &str) {
        let (certificate, key) = self.authority.signed();
        self.write(&format!("{name}.pem"), &certificate);
        self.write(&format!("{name}.key"), &key);
    }

    /// A flow whose gateway has these keys, in which `{files}` is the folder.
    #[track_caller]
    fn serve(&self, gateway: &str) -> Server {
        let gateway = gateway.replace("{files}", &self.path().display().to_string());
        Server::run(&format!("[gateway]\n{gateway}\n{PROBE}"))
    }

    /// `wasm-flow post` with the authority's certificate, and these options.
    fn post(&self, server: &Server, options: &[&str]) -> Finished {
        let address = format!("grpcs://localhost:{}", server.port());
        let mut command = wasm_flow(["post", &address, "--on", "/trace", "--text", "a"]);
        command
            .args(["--print", "text", "--ca", "ca.pem"])
            .args(options)
            .current_dir(self.path());
        Finished::of(&mut command)
    }

    fn trusting(&self) -> TlsConfig {
        TlsConfig {
            ca: Some(self.read("ca.pem")),
            identity: None,
        }
    }
}

const TLS: &str = "tls = { cert = \"{files}/server.pem\", key = \"{files}/server.key\" }\n";
const MUTUAL: &str = "tls = { cert = \"{files}/server.pem\", key = \"{files}/server.key\", \
                      client_ca = \"{files}/ca.pem\" }\n";
const TOKENS: &str = "auth = { token_file = \"{files}/tokens\" }\n";

fn is_answered(finished: &Finished) -> bool {
    (finished.status, finished.stdout.as_str()) == (Some(0), "a>probe/rep-0\n")
}

#[test]
fn clients_get_in_over_tls_and_are_told_what_keeps_them_out() {
    let files = Files::new();
    let server = files.serve(TLS);
    let door = json!({ "tls": true, "client_certificates": false, "tokens": 0 });
    assert_eq!(server.wait_for_events("ready", 1)[0]["door"], door);
    let answered = files.post(&server, &[]);
    assert!(is_answered(&answered), "{answered}");

    files.write("other.pem", &Authority::new().pem());
    let address = format!("grpcs://localhost:{}", server.port());
    let mut untrusted = wasm_flow(["post", &address, "--on", "/x", "--ca", "other.pem"]);
    let untrusted = Finished::of(untrusted.current_dir(files.path()));
    untrusted.complains_of(&["cannot reach localhost", "invalid peer certificate"]);

    let plain = format!("grpc://localhost:{}", server.port());
    let plain = Finished::of(&mut wasm_flow([
        "post", &plain, "--on", "/trace", "--text", "a",
    ]));
    assert_eq!(plain.status, Some(1), "{plain}");
    plain.complains_of(&["this gateway is served over TLS", "grpcs://"]);
}

#[test]
fn the_python_client_gets_in_over_tls_with_a_token() {
    let files = Files::new();
    let server = files.serve(&format!("{TLS}{TOKENS}"));
    let ca = files.path().join("ca.pem");
    let snippet = format!(
        r#"
        os.environ['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'] = '{ca}'
        def outcome(host, *metadata):
            try:
                return client(host=host).post('/trace', texts('a'), metadata=metadata).texts
            except BadServerFlow as error:
                return str(error).splitlines()[0]
        answer([
            outcome('grpcs://localhost', ('authorization', 'Bearer hush-old')),
            outcome('grpcs://localhost', ('authorization', 'Bearer hush')),
            outcome('grpcs://localhost'),
            outcome('grpc://localhost'),
            client(host='grpcs://localhost').is_flow_ready(
                metadata=(('authorization', 'Bearer hush-old'),)
            ),
        ])
        "#,
        ca = ca.display(),
    );
    let outcomes = server.python(&snippet);
    assert_eq!(outcomes[0], json!(["a>probe/rep-0"]));
    for (outcome, said) in [
        (1, "UNAUTHENTICATED the token of this call is not one"),
        (2, "UNAUTHENTICATED this gateway wants a token"),
        (3, "FAILED_PRECONDITION this gateway is served over TLS"),
    ] {
        let text = outcomes[outcome].as_str().unwrap_or_default();
        assert!(text.contains(said), "{outcomes}");
    }
    assert_eq!(outcomes[4], json!(true));
}

#[test]
fn a_client_needs_a_certificate_and_a_token_if_both_are_wanted() {
    let files = Files::new();
    let server = files.serve(&format!("{MUTUAL}{TOKENS}"));
    let certificate = ["--cert", "client.pem", "--key", "client.key"];
    let token = ["--token-file", "hush"];
    let both = files.post(&server, &[certificate.as_slice(), &token].concat());
    assert!(is_answered(&both), "{both}");
    let no_token = files.post(&server, &certificate);
    no_token.complains_of(&["this gateway wants a token", "UNAUTHENTICATED"]);
    let nobody = files.post(&server, &token);
    nobody.complains_of(&["wants a certificate of this side"]);
    files.write("hush", "hush-wrong");
    let wrong = files.post(&server, &[certificate.as_slice(), &token].concat());
    wrong.complains_of(&["the token of this call is not one that this gateway takes"]);
    for refused in [no_token, nobody, wrong] {
        assert_eq!(
            (refused.status, &*refused.stdout),
            (Some(1), ""),
            "{refused}"
        );
        assert!(!refused.stderr.contains("hush-"), "{refused}");
    }
}

/// A token is in no log, at any level, nor in what a broken file is told of.
#[test]
fn neither_tokens_nor_keys_are_written_anywhere() {
    let files = Files::new();
    let gateway = format!("{MUTUAL}{TOKENS}");
    let gateway = gateway.replace("{files}", &files.path().display().to_string());
    let mut server = Server::run_with(&format!("[gateway]\n{gateway}\n{PROBE}"), |command| {
        command.args(["--log-level", "trace"]);
    });
    let options = [
        "--cert",
        "client.pem",
        "--key",
        "client.key",
        "--token-file",
        "hush",
    ];
    let answered = files.post(&server, &options);
    assert!(is_answered(&answered), "{answered}");
    files.write("tokens", "hush-new\nnot a hush-token\n");
    server.signal(Signal::HUP);
    server.wait_for_events("door_kept", 1);
    server.signal(Signal::TERM);
    let ended = server.ended();
    assert!(ended.stderr.contains("TRACE"), "{ended}");
    let key = files.read("server.key");
    let key = key.lines().nth(1).unwrap();
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("hush-"), "{ended}");
        assert!(!text.contains(key), "{ended}");
    }
}

#[test]
fn health_checks_need_neither_tls_nor_a_token_on_their_port() {
    let files = Files::new();
    let server = files.serve(&format!("port_health = 0\n{MUTUAL}{TOKENS}"));
    let ready = server.wait_for_events("ready", 1);
    let port = ready[0]["port_health"].as_u64().unwrap();
    assert_ne!(port, u64::from(server.port()));
    let snippet = format!(
        r#"
        def told(method, port):
            with grpc.insecure_channel(f'127.0.0.1:{{port}}') as c:
                try:
                    return list(c.unary_unary(method)(b'', timeout=30))
                except grpc.RpcError as error:
                    return [error.code().name, error.details()]
        CHECK = '/grpc.health.v1.Health/Check'
        answer([told(CHECK, {port}), told(UNARY, {port}), told(CHECK, PORT)])
        "#
    );
    let told = server.python(&snippet);
    // The field `status`, and in it SERVING.
    assert_eq!(told[0], json!([8, 1]));
    assert_eq!(told[1][0], "UNIMPLEMENTED", "{told}");
    assert_eq!(told[2][0], "FAILED_PRECONDITION", "{told}");
}

#[tokio::test]
async fn sighup_reads_certificates_and_tokens_again_while_streams_stay_open() {
    let files = Files::new();
    let server = files.serve(&format!("{TLS}{TOKENS}"));
    let address = format!("grpcs://localhost:{}", server.port());
    let token = Secret::token("hush-old").unwrap();
    let client = Client::connect_secure(&address, &files.trusting(), Some(&token)).await;
    let client = client.unwrap();
    let (mut to_send, sent) = futures::channel::mpsc::channel::<Document>(0);
    let post = client.post("/trace").docs_stream(sent).request_size(1);
    let mut answers = post.stream().await.unwrap();
    let mut is_open = async || {
        to_send.send(Document::from_text("a")).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap().into_result();
        let texts: Vec<String> = answer.unwrap().docs.texts().map(str::to_owned).collect();
        assert_eq!(texts, ["a>probe/rep-0"]);
    };
    is_open().await;

    // A key without its certificate, and no tokens: both stay as they are.
    files.write("server.key", &files.authority.signed().1);
    files.write("tokens", "\n");
    server.signal(Signal::HUP);
    let kept = server.wait_for_events("door_kept", 2);
    let error = |part: &str| {
        let kept = kept.iter().find(|event| event["kept"] == part).unwrap();
        kept["error"].as_str().unwrap().to_owned()
    };
    let (tls, auth) = (error("tls"), error("auth"));
    assert!(tls.contains("server.key cannot be used"), "{tls}");
    assert!(tls.contains("the key is that of another certificate"));
    assert!(auth.contains("tokens cannot be used: there is no token"));
    server.wait_for_stderr("server.key cannot be used");
    is_open().await;
    let as_before = files.post(&server, &["--token-file", "hush"]);
    assert!(is_answered(&as_before), "{as_before}");

    // A certificate of another authority, and two tokens.
    let other = Authority::new();
    let (certificate, key) = other.signed();
    files.write("server.pem", &certificate);
    files.write("server.key", &key);
    files.write("tokens", "hush-new\nhush-newer\n");
    server.signal(Signal::HUP);
    let read = server.wait_for_events("door", 2);
    assert_eq!(read.len(), 2, "{read:?}");
    is_open().await;
    let untrusted = files.post(&server, &["--token-file", "hush"]);
    untrusted.complains_of(&["invalid peer certificate"]);
    files.write("ca.pem", &other.pem());
    let gone = files.post(&server, &["--token-file", "hush"]);
    gone.complains_of(&["not one that this gateway takes"]);
    for token in ["hush-new", "hush-newer"] {
        files.write("hush", token);
        let answered = files.post(&server, &["--token-file", "hush"]);
        assert!(is_answered(&answered), "{answered}");
    }
    is_open().await;
}

#[test]
fn half_handshakes_hold_nobody_up() {
    let files = Files::new();
    let server = files.serve(TLS);
    let half: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            stream
        })
        .collect();
    let start = std::time::Instant::now();
    let answered = files.post(&server, &[]);
    assert!(is_answered(&answered), "{answered}");
    assert!(start.elapsed() < Duration::from_secs(9));
    drop(half);
}

#[test]
fn another_flow_reaches_such_a_gateway() {
    let files = Files::new();
    let server = files.serve(&format!("{MUTUAL}{TOKENS}"));
    let folder = files.path().display();
    let flow = |token: &str| {
        format!(
            "[[executors]]\nname = \"far\"\nuses = \"grpcs://localhost:{}\"\n\
             tls = {{ ca = \"{folder}/ca.pem\", cert = \"{folder}/client.pem\", key = \
             \"{folder}/client.key\" }}\n{token}",
            server.port(),
        )
    };
    let near = Server::run(&flow(&format!("token_file = \"{folder}/hush\"\n")));
    let texts = near.python("answer(client().post('/trace', texts('a')).texts)");
    assert_eq!(texts, json!(["a>probe/rep-0"]));
    let without = Server::run(&flow(""));
    without.wait_for_stderr("this gateway wants a token");
}

#[test]
fn what_is_wrong_with_a_door_is_told_before_anything_is_served() {
    let files = Files::new();
    let in_files = |text: &str| text.replace("{files}", &files.path().display().to_string());
    let (_, other) = files.authority.signed();
    files.write("other.key", &other);
    files.write("none", "\n");
    for (gateway, said) in [
        (
            "tls = { cert = \"{files}/gone.pem\", key = \"{files}/server.key\" }",
            "cannot read {files}/gone.pem: No such file",
        ),
        (
            "tls = { cert = \"{files}/server.pem\", key = \"{files}/other.key\" }",
            "{files}/other.key cannot be used: the key is that of another certificate",
        ),
        (
            "tls = { cert = \"{files}/server.key\", key = \"{files}/server.key\" }",
            "{files}/server.key cannot be used: there is a private key, and no certificate",
        ),
        (
            "auth = { token_file = \"{files}/none\" }",
            "{files}/none cannot be used: there is no token",
        ),
    ] {
        let toml = format!("[gateway]\n{}\n{PROBE}", in_files(gateway));
        let refused = Server::refused(&toml);
        refused.complains_of(&[&in_files(said), "flow.toml:2:"]);
    }
}

#[test]
fn check_says_who_gets_in() {
    let files = Files::new();
    let gateway = "[gateway]\nhost = \"0.0.0.0\"\nport_health = 8080\n\
                   tls = { cert = \"server.pem\", key = \"server.key\", client_ca = \"ca.pem\" }\n\
                   auth = { token = [\"${TOKEN}\", \"hush-2\"] }\n";
    let file = write_flow(files.path(), &format!("{gateway}{PROBE}"));
    let check = |options: &[&str]| {
        let mut command = wasm_flow(["check"]);
        command.arg(&file).args(options).env("TOKEN", "hush-1");
        Finished::successfully(&mut command)
    };
    let text = check(&[]);
    assert!(
        text.stdout.contains(
            "gateway: 0.0.0.0:54321: TLS, clients with a certificate, one of 2 tokens; health \
             checks alone on port 8080\n"
        ),
        "{text}"
    );
    let json: Value = serde_json::from_str(&check(&["--format", "json"]).stdout).unwrap();
    assert_eq!(
        json["gateway"],
        json!({
            "host": "0.0.0.0",
            "port": 54321,
            "port_health": 8080,
            "door": { "tls": true, "client_certificates": true, "tokens": 2 },
        })
    );
}

#[test]
fn a_gateway_that_asks_nobody_warns_if_others_can_reach_it() {
    let files = Files::new();
    let warned = |gateway: &str| {
        let mut server = files.serve(&format!("host = \"0.0.0.0\"\n{gateway}"));
        server.signal(Signal::TERM);
        server.ended().stderr
    };
    for open in ["", TLS] {
        let stderr = warned(open);
        assert!(stderr.contains("asks nobody who they are"), "{stderr}");
        assert!(stderr.contains("[gateway.auth]"), "{stderr}");
    }
    for asking in [MUTUAL, TOKENS] {
        let stderr = warned(asking);
        assert!(!stderr.contains("asks nobody"), "{stderr}");
    }
}

/// What is read of a document is all of it: a large one goes through TLS whole.
#[tokio::test]
async fn large_documents_go_through_tls_whole() {
    let files = Files::new();
    let server = files.serve(TLS);
    let address = format!("grpcs://localhost:{}", server.port());
    let client = Client::connect_secure(&address, &files.trusting(), None).await;
    let text = "x".repeat(20 << 20);
    let docs = DocumentArray::from_texts([text.as_str()]);
    let docs = client.unwrap().post("/nothing").docs(docs).await.unwrap();
    assert!(docs.texts().eq([text.as_str()]));
}
