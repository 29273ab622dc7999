//! docarray v1's protobuf form of documents, read without copying.
//!
//! Written by hand rather than derived, for three things that a derived decoder
//! does not give: strings and nested objects that stay slices of the frame,
//! values that are checked while they are read (so that a `Document` is valid
//! when it exists), and errors that say which document and field they are about.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use bytestring::ByteString;
use prost::encoding::{
    DecodeContext, WireType, decode_varint, encode_key, encode_varint, encoded_len_varint, key_len,
    skip_field,
};

use crate::array::{Content, Document, DocumentArray, NamedScore, Scores};
use crate::ndarray::{Dense, NdArray, NdArrayData, Sparse, check_dims};
use crate::{Limits, Struct};

/// What is wrong with the bytes at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Truncated,
    Varint,
    Key,
    Group,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Truncated => "the bytes end in the middle of a value",
            Fault::Varint => "a number has more than 64 bits",
            Fault::Key => "a field has no valid tag and wire type",
            Fault::Group => "a group of unknown fields is malformed",
        })
    }
}

/// Bytes of a frame. What is kept of them shares the frame; what is only read
/// costs nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    frame: &'a Bytes,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// The whole frame.
    pub(crate) fn of(frame: &'a Bytes) -> Self {
        Part {
            frame,
            bytes: frame,
        }
    }

    /// The bytes, to keep.
    fn share(self) -> Bytes {
        self.frame.slice_ref(self.bytes)
    }
}

/// One field's value as the wire has it.
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Len(Part<'a>),
    /// Fields between two keys: proto2's form, which no field of docarray has.
    Group,
}

/// Reads the fields of one message.
pub(crate) struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(part: Part<'a>) -> Self {
        Reader {
            frame: part.frame,
            rest: part.bytes,
        }
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        decode_varint(&mut self.rest).map_err(|_| {
            if self.rest.len() < 10 {
                Fault::Truncated
            } else {
                Fault::Varint
            }
        })
    }

    pub(crate) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let tag = u32::try_from(key >> 3).map_err(|_| Fault::Key)?;
        if tag == 0 {
            return Err(Fault::Key);
        }
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 if self.rest.len() >= 8 => Field::Fixed64(self.rest.get_u64_le()),
            5 if self.rest.len() >= 4 => Field::Fixed32(self.rest.get_u32_le()),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Fault::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Fault::Truncated)?;
                self.rest = rest;
                Field::Len(Part {
                    frame: self.frame,
                    bytes,
                })
            }
            1 | 5 => return Err(Fault::Truncated),
            3 => {
                skip_field(
                    WireType::StartGroup,
                    tag,
                    &mut self.rest,
                    DecodeContext::default(),
                )
                .map_err(|_| Fault::Group)?;
                Field::Group
            }
            _ => return Err(Fault::Key),
        };
        Ok(Some((tag, field)))
    }
}

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

    /// The document and field, as in `docs[3].chunks[0].tensor`. Of a place
    /// nested very deep only both ends are told.
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

/// What is left of the [`Limits`] while decoding.
struct Budget {
    documents: u64,
    scores: u64,
    limits: Limits,
}

/// Scores and evaluations of all documents of one message. An empty one takes 4
/// bytes of it and over 100 of memory.
const MAX_SCORES: u64 = 1_000_000;

