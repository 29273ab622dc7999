//! What `#[executor]` generates from an `impl` block, and how a call runs through
//! it, which is the same in a component and in a test.

use std::cell::{OnceCell, Ref, RefCell, RefMut};
use std::pin::pin;
use std::rc::Rc;

use futures_util::stream::{Stream, StreamExt as _};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::column::Refused;
use crate::description::Description;
use crate::misspelt::Misspelt;
use crate::raw::{self, Array};
use crate::source::Source;
use crate::{
    Context, DocsMatrix, Document, DocumentArray, Error, Parameters, Part, Result, Setup, commit,
    config,
};

/// An executor: a type with an `impl` block that has `#[executor]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an executor",
    label = "no `impl` block of this type has `#[executor]`",
    note = "put `#[executor]` on the `impl` block that has the handlers"
)]
pub trait Executor: Sized + 'static {
    /// What it is and what it can do.
    #[doc(hidden)]
    fn describe() -> Description;

    /// Makes one with its `new` or `Default`.
    #[doc(hidden)]
    fn create(setup: &Setup) -> impl Future<Output = Result<Self>>;

    /// Calls a handler by its name.
    #[doc(hidden)]
    fn call(
        running: &Running<Self>,
        method: &str,
        call: &mut Call,
    ) -> impl Future<Output = Result<Returned>>;

    /// Calls the `#[stop]` method.
    #[doc(hidden)]
    fn stop(&mut self) -> impl Future<Output = ()>;
}

/// A started executor.
///
/// The host runs calls of exclusive handlers one at a time. If it did not, they
/// would fail here: `&mut self` is never given out twice.
pub struct Running<E> {
    executor: RefCell<E>,
    setup: Setup,
    misspelt: Rc<Misspelt>,
    /// The handlers' names, in the order of the description.
    #[cfg(target_family = "wasm")]
    methods: Vec<&'static str>,
}

impl<E: Executor> Running<E> {
    pub(crate) fn new(executor: E, setup: Setup) -> Self {
        Running {
            executor: RefCell::new(executor),
            setup,
            misspelt: Rc::default(),
            #[cfg(target_family = "wasm")]
            methods: E::describe()
                .methods
                .iter()
                .map(|method| method.name)
                .collect(),
        }
    }

    pub(crate) async fn start(setup: Setup) -> Result<Self> {
        let executor = E::create(&setup).await?;
        Ok(Running::new(executor, setup))
    }

    /// The name of the handler that stands at this place in the description.
    #[cfg(target_family = "wasm")]
    pub(crate) fn method(&self, place: u32) -> Option<&'static str> {
        self.methods.get(place as usize).copied()
    }

    /// Calls a handler and writes its changes back. There are `length` documents.
    pub(crate) async fn handle(
        &self,
        method: &str,
        request: Rc<raw::Request>,
        docs: Array,
        length: u32,
    ) -> Result<()> {
        let mut call = Call {
            handler: "",
            request,
            setup: self.setup.clone(),
            misspelt: self.misspelt.clone(),
            docs: Some((docs, length)),
            source: None,
            changed: None,
            refused: OnceCell::new(),
        };
        let returned = E::call(self, method, &mut call).await;
        let refused = call.refused.get().cloned();
        let finished = returned.and_then(|returned| call.finish(returned));
        // Writing back reads, too. A refusal replaces any outcome, whatever was made
        // of values that were not given.
        match refused.and_then(|refused| refused.end()) {
            Some(error) => Err(error),
            None => finished,
        }
    }

    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nothing else should run while the executor is being stopped"
    )]
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut executor = self.exclusive("stop")?;
        executor.stop().await;
        Ok(())
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn into_inner(self) -> E {
        self.executor.into_inner()
    }

    /// `&self` for a handler.
    ///
    /// # Errors
    /// If an exclusive handler is running.
    pub fn shared(&self, method: &str) -> Result<Ref<'_, E>> {
        self.executor.try_borrow().map_err(|_| {
            busy(
                method,
                "while a handler that needs the executor to itself is running",
            )
        })
    }

    /// `&mut self` for a handler.
    ///
    /// # Errors
    /// If another handler is running.
    pub fn exclusive(&self, method: &str) -> Result<RefMut<'_, E>> {
        self.executor.try_borrow_mut().map_err(|_| {
            busy(
                method,
                "which needs the executor to itself, while another handler is running",
            )
        })
    }
}

