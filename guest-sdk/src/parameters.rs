//! The request's parameters.

use std::ops::{Deref, DerefMut};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result, config};

/// The client's `parameters`, as this executor sees them.
///
/// Without a type, `&Parameters` is a JSON map with typed access by key:
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// # fn main() -> Result<()> {
/// let parameters: Parameters = Parameters::from_json(json!({ "top_k": 5 }))?;
/// assert_eq!(parameters.require::<usize>("top_k")?, 5);
/// assert_eq!(parameters.get::<String>("lang")?, None);
/// assert!(parameters.contains_key("top_k"));          // it derefs to the map
/// # Ok(())
/// # }
/// ```
///
/// With a type that has [`#[config]`](macro@crate::config), or any other that serde
/// can read, `Parameters<T>` derefs to that type. A request whose parameters do not
/// fit gets an error that names the key, and `wasm-flow inspect` shows the type's
/// schema:
///
/// ```
/// use wasm_flow_sdk::prelude::*;
///
/// #[config]
/// struct Search {
///     #[serde(default)]
///     top_k: Option<usize>,
/// }
///
/// # #[derive(Default)]
/// # struct Index;
/// #[executor]
/// impl Index {
///     #[requests(on = "/search")]
///     fn search(&self, parameters: Parameters<Search>) {
///         let top_k = parameters.top_k.unwrap_or(10);
/// #       let _ = top_k;
///     }
/// }
/// ```
///
/// Keys that the type does not have are ignored: the client may have sent them for
/// other executors. If such a key is nearly one that the type has, as `topk` is, a
/// warning in the log says so, once for each handler, for up to 16 keys in an
/// instance.
///
/// In protobuf all numbers are floats. A whole number arrives here as an integer, so
/// that it can be read as a `u32`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters<T = Map<String, Value>>(
    /// What the parameters were read as.
    pub T,
);

impl<T: DeserializeOwned> Parameters<T> {
    /// Parameters from a JSON object, for tests of handlers.
    ///
    /// # Errors
    /// If the value is not an object, or if the type cannot be read from it.
    pub fn from_json(value: Value) -> Result<Self> {
        match value {
            Value::Object(map) => config::read_parameters(map).map(Parameters),
            other => Err(Error::named(
                config::PARAMETERS_ERROR,
                format_args!(
                    "parameters must be a JSON object, not {}",
                    config::kind_of(&other)
                ),
            )),
        }
    }
}

impl<T> Parameters<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Parameters {
    /// A parameter, read as a `T`. None if the client did not send it, or sent
    /// `null`.
    ///
    /// # Errors
    /// If the value is there but is not a `T`. The error names the key.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match T::deserialize(value.clone()) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(Error::named(
                    config::PARAMETERS_ERROR,
                    format_args!("parameter `{key}`: {error}"),
                )),
            },
        }
    }

    /// A parameter that the client must send, read as a `T`.
    ///
    /// # Errors
    /// If the value is missing or is not a `T`. The error names the key.
    pub fn require<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get(key)?.ok_or_else(|| {
            Error::named(
                config::PARAMETERS_ERROR,
                format_args!("parameter `{key}` is missing"),
            )
        })
    }
}

impl<T> Deref for Parameters<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Parameters<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
