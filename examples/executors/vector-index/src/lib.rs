//! A vector index that keeps its documents in a file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, sleep};
use wasm_flow_sdk::{Matrix, log, task};

#[config]
struct Config {
    /// After how many seconds changes are written to the file, at the latest.
    #[serde(default = "thirty")]
    flush_seconds: f64,
}

fn thirty() -> f64 {
    30.0
}

#[config]
struct SearchParameters {
    /// How many matches each document gets.
    #[serde(default = "ten")]
    top_k: usize,
    /// Tags that a match must have, each with this value.
    #[serde(default)]
    filter: BTreeMap<String, Json>,
}

fn ten() -> usize {
    10
}

struct VectorIndex(Rc<State>);

/// What handlers and the task that writes the file share.
struct State {
    /// By their ids.
    entries: RefCell<BTreeMap<String, Entry>>,
    changed: Cell<bool>,
    file: PathBuf,
}

/// A document with its embedding, scaled to length 1.
struct Entry {
    doc: Document,
    direction: Vec<f32>,
}

/// Finds the documents that are nearest to others, by the cosine of their
/// embeddings.
///
/// Each replica keeps its documents in a file of its own, in its workspace.
#[executor(wants(dirs = ["/workspace"]), state = "replica")]
impl VectorIndex {
    fn new(config: Config, setup: &Setup) -> Result<Self> {
        let every = config.flush_seconds;
        ensure!(
            (0.01..=3600.0).contains(&every),
            "`flush_seconds` is {every}: use 0.01 to 3600"
        );
        let workspace = setup.workspace().context(
            "the index needs a folder for its file: set `workspace` in its table of flow.toml",
        )?;
        let state = Rc::new(State::open(PathBuf::from(workspace).join("index.bin"))?);
        task::spawn(state.clone().save_every(Duration::from_secs_f64(every)));
        Ok(VectorIndex(state))
    }

    /// Adds documents. One whose id is known replaces the one that is there.
    #[requests(on = "/index", write)]
    fn index(&self, docs: &DocumentArray) -> Result<Json> {
        // Of all documents before the first is added.
        let new = entries(docs.clone())?;
        let mut entries = self.0.entries.borrow_mut();
        if let (Some(known), Some(new)) = (entries.values().next(), new.values().next()) {
            let (known, new) = (known.direction.len(), new.direction.len());
            ensure!(
                known == new,
                "the index has embeddings of {known} numbers, and these have {new}"
            );
        }
        entries.extend(new);
        self.0.changed.set(true);
        Ok(json!({ "documents": entries.len() }))
    }

    /// Sets each document's matches to the nearest documents of the index, with the
    /// score `cosine`.
    #[requests(on = "/search")]
    fn search(
        &self,
        docs: &mut DocumentArray,
        parameters: Parameters<SearchParameters>,
    ) -> Result<()> {
        let queries = docs.embeddings_to::<f32>()?;
        check_finite(docs, &queries)?;
        let entries = self.0.entries.borrow();
        let known = entries.values().next().map(|entry| entry.direction.len());
        if let Some(known) = known.filter(|known| *known != queries.columns() && !docs.is_empty()) {
            let given = queries.columns();
            bail!("the index has embeddings of {known} numbers, and these have {given}");
        }
        let candidates: Vec<&Entry> = entries
            .values()
            .filter(|entry| passes(&entry.doc, &parameters.filter))
            .collect();
        for (doc, query) in docs.iter_mut().zip(queries.iter()) {
            let query = direction(query);
            let mut found: Vec<(f32, &Entry)> = candidates
                .iter()
                .map(|entry| (dot(&query, &entry.direction), *entry))
                .collect();
            found.sort_by(|one, two| two.0.total_cmp(&one.0));
            found.truncate(parameters.top_k);
            let matches: DocumentArray = found
                .into_iter()
                .map(|(cosine, entry)| entry.doc.clone().with_score("cosine", cosine))
                .collect();
            doc.set_matches(matches);
        }
        Ok(())
    }

