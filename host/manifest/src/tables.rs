//! The tables of `flow.toml`: every key that there is.
//!
//! Each key is declared here and nowhere else. The comment above it is its
//! description in the JSON Schema, too.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use serde_json::{Map, Value};
use toml::Spanned;
use wasm_flow_contract::bounds::INSTANCES;
use wasm_flow_contract::config::Isolation;
use wasm_flow_contract::grants::Access;
use wasm_flow_contract::hub::{Digest, Reference, Scope};
use wasm_flow_contract::origin::HttpOrigin;
use wasm_flow_contract::query::Query;
use wasm_flow_contract::remote::Secret;
use wasm_flow_contract::sharding::Poll;

use crate::bounds::{
    MAX_BATCH, MAX_CONCURRENCY, MAX_EXECUTORS, MAX_PREFETCH, MAX_QUEUE, MAX_RETRIES, MAX_TRUST,
};
use crate::formats::{
    COMPILE_MEMORY, COMPILE_TIME, COMPUTING, DIGEST, ENV, FLOW_NAME, GUEST, HOST, HOST_FOLDER, KEY,
    MAX_MESSAGE_SIZE, MEMORY, NAME, NEED, ORIGIN, PEM, REFERENCE, REGISTRY, REPLY, SCOPE,
    SERVER_PEM, TIMEOUT, TOKEN, TOKEN_FILE, TOKENS_FILE, USES, WORKSPACE,
};
use crate::keys::{Toml::Inline, table};
use crate::kinds::{
    Either, Items, OneOrByKey, choice, choice_by_key, flag, free_table, quantity, query, table,
    tables, tables_by_key, text, text_or_table, texts, texts_by_key, texts_or_tables, whole,
};
use crate::uses::Uses;

