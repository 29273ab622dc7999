//! What an executor says of itself, and how endpoints find its methods.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

pub use wasm_flow_contract::request::DEFAULT_ENDPOINT;

use crate::details::{ExecutorDetails, MethodDetails, State};

/// What an executor says of itself. Checked: names are unique, of printable
/// characters, and not longer than they need to be.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The executor's type; not its name in a flow.
    pub name: String,
    /// Its version.
    pub version: String,
    /// For people.
    pub documentation: String,
    /// What it can be called with.
    pub methods: Vec<Method>,
    /// A JSON schema of `uses_with`, if known.
    pub config_schema: Option<serde_json::Value>,
    /// What built it.
    pub sdk: String,
    /// More that it says of itself.
    #[serde(flatten)]
    pub details: ExecutorDetails,
}

impl Description {
    /// Whether a request may leave something behind for later ones. If it does not say,
    /// methods that are called one at a time, or write, are taken for such.
    pub fn keeps_state(&self) -> bool {
        let writes =
            |method: &Method| method.details.write || method.concurrency == Concurrency::Exclusive;
        match self.details.state {
            Some(state) => state == State::Replica,
            None => self.methods.iter().any(writes),
        }
    }
}

/// A method of an executor.
#[derive(Debug, Clone, Serialize)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// The endpoints that it is bound to by itself.
    pub endpoints: Vec<String>,
    /// How its calls share an instance.
    pub concurrency: Concurrency,
    /// For people.
    pub documentation: String,
    /// A JSON schema of `parameters`, if known.
    pub parameters_schema: Option<serde_json::Value>,
    /// More that it says of the method.
    #[serde(flatten)]
    pub details: MethodDetails,
}

/// How calls of a method share an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Concurrency {
    /// Many at once, interleaved where they await.
    Concurrent,
    /// One, with no other call of the instance in flight.
    Exclusive,
}

/// The method that an endpoint is bound to.
#[derive(Debug, Clone)]
pub struct Route {
    pub(crate) method: Arc<str>,
    /// The method's place in the description.
    pub(crate) index: u32,
    pub(crate) concurrency: Concurrency,
}

impl Route {
    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }
}

/// Why `uses_requests` does not fit an executor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`uses_requests` binds `{endpoint}` to `{method}`, which is not a method of {class}; it has {}",
    methods.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
)]
pub struct BindingError {
    /// The endpoint.
    pub endpoint: String,
    /// The method that does not exist.
    pub method: String,
    /// The executor's type.
    pub class: String,
    /// The methods that do.
    pub methods: Vec<String>,
}

/// Endpoint to method.
#[derive(Debug, Clone, Default)]
pub struct Bindings(BTreeMap<String, Route>);

impl Bindings {
    /// The executor's own bindings, and `uses_requests` over them: as in Jina, a
    /// method bound there loses the endpoints of its own.
    ///
    /// # Errors
    /// When `uses_requests` names a method that does not exist.
    pub fn new(
        description: &Description,
        uses_requests: &BTreeMap<String, String>,
    ) -> Result<Self, BindingError> {
        let mut bindings = BTreeMap::new();
        let routes = || description.methods.iter().zip(0..).map(Method::route);
        for (method, route) in description.methods.iter().zip(routes()) {
            if !uses_requests.values().any(|name| *name == method.name) {
                for endpoint in &method.endpoints {
                    bindings.insert(endpoint.clone(), route.clone());
                }
            }
        }
        for (endpoint, name) in uses_requests {
            let route = routes()
                .find(|route| *route.method == **name)
                .ok_or_else(|| BindingError {
                    endpoint: endpoint.clone(),
                    method: name.clone(),
                    class: description.name.clone(),
                    methods: description.methods.iter().map(|m| m.name.clone()).collect(),
                })?;
            bindings.insert(endpoint.clone(), route);
        }
        Ok(Bindings(bindings))
    }

    /// The method for an endpoint: exactly that, or the default one.
    pub fn route(&self, endpoint: &str) -> Option<&Route> {
        self.0
            .get(endpoint)
            .or_else(|| self.0.get(DEFAULT_ENDPOINT))
    }

    /// Endpoints with their methods, in order, for [`StageInfo`].
    ///
    /// [`StageInfo`]: wasm_flow_contract::StageInfo
    pub fn to_list(&self) -> Vec<(String, String)> {
        self.iter()
            .map(|(endpoint, method)| (endpoint.to_owned(), method.to_owned()))
            .collect()
    }

    /// Endpoints with their methods, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(endpoint, route)| (endpoint.as_str(), route.method()))
    }
}

impl Method {
    fn route((method, index): (&Method, u32)) -> Route {
        Route {
            method: method.name.as_str().into(),
            index,
            concurrency: method.concurrency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        let method = |name: &str, endpoints: &[&str]| Method {
            name: name.to_owned(),
            endpoints: endpoints.iter().map(|e| (*e).to_owned()).collect(),
            concurrency: Concurrency::Concurrent,
            documentation: String::new(),
            parameters_schema: None,
            details: MethodDetails::default(),
        };
        Description {
            name: "E".to_owned(),
            version: String::new(),
            documentation: String::new(),
            methods: vec![
                method("foo", &["/index", "/search"]),
                method("bar", &["/default"]),
                method("baz", &[]),
            ],
            config_schema: None,
            sdk: String::new(),
            details: ExecutorDetails::default(),
        }
    }

    fn route(uses_requests: &[(&str, &str)], endpoint: &str) -> Option<String> {
        let uses_requests = uses_requests
            .iter()
            .map(|(e, m)| ((*e).to_owned(), (*m).to_owned()))
            .collect();
        let bindings = Bindings::new(&description(), &uses_requests).unwrap();
        Some(bindings.route(endpoint)?.method().to_owned())
    }

    #[test]
    fn endpoints_are_matched_exactly_and_fall_back_to_the_default() {
        for (endpoint, method) in [
            ("/index", "foo"),
            ("/search", "foo"),
            ("/Index", "bar"),
            ("/index/", "bar"),
            ("index", "bar"),
            ("/default", "bar"),
            ("", "bar"),
        ] {
            assert_eq!(route(&[], endpoint).unwrap(), method, "{endpoint}");
        }
    }

    #[test]
    fn rebinding_takes_the_old_endpoints_away() {
        assert_eq!(route(&[("/x", "foo")], "/x").unwrap(), "foo");
        assert_eq!(route(&[("/x", "foo")], "/index").unwrap(), "bar");
        assert_eq!(route(&[("/x", "baz")], "/x").unwrap(), "baz");
        assert_eq!(route(&[("/x", "bar")], "/anything"), None);
        let error = Bindings::new(
            &description(),
            &BTreeMap::from([("/x".to_owned(), "fo".to_owned())]),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`uses_requests` binds `/x` to `fo`, which is not a method of E; it has `foo`, `bar`, `baz`"
        );
    }
}
