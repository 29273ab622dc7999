//! Deterministic methods for the differential test. `tests/python/twins.py` has the
//! same ones in Python, for the real Jina: what is changed here is changed there.

use std::collections::HashSet;

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};

#[config]
struct Settings {
    /// What `mark` counts by.
    #[serde(default)]
    step: u32,
    /// Which part of the documents `pick` takes.
    #[serde(default)]
    part: usize,
}

/// Does what its twin in Python does.
struct Twin {
    settings: Settings,
    name: String,
    shard: usize,
}

/// Does what its twin in Python does.
#[executor(state = "none")]
impl Twin {
    fn new(settings: Settings, setup: Setup) -> Self {
        Twin {
            settings,
            name: setup.executor().to_owned(),
            shard: setup.shard_id() as usize,
        }
    }

    /// Every text in capitals.
    #[requests(on = ["/upper", "/shout"])]
    async fn upper(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            if !doc.text().is_empty() {
                let text = doc.text().to_uppercase();
                doc.set_text(text);
            }
        }
    }

    /// Panics over a number that ten divides, after a moment in which others come. Has no twin.
    #[requests(on = [])]
    async fn tenth(&self, docs: &mut DocumentArray) -> Result<()> {
        sleep(Duration::from_millis(1)).await;
        for doc in docs.iter_mut() {
            let number: u32 = doc.text().parse()?;
            assert!(!number.is_multiple_of(10), "{number} is a multiple of ten");
            doc.set_text(format!("{number} is not"));
        }
        Ok(())
    }

    /// Gives for each text a number that takes so many `rounds` to compute. Has no twin.
    #[requests(on = [])]
    async fn digest(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
        let rounds: u32 = parameters.require("rounds")?;
        for doc in docs.iter_mut() {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for _ in 0..rounds {
                for byte in doc.text().bytes() {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
            doc.set_text(format!("{hash:016x}"));
        }
        Ok(())
    }

    /// Computes without end. Has no twin.
    #[requests(on = [])]
    async fn endless(&self) {
        loop {
            std::hint::black_box(0);
        }
    }

    /// Tags each document with its number, from `first` on, and with the names of those
    /// that marked it.
    #[requests(on = "/mark")]
    async fn mark(&self, docs: &mut DocumentArray, parameters: &Parameters) -> Result<()> {
        let first = parameters.get::<u32>("first")?.unwrap_or(0);
        for (index, doc) in docs.iter_mut().enumerate() {
            let number = first + self.settings.step * u32::try_from(index)?;
            let by = doc.tag_as::<String>("by")?.unwrap_or_default() + &self.name;
            doc.set_tag(self.name.clone(), number);
            doc.set_tag("by", by);
        }
        Ok(())
    }

    /// What it saw.
    #[requests(on = "/tell")]
    async fn tell(
        &self,
        docs: &DocumentArray,
        parameters: &Parameters,
        docs_matrix: &DocsMatrix,
    ) -> Json {
        let seen = |docs: &DocumentArray| -> Vec<String> {
            docs.iter()
                .map(|doc| format!("{}={}", doc.id(), doc.text()))
                .collect()
        };
        let map: Map = docs_matrix
            .iter()
            .map(|part| (part.executor().to_owned(), seen(part.docs()).into()))
            .collect();
        json!({
            "docs": seen(docs),
            "parameters": **parameters,
            "matrix": docs_matrix.iter().map(|part| seen(part.docs())).collect::<Vec<_>>(),
            "map": map,
        })
    }

    /// Embeds each document by its text, its chunks and its matches.
    #[requests(on = [])]
    async fn embed(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let counts = [
                doc.text().chars().count(),
                doc.chunks().len(),
                doc.matches().len(),
            ];
            doc.set_embedding(counts.map(|count| count as f32));
        }
    }

    /// Gives each document one more chunk, with the beginning of its text.
    #[requests(on = [])]
    async fn split(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let id = format!("{}/{}{}", doc.id(), self.name, doc.chunks().len());
            let text: String = doc.text().chars().take(3).collect();
            let chunk = Document::new(text).with_id(id).with_tag("of", "a split");
            doc.chunks_mut().push(chunk);
        }
    }

    /// Gives each document one more match, with a score.
    #[requests(on = [])]
    async fn find(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let count = doc.matches().len();
            let found = Document::default()
                .with_id(format!("{}~{count}", doc.id()))
                .with_uri(format!("found:{}", self.name))
                .with_score("near", NamedScore::new(count as f32 + 1.0));
            doc.matches_mut().push(found);
        }
    }

    /// Turns each document's matches around, and leaves out the last.
    #[requests(on = [])]
    async fn rank(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.matches_mut().reverse();
            doc.matches_mut().pop();
        }
    }

    /// Leaves out the documents whose `n` is odd.
    #[requests(on = [])]
    async fn even(&self, docs: &mut DocumentArray) -> Result<()> {
        let mut odd = HashSet::new();
        for doc in docs.iter() {
            if doc.tag_as::<u32>("n")?.unwrap_or(0) % 2 == 1 {
                odd.insert(doc.id().to_owned());
            }
        }
        docs.retain(|doc| !odd.contains(doc.id()));
        Ok(())
    }

    /// Appends a document.
    #[requests(on = [])]
    async fn grow(&self, docs: &mut DocumentArray) {
        let doc = Document::new(format!("grown by {}", self.name))
            .with_id(format!("grown-{}", self.settings.step))
            .with_weight(0.5)
            .with_tag("n", docs.len());
        docs.push(doc);
    }

    /// Returns documents of its own.
    #[requests(on = [])]
    async fn fresh(&self, docs: &DocumentArray) -> DocumentArray {
        let ids: Vec<&str> = docs.ids().collect();
        let doc = |n: usize| {
            Document::new(ids.join("+"))
                .with_id(format!("fresh-{n}"))
                .with_tag("n", n)
        };
        DocumentArray::from_iter([doc(0), doc(1)])
    }

    /// The last document first.
    #[requests(on = [])]
    async fn turn(&self, docs: &mut DocumentArray) {
        docs.reverse();
    }

    /// A text becomes a blob, a blob a tensor, a tensor a text.
    #[requests(on = [])]
    async fn content(&self, docs: &mut DocumentArray) -> Result<()> {
        for doc in docs.iter_mut() {
            if !doc.text().is_empty() {
                let blob = doc.text().as_bytes().to_vec();
                doc.set_blob(blob);
            } else if !doc.blob().is_empty() {
                let values = doc.blob().to_vec();
                let shape = [1, u32::try_from(values.len())?];
                doc.set_tensor(NdArray::from_shape(&shape, values)?);
            } else if let Some(tensor) = doc.tensor() {
                let shape: Vec<String> = tensor.shape().iter().map(u32::to_string).collect();
                let text = format!("{} {}", tensor.dtype(), shape.join("x"));
                doc.set_text(text);
            }
        }
        Ok(())
    }

    /// Sets the fields that are no content.
    #[requests(on = [])]
    async fn fields(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let weight = doc.weight() * 2.0 + 0.25;
            doc.set_weight(weight);
            doc.set_uri(format!("twin:{}", self.name));
            doc.set_mime_type("text/plain");
            doc.set_modality(self.name.clone());
            doc.set_offset(1.5);
            doc.set_location(vec![1.0, 2.5]);
        }
    }

    /// Scores each document.
    #[requests(on = [])]
    async fn score(&self, docs: &mut DocumentArray) {
        for (index, doc) in docs.iter_mut().enumerate() {
            let score = NamedScore {
                value: 0.5 * index as f32 + 0.5,
                op_name: self.name.clone(),
                description: "by place".into(),
                ref_id: doc.id().to_owned(),
            };
            doc.set_score(self.name.clone(), score);
            doc.set_evaluation("all", NamedScore::new(2.0));
        }
    }

    /// Takes away what others may have set.
    #[requests(on = [])]
    async fn wipe(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.clear_content();
            doc.clear_embedding();
            doc.set_tags(Map::new());
            doc.set_uri("");
            doc.set_weight(0.0);
            doc.scores_mut().clear();
            doc.chunks_mut().clear();
        }
    }

    /// Fails if a document is tagged `bad`.
    #[requests(on = [])]
    async fn fail(&self, docs: &mut DocumentArray) -> Result<()> {
        for doc in docs.iter_mut() {
            if doc.tag("bad").is_some() {
                let message = format!("{} does not like {}", self.name, doc.id());
                return Err(Error::named("ValueError", message));
            }
            doc.set_text("before the failure");
        }
        Ok(())
    }

    /// The documents of one part.
    #[requests(on = [])]
    async fn pick(&self, docs_matrix: &DocsMatrix) -> DocumentArray {
        match docs_matrix.len() {
            0 => DocumentArray::new(),
            parts => docs_matrix[self.settings.part % parts].docs().clone(),
        }
    }

    /// The documents of all parts in turn, each with the number of its part.
    #[requests(on = [])]
    async fn weave(&self, docs_matrix: &DocsMatrix) -> DocumentArray {
        let longest = docs_matrix.iter().map(|part| part.docs().len()).max();
        let mut woven = DocumentArray::new();
        for place in 0..longest.unwrap_or(0) {
            for (number, part) in docs_matrix.iter().enumerate() {
                if let Some(doc) = part.docs().get(place) {
                    woven.push(doc.clone().with_tag("part", number));
                }
            }
        }
        woven
    }

    /// What a shard keeps: most documents, each with a match of its own.
    #[requests(on = [])]
    async fn piece(&self, docs: &mut DocumentArray) {
        let shard = self.shard;
        let mut place = 0;
        docs.retain(|_| {
            place += 1;
            (place - 1) % 4 != shard
        });
        for doc in docs.iter_mut() {
            doc.set_tag("shard", shard);
            let found = Document::default().with_id(format!("{}@{shard}", doc.id()));
            doc.matches_mut().push(found.with_weight(0.5));
            if shard > 0 {
                doc.set_modality(format!("of {shard}"));
            }
        }
    }

    /// Prints that it was called, and fails in a way that may be tried again. It has no
    /// twin.
    #[requests(on = [])]
    async fn busy(&self) -> Result<()> {
        println!("called");
        Err(Error::named("Busy", "come back later").retry())
    }
}
