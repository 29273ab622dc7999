//! A well-behaved executor for the tests: it touches nothing, rewrites everything,
//! or reports what it saw.

use std::cell::Cell;
use std::rc::Rc;

use wasm_flow_sdk::future::{Stream, stream};
use wasm_flow_sdk::prelude::*;
use wasm_flow_sdk::time::{Duration, Instant, sleep};
use wasm_flow_sdk::{log, task};

/// Takes any `uses_with`, which `report` shows.
struct Probe {
    setup: Setup,
    config: Map,
    calls: Cell<u32>,
    in_flight: Cell<u32>,
    most_in_flight: Cell<u32>,
    ticks: Rc<Cell<u32>>,
}

/// Reports what it saw.
#[executor(wants(env = ["PROBE"], dirs = ["/workspace"]), state = "replica")]
impl Probe {
    fn new(config: Map, setup: Setup) -> Self {
        let ticks = Rc::new(Cell::new(0));
        task::spawn(tick(ticks.clone()));
        Probe {
            ticks,
            setup,
            config,
            calls: Cell::new(0),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
        }
    }

    /// Works as a model does: 2 ms for each call, and 0.05 ms for each document. Tags
    /// each document with how many came together.
    #[requests(on = "/model", batch)]
    fn model(&mut self, docs: &mut DocumentArray) {
        let count = docs.len();
        let busy = Duration::from_micros(2000 + 50 * count as u64);
        let start = Instant::now();
        for doc in docs.iter_mut() {
            doc.set_tag("together", count);
        }
        while start.elapsed() < busy {}
    }

    /// How often its background task ran.
    #[requests(on = "/ticks")]
    fn ticks(&self) -> Json {
        json!({ "ticks": self.ticks.get() })
    }

    /// Sends as many documents as the first text says, `<text> 0` and so on, and then fails
    /// if that ends with `!`. Of a thousand or more, each has 10,000 bytes.
    #[requests(on = "/stream")]
    fn stream(&self, docs: &DocumentArray) -> impl Stream<Item = Result<Document>> {
        let text = docs.texts().next().unwrap_or_default().to_owned();
        let count: u32 = text.trim_end_matches('!').parse().unwrap_or_default();
        let failure = text.ends_with('!').then(|| Err(Error::msg("enough")));
        let documents = (0..count).map(move |number| {
            if count >= 1000 {
                println!("sends {number}");
            }
            let width = if count >= 1000 { 10_000 } else { 0 };
            Ok(Document::new(format!("{text} {number:<width$}")))
        });
        stream::iter(documents.chain(failure))
    }

