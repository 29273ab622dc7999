//! An executor whose documents are divided over several groups of instances.

use std::collections::HashMap;
use std::future::ready;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, TryStreamExt as _};
use wasm_flow_contract::sharding::{Group, Poll, Polling};
use wasm_flow_contract::{
    Call, Failure, FailureKind, Outlet, Part, Reply, Results, Stage, StageInfo,
};
use wasm_flow_document::{DocumentArray, Limits};

/// Stages that stand as one: shards, and what is before and after them.
///
/// A request goes through `uses_before`, then to one shard or to all, as [`Polling`]
/// says for its endpoint, then through `uses_after`. Whatever binds nothing to the
/// endpoint is passed by.
///
/// `uses_after` gets the documents of all shards that were asked, one after the other,
/// and by shard, and puts them together itself. Without it, documents of one id become
/// one, as where branches join, in the order of the shards: the matches that shards
/// found for one document come together. Documents are shared by all shards and not
/// copied.
///
/// One shard is asked in turn, and not the one with the fewest calls in flight: what
/// they keep is to be spread evenly. Each endpoint has turns of its own, or clients that
/// alternate between two endpoints would always meet the same shard.
///
/// If a shard fails, the call does, and what the others do is given up: a part of an
/// index is not an answer.
///
/// Documents that the one shard sends while it runs go on as they come, unless
/// `uses_after` has something to do with them: that one gets all of them at once.
pub struct Sharded(Arc<Inner>);

struct Inner {
    name: String,
    uses_before: Option<Member>,
    shards: Vec<Member>,
    uses_after: Option<Member>,
    polling: Polling,
    turns: Turns,
}

/// One of the stages.
struct Member {
    group: Group,
    /// Its name, as predecessors are named.
    name: Arc<str>,
    stage: Arc<dyn Stage>,
}

impl Sharded {
    /// An executor of this name. Each shard stands for a part of its documents; there may
    /// be only one.
    pub fn new(
        name: impl Into<String>,
        uses_before: Option<Arc<dyn Stage>>,
        shards: Vec<Arc<dyn Stage>>,
        uses_after: Option<Arc<dyn Stage>>,
        polling: Polling,
    ) -> Sharded {
        let name = name.into();
        let member = |group: Group, stage: Arc<dyn Stage>| Member {
            name: group.name(&name).into(),
            group,
            stage,
        };
        let count = u32::try_from(shards.len()).unwrap_or(u32::MAX);
        let groups = NonZeroU32::new(count).into_iter().flat_map(Group::shards);
        Sharded(Arc::new(Inner {
            uses_before: uses_before.map(|stage| member(Group::UsesBefore, stage)),
            shards: groups
                .zip(shards)
                .map(|(group, stage)| member(group, stage))
                .collect(),
            uses_after: uses_after.map(|stage| member(Group::UsesAfter, stage)),
            polling,
            turns: Turns::default(),
            name,
        }))
    }
}

impl Stage for Sharded {
    fn info(&self) -> StageInfo {
        let Inner {
            uses_before,
            shards,
            uses_after,
            polling,
            ..
        } = &*self.0;
        let boxed = |member: &Option<Member>| {
            let member = member.as_ref();
            member.map(|member| Box::new(member.stage.info()))
        };
        // All shards are the same.
        let shard = shards.first().map(|shard| shard.stage.info());
        StageInfo {
            shards: u32::try_from(shards.len()).unwrap_or(u32::MAX),
            polling: polling.clone(),
            uses_before: boxed(uses_before),
            uses_after: boxed(uses_after),
            ..shard.unwrap_or_default()
        }
    }

    fn binds(&self, endpoint: &str) -> bool {
        self.0.members().any(|member| member.binds(endpoint))
    }

    fn is_repeatable(&self, endpoint: &str) -> bool {
        let mut bound = self.0.members().filter(|member| member.binds(endpoint));
        bound.all(|member| member.stage.is_repeatable(endpoint))
    }

    fn streams(&self, endpoint: &str) -> bool {
        self.0.streams(endpoint)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(Arc::clone(&self.0).call(call))
    }

    fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
        let inner = Arc::clone(&self.0);
        match inner.streams(&call.endpoint) {
            true => Box::pin(inner.stream(call, outlet)),
            false => Box::pin(outlet.send_reply(inner.call(call))),
        }
    }

    /// In the order of the documents.
    fn stop(&self) -> BoxFuture<'static, ()> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(head) = &inner.uses_before {
                head.stage.stop().await;
            }
            join_all(inner.shards.iter().map(|shard| shard.stage.stop())).await;
            if let Some(head) = &inner.uses_after {
                head.stage.stop().await;
            }
        })
    }
}

impl Inner {
    fn members(&self) -> impl Iterator<Item = &Member> {
        let shards = self.uses_before.iter().chain(&self.shards);
        shards.chain(&self.uses_after)
    }

