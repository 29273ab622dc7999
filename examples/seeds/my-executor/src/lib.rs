//! Construction: `foo` and `bar` come from `uses_with` in flow.toml.

use wasm_flow_sdk::prelude::*;

/// The keys that `uses_with` has to contain. A missing or misspelt key stops the
/// flow before it serves anything.
#[config]
struct Config {
    foo: String,
    bar: i64,
}

struct MyExecutor {
    foo: String,
    bar: i64,
    setup: Setup,
}

#[executor]
impl MyExecutor {
    /// `setup` holds what wasm-flow itself provides: metas, requests and runtime
    /// arguments.
    fn new(config: Config, setup: Setup) -> Self {
        MyExecutor {
            foo: config.foo,
            bar: config.bar,
            setup,
        }
    }

    /// Returns everything that this executor was constructed with.
    #[requests(on = "/info")]
    fn info(&self) -> Json {
        json!({
            "foo": self.foo,
            "bar": self.bar,
            "metas": self.setup.metas(),
            "requests": self.setup.requests(),
            "runtime_args": self.setup.runtime_args(),
        })
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn foo_and_bar_reach_the_executor() -> Result<()> {
        let executor = TestExecutor::<MyExecutor>::start(json!({ "foo": "hello", "bar": 3 }))?;
        let info = executor
            .post("/info", DocumentArray::new())?
            .results
            .unwrap_or_default();
        assert_eq!((&info["foo"], &info["bar"]), (&json!("hello"), &json!(3)));
        assert_eq!(info["requests"], json!({ "/info": "info" }));
        Ok(())
    }

    #[test]
    fn a_missing_argument_is_named() {
        let error = TestExecutor::<MyExecutor>::start(json!({ "foo": "hello" }))
            .err()
            .expect("`bar` is missing");
        assert!(error.to_string().contains("bar"), "{error}");
    }
}
