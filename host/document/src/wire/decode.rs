//! Documents from their protobuf form.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use prost::encoding::decode_varint;

use crate::array::{Content, Document, DocumentArray, NamedScore, Scores};
use crate::bounds::SCORES;
use crate::ndarray::{Dense, NdArray, NdArrayData, Sparse, check_dims};
use crate::protobuf::{Fault, Field, Merged, Merging, Reader, Slice};
use crate::shown::cut;
use crate::{Limits, Struct, tag};

/// Why bytes are not a `docarray.DocumentArrayProto`, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// From the innermost place outwards.
    path: Vec<String>,
    reason: String,
}

impl DecodeError {
    fn new(reason: impl fmt::Display) -> Self {
        DecodeError {
            path: Vec::new(),
            reason: reason.to_string(),
        }
    }

    fn at(mut self, place: impl fmt::Display) -> Self {
        self.path.push(place.to_string());
        self
    }

    /// The document and field, as in `docs[3].chunks[0].tensor`. The middle of a
    /// very deep place is left out.
    pub fn path(&self) -> String {
        const SHOWN: usize = 8;
        let mut places: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        if places.len() > SHOWN {
            places.splice(SHOWN / 2..places.len() - SHOWN / 2, ["…"]);
        }
        places.join(".")
    }

    /// What is wrong there.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.path(), self.reason)
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        DecodeError::new(fault)
    }
}

type Result<T, E = DecodeError> = std::result::Result<T, E>;

/// What one message may still hold.
struct Budget {
    documents: u64,
    scores: u64,
    limits: Limits,
}

impl DocumentArray {
    /// Reads an encoded `docarray.DocumentArrayProto` (docarray v1), whose
    /// strings, blobs and buffers stay slices of `bytes`.
    ///
    /// # Errors
    /// If it is malformed, holds a string that is not UTF-8 or an array whose
    /// shape does not fit its bytes, or exceeds `limits` or a million scores and
    /// evaluations. The error names the document and field.
    pub fn decode_within(bytes: Bytes, limits: Limits) -> Result<Self, DecodeError> {
        DocumentArray::decode_field(tag::document_array::DOCS, bytes, limits)
    }

    /// Reads the documents that are a field of another message, whose other fields are
    /// passed over: those of a `DocumentArrayProto` are its field 1.
    ///
    /// # Errors
    /// As [`decode_within`](Self::decode_within).
    pub fn decode_field(wanted: u32, bytes: Bytes, limits: Limits) -> Result<Self, DecodeError> {
        let mut budget = Budget {
            documents: limits.documents,
            scores: SCORES,
            limits,
        };
        let mut docs = Vec::new();
        let mut reader = Reader::new(Slice::of(&bytes));
        while let Some((number, field)) = reader
            .field()
            .map_err(|e| DecodeError::from(e).at("docs"))?
        {
            if number == wanted {
                let doc = slice(field)
                    .and_then(|slice| document(slice, 1, &mut budget))
                    .map_err(|e| e.at(format_args!("docs[{}]", docs.len())))?;
                docs.push(Arc::new(doc));
            }
        }
        Ok(DocumentArray::from(docs))
    }

    /// [`decode_within`](Self::decode_within) the default [`Limits`].
    ///
    /// # Errors
    /// As there.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        DocumentArray::decode_within(bytes, Limits::default())
    }
}

/// A oneof's member that a message type holds, until it is known to be the last.
enum RawContent<'a> {
    Ready(Content),
    Tensor(Merging<'a>),
}

impl<'a> RawContent<'a> {
    /// The content, and with it the checks of a tensor.
    fn read(self) -> Result<Content> {
        match self {
            RawContent::Ready(content) => Ok(content),
            RawContent::Tensor(merging) => {
                let tensor = ndarray(whole(&merging.end())).map_err(|e| e.at("tensor"))?;
                Ok(Content::Tensor(Arc::new(tensor)))
            }
        }
    }

    /// Replaces the member. What is replaced has to be well formed all the same,
    /// as for every other reader of protobuf.
    fn set(&mut self, content: Content) -> Result<()> {
        std::mem::replace(self, RawContent::Ready(content))
            .read()
            .map(drop)
    }