    async fn call(self: Arc<Self>, mut call: Call) -> Result<Reply, Failure> {
        let mut is_begun = self.uses_before_at(&call.endpoint).is_some();
        let mut results = self.prepared(&mut call).await?;
        let asked = self.asked(&call.endpoint);
        if asked.len() > 1 {
            // What comes back is put together by ids.
            call.docs = call.docs.with_ids();
            if let [part] = call.parts.as_mut_slice() {
                part.docs = call.docs.clone();
            }
        }
        if !asked.is_empty() {
            is_begun |= asked.len() > 1;
            let replies = ask_all(asked, &call).await;
            let replies = replies.map_err(|failure| of_several(failure, is_begun))?;
            is_begun = true;
            let mut parts = Vec::with_capacity(replies.len());
            for (shard, reply) in asked.iter().zip(replies) {
                results.extend(reply.results);
                parts.push(shard.part(&reply.docs));
            }
            call.parts = parts;
            call.docs = self.joined(&call)?;
        }
        let docs = match self.uses_after_at(&call.endpoint) {
            None => call.docs,
            Some(after) => {
                let reply = after.ask(call).await;
                let reply = reply.map_err(|failure| of_several(failure, is_begun))?;
                results.extend(reply.results);
                reply.docs
            }
        };
        Ok(Reply { docs, results })
    }

    /// Whether the documents of the one shard go on as it sends them.
    fn streams(&self, endpoint: &str) -> bool {
        let is_one = self.shards.len() == 1 || self.polling.of(endpoint) == Poll::Any;
        // All shards are the same.
        let streams = |shard: &Member| shard.binds(endpoint) && shard.stage.streams(endpoint);
        is_one && self.shards.first().is_some_and(streams) && self.uses_after_at(endpoint).is_none()
    }

    async fn stream(self: Arc<Self>, mut call: Call, outlet: Outlet) -> Result<Reply, Failure> {
        let is_begun = self.uses_before_at(&call.endpoint).is_some();
        let mut results = self.prepared(&mut call).await?;
        let reply = match self.asked(&call.endpoint) {
            [shard] => {
                let reply = shard.stream(call, outlet).await;
                reply.map_err(|failure| of_several(failure, is_begun))?
            }
            // It has lost what was bound to the endpoint.
            _ => outlet.send_reply(ready(Ok(Reply::new(call.docs)))).await?,
        };
        results.extend(reply.results);
        Ok(Reply { results, ..reply })
    }

    /// Takes a call through what is before the shards, and gives the results.
    async fn prepared(&self, call: &mut Call) -> Result<Vec<Results>, Failure> {
        let Some(before) = self.uses_before_at(&call.endpoint) else {
            return Ok(Vec::new());
        };
        let reply = before.ask(call.clone()).await?;
        call.parts = vec![before.part(&reply.docs)];
        call.docs = reply.docs;
        Ok(reply.results)
    }

    /// What is before the shards, if it has something to do at this endpoint.
    fn uses_before_at(&self, endpoint: &str) -> Option<&Member> {
        let before = self.uses_before.as_ref();
        before.filter(|before| before.binds(endpoint))
    }

    /// The same of what is after them.
    fn uses_after_at(&self, endpoint: &str) -> Option<&Member> {
        let after = self.uses_after.as_ref();
        after.filter(|after| after.binds(endpoint))
    }

    /// The shards that a request to this endpoint goes to.
    fn asked(&self, endpoint: &str) -> &[Member] {
        // All shards bind the same.
        let are_bound = self
            .shards
            .first()
            .is_some_and(|shard| shard.binds(endpoint));
        if !are_bound {
            return &[];
        }
        match self.polling.of(endpoint) {
            Poll::All => &self.shards,
            Poll::Any => {
                let turn = self.turns.next(endpoint, &self.shards);
                self.shards.get(turn..=turn).unwrap_or_default()
            }
        }
    }

    /// The documents of the shards that were asked, together: as `uses_after` gets
    /// them, or as they go on.
    fn joined(&self, call: &Call) -> Result<DocumentArray, Failure> {
        let parts = || call.parts.iter().map(|part| &part.docs);
        let docs = match (call.parts.as_slice(), self.uses_after_at(&call.endpoint)) {
            ([part], _) => return Ok(part.docs.clone()),
            (_, Some(_)) => DocumentArray::concat(parts()),
            (_, None) => DocumentArray::reduce(parts()),
        };
        // Each part was held to the limits when it came.
        match Limits::default().check(&docs) {
            Ok(()) => Ok(docs),
            Err(error) => Err(Failure::of_flow(
                FailureKind::Request,
                "TooManyDocuments",
                format!(
                    "the documents that the shards of executor `{}` gave are too many together: \
                     {error}",
                    self.name
                ),
            )),
        }
    }
}

