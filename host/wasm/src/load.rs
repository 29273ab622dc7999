//! From a file to a component that is known to be an executor.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinError;
use wasm_flow_contract::grants::Allow;
use wasm_flow_contract::units::Size;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;

use super::bindings::{BareIndices, BarePre, guest};
use super::grants::{self, GrantError, HttpGrants};
use super::runtime::Runtime;
use super::store::{self, Ctx};
use super::trap::{chain, reason};
use crate::abort::AbortOnDrop;
use crate::bounds::{
    DESCRIBE_MEMORY, DESCRIBE_TIMEOUT, MAX_ENDPOINTS, MAX_FILE, MAX_METHODS, MAX_NAME, MAX_PROSE,
};
use crate::description::{Concurrency, Description, Method};
use crate::details;
use crate::output::{Discard, LineStream, Printer, Stream, Writer, cut_printable, printable};

/// The interface that makes a component an executor.
const EXECUTOR: &str = "wasm-flow:executor/executor";

/// What the host provides, with the versions: a minor release of the same
/// line is taken for another.
const PROVIDED: [(&str, &[&str]); 12] = [
    ("wasm-flow:executor/documents", &["0.1"]),
    ("wasm-flow:executor/requests", &["0.1"]),
    ("wasm-flow:executor/diagnostics", &["0.1"]),
    ("wasm-flow:executor/logging", &["0.1"]),
    ("wasm-flow:executor/timers", &["0.1"]),
    ("wasi:cli/", &["0.2", "0.3"]),
    ("wasi:clocks/", &["0.2", "0.3"]),
    ("wasi:filesystem/", &["0.2", "0.3"]),
    ("wasi:io/", &["0.2"]),
    ("wasi:random/", &["0.2", "0.3"]),
    ("wasi:sockets/", &["0.2", "0.3"]),
    ("wasi:http/", &["0.2", "0.3"]),
];

/// Why a file cannot be loaded as an executor.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadError {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Read(std::io::Error),
    TooLarge(u64),
    NotWasm(&'static str),
    CoreModule,
    Compiler(JoinError),
    Invalid(String),
    World(Mismatch),
    Link(String),
    Describe(DescribeError),
    Description(DescriptionError),
}

