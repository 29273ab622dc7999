//! Default binding: a bare `#[requests]` answers every endpoint that nothing else
//! is bound to.

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[derive(Default)]
struct MyExecutor;

#[executor]
impl MyExecutor {
    /// Answers `/blah` and all other endpoints.
    #[requests]
    fn foo(&self, context: &Context) {
        println!("Calling foo for {}", context.endpoint());
    }

    #[requests(on = "/index")]
    async fn bar(&self) {
        sleep(Duration::from_secs(1)).await;
        println!("Calling bar");
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn every_endpoint_is_answered() -> Result<()> {
        let executor = TestExecutor::<MyExecutor>::start(json!({}))?;
        executor.post("/blah", ["hello"])?;
        executor.post("/index", ["hello"])?;
        Ok(())
    }
}