table! {
    /// The whole file.
    struct FlowToml = "flow.toml" {
        /// What the flow is called, and how long its requests may take.
        flow: FlowTable = table()
            .example(Inline(r#"{ name = "search" }"#));

        /// Where and how the flow is served.
        gateway: GatewayTable = table()
            .example(Inline("{ port = 54321 }"));

        /// What the process that runs the flow may use.
        host: HostTable = table()
            .example(Inline(r#"{ compile = { time = "10m" } }"#));

        /// Which registries executors may come from, and whose signatures are wanted.
        hub: HubTable = table()
            .example(Inline(r#"{ registries = ["registry.example.com"] }"#));

        /// The executors of the flow. Documents go through them in this order, unless
        /// `needs` says otherwise.
        executors: Vec<Spanned<ExecutorTable>> = tables()
            .at_least_one("the flow has no executors")
            .at_most(MAX_EXECUTORS)
            .example(Inline(r#"[{ name = "encode", uses = "executors/encode" }]"#))
            .hint("a [[executors]] table for each");
    }
}

table! {
    /// What the flow is called, and how long its requests may take.
    struct FlowTable = "[flow]" {
        /// The flow's name. Without it, the flow is called what the folder of the file
        /// is called.
        name: String = text(FLOW_NAME)
            .example("search");

        /// How long a request may take, all executors together. Without it, only their
        /// own `timeout` bounds it.
        timeout: Duration = quantity(TIMEOUT)
            .example("5m");
    }
}

table! {
    /// Where and how the flow is served.
    struct GatewayTable = "[gateway]" {
        /// The IP address or host name to listen on: `127.0.0.1` for this machine alone,
        /// `0.0.0.0` for every network.
        host: String = text(HOST)
            .default("127.0.0.1")
            .example("127.0.0.1");

        /// The TCP port to listen on, or 0 for any free port.
        port: u16 = whole(0..=65_535)
            .default(54_321)
            .example(54_321)
            .hint("0 for any free port");

        /// A second port, on the same host, that answers health checks alone: without TLS,
        /// and to everybody. The probes of Kubernetes speak no TLS. 0 takes any free port.
        port_health: u16 = whole(0..=65_535)
            .example(8080)
            .hint("0 for any free port");

        /// What connections are secured with. Without it, they are not.
        tls: GatewayTlsTable = table()
            .example(Inline(r#"{ cert = "server.pem", key = "server.key" }"#));

        /// Who may send requests. Without it, everybody who can reach the port, and with
        /// `client_ca` of `tls`, whoever has a certificate from there.
        auth: GatewayAuthTable = table()
            .example(Inline(r#"{ token_file = "tokens.txt" }"#));

        /// How many requests of one stream may be in flight, if the client does not ask
        /// for another number.
        prefetch: NonZeroUsize = whole(1..=u64::from(MAX_PREFETCH))
            .default(1000)
            .example(1000);

        /// The largest message that is taken or sent.
        max_message: usize = quantity(MAX_MESSAGE_SIZE)
            .default("256MiB")
            .example("256MiB");

        /// How long a stop waits for requests to be answered. What is left then is cut off.
        /// Make it shorter than what stops the program waits itself: Kubernetes waits for
        /// 30 seconds. The executors' own `stop` may take five seconds more.
        grace: Duration = quantity(TIMEOUT)
            .default("5m")
            .example("25s");
    }
}

table! {
    /// Certificates and a key of the gateway, each as PEM: the path of a file, relative to
    /// the folder of this one, or the text itself, from an environment variable. Files are
    /// read again on SIGHUP.
    struct GatewayTlsTable = "[gateway.tls]" {
        /// The gateway's certificate, and behind it those between it and its authority's.
        cert: String = text(SERVER_PEM)
            .required()
            .example("server.pem")
            .example("${CERT_PEM}");

        /// The key of that certificate.
        key: String = text(SERVER_PEM)
            .required()
            .example("server.key")
            .example("${KEY_PEM}");

        /// The certificates of the authorities that a client's certificate has to come
        /// from. Without it, clients need none.
        client_ca: String = text(SERVER_PEM)
            .example("clients.pem");
    }
}

table! {
    /// Who may send requests: who sends one of these tokens with a call, as
    /// `authorization: Bearer <token>`. Health checks need none.
    struct GatewayAuthTable = "[gateway.auth]" {
        /// The tokens, or the one, from environment variables.
        token: Items<Secret> = texts("a token or a list of tokens", TOKEN)
            .example("${TOKEN}")
            .example(Inline(r#"["${TOKEN}", "${OLD_TOKEN}"]"#));

        /// A file with a token on each line, in place of `token`. The path is relative to
        /// the folder of this file. It is read again on SIGHUP.
        token_file: String = text(TOKENS_FILE)
            .example("tokens.txt");
    }
}

table! {
    /// What the process that runs the flow may use.
    struct HostTable = "[host]" {
        /// What compiling one component may take. One is compiled at a time, in a process of
        /// its own.
        compile: CompileTable = table()
            .example(Inline(r#"{ time = "10m", memory = "8GiB" }"#));
    }
}

table! {
    /// What compiling one component may take.
    struct CompileTable = "[host.compile]" {
        /// How long it may take. A component that takes longer is refused.
        time: Duration = quantity(COMPILE_TIME)
            .default("5m")
            .example("10m");

        /// How much memory it may take. A component that takes more is refused.
        memory: u64 = quantity(COMPILE_MEMORY)
            .default("4GiB")
            .example("8GiB");
    }
}

table! {
    /// Which registries executors may come from, and whose signatures are wanted. An
    /// executor comes from one if its `uses` begins with `oci://`.
    struct HubTable = "[hub]" {
        /// The registries, or parts of them, that executors may come from. Without it, any.
        registries: Items<Scope> = texts("a list of registries", SCOPE)
            .example(Inline(r#"["registry.example.com", "localhost:5000/team"]"#));

        /// Registries that are asked over plain HTTP, which anybody on the way can read and
        /// change. Those of this machine are, without being named here.
        plain_http: Items<String> = texts("a list of registries", REGISTRY)
            .example(Inline(r#"["registry.example.com:5000"]"#));

        /// Whose signatures are wanted. Of all rules that cover an executor, the one with the
        /// longest `of` counts. An executor that none covers does not run.
        trust: Vec<Spanned<TrustTable>> = tables()
            .at_most(MAX_TRUST)
            .example(Inline(r#"[{ of = "registry.example.com/team", keys = ["team.pub"] }]"#))
            .hint("a [[hub.trust]] table for each");
    }
}

table! {
    /// Whose signatures are wanted of executors from a registry, or from a part of one.
    struct TrustTable = "[[hub.trust]]" {
        /// The registry, or the part of it: `registry.example.com/team` covers everything
        /// below it.
        of: Scope = text(SCOPE)
            .required()
            .example("registry.example.com/team");

        /// The files with the public keys. The owner of one of them has to have signed an
        /// executor. Paths are relative to the folder of this file.
        keys: Items<String> = texts("a list of files", KEY)
            .set("name the files with the keys, or write `unsigned = true` instead if none is wanted")
            .example(Inline(r#"["team.pub"]"#));

        /// Whether executors may run that nobody has signed.
        unsigned: bool = flag()
            .default(false)
            .example(true);
    }
}

table! {
    /// The user's own configuration, for all flows.
    struct UserToml = "config.toml" {
        /// Which registries executors may come from, and whose signatures are wanted. If
        /// flow.toml says it, too, both count.
        hub: HubTable = table()
            .example(Inline(r#"{ registries = ["registry.example.com"] }"#));
    }
}

table! {
    /// What the references to registries in flow.toml stand for.
    struct LockToml = "flow.lock" {
        /// The form of this file.
        version: u16 = whole(1..=65_535)
            .required()
            .example(1);

        /// A table for each reference.
        pins: Vec<Spanned<PinTable>> = tables()
            .example(Inline("[]"));
    }
}

table! {
    /// What one reference stands for.
    struct PinTable = "[[pins]]" {
        /// The reference, as flow.toml has it.
        uses: Reference = text(REFERENCE)
            .required()
            .example("oci://registry.example.com/team/encode:1.0");

        /// The digest of the executor's manifest.
        digest: Digest = text(DIGEST)
            .required()
            .example("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

table! {
    /// One executor.
    struct ExecutorTable = "[[executors]]" {
        /// The executor's name in the flow. No two executors have the same.
        name: String = text(NAME)
            .required()
            .example("encode");

        /// What runs: the folder of a crate, which is built first, a WebAssembly
        /// component, one from a registry, or an executor that is served elsewhere. The path
        /// is relative to the folder of this file.
        uses: Uses = text(USES)
            .required()
            .example("executors/encode")
            .example("encode.wasm")
            .example("oci://registry.example.com/team/encode:1.0")
            .example("grpc://127.0.0.1:12345");

        /// What the executor is constructed with. Which keys it takes is up to the
        /// executor: `wasm-flow inspect` shows them.
        uses_with: Map<String, Value> = free_table()
            .example(Inline(r#"{ model = "small" }"#));

        /// Overrides of what the executor says of itself: `name`, `description` and
        /// `workspace`.
        uses_metas: Map<String, Value> = free_table()
            .example(Inline(r#"{ description = "encodes" }"#));

        /// Which method of the executor takes which endpoint, over the executor's own
        /// bindings.
        uses_requests: BTreeMap<String, String> = texts_by_key("the name of a method, as a string")
            .example(Inline(r#"{ "/index" = "encode" }"#));

        /// Where the executor takes its documents from: the names of other executors, or
        /// `gateway` for the documents of the request. Documents of several come together.
        /// `all` stands for every executor before it in the file whose documents nobody
        /// takes. Without it, they come from the executor before it in the file.
        needs: Items<String> = texts("a name or a list of names", NEED)
            .set("name an executor or \"gateway\"; without `needs`, the documents come from the executor before it")
            .example(Inline(r#"["encode"]"#))
            .example("all");

        /// The documents that the executor is sent, in docarray's query language. The
        /// others do not go on from it.
        when: Query = query()
            .example(Inline(r#"{ tags__lang = { "$eq" = "en" } }"#));

        /// Whether documents of several `needs` stay apart. Without it, those of one id
        /// become one: what is unset in the first is taken from the others. With it, the
        /// executor gets all of them, and puts them together itself.
        no_reduce: bool = flag()
            .default(false)
            .example(true);

        /// Whether requests go on without the executor: it is called beside them, nobody
        /// waits for it, and its documents go nowhere.
        floating: bool = flag()
            .default(false)
            .example(true);

        /// Endpoints at which the documents of several requests go to the executor in one
        /// call, and how they are put together. Only requests with the same parameters go
        /// together, and the executor gives a document for each.
        uses_dynamic_batching: BTreeMap<String, Spanned<BatchingTable>> = tables_by_key()
            .example(Inline(r#"{ "/encode" = { preferred_batch_size = 32, timeout = "5ms" } }"#));

        /// How many instances of the executor share the requests; if it has shards, those of
        /// each. All executors of a flow together may have 1000.
        replicas: NonZeroU32 = whole(1..=u64::from(INSTANCES))
            .default(1)
            .example(2);

        /// How many groups of `replicas` instances there are. Each keeps a part of the
        /// documents, and `polling` says which of them a request goes to.
        shards: NonZeroU32 = whole(1..=u64::from(INSTANCES))
            .default(1)
            .example(2);

        /// Which shards a request goes to: `ANY` is one of them, in turn, and `ALL` is all of
        /// them, whose documents then become one by their ids. Or one of the two for each
        /// endpoint, with `*` for those that are not named. What is not said is `ALL` for
        /// `/search`, and `ANY` for all other endpoints.
        polling: OneOrByKey<Poll> = choice_by_key("endpoint", &[("ANY", Poll::Any), ("ALL", Poll::All)])
            .example("ALL")
            .example(Inline(r#"{ "/search" = "ALL", "*" = "ANY" }"#));

        /// Another executor that requests go through before they go to the shards: what
        /// `uses` can be, or a table.
        uses_before: Either<Uses, HeadTable> = text_or_table(USES)
            .example("executors/prepare")
            .example(Inline(r#"{ uses = "executors/prepare", uses_with = { lower = true } }"#));

        /// Another executor that gets the documents of all shards that were asked, by shard,
        /// and puts them together: what `uses` can be, or a table.
        uses_after: Either<Uses, HeadTable> = text_or_table(USES)
            .example("executors/merge")
            .example(Inline(r#"{ uses = "executors/merge", uses_with = { top_k = 10 } }"#));

        /// How long an instance lives. With `shared`, it serves requests until it fails,
        /// and each sees the state that earlier ones left. With `request`, every request
        /// gets a fresh instance.
        isolation: Isolation = choice(&[("shared", Isolation::Shared), ("request", Isolation::Request)])
            .default("shared")
            .example("request");

        /// How often a call is tried again. Only those are that cannot have had an effect:
        /// calls of methods that say that they leave nothing behind.
        retries: u32 = whole(0..=u64::from(MAX_RETRIES))
            .default(2)
            .example(2)
            .hint("0 for none");

        /// How long one call may take, from when the executor begins with it: waiting for
        /// a free place does not count.
        timeout: Duration = quantity(TIMEOUT)
            .default("60s")
            .example("10s");

        /// How long a try at one address of a remote executor may take. Without it, only
        /// `timeout` bounds it.
        timeout_send: Duration = quantity(TIMEOUT)
            .example("5s");

        /// What connections to a remote executor are secured with, if its address is a
        /// `grpcs://` one. Without it, servers are trusted that a browser would trust.
        tls: TlsTable = table()
            .example(Inline(r#"{ ca = "ca.pem" }"#));

        /// What a remote executor gets with every call, over TLS alone, as
        /// `authorization: Bearer <token>`.
        token: Secret = text(TOKEN)
            .example("${TOKEN}");

        /// A file that this token is in, in place of `token`. The path is relative to the
        /// folder of this file. Spaces and line ends around the token are left out.
        token_file: String = text(TOKEN_FILE)
            .example("token.txt");

        /// The executor's workspace, a folder for what it keeps. The path is relative to
        /// the folder of this file.
        workspace: String = text(WORKSPACE)
            .example("workspace");

        /// What each instance of the executor may use.
        limits: LimitsTable = table()
            .example(Inline(r#"{ memory = "256MiB" }"#));

        /// What the executor may reach. Nothing is granted without this.
        allow: AllowTable = table()
            .example(Inline(r#"{ env = ["LANG"] }"#));
    }
}

table! {
    /// An executor before or after the shards of another.
    struct HeadTable = "uses_before, uses_after" {
        /// What runs: the folder of a crate, which is built first, a WebAssembly
        /// component, one from a registry, or an executor that is served elsewhere. The path
        /// is relative to the folder of this file.
        uses: Uses = text(USES)
            .required()
            .example("executors/merge");

        /// What the executor is constructed with. It does not see the `uses_with` of the
        /// executor that it belongs to.
        uses_with: Map<String, Value> = free_table()
            .example(Inline("{ top_k = 10 }"));

        /// Which of its methods takes which endpoint, over its own bindings.
        uses_requests: BTreeMap<String, String> = texts_by_key("the name of a method, as a string")
            .example(Inline(r#"{ "/search" = "merge" }"#));

        /// How many instances share the requests.
        replicas: NonZeroU32 = whole(1..=u64::from(INSTANCES))
            .default(1)
            .example(2);

        /// How long one call may take.
        timeout: Duration = quantity(TIMEOUT)
            .default("60s")
            .example("10s");

        /// How long a try at one address may take, if it runs elsewhere.
        timeout_send: Duration = quantity(TIMEOUT)
            .example("5s");

        /// What connections are secured with, if its address is a `grpcs://` one.
        tls: TlsTable = table()
            .example(Inline(r#"{ ca = "ca.pem" }"#));

        /// What it gets with every call, over TLS alone, as `authorization: Bearer <token>`.
        token: Secret = text(TOKEN)
            .example("${TOKEN}");

        /// A file that this token is in, in place of `token`. The path is relative to the
        /// folder of this file.
        token_file: String = text(TOKEN_FILE)
            .example("token.txt");

        /// What each instance may use.
        limits: LimitsTable = table()
            .example(Inline(r#"{ memory = "256MiB" }"#));

        /// What it may reach. It has no grants of the executor that it belongs to.
        allow: AllowTable = table()
            .example(Inline(r#"{ env = ["LANG"] }"#));
    }
}

table! {
    /// How the documents of several requests are put together.
    struct BatchingTable = "uses_dynamic_batching" {
        /// With so many documents, a batch goes. It has no more.
        preferred_batch_size: NonZeroUsize = whole(1..=u64::from(MAX_BATCH))
            .required()
            .example(32);

        /// How long the first document of a batch waits for others.
        timeout: Duration = quantity(TIMEOUT)
            .default("10s")
            .example("5ms");

        /// Whether a batch has all documents that wait, also if they are more than
        /// `preferred_batch_size`.
        flush_all: bool = flag()
            .default(false)
            .example(true);
    }
}

table! {
    /// Certificates and keys, each as PEM: the path of a file, relative to the folder of
    /// this one, or the text itself, from an environment variable.
    struct TlsTable = "tls" {
        /// The certificates of the authorities that a server's certificate may come from.
        ca: String = text(PEM)
            .example("ca.pem")
            .example("${CA_PEM}");

        /// The certificate that is shown to servers.
        cert: String = text(PEM)
            .example("client.pem");

        /// The key of that certificate.
        key: String = text(PEM)
            .example("client.key");
    }
}

table! {
    /// What each instance of an executor may use.
    struct LimitsTable = "[executors.limits]" {
        /// The memory of one instance, from 1 MiB to 4 GiB.
        memory: u64 = quantity(MEMORY)
            .default("256MiB")
            .example("256MiB");

        /// How many calls one instance may have in flight. More wait until one of them
        /// is done.
        concurrency: NonZeroU32 = whole(1..=u64::from(MAX_CONCURRENCY))
            .default(256)
            .example(256);

        /// How many calls may wait for that, over all instances. One more is refused, and
        /// its client is told when to send it again.
        queue: u32 = whole(0..=u64::from(MAX_QUEUE))
            .default(10_000)
            .example(1000);

        /// The documents of one reply that a method made or changed, in bytes of
        /// protobuf. A larger reply fails its call.
        reply: NonZeroU64 = quantity(REPLY)
            .default("256MiB")
            .example("256MiB");

        /// How long one call may compute. What it waits for does not count, and `timeout`
        /// bounds both together. Without it, a call may compute until its timeout.
        cpu: Duration = quantity(COMPUTING)
            .example("1s");

        /// How long an instance may compute outside of its calls, in any ten seconds: what
        /// a call leaves behind when it returns. One that exceeds it is replaced.
        background: Duration = quantity(COMPUTING)
            .default("1s")
            .example("200ms");
    }
}

table! {
    /// What an executor may reach.
    struct AllowTable = "[executors.allow]" {
        /// Where the executor may send HTTP requests to: scheme and host, and optionally
        /// a port and a path. What lies below the path is allowed, too. The name of a host
        /// has to stand for an address on the Internet, if it is not `localhost` and there is
        /// no table that says otherwise.
        http: Vec<Either<HttpOrigin, HttpTable>> = texts_or_tables("a list of origins", ORIGIN)
            .example(Inline(r#"["https://api.example.com"]"#));

        /// Names of environment variables that the executor sees. Their values are those
        /// of the host.
        env: Items<String> = texts("a list of names", ENV)
            .example(Inline(r#"["LANG"]"#));

        /// Folders that the executor sees.
        dirs: Vec<Spanned<DirTable>> = tables()
            .example(Inline(r#"[{ host = "data", guest = "/data", access = "read" }]"#));
    }
}

table! {
    /// A place that an executor may send HTTP requests to.
    struct HttpTable = "http" {
        /// The place: scheme and host, and optionally a port and a path.
        origin: HttpOrigin = text(ORIGIN)
            .required()
            .example("http://db.internal:8080");

        /// Whether the host's name may stand for an address of a private network, for this
        /// machine, or for any other that is not on the Internet.
        private: bool = flag()
            .default(false)
            .example(true);
    }
}

table! {
    /// A folder that an executor sees.
    struct DirTable = "dirs" {
        /// The folder on the host. The path is relative to the folder of this file.
        host: String = text(HOST_FOLDER)
            .required()
            .example("data");

        /// The absolute path under which the executor sees the folder.
        guest: String = text(GUEST)
            .required()
            .example("/data");

        /// What the executor may do there: `read` is to list and to read, `write` is also
        /// to create, to change and to remove, for an executor of one replica and one shard.
        access: Access = choice(&[("read", Access::Read), ("write", Access::Write)])
            .default("read")
            .example("write");
    }
}
