//! The schema and the reader say the same of every key.

use serde_json::Value;

use super::cases::cases;
use super::validator::validate;
use super::*;

/// What is a matter of several keys together, which the schema cannot say.
const BEYOND_SCHEMA: [&str; 12] = [
    "all",
    "ends",
    "floating",
    "gateway_auth",
    "hub_trust",
    "cycle",
    "duplicate_names",
    "instances",
    "needs_itself",
    "replicas",
    "unknown_need",
    "when",
];

/// What a parser of TOML refuses.
const NOT_TOML: [&str; 2] = ["duplicate_key", "syntax"];

/// A key, with its schema and the way to its table.
struct Property {
    path: Vec<Step>,
    name: String,
    schema: Value,
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    /// Into the last item of a list.
    Last,
}

/// All keys, those of nested tables included.
fn properties() -> Vec<Property> {
    fn collect(path: &[Step], table: &Value, into: &mut Vec<Property>) {
        for (name, schema) in table["properties"].as_object().unwrap() {
            into.push(Property {
                path: path.to_owned(),
                name: name.clone(),
                schema: schema.clone(),
            });
            let mut inner = path.to_owned();
            inner.push(Step::Key(name.clone()));
            if schema.get("properties").is_some() {
                collect(&inner, schema, into);
            } else if let Some(items) = schema.get("items") {
                inner.push(Step::Last);
                collect(&inner, items, into);
            }
        }
    }
    let mut all = Vec::new();
    collect(&[], &crate::schema(), &mut all);
    assert!(all.len() > 20, "the keys were not found");
    all
}

/// A small flow that is right, and has every table that has keys.
fn base() -> Value {
    json!({
        "flow": {},
        "gateway": {
            "tls": { "cert": "server.pem", "key": "server.key" },
            "auth": { "token_file": "tokens.txt" },
        },
        "host": { "compile": {} },
        "hub": { "trust": [{ "of": "registry.example.com", "keys": ["team.pub"] }] },
        "executors": [
            { "name": "encode", "uses": "encode.wasm" },
            {
                "name": "index",
                "uses": "index.wasm",
                "limits": {},
                "allow": { "dirs": [{ "host": "data", "guest": "/data" }] },
            },
        ],
    })
}

/// Changes one key of a flow like the base.
fn set(flow: &mut Value, property: &Property, value: Value) {
    let mut table = &mut *flow;
    for step in &property.path {
        table = match step {
            Step::Key(key) => &mut table[key],
            Step::Last => table.as_array_mut().unwrap().last_mut().unwrap(),
        };
    }
    table[&property.name] = value;
}

/// The same with an executor that runs elsewhere.
fn remote_base() -> Value {
    let mut flow = base();
    flow["executors"][1] =
        json!({ "name": "index", "uses": "grpcs://index:443", "tls": { "cert": "a", "key": "b" } });
    flow
}

/// Whether a key is for executors that run elsewhere.
fn is_remote(property: &Property) -> bool {
    let is_tls = |step: &Step| matches!(step, Step::Key(key) if key == "tls");
    let names = [
        "timeout_send",
        "tls",
        "token",
        "token_file",
        "timeout_sendx",
        "tlsx",
        "tokenx",
        "token_filex",
    ];
    !is_of_the_gateway(property)
        && (names.contains(&property.name.as_str()) || property.path.iter().any(is_tls))
}

/// Whether a key is in `[gateway]`, or below it.
fn is_of_the_gateway(property: &Property) -> bool {
    matches!(property.path.first(), Some(Step::Key(key)) if key == "gateway")
}

/// The base with one key changed.
fn with(property: &Property, value: Value) -> Value {
    let is_address = value
        .as_str()
        .is_some_and(|text| text.starts_with("grpc://"));
    let mut flow = match is_remote(property) || is_address {
        true => remote_base(),
        false => base(),
    };
    if is_address {
        flow["executors"][1].as_object_mut().unwrap().remove("tls");
    }
    if property.name == "unsigned" && value == true {
        // One of the two.
        flow["hub"]["trust"][0]
            .as_object_mut()
            .unwrap()
            .remove("keys");
    }
    if property.name == "token" && is_of_the_gateway(property) {
        // One of the two.
        flow["gateway"]["auth"] = json!({});
    }
    set(&mut flow, property, value);
    if let Some([first, second]) = flow["executors"].as_array_mut().map(Vec::as_mut_slice)
        && first["name"] == second["name"]
    {
        first["name"] = "first".into();
    }
    flow
}