fn part(field: Field<'_>) -> Result<Part<'_>> {
    match field {
        Field::Len(part) => Ok(part),
        _ => Err(DecodeError::new("the field has the wrong wire type")),
    }
}

fn string(field: Field<'_>) -> Result<ByteString> {
    /// Nearly every document has some of these: no frame is kept for them.
    const COMMON: [&str; 5] = ["", "<f4", "<f8", "numpy", "text/plain"];
    let part = part(field)?;
    if let Some(common) = COMMON.iter().find(|common| common.as_bytes() == part.bytes) {
        return Ok(ByteString::from_static(common));
    }
    ByteString::try_from(part.share()).map_err(|_| DecodeError::new("the string is not UTF-8"))
}

fn uint32(field: Field<'_>) -> Result<u32> {
    match field {
        // As protobuf has it: a number too large for the field loses its upper bits.
        Field::Varint(value) => Ok(value as u32),
        _ => Err(DecodeError::new("the field has the wrong wire type")),
    }
}

fn float(field: Field<'_>) -> Result<f32> {
    match field {
        Field::Fixed32(bits) => Ok(f32::from_bits(bits)),
        _ => Err(DecodeError::new("the field has the wrong wire type")),
    }
}

/// The dimensions of a shape, of which there are not more than an array may have.
fn dims(field: Field<'_>, shape: &mut Vec<u32>) -> Result<()> {
    match field {
        Field::Len(part) => {
            let mut packed = part.bytes;
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

fn floats(field: Field<'_>, out: &mut Vec<f32>) -> Result<()> {
    match field {
        Field::Len(packed) => {
            let values = packed.bytes.chunks_exact(4);
            if !values.remainder().is_empty() {
                return Err(DecodeError::new(
                    "packed floats whose length is no multiple of 4",
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

/// A message field that occurs twice stands for its occurrences merged, which
/// for the encoded form is one after the other.
#[derive(Default)]
struct Merging<'a> {
    first: Option<Part<'a>>,
    /// All of them, once there are several.
    all: Vec<u8>,
}

impl<'a> Merging<'a> {
    fn add(&mut self, more: Part<'a>) {
        match self.first {
            None => self.first = Some(more),
            Some(first) => {
                if self.all.is_empty() {
                    self.all.extend_from_slice(first.bytes);
                }
                self.all.extend_from_slice(more.bytes);
            }
        }
    }

    /// `None` where the field did not occur.
    fn end(self) -> Option<Merged<'a>> {
        let first = self.first?;
        Some(if self.all.is_empty() {
            Merged::One(first)
        } else {
            Merged::Many(self.all.into())
        })
    }
}

/// A message field with all its occurrences.
enum Merged<'a> {
    One(Part<'a>),
    Many(Bytes),
}

impl Merged<'_> {
    fn part(&self) -> Part<'_> {
        match self {
            Merged::One(part) => *part,
            Merged::Many(bytes) => Part::of(bytes),
        }
    }
}

/// The merged message, empty where the field did not occur.
fn whole<'a>(merged: &'a Option<Merged<'_>>) -> Part<'a> {
    static NOTHING: Bytes = Bytes::new();
    merged.as_ref().map_or(Part::of(&NOTHING), Merged::part)
}

fn structure(merging: Merging<'_>) -> Result<Option<Struct>> {
    merging
        .end()
        .map(|merged| Struct::decode(merged.part().share()).map_err(DecodeError::new))
        .transpose()
}

fn dense(part: Part<'_>) -> Result<Dense> {
    let (mut dtype, mut shape, mut buffer) = (ByteString::new(), Vec::new(), Bytes::new());
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => buffer = self::part(field).map_err(|e| e.at("buffer"))?.share(),
            2 => dims(field, &mut shape).map_err(|e| e.at("shape"))?,
            3 => dtype = string(field).map_err(|e| e.at("dtype"))?,
            _ => {}
        }
    }
    Dense::new(dtype, shape, buffer).map_err(DecodeError::new)
}

fn sparse(part: Part<'_>) -> Result<Sparse> {
    let (mut indices, mut values) = (Merging::default(), Merging::default());
    let mut shape = Vec::new();
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => indices.add(self::part(field)?),
            2 => values.add(self::part(field)?),
            3 => dims(field, &mut shape).map_err(|e| e.at("shape"))?,
            _ => {}
        }
    }
    Ok(Sparse {
        indices: dense(whole(&indices.end())).map_err(|e| e.at("indices"))?,
        values: dense(whole(&values.end())).map_err(|e| e.at("values"))?,
        shape,
    })
}

fn ndarray(part: Part<'_>) -> Result<NdArray> {
    enum Raw<'a> {
        None,
        Dense(Merging<'a>),
        Sparse(Merging<'a>),
    }
    let (mut raw, mut cls_name) = (Raw::None, ByteString::new());
    let mut parameters = Merging::default();
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            // A oneof: the last member counts, and is merged with itself alone.
            1 => {
                let mut merging = match raw {
                    Raw::Dense(merging) => merging,
                    _ => Merging::default(),
                };
                merging.add(self::part(field)?);
                raw = Raw::Dense(merging);
            }
            2 => {
                let mut merging = match raw {
                    Raw::Sparse(merging) => merging,
                    _ => Merging::default(),
                };
                merging.add(self::part(field)?);
                raw = Raw::Sparse(merging);
            }
            3 => cls_name = string(field).map_err(|e| e.at("cls_name"))?,
            4 => parameters.add(self::part(field)?),
            _ => {}
        }
    }
    let data = match raw {
        Raw::None => None,
        Raw::Dense(merging) => Some(NdArrayData::Dense(dense(whole(&merging.end()))?)),
        Raw::Sparse(merging) => Some(NdArrayData::Sparse(sparse(whole(&merging.end()))?)),
    };
    Ok(NdArray {
        data,
        cls_name,
        parameters: structure(parameters).map_err(|e| e.at("parameters"))?,
    })
}

fn named_score(part: Part<'_>) -> Result<NamedScore> {
    let mut score = NamedScore::default();
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => score.value = float(field)?,
            2 => score.op_name = string(field)?,
            3 => score.description = string(field)?,
            4 => score.ref_id = string(field)?,
            _ => {}
        }
    }
    Ok(score)
}