    /// Takes the documents with these ids out of the index.
    #[requests(on = "/delete", write)]
    fn delete(&self, docs: &DocumentArray) -> Json {
        let mut entries = self.0.entries.borrow_mut();
        let before = entries.len();
        for id in docs.ids() {
            entries.remove(id);
        }
        self.0.changed.set(true);
        json!({ "deleted": before - entries.len(), "documents": entries.len() })
    }

    /// How many documents there are, and whether all of them are in the file.
    #[requests(on = "/status")]
    fn status(&self) -> Json {
        json!({
            "documents": self.0.entries.borrow().len(),
            "saved": !self.0.changed.get(),
        })
    }

    #[stop]
    fn close(&self) -> Result<()> {
        self.0.save()
    }
}

impl State {
    fn open(file: PathBuf) -> Result<Self> {
        let docs = match fs::read(&file) {
            Ok(bytes) => DocumentArray::from_bytes(&bytes)
                .with_context(|| format!("`{}` is not an index", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => DocumentArray::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", file.display()));
            }
        };
        let entries = entries(docs)?;
        log::info!(documents = entries.len(), "opened");
        Ok(State {
            entries: RefCell::new(entries),
            changed: Cell::new(false),
            file,
        })
    }

    /// Writes the file if anything has changed. A crash in between leaves the old
    /// one.
    fn save(&self) -> Result<()> {
        if !self.changed.get() {
            return Ok(());
        }
        let entries = self.entries.borrow();
        let docs: DocumentArray = entries.values().map(|entry| entry.doc.clone()).collect();
        let new = self.file.with_extension("new");
        fs::write(&new, docs.to_bytes()?)
            .and_then(|()| fs::rename(&new, &self.file))
            .with_context(|| format!("cannot write `{}`", self.file.display()))?;
        self.changed.set(false);
        Ok(())
    }

    async fn save_every(self: Rc<Self>, time: Duration) {
        loop {
            sleep(time).await;
            if let Err(error) = self.save() {
                log::error!("{error}");
            }
        }
    }
}

/// Documents that no longer belong to a request, each with its direction.
fn entries(docs: DocumentArray) -> Result<BTreeMap<String, Entry>> {
    let embeddings = docs.embeddings_to::<f32>()?;
    check_finite(&docs, &embeddings)?;
    Ok(docs
        .into_owned()
        .into_iter()
        .zip(embeddings.iter())
        .map(|(doc, embedding)| {
            let direction = direction(embedding);
            (doc.id().to_owned(), Entry { doc, direction })
        })
        .collect())
}

/// With a NaN or an infinity, a cosine means nothing, and neither does the order of the
/// matches.
fn check_finite(docs: &DocumentArray, embeddings: &Matrix) -> Result<()> {
    for (doc, embedding) in docs.iter().zip(embeddings.iter()) {
        // The length also overflows if numbers are too large to be squared.
        if !dot(embedding, embedding).is_finite() {
            let id = doc.id();
            let message = format_args!(
                "document {id:?}: its embedding has a number that is not finite, or is too large"
            );
            return Err(Error::named("EmbeddingError", message).at_document(id));
        }
    }
    Ok(())
}

fn passes(doc: &Document, filter: &BTreeMap<String, Json>) -> bool {
    filter
        .iter()
        .all(|(tag, value)| doc.tag(tag) == Some(value))
}

fn dot(one: &[f32], two: &[f32]) -> f32 {
    one.iter().zip(two).map(|(one, two)| one * two).sum()
}

fn direction(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|number| number * scale).collect()
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::testing::{Post, TestExecutor, block_on};

    use super::*;

    /// A folder that goes with its guard.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Result<Self> {
            let name = format!("vector-index-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path)?;
            Ok(Folder(path))
        }

