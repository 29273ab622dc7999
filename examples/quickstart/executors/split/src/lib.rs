//! Splits each document's text into sentences, kept as its chunks.

use wasm_flow_sdk::prelude::*;

/// A full stop after one of these does not end a sentence.
const ABBREVIATIONS: [&str; 8] = ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "No", "vs"];

#[derive(Default)]
struct Split;

/// Splits texts into sentences.
#[executor]
impl Split {
    /// Makes every sentence a chunk of its document, in order.
    #[requests]
    async fn split(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let chunks: DocumentArray = sentences(doc.text())
                .into_iter()
                .map(Document::new)
                .collect();
            doc.set_chunks(chunks);
        }
    }
}

/// The sentences of a text, without the white space between them.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = text.trim_start();
    let mut from = 0; // where to look for the next end in `rest`
    while let Some(mark) = rest[from..].find(['.', '!', '?']).map(|at| from + at) {
        // `?!`, `...` and a closing quote or bracket belong to the sentence.
        let end = rest[mark..]
            .find(|c: char| !".!?\"')”’".contains(c))
            .map_or(rest.len(), |length| mark + length);
        let last_word = rest[..mark]
            .rsplit(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default();
        let (sentence, after) = rest.split_at(end);
        if after.starts_with(char::is_whitespace) && !ABBREVIATIONS.contains(&last_word) {
            sentences.push(sentence);
            rest = after.trim_start();
            from = 0;
        } else {
            from = end; // a full stop inside a number or a name, or the text's end
        }
    }
    if !rest.trim_end().is_empty() {
        sentences.push(rest.trim_end());
    }
    sentences
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::block_on;

    use super::*;

    #[test]
    fn sentences_end_at_their_marks() {
        assert_eq!(
            sentences("One. Two! \"Three?\" Four"),
            ["One.", "Two!", "\"Three?\"", "Four"]
        );
        assert_eq!(
            sentences("Dr. Okafor paid 3.50 at 9 p.m."),
            ["Dr. Okafor paid 3.50 at 9 p.m."]
        );
        assert_eq!(
            sentences("Wait... what?!  Nothing. "),
            ["Wait...", "what?!", "Nothing."]
        );
        assert_eq!(
            sentences("Größe zählt. Naïve? Ja"),
            ["Größe zählt.", "Naïve?", "Ja"]
        );
        assert!(sentences(" \n ").is_empty());
    }

    #[test]
    fn sentences_become_chunks() {
        let mut docs = DocumentArray::from_texts(["One. Two.", ""]);
        block_on(Split.split(&mut docs));
        assert_eq!(
            docs[0].chunks().texts().collect::<Vec<_>>(),
            ["One.", "Two."]
        );
        assert!(docs[1].chunks().is_empty());
        assert_eq!(docs[0].text(), "One. Two.");
    }
}
