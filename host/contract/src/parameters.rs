//! What each executor sees of a request's `parameters`.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The key under which results are kept for the client. Executors do not see it.
pub const RESULTS: &str = "__results__";

/// Stands between an executor's name and a key that is meant for it alone.
const SEPARATOR: &str = "__";

/// A value that has to be a JSON object and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON object, as in {{ \"top_k\": 10 }}, and this is {found}")]
pub struct NotAnObject {
    found: &'static str,
}

/// The members of a value that has to be a JSON object. Null stands for an empty one.
///
/// # Errors
/// When it is something else.
pub fn object(value: impl Into<Value>) -> Result<Map<String, Value>, NotAnObject> {
    let found = match value.into() {
        Value::Object(members) => return Ok(members),
        Value::Null => return Ok(Map::new()),
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
    };
    Err(NotAnObject { found })
}

/// A request's parameters, sorted by who is to see them.
///
/// `exec__key` gives `key` to the executor `exec` only, over a plain `key`; the
/// object under a plain key that is an executor's name is merged over that
/// executor's parameters, and stays visible to all. A key that begins or ends
/// with `__` is a plain one.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// What executors see that nothing in the request is addressed to: nearly
    /// always all of them, so it is shared and not copied.
    shared: Arc<Map<String, Value>>,
    addressed: Vec<Addressed>,
    results: Map<String, Value>,
}

/// A parameter for one executor.
#[derive(Debug, Clone)]
struct Addressed {
    /// `exec__key`.
    whole: String,
    /// Where the key begins.
    key: usize,
    value: Value,
}

impl Addressed {
    fn of(whole: String, value: Value) -> Option<Addressed> {
        let key = key_of(&whole)?;
        Some(Addressed { whole, key, value })
    }

    fn executor(&self) -> &str {
        let end = self.key.saturating_sub(SEPARATOR.len());
        self.whole.get(..end).unwrap_or_default()
    }

    fn key(&self) -> &str {
        self.whole.get(self.key..).unwrap_or_default()
    }
}

impl From<Map<String, Value>> for Parameters {
    fn from(mut map: Map<String, Value>) -> Self {
        let results = match map.remove(RESULTS) {
            Some(Value::Object(results)) => results,
            _ => Map::new(),
        };
        let mut addressed = Vec::new();
        if map.keys().any(|key| key_of(key).is_some()) {
            let (mine, others): (Vec<_>, Vec<_>) =
                map.into_iter().partition(|(key, _)| key_of(key).is_some());
            addressed = mine
                .into_iter()
                .filter_map(|(whole, value)| Addressed::of(whole, value))
                .collect();
            map = others.into_iter().collect();
        }
        Parameters {
            shared: Arc::new(map),
            addressed,
            results,
        }
    }
}

impl Parameters {
    /// What the executor of this name sees.
    pub fn for_executor(&self, name: &str) -> Arc<Map<String, Value>> {
        // A name with the separator looks as if it were for another executor.
        let own = |one: &&Addressed| one.whole == name;
        let own = self.addressed.iter().find(own).map(|one| &one.value);
        let object = match self.shared.get(name).or(own) {
            Some(Value::Object(object)) if !object.is_empty() => Some(object),
            _ => None,
        };
        let addressed = self.addressed.iter();
        let mut addressed = addressed.filter(|one| one.executor() == name).peekable();
        if object.is_none() && addressed.peek().is_none() {
            return Arc::clone(&self.shared);
        }
        let mut map = Map::clone(&self.shared);
        for one in addressed {
            map.insert(one.key().to_owned(), one.value.clone());
        }
        for (key, value) in object.into_iter().flatten() {
            map.insert(key.clone(), value.clone());
        }
        Arc::new(map)
    }

    /// What the client itself sent under `__results__`: results are added to
    /// it.
    pub fn results(&self) -> &Map<String, Value> {
        &self.results
    }
}

/// Where the key of `exec__key` begins.
///
/// Unlike Jina, which never finds an executor whose name holds `__`, the last
/// separator counts, and what stands before it is the name.
fn key_of(whole: &str) -> Option<usize> {
    if whole.starts_with(SEPARATOR) || whole.ends_with(SEPARATOR) {
        return None;
    }
    // Separators do not overlap and are counted from the left, as Python's
    // `split` does: `a___b` is `a` and `_b`.
    let (at, _) = whole.match_indices(SEPARATOR).last()?;
    Some(at + SEPARATOR.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(parameters: Value, executor: &str) -> Value {
        let Value::Object(map) = parameters else {
            panic!("an object")
        };
        Value::Object(Map::clone(&Parameters::from(map).for_executor(executor)))
    }

    #[test]
    fn addressed_to_one() {
        let all = json!({"top": 1, "a__top": 2, "b__other": 3, "nobody__x": 4});
        assert_eq!(seen(all.clone(), "a"), json!({"top": 2}));
        assert_eq!(seen(all.clone(), "b"), json!({"top": 1, "other": 3}));
        assert_eq!(seen(all, "c"), json!({"top": 1}));
    }

    #[test]
    fn as_an_object() {
        let all = json!({"top": 1, "a": {"top": 5, "y": 2}, "a__top": 3, "b": 7});
        assert_eq!(
            seen(all.clone(), "a"),
            json!({"top": 5, "y": 2, "a": {"top": 5, "y": 2}, "b": 7})
        );
        assert_eq!(
            seen(all, "b"),
            json!({"top": 1, "a": {"top": 5, "y": 2}, "b": 7})
        );
    }

    #[test]
    fn plain_keys_with_separators() {
        let all = json!({"__x": 1, "y__": 2, "__z__": 3, "__": 4});
        assert_eq!(seen(all.clone(), "a"), all);
    }

    #[test]
    fn names_with_separators() {
        assert_eq!(seen(json!({"my__exec__k": 1}), "my__exec"), json!({"k": 1}));
        assert_eq!(seen(json!({"a___b": 1}), "a"), json!({"_b": 1}));
        // As an object, under a key that is the name itself.
        let all = json!({"my__exec": {"k": 2}, "my__exec__k": 1, "my__exec__l": 3});
        assert_eq!(seen(all.clone(), "my__exec"), json!({"k": 2, "l": 3}));
        assert_eq!(seen(all, "my"), json!({"exec": {"k": 2}}));
    }

    #[test]
    fn parameters_are_an_object() {
        assert_eq!(object(json!({"k": 1})).unwrap().len(), 1);
        assert!(object(Value::Null).unwrap().is_empty());
        assert_eq!(
            object(json!([1])).unwrap_err().to_string(),
            "expected a JSON object, as in { \"top_k\": 10 }, and this is an array"
        );
    }

    #[test]
    fn results_are_hidden() {
        let Value::Object(map) = json!({"__results__": {"x/rep-0": {}}, "k": 1}) else {
            panic!("an object")
        };
        let parameters = Parameters::from(map);
        assert_eq!(
            Value::Object(Map::clone(&parameters.for_executor("x"))),
            json!({"k": 1})
        );
        assert!(parameters.results().contains_key("x/rep-0"));
    }
}
