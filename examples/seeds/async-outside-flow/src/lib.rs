//! An async executor used directly: two calls that are awaited together take the
//! time of one.

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[derive(Default)]
pub struct MyExecutor;

#[executor]
impl MyExecutor {
    #[requests]
    pub async fn foo(&self) {
        sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wasm_flow_sdk::future::join;
    use wasm_flow_sdk::testing::block_on;

    use super::*;

    #[test]
    fn two_calls_take_the_time_of_one() {
        let m = MyExecutor;
        let started = Instant::now();
        block_on(join(m.foo(), m.foo()));
        let took = started.elapsed();
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_millis(1900),
            "took {took:?}"
        );
    }
}
