//! `${NAME}`. The variables are those of this file, and not the process's.

use std::ffi::OsString;

use super::cases::compare;
use super::*;
use crate::bounds::MAX_SUBSTITUTED;

/// A value that no message may show.
const SECRET: &str = "s3cret \"quoted\"\nname = 'x'";

/// A value that a number and a unit is read from, and a host and a port.
const PASSWORD: &str = "5hun`ter2,hunter2:1";

fn environment(name: &str) -> Option<OsString> {
    Some(match name {
        "WORD" => "word".into(),
        "NUMBER" => "7".into(),
        "HOST" => "a.example".into(),
        "EMPTY" => "".into(),
        "SECRET" => SECRET.into(),
        "PASSWORD" => PASSWORD.into(),
        "YES" => "true".into(),
        "HALF" => "x".repeat(MAX_SUBSTITUTED / 2).into(),
        #[cfg(unix)]
        "ODD" => std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]),
        _ => return None,
    })
}

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse_with(text, "flow.toml", environment)
}

fn parse(text: &str) -> Manifest {
    read(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(text: &str) -> Report {
    match read(text) {
        Err(ManifestError::Invalid(report)) => *report,
        other => panic!("{other:?}\n{text}"),
    }
}

/// As in `cases`, with the variables of this file.
#[test]
fn what_is_wrong_is_reported() {
    for name in ["forms", "refused", "too_much", "unset"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cases/variables");
        let path = folder.join(format!("{name}.toml"));
        compare(&path, &refused(&fs::read_to_string(&path).unwrap()));
    }
}

#[test]
fn texts_have_the_values_of_variables() {
    let manifest = parse(
        r#"
            [flow]
            name = "${WORD}-${NUMBER}"
            [gateway]
            host = "${HOST}"
            port = "${NUMBER}"
            prefetch = "${UNSET:-12}"
            [[executors]]
            name = "${WORD}"
            uses = "models/${WORD}.wasm"
            uses_with."${WORD}" = ["${SECRET}", { a = "a${EMPTY}b", b = '${NUMBER}' }, 1]
            uses_with.default = "${EMPTY:-$WORD} ${UNSET:-}."
            uses_with.plain = "$${WORD} $$${WORD} $WORD $5 {WORD}"
            floating = "${YES}"
            timeout = "${NUMBER}s"
            isolation = "${UNSET:-request}"
            [[executors]]
            name = "last"
            uses = "${NUMBER}"
            needs = ["gateway"]
            allow = { http = "https://${HOST}", env = ["${WORD}"] }
        "#,
    );
    assert_eq!(manifest.name, "word-7");
    assert_eq!(manifest.gateway.host, "a.example");
    assert_eq!(manifest.gateway.port, 7);
    assert_eq!(manifest.gateway.prefetch.get(), 12);
    let [word, last] = ids(&manifest)[..] else {
        panic!("two executors")
    };
    let Uses::Path { written, .. } = &manifest.executors[word].value.uses else {
        panic!("not a path")
    };
    assert_eq!(written, "models/word.wasm");
    assert!(manifest.executors[word].options.floating);
    let config = &manifest.executors[word].value.config;
    assert_eq!(config.name, "word");
    assert_eq!(config.timeout, Duration::from_secs(7));
    assert_eq!(config.isolation, Isolation::Request);
    assert_eq!(
        serde_json::Value::Object(config.uses_with.clone()),
        json!({
            // A key is what it is, and a value that an executor gets stays a text.
            "${WORD}": [SECRET, { "a": "ab", "b": "7" }, 1],
            "default": "$WORD .",
            "plain": "${WORD} $word $WORD $5 {WORD}",
        })
    );
    let allow = &manifest.executors[last].value.config.allow;
    assert_eq!(allow.http[0].origin.to_string(), "https://a.example");
    assert_eq!(allow.env, ["word"]);
}

/// Whatever key a secret stands in.
#[test]
fn a_refused_secret_is_not_shown() {
    let schema = crate::schema().to_string();
    let keys = |table: &str, keys: &[&str]| -> Vec<(String, String)> {
        let pair = |key: &&str| (table.to_owned(), (*key).to_owned());
        keys.iter().map(pair).collect()
    };
    let all = [
        keys("gateway", &["host", "port", "prefetch", "max_message"]),
        keys(
            "executor",
            &[
                "uses",
                "uses_with",
                "uses_metas",
                "uses_requests",
                "when",
                "no_reduce",
                "floating",
                "uses_dynamic_batching",
                "replicas",
                "shards",
                "polling",
                "uses_before",
                "uses_after",
                "isolation",
                "retries",
                "timeout",
                "workspace",
                "limits",
                "allow",
            ],
        ),
        keys("limits", &["memory", "concurrency", "reply"]),
        keys("allow", &["http", "env", "dirs"]),
        keys("host", &["compile", "compile.time", "compile.memory"]),
    ];
    let mut refusals = 0;
    for (table, key) in all.concat() {
        let name = key.rsplit('.').next().unwrap();
        assert!(schema.contains(&format!("\"{name}\"")), "{key}");
        for value in [
            "\"${SECRET}\"",
            "[\"${SECRET}\", \"${SECRET}\"]",
            "{ x = \"${SECRET}\" }",
        ] {
            let text = match table.as_str() {
                "gateway" | "host" => format!(
                    "{table}.{key} = {value}\n[[executors]]\nname = \"a\"\nuses = \"a.wasm\""
                ),
                "executor" if key == "uses" => {
                    format!("[[executors]]\nname = \"a\"\nuses = {value}")
                }
                "executor" => {
                    format!("[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n{key} = {value}")
                }
                table => format!(
                    "[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n{table}.{key} = {value}"
                ),
            };
            if let Err(error) = read(&text) {
                refusals += 1;
                let said = error.to_string();
                assert!(!said.contains("s3cret"), "{said}");
            }
        }
    }
    assert!(refusals > 40, "{refusals}");
}

#[test]
fn what_is_said_later_does_not_show_a_secret() {
    let manifest = parse(
        "[[executors]]\nname = \"a\"\nuses = \"${WORD}.wasm\"\nuses_with = { token = \"${SECRET}\" }",
    );
    let id = ids(&manifest)[0];
    let said = format!("the token {SECRET} was refused by word");
    let late = |place| LateProblem::new(place, said.clone()).help(said.clone());
    let shown = manifest.report([late(Place::UsesWith(id))]).to_string();
    assert!(
        shown.contains("the token ${SECRET} was refused by ${WORD}"),
        "{shown}"
    );
    assert!(!shown.contains("s3cret"), "{shown}");

    let missing = LateProblem::uses_is_missing(id, Path::new("word.wasm"), None);
    let shown = manifest.report([missing]).to_string();
    assert!(shown.contains("looked for word.wasm"), "{shown}");
    assert!(
        shown.contains("the value of the environment variable `WORD` is in it"),
        "{shown}"
    );

    // Nor does what is said of a file that should have one in it.
    let tokens = parse(
        "[[executors]]\nname = \"a\"\nuses = \"grpcs://a:1\"\ntoken_file = \"${PASSWORD}\"\n\
         uses_before = { uses = \"grpcs://a:1\", token_file = \"${PASSWORD}\" }",
    );
    let id = ids(&tokens)[0];
    let title = format!("cannot read {PASSWORD}: there is no such file");
    let missing = LateProblem::new(Place::Token(id), title).about_path();
    let report = tokens.report([missing.clone(), missing.of_head(Head::Before)]);
    let shown = report.to_string();
    assert_eq!(shown.matches("cannot read ${PASSWORD}: ").count(), 2);
    assert!(!shown.contains("hunter2"), "{shown}");

    let around =
        parse("[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\nuses_after = \"${WORD}.wasm\"");
    let id = ids(&around)[0];
    let missing = LateProblem::uses_is_missing(id, Path::new("word.wasm"), None);
    let shown = around.report([missing.of_head(Head::After)]).to_string();
    assert!(shown.contains("looked for word.wasm"), "{shown}");
}

/// What is said of a value may quote a part of it.
#[test]
fn no_part_of_a_refused_secret_is_shown() {
    for (keys, expected) in [
        ("timeout = \"${PASSWORD}\"", "unknown unit `...`...`; known"),
        (
            "timeout = \"${PASSWORD}x\"",
            "unknown unit `...`...`; known",
        ),
        (
            "limits.memory = \"${PASSWORD}\"",
            "unknown unit `...`...`; known",
        ),
        // What the file has, it may say.
        ("timeout = \"${NUMBER}sec\"", "unknown unit `sec`; known"),
        ("timeout = \"1${UNSET:-sec}\"", "unknown unit `sec`; known"),
        (
            "uses_before = \"grpc://${PASSWORD}\"",
            "`...`...` is not a host name",
        ),
        ("uses_before = \"grpc://a,${HOST}:1\"", "`a` has no port"),
    ] {
        let text = format!("[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n{keys}");
        let shown = refused(&text).to_string();
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
    }
    // The key's own name stays, though the value has it.
    let host = refused("gateway.host = \"http://local${WORD}host\"").to_string();
    assert!(host.contains("`host` is not a host name"), "{host}");
}

#[test]
fn a_secret_is_not_printed_for_a_programmer_either() {
    let text = "[[executors]]\nname = \"a\"\nuses = \"grpcs://a:1\"\ntoken = \"${PASSWORD}\"";
    let manifest = parse(text);
    let mut problems = Problems::default();
    problems.set_variables(manifest.source.variables.clone());
    for printed in [format!("{manifest:?}"), format!("{problems:?}")] {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_variable_that_stands_there_twice_is_named_once() {
    let text = "[[executors]]\nname = \"a\"\nuses = \"a.wasm\"\n\
                timeout = \"${WORD}${NUMBER}${WORD}\"";
    let shown = refused(text).to_string();
    assert!(
        shown.contains("the values of the environment variables `WORD` and `NUMBER` are in it"),
        "{shown}"
    );
}

/// An editor must not mark a variable.
#[test]
fn the_schema_takes_variables() {
    let text = r#"
        gateway = { host = "${HOST}", port = "${UNSET:-80}", max_message = "${NUMBER}MiB" }
        [[executors]]
        name = "${WORD}"
        uses = "${WORD}://x"
        isolation = "${UNSET:-request}"
        floating = "${YES}"
        needs = ["${UNSET:-gateway}"]
        shards = "${NUMBER}"
        polling = { "/x" = "${UNSET:-ALL}", "/y" = "ANY" }
        uses_before = "${WORD}"
        uses_after = { uses = "${WORD}://x", replicas = "${NUMBER}", timeout = "${UNSET:-1s}" }
        limits = { memory = "${UNSET:-1GiB}", concurrency = "${NUMBER}" }
        allow = { http = "${UNSET:-https://a.example}", dirs = [{ host = ".", guest = "${UNSET:-/a}" }] }
    "#;
    let flow = super::schema::json_of(text);
    let valid = super::validator::validate(&crate::schema(), &flow);
    assert_eq!(valid, Ok(()));
    parse(&text.replace("${WORD}://x", "${WORD}"));
    let number = super::schema::json_of(
        "gateway.port = \"${NUMBER}0\"\nexecutors = [{ name = \"a\", uses = \"b\" }]",
    );
    assert!(super::validator::validate(&crate::schema(), &number).is_err());
}
