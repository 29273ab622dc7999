//! The requests that are sent.

use bytes::Bytes;
use prost::Message as _;
use wasm_flow_document::DocumentArray;

use crate::native::docarray::document_proto::Content;
use crate::native::docarray::nd_array_proto::Content as Array;
use crate::native::docarray::{DenseNdArrayProto, DocumentArrayProto, DocumentProto, NdArrayProto};
use crate::native::jina::data_request_proto::DataContentProto;
use crate::native::jina::data_request_proto::data_content_proto::Documents;
use crate::native::jina::{DataRequestProto, HeaderProto};

/// Numbers of an embedding.
const DIMENSION: u32 = 768;

/// 100 bytes, of which two letters are not ASCII.
const TEXT: &str = "a cat of the neighbours has slept on the façade of our house all day, \
                    and the dog did not like it à";

/// What a request holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) documents: usize,
    pub(crate) embedding: bool,
}

impl Workload {
    /// Every one that is measured.
    pub(crate) const ALL: [Workload; 4] = [
        Workload {
            documents: 1,
            embedding: false,
        },
        Workload {
            documents: 1,
            embedding: true,
        },
        Workload {
            documents: 100,
            embedding: false,
        },
        Workload {
            documents: 100,
            embedding: true,
        },
    ];

    /// For the command line.
    pub(crate) fn name(self) -> String {
        let embedding = if self.embedding { "+embedding" } else { "" };
        format!("{}{embedding}", self.documents)
    }

    /// For a table's column.
    pub(crate) fn embedding_name(self) -> String {
        match self.embedding {
            true => format!("{DIMENSION} floats"),
            false => "none".to_owned(),
        }
    }

    /// As the Python client sends it: an id, a text with its media type, maybe
    /// an embedding.
    pub(crate) fn request(self, endpoint: &str) -> DataRequestProto {
        let docs = (0..self.documents)
            .map(|index| DocumentProto {
                id: format!("{index:032x}"),
                mime_type: "text/plain".to_owned(),
                content: Some(Content::Text(TEXT.to_owned())),
                embedding: self.embedding.then(|| embedding(index)),
                ..DocumentProto::default()
            })
            .collect();
        DataRequestProto {
            header: Some(HeaderProto {
                request_id: format!("{:032x}", 1),
                exec_endpoint: Some(endpoint.to_owned()),
                target_executor: Some(String::new()),
                ..HeaderProto::default()
            }),
            data: Some(DataContentProto {
                documents: Some(Documents::Docs(DocumentArrayProto { docs })),
            }),
            ..DataRequestProto::default()
        }
    }

    /// The same as it goes over the wire.
    pub(crate) fn frame(self, endpoint: &str) -> Bytes {
        self.request(endpoint).encode_to_vec().into()
    }

    /// The documents alone, encoded.
    pub(crate) fn encoded_docs(self) -> Bytes {
        match self.request("").data.and_then(|data| data.documents) {
            Some(Documents::Docs(docs)) => docs.encode_to_vec().into(),
            _ => Bytes::new(),
        }
    }

    /// The documents as the host holds them.
    pub(crate) fn docs(self) -> DocumentArray {
        DocumentArray::decode(self.encoded_docs()).expect("documents that were encoded just now")
    }
}

fn embedding(seed: usize) -> NdArrayProto {
    let buffer = (0..DIMENSION)
        .flat_map(|index| ((seed as f32) + (index as f32) / 7.0).sin().to_le_bytes())
        .collect();
    NdArrayProto {
        content: Some(Array::Dense(DenseNdArrayProto {
            buffer,
            shape: vec![DIMENSION],
            dtype: "<f4".to_owned(),
        })),
        cls_name: "numpy".to_owned(),
        ..NdArrayProto::default()
    }
}
