//! The host behind the WIT interface.

use super::LIMIT;
pub(crate) use crate::bindings::wasm_flow::executor::documents::{
    Content, Dense, Fields, FloatField, IntegerField, JsonField, Matrix, NamedScore, Ndarray,
    NdarrayData, NdarrayField, NestedField, Packed, Rows, ScoreField, Sparse, StringField,
};
use crate::bindings::wasm_flow::executor::{documents, requests};
use crate::{Error, Result};

fn refused(error: documents::Error) -> Error {
    let (name, message) = match error {
        documents::Error::OutOfRange(message) => ("OutOfRange", message),
        documents::Error::Invalid(message) => ("Invalid", message),
        documents::Error::Limit(message) => (LIMIT, message),
        documents::Error::Other(message) => ("Refused", message),
    };
    Error::named(name, message)
}

pub(crate) fn span(start: u32, count: u32) -> Rows {
    Rows::Span(documents::Span { start, count })
}

pub(crate) fn these(rows: &[u32]) -> Rows {
    Rows::These(rows.to_vec())
}

/// A `document-array`.
pub(crate) struct Array(documents::DocumentArray);

impl Array {
    pub(crate) fn new() -> Self {
        Array(documents::DocumentArray::new())
    }

    pub(crate) fn length(&self) -> u32 {
        self.0.length()
    }

    pub(crate) fn select(&self, rows: &Rows) -> Result<Array> {
        self.0.select(rows).map(Array).map_err(refused)
    }

    pub(crate) fn flatten(&self, path: &[NestedField]) -> Result<Array> {
        self.0.flatten(path).map(Array).map_err(refused)
    }

    pub(crate) fn nested_lengths(&self, field: NestedField, rows: &Rows) -> Result<Vec<u32>> {
        self.0.nested_lengths(field, rows).map_err(refused)
    }

    pub(crate) fn set_nested(&self, field: NestedField, row: u32, source: &Array) -> Result<()> {
        self.0.set_nested(field, row, &source.0).map_err(refused)
    }

    pub(crate) fn append_new(&self, count: u32) -> Result<()> {
        self.0.append_new(count).map_err(refused)
    }

    pub(crate) fn extend(&self, source: &Array, rows: &Rows) -> Result<()> {
        self.0.extend(&source.0, rows).map_err(refused)
    }

    pub(crate) fn arrange(&self, order: &[u32]) -> Result<()> {
        self.0.arrange(order).map_err(refused)
    }

    pub(crate) fn strings(&self, field: StringField, rows: &Rows) -> Result<Packed> {
        self.0.packed_strings(field, rows).map_err(refused)
    }

