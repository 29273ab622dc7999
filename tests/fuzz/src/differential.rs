use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use wasm_flow_document::protobuf::{Field, Reader, Slice};
use wasm_flow_document::{
    Content, DecodeError, Dense, Document, DocumentArray, NdArray, NdArrayData, Scores, Struct,
};

use crate::proto::docarray::{
    DenseNdArrayProto, DocumentArrayProto, DocumentProto, NamedScoreProto, NdArrayProto,
    SparseNdArrayProto, document_proto, nd_array_proto,
};
use crate::stray::Kind;
use crate::structs::too_deep_for_prost;

/// Compares our decoder and encoder of documents with prost's.
///
/// The first byte says what is done with the others. If it is even they are a
/// message as they are. If it is odd they are choices: documents are made of them,
/// prost encodes these, and then fields are moved, repeated, cut, and joined by
/// unknown ones.
///
/// Ours may take only what prost takes, and then it is the same documents, field
/// by field. What prost takes, ours takes too, but for the limits that are its
/// own: see `REFUSED`. Prost must read the same from what ours writes.
///
/// Two differences are allowed. Prost takes an entry of a map for one whatever its
/// wire type is; ours refuses it. And prost counts unknown groups in its bound of 100
/// messages, one in another, together with the messages around them. It refuses
/// some messages for that which ours takes.
pub fn differential(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    if first % 2 == 0 {
        agree(Bytes::copy_from_slice(rest));
    } else if let Ok(wire) = made(&mut Unstructured::new(rest)) {
        agree(wire.into());
    }
}

/// What ours says when it refuses documents that are well-formed protobuf: too
/// many, too deep, or an array that is not what it claims to be.
const REFUSED: [&str; 9] = [
    "documents are nested deeper than",
    "values are nested deeper than",
    "the request holds more than",
    "the message holds more than",
    "it holds more than",
    "in messages with repeated fields",
    "a shape has more than 64 dimensions",
    "has more elements than a 64-bit number can count",
    " bytes, but there are ",
];

fn refused(error: &DecodeError) -> bool {
    REFUSED.iter().any(|words| error.reason().contains(words))
}

pub(crate) fn agree(wire: Bytes) {
    let ours = DocumentArray::decode(wire.clone());
    let theirs = DocumentArrayProto::decode(&wire[..]);
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) => return,
        (Ok(_), Err(error)) if too_deep_for_prost(&error) => return,
        (Err(error), Ok(_)) if refused(&error) => return,
        (Err(_), Ok(_)) if Kind::Documents.has_stray_entry(&wire) => return,
        (Ok(_), Err(error)) => panic!("ours takes what prost refuses: {error}"),
        (Err(error), Ok(_)) => panic!("ours refuses what prost takes: {error}"),
    };
    let theirs = printed(theirs);
    assert_eq!(format!("{:?}", message(&ours)), theirs);
    let written = crate::encode(&ours);
    match DocumentArrayProto::decode(&written[..]) {
        Ok(read) => assert_eq!(printed(read), theirs),
        Err(error) => panic!("prost does not read what ours writes: {error}"),
    }
}

/// Prost's documents to compare: NaN is not equal to itself, but prints alike. A
/// sparse array without indices or values is for ours one whose are empty.
pub(crate) fn printed(mut docs: DocumentArrayProto) -> String {
    fn whole(array: &mut NdArrayProto) {
        if let Some(nd_array_proto::Content::Sparse(sparse)) = &mut array.content {
            sparse.indices.get_or_insert_default();
            sparse.values.get_or_insert_default();
        }
    }
    fn all(docs: &mut [DocumentProto]) {
        for doc in docs {
            if let Some(document_proto::Content::Tensor(tensor)) = &mut doc.content {
                whole(tensor);
            }
            doc.embedding.iter_mut().for_each(whole);
            all(&mut doc.chunks);
            all(&mut doc.matches);
        }
    }
    all(&mut docs.docs);
    format!("{docs:?}")
}

// --- ours as prost's -------------------------------------------------------

fn message(docs: &DocumentArray) -> DocumentArrayProto {
    DocumentArrayProto {
        docs: docs.iter().map(document).collect(),
    }
}

fn document(doc: &Document) -> DocumentProto {
    let content = match &doc.content {
        Content::None => None,
        Content::Blob(blob) => Some(document_proto::Content::Blob(blob.to_vec())),
        Content::Tensor(tensor) => Some(document_proto::Content::Tensor(array(tensor))),
        Content::Text(text) => Some(document_proto::Content::Text(text.to_string())),
    };
    DocumentProto {
        id: doc.id.to_string(),
        granularity: doc.granularity,
        adjacency: doc.adjacency,
        parent_id: doc.parent_id.to_string(),
        weight: doc.weight,
        uri: doc.uri.to_string(),
        modality: doc.modality.to_string(),
        mime_type: doc.mime_type.to_string(),
        offset: doc.offset,
        location: doc.location.clone(),
        chunks: doc.chunks.iter().map(document).collect(),
        matches: doc.matches.iter().map(document).collect(),
        embedding: doc.embedding.as_deref().map(array),
        tags: structure(doc.tags.as_ref()),
        scores: scores(&doc.scores),
        evaluations: scores(&doc.evaluations),
        metadata: structure(doc.metadata.as_ref()),
        content,
    }
}