    /// Replaces each content by its length.
    #[requests(on = "/lengths", write, batch)]
    fn lengths(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            let tensor = doc.tensor().map_or(0, |tensor| tensor.as_bytes().len());
            doc.set_text((doc.text().len() + doc.blob().len() + tensor).to_string());
        }
    }

    /// Waits for as many seconds as asked, whatever else the instance has to do.
    #[requests(on = "/block")]
    fn block(&self, parameters: &Parameters) -> Result<()> {
        std::thread::sleep(Duration::from_secs_f64(parameters.require("seconds")?));
        Ok(())
    }

    #[requests(on = "/nothing")]
    async fn nothing(&self) {}

    /// Takes the documents and touches none.
    #[requests(on = "/borrow")]
    async fn borrow(&self, _docs: &mut DocumentArray) {}

    /// Reads every field of every document at every depth, and reports what it
    /// read.
    #[requests(on = "/read")]
    async fn read(&self, docs: &DocumentArray) -> Json {
        json!({ "docs": docs.iter().map(seen).collect::<Vec<_>>() })
    }

    /// Writes every field of every document at every depth.
    #[requests(on = "/rewrite")]
    async fn rewrite(&self, docs: &mut DocumentArray) -> Result<()> {
        for doc in docs.iter_mut() {
            rewrite(doc, 0)?;
        }
        Ok(())
    }

    /// Does what the executor of the golden response does.
    #[requests(on = "/golden")]
    async fn golden(
        &self,
        docs: &mut DocumentArray,
        parameters: &Parameters,
        docs_matrix: &DocsMatrix,
    ) -> Json {
        for doc in docs.iter_mut() {
            doc.set_tag("seen", "m");
            doc.set_tag("m", 1);
        }
        let map: Map = docs_matrix
            .iter()
            .map(|part| (part.executor().into(), part.docs().len().into()))
            .collect();
        let matrix: Vec<usize> = docs_matrix.iter().map(|part| part.docs().len()).collect();
        let mut parameters = Map::clone(parameters);
        parameters.remove("__results__");
        json!({ "n": docs.len(), "params": parameters, "matrix": matrix, "map": map, "mark": "m" })
    }

    /// Returns all that an executor can know, at any endpoint that nothing else is
    /// bound to.
    #[requests]
    async fn report(
        &self,
        docs: &DocumentArray,
        parameters: &Parameters,
        docs_matrix: &DocsMatrix,
        context: &Context,
    ) -> Json {
        self.calls.set(self.calls.get() + 1);
        json!({
            "calls": self.calls.get(),
            "config": self.config,
            "uses_with": self.setup.uses_with(),
            "metas": self.setup.metas(),
            "requests": self.setup.requests(),
            "runtime_args": self.setup.runtime_args(),
            "parameters": **parameters,
            "endpoint": context.endpoint(),
            "executor": context.executor(),
            "name": context.setup().name(),
            "request_id": context.request_id(),
            "seconds_left": context.time_left().map(|left| left.as_secs_f64()),
            "docs": docs.len(),
            "texts": docs.texts().collect::<Vec<_>>(),
            "matrix": docs_matrix
                .iter()
                .map(|part| json!([part.executor(), part.docs().texts().collect::<Vec<_>>()]))
                .collect::<Vec<_>>(),
        })
    }

    /// Changes its own copy of the parameters, which no other executor sees.
    #[requests(on = "/parameters")]
    async fn parameters(&self, mut parameters: Parameters<Map>) -> Json {
        let seen = parameters.0.clone();
        parameters.0.insert("changed".into(), json!(true));
        json!({ "parameters": seen })
    }

    /// Appends its name in the flow to every text.
    #[requests(on = "/trace")]
    async fn trace(&self, docs: &mut DocumentArray) {
        for doc in docs.iter_mut() {
            doc.set_text(format!("{}>{}", doc.text(), self.setup.name()));
        }
    }

    /// Prints that it waits, waits for `seconds`, and then returns the largest number
    /// of calls that were waiting at once.
    #[requests(on = "/gauge")]
    async fn gauge(&self, parameters: &Parameters) -> Result<Json> {
        let seconds: f64 = parameters.get("seconds")?.unwrap_or(0.05);
        self.in_flight.set(self.in_flight.get() + 1);
        self.most_in_flight
            .set(self.most_in_flight.get().max(self.in_flight.get()));
        println!("waiting");
        sleep(Duration::from_secs_f64(seconds)).await;
        self.in_flight.set(self.in_flight.get() - 1);
        Ok(json!({ "most": self.most_in_flight.get() }))
    }

    /// Waits as long as each document's text says, so that later requests overtake.
    #[requests(on = "/wait")]
    async fn wait(&self, docs: &DocumentArray) -> Result<()> {
        for doc in docs.iter() {
            sleep(Duration::from_millis(doc.text().parse()?)).await;
        }
        Ok(())
    }

    /// Prints one line on stdout and one on stderr.
    #[requests(on = "/print")]
    async fn print(&self) {
        println!("to stdout");
        eprintln!("to stderr");
    }

    /// Logs at two levels, one of which is usually not kept.
    #[requests(on = "/log")]
    async fn log(&self, docs: &DocumentArray) {
        log::debug!("looked at");
        log::warn!(documents = docs.len(), kind = "odd", "look at {}", "this");
    }

    /// Fails, and says what to do about it.
    #[requests(on = "/busy")]
    async fn busy(&self, docs: &DocumentArray) -> Result<()> {
        let error = Error::named("Busy", "come back later").retry_after(Duration::from_secs(2));
        Err(docs
            .iter()
            .fold(error, |error, doc| error.at_document(doc.id())))
    }

    /// Returns new documents, with nested ones, in place of the request's.
    #[requests(on = "/make")]
    async fn make(&self) -> DocumentArray {
        let chunk =
            Document::new("chunk").with_matches(DocumentArray::from_texts(["match of a chunk"]));
        DocumentArray::from_iter([
            Document::new("made")
                .with_id("one")
                .with_chunks(DocumentArray::from_iter([chunk])),
            Document::default()
                .with_id("two")
                .with_blob(vec![0, 255, 0]),
            Document::default()
                .with_id("three")
                .with_embedding([1.5f32, -2.0]),
        ])
    }

    /// Reverses the documents, drops the last and duplicates the first.
    #[requests(on = "/rearrange")]
    async fn rearrange(&self, docs: &mut DocumentArray) {
        docs.reverse();
        docs.pop();
        if let Some(first) = docs.first().cloned() {
            docs.push(first);
        }
    }

    /// Bound only by `uses_requests`.
    #[requests(on = [])]
    async fn spare(&self) -> Json {
        json!({ "spare": true })
    }
}