/// The replies of all of these, in their order, or the first failure.
async fn ask_all(members: &[Member], call: &Call) -> Result<Vec<Reply>, Failure> {
    if let [member] = members {
        return Ok(vec![member.ask(call.clone()).await?]);
    }
    let calls = members.iter().enumerate().map(|(place, member)| {
        let asked = member.ask(call.clone());
        asked.map(move |outcome| outcome.map(|reply| (place, reply)))
    });
    // As soon as one fails, the calls of the others are dropped.
    let calls: FuturesUnordered<_> = calls.collect();
    let mut replies: Vec<(usize, Reply)> = calls.try_collect().await?;
    replies.sort_unstable_by_key(|(place, _)| *place);
    Ok(replies.into_iter().map(|(_, reply)| reply).collect())
}

impl Member {
    fn binds(&self, endpoint: &str) -> bool {
        self.stage.binds(endpoint)
    }

    /// Calls it. What comes back says who it was.
    fn ask(&self, call: Call) -> impl Future<Output = Result<Reply, Failure>> + Send + use<> {
        self.named(self.stage.call(call))
    }

    /// The same, with documents that it sends as they come.
    fn stream(
        &self,
        call: Call,
        outlet: Outlet,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send + use<> {
        self.named(self.stage.stream(call, outlet))
    }

    fn named(
        &self,
        calling: BoxFuture<'static, Result<Reply, Failure>>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send + use<> {
        let group = self.group;
        async move {
            match calling.await {
                Ok(mut reply) => {
                    for results in &mut reply.results {
                        results.origin.group = group;
                    }
                    Ok(reply)
                }
                Err(failure) => Err(at(group, failure)),
            }
        }
    }

    /// Its documents, as the next one sees them.
    fn part(&self, docs: &DocumentArray) -> Part {
        Part {
            executor: Arc::clone(&self.name),
            docs: docs.clone(),
        }
    }
}

/// A failure with who it was. What failed knows the executor that it is part of.
fn at(group: Group, failure: Failure) -> Failure {
    let place = match group {
        Group::Whole => return failure,
        Group::Shard { id, .. } => format!("shard {id}"),
        Group::UsesBefore => "uses_before".to_owned(),
        Group::UsesAfter => "uses_after".to_owned(),
    };
    Failure {
        description: format!("{place}: {}", failure.description),
        ..failure
    }
}

/// The failure of one of several stages. If others have been called, it is not true that
/// nobody has got the call.
fn of_several(failure: Failure, is_begun: bool) -> Failure {
    match failure.kind {
        FailureKind::Unreachable if is_begun => Failure {
            kind: FailureKind::Unavailable,
            ..failure
        },
        _ => failure,
    }
}

/// Whose turn it is, for each endpoint. A client makes up endpoints as it likes, so those
/// that are not bound by name share one.
#[derive(Default)]
struct Turns {
    /// Those that are bound, once that is known. Of a remote executor it may not be yet.
    known: OnceLock<HashMap<String, AtomicUsize>>,
    others: AtomicUsize,
}

impl Turns {
    /// The next of these, by its place.
    fn next(&self, endpoint: &str, shards: &[Member]) -> usize {
        let known = self.known(shards).and_then(|known| known.get(endpoint));
        let turn = known.unwrap_or(&self.others);
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(shards.len()).unwrap_or_default()
    }