/// How a component differs from the world that the host runs.
#[derive(Debug, Default)]
struct Mismatch {
    missing_imports: Vec<String>,
    exports_executor: bool,
    other_executor: Option<String>,
    exports: Vec<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Read(error) => write!(f, "{path} cannot be read: {error}"),
            Kind::TooLarge(size) => write!(
                f,
                "{path} is {} large; at most {} are loaded as a component",
                Size(*size),
                Size(MAX_FILE)
            ),
            Kind::NotWasm(found) => write!(
                f,
                "{path} is not a WebAssembly component: it {found}; \
                 `wasm-flow build` makes one from an executor's folder"
            ),
            Kind::CoreModule => write!(
                f,
                "{path} is a core WebAssembly module, not a component; build it for \
                 wasm32-wasip2 (`wasm-flow build`, or `cargo build --target wasm32-wasip2`); with \
                 `cargo component build`, the crate needs `.cargo/config.toml` with \
                 [target.wasm32-wasip1] linker = \"wasm-component-ld\""
            ),
            Kind::Compiler(reason) => write!(
                f,
                "{path} cannot be compiled: the compiler itself failed: {reason}"
            ),
            Kind::Invalid(reason) => write!(f, "{path} is not a valid component: {reason}"),
            Kind::World(mismatch) => write!(f, "{path} is not an executor: {mismatch}"),
            Kind::Link(reason) | Kind::Describe(DescribeError::Types(reason)) => write!(
                f,
                "{path} does not fit this host: {reason}; it was built against another version \
                 of an interface: build it again with the wasm-flow-sdk of this release"
            ),
            Kind::Describe(reason) => write!(f, "{path} does not describe itself: {reason}"),
            Kind::Description(reason) => {
                write!(
                    f,
                    "{path} describes itself in a way that is not usable: {reason}"
                )
            }
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Read(error) => Some(error),
            Kind::Describe(error) => Some(error),
            Kind::Description(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a component's `describe` gave nothing.
#[derive(Debug, thiserror::Error)]
enum DescribeError {
    /// A function that an executor exports has another type.
    #[error("{0}")]
    Types(String),
    #[error("{0}")]
    Grant(#[from] GrantError),
    #[error("it panicked: {message} ({location})")]
    Panicked { message: String, location: String },
    #[error("{0}")]
    Trapped(String),
    #[error("{reason}; its last words: {last_words}")]
    TrappedWithWords { reason: String, last_words: String },
    #[error("`describe` took longer than {DESCRIBE_TIMEOUT:?}")]
    TimedOut,
    #[error("wasm-flow itself failed: {0}")]
    Broken(tokio::task::JoinError),
}

/// Why a description is not usable.
#[derive(Debug, thiserror::Error)]
enum DescriptionError {
    #[error("it has {0} methods; at most {MAX_METHODS} are allowed")]
    TooManyMethods(usize),
    #[error("it binds more than {MAX_ENDPOINTS} endpoints")]
    TooManyEndpoints,
    #[error("the method `{0}` is there twice")]
    MethodTwice(String),
    #[error("the endpoint `{0}` is bound twice")]
    EndpointTwice(String),
    #[error("the {0} has an empty name")]
    EmptyName(Named),
    #[error(
        "the {0} `{1}` has a name that is longer than {MAX_NAME} bytes or has control characters"
    )]
    BadName(Named, String),
    #[error("a schema is longer than {MAX_PROSE} bytes")]
    LongSchema,
    #[error("a schema is not JSON: {0}")]
    BadSchema(serde_json::Error),
    #[error("the details are longer than {MAX_PROSE} bytes")]
    LongDetails,
    #[error("the details are not what this release reads there: {0}")]
    BadDetails(serde_json::Error),
}

/// What has a name in a description.
#[derive(Debug, Clone, Copy)]
enum Named {
    Executor,
    Method,
    Endpoint,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Named::Executor => "executor",
            Named::Method => "method",
            Named::Endpoint => "endpoint",
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, names: &[String]| {
            names.iter().try_for_each(|name| write!(f, "\n    {name}"))
        };
        match (&self.other_executor, self.exports_executor) {
            (Some(other), _) => write!(
                f,
                "it exports {other}, and this host runs {EXECUTOR}@0.1; \
                 build it again with the wasm-flow-sdk of this release"
            )?,
            (None, false) => {
                write!(f, "it does not export {EXECUTOR}@0.1")?;
                if self.exports.is_empty() {
                    write!(f, ", nor anything else")?;
                } else {
                    write!(f, "; it exports")?;
                    list(f, &self.exports)?;
                }
                write!(
                    f,
                    "\n  an executor is a struct with `#[executor] impl` of wasm-flow-sdk; \
                     `wasm-flow new` makes one"
                )?;
            }
            (None, true) => write!(f, "it imports what this host does not provide")?,
        }
        if !self.missing_imports.is_empty() {
            write!(f, "\n  it imports, and this host does not provide")?;
            list(f, &self.missing_imports)?;
            write!(
                f,
                "\n  this host provides wasm-flow:executor@0.1 and WASI 0.2 and 0.3 \
                 (cli, clocks, filesystem, http, io, random, sockets)"
            )?;
        }
        Ok(())
    }
}

/// A compiled executor. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    inner: Arc<Inner>,
}

struct Inner {
    pre: BarePre<Ctx>,
    description: Description,
    imports: Vec<String>,
    size: u64,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("description", &self.inner.description)
            .finish_non_exhaustive()
    }
}

impl Component {
    /// What the executor says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Bytes of its file.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    pub(super) fn pre(&self) -> &BarePre<Ctx> {
        &self.inner.pre
    }
}