        fn start(&self, uses_with: Json) -> Result<TestExecutor<VectorIndex>> {
            TestExecutor::builder().workspace(&self.0).start(uses_with)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn doc(id: &str, embedding: impl Into<NdArray>) -> Document {
        Document::new(id).with_id(id).with_embedding(embedding)
    }

    fn abc() -> [Document; 3] {
        [
            doc("a", [1f32, 0.0]).with_tag("lang", "en"),
            doc("b", [0f32, 2.0]).with_tag("lang", "de"),
            // numpy's default.
            doc("c", [1f64, 1.0]).with_tag("lang", "en"),
        ]
    }

    fn found(reply: &DocumentArray) -> Vec<&str> {
        reply[0].matches().ids().collect()
    }

    #[test]
    fn the_nearest_are_found_and_others_filtered_out() -> Result<()> {
        let folder = Folder::new("search")?;
        let index = folder.start(json!({}))?;
        index.post("/index", abc())?;
        let search = |parameters| {
            index.request(
                Post::new("/search")
                    .docs([doc("q", [3f32, 0.5])])
                    .parameters(parameters),
            )
        };
        let all = search(json!({}))?.docs;
        assert_eq!(found(&all), ["a", "c", "b"]);
        let cosine = all[0].matches()[0].scores()["cosine"].value;
        assert!((cosine - 0.9864).abs() < 1e-3, "{cosine}");
        assert_eq!(found(&search(json!({ "top_k": 1 }))?.docs), ["a"]);
        assert_eq!(
            found(&search(json!({ "filter": { "lang": "de" } }))?.docs),
            ["b"]
        );
        let error = search(json!({ "top_k": -1 })).unwrap_err();
        assert!(error.message().contains("`top_k`"), "{error}");
        Ok(())
    }

    #[test]
    fn what_is_indexed_is_there_after_a_restart() -> Result<()> {
        let folder = Folder::new("restart")?;
        let index = folder.start(json!({}))?;
        index.post("/index", abc())?;
        index.post("/index", [doc("a", [0f32, 1.0])])?;
        let deleted = index.post("/delete", [Document::default().with_id("b")])?;
        assert_eq!(
            deleted.results,
            Some(json!({ "deleted": 1, "documents": 2 }))
        );
        index.stop()?;

        let index = folder.start(json!({}))?;
        let reply = index.post("/search", [doc("q", [0f32, 1.0])])?;
        assert_eq!(found(&reply.docs), ["a", "c"]);
        assert_eq!(reply.docs[0].matches()[1].tag("lang"), Some(&json!("en")));
        Ok(())
    }

    #[test]
    fn changes_are_written_in_the_background() -> Result<()> {
        let folder = Folder::new("background")?;
        let index = folder.start(json!({ "flush_seconds": 0.01 }))?;
        index.post("/index", abc())?;
        block_on(sleep(Duration::from_millis(500)));
        let status = index.post("/status", DocumentArray::new())?;
        assert_eq!(
            status.results,
            Some(json!({ "documents": 3, "saved": true }))
        );
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_said() -> Result<()> {
        let folder = Folder::new("wrong")?;
        let index = folder.start(json!({}))?;
        let error = index.post("/index", ["no embedding"]).unwrap_err();
        assert!(error.message().contains("it has no embedding"), "{error}");
        index.post("/index", abc())?;
        for endpoint in ["/index", "/search"] {
            let error = index.post(endpoint, [doc("d", [1f32])]).unwrap_err();
            assert!(
                error.message().contains("2 numbers, and these have 1"),
                "{error}"
            );
        }
        index.stop()?;
        fs::write(folder.0.join("index.bin"), "no documents")?;
        let error = folder.start(json!({})).err().context("it started")?;
        assert!(error.message().contains("is not an index"), "{error}");
        let error = TestExecutor::<VectorIndex>::start(json!({}))
            .err()
            .context("it started")?;
        assert!(error.message().contains("set `workspace`"), "{error}");
        Ok(())
    }

    #[test]
    fn embeddings_that_are_not_finite_are_refused() -> Result<()> {
        let folder = Folder::new("finite")?;
        let index = folder.start(json!({}))?;
        for endpoint in ["/index", "/search"] {
            for number in [f32::NAN, f32::INFINITY, f32::MAX] {
                let docs = [doc("good", vec![1.0, 0.0]), doc("bad", vec![0.0, number])];
                let error = index.post(endpoint, docs).unwrap_err();
                assert_eq!(error.name(), "EmbeddingError");
                assert!(error.message().starts_with("document \"bad\""), "{error}");
            }
        }
        assert_eq!(
            index.post("/status", DocumentArray::new())?.results,
            Some(json!({ "documents": 0, "saved": true }))
        );
        Ok(())
    }
}