    pub(crate) fn set_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.0
            .set_packed_strings(field, rows, &values)
            .map_err(refused)
    }

    pub(crate) fn json_objects(&self, field: JsonField, rows: &Rows) -> Result<Packed> {
        self.0.packed_json_objects(field, rows).map_err(refused)
    }

    pub(crate) fn set_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.0
            .set_packed_json_objects(field, rows, &values)
            .map_err(refused)
    }

    pub(crate) fn integers(&self, field: IntegerField, rows: &Rows) -> Result<Vec<u32>> {
        self.0.integers(field, rows).map_err(refused)
    }

    pub(crate) fn set_integers(
        &self,
        field: IntegerField,
        rows: &Rows,
        values: &[u32],
    ) -> Result<()> {
        self.0.set_integers(field, rows, values).map_err(refused)
    }

    pub(crate) fn floats(&self, field: FloatField, rows: &Rows) -> Result<Vec<f32>> {
        self.0.floats(field, rows).map_err(refused)
    }

    pub(crate) fn set_floats(&self, field: FloatField, rows: &Rows, values: &[f32]) -> Result<()> {
        self.0.set_floats(field, rows, values).map_err(refused)
    }

    pub(crate) fn locations(&self, rows: &Rows) -> Result<Vec<Vec<f32>>> {
        self.0.locations(rows).map_err(refused)
    }

    pub(crate) fn set_locations(&self, rows: &Rows, values: Vec<Vec<f32>>) -> Result<()> {
        self.0.set_locations(rows, &values).map_err(refused)
    }

    pub(crate) fn contents(&self, rows: &Rows) -> Result<Vec<Content>> {
        self.0.contents(rows).map_err(refused)
    }

    pub(crate) fn clear_content(&self, rows: &Rows) -> Result<()> {
        self.0.clear(Fields::CONTENT, rows).map_err(refused)
    }

    pub(crate) fn blobs(&self, rows: &Rows) -> Result<Vec<Vec<u8>>> {
        self.0.blobs(rows).map_err(refused)
    }

    pub(crate) fn set_blobs(&self, rows: &Rows, values: Vec<Vec<u8>>) -> Result<()> {
        self.0.set_blobs(rows, &values).map_err(refused)
    }

    pub(crate) fn ndarrays(
        &self,
        field: NdarrayField,
        rows: &Rows,
    ) -> Result<Vec<Option<Ndarray>>> {
        self.0.ndarrays(field, rows).map_err(refused)
    }

    pub(crate) fn set_ndarrays(
        &self,
        field: NdarrayField,
        rows: &Rows,
        values: Vec<Option<Ndarray>>,
    ) -> Result<()> {
        self.0.set_ndarrays(field, rows, &values).map_err(refused)
    }

    pub(crate) fn matrix(&self, field: NdarrayField, rows: &Rows) -> Result<Option<Matrix>> {
        self.0.matrix(field, rows).map_err(refused)
    }

    pub(crate) fn set_matrix(
        &self,
        field: NdarrayField,
        rows: &Rows,
        values: Matrix,
    ) -> Result<()> {
        self.0.set_matrix(field, rows, &values).map_err(refused)
    }

    pub(crate) fn scores(
        &self,
        field: ScoreField,
        rows: &Rows,
    ) -> Result<Vec<Vec<(String, NamedScore)>>> {
        self.0.scores(field, rows).map_err(refused)
    }

    pub(crate) fn set_scores(
        &self,
        field: ScoreField,
        rows: &Rows,
        values: Vec<Vec<(String, NamedScore)>>,
    ) -> Result<()> {
        self.0.set_scores(field, rows, &values).map_err(refused)
    }

    pub(crate) fn sizes(&self, fields: Fields, rows: &Rows) -> Result<Vec<u64>> {
        self.0.sizes(fields, rows).map_err(refused)
    }

    pub(crate) fn encode(&self, rows: &Rows) -> Result<Vec<u8>> {
        self.0.encode(rows).map_err(refused)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Array> {
        documents::DocumentArray::decode(bytes)
            .map(Array)
            .map_err(refused)
    }
}

impl From<documents::DocumentArray> for Array {
    fn from(array: documents::DocumentArray) -> Self {
        Array(array)
    }
}

/// A `request`.
pub(crate) struct Request(requests::Request);

impl Request {
    pub(crate) fn new(request: requests::Request) -> Self {
        Request(request)
    }

    pub(crate) fn id(&self) -> String {
        self.0.id()
    }

    pub(crate) fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    pub(crate) fn docs_matrix(&self) -> Result<Vec<(String, Array)>> {
        Ok(self
            .0
            .docs_matrix()
            .into_iter()
            .map(|part| (part.executor, Array(part.docs)))
            .collect())
    }

    pub(crate) fn set_docs(&self, docs: &Array) -> Result<()> {
        self.0.set_docs(&docs.0).map_err(refused)
    }

    /// Whether somebody took them.
    pub(crate) async fn send_docs(&self, docs: &Array) -> Result<bool> {
        let taken = self.0.send_docs(&docs.0).map_err(refused)?;
        Ok(taken.await == 0)
    }

    pub(crate) fn set_results(&self, results: &str) -> Result<()> {
        self.0.set_results(results).map_err(refused)
    }

    pub(crate) fn parameters(&self) -> String {
        self.0.parameters()
    }

    /// In nanoseconds.
    pub(crate) fn time_left(&self) -> Option<u64> {
        self.0.time_left()
    }
}