impl Runtime {
    /// Reads a component, checks that it is an executor, compiles it and asks
    /// it what it is. Compiling takes from a moment to some seconds; it is not
    /// done on the calling task's thread.
    ///
    /// # Errors
    /// When the file is anything else than an executor for this host.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Component, LoadError> {
        let path = path.as_ref();
        self.load_inner(path).await.map_err(|kind| LoadError {
            path: path.to_owned(),
            kind,
        })
    }

    async fn load_inner(&self, path: &Path) -> Result<Component, Kind> {
        let bytes = read(path).await?;
        let size = bytes.len() as u64;
        check_header(&bytes)?;
        let runtime = self.clone();
        let compile = move || runtime.compile(&bytes);
        let component = tokio::task::spawn_blocking(compile)
            .await
            .map_err(Kind::Compiler)?
            .map_err(|error| Kind::Invalid(cut_printable(&chain(&error))))?;

        let imports = self.check_world(&component)?;
        let link = |error: wasmtime::Error| Kind::Link(cut_printable(&chain(&error)));
        let pre = self.linker().instantiate_pre(&component).map_err(link)?;
        let pre = BarePre::new(pre).map_err(link)?;
        let described = describe(self, &pre).await.map_err(Kind::Describe)?;
        Ok(Component {
            inner: Arc::new(Inner {
                description: check_description(described).map_err(Kind::Description)?,
                pre,
                imports,
                size,
            }),
        })
    }

    /// All that is missing at once; linking would report the first only.
    fn check_world(&self, component: &wasmtime::component::Component) -> Result<Vec<String>, Kind> {
        let ty = component.component_type();
        let mut mismatch = Mismatch::default();
        let mut imports = Vec::new();
        for (name, _) in ty.imports(self.engine()) {
            if !provided(name) {
                mismatch.missing_imports.push(printable(name));
            }
            imports.push(name.to_owned());
        }
        for (name, item) in ty.exports(self.engine()) {
            let interface = matches!(item.ty, ComponentItem::ComponentInstance(_));
            match name.strip_prefix(EXECUTOR) {
                Some(version) if interface && version.starts_with("@0.1.") => {
                    mismatch.exports_executor = true;
                }
                Some(_) => mismatch.other_executor = Some(printable(name)),
                None => {}
            }
            mismatch.exports.push(printable(name));
        }
        if mismatch.exports_executor && mismatch.missing_imports.is_empty() {
            return Ok(imports);
        }
        if mismatch.exports_executor {
            mismatch.other_executor = None;
        }
        Err(Kind::World(mismatch))
    }
}

