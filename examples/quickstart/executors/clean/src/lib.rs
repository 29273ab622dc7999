//! Normalises the chunks' texts, so that texts that read alike also compare alike.

use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// The tag in which a chunk keeps its original text. With none, the text is not
    /// kept.
    #[serde(default = "original")]
    keep_as: Option<String>,
}

fn original() -> Option<String> {
    Some("original".to_owned())
}

struct Clean {
    config: Config,
}

/// Normalises texts.
#[executor]
impl Clean {
    fn new(config: Config) -> Self {
        Clean { config }
    }

    /// Converts texts to lower case with letters, digits and single spaces only, and
    /// drops chunks with nothing left.
    #[requests]
    async fn clean(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            for chunk in doc.chunks_mut().iter_mut() {
                let original = chunk.text().to_owned();
                chunk.set_text(normalised(&original));
                if let Some(tag) = &self.config.keep_as {
                    chunk.set_tag(tag, original);
                }
            }
            doc.chunks_mut().retain(|chunk| !chunk.text().is_empty());
        }
    }
}

fn normalised(text: &str) -> String {
    let letters: String = text
        .chars()
        .filter(|c| !matches!(c, '\'' | '’')) // cat's, not cat s
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_lowercase)
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    #[test]
    fn one_form() {
        assert_eq!(
            normalised("  The CAT's\tblue,   collar! "),
            "the cats blue collar"
        );
        assert_eq!(normalised("Ärger – 12 Äpfel"), "ärger 12 äpfel");
        assert_eq!(normalised("?!"), "");
    }

    #[test]
    fn empty_chunks_go_and_originals_stay() -> Result<()> {
        let executor = TestExecutor::<Clean>::start(json!({}))?;
        let doc = Document::new("Yes! ...").with_chunks(DocumentArray::from_texts(["Yes!", "..."]));
        let docs = executor.post("/index", [doc])?.docs;
        let chunks = docs[0].chunks();
        assert_eq!(chunks.texts().collect::<Vec<_>>(), ["yes"]);
        assert_eq!(chunks[0].tag("original"), Some(&json!("Yes!")));
        Ok(())
    }
}