    fn add_tensor(&mut self, more: Slice<'a>) -> Result<(), Fault> {
        match self {
            RawContent::Tensor(merging) => merging.add(more)?,
            RawContent::Ready(_) => {
                *self = RawContent::Tensor(Merging::of(more));
            }
        }
        Ok(())
    }
}

fn document(slice: Slice<'_>, depth: u32, budget: &mut Budget) -> Result<Document> {
    use tag::document as tag;

    if depth > budget.limits.depth {
        return Err(DecodeError::new(format_args!(
            "documents are nested deeper than {} levels",
            budget.limits.depth
        )));
    }
    budget.documents = budget.documents.checked_sub(1).ok_or_else(|| {
        DecodeError::new(format_args!(
            "the request holds more than {} documents, chunks and matches included",
            budget.limits.documents
        ))
    })?;

    let mut doc = Document::default();
    let mut content = RawContent::Ready(Content::None);
    let (mut embedding, mut tags) = (Merging::default(), Merging::default());
    let mut metadata = Merging::default();
    let (mut chunks, mut matches) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::ID => doc.id = string(field).map_err(|e| e.at("id"))?,
            tag::BLOB => {
                let blob = self::slice(field).map_err(|e| e.at("blob"))?;
                content.set(Content::Blob(blob.share()))?;
            }
            tag::TENSOR => {
                content.add_tensor(self::slice(field).map_err(|e| e.at("tensor"))?)?;
            }
            tag::TEXT => {
                let text = string(field).map_err(|e| e.at("text"))?;
                content.set(Content::Text(text))?;
            }
            tag::GRANULARITY => {
                doc.granularity = uint32(field).map_err(|e| e.at("granularity"))?;
            }
            tag::ADJACENCY => doc.adjacency = uint32(field).map_err(|e| e.at("adjacency"))?,
            tag::PARENT_ID => doc.parent_id = string(field).map_err(|e| e.at("parent_id"))?,
            tag::WEIGHT => doc.weight = float(field).map_err(|e| e.at("weight"))?,
            tag::URI => doc.uri = string(field).map_err(|e| e.at("uri"))?,
            tag::MODALITY => doc.modality = string(field).map_err(|e| e.at("modality"))?,
            tag::MIME_TYPE => doc.mime_type = string(field).map_err(|e| e.at("mime_type"))?,
            tag::OFFSET => doc.offset = float(field).map_err(|e| e.at("offset"))?,
            tag::LOCATION => floats(field, &mut doc.location).map_err(|e| e.at("location"))?,
            tag::CHUNKS | tag::MATCHES => {
                let (list, name) = match number {
                    tag::CHUNKS => (&mut chunks, "chunks"),
                    _ => (&mut matches, "matches"),
                };
                let nested = self::slice(field)
                    .and_then(|slice| document(slice, depth + 1, budget))
                    .map_err(|e| e.at(format_args!("{name}[{}]", list.len())))?;
                list.push(Arc::new(nested));
            }
            tag::EMBEDDING => {
                embedding
                    .add(self::slice(field).map_err(|e| e.at("embedding"))?)
                    .map_err(|e| DecodeError::from(e).at("embedding"))?;
            }
            tag::TAGS => tags
                .add(self::slice(field).map_err(|e| e.at("tags"))?)
                .map_err(|e| DecodeError::from(e).at("tags"))?,
            tag::SCORES | tag::EVALUATIONS => {
                let (scores, name) = match number {
                    tag::SCORES => (&mut doc.scores, "scores"),
                    _ => (&mut doc.evaluations, "evaluations"),
                };
                budget.scores = budget.scores.checked_sub(1).ok_or_else(|| {
                    DecodeError::new(format_args!(
                        "the message holds more than {SCORES} scores and evaluations"
                    ))
                    .at(name)
                })?;
                let entry = self::slice(field).and_then(score).map_err(|e| e.at(name))?;
                scores.push(entry);
            }
            tag::METADATA => {
                metadata
                    .add(self::slice(field).map_err(|e| e.at("_metadata"))?)
                    .map_err(|e| DecodeError::from(e).at("_metadata"))?;
            }
            _ => {}
        }
    }
    doc.content = content.read()?;
    doc.embedding = embedding
        .end()
        .map(|merged| ndarray(merged.slice()).map(Arc::new))
        .transpose()
        .map_err(|e| e.at("embedding"))?;
    doc.scores = last_of_each(std::mem::take(&mut doc.scores));
    doc.evaluations = last_of_each(std::mem::take(&mut doc.evaluations));
    doc.tags = structure(tags).map_err(|e| e.at("tags"))?;
    doc.metadata = structure(metadata).map_err(|e| e.at("_metadata"))?;
    doc.chunks = DocumentArray::from(chunks);
    doc.matches = DocumentArray::from(matches);
    Ok(doc)
}