fn provided(import: &str) -> bool {
    let Some((name, version)) = import.split_once('@') else {
        return false;
    };
    PROVIDED.iter().any(|(prefix, versions)| {
        let named = match prefix.strip_suffix('/') {
            Some(_) => name.starts_with(prefix),
            None => name == *prefix,
        };
        let line = |known: &str| {
            version
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        named && versions.iter().any(|known| line(known))
    })
}

/// A file, or its beginning if it is too large: what it says of its length need not
/// be true, and a device has none.
async fn read(path: &Path) -> Result<Vec<u8>, Kind> {
    let file = File::open(path).await.map_err(Kind::Read)?;
    let told = file.metadata().await.map_err(Kind::Read)?.len();
    if told > MAX_FILE {
        return Err(Kind::TooLarge(told));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(told).unwrap_or_default());
    let mut bounded = file.take(MAX_FILE + 1);
    bounded.read_to_end(&mut bytes).await.map_err(Kind::Read)?;
    match bytes.len() as u64 {
        size if size > MAX_FILE => Err(Kind::TooLarge(size)),
        _ => Ok(bytes),
    }
}

fn check_header(bytes: &[u8]) -> Result<(), Kind> {
    match bytes {
        [] => Err(Kind::NotWasm("is empty")),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(Kind::CoreModule),
        [0, b'a', b's', b'm', ..] => Err(Kind::NotWasm(
            "begins like WebAssembly, but its version is unknown or it is cut short",
        )),
        [0x7f, b'E', b'L', b'F', ..] => Err(Kind::NotWasm(
            "is an ELF file: a program or library for this machine, or code compiled ahead of time",
        )),
        _ => Err(Kind::NotWasm("does not begin with WebAssembly's header")),
    }
}

async fn describe(
    runtime: &Runtime,
    pre: &BarePre<Ctx>,
) -> Result<guest::Description, DescribeError> {
    let printer = Printer {
        executor: "describe".into(),
        replica: 0,
    };
    let (writer, output) = (Writer::default(), Arc::new(Discard));
    let stderr = LineStream::new(
        printer.clone(),
        Stream::Stderr,
        writer.clone(),
        output.clone(),
    );
    let nothing = Allow::default();
    let wasi = grants::wasi(&nothing, None, &stderr, &stderr)?;
    let http = HttpGrants {
        origins: Arc::new([]),
    };
    let ctx = Ctx::new(wasi, http, DESCRIBE_MEMORY, writer, printer, output);
    let mut store = store::bounded_store(runtime.engine(), ctx);
    let pre = pre.clone();
    // On a task of its own, which ends at the next epoch when it is aborted.
    let task = tokio::spawn(async move {
        match described(&pre, &mut store).await {
            Ok(description) => description,
            Err(error) => Err(trapped(&mut store, &error, &stderr)),
        }
    });
    let _abort = AbortOnDrop::new(task.abort_handle());
    match tokio::time::timeout(DESCRIBE_TIMEOUT, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(DescribeError::Broken(error)),
        Err(_) => Err(DescribeError::TimedOut),
    }
}

/// The outer error is a trap.
async fn described(
    pre: &BarePre<Ctx>,
    store: &mut Store<Ctx>,
) -> wasmtime::Result<Result<guest::Description, DescribeError>> {
    let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
    // Only here are the types of what it exports looked at.
    let types = BareIndices::new(pre.instance_pre())
        .and_then(|indices| indices.load(&mut *store, &instance));
    let bindings = match types {
        Ok(bindings) => bindings,
        Err(error) => {
            let reason = cut_printable(&chain(&error));
            return Ok(Err(DescribeError::Types(reason)));
        }
    };
    let guest = bindings.wasm_flow_executor_executor();
    let description = store
        .run_concurrent(async |accessor| guest.call_describe(accessor).await)
        .await??;
    Ok(Ok(description))
}

fn trapped(store: &mut Store<Ctx>, error: &wasmtime::Error, stderr: &LineStream) -> DescribeError {
    if let Some(panic) = store.data_mut().panic.take() {
        return DescribeError::Panicked {
            message: panic.message,
            location: panic.location,
        };
    }
    let reason = reason(error);
    match stderr.last_lines_of(None).pop() {
        Some(last_words) => DescribeError::TrappedWithWords { reason, last_words },
        None => DescribeError::Trapped(reason),
    }
}

/// The guest's word on itself, held to what a person and a log can bear.
fn check_description(raw: guest::Description) -> Result<Description, DescriptionError> {
    if raw.methods.len() > MAX_METHODS {
        return Err(DescriptionError::TooManyMethods(raw.methods.len()));
    }
    let (mut names, mut endpoints) = (HashSet::new(), HashSet::new());
    let mut methods = Vec::with_capacity(raw.methods.len());
    for method in raw.methods {
        let name = checked_name(Named::Method, method.name)?;
        if !names.insert(name.clone()) {
            return Err(DescriptionError::MethodTwice(name));
        }
        for endpoint in &method.endpoints {
            let endpoint = checked_name(Named::Endpoint, endpoint.clone())?;
            if !endpoints.insert(endpoint.clone()) {
                return Err(DescriptionError::EndpointTwice(endpoint));
            }
            if endpoints.len() > MAX_ENDPOINTS {
                return Err(DescriptionError::TooManyEndpoints);
            }
        }
        methods.push(Method {
            name,
            endpoints: method.endpoints,
            concurrency: match method.concurrency {
                guest::Concurrency::Concurrent => Concurrency::Concurrent,
                guest::Concurrency::Exclusive => Concurrency::Exclusive,
            },
            documentation: prose(&method.documentation),
            parameters_schema: schema(&method.parameters_schema)?,
            details: details(&method.details)?,
        });
    }
    Ok(Description {
        name: checked_name(Named::Executor, raw.name)?,
        version: prose(&raw.version),
        documentation: prose(&raw.documentation),
        methods,
        config_schema: schema(&raw.config_schema)?,
        sdk: prose(&raw.sdk),
        details: details(&raw.details)?,
    })
}

fn checked_name(what: Named, name: String) -> Result<String, DescriptionError> {
    if name.is_empty() {
        return Err(DescriptionError::EmptyName(what));
    }
    if name.len() > MAX_NAME || printable(&name) != name {
        let shown = printable(&name).chars().take(32).collect();
        return Err(DescriptionError::BadName(what, shown));
    }
    Ok(name)
}

fn prose(text: &str) -> String {
    text.lines()
        .map(printable)
        .scan(0, |length, line| {
            *length += line.len() + 1;
            (*length <= MAX_PROSE).then_some(line)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn details<T>(text: &str) -> Result<T, DescriptionError>
where
    T: Default + serde::de::DeserializeOwned,
{
    if text.len() > MAX_PROSE {
        return Err(DescriptionError::LongDetails);
    }
    details::of_description(text).map_err(DescriptionError::BadDetails)
}

fn schema(text: &str) -> Result<Option<serde_json::Value>, DescriptionError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_PROSE {
        return Err(DescriptionError::LongSchema);
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(DescriptionError::BadSchema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_line_are_taken_for_each_other() {
        for (import, expected) in [
            ("wasi:cli/environment@0.2.0", true),
            ("wasi:cli/environment@0.2.99", true),
            ("wasi:http/client@0.3.1", true),
            ("wasi:io/poll@0.3.0", false),
            ("wasi:cli/environment@0.20.0", false),
            ("wasi:nn/graph@0.2.0", false),
            ("wasm-flow:executor/documents@0.1.7", true),
            ("wasm-flow:executor/documents-more@0.1.0", false),
            ("wasm-flow:executor/documents@0.2.0", false),
            ("something", false),
        ] {
            assert_eq!(provided(import), expected, "{import}");
        }
    }

    /// A component that exports all functions of an executor, each without
    /// parameters and results.
    fn executor_of_other_types() -> Vec<u8> {
        fn sized(bytes: &[u8]) -> Vec<u8> {
            [&[bytes.len() as u8], bytes].concat()
        }
        fn section(id: u8, content: &[&[u8]]) -> Vec<u8> {
            [&[id][..], &sized(&content.concat())].concat()
        }
        let module = [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[&[1, 0x60, 0, 0]]),
            section(3, &[&[1, 0]]),
            section(7, &[&[1], &sized(b"f"), &[0, 0]]),
            section(10, &[&[1, 2, 0, 0x0b]]),
        ];
        let functions: Vec<u8> = ["describe", "start", "handle", "stop"]
            .iter()
            .flat_map(|name| [&[0], &sized(name.as_bytes())[..], &[1, 0]].concat())
            .collect();
        let name = sized(b"wasm-flow:executor/executor@0.1.0");
        [
            b"\0asm\x0d\0\x01\0".to_vec(),
            section(1, &[&module.concat()]),
            // An instance of it, and its function.
            section(2, &[&[1, 0, 0, 0]]),
            section(6, &[&[1, 0, 0, 1, 0], &sized(b"f")]),
            section(7, &[&[1, 0x40, 0, 1, 0]]),
            // Lifted, and exported under four names.
            section(8, &[&[1, 0, 0, 0, 0, 0]]),
            section(5, &[&[1, 1, 4], &functions]),
            section(11, &[&[1, 0], &name, &[5, 0, 0]]),
        ]
        .concat()
    }

    #[tokio::test]
    async fn another_type_of_our_own_interface_is_said_to_need_a_new_build() {
        let folder = std::env::temp_dir().join(format!("wasm-flow-types-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("types.wasm");
        std::fs::write(&path, executor_of_other_types()).unwrap();
        let runtime = Runtime::new(crate::RuntimeConfig { cache: false }).unwrap();
        let error = runtime.load(&path).await.unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        for part in [
            "does not fit this host",
            "build it again with the wasm-flow-sdk of this release",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_so_and_keeps_the_cause() {
        use std::error::Error as _;
        let runtime = Runtime::new(crate::RuntimeConfig { cache: false }).unwrap();
        let error = runtime.load("/nowhere/at/all.wasm").await.unwrap_err();
        let cause = error.source().unwrap().downcast_ref::<std::io::Error>();
        assert_eq!(cause.unwrap().kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn descriptions_are_held_to_bounds() {
        let raw = |methods: Vec<(&str, Vec<&str>)>| guest::Description {
            name: "E".to_owned(),
            version: String::new(),
            documentation: "a\u{1b}[2J\nb".to_owned(),
            methods: methods
                .into_iter()
                .map(|(name, endpoints)| guest::Method {
                    name: name.to_owned(),
                    endpoints: endpoints.into_iter().map(str::to_owned).collect(),
                    concurrency: guest::Concurrency::Exclusive,
                    documentation: String::new(),
                    parameters_schema: String::new(),
                    details: String::new(),
                })
                .collect(),
            config_schema: String::new(),
            sdk: String::new(),
            details: String::new(),
        };
        let ok = check_description(raw(vec![("a", vec!["/x"]), ("b", vec![])])).unwrap();
        assert_eq!(ok.documentation, "a\u{fffd}[2J\nb");
        for (methods, message) in [
            (
                vec![("a", vec![]), ("a", vec![])],
                "the method `a` is there twice",
            ),
            (
                vec![("a", vec!["/x"]), ("b", vec!["/x"])],
                "the endpoint `/x` is bound twice",
            ),
            (vec![("", vec![])], "the method has an empty name"),
        ] {
            let error = check_description(raw(methods)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let long = "x".repeat(MAX_NAME + 1);
        assert!(check_description(raw(vec![("a", vec![&long])])).is_err());
        assert!(check_description(raw(vec![("a\u{7}", vec![])])).is_err());
        let many = (0..=MAX_METHODS).map(|_| ("a", vec![])).collect();
        assert!(
            check_description(raw(many))
                .unwrap_err()
                .to_string()
                .contains("257 methods")
        );
    }
}
