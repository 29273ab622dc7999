//! The host's side of the WIT interface `documents`: a [`LiveArray`] behind each
//! handle, and the conversion of values.

use std::convert::identity;

use bytes::Bytes;
use wasm_flow_document::{
    ByteString, ContentKind, Dense, DocumentArray, Fields, FloatField, IntegerField, JsonField,
    LiveArray, LiveError, Matrix, NamedScore, NdArray, NdArrayData, NdArrayField, NestedField,
    Packed, Rows, ScoreField, Scores, Sparse, StringField, Struct,
};
use wasmtime::component::Resource;

use super::bindings::documents as wit;
use super::store::Ctx;

type Array = Resource<LiveArray>;
/// A refusal goes to the guest, a handle that is not its own traps it.
type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

impl From<LiveError> for wit::Error {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::OutOfRange(message) => wit::Error::OutOfRange(message),
            LiveError::Invalid(message) => wit::Error::Invalid(message),
            LiveError::Limit(message) => wit::Error::Limit(message),
        }
    }
}

impl From<wit::Rows> for Rows {
    fn from(rows: wit::Rows) -> Self {
        match rows {
            wit::Rows::All => Rows::All,
            wit::Rows::Span(wit::Span { start, count }) => Rows::Span { start, count },
            wit::Rows::These(rows) => Rows::List(rows),
        }
    }
}

macro_rules! same_names {
    ($($name:ident { $($case:ident),* $(,)? })*) => {
        $(impl From<wit::$name> for $name {
            fn from(field: wit::$name) -> Self {
                match field { $(wit::$name::$case => $name::$case,)* }
            }
        })*
    };
}

same_names! {
    StringField { Id, ParentId, Text, Uri, MimeType, Modality }
    JsonField { Tags, Metadata }
    IntegerField { Granularity, Adjacency }
    FloatField { Weight, Offset }
    ScoreField { Scores, Evaluations }
    NestedField { Chunks, Matches }
}

fn ndarray_field(field: wit::NdarrayField) -> NdArrayField {
    match field {
        wit::NdarrayField::Tensor => NdArrayField::Tensor,
        wit::NdarrayField::Embedding => NdArrayField::Embedding,
    }
}