// --- scores ----------------------------------------------------------------

fn named_score(slice: Slice<'_>) -> Result<NamedScore> {
    use tag::named_score as tag;

    let mut score = NamedScore::default();
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::VALUE => score.value = float(field).map_err(|e| e.at("value"))?,
            tag::OP_NAME => score.op_name = string(field).map_err(|e| e.at("op_name"))?,
            tag::DESCRIPTION => {
                score.description = string(field).map_err(|e| e.at("description"))?;
            }
            tag::REF_ID => score.ref_id = string(field).map_err(|e| e.at("ref_id"))?,
            _ => {}
        }
    }
    Ok(score)
}

/// One entry of a `map<string, NamedScoreProto>`.
fn score(slice: Slice<'_>) -> Result<(ByteString, NamedScore)> {
    let (mut name, mut value) = (ByteString::new(), Merging::default());
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::entry::KEY => name = string(field)?,
            tag::entry::VALUE => value.add(self::slice(field)?)?,
            _ => {}
        }
    }
    let value =
        named_score(whole(&value.end())).map_err(|e| e.at(format_args!("{:?}", cut(&name))))?;
    Ok((name, value))
}

/// The entries of a map: of a repeated key the last value counts, and stands
/// where the key stood first.
fn last_of_each(entries: Scores) -> Scores {
    if entries.len() < 2 {
        return entries;
    }
    let mut places = HashMap::with_capacity(entries.len());
    let mut kept: Scores = Vec::with_capacity(entries.len());
    for (name, score) in entries {
        match places
            .get(&name)
            .and_then(|place: &usize| kept.get_mut(*place))
        {
            Some((_, slot)) => *slot = score,
            None => {
                places.insert(name.clone(), kept.len());
                kept.push((name, score));
            }
        }
    }
    kept
}

// --- arrays ----------------------------------------------------------------

fn ndarray(slice: Slice<'_>) -> Result<NdArray> {
    use tag::ndarray as tag;

    let (mut data, mut cls_name) = (RawData::None, ByteString::new());
    let mut parameters = Merging::default();
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::DENSE => {
                let more = self::slice(field).map_err(|e| e.at("dense"))?;
                if let RawData::Dense(merging) = &mut data {
                    merging.add(more)?;
                } else {
                    // A oneof: the last member counts, merged with itself alone,
                    // and what it replaces has to be well formed.
                    data.read()?;
                    data = RawData::Dense(Merging::of(more));
                }
            }
            tag::SPARSE => {
                let more = self::slice(field).map_err(|e| e.at("sparse"))?;
                if let RawData::Sparse(merging) = &mut data {
                    merging.add(more)?;
                } else {
                    data.read()?;
                    data = RawData::Sparse(Merging::of(more));
                }
            }
            tag::CLS_NAME => cls_name = string(field).map_err(|e| e.at("cls_name"))?,
            tag::PARAMETERS => {
                parameters
                    .add(self::slice(field).map_err(|e| e.at("parameters"))?)
                    .map_err(|e| DecodeError::from(e).at("parameters"))?;
            }
            _ => {}
        }
    }
    Ok(NdArray {
        data: data.read()?,
        cls_name,
        parameters: structure(parameters).map_err(|e| e.at("parameters"))?,
    })
}

/// The content of an array, until it is known to be the last.
enum RawData<'a> {
    None,
    Dense(Merging<'a>),
    Sparse(Merging<'a>),
}

impl RawData<'_> {
    fn read(self) -> Result<Option<NdArrayData>> {
        Ok(match self {
            RawData::None => None,
            RawData::Dense(merging) => Some(NdArrayData::Dense(dense(whole(&merging.end()))?)),
            RawData::Sparse(merging) => Some(NdArrayData::Sparse(sparse(whole(&merging.end()))?)),
        })
    }
}