fn busy(method: &str, how: &str) -> Error {
    Error::named(
        "ExecutorBusy",
        format_args!("the host called `{method}` {how}"),
    )
}

/// The error for a method that the executor does not have.
pub fn unknown_method<E: Executor>(method: &str) -> Error {
    let Description { name, methods, .. } = E::describe();
    let known: Vec<&str> = methods.iter().map(|method| method.name).collect();
    Error::named(
        "UnknownMethod",
        format_args!(
            "`{name}` has no handler `{method}`; it has: {}",
            known.join(", ")
        ),
    )
}

/// One call of a handler.
pub struct Call {
    handler: &'static str,
    request: Rc<raw::Request>,
    setup: Setup,
    misspelt: Rc<Misspelt>,
    /// The request's documents and how many there are, until they are asked for.
    docs: Option<(Array, u32)>,
    source: Option<Rc<Source>>,
    changed: Option<DocumentArray>,
    /// For a handler that takes documents.
    refused: OnceCell<Rc<Refused>>,
}

impl Call {
    /// Where it is noted that the host refused to read some of the documents.
    fn refused(&self) -> Rc<Refused> {
        let refused = self.refused.get_or_init(|| Rc::new(Refused::of_call()));
        Rc::clone(refused)
    }

    /// Says which handler it is.
    pub fn is_of(&mut self, handler: &'static str) {
        self.handler = handler;
    }

    fn docs(&mut self) -> Result<DocumentArray> {
        let Some((docs, length)) = self.docs.take() else {
            // `#[executor]` reports this for names that it knows. Aliases of these
            // types are found only here.
            return Err(Error::named(
                "TypeError",
                "the handler takes the request's documents twice",
            ));
        };
        let source = Source::of_call(docs, length, self.refused());
        let source = self.source.insert(source);
        Ok(source.documents().into())
    }

    fn docs_matrix(&self) -> Result<DocsMatrix> {
        let parts = self.request.docs_matrix()?.into_iter();
        Ok(parts
            .map(|(executor, docs)| {
                let length = docs.length();
                let source = Source::of_call(docs, length, self.refused());
                Part::new(executor, source.documents())
            })
            .collect())
    }

    fn parameters<T: DeserializeOwned>(&self) -> Result<T> {
        config::read_parameters_of(self.handler, self.parameters_map()?, &self.misspelt)
    }

    fn parameters_map(&self) -> Result<Map<String, Value>> {
        config::parse_object(&self.request.parameters())
            .map_err(|error| Error::named(config::PARAMETERS_ERROR, error))
    }

    fn context(&self) -> Context {
        Context::of(self.request.clone(), self.setup.clone())
    }

    fn finish(mut self, returned: Returned) -> Result<()> {
        match returned {
            Returned::Nothing => self.write_back(),
            // In case there were none. The request's documents do not go on.
            Returned::Streamed => self.request.set_docs(&Array::new()),
            Returned::Results(results) => {
                self.write_back()?;
                self.request
                    .set_results(&Value::Object(results).to_string())
            }
            Returned::Docs(docs) => {
                // The request's documents do not go on, and neither do changes to
                // them.
                self.changed = None;
                let source = self.source.take();
                match source.filter(|source| commit::is_whole(&docs, source)) {
                    Some(source) => commit::write_back(docs, &source),
                    None => self.request.set_docs(&commit::build(docs.into_vec())?),
                }
            }
        }
    }

