//! An executor as a component: the functions that the host calls.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Once;

use serde_json::{Map, Value};

use crate::bindings::exports::wasm_flow::executor::executor as wit;
use crate::bindings::wasm_flow::executor::{diagnostics, documents, requests};
use crate::description::Description;
use crate::handler::{Executor, Running};
use crate::{Error, Result, Setup, config, raw};

/// The executor of a component, once it is started.
pub struct Slot<E>(RefCell<Option<Rc<Running<E>>>>);

impl<E> Slot<E> {
    /// No executor yet.
    pub const fn new() -> Self {
        Slot(RefCell::new(None))
    }
}

impl<E> Default for Slot<E> {
    fn default() -> Self {
        Slot::new()
    }
}

type Local<E> = std::thread::LocalKey<Slot<E>>;

/// `describe`.
pub fn describe<E: Executor>() -> wit::Description {
    report_panics();
    let Description {
        name,
        version,
        documentation,
        methods,
        config_schema,
        about,
    } = E::describe();
    wit::Description {
        name: name.to_owned(),
        version: version.to_owned(),
        documentation: documentation.to_owned(),
        methods: methods
            .into_iter()
            .map(|method| wit::Method {
                name: method.name.to_owned(),
                endpoints: method.endpoints.iter().map(|on| (*on).to_owned()).collect(),
                concurrency: if method.concurrent {
                    wit::Concurrency::Concurrent
                } else {
                    wit::Concurrency::Exclusive
                },
                documentation: method.documentation.to_owned(),
                details: method.details(),
                parameters_schema: method.parameters_schema,
            })
            .collect(),
        config_schema,
        details: about.details(),
        sdk: concat!("wasm-flow-sdk ", env!("CARGO_PKG_VERSION"), " (Rust)").to_owned(),
    }
}

/// `start`.
///
/// # Errors
/// If the configuration does not fit, or if `new` fails.
pub async fn start<E: Executor>(
    slot: &'static Local<E>,
    configuration: wit::Configuration,
) -> Result<(), wit::Failure> {
    report_panics();
    let start = async {
        let running = Running::start(setup(configuration)?).await?;
        slot.with(|slot| slot.0.replace(Some(Rc::new(running))));
        Ok(())
    };
    start.await.map_err(failure)
}

fn setup(configuration: wit::Configuration) -> Result<Setup> {
    let object = |name: &str, text: &str| -> Result<Map<String, Value>> {
        config::parse_object(text).map_err(|error| Error::new(error).context(name))
    };
    let requests: BTreeMap<String, String> = configuration.requests.into_iter().collect();
    Ok(Setup::new(
        object("uses_with", &configuration.uses_with)?,
        object("metas", &configuration.metas)?,
        requests,
        object("runtime_args", &configuration.runtime_args)?,
    ))
}

/// `handle`.
///
/// # Errors
/// If the handler fails, or if its arguments cannot be read.
pub async fn handle<E: Executor>(
    slot: &'static Local<E>,
    method: u32,
    request: requests::Request,
    docs: documents::DocumentArray,
    length: u32,
) -> Result<(), wit::Failure> {
    let running = slot.with(|slot| slot.0.borrow().clone());
    let Some(running) = running else {
        return Err(failure(Error::named(
            "NotStarted",
            "the host called a method of an executor that was not started",
        )));
    };
    let Some(method) = running.method(method) else {
        return Err(failure(Error::named(
            "UnknownMethod",
            format_args!("the host called method {method}, which the executor does not have"),
        )));
    };
    let request = Rc::new(raw::Request::new(request));
    running
        .handle(method, request, docs.into(), length)
        .await
        .map_err(failure)
}

/// `stop`: calls the `#[stop]` method, then drops the executor.
pub async fn stop<E: Executor>(slot: &'static Local<E>) {
    let running = slot.with(|slot| slot.0.take());
    if let Some(running) = running
        && let Err(error) = running.stop().await
    {
        eprintln!("the executor was not stopped: {error}");
    }
}

fn failure(error: Error) -> wit::Failure {
    let details = error.details();
    let (name, message, trace) = error.into_parts();
    wit::Failure {
        name,
        message,
        trace,
        details,
    }
}

/// Reports a panic to the host before it becomes a trap: all that the client would
/// learn from the trap itself is `unreachable`.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info
                .payload_as_str()
                .unwrap_or("a panic whose payload is not text");
            diagnostics::report_panic(&diagnostics::Panic {
                message: message.to_owned(),
                location: info.location().map(ToString::to_string).unwrap_or_default(),
            });
            print(info);
        }));
    });
}

/// Makes an executor the component's export.
///
/// A macro's items are in scope for its arguments: if `$executor`, or a module in
/// its path, had the name of such an item, it would refer to that. So the items
/// have names that nobody chooses, and nothing is imported.
#[doc(hidden)]
#[macro_export]
macro_rules! __component {
    ($executor:ty) => {
        const _: () = {
            ::std::thread_local! {
                static __WASM_FLOW_SLOT: $crate::__private::guest::Slot<$executor> =
                    const { $crate::__private::guest::Slot::new() };
            }

            struct __WasmFlowComponent;

            impl $crate::__private::wit::Guest for __WasmFlowComponent {
                fn describe() -> $crate::__private::wit::Description {
                    $crate::__private::guest::describe::<$executor>()
                }

                async fn start(
                    configuration: $crate::__private::wit::Configuration,
                ) -> ::core::result::Result<(), $crate::__private::wit::Failure> {
                    $crate::__private::guest::start(&__WASM_FLOW_SLOT, configuration).await
                }

                async fn handle(
                    method: u32,
                    request: $crate::__private::wit::Request,
                    docs: $crate::__private::wit::DocumentArray,
                    length: u32,
                ) -> ::core::result::Result<(), $crate::__private::wit::Failure> {
                    $crate::__private::guest::handle(
                        &__WASM_FLOW_SLOT,
                        method,
                        request,
                        docs,
                        length,
                    )
                    .await
                }

                async fn stop() {
                    $crate::__private::guest::stop(&__WASM_FLOW_SLOT).await
                }
            }

            $crate::__private::bindings::export_bare!(
                __WasmFlowComponent with_types_in $crate::__private::bindings
            );
        };
    };
}
