//! The host's own document model, in place of a host.
//!
//! Buffers are copied wherever a component would copy them across the boundary.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use wasm_flow_document as model;
use wasm_flow_document::{ByteString, Bytes, Limits, LiveArray, LiveError, Struct};
pub(crate) use wasm_flow_document::{
    ContentKind as Content, Fields, FloatField, IntegerField, JsonField,
    NdArrayField as NdarrayField, NestedField, Rows, ScoreField, StringField,
};

use super::LIMIT;
use crate::{Error, Result};

/// The most that one read of a column gives: half of the memory that an executor
/// has by default.
const MOST_READ: u64 = 128 << 20;

#[derive(Clone, Default)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

#[derive(Clone)]
pub(crate) struct Dense {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u32>,
    pub(crate) buffer: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Sparse {
    pub(crate) indices: Dense,
    pub(crate) values: Dense,
    pub(crate) shape: Vec<u32>,
}

#[derive(Clone)]
pub(crate) enum NdarrayData {
    Dense(Dense),
    Sparse(Sparse),
}

#[derive(Clone)]
pub(crate) struct Ndarray {
    pub(crate) data: NdarrayData,
    pub(crate) cls_name: String,
    pub(crate) parameters: String,
}

#[derive(Clone)]
pub(crate) struct Matrix {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u32>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) cls_name: String,
}

#[derive(Clone)]
pub(crate) struct NamedScore {
    pub(crate) value: f32,
    pub(crate) op_name: String,
    pub(crate) description: String,
    pub(crate) ref_id: String,
}

fn refused(error: LiveError) -> Error {
    let name = match error {
        LiveError::OutOfRange(_) => "OutOfRange",
        LiveError::Invalid(_) => "Invalid",
        LiveError::Limit(_) => LIMIT,
    };
    Error::named(name, error)
}

pub(crate) fn span(start: u32, count: u32) -> Rows {
    Rows::Span { start, count }
}

pub(crate) fn these(rows: &[u32]) -> Rows {
    Rows::List(rows.to_vec())
}

impl From<model::Packed> for Packed {
    fn from(packed: model::Packed) -> Self {
        Packed {
            bytes: packed.bytes.into(),
            ends: packed.ends,
        }
    }
}

impl From<Packed> for model::Packed {
    fn from(packed: Packed) -> Self {
        model::Packed {
            bytes: packed.bytes.into(),
            ends: packed.ends,
        }
    }
}

impl From<&model::Dense> for Dense {
    fn from(dense: &model::Dense) -> Self {
        Dense {
            dtype: dense.dtype().to_string(),
            shape: dense.shape().to_vec(),
            buffer: dense.buffer().to_vec(),
        }
    }
}

impl TryFrom<Dense> for model::Dense {
    type Error = Error;

    fn try_from(dense: Dense) -> Result<Self> {
        model::Dense::new(dense.dtype.into(), dense.shape, dense.buffer.into())
            .map_err(|error| Error::named("Invalid", error))
    }
}

fn from_model(array: &model::NdArray) -> Option<Ndarray> {
    let data = match array.data.as_ref()? {
        model::NdArrayData::Dense(dense) => NdarrayData::Dense(dense.into()),
        model::NdArrayData::Sparse(sparse) => NdarrayData::Sparse(Sparse {
            indices: (&sparse.indices).into(),
            values: (&sparse.values).into(),
            shape: sparse.shape.clone(),
        }),
    };
    Some(Ndarray {
        data,
        cls_name: array.cls_name.to_string(),
        parameters: array
            .parameters
            .as_ref()
            .map(Struct::to_json)
            .unwrap_or_default(),
    })
}

fn to_model(array: Ndarray) -> Result<model::NdArray> {
    let data = match array.data {
        NdarrayData::Dense(dense) => model::NdArrayData::Dense(dense.try_into()?),
        NdarrayData::Sparse(sparse) => model::NdArrayData::Sparse(model::Sparse {
            indices: sparse.indices.try_into()?,
            values: sparse.values.try_into()?,
            shape: sparse.shape,
        }),
    };
    let parameters = if array.parameters.is_empty() {
        None
    } else {
        Some(Struct::from_json(&array.parameters)?)
    };
    Ok(model::NdArray {
        data: Some(data),
        cls_name: array.cls_name.into(),
        parameters,
    })
}

/// In place of a `document-array`.
pub(crate) struct Array(LiveArray);

impl Array {
    pub(crate) fn new() -> Self {
        Array(LiveArray::with_column_limit(
            model::DocumentArray::default(),
            Limits::default(),
            MOST_READ,
        ))
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
        let packed = self.0.packed_strings(field, rows).map_err(refused)?;
        Ok(packed.into())
    }

    pub(crate) fn set_strings(
        &self,
        field: StringField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.0
            .set_packed_strings(field, rows, values.into())
            .map_err(refused)
    }

    pub(crate) fn json_objects(&self, field: JsonField, rows: &Rows) -> Result<Packed> {
        let packed = self.0.packed_json_objects(field, rows).map_err(refused)?;
        Ok(packed.into())
    }

    pub(crate) fn set_json_objects(
        &self,
        field: JsonField,
        rows: &Rows,
        values: Packed,
    ) -> Result<()> {
        self.0
            .set_packed_json_objects(field, rows, values.into())
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
        self.0.set_locations(rows, values).map_err(refused)
    }

    pub(crate) fn contents(&self, rows: &Rows) -> Result<Vec<Content>> {
        self.0.contents(rows).map_err(refused)
    }

    pub(crate) fn clear_content(&self, rows: &Rows) -> Result<()> {
        self.0.clear(Fields::CONTENT, rows).map_err(refused)
    }

