//! Jina's protocol as the real client and plain gRPC clients speak it.

use serde_json::json;
use wasm_flow_tests::Server;

fn one() -> Server {
    Server::run(
        r#"
        [[executors]]
        name = "probe"
        uses = "{probe}"
        "#,
    )
}

#[test]
fn requests_stream_in_batches_of_the_clients_size() {
    let flow = one();
    let seen = flow.python(
        "
        docs = texts(*[str(i) for i in range(250)])
        def batches(**arguments):
            got = responses('/trace', docs, **arguments)
            return [sorted(len(response.docs) for response in got), sorted(int(text.split('>')[0]) for response in got for text in response.docs.texts) == list(range(250))]
        answer([
            batches(), batches(request_size=50), batches(request_size=-1), batches(stream=False, request_size=60),
            len({response.header.request_id for response in responses('/trace', docs, request_size=50)}),
        ])
        ",
    );
    assert_eq!(
        seen,
        json!([
            [[50, 100, 100], true],
            [[50, 50, 50, 50, 50], true],
            [[250], true],
            [[10, 60, 60, 60, 60], true],
            5
        ])
    );
}

#[test]
fn results_come_as_they_are_ready_or_in_order() {
    let flow = one();
    let seen = flow.python(
        "
        docs = texts('900', '600', '300', '0')
        def order(**arguments):
            return client().post('/wait', docs, request_size=1, **arguments).texts
        answer([order(), order(results_in_order=True), order(stream=False), order(stream=False, results_in_order=True)])
        ",
    );
    let sent = json!(["900", "600", "300", "0"]);
    let ready = json!(["0", "300", "600", "900"]);
    assert_eq!(seen, json!([ready, sent, ready, sent]));
}

#[test]
fn prefetch_bounds_what_is_in_flight() {
    let limited = |toml: &str| {
        Server::run(&format!(
            "{toml}\n[[executors]]\nname = \"probe\"\nuses = \"{{probe}}\"\n"
        ))
    };
    let most = "
        def most(n, seconds, **arguments):
            got = responses('/gauge', texts(*['x'] * n), request_size=1, parameters={'seconds': seconds}, **arguments)
            assert len(got) == n
            return max(response.parameters['__results__']['probe/rep-0']['most'] for response in got)
        ";
    // The gauge never goes down: the smallest first.
    let seen = limited("").python(&format!(
        "{most}
        answer([most(12, 0.3, prefetch=3), most(20, 0.3, prefetch=5), most(40, 2)])
        "
    ));
    assert_eq!(seen, json!([3.0, 5.0, 40.0]));
    let seen = limited("[gateway]\nprefetch = 4").python(&format!(
        "{most}
        answer([most(20, 0.3), most(20, 0.3, prefetch=7)])
        "
    ));
    assert_eq!(seen, json!([4.0, 7.0]));
}

#[test]
fn the_client_may_compress() {
    let flow = one();
    let seen = flow.python(
        "
        long = 'compress me ' * 10_000
        answer([
            client().post('/trace', texts(long), compression=how, stream=stream).texts == [long + '>probe/rep-0']
            for how in ['Gzip', 'Deflate', 'NoCompression'] for stream in [True, False]
        ])
        ",
    );
    assert_eq!(seen, json!([true, true, true, true, true, true]));
}

#[test]
fn readiness_profiling_and_progress() {
    let flow = one();
    let python = flow.python_with_output(
        "
        c = client()
        ready = c.is_flow_ready()
        profile = c.profiling(show_table=False)
        c.post('/trace', texts(*['x'] * 30), request_size=3, show_progress=True)
        answer([ready, sorted(profile), jina.Client(port=1).is_flow_ready()])
        ",
    );
    assert_eq!(python.answer[0], true);
    assert!(
        python.answer[1]
            .as_array()
            .is_some_and(|keys| keys.len() >= 3),
        "{}",
        python.answer
    );
    assert_eq!(python.answer[2], false);
    assert!(python.output.contains("10 steps done"), "{}", python.output);
}