/// The same as TOML: what the base has, inline.
fn toml_of(value: &Value) -> String {
    fn inline(value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(inline).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{key:?} = {}", inline(value)));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }
    let entries = value.as_object().unwrap().iter();
    entries
        .map(|(key, value)| format!("{key} = {}\n", inline(value)))
        .collect()
}

/// A file's text as JSON.
pub(super) fn json_of(text: &str) -> Value {
    let document = DeTable::parse(text).unwrap();
    let mut problems = Problems::default();
    Value::Object(crate::json::object(&mut problems, document.get_ref()))
}

fn both_take(flow: &Value) {
    assert_eq!(validate(&crate::schema(), flow), Ok(()), "{flow}");
    // No variable is set here.
    parse(&toml_of(flow).replace("${", "$${"));
}

#[test]
fn the_committed_file_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("flow.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&crate::schema()).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        committed == crate::schema(),
        "run the tests with UPDATE=1, and read the difference"
    );
}

#[test]
fn every_key_says_what_it_is() {
    for Property { name, schema, .. } in properties() {
        let description = schema["description"].as_str().unwrap();
        assert!(description.ends_with('.'), "{name}: {description}");
        assert!(!description.contains("  "), "{name}: {description}");
        assert!(!schema["examples"].as_array().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn every_example_is_taken_by_both() {
    for property in properties() {
        for example in property.schema["examples"].as_array().unwrap() {
            assert!(!example.is_null(), "{} is not TOML", property.name);
            both_take(&with(&property, example.clone()));
        }
    }
}

#[test]
fn every_default_is_what_leaving_the_key_out_means() {
    let read = |flow: &Value| {
        let manifest = parse(&toml_of(flow));
        let executors = manifest.executors.iter();
        let configs: Vec<_> = executors.map(|(_, node)| &node.value.config).collect();
        format!("{:?} {:?} {configs:?}", manifest.gateway, manifest.host)
    };
    let mut seen = 0;
    for property in properties() {
        if let Some(default) = property.schema.get("default") {
            seen += 1;
            let flow = with(&property, default.clone());
            both_take(&flow);
            assert_eq!(read(&flow), read(&base()), "{}", property.name);
        }
    }
    assert!(seen > 5, "the defaults were not found");
}

#[test]
fn a_file_with_every_key_is_taken_by_both() {
    let mut flow = base();
    for property in properties() {
        // The example of `http` is a list of texts, which may also be tables.
        let is_table =
            property.schema.to_string().contains("\"properties\"") && property.name != "http";
        let is_id = property.name == "name" && property.path.len() == 2;
        // There are keys, and a file with tokens.
        let is_other = property.name == "unsigned"
            || (property.name == "token" && is_of_the_gateway(&property));
        if !is_table && !is_id && !is_other && !is_remote(&property) {
            set(&mut flow, &property, property.schema["examples"][0].clone());
        }
    }
    both_take(&flow);
    let mut remote = remote_base();
    for property in properties().iter().filter(|property| is_remote(property)) {
        if property.name != "tls" {
            set(
                &mut remote,
                property,
                property.schema["examples"][0].clone(),
            );
        }
    }
    // One token, either way.
    for other in ["token", "token_file"] {
        let mut one = remote.clone();
        let executor = one["executors"][1].as_object_mut().unwrap();
        executor.remove(other).unwrap();
        both_take(&one);
    }
    assert_eq!(remote["executors"][1]["tls"].as_object().unwrap().len(), 3);
    let leaves = |key: &str| flow["executors"][1][key].as_object().unwrap().len();
    assert_eq!((leaves("limits"), leaves("allow")), (6, 3));
}

/// No key that the schema has is passed over by the reader.
#[test]
fn a_wrong_type_is_refused_by_both() {
    for property in properties() {
        let wrong = match property.schema["type"][0].as_str() {
            Some("boolean") => json!(1),
            _ => json!(true),
        };
        let flow = with(&property, wrong);
        assert!(validate(&crate::schema(), &flow).is_err(), "{flow}");
        let report = refused(&toml_of(&flow));
        let expected = format!("`{}` must be ", property.name);
        let mut titles = report.problems().iter().map(|problem| problem.title());
        assert!(titles.any(|title| title.starts_with(&expected)), "{report}");
    }
}

#[test]
fn a_key_that_is_not_declared_is_refused_by_both() {
    for mut property in properties() {
        property.name.push('x');
        let flow = with(&property, json!(1));
        assert!(validate(&crate::schema(), &flow).is_err(), "{flow}");
        let report = refused(&toml_of(&flow));
        let title = report.problems()[0].title();
        let expected = format!("unknown key `{}` in ", property.name);
        assert!(title.starts_with(&expected), "{report}");
    }
}

#[test]
fn what_the_schema_refuses_of_the_cases() {
    let mut passed_over = 0;
    for path in cases() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        if NOT_TOML.contains(&name) {
            passed_over += 1;
            assert!(DeTable::parse(&text).is_err(), "{name}");
            continue;
        }
        let valid = validate(&crate::schema(), &json_of(&text));
        let beyond = BEYOND_SCHEMA.contains(&name);
        passed_over += usize::from(beyond);
        assert_eq!(valid.is_ok(), beyond, "{name}: {valid:?}");
    }
    assert_eq!(passed_over, NOT_TOML.len() + BEYOND_SCHEMA.len());
}

/// An editor must not mark a file that is right.
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let executor = |keys: &str| {
        format!("executors = [{{ name = \"encode\", uses = \"encode.wasm\" }}, {{ {keys} }}]")
    };
    let index = |keys: &str| executor(&format!("name = \"index\", uses = \"index.wasm\", {keys}"));
    for text in [
        executor("name = \"größe_1.x-y\", uses = \"../x y\""),
        executor("name = \"_\", uses = \"C:\\\\x.wasm\""),
        executor("name = \"_\", uses = \"a:\""),
        executor("name = \"_\", uses = \"a:/\""),
        executor("name = \"_\", uses = \":/:b::/\""),
        index("timeout = \" 1_000 ms \""),
        index("timeout = \".5h\""),
        index("limits = { memory = \"1.5 gib\" }"),
        index("limits = { memory = \"2_000_000B\", concurrency = 0x10 }"),
        index("allow = { http = [] , env = [], dirs = [] }"),
        index("allow = { http = \"HTTP://[::1]:80/x#y\", env = \"a b\" }"),
        index("allow = { http = { origin = \"https://a\" } }"),
        index("allow = { http = [\"http://a\", { origin = \"https://a\", private = true }] }"),
        index("allow = { env = [\"LANG\", \"LANG\"] }"),
        index("allow = { dirs = [{ host = \"/\", guest = \"/.a/b..c/\" }] }"),
        index("needs = \"encode\", uses_requests = {}, uses_with = {}"),
        index("shards = 0b11, polling = { \"/a b\" = \"ALL\" }, uses_before = \"b.wasm\""),
        index("polling = {}, uses_after = { uses = \"b\", limits = {}, allow = { env = \"A\" } }"),
    ] {
        parse(&text);
        assert_eq!(
            validate(&crate::schema(), &json_of(&text)),
            Ok(()),
            "{text}"
        );
    }
    for host in ["::1", "a-b.example", "0.0.0.0", "my_host"] {
        let text = format!("gateway.host = \"{host}\"\n{}", index("replicas = 999"));
        parse(&text);
        assert_eq!(
            validate(&crate::schema(), &json_of(&text)),
            Ok(()),
            "{text}"
        );
    }
}

#[test]
fn names_are_refused_by_both() {
    let flow = |name: &str| json!({ "executors": [{ "name": name, "uses": "a.wasm" }] });
    for name in ["a", "_", "größe", "a-b.c_1", "Z9", "\u{1d4b3}"] {
        both_take(&flow(name));
    }
    for name in [
        "", "gateway", "1a", "-a", ".a", "a b", "a/b", "a:b", "a,b", "a[b", "a`", "a{", "a\u{7f}",
    ] {
        assert!(validate(&crate::schema(), &flow(name)).is_err(), "{name}");
        refused(&toml_of(&flow(name)));
    }
}

#[test]
fn the_examples_are_taken_by_both() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "flow.toml") {
                seen += 1;
                Manifest::load(&path).unwrap();
                let flow = json_of(&fs::read_to_string(&path).unwrap());
                assert_eq!(
                    validate(&crate::schema(), &flow),
                    Ok(()),
                    "{}",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 1, "the examples were not found");
}