    pub(crate) fn blobs(&self, rows: &Rows) -> Result<Vec<Vec<u8>>> {
        let blobs = self.0.blobs(rows).map_err(refused)?;
        Ok(blobs.into_iter().map(Vec::from).collect())
    }

    pub(crate) fn set_blobs(&self, rows: &Rows, values: Vec<Vec<u8>>) -> Result<()> {
        let values = values.into_iter().map(Into::into).collect();
        self.0.set_blobs(rows, values).map_err(refused)
    }

    pub(crate) fn ndarrays(
        &self,
        field: NdarrayField,
        rows: &Rows,
    ) -> Result<Vec<Option<Ndarray>>> {
        let arrays = self.0.ndarrays(field, rows).map_err(refused)?;
        Ok(arrays
            .iter()
            .map(|array| array.as_ref().and_then(from_model))
            .collect())
    }

    pub(crate) fn set_ndarrays(
        &self,
        field: NdarrayField,
        rows: &Rows,
        values: Vec<Option<Ndarray>>,
    ) -> Result<()> {
        let values = values
            .into_iter()
            .map(|array| array.map(to_model).transpose())
            .collect::<Result<_>>()?;
        self.0.set_ndarrays(field, rows, values).map_err(refused)
    }

    pub(crate) fn matrix(&self, field: NdarrayField, rows: &Rows) -> Result<Option<Matrix>> {
        let matrix = self.0.matrix(field, rows).map_err(refused)?;
        Ok(matrix.map(|matrix| Matrix {
            dtype: matrix.dtype.to_string(),
            shape: matrix.shape,
            buffer: matrix.buffer.into(),
            cls_name: matrix.cls_name.to_string(),
        }))
    }

    pub(crate) fn set_matrix(
        &self,
        field: NdarrayField,
        rows: &Rows,
        values: Matrix,
    ) -> Result<()> {
        let matrix = model::Matrix {
            dtype: values.dtype.into(),
            shape: values.shape,
            buffer: values.buffer.into(),
            cls_name: values.cls_name.into(),
        };
        self.0.set_matrix(field, rows, matrix).map_err(refused)
    }

    pub(crate) fn scores(
        &self,
        field: ScoreField,
        rows: &Rows,
    ) -> Result<Vec<Vec<(String, NamedScore)>>> {
        let scores = self.0.scores(field, rows).map_err(refused)?;
        Ok(scores
            .into_iter()
            .map(|scores| {
                scores
                    .into_iter()
                    .map(|(name, score)| {
                        let score = NamedScore {
                            value: score.value,
                            op_name: score.op_name.to_string(),
                            description: score.description.to_string(),
                            ref_id: score.ref_id.to_string(),
                        };
                        (name.to_string(), score)
                    })
                    .collect()
            })
            .collect())
    }

    pub(crate) fn set_scores(
        &self,
        field: ScoreField,
        rows: &Rows,
        values: Vec<Vec<(String, NamedScore)>>,
    ) -> Result<()> {
        let values = values
            .into_iter()
            .map(|scores| {
                scores
                    .into_iter()
                    .map(|(name, score)| {
                        let score = model::NamedScore {
                            value: score.value,
                            op_name: score.op_name.into(),
                            description: score.description.into(),
                            ref_id: score.ref_id.into(),
                        };
                        (ByteString::from(name), score)
                    })
                    .collect()
            })
            .collect();
        self.0.set_scores(field, rows, values).map_err(refused)
    }

    pub(crate) fn sizes(&self, fields: Fields, rows: &Rows) -> Result<Vec<u64>> {
        self.0.sizes(fields, rows).map_err(refused)
    }

    pub(crate) fn encode(&self, rows: &Rows) -> Result<Vec<u8>> {
        self.0.encode(rows).map(Vec::from).map_err(refused)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Array> {
        let bytes = Bytes::copy_from_slice(bytes);
        LiveArray::decode(bytes, Limits::default(), MOST_READ)
            .map(Array)
            .map_err(refused)
    }

    /// A copy of the documents as they are now.
    pub(crate) fn copy(&self) -> Result<Array> {
        let copy = Array::new();
        copy.extend(self, &Rows::All)?;
        Ok(copy)
    }

    /// Another handle to the same array.
    pub(crate) fn share(&self) -> Array {
        Array(self.0.share())
    }
}

/// In place of a `request`: what the host would give to one call.
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) parts: Vec<(String, Rc<Array>)>,
    pub(crate) parameters: String,
    pub(crate) deadline: Option<Instant>,
    pub(crate) answer: RefCell<Answer>,
}

/// What the handler answered.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) docs: Option<Array>,
    pub(crate) results: Option<String>,
    /// What was sent while it ran.
    pub(crate) sent: Vec<Array>,
}

impl Request {
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    pub(crate) fn docs_matrix(&self) -> Result<Vec<(String, Array)>> {
        self.parts
            .iter()
            .map(|(executor, docs)| Ok((executor.clone(), docs.copy()?)))
            .collect()
    }

    pub(crate) fn set_docs(&self, docs: &Array) -> Result<()> {
        self.answer.borrow_mut().docs = Some(docs.copy()?);
        Ok(())
    }

    /// Whether somebody took them: always.
    pub(crate) async fn send_docs(&self, docs: &Array) -> Result<bool> {
        self.answer.borrow_mut().sent.push(docs.copy()?);
        Ok(true)
    }

    pub(crate) fn set_results(&self, results: &str) -> Result<()> {
        self.answer.borrow_mut().results = Some(results.to_owned());
        Ok(())
    }

    pub(crate) fn parameters(&self) -> String {
        self.parameters.clone()
    }

    /// In nanoseconds.
    pub(crate) fn time_left(&self) -> Option<u64> {
        let left = self.deadline?.saturating_duration_since(Instant::now());
        Some(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
    }
}
