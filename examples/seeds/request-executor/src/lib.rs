//! Endpoints: `on` decides which method answers a request.

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[derive(Default)]
struct RequestExecutor;

#[executor]
impl RequestExecutor {
    /// Bound to `/index` and `/search`.
    #[requests(on = ["/index", "/search"])]
    fn foo(&self) {
        println!("Calling foo");
    }

    /// Bound to `/other`.
    #[requests(on = "/other")]
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
    fn documents_pass_through_both() -> Result<()> {
        let executor = TestExecutor::<RequestExecutor>::start(json!({}))?;
        for endpoint in ["/index", "/other", "/search"] {
            let reply = executor.post(endpoint, ["as it was"])?;
            assert_eq!(reply.docs[0].text(), "as it was");
        }
        Ok(())
    }
}
