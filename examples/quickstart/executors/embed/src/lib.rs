//! Embeds texts by feature hashing: every word, and every sequence of three
//! letters, adds to one of the embedding's numbers. It needs no model and no
//! download, and texts that share most of their words and spelling end up close
//! together.

use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// How many numbers an embedding has.
    #[serde(default = "default_dimension")]
    dimension: usize,
}

fn default_dimension() -> usize {
    256
}

#[config]
struct EmbedParameters {
    /// The documents to embed, in docarray's notation: `@r` for the request's own,
    /// `@c` for their chunks.
    #[serde(default = "chunks")]
    traverse: String,
}

fn chunks() -> String {
    "@c".to_owned()
}

struct Embed {
    dimension: usize,
}

/// Embeds texts by feature hashing.
#[executor]
impl Embed {
    fn new(config: Config) -> Result<Self> {
        ensure!(
            config.dimension > 0,
            "`dimension` is 0, but an embedding needs at least one number"
        );
        Ok(Embed {
            dimension: config.dimension,
        })
    }

    /// Sets the embedding, a vector of length 1, of every document that has a text.
    #[requests]
    async fn embed(
        &self,
        docs: &mut DocumentArray,
        parameters: Parameters<EmbedParameters>,
    ) -> Result<()> {
        for doc in docs.traverse_mut(&parameters.traverse)? {
            let embedding = embedding(doc.text(), self.dimension);
            doc.set_embedding(embedding);
        }
        Ok(())
    }
}

fn embedding(text: &str, dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimension];
    for word in text.split_whitespace() {
        add(&mut sum, word, 1.0);
        let letters: Vec<char> = format!(" {word} ").chars().collect();
        for three in letters.windows(3) {
            add(&mut sum, &String::from_iter(three), 0.5);
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|x| *x /= length);
    }
    sum
}

/// Adds one feature. Its hash decides the place and the sign, so that features that
/// fall on the same number cancel out rather than add up.
fn add(sum: &mut [f32], feature: &str, weight: f32) {
    let hash = fnv1a(feature);
    // In a component, a `usize` has 32 bits. The remainder fits into it, so that the
    // result is the same as on other targets. The hash itself would not fit.
    let at = (hash >> 1) % sum.len() as u64;
    sum[at as usize] += if hash & 1 == 0 { weight } else { -weight };
}

/// FNV-1a: the same everywhere, unlike the standard library's hashes.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        embedding(a, 256)
            .iter()
            .zip(embedding(b, 256))
            .map(|(a, b)| a * b)
            .sum()
    }

    #[test]
    fn alike_is_close_and_different_is_not() {
        assert!((cosine("the cat sat on the mat", "the cat sat on the mat") - 1.0).abs() < 1e-5);
        assert!(cosine("the cat sat on the mat", "the cat sat on a mat") > 0.8);
        assert!(cosine("the cat sat on the mat", "piano lessons for beginners").abs() < 0.3);
    }

    #[test]
    fn chunks_are_embedded_unless_told_otherwise() -> Result<()> {
        let executor = TestExecutor::<Embed>::start(json!({ "dimension": 16 }))?;
        let doc = Document::new("whole").with_chunks(DocumentArray::from_texts(["a part", ""]));
        let docs = executor.post("/index", [doc.clone()])?.docs;
        assert!(docs[0].embedding().is_none());
        let part = docs[0].chunks()[0]
            .embedding_as::<f32>()
            .context("a chunk without embedding")?;
        assert_eq!(part.len(), 16);
        assert!((part.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(
            docs[0].chunks()[1].embedding_as::<f32>(),
            Some(&[0.0; 16][..])
        );
        Ok(())
    }

    #[test]
    fn a_dimension_of_nothing_is_refused() {
        assert!(TestExecutor::<Embed>::start(json!({ "dimension": 0 })).is_err());
    }
}