/// One entry of a `map<string, NamedScoreProto>`.
fn score(part: Part<'_>) -> Result<(ByteString, NamedScore)> {
    let (mut name, mut value) = (ByteString::new(), Merging::default());
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => name = string(field)?,
            2 => value.add(self::part(field)?),
            _ => {}
        }
    }
    let value = named_score(whole(&value.end())).map_err(|e| e.at(format_args!("{:?}", &*name)))?;
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

/// A oneof's member that a message type holds, until it is known to be the last.
enum RawContent<'a> {
    Ready(Content),
    Tensor(Merging<'a>),
}

fn document(part: Part<'_>, depth: u32, budget: &mut Budget) -> Result<Document> {
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
    let mut reader = Reader::new(part);
    while let Some((tag, field)) = reader.next()? {
        match tag {
            1 => doc.id = string(field).map_err(|e| e.at("id"))?,
            2 => {
                let blob = self::part(field).map_err(|e| e.at("blob"))?;
                content = RawContent::Ready(Content::Blob(blob.share()));
            }
            3 => {
                let mut merging = match content {
                    RawContent::Tensor(merging) => merging,
                    RawContent::Ready(_) => Merging::default(),
                };
                merging.add(self::part(field).map_err(|e| e.at("tensor"))?);
                content = RawContent::Tensor(merging);
            }
            4 => {
                let text = string(field).map_err(|e| e.at("text"))?;
                content = RawContent::Ready(Content::Text(text));
            }
            5 => doc.granularity = uint32(field).map_err(|e| e.at("granularity"))?,
            6 => doc.adjacency = uint32(field).map_err(|e| e.at("adjacency"))?,
            7 => doc.parent_id = string(field).map_err(|e| e.at("parent_id"))?,
            8 => doc.weight = float(field).map_err(|e| e.at("weight"))?,
            9 => doc.uri = string(field).map_err(|e| e.at("uri"))?,
            10 => doc.modality = string(field).map_err(|e| e.at("modality"))?,
            11 => doc.mime_type = string(field).map_err(|e| e.at("mime_type"))?,
            12 => doc.offset = float(field).map_err(|e| e.at("offset"))?,
            13 => floats(field, &mut doc.location).map_err(|e| e.at("location"))?,
            14 | 15 => {
                let (list, name) = match tag {
                    14 => (&mut chunks, "chunks"),
                    _ => (&mut matches, "matches"),
                };
                let nested = self::part(field)
                    .and_then(|part| document(part, depth + 1, budget))
                    .map_err(|e| e.at(format_args!("{name}[{}]", list.len())))?;
                list.push(Arc::new(nested));
            }
            16 => embedding.add(self::part(field).map_err(|e| e.at("embedding"))?),
            17 => tags.add(self::part(field).map_err(|e| e.at("tags"))?),
            18 | 19 => {
                let (scores, name) = match tag {
                    18 => (&mut doc.scores, "scores"),
                    _ => (&mut doc.evaluations, "evaluations"),
                };
                budget.scores = budget.scores.checked_sub(1).ok_or_else(|| {
                    DecodeError::new(format_args!(
                        "the message holds more than {MAX_SCORES} scores and evaluations"
                    ))
                    .at(name)
                })?;
                let entry = self::part(field).and_then(score).map_err(|e| e.at(name))?;
                scores.push(entry);
            }
            20 => metadata.add(self::part(field).map_err(|e| e.at("_metadata"))?),
            _ => {}
        }
    }
    doc.content = match content {
        RawContent::Ready(content) => content,
        RawContent::Tensor(merging) => {
            let tensor = ndarray(whole(&merging.end())).map_err(|e| e.at("tensor"))?;
            Content::Tensor(Arc::new(tensor))
        }
    };
    doc.embedding = embedding
        .end()
        .map(|merged| ndarray(merged.part()).map(Arc::new))
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

impl DocumentArray {
    /// Reads an encoded `docarray.DocumentArrayProto` (docarray v1), whose
    /// strings, blobs and buffers stay slices of `bytes`.
    ///
    /// # Errors
    /// When it is malformed, holds a string that is not UTF-8 or an array whose
    /// shape does not fit its bytes, or exceeds `limits` or a million scores and
    /// evaluations. The error names the document and field.
    pub fn decode_within(bytes: Bytes, limits: Limits) -> Result<Self, DecodeError> {
        let mut budget = Budget {
            documents: limits.documents,
            scores: MAX_SCORES,
            limits,
        };
        let mut docs = Vec::new();
        let mut reader = Reader::new(Part::of(&bytes));
        while let Some((tag, field)) = reader.next().map_err(|e| DecodeError::from(e).at("docs"))? {
            if tag == 1 {
                let doc = self::part(field)
                    .and_then(|part| document(part, 1, &mut budget))
                    .map_err(|e| e.at(format_args!("docs[{}]", docs.len())))?;
                docs.push(Arc::new(doc));
            }
        }
        Ok(DocumentArray::from(docs))
    }

    /// [`decode_within`](Self::decode_within) the default [`Limits`].
    ///
    /// # Errors
    /// The same.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        DocumentArray::decode_within(bytes, Limits::default())
    }

    /// Prepares the documents to be written as a `docarray.DocumentArrayProto`.
    pub fn encoding(&self) -> Encoding<'_> {
        let mut lens = Vec::with_capacity(usize::try_from(self.total()).unwrap_or(0));
        let len = documents_len(1, self, &mut lens);
        Encoding {
            docs: self,
            lens,
            len,
        }
    }
}

