//! Finds near duplicates among the chunks of a request by their embeddings.

use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// The cosine similarity from which two texts count as near duplicates.
    threshold: f32,
}

#[config]
struct DedupeParameters {
    /// Another threshold for this request.
    threshold: Option<f32>,
}

struct Dedupe {
    threshold: f32,
}

/// What is compared, and what a match shows of it.
struct Sentence {
    document: String,
    id: String,
    text: String,
    embedding: Vec<f32>,
}

/// Finds near duplicates.
#[executor]
impl Dedupe {
    fn new(config: Config) -> Result<Self> {
        Ok(Dedupe {
            threshold: checked(config.threshold)?,
        })
    }

    /// Adds every chunk's near duplicates as its matches, the nearest first, each
    /// with the score `cosine` and with the document that it is from as its parent.
    /// Documents themselves get a tag `near_duplicates`: how many of their chunks
    /// have near duplicates.
    #[requests]
    async fn dedupe(
        &self,
        docs: &mut DocumentArray,
        parameters: Parameters<DedupeParameters>,
    ) -> Result<()> {
        let threshold = parameters.threshold.map_or(Ok(self.threshold), checked)?;
        let sentences = sentences(docs)?;
        let mut position = 0;
        for doc in docs.iter_mut() {
            let mut with_duplicates = 0;
            for chunk in doc.chunks_mut().iter_mut() {
                let matches = near_duplicates(&sentences, position, threshold);
                with_duplicates += usize::from(!matches.is_empty());
                chunk.set_matches(matches);
                position += 1;
            }
            doc.set_tag("near_duplicates", with_duplicates);
        }
        Ok(())
    }
}

fn checked(threshold: f32) -> Result<f32> {
    ensure!(
        (0.0..=1.0).contains(&threshold),
        "`threshold` is {threshold}, but it has to be between 0 and 1"
    );
    Ok(threshold)
}

/// The chunks of all documents, in order.
fn sentences(docs: &DocumentArray) -> Result<Vec<Sentence>> {
    let mut sentences = Vec::new();
    for doc in docs.iter() {
        for chunk in doc.chunks().iter() {
            let embedding = chunk
                .embedding()
                .context("a chunk has no embedding: put `embed` before `dedupe`")?;
            sentences.push(Sentence {
                document: doc.id().to_owned(),
                id: chunk.id().to_owned(),
                text: chunk.text().to_owned(),
                embedding: embedding.to_vec::<f32>()?,
            });
        }
    }
    Ok(sentences)
}

/// The other sentences whose similarity to the one at `position` is at least
/// `threshold`.
fn near_duplicates(sentences: &[Sentence], position: usize, threshold: f32) -> DocumentArray {
    let mut found: Vec<(f32, &Sentence)> = sentences
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != position)
        .map(|(_, other)| {
            (
                cosine(&sentences[position].embedding, &other.embedding),
                other,
            )
        })
        .filter(|(score, _)| *score >= threshold)
        .collect();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found
        .into_iter()
        .map(|(score, sentence)| {
            let mut found = Document::new(sentence.text.as_str()).with_id(sentence.id.as_str());
            found.set_parent_id(sentence.document.as_str());
            found.set_score("cosine", NamedScore::new(score));
            found
        })
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let lengths =
        a.iter().map(|x| x * x).sum::<f32>().sqrt() * b.iter().map(|x| x * x).sum::<f32>().sqrt();
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::{Post, TestExecutor, block_on};

    use super::*;

    fn sentence(text: &str, embedding: [f32; 2]) -> Document {
        Document::new(text).with_embedding(embedding)
    }

    fn two_documents() -> Vec<Document> {
        let first =
            DocumentArray::from_iter([sentence("a", [1.0, 0.0]), sentence("b", [0.0, 1.0])]);
        let second = DocumentArray::from_iter([sentence("nearly a", [2.0, 0.2])]);
        vec![
            Document::default().with_id("first").with_chunks(first),
            Document::default().with_id("second").with_chunks(second),
        ]
    }

    #[test]
    fn near_duplicates_become_matches_with_scores() -> Result<()> {
        let executor = TestExecutor::<Dedupe>::start(json!({ "threshold": 0.9 }))?;
        let docs = executor.post("/index", two_documents())?.docs;
        let a = &docs[0].chunks()[0];
        assert_eq!(a.matches().texts().collect::<Vec<_>>(), ["nearly a"]);
        assert_eq!(a.matches()[0].parent_id(), "second");
        assert!((a.matches()[0].scores()["cosine"].value - 0.995).abs() < 0.001);
        assert!(docs[0].chunks()[1].matches().is_empty());
        assert_eq!(docs[1].chunks()[0].matches()[0].text(), "a");
        assert_eq!(docs[0].tag("near_duplicates"), Some(&json!(1)));
        Ok(())
    }

    #[test]
    fn a_request_may_bring_its_own_threshold() -> Result<()> {
        let executor = TestExecutor::<Dedupe>::start(json!({ "threshold": 0.9 }))?;
        let post = Post::new("/index")
            .docs(two_documents())
            .parameters(json!({ "threshold": 0.999 }));
        let docs = block_on(executor.send(post))?.docs;
        assert!(docs[0].chunks()[0].matches().is_empty());
        Ok(())
    }

    #[test]
    fn what_cannot_work_is_said() -> Result<()> {
        assert!(TestExecutor::<Dedupe>::start(json!({ "threshold": 7 })).is_err());
        let executor = TestExecutor::<Dedupe>::start(json!({ "threshold": 0.9 }))?;
        let bare = Document::default().with_chunks(DocumentArray::from_texts(["no embedding"]));
        let error = executor
            .post("/index", [bare])
            .err()
            .context("no embedding was accepted")?;
        assert!(
            error.to_string().contains("put `embed` before `dedupe`"),
            "{error}"
        );
        Ok(())
    }
}