fn dense(slice: Slice<'_>) -> Result<Dense> {
    use tag::dense as tag;

    let (mut dtype, mut shape, mut buffer) = (ByteString::new(), Vec::new(), Bytes::new());
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::BUFFER => buffer = self::slice(field).map_err(|e| e.at("buffer"))?.share(),
            tag::SHAPE => dims(field, &mut shape).map_err(|e| e.at("shape"))?,
            tag::DTYPE => dtype = string(field).map_err(|e| e.at("dtype"))?,
            _ => {}
        }
    }
    Dense::new(dtype, shape, buffer).map_err(DecodeError::new)
}

fn sparse(slice: Slice<'_>) -> Result<Sparse> {
    use tag::sparse as tag;

    let (mut indices, mut values) = (Merging::default(), Merging::default());
    let mut shape = Vec::new();
    let mut reader = Reader::new(slice);
    while let Some((number, field)) = reader.field()? {
        match number {
            tag::INDICES => indices
                .add(self::slice(field).map_err(|e| e.at("indices"))?)
                .map_err(|e| DecodeError::from(e).at("indices"))?,
            tag::VALUES => values
                .add(self::slice(field).map_err(|e| e.at("values"))?)
                .map_err(|e| DecodeError::from(e).at("values"))?,
            tag::SHAPE => dims(field, &mut shape).map_err(|e| e.at("shape"))?,
            _ => {}
        }
    }
    Ok(Sparse {
        indices: dense(whole(&indices.end())).map_err(|e| e.at("indices"))?,
        values: dense(whole(&values.end())).map_err(|e| e.at("values"))?,
        shape,
    })
}

/// The dimensions of a shape, of which there are no more than an array may have.
fn dims(field: Field<'_>, shape: &mut Vec<u32>) -> Result<()> {
    match field {
        Field::Len(slice) => {
            let mut packed = slice.bytes();
            while !packed.is_empty() {
                shape.push(decode_varint(&mut packed).map_err(|_| Fault::Truncated)? as u32);
                check_dims(shape).map_err(DecodeError::new)?;
            }
            Ok(())
        }
        single => {
            shape.push(uint32(single)?);
            check_dims(shape).map_err(DecodeError::new)
        }
    }
}

// --- values ----------------------------------------------------------------

fn slice(field: Field<'_>) -> Result<Slice<'_>> {
    Ok(field.slice()?)
}

fn string(field: Field<'_>) -> Result<ByteString> {
    /// Nearly every document has some of these. They keep no frame in memory.
    const COMMON: [&str; 5] = ["", "<f4", "<f8", "numpy", "text/plain"];
    let slice = slice(field)?;
    if let Some(common) = COMMON
        .iter()
        .find(|common| common.as_bytes() == slice.bytes())
    {
        return Ok(ByteString::from_static(common));
    }
    ByteString::try_from(slice.share()).map_err(|_| DecodeError::new("the string is not UTF-8"))
}

fn uint32(field: Field<'_>) -> Result<u32> {
    match field {
        // As in every protobuf library, a number that is too large for the field
        // loses its upper bits.
        Field::Varint(value) => Ok(value as u32),
        _ => Err(Fault::WireType.into()),
    }
}

fn float(field: Field<'_>) -> Result<f32> {
    match field {
        Field::Fixed32(bits) => Ok(f32::from_bits(bits)),
        _ => Err(Fault::WireType.into()),
    }
}

fn floats(field: Field<'_>, out: &mut Vec<f32>) -> Result<()> {
    match field {
        Field::Len(packed) => {
            let values = packed.bytes().chunks_exact(4);
            if !values.remainder().is_empty() {
                return Err(DecodeError::new(
                    "the length of packed floats is not a multiple of 4",
                ));
            }
            out.extend(values.filter_map(|value| Some(f32::from_le_bytes(value.try_into().ok()?))));
            Ok(())
        }
        single => {
            out.push(float(single)?);
            Ok(())
        }
    }
}

fn structure(merging: Merging<'_>) -> Result<Option<Struct>> {
    merging
        .end()
        .map(|merged| Struct::decode(merged.share()).map_err(DecodeError::new))
        .transpose()
}

/// The merged message, which is empty if the field did not occur.
fn whole<'a>(merged: &'a Option<Merged<'_>>) -> Slice<'a> {
    static NOTHING: Bytes = Bytes::new();
    merged.as_ref().map_or(Slice::of(&NOTHING), Merged::slice)
}
