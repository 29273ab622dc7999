//! An asynchronous HTTP client.
//!
//! An executor can reach only what `flow.toml` grants it:
//!
//! ```toml
//! [executors.allow]
//! http = ["https://api.example.com"]
//! ```
//!
//! A name has to stand for an address on the Internet, unless the grant is
//! `{ origin = "http://db.internal:8080", private = true }`.
//!
//! A unit test answers the requests itself, with
//! [`TestExecutor::with_http`](crate::testing::TestExecutor::with_http):
//!
//! ```
//! use wasm_flow_sdk::http::Request;
//! use wasm_flow_sdk::prelude::*;
//! use wasm_flow_sdk::time::Duration;
//!
//! #[config]
//! struct Config {
//!     url: String,
//!     token: String,
//! }
//!
//! /// Translates texts with a service.
//! struct Translate {
//!     config: Config,
//! }
//!
//! #[config]
//! struct Reply {
//!     translation: String,
//! }
//!
//! #[executor]
//! impl Translate {
//!     fn new(config: Config) -> Self {
//!         Translate { config }
//!     }
//!
//!     #[requests(on = "/translate")]
//!     async fn translate(&self, docs: &mut DocumentArray) -> Result<()> {
//!         for doc in docs.iter_mut() {
//!             let reply: Reply = Request::post(&self.config.url)
//!                 .query([("from", "en"), ("to", "de")])
//!                 .header("authorization", format!("Bearer {}", self.config.token))
//!                 .json(&json!({ "text": doc.text() }))?
//!                 .timeout(Duration::from_secs(5))
//!                 .send()
//!                 .await?
//!                 .error_for_status()?
//!                 .json()?;
//!             doc.set_text(reply.translation);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // In a test:
//! use wasm_flow_sdk::http::{self, Response};
//! use wasm_flow_sdk::testing::TestExecutor;
//!
//! # fn main() -> Result<()> {
//! let config = json!({ "url": "https://api.example.com/v1", "token": "t" });
//! let executor = TestExecutor::<Translate>::start(config)?.with_http(|request: &http::Request| {
//!     assert_eq!(request.path(), "/v1");
//!     assert_eq!(request.query("to").as_deref(), Some("de"));
//!     assert_eq!(request.header("authorization"), Some("Bearer t"));
//!     let sent: Json = request.json()?;
//!     Ok(match sent["text"].as_str() {
//!         Some("hello") => Response::of_json(200, json!({ "translation": "hallo" })),
//!         _ => Response::new(503, "busy").with_header("retry-after", "2"),
//!     })
//! });
//! let reply = executor.post("/translate", ["hello"])?;
//! assert_eq!(reply.docs[0].text(), "hallo");
//!
//! let error = executor.post("/translate", ["good day"]).unwrap_err();
//! assert_eq!(error.name(), "HttpStatus");
//! assert!(error.message().ends_with("the response has status 503: busy"));
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! A request fails with an [`HttpError`] if there is no response. A response whose
//! status is a failure is still a response: [`Response::error_for_status`] makes it
//! an error. With `?`, the handler fails with the error's kind as its name, such as
//! `HttpTimeout`, and the host is told whether to repeat the call: not if the request
//! might then have its effect twice. [`HttpError`] says when that is.
//!
//! # Redirects
//!
//! Up to 10 redirects are followed, as browsers do:
//!
//! - 301 and 302 make a `POST` a `GET` without a body, and 303 any method but `HEAD`.
//!   307 and 308 keep the method and the body.
//! - If scheme, host or port change, `authorization`, `cookie` and
//!   `proxy-authorization` are not sent. All other headers are. If one of them is
//!   secret, use [`redirects(0)`](RequestBuilder::redirects).
//! - `flow.toml` has to grant the target as well.
//! - From `https` to `http` is not followed.
//! - A `\` in a `location` is sent as `%5C`. Browsers take it for a `/`.
//!
//! If a redirect cannot be followed, or if there are too many, the error is of
//! [`ErrorKind::Redirect`]. [`Response::url`] is where the last one led.

mod error;
mod redirect;
mod request;
mod response;
mod retry_after;
mod url;

#[cfg_attr(target_family = "wasm", path = "wasi.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
mod platform;

pub use error::{ErrorKind, HttpError};
pub use request::{Request, RequestBuilder};
pub use response::Response;

/// Gets a URL: `Request::get(url).send()`.
///
/// # Errors
/// If there is no response. A response whose status is a failure is still a
/// response: see [`Response::error_for_status`].
pub async fn get(url: impl Into<String>) -> Result<Response, HttpError> {
    Request::get(url).send().await
}

fn too_large(max_body: usize) -> HttpError {
    HttpError::new(
        ErrorKind::Body,
        format!("the response's body has more than {max_body} bytes: `max_body` sets the limit"),
    )
}
