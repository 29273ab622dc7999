//! Embeds sentences with a real model: WordLlama's 32,000 words of 256 numbers each. An
//! embedding is the mean of its words' rows. The model is a file that comes along with the
//! executor.

mod model;
mod tokens;

use std::fs;
use std::path::PathBuf;

use model::Model;
use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// The file that model.py makes.
    #[serde(default = "of_the_assets")]
    model: PathBuf,
}

/// If the executor comes from a registry, its files are below `/assets`.
fn of_the_assets() -> PathBuf {
    "/assets/model.bin".into()
}

struct SentenceEncode {
    model: Model,
}

/// Gives texts embeddings by what they mean.
#[executor(wants(dirs = ["/assets"]))]
impl SentenceEncode {
    fn new(config: Config) -> Result<Self> {
        let path = config.model.display();
        let bytes = fs::read(&config.model).with_context(|| {
            format!("cannot read `{path}`: `python3 examples/semantic-search/model.py` makes it")
        })?;
        let model = Model::parse(bytes).with_context(|| format!("`{path}` is not a model"))?;
        Ok(SentenceEncode { model })
    }

    /// Sets the embedding, a vector of length 1, of every document that has a text.
    #[requests(on = ["/index", "/search"])]
    async fn encode(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut().filter(|doc| !doc.text().is_empty()) {
            let embedding = self.model.embedding(doc.text());
            doc.set_embedding(embedding);
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    /// A file that goes with its guard.
    struct File(PathBuf);

    impl File {
        fn with(name: &str, bytes: &[u8]) -> Result<File> {
            let name = format!("sentence-encode-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::write(&path, bytes).context("cannot write a file for the test")?;
            Ok(File(path))
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn texts_get_embeddings() -> Result<()> {
        let file = File::with("model", &model::tests::small())?;
        let executor = TestExecutor::<SentenceEncode>::start(json!({ "model": file.0 }))?;
        let docs = executor.post("/search", ["ab ab", "a", ""])?.docs;
        // "ab" has the row [0, 127], and "a" has [127, 0].
        assert_eq!(docs[1].embedding_as::<f32>(), Some(&[1.0, 0.0][..]));
        let both = docs[0].embedding_as::<f32>().context("an embedding")?;
        assert!(both[1] > 0.99, "{both:?}");
        assert!(docs[2].embedding().is_none());
        Ok(())
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() -> Result<()> {
        let start = |path: &PathBuf| {
            let started = TestExecutor::<SentenceEncode>::start(json!({ "model": path }));
            started.err().context("it started")
        };
        let error = start(&PathBuf::from("nowhere/model.bin"))?;
        assert!(error.message().contains("model.py"), "{error}");
        let other = File::with("other", b"something else")?;
        let error = start(&other.0)?;
        assert!(error.message().contains("is not a model"), "{error}");
        Ok(())
    }
}