/// Every field of a document, including nested documents.
fn seen(doc: &Document) -> Json {
    json!({
        "id": doc.id(),
        "parent_id": doc.parent_id(),
        "granularity": doc.granularity(),
        "adjacency": doc.adjacency(),
        "text": doc.text(),
        "blob": doc.blob(),
        "tensor": doc.tensor().map(array_seen),
        "uri": doc.uri(),
        "mime_type": doc.mime_type(),
        "modality": doc.modality(),
        "weight": doc.weight(),
        "offset": doc.offset(),
        "location": doc.location(),
        "embedding": doc.embedding().map(array_seen),
        "tags": doc.tags(),
        "scores": scores_seen(doc.scores()),
        "evaluations": scores_seen(doc.evaluations()),
        "chunks": doc.chunks().iter().map(seen).collect::<Vec<_>>(),
        "matches": doc.matches().iter().map(seen).collect::<Vec<_>>(),
    })
}

fn array_seen(array: &NdArray) -> Json {
    json!({
        "dtype": array.dtype(),
        "shape": array.shape(),
        "values": array.to_vec::<f64>().unwrap_or_default(),
    })
}

fn scores_seen(scores: &std::collections::BTreeMap<String, NamedScore>) -> Json {
    scores
        .iter()
        .map(|(name, score)| {
            let seen = json!({
                "value": score.value,
                "op_name": score.op_name,
                "description": score.description,
                "ref_id": score.ref_id,
            });
            (name.clone(), seen)
        })
        .collect::<Map>()
        .into()
}

/// Sets new values in every field; `depth` makes them differ by level. The content
/// changes its kind: a text becomes a blob, a blob a tensor, a tensor a text.
fn rewrite(doc: &mut Document, depth: u32) -> Result<()> {
    let id = format!("{}-rewritten", doc.id());
    if !doc.text().is_empty() {
        let reversed: Vec<u8> = doc.text().bytes().rev().collect();
        doc.set_blob(reversed);
    } else if !doc.blob().is_empty() {
        let values: Vec<i16> = doc.blob().iter().map(|byte| i16::from(*byte) - 1).collect();
        let shape = [1, u32::try_from(values.len())?];
        doc.set_tensor(NdArray::from_shape(&shape, values)?);
    } else if let Some(tensor) = doc.tensor() {
        doc.set_text(format!(
            "{:?} {}",
            tensor.shape(),
            tensor.to_vec::<f64>()?.iter().sum::<f64>()
        ));
    }
    doc.set_uri(format!("data:{depth}"));
    doc.set_mime_type("application/x-rewritten");
    doc.set_modality("rewritten");
    doc.set_weight(0.25 + depth as f32);
    doc.set_offset(7.5 + depth as f32);
    doc.set_location(vec![9.0, depth as f32, -1.0]);
    doc.set_embedding(vec![0.5f64, f64::from(depth)]);
    *doc.tags_mut() = json!({ "new": { "deep": [1, 2.5, false, null, "ü"] }, "depth": depth })
        .as_object()
        .cloned()
        .unwrap_or_default();
    doc.scores_mut().clear();
    doc.set_score(
        "rewritten",
        NamedScore {
            value: 0.75,
            op_name: "op".into(),
            description: "why".into(),
            ref_id: id.clone(),
        },
    );
    doc.evaluations_mut().clear();
    doc.evaluations_mut()
        .insert("judged".into(), NamedScore::new(2.0));
    doc.set_id(id);
    for chunk in doc.chunks_mut().iter_mut() {
        rewrite(chunk, depth + 1)?;
    }
    doc.chunks_mut()
        .push(Document::new(format!("new chunk at {depth}")));
    for found in doc.matches_mut().iter_mut() {
        rewrite(found, depth + 1)?;
    }
    // Set last, so that nothing above overwrites them.
    doc.set_granularity(10 + depth);
    doc.set_adjacency(20 + depth);
    doc.set_parent_id(format!("parent-{depth}"));
    Ok(())
}

/// Counts for ever.
async fn tick(ticks: Rc<Cell<u32>>) {
    loop {
        sleep(Duration::from_millis(10)).await;
        ticks.set(ticks.get().saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting_leaves_no_field_as_it_was() -> Result<()> {
        let mut doc = Document::new("abc")
            .with_id("a")
            .with_tag("old", 1)
            .with_chunks(DocumentArray::from_texts(["nested"]));
        let before = seen(&doc);
        rewrite(&mut doc, 0)?;
        let after = seen(&doc);
        assert_eq!(doc.blob(), b"cba");
        for (field, value) in after.as_object().cloned().unwrap_or_default() {
            if !["tensor", "matches"].contains(&field.as_str()) {
                assert_ne!(Some(&value), before.get(&field), "{field}");
            }
        }
        Ok(())
    }
}