    fn known(&self, shards: &[Member]) -> Option<&HashMap<String, AtomicUsize>> {
        if let Some(known) = self.known.get() {
            return Some(known);
        }
        // All shards are the same.
        let endpoints = shards.first()?.stage.info().endpoints;
        if endpoints.is_empty() {
            return None;
        }
        let endpoints = endpoints.into_iter();
        let turns = endpoints.map(|(endpoint, _)| (endpoint, AtomicUsize::new(0)));
        Some(self.known.get_or_init(|| turns.collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroUsize;
    use std::sync::Mutex;
    use std::time::Duration;

    use futures::StreamExt as _;
    use serde_json::{Map, Value, json};
    use tokio::time::{sleep, timeout};
    use wasm_flow_contract::config::Batching;
    use wasm_flow_contract::reply::Origin;
    use wasm_flow_document::Document;

    use super::*;
    use crate::stages::{Batched, Retried};
    use crate::testing::{Elsewhere, Functions, failure, reply, results, suffixed};

    type Shards = Vec<Arc<dyn Stage>>;

    fn shards(count: u32, shard: impl Fn(u32) -> Functions) -> Shards {
        let shards = (0..count).map(|id| Arc::new(shard(id)) as Arc<dyn Stage>);
        shards.collect()
    }

    fn only(shards: Shards, polling: Polling) -> Sharded {
        Sharded::new("index", None, shards, None, polling)
    }

    fn around(before: Functions, shards: Shards, after: Functions) -> Sharded {
        Sharded::new(
            "index",
            Some(Arc::new(before)),
            shards,
            Some(Arc::new(after)),
            Polling::default(),
        )
    }

    fn call(endpoint: &str, docs: DocumentArray) -> Call {
        Call {
            request_id: Arc::from("id"),
            endpoint: Arc::from(endpoint),
            parameters: Arc::new(Map::new()),
            parts: vec![Part {
                executor: Arc::from("gateway"),
                docs: docs.clone(),
            }],
            docs,
            trace: None,
        }
    }

    fn with_ids(ids: &[&'static str]) -> DocumentArray {
        let docs = ids.iter().map(|id| Document {
            id: (*id).into(),
            ..Document::from_text(*id)
        });
        docs.collect()
    }

    /// Says which shard it is, at every endpoint.
    fn says(id: u32) -> Functions {
        Functions::default().on("/default", move |call: Call| async move {
            // Sharding says whose it is, and not the stage.
            results(call, json!({ "shard": id }), 7)
        })
    }

    /// Finds a match for each document that tells the shard.
    fn finds(id: u32) -> Functions {
        Functions::default().on("/search", move |call: Call| async move {
            // The first is the slowest.
            sleep(Duration::from_millis(30 / u64::from(id + 1))).await;
            let docs = call.docs.iter().map(|doc| Document {
                matches: DocumentArray::from_texts([format!("{}{id}", doc.text())]),
                ..doc.clone()
            });
            reply(docs.collect())
        })
    }

    /// Keeps how it was called, and returns that.
    fn sees(who: &'static str) -> Functions {
        Functions::default().on("/search", move |call: Call| async move {
            let parts: Vec<Value> = call
                .parts
                .iter()
                .map(|part| json!([*part.executor, part.docs.texts().collect::<Vec<_>>()]))
                .collect();
            let texts: Vec<&str> = call.docs.texts().collect();
            let values = json!({ "docs": texts, "parts": parts });
            let docs = suffixed(&call.docs, who);
            let mut reply = results(call, values, 0)?;
            reply.docs = docs;
            Ok(reply)
        })
    }

    fn keys(reply: &Reply) -> Vec<String> {
        let results = reply.results.iter();
        results.map(|results| results.origin.to_string()).collect()
    }

    async fn texts(stage: &Sharded, call: Call) -> Vec<String> {
        let reply = stage.call(call).await.unwrap();
        reply.docs.texts().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn each_endpoint_goes_to_one_shard_in_turn() {
        let known = |id| {
            says(id)
                .on("/index", move |call: Call| async move {
                    results(call, json!({ "shard": id }), 0)
                })
                .on("/status", move |call: Call| async move {
                    results(call, json!({ "shard": id }), 0)
                })
        };
        let stage = only(shards(3, known), Polling::default());
        let mut asked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for endpoint in ["/index", "/status", "/x", "/y"].repeat(4) {
            let reply = stage.call(call(endpoint, with_ids(&["a"]))).await.unwrap();
            let [results] = reply.results.as_slice() else {
                panic!("one shard")
            };
            let id = results.origin.group.shard_id();
            assert_eq!(
                Value::Object(results.values.clone()),
                json!({ "shard": id })
            );
            asked.entry(endpoint).or_default().extend(keys(&reply));
        }
        let in_turn = [
            "shard-0/rep-0",
            "shard-1/rep-0",
            "shard-2/rep-0",
            "shard-0/rep-0",
        ];
        assert_eq!(asked["/index"], in_turn);
        assert_eq!(asked["/status"], in_turn, "turns of its own");
        // A client makes them up, so they share theirs.
        let made_up: Vec<&String> = asked["/x"].iter().chain(&asked["/y"]).collect();
        assert!(
            made_up.contains(&&"shard-1/rep-7".to_owned()),
            "{made_up:?}"
        );
    }

    /// A client that alternates between two endpoints would meet one shard at each.
    #[tokio::test]
    async fn endpoints_that_become_known_later_have_turns_of_their_own() {
        let says = |id| {
            ["/index", "/status"]
                .into_iter()
                .fold(Functions::default(), |functions, endpoint| {
                    functions.on(endpoint, move |call| async move {
                        results(call, json!({ "shard": id }), 0)
                    })
                })
        };
        let stages = [0, 1].map(|id| Arc::new(Elsewhere::new(says(id))));
        let shards = stages
            .iter()
            .map(|stage| Arc::clone(stage) as Arc<dyn Stage>);
        let stage = only(shards.collect(), Polling::default());
        stages.iter().for_each(|stage| stage.reach());
        let mut asked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for endpoint in ["/index", "/status"].repeat(2) {
            let reply = stage.call(call(endpoint, with_ids(&["a"]))).await.unwrap();
            asked.entry(endpoint).or_default().extend(keys(&reply));
        }
        for asked in asked.values() {
            assert_eq!(*asked, ["shard-0/rep-0", "shard-1/rep-0"]);
        }
    }

    #[tokio::test]
    async fn all_shards_are_asked_and_their_matches_come_together_in_order() {
        let stage = only(shards(3, finds), Polling::default());
        // One comes without an id.
        let mut docs: Vec<Document> = with_ids(&["a", "b"]).iter().cloned().collect();
        docs.push(Document::from_text("c"));
        let reply = stage
            .call(call("/search", docs.into_iter().collect()))
            .await
            .unwrap();
        assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["a", "b", "c"]);
        let matches: Vec<Vec<&str>> = reply
            .docs
            .iter()
            .map(|doc| doc.matches.texts().collect())
            .collect();
        assert_eq!(
            matches,
            [["a0", "a1", "a2"], ["b0", "b1", "b2"], ["c0", "c1", "c2"]]
        );
        assert!(reply.results.is_empty());
    }

    #[tokio::test]
    async fn documents_that_no_shard_changes_are_shared() {
        let docs = with_ids(&["a", "b"]);
        let stage = only(shards(2, says), Poll::All.into());
        let reply = stage.call(call("/x", docs.clone())).await.unwrap();
        let same = |(one, two): (&Document, &Document)| std::ptr::eq(one, two);
        assert!(docs.iter().zip(reply.docs.iter()).all(same));
        assert_eq!(keys(&reply), ["shard-0/rep-7", "shard-1/rep-7"]);
    }

    #[tokio::test]
    async fn an_endpoint_of_the_table_is_asked_as_it_says() {
        let polling = Polling {
            named: [
                ("/x".to_owned(), Poll::All),
                ("/search".to_owned(), Poll::Any),
            ]
            .into(),
            rest: None,
        };
        let stage = only(shards(2, says), polling);
        for (endpoint, asked) in [("/x", 2), ("/search", 1), ("/index", 1)] {
            let reply = stage.call(call(endpoint, with_ids(&["a"]))).await.unwrap();
            assert_eq!(reply.results.len(), asked, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn what_is_after_the_shards_gets_the_documents_of_each() {
        let stage = around(sees("<"), shards(2, |_| sees("s")), sees(">"));
        let reply = stage.call(call("/search", with_ids(&["a"]))).await.unwrap();
        assert_eq!(
            keys(&reply),
            [
                "uses_before-0",
                "shard-0/rep-0",
                "shard-1/rep-0",
                "uses_after-0"
            ]
        );
        let seen: Vec<Value> = reply
            .results
            .iter()
            .map(|results| Value::Object(results.values.clone()))
            .collect();
        let shard = json!({ "docs": ["a<"], "parts": [["index/uses_before", ["a<"]]] });
        assert_eq!(
            seen,
            [
                json!({ "docs": ["a"], "parts": [["gateway", ["a"]]] }),
                shard.clone(),
                shard,
                json!({
                    "docs": ["a<s", "a<s"],
                    "parts": [["index/shard-0", ["a<s"]], ["index/shard-1", ["a<s"]]],
                }),
            ]
        );
        let docs: Vec<&str> = reply.docs.texts().collect();
        assert_eq!(docs, ["a<s>", "a<s>"], "it put nothing together");
    }

    #[tokio::test]
    async fn what_binds_nothing_is_passed_by_and_no_document_is_lost() {
        let elsewhere = || {
            Functions::default().on("/elsewhere", |call: Call| async move {
                reply(suffixed(&call.docs, "!"))
            })
        };
        // Put together all the same.
        let stage = around(elsewhere(), shards(2, finds), elsewhere());
        let reply = stage.call(call("/search", with_ids(&["a"]))).await.unwrap();
        let matches: Vec<&str> = reply
            .docs
            .iter()
            .flat_map(|doc| doc.matches.texts())
            .collect();
        assert_eq!((reply.docs.len(), matches), (1, vec!["a0", "a1"]));
        // Bound by what is around the shards alone.
        assert_eq!(
            texts(&stage, call("/elsewhere", with_ids(&["a"]))).await,
            ["a!!"]
        );
        assert!(stage.binds("/elsewhere") && stage.binds("/search") && !stage.binds("/x"));
        assert_eq!(texts(&stage, call("/x", with_ids(&["a"]))).await, ["a"]);
    }

    #[tokio::test]
    async fn one_shard_has_no_number_and_may_have_something_around_it() {
        let stage = around(sees("<"), shards(1, |_| sees("s")), sees(">"));
        let reply = stage.call(call("/search", with_ids(&["a"]))).await.unwrap();
        assert_eq!(keys(&reply), ["uses_before-0", "rep-0", "uses_after-0"]);
        let after = &reply.results[2].values;
        assert_eq!(after["parts"], json!([["index", ["a<s"]]]));
        assert_eq!(reply.docs.texts().collect::<Vec<_>>(), ["a<s>"]);
    }

    #[tokio::test]
    async fn without_shards_documents_pass() {
        let stage = only(Vec::new(), Poll::All.into());
        assert!(!stage.binds("/search"));
        assert_eq!(
            texts(&stage, call("/search", with_ids(&["a"]))).await,
            ["a"]
        );
    }

    /// Tells when it is dropped.
    struct Dropped(Arc<Mutex<u32>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[tokio::test]
    async fn a_shard_that_fails_is_named_and_the_others_are_given_up() {
        let dropped = Arc::new(Mutex::new(0));
        let shard = |id| {
            let dropped = Arc::clone(&dropped);
            Functions::default().on("/search", move |_| {
                let guard = Dropped(Arc::clone(&dropped));
                async move {
                    if id != 1 {
                        sleep(Duration::from_secs(3600)).await;
                    }
                    drop(guard);
                    Err(failure("ValueError"))
                }
            })
        };
        // So many that futures' own joins would wait for those before it.
        let stage = only(shards(40, shard), Polling::default());
        let asked = stage.call(call("/search", with_ids(&["a"])));
        let failure = timeout(Duration::from_secs(60), asked).await.unwrap();
        let failure = failure.unwrap_err();
        assert_eq!(failure.description, "shard 1: ValueError('why')");
        assert_eq!(
            (failure.name.as_str(), failure.args),
            ("ValueError", vec!["why".to_owned()])
        );
        assert_eq!(*dropped.lock().unwrap(), 40);
    }

    #[tokio::test]
    async fn a_failure_around_the_shards_is_named() {
        let fails = || Functions::default().on("/search", |_| async { Err(failure("E")) });
        for (stage, expected) in [
            (
                around(fails(), shards(2, finds), sees(">")),
                "uses_before: E('why')",
            ),
            (
                around(sees("<"), shards(2, finds), fails()),
                "uses_after: E('why')",
            ),
            (only(shards(1, |_| fails()), Polling::default()), "E('why')"),
        ] {
            let failure = stage
                .call(call("/search", with_ids(&["a"])))
                .await
                .unwrap_err();
            assert_eq!(failure.description, expected);
        }
    }

    #[tokio::test]
    async fn documents_of_shards_that_come_together_are_bounded() {
        let many = |_| {
            Functions::default().on("/default", |_| async {
                let chunks: DocumentArray = (0..1000).map(|_| Document::default()).collect();
                let docs = (0..600).map(|_| Document {
                    id: wasm_flow_document::random_id(),
                    chunks: chunks.clone(),
                    ..Document::default()
                });
                reply(docs.collect())
            })
        };
        for stage in [
            only(shards(2, many), Poll::All.into()),
            around(sees("<"), shards(2, many), sees(">")),
        ] {
            let failure = stage
                .call(call("/search", with_ids(&["a"])))
                .await
                .unwrap_err();
            assert_eq!(failure.name, "TooManyDocuments");
            let expected = "the shards of executor `index` gave are too many together: they are \
                            1201200";
            assert!(failure.description.contains(expected), "{failure}");
        }
    }

    /// A shard whose requests wait for one more, at `/x`.
    fn batches(counts: &Arc<Mutex<Vec<usize>>>) -> Arc<dyn Stage> {
        let counts = Arc::clone(counts);
        let inner = Functions::default().on("/x", move |call: Call| {
            counts.lock().unwrap().push(call.docs.len());
            async move { reply(suffixed(&call.docs, "!")) }
        });
        let batching = Batching {
            preferred_batch_size: NonZeroUsize::new(2).unwrap(),
            timeout: Duration::from_secs(3600),
            flush_all: false,
        };
        Arc::new(Batched::new(
            Arc::new(inner),
            [("/x".to_owned(), batching)].into(),
        ))
    }

    #[tokio::test]
    async fn each_shard_has_batches_of_its_own() {
        let counts = Arc::default();
        let stage = only(vec![batches(&counts), batches(&counts)], Polling::default());
        let calls = ["a", "b", "c", "d"].map(|id| texts(&stage, call("/x", with_ids(&[id]))));
        let answers = futures::future::join_all(calls).await;
        assert_eq!(answers, [["a!"], ["b!"], ["c!"], ["d!"]]);
        assert_eq!(*counts.lock().unwrap(), [2, 2]);
    }

    /// Loses its first call.
    #[derive(Default)]
    struct LosesOne(Arc<AtomicUsize>);

    impl Stage for LosesOne {
        fn info(&self) -> StageInfo {
            StageInfo::default()
        }

        fn binds(&self, _: &str) -> bool {
            true
        }

        fn is_repeatable(&self, _: &str) -> bool {
            true
        }

        fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            let outcome = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Failure {
                    kind: FailureKind::Lost,
                    ..failure("InstanceLost")
                }),
                _ => reply(call.docs),
            };
            Box::pin(std::future::ready(outcome))
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn what_is_tried_again_is_the_one_shard() {
        let counts: Vec<Arc<AtomicUsize>> = vec![Arc::default(), Arc::new(AtomicUsize::new(1))];
        let shards = counts.iter().map(|count| {
            let stage = Arc::new(LosesOne(Arc::clone(count)));
            Arc::new(Retried::new(stage, 1)) as Arc<dyn Stage>
        });
        let stage = only(shards.collect(), Polling::default());
        assert!(stage.is_repeatable("/search"));
        assert_eq!(
            texts(&stage, call("/search", with_ids(&["a"]))).await,
            ["a"]
        );
        let counts: Vec<usize> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [2, 2], "the second shard's began at 1");
    }

    /// Sends two documents for each that it gets, at `/search` and `/words`.
    struct Sends(u32);

    impl Stage for Sends {
        fn info(&self) -> StageInfo {
            StageInfo {
                endpoints: vec![("/words".to_owned(), "words".to_owned())],
                ..StageInfo::default()
            }
        }

        fn binds(&self, endpoint: &str) -> bool {
            self.streams(endpoint)
        }

        fn streams(&self, endpoint: &str) -> bool {
            matches!(endpoint, "/search" | "/words")
        }

        fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            let id = self.0;
            let docs = call.docs.iter().map(|doc| Document {
                matches: DocumentArray::from_texts([format!("of {id}")]),
                ..doc.clone()
            });
            let docs = docs.collect();
            Box::pin(async { reply(docs) })
        }

        fn stream(&self, call: Call, outlet: Outlet) -> BoxFuture<'static, Result<Reply, Failure>> {
            let id = self.0;
            Box::pin(async move {
                for number in 0..2 {
                    let sent = suffixed(&call.docs, &format!(" {number} of {id}"));
                    outlet.send(sent).await.unwrap();
                }
                if call.docs.texts().any(|text| text == "fails") {
                    return Err(failure("E"));
                }
                let mut reply = results(call, json!({}), 0)?;
                reply.docs = DocumentArray::new();
                Ok(reply)
            })
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    /// What comes out one by one, and how the call ended.
    async fn streamed(stage: &Sharded, call: Call) -> (Vec<String>, Result<Reply, Failure>) {
        let (outlet, outflow) = Outlet::new();
        let taken = outflow.collect::<Vec<DocumentArray>>();
        let (taken, outcome) = futures::future::join(taken, stage.stream(call, outlet)).await;
        let texts = taken.iter().map(|docs| docs.texts().collect::<Vec<_>>());
        (texts.map(|texts| texts.join(",")).collect(), outcome)
    }

    #[tokio::test]
    async fn what_one_shard_sends_goes_on_as_it_comes() {
        let sends = |count| -> Shards {
            let shards = (0..count).map(|id| Arc::new(Sends(id)) as Arc<dyn Stage>);
            shards.collect()
        };
        let stage = only(sends(2), Polling::default());
        let docs = || with_ids(&["a"]);
        for expected in [["a 0 of 0", "a 1 of 0"], ["a 0 of 1", "a 1 of 1"]] {
            // It is nobody's turn only because somebody asks.
            assert!(stage.streams("/words"));
            let (sent, outcome) = streamed(&stage, call("/words", docs())).await;
            assert_eq!(sent, expected);
            let who = keys(&outcome.unwrap());
            assert!(who[0].starts_with("shard-") && who.len() == 1, "{who:?}");
        }
        let (sent, outcome) = streamed(&stage, call("/words", with_ids(&["fails"]))).await;
        assert_eq!(sent.len(), 2, "what was sent stays sent");
        assert_eq!(outcome.unwrap_err().description, "shard 0: E('why')");

        // All shards are asked, so their documents come together first.
        assert!(!stage.streams("/search") && !stage.streams("/x"));
        let (sent, outcome) = streamed(&stage, call("/search", docs())).await;
        assert_eq!(sent, ["a"]);
        assert!(outcome.unwrap().docs.is_empty());
        // Of one shard, all is as good as any.
        assert!(only(sends(1), Polling::default()).streams("/search"));

        let around = |before: Functions, after: Functions| {
            let (before, after) = (Some(Arc::new(before) as _), Some(Arc::new(after) as _));
            Sharded::new("index", before, sends(2), after, Polling::default())
        };
        let at_words = |suffix: &'static str| {
            Functions::default().on("/words", move |call: Call| async move {
                let docs = suffixed(&call.docs, suffix);
                let mut reply = results(call, json!({}), 0)?;
                reply.docs = docs;
                Ok(reply)
            })
        };
        let stage = around(at_words("<"), sees(">"));
        assert!(stage.streams("/words"));
        let (sent, outcome) = streamed(&stage, call("/words", docs())).await;
        assert_eq!(sent, ["a< 0 of 0", "a< 1 of 0"]);
        assert_eq!(keys(&outcome.unwrap()), ["uses_before-0", "shard-0/rep-0"]);
        let stage = around(sees("<"), at_words(">"));
        assert!(
            !stage.streams("/words"),
            "the one after them gets all at once"
        );
        assert_eq!(streamed(&stage, call("/words", docs())).await.0, ["a>"]);
    }

    /// Runs elsewhere, and cannot be reached.
    struct Away;

    impl Stage for Away {
        fn info(&self) -> StageInfo {
            StageInfo {
                remote: true,
                ..StageInfo::default()
            }
        }

        fn binds(&self, _: &str) -> bool {
            true
        }

        fn call(&self, _: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
            let failure = Failure {
                kind: FailureKind::Unreachable,
                ..failure("Away")
            };
            Box::pin(std::future::ready(Err(failure)))
        }

        fn stop(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn nobody_has_a_call_only_if_it_reached_nobody() {
        let at = |before: Option<Functions>, shard: Arc<dyn Stage>, after: bool| {
            let before = before.map(|before| Arc::new(before) as Arc<dyn Stage>);
            let after = after.then(|| Arc::new(Away) as Arc<dyn Stage>);
            Sharded::new("index", before, vec![shard], after, Polling::default())
        };
        let elsewhere =
            || Functions::default().on("/elsewhere", |call: Call| async { reply(call.docs) });
        let local = |functions: Functions| Arc::new(functions) as Arc<dyn Stage>;
        for (stage, remote, expected) in [
            (
                at(None, Arc::new(Away), false),
                true,
                FailureKind::Unreachable,
            ),
            (
                at(Some(elsewhere()), Arc::new(Away), false),
                true,
                FailureKind::Unreachable,
            ),
            (
                at(Some(sees("<")), Arc::new(Away), false),
                true,
                FailureKind::Unavailable,
            ),
            (
                at(None, local(sees("s")), true),
                false,
                FailureKind::Unavailable,
            ),
            (
                at(None, local(elsewhere()), true),
                false,
                FailureKind::Unreachable,
            ),
        ] {
            assert_eq!(stage.info().remote, remote);
            let failure = stage
                .call(call("/search", with_ids(&["a"])))
                .await
                .unwrap_err();
            assert_eq!(failure.kind, expected, "{failure}");
        }
        let two = only(vec![Arc::new(Away), local(sees("s"))], Polling::default());
        let failure = two
            .call(call("/search", with_ids(&["a"])))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable);
    }

    #[tokio::test]
    async fn results_of_what_runs_elsewhere_are_kept_apart() {
        let remote = |call: Call| async move {
            let mut reply = results(call, json!({}), 0)?;
            for results in &mut reply.results {
                results.origin = Origin::remote("rep-3");
            }
            Ok(reply)
        };
        let remote = || Functions::default().on("/search", remote);
        let stage = around(remote(), shards(1, |_| remote()), remote());
        let reply = stage.call(call("/search", with_ids(&["a"]))).await.unwrap();
        assert_eq!(
            keys(&reply),
            ["uses_before/rep-3", "rep-3", "uses_after/rep-3"]
        );
    }

    #[test]
    fn what_it_says_of_itself() {
        let stage = around(sees("<"), shards(3, says), says(0));
        let info = stage.info();
        let of = |info: Option<Box<StageInfo>>| info.unwrap().endpoints;
        assert_eq!((info.shards, info.replicas), (3, 1));
        assert_eq!(of(info.uses_before.clone()), sees("<").info().endpoints);
        assert_eq!(of(info.uses_after.clone()), says(0).info().endpoints);
        let endpoints: Vec<String> = info.into_endpoints().collect();
        assert_eq!(endpoints, ["/default", "/search", "/default"]);
        assert!(!stage.is_repeatable("/search"), "functions are not");
        let flow = crate::Flow::single("index", Arc::new(stage));
        assert_eq!(flow.endpoints(), ["/default", "/search", "_jina_dry_run_"]);
    }

    #[tokio::test]
    async fn a_stop_reaches_all_of_them() {
        struct Stops(Arc<Mutex<Vec<&'static str>>>, &'static str);

        impl Stage for Stops {
            fn info(&self) -> StageInfo {
                StageInfo::default()
            }

            fn binds(&self, _: &str) -> bool {
                true
            }

            fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
                Box::pin(std::future::ready(reply(call.docs)))
            }

            fn stop(&self) -> BoxFuture<'static, ()> {
                self.0.lock().unwrap().push(self.1);
                Box::pin(std::future::ready(()))
            }
        }

        let stopped = Arc::default();
        let stops = |name| Arc::new(Stops(Arc::clone(&stopped), name)) as Arc<dyn Stage>;
        let shards = vec![stops("one"), stops("two")];
        let (before, after) = (Some(stops("before")), Some(stops("after")));
        let stage = Sharded::new("index", before, shards, after, Polling::default());
        stage.stop().await;
        assert_eq!(*stopped.lock().unwrap(), ["before", "one", "two", "after"]);
    }
}
