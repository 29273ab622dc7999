//! How the engine is set up: to run executors, and to compile them.

use wasm_flow_contract::bounds::INSTANCES;
use wasmtime::{Config, Engine, PoolingAllocationConfig};

use crate::bounds::{
    CORE_INSTANCES_EACH, MEMORIES_EACH, STACK, TABLE_ELEMENTS, TABLES, TABLES_EACH,
};

/// An engine that runs executors.
pub(super) fn running() -> wasmtime::Result<Engine> {
    Engine::new(config().allocation_strategy(pool()))
}

/// An engine that compiles for [`running`]. It reserves no address space for instances, so it
/// comes up where memory is short.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// All that compiled code depends on.
fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // The engine's default, which is pinned here.
    config.max_wasm_stack(STACK);
    config
}

/// Room for as many instances as are said, whatever they consist of. What is
/// reserved here is address space; memory is taken as it is used.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_memories(INSTANCES)
        .total_stacks(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_EACH)
        .total_tables(INSTANCES * TABLES)
        .table_elements(TABLE_ELEMENTS as usize)
        .max_core_instances_per_component(CORE_INSTANCES_EACH)
        .max_memories_per_component(MEMORIES_EACH)
        .max_tables_per_component(TABLES_EACH);
    pool
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    /// What a child compiles is kept under the name that this process looks for, and is
    /// taken by its engine.
    #[test]
    fn code_is_the_same_for_both() {
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let running = hash(&running().unwrap());
        assert_eq!(running, hash(&compiling().unwrap()));
        // It does tell engines apart.
        let other = Engine::new(config().epoch_interruption(false)).unwrap();
        assert_ne!(running, hash(&other));
    }
}
