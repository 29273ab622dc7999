//! The gateway's connections: how they end, and what clients see that do not speak
//! gRPC.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use wasm_flow_tests::Server;

/// Far less than the half minute that connections may take to close.
const AT_ONCE: Duration = Duration::from_secs(8);

fn one() -> Server {
    Server::run("[[executors]]\nname = \"probe\"\nuses = \"{probe}\"\n")
}

#[track_caller]
fn stops_at_once(mut flow: Server) {
    let start = Instant::now();
    flow.signal(Signal::TERM);
    let ended = flow.ended();
    assert_eq!(ended.status, Some(0), "{ended}");
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn connections_without_a_call_do_not_delay_a_stop() {
    let flow = one();
    let sent: [&[u8]; 3] = [b"", b"PRI * HTT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let clients = sent.map(|sent| {
        let mut client = TcpStream::connect(("127.0.0.1", flow.port())).unwrap();
        client.write_all(sent).unwrap();
        client
    });
    // All of them are accepted before it is told to stop.
    flow.python("answer(client().post('/trace', texts('t')).texts)");
    stops_at_once(flow);
    drop(clients);
}

/// The real gRPC library's channel, without a call and with calls to services that
/// are never over.
#[test]
fn pythons_idle_channels_do_not_delay_a_stop() {
    let flow = one();
    let ready = flow.folder().join("ready");
    let snippet = format!(
        "
        from grpc_health.v1 import health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
        import threading
        idle, watching = channel(), channel()
        grpc.channel_ready_future(idle).result(30)
        health = health_pb2_grpc.HealthStub(watching)
        watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ['jina.JinaRPC', 'nobody.Home']]
        statuses = [[next(watch).status] for watch in watches]
        closing = threading.Event()
        def asks():
            yield reflection_pb2.ServerReflectionRequest(list_services='')
            closing.wait(60)
        reflection = reflection_pb2_grpc.ServerReflectionStub(watching).ServerReflectionInfo(asks())
        next(reflection)
        open({ready:?}, 'w').close()
        for seen, watch in zip(statuses, watches):
            seen.extend(answer.status for answer in watch)
        left = len(list(reflection))
        closing.set()
        answer([statuses, left])
        "
    );
    std::thread::scope(|scope| {
        let client =
            scope.spawn(|| wasm_flow_tests::python::Python::run(flow.port(), &snippet).answer);
        while !ready.exists() && !client.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let start = Instant::now();
        flow.signal(Signal::TERM);
        assert_eq!(client.join().unwrap(), json!([[[1, 2], [3]], 0]));
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    });
    // A second signal would end it with another status.
    let mut flow = flow;
    assert_eq!(flow.ended().status, Some(0));
}

/// `jina.Client` writes its requests from one task and reads the status in another.
#[test]
fn every_refused_call_gets_its_message() {
    let flow = one();
    let seen = flow.python(
        "
        import asyncio
        async def call(path, metadata, bodies):
            async def send():
                for body in bodies:
                    yield body
            try:
                async for _ in c.stream_stream(path)(send(), metadata=metadata):
                    pass
                return 'OK'
            except grpc.aio.AioRpcError as error:
                return f'{error.code().name}: {error.details()}'
        good = request('/trace', texts('t' * 1000)).SerializeToString()
        async def main():
            global c
            seen = {}
            async with grpc.aio.insecure_channel(f'127.0.0.1:{PORT}') as c:
                for name, path, metadata, bodies in [
                    ('metadata', STREAM, [('__prefetch__', 'abc')], [good] * 3),
                    ('path', '/jina.JinaRPC/Nothing', [], [good] * 3),
                    ('garbage', STREAM, [], [b'garbage'] + [good] * 3),
                    ('alone', UNARY, [], [b'garbage']),
                ]:
                    got = [await call(path, metadata, bodies) for _ in range(60)]
                    got += await asyncio.gather(*[call(path, metadata, bodies) for _ in range(60)])
                    seen[name] = sorted(set(got))
            return seen
        answer(asyncio.run(main()))
        ",
    );
    for (name, expected) in [
        ("metadata", "INVALID_ARGUMENT: the metadata `__prefetch__`"),
        ("path", "UNIMPLEMENTED: this gateway does not serve"),
        ("garbage", "INVALID_ARGUMENT: message 1 of this call is not"),
        ("alone", "INVALID_ARGUMENT: message 1 of this call is not"),
    ] {
        let got = seen[name].as_array().unwrap();
        assert_eq!(got.len(), 1, "{name}: {got:?}");
        assert!(got[0].as_str().unwrap().starts_with(expected), "{got:?}");
    }
}

#[test]
fn the_real_client_is_told_of_bad_metadata() {
    let flow = one();
    let seen = flow.python(
        "
        def call():
            try:
                client().post('/trace', texts('t'), metadata=[('__prefetch__', 'abc')])
                return 'OK'
            except Exception as error:
                return str(error)
        answer([text for text in [call() for _ in range(40)] if 'the metadata `__prefetch__` is `abc`' not in text])
        ",
    );
    assert_eq!(seen, json!([]));
}

#[test]
fn http1_is_answered_with_a_sentence() {
    let flow = one();
    let mut client = TcpStream::connect(("127.0.0.1", flow.port())).unwrap();
    client
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
        )
        .unwrap();
    client.set_read_timeout(Some(AT_ONCE)).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert!(
        answer.contains("\r\n\r\nthis is a gRPC gateway: HTTP/2 only"),
        "{answer}"
    );
    let seen = flow.python(
        "
        import urllib.error, urllib.request
        try:
            urllib.request.urlopen(f'http://127.0.0.1:{PORT}/status', data=b'{}' * 50_000, timeout=8)
        except urllib.error.HTTPError as error:
            answer([error.code, error.read().decode()[:22]])
        ",
    );
    assert_eq!(seen, json!([505, "this is a gRPC gateway"]));
}
