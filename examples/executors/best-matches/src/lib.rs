//! What is behind the shards of an index: the best matches of all of them.

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
        // Each shard gives all documents of the request, in their order.
        let mut docs = docs_matrix
            .first()
            .map(|part| part.docs().clone())
            .unwrap_or_default();
        for (place, doc) in docs.iter_mut().enumerate() {
            let same = docs_matrix.iter().filter_map(|part| part.docs().get(place));
            let found = same.flat_map(|doc| doc.matches().iter().cloned());
            doc.set_matches(self.best(found.collect(), parameters.top_k));
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

    /// Each of them has the matches that were found for it.
    #[test]
    fn documents_of_one_id_stay_apart() -> Result<()> {
        let merger = TestExecutor::<BestMatches>::start(json!({}))?;
        let twice: DocumentArray = query(&[("a", 0.9)])
            .into_iter()
            .chain(query(&[("b", 0.5)]))
            .collect();
        let post = Post::new("/search")
            .docs(twice.clone())
            .part("index/shard-0", twice);
        let docs = merger.request(post)?.docs;
        let found = docs
            .iter()
            .map(|doc| doc.matches().ids().collect::<Vec<_>>());
        assert_eq!(found.collect::<Vec<_>>(), [["a"], ["b"]]);
        Ok(())
    }
}
