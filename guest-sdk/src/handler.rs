//! What `#[executor]` makes of an `impl` block, and the way a call takes
//! through it: the same in a component and in a test.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::raw::{self, Array};
use crate::source::Source;
use crate::{
    Context, DocsMatrix, DocumentArray, Error, Parameters, Part, Result, Setup, commit, config,
};

/// An executor: a type with an `impl` block that `#[executor]` stands on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no executor",
    label = "no `impl` block of this type has `#[executor]`",
    note = "put `#[executor]` on the `impl` block that has the handlers"
)]
pub trait Executor: Sized + 'static {
    /// What it is and what it can do.
    #[doc(hidden)]
    fn describe() -> Description;

    /// Makes one, as its `new` or `Default` does.
    #[doc(hidden)]
    fn create(setup: &Setup) -> impl Future<Output = Result<Self>>;

    /// Calls a handler by its name.
    #[doc(hidden)]
    fn call(
        running: &Running<Self>,
        method: &str,
        call: &mut Call,
    ) -> impl Future<Output = Result<Returned>>;

    /// Calls what `#[stop]` stands on.
    #[doc(hidden)]
    fn stop(&mut self) -> impl Future<Output = ()>;
}

/// What an executor is.
#[derive(Debug, Clone)]
pub struct Description {
    /// The type's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// The `impl` block's doc comment.
    pub documentation: &'static str,
    /// The handlers, in the order they are written in.
    pub methods: Vec<Method>,
    /// A JSON schema of the configuration, or empty.
    pub config_schema: String,
}

/// A handler.
#[derive(Debug, Clone)]
pub struct Method {
    /// The function's name.
    pub name: &'static str,
    /// What it is bound to; `/default` for `#[requests]` without `on`.
    pub endpoints: &'static [&'static str],
    /// Whether calls of it share the instance.
    pub concurrent: bool,
    /// The function's doc comment.
    pub documentation: &'static str,
    /// A JSON schema of the parameters, or empty.
    pub parameters_schema: String,
}

/// An executor that was started.
///
/// The host keeps calls of exclusive handlers apart. Should it not, they fail
/// here: `&mut self` is never had twice.
pub struct Running<E> {
    executor: RefCell<E>,
    setup: Setup,
}

impl<E: Executor> Running<E> {
    pub(crate) fn new(executor: E, setup: Setup) -> Self {
        Running {
            executor: RefCell::new(executor),
            setup,
        }
    }

    pub(crate) async fn start(setup: Setup) -> Result<Self> {
        let executor = E::create(&setup).await?;
        Ok(Running::new(executor, setup))
    }