    fn write_back(&mut self) -> Result<()> {
        match (self.changed.take(), self.source.take()) {
            (Some(docs), Some(source)) => commit::write_back(docs, &source),
            _ => Ok(()),
        }
    }
}

/// An argument of a handler that returns an `R`.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    label = "not an argument of a handler",
    note = "a handler takes, in any order and each at most once:\n\
            `&mut DocumentArray`, `&DocumentArray` or `DocumentArray`: the request's documents\n\
            `&Parameters` or `Parameters`: the request's parameters as a JSON map\n\
            `&Parameters<T>` or `Parameters<T>`: the same, read as a `T` that has `#[config]`\n\
            `&DocsMatrix` or `DocsMatrix`: the documents by predecessor\n\
            `&Context` or `Context`: the request's id, endpoint and time left",
    note = "to read the parameters as a type of your own, put `#[config]` on it and wrap it in \
            `Parameters<..>`"
)]
pub trait Argument<R>: Sized {
    /// What holds the argument while the handler uses it: [`Exclusive`],
    /// [`Shared`] or [`Owned`].
    #[doc(hidden)]
    type Held;

    /// Gets it from the request.
    #[doc(hidden)]
    fn take(call: &mut Call) -> Result<Self::Held>;
}

/// Documents that a handler may change.
pub struct Exclusive(DocumentArray);

/// An argument that a handler may read.
pub struct Shared<T>(T);

/// An argument that a handler takes by value.
pub struct Owned<T>(Option<T>);

// Each of them has the same two methods. They are not a trait's, so that an
// argument of a wrong type is one error and not one for each step.

impl Exclusive {
    /// Lends it to the handler.
    pub fn lend(&mut self) -> &mut DocumentArray {
        &mut self.0
    }

    /// Takes the handler's changes back.
    pub fn give_back(self, call: &mut Call) {
        call.changed = Some(self.0);
    }
}

impl<T> Shared<T> {
    /// Lends it to the handler.
    pub fn lend(&mut self) -> &T {
        &self.0
    }

    /// Nothing was changed.
    pub fn give_back(self, _call: &mut Call) {}
}

impl<T> Owned<T> {
    fn new(value: T) -> Self {
        Owned(Some(value))
    }

    /// Gives it to the handler.
    pub fn lend(&mut self) -> T {
        match self.0.take() {
            Some(value) => value,
            None => unreachable!("an argument is lent once"),
        }
    }

    /// The handler has taken it.
    pub fn give_back(self, _call: &mut Call) {}
}

impl<R> Argument<R> for &mut DocumentArray {
    type Held = Exclusive;

    fn take(call: &mut Call) -> Result<Exclusive> {
        call.docs().map(Exclusive)
    }
}

impl<R> Argument<R> for &DocumentArray {
    type Held = Shared<DocumentArray>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.docs().map(Shared)
    }
}

impl<R: ReturnsDocuments> Argument<R> for DocumentArray {
    type Held = Owned<DocumentArray>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.docs().map(Owned::new)
    }
}

#[diagnostic::do_not_recommend]
impl<R, T: DeserializeOwned> Argument<R> for &Parameters<T> {
    type Held = Shared<Parameters<T>>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.parameters().map(Parameters).map(Shared)
    }
}

#[diagnostic::do_not_recommend]
impl<R, T: DeserializeOwned> Argument<R> for Parameters<T> {
    type Held = Owned<Parameters<T>>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.parameters().map(Parameters).map(Owned::new)
    }
}

impl<R> Argument<R> for &DocsMatrix {
    type Held = Shared<DocsMatrix>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.docs_matrix().map(Shared)
    }
}

impl<R> Argument<R> for DocsMatrix {
    type Held = Owned<DocsMatrix>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.docs_matrix().map(Owned::new)
    }
}

impl<R> Argument<R> for &Context {
    type Held = Shared<Context>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        Ok(Shared(call.context()))
    }
}

impl<R> Argument<R> for Context {
    type Held = Owned<Context>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        Ok(Owned::new(call.context()))
    }
}

