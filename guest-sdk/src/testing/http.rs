//! Answers to the HTTP requests of executors in tests.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use crate::http::{ErrorKind, HttpError, Request, Response};

thread_local! {
    /// What answers the requests of the future that this thread is polling.
    static CURRENT: RefCell<Option<Answers>> = const { RefCell::new(None) };
}

/// A function that answers HTTP requests: a closure or function that takes a
/// `&Request` and returns a `Result<Response, HttpError>`, or one that is `async`
/// and does the same.
///
/// A closure has to name its argument's type, as in `|request: &Request| ..`.
/// `How` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer HTTP requests",
    label = "not an answer to HTTP requests",
    note = "an answer takes a `&Request` and returns a `Result<Response, HttpError>`:\n\
            `|request: &Request| Ok(Response::new(200, \"body\"))`\n\
            `async |request: &Request| Ok(Response::new(200, \"body\"))`",
    note = "what it uses has to be its own: write `move |request: &Request| ..`, and share \
            what the test reads with an `Rc`"
)]
pub trait Answer<How> {
    /// The function, whatever its type.
    #[doc(hidden)]
    fn into_answers(self) -> Answers;
}

/// Marks an [`Answer`] that is given at once.
#[doc(hidden)]
pub struct AtOnce;

/// Marks an [`Answer`] that is awaited.
#[doc(hidden)]
pub struct Awaited;

impl<F> Answer<AtOnce> for F
where
    F: FnMut(&Request) -> Result<Response, HttpError> + 'static,
{
    fn into_answers(self) -> Answers {
        let function = RefCell::new(self);
        Answers(Rc::new(move |request| {
            let answer = match function.try_borrow_mut() {
                Ok(mut function) => function(request),
                Err(_) => Err(HttpError::new(
                    ErrorKind::Protocol,
                    "the test's answer to a request sends a request itself",
                )),
            };
            Box::pin(async { answer })
        }))
    }
}

impl<F> Answer<Awaited> for F
where
    F: AsyncFn(&Request) -> Result<Response, HttpError> + 'static,
{
    fn into_answers(self) -> Answers {
        let function = Rc::new(self);
        Answers(Rc::new(move |request| {
            let function = function.clone();
            Box::pin(async move { function(request).await })
        }))
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response, HttpError>> + 'a>>;

/// An [`Answer`] of any type.
#[derive(Clone)]
#[doc(hidden)]
pub struct Answers(Rc<dyn for<'a> Fn(&'a Request) -> Answering<'a>>);

impl Answers {
    pub(crate) async fn answer(&self, request: &Request) -> Result<Response, HttpError> {
        (self.0)(request).await
    }

    /// Runs a future whose requests this answers.
    ///
    /// The answers are current only while the future is polled. So two futures on
    /// one thread, each with its own answers, do not mix.
    pub(crate) async fn during<F: Future>(self, future: F) -> F::Output {
        let mut future = Box::pin(future);
        poll_fn(|context| {
            let _scope = Scope::enter(self.clone());
            future.as_mut().poll(context)
        })
        .await
    }
}

/// What answers the requests that are sent now.
pub(crate) fn current() -> Option<Answers> {
    CURRENT.with_borrow(Clone::clone)
}

/// Restores what was current before, even if a handler panics.
struct Scope(Option<Answers>);

impl Scope {
    fn enter(answers: Answers) -> Self {
        Scope(CURRENT.replace(Some(answers)))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
