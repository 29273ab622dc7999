//! The field numbers of `docarray.proto` and `google/protobuf/struct.proto`,
//! each written down once.

/// `docarray.DocumentArrayProto`
pub(crate) mod document_array {
    pub(crate) const DOCS: u32 = 1;
}

/// `docarray.DocumentProto`
pub(crate) mod document {
    pub(crate) const ID: u32 = 1;
    pub(crate) const BLOB: u32 = 2;
    pub(crate) const TENSOR: u32 = 3;
    pub(crate) const TEXT: u32 = 4;
    pub(crate) const GRANULARITY: u32 = 5;
    pub(crate) const ADJACENCY: u32 = 6;
    pub(crate) const PARENT_ID: u32 = 7;
    pub(crate) const WEIGHT: u32 = 8;
    pub(crate) const URI: u32 = 9;
    pub(crate) const MODALITY: u32 = 10;
    pub(crate) const MIME_TYPE: u32 = 11;
    pub(crate) const OFFSET: u32 = 12;
    pub(crate) const LOCATION: u32 = 13;
    pub(crate) const CHUNKS: u32 = 14;
    pub(crate) const MATCHES: u32 = 15;
    pub(crate) const EMBEDDING: u32 = 16;
    pub(crate) const TAGS: u32 = 17;
    pub(crate) const SCORES: u32 = 18;
    pub(crate) const EVALUATIONS: u32 = 19;
    pub(crate) const METADATA: u32 = 20;
}

/// `docarray.NdArrayProto`
pub(crate) mod ndarray {
    pub(crate) const DENSE: u32 = 1;
    pub(crate) const SPARSE: u32 = 2;
    pub(crate) const CLS_NAME: u32 = 3;
    pub(crate) const PARAMETERS: u32 = 4;
}

/// `docarray.DenseNdArrayProto`
pub(crate) mod dense {
    pub(crate) const BUFFER: u32 = 1;
    pub(crate) const SHAPE: u32 = 2;
    pub(crate) const DTYPE: u32 = 3;
}

/// `docarray.SparseNdArrayProto`
pub(crate) mod sparse {
    pub(crate) const INDICES: u32 = 1;
    pub(crate) const VALUES: u32 = 2;
    pub(crate) const SHAPE: u32 = 3;
}

/// `docarray.NamedScoreProto`
pub(crate) mod named_score {
    pub(crate) const VALUE: u32 = 1;
    pub(crate) const OP_NAME: u32 = 2;
    pub(crate) const DESCRIPTION: u32 = 3;
    pub(crate) const REF_ID: u32 = 4;
}

/// An entry of any map, as protobuf encodes it.
pub(crate) mod entry {
    pub(crate) const KEY: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
}

/// `google.protobuf.Struct`
pub(crate) mod structure {
    pub(crate) const FIELDS: u32 = 1;
}

/// `google.protobuf.Value`
pub(crate) mod value {
    pub(crate) const NULL: u32 = 1;
    pub(crate) const NUMBER: u32 = 2;
    pub(crate) const STRING: u32 = 3;
    pub(crate) const BOOL: u32 = 4;
    pub(crate) const STRUCT: u32 = 5;
    pub(crate) const LIST: u32 = 6;
}

/// `google.protobuf.ListValue`
pub(crate) mod list {
    pub(crate) const VALUES: u32 = 1;
}