/// Documents about to be written. A nested message is written behind its length,
/// so that each length is found once, here, however deep its document lies.
#[derive(Debug)]
pub struct Encoding<'a> {
    docs: &'a DocumentArray,
    /// Of every document, in the order of writing.
    lens: Vec<usize>,
    len: usize,
}

impl Encoding<'_> {
    /// Bytes that [`write`](Self::write) writes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no documents, and so no bytes.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// Writes a `docarray.DocumentArrayProto`.
    pub fn write(&self, out: &mut impl BufMut) {
        put_documents(1, self.docs, &mut self.lens.iter(), out);
    }
}

// --- lengths and writing ---------------------------------------------------
//
// As proto3 has it, a scalar of its default value is not written; a message or
// a oneof's member is written when it is set, be it empty.

fn message_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn bytes_len(tag: u32, value: &[u8]) -> usize {
    if value.is_empty() {
        0
    } else {
        message_len(tag, value.len())
    }
}

fn uint32_len(tag: u32, value: u32) -> usize {
    if value == 0 {
        0
    } else {
        key_len(tag) + encoded_len_varint(u64::from(value))
    }
}

fn float_len(tag: u32, value: f32) -> usize {
    if value.to_bits() == 0 {
        0
    } else {
        key_len(tag) + 4
    }
}

fn uint32s_len(tag: u32, values: &[u32]) -> usize {
    if values.is_empty() {
        0
    } else {
        message_len(tag, varints_len(values))
    }
}

fn varints_len(values: &[u32]) -> usize {
    values
        .iter()
        .map(|value| encoded_len_varint(u64::from(*value)))
        .sum()
}

