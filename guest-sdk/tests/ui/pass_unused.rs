#![deny(warnings)]

//! On native targets nothing calls an executor, but it is not dead code.

use wasm_flow_sdk::prelude::*;

#[config]
struct GreeterConfig {
    greeting: String,
}

struct Greeter {
    greeting: String,
}

#[executor]
impl Greeter {
    fn new(config: GreeterConfig) -> Result<Self> {
        Ok(Greeter { greeting: config.greeting })
    }

    #[requests(on = ["/index", "/search"])]
    async fn greet(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
        self.helper(docs);
        parameters.require::<u32>("n")?;
        Ok(())
    }

    #[requests]
    fn fallback(&mut self, docs: &mut DocumentArray) -> Json {
        json!({ "documents": docs.len() })
    }

    fn helper(&self, docs: &mut DocumentArray) {
        for doc in docs {
            doc.set_text(format!("{} {}", self.greeting, doc.text()));
        }
    }
}

fn main() {}