#[test]
fn errors_and_callbacks() {
    let flow = Server::run("[[executors]]\nname = \"h\"\nuses = \"{hostile}\"\n");
    let seen = flow.python(
        "
        done, errors, always = [], [], []
        returned = client().post('/ok', texts('a'), on_done=lambda r: done.append(r.docs.texts), on_always=lambda r: always.append(1))
        client().post('/error', texts('a'), on_error=lambda r: errors.append(r.header.status.exception.name), on_always=lambda r: always.append(2))
        answer([returned, done, errors, always])
        ",
    );
    assert_eq!(seen, json!([null, [["ok"]], ["ParseIntError"], [1, 2]]));
}

#[test]
fn a_document_of_64_megabytes_passes() {
    let flow = one();
    let seen = flow.python(
        "
        import hashlib
        blob = os.urandom(1 << 20) * 64
        got = client().post('/nothing', DocumentArray([Document(blob=blob)]))
        (looked,) = client().post('/trace', DocumentArray([Document(text='t', chunks=[Document(blob=blob)])]))
        answer([
            len(blob),
            hashlib.sha256(got[0].blob).hexdigest() == hashlib.sha256(blob).hexdigest(),
            looked.chunks[0].blob == blob,
            looked.text,
        ])
        ",
    );
    assert_eq!(seen, json!([64 << 20, true, true, "t>probe/rep-0"]));
}

#[test]
fn many_documents_and_deep_ones_pass() {
    let flow = one();
    let seen = flow.python(
        "
        many = DocumentArray([Document(text=str(i), embedding=np.full(768, i, dtype=np.float32)) for i in range(1000)])
        got = client().post('/nothing', many, request_size=1000)
        deep = Document(text='leaf')
        for level in range(20):
            deep = Document(text=str(level), chunks=[deep])
        # Raw: docarray itself changes the granularity of nested documents it decodes.
        back = raw(request('/borrow', [deep]))['response'].data.docs.docs[0]
        answer([exact(got) == exact(many), back == deep.to_protobuf()])
        ",
    );
    assert_eq!(seen, json!([true, true]));
}