fn structure(value: Option<&Struct>) -> Option<prost_types::Struct> {
    value.map(|value| prost_types::Struct::decode(&value.as_bytes()[..]).unwrap())
}

fn array(array: &NdArray) -> NdArrayProto {
    let content = match &array.data {
        None => None,
        Some(NdArrayData::Dense(data)) => Some(nd_array_proto::Content::Dense(dense(data))),
        Some(NdArrayData::Sparse(data)) => {
            Some(nd_array_proto::Content::Sparse(SparseNdArrayProto {
                indices: part(&data.indices),
                values: part(&data.values),
                shape: data.shape.clone(),
            }))
        }
    };
    NdArrayProto {
        content,
        cls_name: array.cls_name.to_string(),
        parameters: structure(array.parameters.as_ref()),
    }
}

fn dense(dense: &Dense) -> DenseNdArrayProto {
    DenseNdArrayProto {
        buffer: dense.buffer().to_vec(),
        shape: dense.shape().to_vec(),
        dtype: dense.dtype().to_string(),
    }
}

fn part(part: &Dense) -> Option<DenseNdArrayProto> {
    Some(dense(part))
}

fn scores(scores: &Scores) -> std::collections::BTreeMap<String, NamedScoreProto> {
    scores
        .iter()
        .map(|(name, score)| {
            let score = NamedScoreProto {
                value: score.value,
                op_name: score.op_name.to_string(),
                description: score.description.to_string(),
                ref_id: score.ref_id.to_string(),
            };
            (name.to_string(), score)
        })
        .collect()
}

// --- documents that are made up --------------------------------------------

fn made(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let docs = DocumentArrayProto {
        docs: list(u, 3, |u| any_document(u, 3))?,
    };
    let wire = docs.encode_to_vec();
    scramble(u, wire, 6)
}

fn list<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut item: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let len = u.int_in_range(0..=most)?;
    (0..len).map(|_| item(u)).collect()
}

fn maybe<T>(
    u: &mut Unstructured<'_>,
    item: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    u.arbitrary::<bool>()?.then(|| item(u)).transpose()
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    const COMMON: [&str; 4] = ["", "text/plain", "é🎉", "numpy"];
    match u.arbitrary::<bool>()? {
        true => Ok(u.choose(&COMMON)?.to_string()),
        false => u.arbitrary(),
    }
}

fn any_document(u: &mut Unstructured<'_>, depth: u32) -> Result<DocumentProto> {
    let nested = |u: &mut Unstructured<'_>| match depth.checked_sub(1) {
        Some(depth) => list(u, 2, |u| any_document(u, depth)),
        None => Ok(Vec::new()),
    };
    let (chunks, matches) = (nested(u)?, nested(u)?);
    let content = match u.int_in_range(0..=3)? {
        0 => None,
        1 => Some(document_proto::Content::Blob(u.arbitrary()?)),
        2 => Some(document_proto::Content::Text(text(u)?)),
        _ => Some(document_proto::Content::Tensor(any_array(u)?)),
    };
    Ok(DocumentProto {
        id: text(u)?,
        granularity: u.arbitrary()?,
        adjacency: u.arbitrary()?,
        parent_id: text(u)?,
        weight: u.arbitrary()?,
        uri: text(u)?,
        modality: text(u)?,
        mime_type: text(u)?,
        offset: u.arbitrary()?,
        location: list(u, 3, |u| u.arbitrary())?,
        chunks,
        matches,
        embedding: maybe(u, any_array)?,
        tags: maybe(u, |u| any_struct(u, 3))?,
        scores: any_scores(u)?,
        evaluations: any_scores(u)?,
        metadata: maybe(u, |u| any_struct(u, 3))?,
        content,
    })
}

fn any_scores(
    u: &mut Unstructured<'_>,
) -> Result<std::collections::BTreeMap<String, NamedScoreProto>> {
    let scores = list(u, 3, |u| {
        let score = NamedScoreProto {
            value: u.arbitrary()?,
            op_name: text(u)?,
            description: text(u)?,
            ref_id: text(u)?,
        };
        Ok((text(u)?, score))
    })?;
    Ok(scores.into_iter().collect())
}

fn any_array(u: &mut Unstructured<'_>) -> Result<NdArrayProto> {
    let content = match u.int_in_range(0..=2)? {
        0 => None,
        1 => Some(nd_array_proto::Content::Dense(any_dense(u)?)),
        _ => Some(nd_array_proto::Content::Sparse(SparseNdArrayProto {
            indices: maybe(u, any_dense)?,
            values: maybe(u, any_dense)?,
            shape: list(u, 3, |u| u.arbitrary())?,
        })),
    };
    Ok(NdArrayProto {
        content,
        cls_name: text(u)?,
        parameters: maybe(u, |u| any_struct(u, 2))?,
    })
}

