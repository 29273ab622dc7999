//! An executor that binds one endpoint: requests to others pass through.

use wasm_flow_sdk::prelude::*;

#[derive(Default)]
struct OnlyExecutor;

#[executor]
impl OnlyExecutor {
    #[requests(on = "/only")]
    fn only(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.set_text("changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn one_endpoint_changes_and_others_pass() -> Result<()> {
        let executor = TestExecutor::<OnlyExecutor>::start(json!({}))?;
        for (endpoint, text) in [("/only", "changed"), ("/other", "orig"), ("only", "orig")] {
            let reply = executor.post(endpoint, ["orig"])?;
            assert_eq!(reply.docs[0].text(), text, "{endpoint}");
        }
        Ok(())
    }
}