fn put_message(tag: u32, len: usize, out: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

fn put_set_bytes(tag: u32, value: &[u8], out: &mut impl BufMut) {
    put_message(tag, value.len(), out);
    out.put_slice(value);
}

fn put_bytes(tag: u32, value: &[u8], out: &mut impl BufMut) {
    if !value.is_empty() {
        put_set_bytes(tag, value, out);
    }
}

fn put_uint32(tag: u32, value: u32, out: &mut impl BufMut) {
    if value != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(u64::from(value), out);
    }
}

fn put_float(tag: u32, value: f32, out: &mut impl BufMut) {
    if value.to_bits() != 0 {
        encode_key(tag, WireType::ThirtyTwoBit, out);
        out.put_f32_le(value);
    }
}

fn put_uint32s(tag: u32, values: &[u32], out: &mut impl BufMut) {
    if !values.is_empty() {
        put_message(tag, varints_len(values), out);
        for value in values {
            encode_varint(u64::from(*value), out);
        }
    }
}

fn dense_len(dense: &Dense) -> usize {
    bytes_len(1, dense.buffer())
        + uint32s_len(2, dense.shape())
        + bytes_len(3, dense.dtype().as_bytes())
}

fn write_dense(dense: &Dense, out: &mut impl BufMut) {
    put_bytes(1, dense.buffer(), out);
    put_uint32s(2, dense.shape(), out);
    put_bytes(3, dense.dtype().as_bytes(), out);
}

fn sparse_len(sparse: &Sparse) -> usize {
    message_len(1, dense_len(&sparse.indices))
        + message_len(2, dense_len(&sparse.values))
        + uint32s_len(3, &sparse.shape)
}

fn ndarray_len(array: &NdArray) -> usize {
    let data = match &array.data {
        None => 0,
        Some(NdArrayData::Dense(dense)) => message_len(1, dense_len(dense)),
        Some(NdArrayData::Sparse(sparse)) => message_len(2, sparse_len(sparse)),
    };
    data + bytes_len(3, array.cls_name.as_bytes()) + struct_len(4, array.parameters.as_ref())
}

fn write_ndarray(array: &NdArray, out: &mut impl BufMut) {
    match &array.data {
        None => {}
        Some(NdArrayData::Dense(dense)) => {
            put_message(1, dense_len(dense), out);
            write_dense(dense, out);
        }
        Some(NdArrayData::Sparse(sparse)) => {
            put_message(2, sparse_len(sparse), out);
            put_message(1, dense_len(&sparse.indices), out);
            write_dense(&sparse.indices, out);
            put_message(2, dense_len(&sparse.values), out);
            write_dense(&sparse.values, out);
            put_uint32s(3, &sparse.shape, out);
        }
    }
    put_bytes(3, array.cls_name.as_bytes(), out);
    put_struct(4, array.parameters.as_ref(), out);
}

fn struct_len(tag: u32, value: Option<&Struct>) -> usize {
    value.map_or(0, |value| message_len(tag, value.as_bytes().len()))
}

fn put_struct(tag: u32, value: Option<&Struct>, out: &mut impl BufMut) {
    if let Some(value) = value {
        put_set_bytes(tag, value.as_bytes(), out);
    }
}

fn named_score_len(score: &NamedScore) -> usize {
    float_len(1, score.value)
        + bytes_len(2, score.op_name.as_bytes())
        + bytes_len(3, score.description.as_bytes())
        + bytes_len(4, score.ref_id.as_bytes())
}

fn score_entry_len(name: &str, score: &NamedScore) -> usize {
    bytes_len(1, name.as_bytes()) + message_len(2, named_score_len(score))
}

fn scores_len(tag: u32, scores: &Scores) -> usize {
    scores
        .iter()
        .map(|(name, score)| message_len(tag, score_entry_len(name, score)))
        .sum()
}

fn put_scores(tag: u32, scores: &Scores, out: &mut impl BufMut) {
    for (name, score) in scores {
        put_message(tag, score_entry_len(name, score), out);
        put_bytes(1, name.as_bytes(), out);
        put_message(2, named_score_len(score), out);
        put_float(1, score.value, out);
        put_bytes(2, score.op_name.as_bytes(), out);
        put_bytes(3, score.description.as_bytes(), out);
        put_bytes(4, score.ref_id.as_bytes(), out);
    }
}