/// The return type of a handler that takes the request's documents by value: if it
/// does not return documents, its changes to them would be lost.
#[diagnostic::on_unimplemented(
    message = "changes to these documents would be lost: the handler takes them by value and \
               returns `{Self}`",
    label = "these documents would be dropped",
    note = "take `&mut DocumentArray` to change them, or return the `DocumentArray`",
    note = "take `&DocumentArray` to read them, and clone what you keep"
)]
pub trait ReturnsDocuments {}

impl ReturnsDocuments for DocumentArray {}

impl<T: ReturnsDocuments, E> ReturnsDocuments for std::result::Result<T, E> {}

/// What a handler returned.
pub enum Returned {
    /// The request's documents go on.
    Nothing,
    /// These go on instead.
    Docs(DocumentArray),
    /// The request's documents go on, and the client gets this.
    Results(Map<String, Value>),
    /// All documents have been sent.
    Streamed,
}

/// Sends the documents of a handler's stream, one after the other, until the stream ends
/// or nobody takes them any more.
pub async fn send_all<S>(call: &Call, documents: S) -> Result<Returned>
where
    S: Stream,
    S::Item: StreamItem,
{
    let mut documents = pin!(documents);
    while let Some(item) = documents.next().await {
        let docs = commit::build(item.into_documents()?)?;
        if !call.request.send_docs(&docs).await? {
            break;
        }
    }
    Ok(Returned::Streamed)
}

/// What stands for the return type of a handler that returns a stream.
pub struct Streamed;

impl ReturnsDocuments for Streamed {}

/// An item of the stream that a handler returns.
#[diagnostic::on_unimplemented(
    message = "a handler cannot send `{Self}`",
    label = "not what a handler sends",
    note = "the items of its stream are `Document`s, or `DocumentArray`s of several that are \
            sent together, plain or in a `Result`"
)]
pub trait StreamItem {
    /// The documents to send.
    #[doc(hidden)]
    fn into_documents(self) -> Result<Vec<Document>>;
}

impl StreamItem for Document {
    fn into_documents(self) -> Result<Vec<Document>> {
        Ok(vec![self])
    }
}

impl StreamItem for DocumentArray {
    fn into_documents(self) -> Result<Vec<Document>> {
        Ok(self.into_vec())
    }
}

impl<T: StreamItem, E: IntoError> StreamItem for std::result::Result<T, E> {
    fn into_documents(self) -> Result<Vec<Document>> {
        self.map_err(IntoError::into_error)?.into_documents()
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not what a handler returns",
    note = "a handler returns one of these, plain or in a `Result`:\n\
            nothing: the request's documents, as changed, go on\n\
            `DocumentArray`: these documents go on instead\n\
            `Json` or `Map`: the documents go on, and the client gets the JSON object"
)]
pub trait HandlerReturn {
    /// Converts it to one of the three.
    #[doc(hidden)]
    fn into_returned(self) -> Result<Returned>;
}

impl HandlerReturn for () {
    fn into_returned(self) -> Result<Returned> {
        Ok(Returned::Nothing)
    }
}

impl HandlerReturn for DocumentArray {
    fn into_returned(self) -> Result<Returned> {
        Ok(Returned::Docs(self))
    }
}

impl HandlerReturn for Map<String, Value> {
    fn into_returned(self) -> Result<Returned> {
        Ok(Returned::Results(self))
    }
}

impl HandlerReturn for Value {
    fn into_returned(self) -> Result<Returned> {
        match self {
            Value::Object(results) => Ok(Returned::Results(results)),
            other => Err(Error::named(
                "TypeError",
                format_args!(
                    "the handler returned {}, but the client can only be sent a JSON object",
                    config::kind_of(&other)
                ),
            )),
        }
    }
}

impl<T: HandlerReturn, E: IntoError> HandlerReturn for std::result::Result<T, E> {
    fn into_returned(self) -> Result<Returned> {
        self.map_err(IntoError::into_error)?.into_returned()
    }
}

