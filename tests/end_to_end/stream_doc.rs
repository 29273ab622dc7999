//! Documents one by one: Jina's `stream_doc`.

use std::time::Duration;

use serde_json::json;
use wasm_flow_tests::Server;

const ONE: &str = "[[executors]]\nname = \"one\"\nuses = \"{probe}\"\n";
const TWO: &str = "[[executors]]\nname = \"two\"\nuses = \"{probe}\"\n\
                   uses_requests = { \"/stream\" = \"trace\" }\n";

/// A Python function that streams with the real client: the texts, and the failure.
const STREAMED: &str = "
        import asyncio
        async def _streamed(on, text):
            texts = []
            try:
                async for doc in client(asyncio=True).stream_doc(on, inputs=Document(text=text)):
                    texts.append(doc.text)
            except BadServer as error:
                texts.append('failed: ' + error.args[0].status.exception.args[0])
            return texts
        def streamed(on, text):
            return asyncio.run(_streamed(on, text))
        ";

#[test]
fn a_handler_yields_documents_and_fails_once() {
    let flow = Server::run(ONE);
    let seen = flow.python(&format!(
        "{STREAMED}
        answer({{
            'three': streamed('/stream', '3'),
            'none': streamed('/stream', '0'),
            'fails': streamed('/stream', '2!'),
            'fails_at_once': streamed('/stream', '0!'),
            'ordinary': streamed('/trace', 't'),
            'ordinary_fails': streamed('/wait', 'no number'),
            'together': client().post('/stream', texts('3')).texts,
            'together_fails': failed(lambda: client().post('/stream', texts('3!')))['args'],
        }})
        "
    ));
    assert_eq!(seen["three"], json!(["3 0", "3 1", "3 2"]));
    assert_eq!(seen["none"], json!([]));
    // Jina's gateway sends these again, four times in all, and loses the error.
    assert_eq!(seen["fails"], json!(["2! 0", "2! 1", "failed: enough"]));
    assert_eq!(seen["fails_at_once"], json!(["failed: enough"]));
    assert_eq!(seen["ordinary"], json!(["t>one/rep-0"]));
    let fails = seen["ordinary_fails"].as_array().unwrap();
    assert!(
        fails.len() == 1 && fails[0].as_str().unwrap().starts_with("failed: "),
        "{fails:?}"
    );
    assert_eq!(seen["together"], json!(["3 0", "3 1", "3 2"]));
    assert_eq!(seen["together_fails"], json!(["enough"]));
}

#[test]
fn each_document_passes_the_rest_of_the_chain() {
    let flow = Server::run(&[ONE, TWO].concat());
    let seen = flow.python(&format!(
        "{STREAMED}
        answer(streamed('/stream', '2!'))
        "
    ));
    let expected = json!(["2! 0>two/rep-0", "2! 1>two/rep-0", "failed: enough"]);
    assert_eq!(seen, expected);
}

/// Also if the method does not ask whether its documents were taken: they are on their way,
/// and its own time runs.
#[test]
fn who_sends_and_does_not_wait_has_its_timeout() {
    let flow = Server::run("[[executors]]\nname = \"raw\"\nuses = \"{raw}\"\ntimeout = \"1s\"\n");
    let seen = flow.python(&format!(
        "{STREAMED}
        def late(call):
            started = time.monotonic()
            return [call(), time.monotonic() - started < 30]
        post = lambda: client().post('/send_and_sleep', texts('a'))
        answer({{
            'together': late(lambda: failed(post)['name']),
            'streamed': late(lambda: [
                text.split(' ')[0] for text in streamed('/send_and_sleep', 'a')
            ]),
        }})
        "
    ));
    assert_eq!(seen["together"], json!(["TimeoutError", true]));
    assert_eq!(seen["streamed"], json!([["a", "failed:"], true]));
}

/// What comes before the failure has come while the method ran.
#[test]
fn one_shard_streams_and_all_of_them_answer_at_the_end() {
    let snippet = format!(
        "{STREAMED}
        answer([streamed('/stream', text) for text in ['2', '2!', '1']])
        "
    );
    let streamed = |more: &str| {
        let flow = Server::run(&format!("{ONE}shards = 2\n{more}\n"));
        flow.python(&snippet)
    };
    let sent = json!(["2! 0", "2! 1", "failed: enough"]);
    assert_eq!(
        streamed(""),
        json!([["2 0", "2 1"], sent, ["1 0"]]),
        "one shard after the other"
    );
    let around =
        "uses_before = { uses = \"{probe}\", uses_requests = { \"/stream\" = \"nothing\" } }";
    assert_eq!(streamed(around)[1], sent);
    // Those of both shards have no ids, so they stay apart.
    assert_eq!(
        streamed("polling = \"ALL\""),
        json!([
            ["2 0", "2 1", "2 0", "2 1"],
            ["failed: enough"],
            ["1 0", "1 0"]
        ])
    );
    let after = "uses_after = { uses = \"{probe}\", uses_requests = { \"/stream\" = \"trace\" } }";
    assert_eq!(
        streamed(after),
        json!([
            ["2 0>one/uses_after-0", "2 1>one/uses_after-0"],
            ["failed: enough"],
            ["1 0>one/uses_after-0"]
        ])
    );
}

/// Jina's row `stream_doc`, over a branch.
#[test]
fn only_a_chain_passes_documents_on() {
    let branch = TWO.replace("uses_requests", "needs = \"gateway\"\nuses_requests");
    let join = TWO.replace("\"two\"", "\"join\"");
    let join = join.replace("uses_requests", "needs = \"all\"\nuses_requests");
    let flow = Server::run(&[ONE, &branch, &join].concat());
    let seen = flow.python(&format!(
        "{STREAMED}
        answer(streamed('/stream', '2'))
        "
    ));
    let reason = seen[0].as_str().unwrap();
    assert!(
        reason.contains("which only a chain can pass on"),
        "{reason}"
    );
    assert_eq!(seen.as_array().unwrap().len(), 1);
}

/// A client that reads slowly, or goes away, holds up what it asked for and nothing
/// else.
#[test]
fn a_slow_client_holds_the_handler_up() {
    let mut flow = Server::run(ONE);
    let seen = flow.python(
        "
        made = jina_pb2.SingleDocumentRequestProto()
        made.header.request_id = 'a' * 32
        made.header.exec_endpoint = '/stream'
        made.document.text = '5000'
        method = '/jina.JinaSingleDocumentRequestRPC/stream_doc'
        with channel() as c:
            call = c.unary_stream(method)(made.SerializeToString())
            first = next(call)
            time.sleep(2)
            others = client().post('/trace', texts('t')).texts
            call.cancel()
        time.sleep(1)
        answer({'others': others, 'after': client().post('/stream', texts('1')).texts})
        ",
    );
    assert_eq!(seen["others"], json!(["t>one/rep-0"]));
    assert_eq!(seen["after"], json!(["1 0"]));
    let sent = flow.printed().len();
    assert!(
        (1..4000).contains(&sent),
        "{sent} of 5000 documents were sent"
    );
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(flow.printed().len(), sent, "it goes on for nobody");
    assert!(flow.runs());
}