fn fields(flags: wit::Fields) -> Fields {
    [
        (wit::Fields::PARENT_ID, Fields::PARENT_ID),
        (wit::Fields::GRANULARITY, Fields::GRANULARITY),
        (wit::Fields::ADJACENCY, Fields::ADJACENCY),
        (wit::Fields::CONTENT, Fields::CONTENT),
        (wit::Fields::URI, Fields::URI),
        (wit::Fields::MIME_TYPE, Fields::MIME_TYPE),
        (wit::Fields::MODALITY, Fields::MODALITY),
        (wit::Fields::WEIGHT, Fields::WEIGHT),
        (wit::Fields::OFFSET, Fields::OFFSET),
        (wit::Fields::LOCATION, Fields::LOCATION),
        (wit::Fields::EMBEDDING, Fields::EMBEDDING),
        (wit::Fields::TAGS, Fields::TAGS),
        (wit::Fields::SCORES, Fields::SCORES),
        (wit::Fields::EVALUATIONS, Fields::EVALUATIONS),
        (wit::Fields::CHUNKS, Fields::CHUNKS),
        (wit::Fields::MATCHES, Fields::MATCHES),
        (wit::Fields::METADATA, Fields::METADATA),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .fold(Fields::NONE, |set, (_, field)| set.with(field))
}

fn texts(values: Vec<ByteString>) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn byte_strings(values: Vec<String>) -> Vec<ByteString> {
    values.into_iter().map(ByteString::from).collect()
}

impl From<Packed> for wit::Packed {
    fn from(packed: Packed) -> Self {
        wit::Packed {
            bytes: packed.bytes.into(),
            ends: packed.ends,
        }
    }
}

impl From<wit::Packed> for Packed {
    fn from(packed: wit::Packed) -> Self {
        Packed {
            bytes: packed.bytes.into(),
            ends: packed.ends,
        }
    }
}

fn dense_out(dense: &Dense) -> wit::Dense {
    wit::Dense {
        dtype: dense.dtype().to_string(),
        shape: dense.shape().to_vec(),
        buffer: dense.buffer().to_vec(),
    }
}

fn dense_in(dense: wit::Dense) -> Result<Dense, LiveError> {
    Dense::new(dense.dtype.into(), dense.shape, Bytes::from(dense.buffer))
        .map_err(|error| LiveError::Invalid(error.to_string()))
}

fn ndarray_out(array: NdArray) -> Option<wit::Ndarray> {
    let data = match array.data? {
        NdArrayData::Dense(dense) => wit::NdarrayData::Dense(dense_out(&dense)),
        NdArrayData::Sparse(sparse) => wit::NdarrayData::Sparse(wit::Sparse {
            indices: dense_out(&sparse.indices),
            values: dense_out(&sparse.values),
            shape: sparse.shape,
        }),
    };
    Some(wit::Ndarray {
        data,
        cls_name: array.cls_name.to_string(),
        parameters: array
            .parameters
            .map_or_else(String::new, |parameters| parameters.to_json()),
    })
}

fn ndarray_in(array: wit::Ndarray) -> Result<NdArray, LiveError> {
    let data = match array.data {
        wit::NdarrayData::Dense(dense) => NdArrayData::Dense(dense_in(dense)?),
        wit::NdarrayData::Sparse(sparse) => NdArrayData::Sparse(Sparse {
            indices: dense_in(sparse.indices)?,
            values: dense_in(sparse.values)?,
            shape: sparse.shape,
        }),
    };
    let parameters = match array.parameters.as_str() {
        "" => None,
        text => Some(
            Struct::from_json(text)
                .map_err(|error| LiveError::Invalid(format!("parameters: {error}")))?,
        ),
    };
    Ok(NdArray {
        data: Some(data),
        cls_name: array.cls_name.into(),
        parameters,
    })
}

fn scores_out(scores: Scores) -> Vec<(String, wit::NamedScore)> {
    scores
        .into_iter()
        .map(|(name, score)| {
            let score = wit::NamedScore {
                value: score.value,
                op_name: score.op_name.to_string(),
                description: score.description.to_string(),
                ref_id: score.ref_id.to_string(),
            };
            (name.to_string(), score)
        })
        .collect()
}

fn scores_in(scores: Vec<(String, wit::NamedScore)>) -> Scores {
    scores
        .into_iter()
        .map(|(name, score)| {
            let score = NamedScore {
                value: score.value,
                op_name: score.op_name.into(),
                description: score.description.into(),
                ref_id: score.ref_id.into(),
            };
            (name.into(), score)
        })
        .collect()
}

impl wit::Host for Ctx {}

impl Ctx {
    /// What `get` reads of the array.
    fn read<T, U>(
        &self,
        this: &Array,
        get: impl FnOnce(&LiveArray) -> Result<T, LiveError>,
        out: impl FnOnce(T) -> U,
    ) -> Answer<U> {
        Ok(get(self.table.get(this)?)
            .map(out)
            .map_err(wit::Error::from))
    }

    /// A new handle to what `get` gives.
    fn derive(
        &mut self,
        this: &Array,
        get: impl FnOnce(&LiveArray) -> Result<LiveArray, LiveError>,
    ) -> Answer<Array> {
        match get(self.table.get(this)?) {
            Ok(array) => Ok(Ok(self.table.push(array)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// An operation on two arrays.
    fn join(
        &self,
        this: &Array,
        source: &Array,
        act: impl FnOnce(&LiveArray, &LiveArray) -> Result<(), LiveError>,
    ) -> Answer<()> {
        let (this, source) = (self.table.get(this)?, self.table.get(source)?);
        Ok(act(this, source).map_err(wit::Error::from))
    }
}

impl wit::HostDocumentArray for Ctx {
    fn new(&mut self) -> wasmtime::Result<Array> {
        let array = LiveArray::with_column_limit(
            DocumentArray::new(),
            self.document_limits,
            self.bounds.column_limit(),
        );
        Ok(self.table.push(array)?)
    }

    fn length(&mut self, this: Array) -> wasmtime::Result<u32> {
        Ok(self.table.get(&this)?.length())
    }

    fn select(&mut self, this: Array, rows: wit::Rows) -> Answer<Array> {
        self.derive(&this, |array| array.select(&rows.into()))
    }

    fn flatten(&mut self, this: Array, path: Vec<wit::NestedField>) -> Answer<Array> {
        let path: Vec<_> = path.into_iter().map(NestedField::from).collect();
        self.derive(&this, |array| array.flatten(&path))
    }

    fn nested(&mut self, this: Array, field: wit::NestedField, row: u32) -> Answer<Array> {
        self.derive(&this, |array| array.nested(field.into(), row))
    }

    fn nested_lengths(
        &mut self,
        this: Array,
        field: wit::NestedField,
        rows: wit::Rows,
    ) -> Answer<Vec<u32>> {
        self.read(
            &this,
            |array| array.nested_lengths(field.into(), &rows.into()),
            identity,
        )
    }

    fn set_nested(
        &mut self,
        this: Array,
        field: wit::NestedField,
        row: u32,
        source: Array,
    ) -> Answer<()> {
        self.join(&this, &source, |this, source| {
            this.set_nested(field.into(), row, source)
        })
    }

    fn append_new(&mut self, this: Array, count: u32) -> Answer<()> {
        self.read(&this, |array| array.append_new(count), identity)
    }

    fn extend(&mut self, this: Array, source: Array, rows: wit::Rows) -> Answer<()> {
        self.join(&this, &source, |this, source| {
            this.extend(source, &rows.into())
        })
    }

    fn insert(&mut self, this: Array, at: u32, source: Array, rows: wit::Rows) -> Answer<()> {
        self.join(&this, &source, |this, source| {
            this.insert(at, source, &rows.into())
        })
    }

    fn arrange(&mut self, this: Array, order: Vec<u32>) -> Answer<()> {
        self.read(&this, |array| array.arrange(&order), identity)
    }

    fn strings(
        &mut self,
        this: Array,
        field: wit::StringField,
        rows: wit::Rows,
    ) -> Answer<Vec<String>> {
        self.read(
            &this,
            |array| array.strings(field.into(), &rows.into()),
            texts,
        )
    }

    fn set_strings(
        &mut self,
        this: Array,
        field: wit::StringField,
        rows: wit::Rows,
        values: Vec<String>,
    ) -> Answer<()> {
        let values = byte_strings(values);
        self.read(
            &this,
            |array| array.set_strings(field.into(), &rows.into(), values),
            identity,
        )
    }

    fn packed_strings(
        &mut self,
        this: Array,
        field: wit::StringField,
        rows: wit::Rows,
    ) -> Answer<wit::Packed> {
        self.read(
            &this,
            |array| array.packed_strings(field.into(), &rows.into()),
            wit::Packed::from,
        )
    }

    fn set_packed_strings(
        &mut self,
        this: Array,
        field: wit::StringField,
        rows: wit::Rows,
        values: wit::Packed,
    ) -> Answer<()> {
        self.read(
            &this,
            |array| array.set_packed_strings(field.into(), &rows.into(), values.into()),
            identity,
        )
    }

    fn json_objects(
        &mut self,
        this: Array,
        field: wit::JsonField,
        rows: wit::Rows,
    ) -> Answer<Vec<String>> {
        self.read(
            &this,
            |array| array.json_objects(field.into(), &rows.into()),
            texts,
        )
    }

    fn set_json_objects(
        &mut self,
        this: Array,
        field: wit::JsonField,
        rows: wit::Rows,
        values: Vec<String>,
    ) -> Answer<()> {
        let values = byte_strings(values);
        self.read(
            &this,
            |array| array.set_json_objects(field.into(), &rows.into(), values),
            identity,
        )
    }

    fn packed_json_objects(
        &mut self,
        this: Array,
        field: wit::JsonField,
        rows: wit::Rows,
    ) -> Answer<wit::Packed> {
        self.read(
            &this,
            |array| array.packed_json_objects(field.into(), &rows.into()),
            wit::Packed::from,
        )
    }

    fn set_packed_json_objects(
        &mut self,
        this: Array,
        field: wit::JsonField,
        rows: wit::Rows,
        values: wit::Packed,
    ) -> Answer<()> {
        self.read(
            &this,
            |array| array.set_packed_json_objects(field.into(), &rows.into(), values.into()),
            identity,
        )
    }

    fn integers(
        &mut self,
        this: Array,
        field: wit::IntegerField,
        rows: wit::Rows,
    ) -> Answer<Vec<u32>> {
        self.read(
            &this,
            |array| array.integers(field.into(), &rows.into()),
            identity,
        )
    }

    fn set_integers(
        &mut self,
        this: Array,
        field: wit::IntegerField,
        rows: wit::Rows,
        values: Vec<u32>,
    ) -> Answer<()> {
        self.read(
            &this,
            |array| array.set_integers(field.into(), &rows.into(), &values),
            identity,
        )
    }

    fn floats(&mut self, this: Array, field: wit::FloatField, rows: wit::Rows) -> Answer<Vec<f32>> {
        self.read(
            &this,
            |array| array.floats(field.into(), &rows.into()),
            identity,
        )
    }

    fn set_floats(
        &mut self,
        this: Array,
        field: wit::FloatField,
        rows: wit::Rows,
        values: Vec<f32>,
    ) -> Answer<()> {
        self.read(
            &this,
            |array| array.set_floats(field.into(), &rows.into(), &values),
            identity,
        )
    }

    fn locations(&mut self, this: Array, rows: wit::Rows) -> Answer<Vec<Vec<f32>>> {
        self.read(&this, |array| array.locations(&rows.into()), identity)
    }

    fn set_locations(&mut self, this: Array, rows: wit::Rows, values: Vec<Vec<f32>>) -> Answer<()> {
        self.read(
            &this,
            |array| array.set_locations(&rows.into(), values),
            identity,
        )
    }

    fn contents(&mut self, this: Array, rows: wit::Rows) -> Answer<Vec<wit::Content>> {
        self.read(
            &this,
            |array| array.contents(&rows.into()),
            |kinds| {
                kinds
                    .into_iter()
                    .map(|kind| match kind {
                        ContentKind::None => wit::Content::None,
                        ContentKind::Text => wit::Content::Text,
                        ContentKind::Blob => wit::Content::Blob,
                        ContentKind::Tensor => wit::Content::Tensor,
                    })
                    .collect()
            },
        )
    }

    fn blobs(&mut self, this: Array, rows: wit::Rows) -> Answer<Vec<Vec<u8>>> {
        self.read(
            &this,
            |array| array.blobs(&rows.into()),
            |blobs| blobs.iter().map(|blob| blob.to_vec()).collect(),
        )
    }

    fn set_blobs(&mut self, this: Array, rows: wit::Rows, values: Vec<Vec<u8>>) -> Answer<()> {
        let values = values.into_iter().map(Bytes::from).collect();
        self.read(
            &this,
            |array| array.set_blobs(&rows.into(), values),
            identity,
        )
    }

    fn ndarrays(
        &mut self,
        this: Array,
        field: wit::NdarrayField,
        rows: wit::Rows,
    ) -> Answer<Vec<Option<wit::Ndarray>>> {
        self.read(
            &this,
            |array| array.ndarrays(ndarray_field(field), &rows.into()),
            |arrays| {
                arrays
                    .into_iter()
                    .map(|array| array.and_then(ndarray_out))
                    .collect()
            },
        )
    }

    fn set_ndarrays(
        &mut self,
        this: Array,
        field: wit::NdarrayField,
        rows: wit::Rows,
        values: Vec<Option<wit::Ndarray>>,
    ) -> Answer<()> {
        self.read(
            &this,
            |array| {
                let values = values
                    .into_iter()
                    .map(|value| value.map(ndarray_in).transpose())
                    .collect::<Result<Vec<_>, _>>()?;
                array.set_ndarrays(ndarray_field(field), &rows.into(), values)
            },
            identity,
        )
    }

    fn matrix(
        &mut self,
        this: Array,
        field: wit::NdarrayField,
        rows: wit::Rows,
    ) -> Answer<Option<wit::Matrix>> {
        self.read(
            &this,
            |array| array.matrix(ndarray_field(field), &rows.into()),
            |matrix| {
                matrix.map(|matrix| wit::Matrix {
                    dtype: matrix.dtype.to_string(),
                    shape: matrix.shape,
                    buffer: matrix.buffer.into(),
                    cls_name: matrix.cls_name.to_string(),
                })
            },
        )
    }

    fn set_matrix(
        &mut self,
        this: Array,
        field: wit::NdarrayField,
        rows: wit::Rows,
        values: wit::Matrix,
    ) -> Answer<()> {
        let matrix = Matrix {
            dtype: values.dtype.into(),
            shape: values.shape,
            buffer: values.buffer.into(),
            cls_name: values.cls_name.into(),
        };
        self.read(
            &this,
            |array| array.set_matrix(ndarray_field(field), &rows.into(), matrix),
            identity,
        )
    }

    fn scores(
        &mut self,
        this: Array,
        field: wit::ScoreField,
        rows: wit::Rows,
    ) -> Answer<Vec<Vec<(String, wit::NamedScore)>>> {
        self.read(
            &this,
            |array| array.scores(field.into(), &rows.into()),
            |scores| scores.into_iter().map(scores_out).collect(),
        )
    }

    fn set_scores(
        &mut self,
        this: Array,
        field: wit::ScoreField,
        rows: wit::Rows,
        values: Vec<Vec<(String, wit::NamedScore)>>,
    ) -> Answer<()> {
        let values = values.into_iter().map(scores_in).collect();
        self.read(
            &this,
            |array| array.set_scores(field.into(), &rows.into(), values),
            identity,
        )
    }

    fn clear(&mut self, this: Array, flags: wit::Fields, rows: wit::Rows) -> Answer<()> {
        self.read(
            &this,
            |array| array.clear(fields(flags), &rows.into()),
            identity,
        )
    }

    fn sizes(&mut self, this: Array, flags: wit::Fields, rows: wit::Rows) -> Answer<Vec<u64>> {
        self.read(
            &this,
            |array| array.sizes(fields(flags), &rows.into()),
            identity,
        )
    }

    fn encode(&mut self, this: Array, rows: wit::Rows) -> Answer<Vec<u8>> {
        self.read(&this, |array| array.encode(&rows.into()), Vec::from)
    }

    fn decode(&mut self, bytes: Vec<u8>) -> Answer<Array> {
        let limit = self.bounds.column_limit();
        match LiveArray::decode(bytes.into(), self.document_limits, limit) {
            Ok(array) => Ok(Ok(self.table.push(array)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop(&mut self, this: Array) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