/// An error of `new` or of a handler: [`Error`], and all types that convert to it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that an executor can return",
    label = "the error type is `{Self}`",
    note = "use the SDK's `Error`, which is the default of `Result<T>`, or any type that \
            implements `std::error::Error`",
    note = "to make an error from a text, use `bail!(\"..\")` or `Error::msg(..)`"
)]
pub trait IntoError {
    /// The error.
    #[doc(hidden)]
    fn into_error(self) -> Error;
}

impl IntoError for Error {
    fn into_error(self) -> Error {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: std::error::Error + 'static> IntoError for E {
    fn into_error(self) -> Error {
        Error::new(self)
    }
}

/// An argument of `new`: the configuration, which is any type that serde can
/// read, or the [`Setup`].
#[diagnostic::on_unimplemented(
    message = "`new` cannot take `{Self}`",
    label = "not an argument of `new`",
    note = "`new` takes both, one or none of these, in any order:\n\
            the configuration, of a type that has `#[config]`\n\
            `&Setup` or `Setup`"
)]
pub trait ConstructorArgument<'a>: Sized {
    /// Gets it from the setup.
    #[doc(hidden)]
    fn from_setup(executor: &str, setup: &'a Setup) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<'a, T: DeserializeOwned> ConstructorArgument<'a> for T {
    fn from_setup(executor: &str, setup: &'a Setup) -> Result<Self> {
        config::read_config(executor, setup.uses_with())
    }
}

impl<'a> ConstructorArgument<'a> for Setup {
    fn from_setup(_executor: &str, setup: &'a Setup) -> Result<Self> {
        Ok(setup.clone())
    }
}

impl<'a> ConstructorArgument<'a> for &'a Setup {
    fn from_setup(_executor: &str, setup: &'a Setup) -> Result<Self> {
        Ok(setup)
    }
}

/// The return type of `new`.
#[diagnostic::on_unimplemented(
    message = "`new` cannot return `{Self}`",
    label = "not what `new` returns",
    note = "`new` returns `Self` or `Result<Self>`"
)]
pub trait ConstructorReturn<E> {
    /// The executor.
    #[doc(hidden)]
    fn into_executor(self) -> Result<E>;
}

impl<E: Executor> ConstructorReturn<E> for E {
    fn into_executor(self) -> Result<E> {
        Ok(self)
    }
}

impl<E: Executor, F: IntoError> ConstructorReturn<E> for std::result::Result<E, F> {
    fn into_executor(self) -> Result<E> {
        self.map_err(IntoError::into_error)
    }
}

/// The return type of a `#[stop]` method: nothing, or an error that is printed.
#[diagnostic::on_unimplemented(
    message = "a `#[stop]` method cannot return `{Self}`",
    label = "not what a `#[stop]` method returns",
    note = "it returns nothing, or `Result<()>`; an error is printed"
)]
pub trait StopReturn {
    /// Prints an error.
    #[doc(hidden)]
    fn report(self);
}

impl StopReturn for () {
    fn report(self) {}
}

impl<E: IntoError> StopReturn for std::result::Result<(), E> {
    fn report(self) {
        if let Err(error) = self {
            eprintln!("stopping failed: {:?}", error.into_error());
        }
    }
}

/// Makes an executor used, as far as the compiler can see.
pub fn used<E: Executor>() {}

/// Makes an executor that has no `new`.
///
/// # Errors
/// If there is a configuration.
pub fn made_by_default_without_new<E: Default>(executor: &str, setup: &Setup) -> Result<E> {
    config::no_config(
        executor,
        setup.uses_with(),
        ": its `#[executor]` block has no `new`, so it is made by `Default`",
    )?;
    Ok(E::default())
}

/// Checks the configuration of an executor that takes none.
///
/// # Errors
/// If there is a configuration.
pub fn no_config(executor: &str, setup: &Setup) -> Result<()> {
    config::no_config(executor, setup.uses_with(), "")
}