    /// Calls a handler and writes back what it changed.
    pub(crate) async fn handle(&self, method: &str, request: raw::Request) -> Result<Outcome> {
        let mut call = Call {
            request: Rc::new(request),
            setup: self.setup.clone(),
            source: None,
            changed: None,
        };
        let returned = E::call(self, method, &mut call).await?;
        call.finish(returned)
    }

    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nothing else is to happen while the executor is stopped"
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
    /// When an exclusive handler is running.
    pub fn shared(&self, method: &str) -> Result<Ref<'_, E>> {
        self.executor.try_borrow().map_err(|_| {
            busy(
                method,
                "while one that needs the executor for itself is running",
            )
        })
    }

    /// `&mut self` for a handler.
    ///
    /// # Errors
    /// When another handler is running.
    pub fn exclusive(&self, method: &str) -> Result<RefMut<'_, E>> {
        self.executor.try_borrow_mut().map_err(|_| {
            busy(
                method,
                "which needs the executor for itself, while another is running",
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

/// The answer to a method that the executor does not have.
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
    request: Rc<raw::Request>,
    setup: Setup,
    source: Option<Rc<Source>>,
    changed: Option<DocumentArray>,
}

impl Call {
    fn docs(&mut self) -> Result<DocumentArray> {
        if self.source.is_some() {
            // `#[executor]` says so where it can; here are types that it knows
            // by another name.
            return Err(Error::named(
                "TypeError",
                "the handler asks for the request's documents twice",
            ));
        }
        let source = self.source.insert(Source::new(self.request.docs()));
        Ok(source.documents().into())
    }

    fn docs_matrix(&self) -> Result<DocsMatrix> {
        self.request
            .docs_matrix()
            .into_iter()
            .map(|(executor, docs)| {
                // A copy, which costs little: these documents may be those that
                // the handler changes, and a part stays as it was.
                let own = Array::new();
                own.extend(&docs, &raw::Rows::All)?;
                Ok(Part::new(executor, Source::new(own).documents()))
            })
            .collect()
    }

    fn parameters<T: DeserializeOwned>(&self) -> Result<T> {
        config::read_parameters(self.parameters_map()?)
    }

    fn parameters_map(&self) -> Result<Map<String, Value>> {
        config::parse_object(&self.request.parameters())
            .map_err(|error| Error::named(config::PARAMETERS_ERROR, error))
    }

    fn context(&self) -> Context {
        Context::of(self.request.clone(), self.setup.clone())
    }

    fn finish(mut self, returned: Returned) -> Result<Outcome> {
        match returned {
            Returned::Nothing => {
                self.write_back()?;
                Ok(Outcome::Docs)
            }
            Returned::Results(results) => {
                self.write_back()?;
                Ok(Outcome::Results(results))
            }
            Returned::Docs(docs) => {
                // What else was done to the request's documents is not to go on.
                self.changed = None;
                let source = self.source.take();
                match source.filter(|source| commit::is_whole(&docs, source)) {
                    Some(source) => {
                        commit::write_back(docs, &source)?;
                        Ok(Outcome::Docs)
                    }
                    None => commit::build(docs.into_vec()).map(Outcome::Replaced),
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

/// What a call leaves behind.
pub(crate) enum Outcome {
    /// The request's documents.
    Docs,
    /// These.
    Replaced(Array),
    /// The request's documents, and this for the client.
    Results(Map<String, Value>),
}

/// What a handler that returns an `R` may ask for.
#[diagnostic::on_unimplemented(
    message = "a handler cannot ask for `{Self}`",
    label = "not an argument of a handler",
    note = "a handler takes, in any order and each at most once:\n\
            `&mut DocumentArray`, `&DocumentArray` or `DocumentArray`: the request's documents\n\
            `&Parameters` or `Parameters`: the request's parameters as a JSON map\n\
            `&Parameters<T>` or `Parameters<T>`: the same, read as a `T: Deserialize`\n\
            `&DocsMatrix` or `DocsMatrix`: the documents by predecessor\n\
            `&Context` or `Context`: the request's id, endpoint and time left",
    note = "to read the parameters as a type of your own, put it into `Parameters<..>`"
)]
pub trait Argument<R>: Sized {
    /// What is kept while the handler has the argument: [`Exclusive`],
    /// [`Shared`] or [`Owned`].
    #[doc(hidden)]
    type Held;

    /// Gets it from the request.
    #[doc(hidden)]
    fn take(call: &mut Call) -> Result<Self::Held>;
}

/// Documents that a handler may change.
pub struct Exclusive(DocumentArray);

/// What a handler may look at.
pub struct Shared<T>(T);

/// What a handler has for itself.
pub struct Owned<T>(Option<T>);

// The same two methods on each of them, and no trait, so that an argument of a
// wrong type is one error and not one for each step.

impl Exclusive {
    /// Gives it to the handler.
    pub fn lend(&mut self) -> &mut DocumentArray {
        &mut self.0
    }

    /// Takes back what the handler changed.
    pub fn give_back(self, call: &mut Call) {
        call.changed = Some(self.0);
    }
}

impl<T> Shared<T> {
    /// Gives it to the handler.
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

    /// The handler has it.
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

impl<R, T: DeserializeOwned> Argument<R> for &Parameters<T> {
    type Held = Shared<Parameters<T>>;

    fn take(call: &mut Call) -> Result<Self::Held> {
        call.parameters().map(Parameters).map(Shared)
    }
}

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

/// What a handler returns that has the request's documents by value: where it
/// does not return documents, nothing that it did to them would go on.
#[diagnostic::on_unimplemented(
    message = "changes of these documents would be lost: the handler has them by value, and \
               returns `{Self}`",
    label = "these documents go nowhere",
    note = "take `&mut DocumentArray` to change them, or return the `DocumentArray`",
    note = "take `&DocumentArray` to read them; what is to be kept of them is cloned"
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
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not what a handler returns",
    note = "a handler returns, as it is or in a `Result`:\n\
            nothing: the request's documents, as changed, go on\n\
            `DocumentArray`: these documents go on instead\n\
            `Json` or `Map`: the documents go on, and the client gets the JSON object"
)]
pub trait HandlerReturn {
    /// Which of the three it is.
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
                    "the handler returned {}: what goes to the client is a JSON object",
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

/// What `new` and handlers may fail with: [`Error`], and whatever it is made of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that an executor can fail with",
    label = "the error is `{Self}`",
    note = "it is the SDK's `Error`, which `Result<T>` means, or any type that implements \
            `std::error::Error`",
    note = "to make one of a text, use `bail!(\"..\")` or `Error::msg(..)`"
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

/// What `new` may ask for: the configuration, which is any type that serde
/// reads, and the [`Setup`].
#[diagnostic::on_unimplemented(
    message = "`new` cannot ask for `{Self}`",
    label = "not an argument of `new`",
    note = "`new` takes, in any order and any of them left out:\n\
            the configuration, of a type with `#[derive(Deserialize)]`\n\
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

/// What `new` may return.
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

/// What `#[stop]` may return: nothing, or an error that is printed.
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

/// Uses an executor, in the compiler's eyes.
pub fn used<E: Executor>() {}

/// What an executor without `new` is made by.
///
/// # Errors
/// When there is a configuration.
pub fn made_by_default_without_new<E: Default>(executor: &str, setup: &Setup) -> Result<E> {
    config::no_config(
        executor,
        setup.uses_with(),
        ": it is made by `Default`, as there is no `new` in its `#[executor]` block",
    )?;
    Ok(E::default())
}

/// The check of an executor that takes no configuration.
///
/// # Errors
/// When there is one.
pub fn no_config(executor: &str, setup: &Setup) -> Result<()> {
    config::no_config(executor, setup.uses_with(), "")
}
