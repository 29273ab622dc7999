//! What is behind the shards of an index: the best matches of all of them.

use std::collections::HashMap;

use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// The score that says how good a match is. Larger is better.
    #[serde(default = "cosine")]
    score: String,
}

fn cosine() -> String {
    "cosine".to_owned()
}

#[config]
struct MergeParameters {
    /// How many matches each document keeps. The shards get this, too.
    #[serde(default = "ten")]
    top_k: usize,
}

fn ten() -> usize {
    10
}

struct BestMatches {
    config: Config,
}

/// Puts together what several shards found, for `uses_after`.
#[executor(state = "none")]
impl BestMatches {
    fn new(config: Config) -> Self {
        BestMatches { config }
    }

    /// Gives each document the best matches of all shards, the best first. One that
    /// several shards found is there once.
    #[requests(on = "/search")]
    fn merge(
        &self,
        docs_matrix: &DocsMatrix,
        parameters: Parameters<MergeParameters>,
    ) -> DocumentArray {
        let mut found: HashMap<&str, Vec<Document>> = HashMap::new();
        for doc in docs_matrix.iter().flat_map(|part| part.docs().iter()) {
            let matches = doc.matches().iter().cloned();
            found.entry(doc.id()).or_default().extend(matches);
        }
        // Each shard gives all documents of the request, so the first one's are enough.
        let mut docs = docs_matrix
            .first()
            .map(|part| part.docs().clone())
            .unwrap_or_default();
        for doc in docs.iter_mut() {
            let found = found.remove(doc.id()).unwrap_or_default();
            doc.set_matches(self.best(found, parameters.top_k));
        }
        docs
    }

    fn best(&self, mut found: Vec<Document>, count: usize) -> DocumentArray {
        found.sort_by(|one, two| self.score(two).total_cmp(&self.score(one)));
        let mut best: Vec<Document> = Vec::new();
        for doc in found {
            if best.len() == count {
                break;
            }
            if best.iter().all(|known| known.id() != doc.id()) {
                best.push(doc);
            }
        }
        best.into_iter().collect()
    }

    fn score(&self, doc: &Document) -> f32 {
        let score = doc.scores().get(&self.config.score);
        score.map_or(f32::NEG_INFINITY, |score| score.value)
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::{Post, TestExecutor};

    use super::*;

    fn query(matches: &[(&str, f32)]) -> [Document; 1] {
        let matches = matches.iter().map(|(id, score)| {
            let doc = Document::new(*id).with_id(*id);
            doc.with_score("cosine", *score)
        });
        [Document::default()
            .with_id("q")
            .with_matches(matches.collect::<DocumentArray>())]
    }

    #[test]
    fn the_best_of_all_shards_come_first() -> Result<()> {
        let merger = TestExecutor::<BestMatches>::start(json!({}))?;
        let (one, two) = (
            query(&[("a", 0.9), ("b", 0.2)]),
            query(&[("c", 0.5), ("a", 0.9)]),
        );
        let best = |top_k: u32| {
            let both = one.iter().chain(&two).cloned();
            let post = Post::new("/search")
                .docs(both.collect::<DocumentArray>())
                .part("index/shard-0", one.clone())
                .part("index/shard-1", two.clone())
                .parameters(json!({ "top_k": top_k }));
            let docs = merger.request(post)?.docs;
            assert_eq!(docs.len(), 1);
            Ok::<_, Error>(
                docs[0]
                    .matches()
                    .ids()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(best(10)?, ["a", "c", "b"]);
        assert_eq!(best(2)?, ["a", "c"]);
        Ok(())
    }
}