/// Bytes of all documents as field `tag`. Notes the length of each in `lens`,
/// before those of the documents nested in it.
fn documents_len(tag: u32, docs: &DocumentArray, lens: &mut Vec<usize>) -> usize {
    docs.iter()
        .map(|doc| {
            let place = lens.len();
            lens.push(0);
            let len = document_len(doc, lens);
            if let Some(noted) = lens.get_mut(place) {
                *noted = len;
            }
            message_len(tag, len)
        })
        .sum()
}

/// Takes the lengths that [`documents_len`] noted.
fn put_documents(
    tag: u32,
    docs: &DocumentArray,
    lens: &mut std::slice::Iter<'_, usize>,
    out: &mut impl BufMut,
) {
    for doc in docs.iter() {
        // One was noted for each.
        let len = lens.next().copied().unwrap_or_default();
        put_message(tag, len, out);
        write_document(doc, lens, out);
    }
}

fn document_len(doc: &Document, lens: &mut Vec<usize>) -> usize {
    let content = match &doc.content {
        Content::None => 0,
        Content::Blob(blob) => message_len(2, blob.len()),
        Content::Tensor(tensor) => message_len(3, ndarray_len(tensor)),
        Content::Text(text) => message_len(4, text.len()),
    };
    let location = match doc.location.len() {
        0 => 0,
        count => message_len(13, count * 4),
    };
    // In the order of writing.
    let nested = documents_len(14, &doc.chunks, lens) + documents_len(15, &doc.matches, lens);
    content
        + location
        + bytes_len(1, doc.id.as_bytes())
        + uint32_len(5, doc.granularity)
        + uint32_len(6, doc.adjacency)
        + bytes_len(7, doc.parent_id.as_bytes())
        + float_len(8, doc.weight)
        + bytes_len(9, doc.uri.as_bytes())
        + bytes_len(10, doc.modality.as_bytes())
        + bytes_len(11, doc.mime_type.as_bytes())
        + float_len(12, doc.offset)
        + nested
        + doc
            .embedding
            .as_ref()
            .map_or(0, |array| message_len(16, ndarray_len(array)))
        + struct_len(17, doc.tags.as_ref())
        + scores_len(18, &doc.scores)
        + scores_len(19, &doc.evaluations)
        + struct_len(20, doc.metadata.as_ref())
}

