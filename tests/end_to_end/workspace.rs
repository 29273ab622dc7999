//! `workspace`: a folder of its own for each replica.

use std::fs;

use serde_json::json;
use wasm_flow_tests::Server;

#[test]
fn each_replica_writes_to_a_folder_of_its_own() {
    let flow = Server::run(
        r#"
        [[executors]]
        name = "guest"
        uses = "{hostile}"
        replicas = 2
        workspace = "work/idx"

        [[executors]]
        name = "probe"
        uses = "{probe}"
        workspace = "work/idx"
        uses_requests = { "/write" = "nothing", "/read" = "nothing", "/report" = "report" }
        "#,
    );
    let seen = flow.python(
        "
        for _ in range(2):
            client().post('/write', texts('x'), parameters={'path': '/workspace/kept.txt'})
        kept = results('/read', texts('x'), parameters={'path': '/workspace/kept.txt'})
        answer({
            'kept': list(kept.values()),
            'metas': results('/report', texts('x'))['probe/rep-0']['metas']['workspace'],
        })
        ",
    );
    assert_eq!(seen["kept"], json!([{ "text": "written by a guest" }]));
    assert_eq!(seen["metas"], "/workspace");
    for replica in ["0", "1"] {
        let file = flow
            .folder()
            .join("work/idx/guest")
            .join(replica)
            .join("kept.txt");
        assert_eq!(fs::read_to_string(&file).unwrap(), "written by a guest");
    }
    assert!(flow.folder().join("work/idx/probe/0").is_dir());
}

#[test]
fn without_a_workspace_there_is_no_folder() {
    let flow = Server::run("[[executors]]\nname = \"guest\"\nuses = \"{hostile}\"\n");
    let error = flow.python(
        "answer(failed(lambda: client().post('/write', texts('x'), parameters={'path': '/workspace/new'})))",
    );
    assert!(
        error.to_string().contains("cannot write /workspace/new"),
        "{error}"
    );
}

#[test]
fn a_grant_in_its_place_and_a_file_in_its_way_are_refused() {
    let refused = Server::refused(
        r#"
        [[executors]]
        name = "guest"
        uses = "{hostile}"
        workspace = "idx"
        allow.dirs = [{ host = "{folder}", guest = "/workspace/" }]
        "#,
    );
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&[
        "guest",
        "workspace",
        "`/workspace`",
        "allow.dirs",
        "`guest`",
    ]);

    let refused = Server::refused(
        "[[executors]]\nname = \"guest\"\nuses = \"{hostile}\"\nworkspace = \"flow.toml\"\n",
    );
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.complains_of(&[
        "the workspace",
        "flow.toml/guest/0",
        "cannot be used",
        // The place of the key, and not of the executor.
        "flow.toml:4:1",
    ]);
}