fn any_dense(u: &mut Unstructured<'_>) -> Result<DenseNdArrayProto> {
    const DTYPES: [(&str, usize); 5] = [("<f4", 4), ("<i8", 8), ("|u1", 1), ("<U2", 8), ("|O", 0)];
    let (dtype, size) = *u.choose(&DTYPES)?;
    let shape = list(u, 3, |u| u.int_in_range(0..=3u32))?;
    let count: usize = shape.iter().map(|dim| *dim as usize).product();
    // One byte more, now and then: ours checks that.
    let len = count * size + usize::from(u.ratio(1, 16)?);
    Ok(DenseNdArrayProto {
        buffer: (0..len).map(|byte| byte as u8).collect(),
        shape,
        dtype: dtype.to_owned(),
    })
}

fn any_struct(u: &mut Unstructured<'_>, depth: u32) -> Result<prost_types::Struct> {
    let fields = list(u, 3, |u| Ok((text(u)?, any_value(u, depth)?)))?;
    Ok(prost_types::Struct {
        fields: fields.into_iter().collect(),
    })
}

fn any_value(u: &mut Unstructured<'_>, depth: u32) -> Result<prost_types::Value> {
    use prost_types::value::Kind as Member;
    let most = if depth == 0 { 4 } else { 6 };
    let kind = match u.int_in_range(0..=most)? {
        0 => None,
        1 => Some(Member::NullValue(0)),
        2 => Some(Member::NumberValue(u.arbitrary()?)),
        3 => Some(Member::StringValue(text(u)?)),
        4 => Some(Member::BoolValue(u.arbitrary()?)),
        5 => Some(Member::StructValue(any_struct(u, depth - 1)?)),
        _ => Some(Member::ListValue(prost_types::ListValue {
            values: list(u, 3, |u| any_value(u, depth - 1))?,
        })),
    };
    Ok(prost_types::Value { kind })
}

// --- other encodings of the same, or of something near ---------------------

/// Changes the fields of a message, and of those that may be messages in it.
pub(crate) fn scramble(u: &mut Unstructured<'_>, message: Vec<u8>, depth: u32) -> Result<Vec<u8>> {
    if u.is_empty() || u.ratio(1, 3)? {
        return Ok(message);
    }
    let frame = Bytes::from(message);
    let mut fields = Vec::new();
    let mut reader = Reader::new(Slice::of(&frame));
    while let Ok(Some((number, field, encoded))) = reader.field_encoded() {
        let mut field_bytes = encoded.bytes().to_vec();
        if let (Field::Len(inner), Some(depth)) = (field, depth.checked_sub(1)) {
            let inner = scramble(u, inner.bytes().to_vec(), depth)?;
            field_bytes.clear();
            encode_key(number, WireType::LengthDelimited, &mut field_bytes);
            encode_varint(inner.len() as u64, &mut field_bytes);
            field_bytes.extend(inner);
        }
        fields.push(field_bytes);
    }
    for _ in 0..u.int_in_range(0..=3)? {
        let places = fields.len();
        let place = |u: &mut Unstructured<'_>| u.int_in_range(0..=places.saturating_sub(1));
        match u.int_in_range(0..=5)? {
            _ if places == 0 => fields.push(unknown(u)?),
            0 => {
                let (one, other) = (place(u)?, place(u)?);
                fields.swap(one, other);
            }
            1 => {
                let again = fields[place(u)?].clone();
                let at = place(u)?;
                fields.insert(at, again);
            }
            2 => drop(fields.remove(place(u)?)),
            3 => {
                let at = place(u)?;
                fields.insert(at, unknown(u)?);
            }
            4 => {
                // One number or length other than it was.
                let field = &mut fields[place(u)?];
                let byte = u.int_in_range(0..=field.len().saturating_sub(1))?;
                if let Some(byte) = field.get_mut(byte) {
                    *byte = u.arbitrary()?;
                }
            }
            _ => {
                let field = &mut fields[place(u)?];
                let len = u.int_in_range(0..=field.len())?;
                field.truncate(len);
            }
        }
    }
    Ok(fields.concat())
}

/// A field of any number and wire type.
fn unknown(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let number = u.int_in_range(1..=40)?;
    let mut out = Vec::new();
    match u.int_in_range(0..=4)? {
        0 => {
            encode_key(number, WireType::Varint, &mut out);
            encode_varint(u.arbitrary()?, &mut out);
        }
        1 => {
            encode_key(number, WireType::SixtyFourBit, &mut out);
            out.extend(u.arbitrary::<[u8; 8]>()?);
        }
        2 => {
            encode_key(number, WireType::ThirtyTwoBit, &mut out);
            out.extend(u.arbitrary::<[u8; 4]>()?);
        }
        3 => {
            let bytes: Vec<u8> = u.arbitrary()?;
            encode_key(number, WireType::LengthDelimited, &mut out);
            encode_varint(bytes.len() as u64, &mut out);
            out.extend(bytes);
        }
        _ => {
            encode_key(number, WireType::StartGroup, &mut out);
            out.extend(unknown(u)?);
            encode_key(number, WireType::EndGroup, &mut out);
        }
    }
    Ok(out)
}