fn write_document(doc: &Document, lens: &mut std::slice::Iter<'_, usize>, out: &mut impl BufMut) {
    put_bytes(1, doc.id.as_bytes(), out);
    match &doc.content {
        Content::None => {}
        Content::Blob(blob) => put_set_bytes(2, blob, out),
        Content::Tensor(tensor) => {
            put_message(3, ndarray_len(tensor), out);
            write_ndarray(tensor, out);
        }
        Content::Text(text) => put_set_bytes(4, text.as_bytes(), out),
    }
    put_uint32(5, doc.granularity, out);
    put_uint32(6, doc.adjacency, out);
    put_bytes(7, doc.parent_id.as_bytes(), out);
    put_float(8, doc.weight, out);
    put_bytes(9, doc.uri.as_bytes(), out);
    put_bytes(10, doc.modality.as_bytes(), out);
    put_bytes(11, doc.mime_type.as_bytes(), out);
    put_float(12, doc.offset, out);
    if !doc.location.is_empty() {
        put_message(13, doc.location.len() * 4, out);
        for value in &doc.location {
            out.put_f32_le(*value);
        }
    }
    put_documents(14, &doc.chunks, lens, out);
    put_documents(15, &doc.matches, lens, out);
    if let Some(array) = &doc.embedding {
        put_message(16, ndarray_len(array), out);
        write_ndarray(array, out);
    }
    put_struct(17, doc.tags.as_ref(), out);
    put_scores(18, &doc.scores, out);
    put_scores(19, &doc.evaluations, out);
    put_struct(20, doc.metadata.as_ref(), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    /// The encoded documents inside the golden messages: field 4 (`data`) of
    /// the message, field 1 (`docs`) of that.
    fn golden_docs(message: &'static [u8]) -> Bytes {
        let mut docs = Bytes::new();
        let message = Bytes::from_static(message);
        let mut reader = Reader::new(Part::of(&message));
        while let Some((tag, field)) = reader.next().unwrap() {
            if tag == 4 {
                let mut data = Reader::new(part(field).unwrap());
                while let Some((tag, field)) = data.next().unwrap() {
                    if tag == 1 {
                        docs = part(field).unwrap().share();
                    }
                }
            }
        }
        docs
    }

    fn encode(docs: &DocumentArray) -> Bytes {
        let mut out = BytesMut::new();
        let encoding = docs.encoding();
        encoding.write(&mut out);
        assert_eq!(out.len(), encoding.len());
        out.freeze()
    }

    #[test]
    fn the_golden_documents_are_written_as_the_python_library_writes_them() {
        for message in [
            &include_bytes!("../testdata/golden_request.bin")[..],
            &include_bytes!("../testdata/golden_response.bin")[..],
        ] {
            let wire = golden_docs(message);
            let docs = DocumentArray::decode(wire.clone()).unwrap();
            assert_eq!(docs.len(), 1);
            assert_eq!(docs.total(), 3);
            assert_eq!(docs.depth(), 2);
            assert_eq!(encode(&docs), wire);
        }
    }

    #[test]
    fn bytes_are_slices_of_the_frame() {
        let docs: DocumentArray = [Document {
            content: Content::Blob(Bytes::from(vec![7; 1000])),
            ..Document::default()
        }]
        .into_iter()
        .collect();
        let frame = encode(&docs);
        let decoded = DocumentArray::decode(frame.clone()).unwrap();
        let Content::Blob(blob) = &decoded.get(0).unwrap().content else {
            panic!("a blob went in")
        };
        assert!(frame.as_ptr_range().contains(&blob.as_ptr()));
    }

    #[test]
    fn errors_name_document_and_field() {
        fn message(tag: u8, body: &[u8]) -> Vec<u8> {
            [&[tag << 3 | 2, body.len() as u8], body].concat()
        }
        let dense = [message(2, &[2]), message(3, b"<f4")].concat();
        let chunk = message(14, &message(3, &message(1, &dense)));
        let wire = message(1, &[message(14, &[]), chunk].concat());
        let error = DocumentArray::decode(wire.into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docs[0].chunks[1].tensor: shape [2] of dtype <f4 needs 8 bytes, but there are 0"
        );
    }

    #[test]
    fn nesting_and_number_are_bounded() {
        let mut doc = Document::default();
        for _ in 0..200 {
            doc = Document {
                chunks: [doc].into_iter().collect(),
                ..Document::default()
            };
        }
        let wire = encode(&[doc].into_iter().collect());
        let error = DocumentArray::decode(wire).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docs[0].chunks[0].chunks[0].chunks[0].….chunks[0].chunks[0].chunks[0].chunks[0]: \
             documents are nested deeper than 64 levels"
        );

        let wire: Vec<u8> = [0x0a, 0].repeat(11);
        let limits = Limits {
            documents: 10,
            depth: 1,
        };
        let error = DocumentArray::decode_within(wire.into(), limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docs[10]: the request holds more than 10 documents, chunks and matches included"
        );
    }

    #[test]
    fn a_repeated_message_field_is_merged_and_a_oneof_keeps_the_last() {
        // tags {a: true} then tags {b: true}
        let tag = |key: u8| [0x8a, 1, 9, 0x0a, 7, 0x0a, 1, key, 0x12, 2, 0x20, 1];
        let body: Vec<u8> = [
            &tag(b'a')[..],
            &tag(b'b')[..],
            // text "x", then blob "y"
            &[0x22, 1, b'x', 0x12, 1, b'y'],
        ]
        .concat();
        let wire = [&[0x0a, body.len() as u8], &body[..]].concat();
        let docs = DocumentArray::decode(wire.into()).unwrap();
        let doc = docs.get(0).unwrap();
        assert_eq!(
            doc.tags.as_ref().unwrap().to_json(),
            r#"{"a":true,"b":true}"#
        );
        assert_eq!(doc.content, Content::Blob(Bytes::from_static(b"y")));
    }

    /// Quadratic in either of these, the test would run for an hour.
    #[test]
    fn what_a_hostile_message_repeats_is_read_in_one_pass() {
        const MANY: usize = 500_000;
        let tags = Struct::from_json(&format!(r#"{{"a":"{}"}}"#, "x".repeat(8 << 20))).unwrap();
        let mut doc = Vec::new();
        put_struct(17, Some(&tags), &mut doc);
        for _ in 0..MANY {
            put_set_bytes(17, b"", &mut doc);
        }
        for name in 0..MANY {
            let mut entry = Vec::new();
            put_bytes(1, name.to_string().as_bytes(), &mut entry);
            put_set_bytes(18, &entry, &mut doc);
        }
        let mut wire = Vec::new();
        put_set_bytes(1, &doc, &mut wire);
        let docs = DocumentArray::decode(wire.into()).unwrap();
        assert_eq!(docs.get(0).unwrap().tags, Some(tags));
    }

    #[test]
    fn scores_are_a_map_and_their_number_is_bounded() {
        let entry = |name: &str, value: f32| {
            let mut score = Vec::new();
            put_float(1, value, &mut score);
            let mut entry = Vec::new();
            put_bytes(1, name.as_bytes(), &mut entry);
            put_set_bytes(2, &score, &mut entry);
            let mut out = Vec::new();
            put_set_bytes(18, &entry, &mut out);
            out
        };
        let decode = |doc: &[u8]| {
            let mut wire = Vec::new();
            put_set_bytes(1, doc, &mut wire);
            DocumentArray::decode(wire.into())
        };
        let doc = [entry("a", 1.0), entry("b", 2.0), entry("a", 3.0)].concat();
        let docs = decode(&doc).unwrap();
        let scores = docs.get(0).unwrap().scores.iter();
        let scores: Vec<_> = scores.map(|(name, score)| (&**name, score.value)).collect();
        assert_eq!(scores, [("a", 3.0), ("b", 2.0)]);

        let mut empty = Vec::new();
        put_set_bytes(19, b"", &mut empty);
        let error = decode(&empty.repeat(1_000_001)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docs[0].evaluations: the message holds more than 1000000 scores and evaluations"
        );
    }

    #[test]
    fn dimensions_are_bounded() {
        let mut dense = Vec::new();
        put_set_bytes(2, &[1; 65], &mut dense);
        put_bytes(3, b"|O", &mut dense);
        let mut tensor = Vec::new();
        put_set_bytes(1, &dense, &mut tensor);
        let mut doc = Vec::new();
        put_set_bytes(3, &tensor, &mut doc);
        let mut wire = Vec::new();
        put_set_bytes(1, &doc, &mut wire);
        assert_eq!(
            DocumentArray::decode(wire.into()).unwrap_err().to_string(),
            "docs[0].tensor.shape: a shape has more than 64 dimensions"
        );
    }

    #[test]
    fn unknown_fields_are_skipped_groups_too() {
        // Field 30 as a varint, field 31 as a group that holds another.
        let unknown = [0xf0, 1, 7, 0xfb, 1, 0x0b, 0x08, 1, 0x0c, 0xfc, 1];
        let mut doc = unknown.to_vec();
        put_bytes(1, b"id", &mut doc);
        let mut wire = Vec::new();
        put_set_bytes(1, &doc, &mut wire);
        let docs = DocumentArray::decode(wire.into()).unwrap();
        assert_eq!(docs.get(0).unwrap().id, "id");
        let error = DocumentArray::decode(Bytes::from_static(&[0x0a, 2, 0xfb, 1])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docs[0]: a group of unknown fields is malformed"
        );
    }

    #[test]
    fn lengths_are_those_of_their_documents_at_every_depth() {
        fn tree(depth: usize) -> DocumentArray {
            (0..3)
                .map(|index| Document {
                    id: "i".repeat(depth * 100 + index).into(),
                    chunks: if depth > 0 && index != 1 {
                        tree(depth - 1)
                    } else {
                        DocumentArray::new()
                    },
                    matches: if depth > 0 && index != 0 {
                        tree(depth - 1)
                    } else {
                        DocumentArray::new()
                    },
                    ..Document::default()
                })
                .collect()
        }
        let docs = tree(4);
        assert_eq!(DocumentArray::decode(encode(&docs)).unwrap(), docs);
    }
}