#[test]
fn data_types_of_tensors_pass_and_are_read() {
    let flow = one();
    let seen = flow.python(
        "
        kinds = ['<f4', '<f8', '<i1', '<i2', '<i4', '<i8', '|u1', '<u2', '<u4', '<u8', '|b1', '<f2', '>f4', '<c8']
        sent = DocumentArray([Document(tensor=np.arange(6).reshape(2, 3).astype(kind)) for kind in kinds])
        got = client().post('/nothing', sent)
        read = results('/read', DocumentArray(sent[:11]))['probe/rep-0']['docs']
        answer([
            [str(a.tensor.dtype) == str(b.tensor.dtype) and (a.tensor == b.tensor).all().item() for a, b in zip(sent, got)],
            [[doc['tensor']['shape'], doc['tensor']['values']] for doc in read[:10]],
            read[10]['tensor']['values'],
        ])
        ",
    );
    assert_eq!(seen[0], json!(vec![true; 14]));
    for tensor in seen[1].as_array().unwrap() {
        assert_eq!(tensor, &json!([[2.0, 3.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]));
    }
    assert_eq!(seen[2], json!([0.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
}

#[test]
fn health_and_reflection_are_the_standard_services() {
    let flow = one();
    let seen = flow.python(
        "
        from google.protobuf.descriptor_pb2 import FileDescriptorProto
        from grpc_health.v1 import health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
        with channel() as c:
            health = health_pb2_grpc.HealthStub(c)
            def check(service):
                try:
                    return health.Check(health_pb2.HealthCheckRequest(service=service)).status
                except grpc.RpcError as error:
                    return error.code().name
            stub = reflection_pb2_grpc.ServerReflectionStub(c)
            def ask(**what):
                return next(stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**what)])))
            services = sorted(s.name for s in ask(list_services='').list_services_response.service)
            files = ask(file_containing_symbol='jina.JinaRPC').file_descriptor_response.file_descriptor_proto
            names = [FileDescriptorProto.FromString(file).name for file in files]
            watched = next(health.Watch(health_pb2.HealthCheckRequest(service='jina.JinaRPC'))).status
            answer({
                'services': services,
                'health': {name: check(name) for name in [''] + [s for s in services if s.startswith('jina.')]},
                'unknown': check('nobody.Home'),
                'watched': watched,
                'file': 'jina.proto' in names,
            })
        ",
    );
    let services: Vec<&str> = seen["services"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    let jina = [
        "jina.JinaDataRequestRPC",
        "jina.JinaDiscoverEndpointsRPC",
        "jina.JinaGatewayDryRunRPC",
        "jina.JinaInfoRPC",
        "jina.JinaRPC",
        "jina.JinaSingleDataRequestRPC",
        "jina.JinaSingleDocumentRequestRPC",
    ];
    for service in jina.iter().filter(|name| {
        ![
            "jina.JinaDataRequestRPC",
            "jina.JinaSingleDocumentRequestRPC",
        ]
        .contains(*name)
    }) {
        assert!(
            services.contains(service),
            "{service} is not among {services:?}"
        );
    }
    assert!(
        services.contains(&"grpc.reflection.v1alpha.ServerReflection"),
        "{services:?}"
    );
    for (name, status) in seen["health"].as_object().unwrap() {
        assert_eq!(status, 1, "`{name}` is SERVING");
    }
    assert_eq!(seen["unknown"], "NOT_FOUND");
    assert_eq!(seen["watched"], 1);
    assert_eq!(seen["file"], true);
}

#[test]
fn discovery_dry_run_and_status() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "probe"
        uses = "{probe}"
        [[executors]]
        name = "hostile"
        uses = "{hostile}"
        "#,
    );
    let seen = flow.python(
        "
        from google.protobuf.empty_pb2 import Empty
        from jina.proto import jina_pb2_grpc
        with channel() as c:
            endpoints = jina_pb2_grpc.JinaDiscoverEndpointsRPCStub(c).endpoint_discovery(Empty()).endpoints
            dry = jina_pb2_grpc.JinaGatewayDryRunRPCStub(c).dry_run(Empty())
            status = jina_pb2_grpc.JinaInfoRPCStub(c)._status(Empty())
        answer({'endpoints': sorted(endpoints), 'dry': dry.code, 'status': [dict(status.jina), dict(status.envs)]})
        ",
    );
    let endpoints: Vec<&str> = seen["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    for endpoint in ["/trace", "/rewrite", "/default", "/panic", "_jina_dry_run_"] {
        assert!(
            endpoints.contains(&endpoint),
            "{endpoint} is not among {endpoints:?}"
        );
    }
    assert!(!endpoints.contains(&"/spare"), "{endpoints:?}");
    assert_eq!(seen["dry"], 0);
    assert!(
        seen["status"][0]
            .as_object()
            .is_some_and(|map| !map.is_empty()),
        "{seen}"
    );
    // Nothing of the host's environment is told to clients.
    let told = seen["status"][1].to_string();
    for secret in ["PATH", "HOME"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn methods_that_are_not_there_say_so() {
    let flow = one();
    let seen = flow.python(
        "
        answer([raw(b'', '/jina.JinaRPC/Nothing')['status'], raw(b'', '/nobody.Home/At')['status']])
        ",
    );
    assert_eq!(seen, json!(["UNIMPLEMENTED", "UNIMPLEMENTED"]));
}

/// Several clients at once, each with its own stream.
#[test]
fn clients_do_not_mix_up() {
    let flow = one();
    let seen = flow.python(
        "
        from concurrent.futures import ThreadPoolExecutor
        def talk(n):
            got = []
            for round in range(5):
                made = request('/trace', texts(f'{n}.{round}'), request_id=f'{n:016}{round:016}')
                response = raw(made, STREAM if n % 2 else UNARY)['response']
                got.append(response.header.request_id == made.header.request_id and response.data.docs.docs[0].text == f'{n}.{round}>probe/rep-0')
            return all(got)
        with ThreadPoolExecutor(8) as pool:
            answer(list(pool.map(talk, range(8))))
        ",
    );
    assert_eq!(seen, json!(vec![true; 8]));
}
