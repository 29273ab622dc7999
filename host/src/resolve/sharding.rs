//! Shards, and what is before and after them: started and checked as one executor.

use std::sync::Arc;

use futures::future::{OptionFuture, join, join_all};
use wasm_flow_contract::sharding::Group;
use wasm_flow_contract::{NodeId, Stage};
use wasm_flow_flow::stages::Sharded;
use wasm_flow_manifest::{Head, LateProblem, Place};

use super::{LoadedExecutor, Planned, not_bound};

/// What is to stand before and after an executor's shards.
pub(super) fn heads(planned: &Planned) -> impl Iterator<Item = (Head, &Planned)> {
    let before = planned.uses_before.as_deref();
    let after = planned.uses_after.as_deref();
    let before = before.map(|planned| (Head::Before, planned));
    let after = after.map(|planned| (Head::After, planned));
    before.into_iter().chain(after)
}

/// Starts each of an executor's groups of instances with `stage`, all at the same time,
/// and gives one stage for all of them.
///
/// If one does not start, those that did are stopped. What several shards say alike is
/// said once.
pub(super) async fn start<'e, Starting>(
    executor: &'e LoadedExecutor,
    stage: impl Fn(&'e LoadedExecutor, Group) -> Starting,
) -> Result<Arc<dyn Stage>, Vec<LateProblem>>
where
    Starting: Future<Output = Result<Arc<dyn Stage>, LateProblem>>,
{
    let LoadedExecutor {
        config,
        uses_before,
        uses_after,
        ..
    } = executor;
    let shards = executor.shards();
    if shards.get() == 1 && uses_before.is_none() && uses_after.is_none() {
        return stage(executor, Group::Whole)
            .await
            .map_err(|problem| vec![problem]);
    }
    let around = |head: &'e Option<Box<LoadedExecutor>>, group| {
        let starting = head.as_deref().map(|head| stage(head, group));
        OptionFuture::from(starting)
    };
    let heads = join(
        around(uses_before, Group::UsesBefore),
        around(uses_after, Group::UsesAfter),
    );
    let shards = Group::shards(shards).map(|group| stage(executor, group));
    let ((before, after), shards) = join(heads, join_all(shards)).await;

    let mut problems: Vec<LateProblem> = Vec::new();
    let mut started = |outcome: Result<Arc<dyn Stage>, LateProblem>, head: Option<Head>| {
        let problem = match outcome {
            Ok(stage) => return Some(stage),
            Err(problem) => problem,
        };
        let problem = match head {
            Some(head) => problem.of_head(head),
            None => problem,
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        None
    };
    let before = before.and_then(|outcome| started(outcome, Some(Head::Before)));
    let shards: Vec<Arc<dyn Stage>> = shards
        .into_iter()
        .filter_map(|outcome| started(outcome, None))
        .collect();
    let after = after.and_then(|outcome| started(outcome, Some(Head::After)));
    if problems.is_empty() {
        let polling = config.polling.clone();
        let sharded = Sharded::new(config.name.clone(), before, shards, after, polling);
        return Ok(Arc::new(sharded));
    }
    let started = before.iter().chain(&shards).chain(&after);
    join_all(started.map(|stage| stage.stop())).await;
    Err(problems)
}

/// Endpoints of `polling` that no method is bound to.
pub(super) fn wrong_polling(id: NodeId, executor: &LoadedExecutor) -> Vec<LateProblem> {
    let named = executor.config.polling.named.keys();
    named
        .filter_map(|endpoint| {
            let place = Place::Polling(id, Some(endpoint.clone()));
            not_bound("polling", place, endpoint, executor)
        })
        .collect()
}
