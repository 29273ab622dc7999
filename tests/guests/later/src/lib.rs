//! Executors that were built against an interface of a later release. Each is an
//! example of this crate; `build.rs` makes the WIT that it is built against.

/// An executor with one method, which converts texts to upper case. The given
/// function sees the request and the documents first.
#[allow(
    clippy::crate_in_macro_def,
    reason = "each example has bindings of its own"
)]
#[macro_export]
macro_rules! executor {
    ($first:expr $(, $field:ident: $value:expr)?) => {
        struct Later;

        const FIRST: fn(
            &crate::exports::wasm_flow::executor::executor::Request,
            &crate::exports::wasm_flow::executor::executor::DocumentArray,
        ) = $first;

        impl crate::exports::wasm_flow::executor::executor::Guest for Later {
            fn describe() -> crate::exports::wasm_flow::executor::executor::Description {
                use crate::exports::wasm_flow::executor::executor as wit;
                wit::Description {
                    name: "Later".to_owned(),
                    version: String::new(),
                    documentation: String::new(),
                    methods: vec![wit::Method {
                        name: "upper".to_owned(),
                        endpoints: vec!["/upper".to_owned()],
                        concurrency: wit::Concurrency::Concurrent,
                        documentation: String::new(),
                        parameters_schema: String::new(),
                        details: String::new(),
                        $($field: $value,)?
                    }],
                    config_schema: String::new(),
                    sdk: String::new(),
                    details: String::new(),
                }
            }

            async fn start(
                _: crate::exports::wasm_flow::executor::executor::Configuration,
            ) -> Result<(), crate::exports::wasm_flow::executor::executor::Failure> {
                Ok(())
            }

            async fn handle(
                _: u32,
                request: crate::exports::wasm_flow::executor::executor::Request,
                docs: crate::exports::wasm_flow::executor::executor::DocumentArray,
                _: u32,
            ) -> Result<(), crate::exports::wasm_flow::executor::executor::Failure> {
                use crate::wasm_flow::executor::documents::{Rows, StringField};
                FIRST(&request, &docs);
                let upper = |text: &String| text.to_uppercase();
                docs.strings(StringField::Text, &Rows::All)
                    .map(|texts| texts.iter().map(upper).collect::<Vec<_>>())
                    .and_then(|texts| docs.set_strings(StringField::Text, &Rows::All, &texts))
                    .map_err(|error| crate::exports::wasm_flow::executor::executor::Failure {
                        name: "Refused".to_owned(),
                        message: error.to_string(),
                        trace: Vec::new(),
                        details: String::new(),
                    })
            }

            async fn stop() {}
        }

        crate::export!(Later with_types_in crate);
    };
}
