//! The guest's description of itself, held to bounds.

use std::collections::HashSet;
use std::fmt;

use crate::bindings::guest;
use crate::bounds::{MAX_ENDPOINTS, MAX_METHODS, MAX_NAME, MAX_PROSE};
use crate::description::{Concurrency, Description, Method};
use crate::details;
use crate::text::printable;

/// Why a description is not usable.
#[derive(Debug, thiserror::Error)]
pub(super) enum DescriptionError {
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
pub(super) enum Named {
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

/// Checks the guest's description and bounds it.
pub(super) fn check(raw: guest::Description) -> Result<Description, DescriptionError> {
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
        let ok = check(raw(vec![("a", vec!["/x"]), ("b", vec![])])).unwrap();
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
            let error = check(raw(methods)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let long = "x".repeat(MAX_NAME + 1);
        assert!(check(raw(vec![("a", vec![&long])])).is_err());
        assert!(check(raw(vec![("a\u{7}", vec![])])).is_err());
        let many = (0..=MAX_METHODS).map(|_| ("a", vec![])).collect();
        assert!(
            check(raw(many))
                .unwrap_err()
                .to_string()
                .contains("257 methods")
        );
    }
}
