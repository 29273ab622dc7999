//! Servers that end a connection before they have said anything over it, as they do if one
//! side speaks TLS and the other does not.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wasm_flow_contract::Stage as _;
use wasm_flow_contract::remote::TlsConfig;

use super::remote::{hello, listener, remote};
use super::*;

const PLAIN: &str = "; if the server wants TLS, its address is a grpcs:// one";
const SECURE: &str = "is it a grpc:// address";

/// How a server ends a connection.
#[derive(Debug, Clone, Copy)]
enum End {
    AtOnce,
    AfterReading,
    /// As TLS refuses what is not TLS.
    WithAnAlert,
    /// With bytes that nobody has read.
    WithAReset,
}

const ENDS: [End; 4] = [
    End::AtOnce,
    End::AfterReading,
    End::WithAnAlert,
    End::WithAReset,
];

impl End {
    async fn end(self, mut stream: TcpStream) {
        match self {
            End::AtOnce => {}
            End::AfterReading => {
                let _ = stream.read(&mut [0; 1024]).await;
            }
            End::WithAnAlert => {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 50]).await;
            }
            End::WithAReset => {
                let _ = stream.readable().await;
            }
        }
    }
}

/// What a client says of its first call, in each form that a call has.
async fn failures(address: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for form in 0..3 {
        let client = match Client::connect_secure(address, &TlsConfig::default(), None).await {
            Ok(client) => client,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        let failed = match form {
            0 => client.dry_run().await.unwrap_err(),
            1 => client.send(post("/x", "a")).await.unwrap_err(),
            _ => {
                let requests = futures::stream::iter([post("/x", "a")]);
                let calling = client.call(requests, PostOptions::default());
                let called = async { calling.await?.try_collect::<Vec<_>>().await };
                called.await.unwrap_err()
            }
        };
        failures.push(failed.to_string());
    }
    failures
}

#[tokio::test]
async fn a_connection_without_tls_that_ends_says_that_there_may_be_tls() {
    for end in ENDS {
        let address = listener(move |stream| end.end(stream)).await;
        let address = format!("grpc://{address}");
        // Each time, something else may be the first to see the end.
        for _ in 0..20 {
            for failure in failures(&address).await {
                assert!(failure.contains(PLAIN), "{end:?}: {failure}");
            }
            let failed = remote(&address).call(hello("/x")).await.unwrap_err();
            assert!(failed.description.contains(PLAIN), "{end:?}: {failed}");
        }
    }
}

#[tokio::test]
async fn a_connection_with_tls_that_ends_says_that_there_may_be_none() {
    for end in ENDS {
        let address = listener(move |stream| end.end(stream)).await;
        let address = format!("grpcs://localhost:{}", address.port());
        for _ in 0..20 {
            for failure in failures(&address).await {
                // It is TLS that says no.
                let expected = match end {
                    End::WithAnAlert => "received fatal alert",
                    _ => SECURE,
                };
                assert!(failure.contains(expected), "{end:?}: {failure}");
            }
        }
    }
}

#[tokio::test]
async fn who_has_answered_wants_no_tls() {
    let served = Served::new(flow([("e", &[], Functions::default())])).await;
    let client = served.client().await;
    client.dry_run().await.unwrap();
    served.task.abort();
    let failure = client.send(post("/x", "a")).await.unwrap_err().to_string();
    assert!(!failure.contains(PLAIN), "{failure}");

    // Nor does who refuses a call in words of HTTP/2.
    let resets = listener(|stream| async move {
        let mut server = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut answer))) = server.accept().await {
            answer.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    });
    for failure in failures(&format!("grpc://{}", resets.await)).await {
        assert!(!failure.contains(PLAIN), "{failure}");
    }
}

#[tokio::test]
async fn nobody_there_is_nothing_about_tls() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for (address, expected) in [
        (
            format!("grpcs://127.0.0.1:{port}"),
            "; nobody listens there: check the host and the port",
        ),
        (
            "grpcs://no-such-host.invalid:1".to_owned(),
            "; check the name",
        ),
        (format!("127.0.0.1:{port}"), "running there?"),
    ] {
        for failure in failures(&address).await {
            assert!(failure.contains(expected), "{failure}");
            assert!(!failure.contains(PLAIN), "{failure}");
        }
    }
}
