//! n-dimensional arrays: a dtype, a shape and the bytes, not the numbers.

use bytes::Bytes;
use bytestring::ByteString;

use crate::Struct;
use crate::bounds::DIMENSIONS;
use crate::shown::cut;

/// Why bytes are not the array that they claim to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The shape, in elements of this dtype, needs another number of bytes.
    #[error("shape {shape:?} of dtype {dtype} needs {needed} bytes, but there are {actual}")]
    Mismatch {
        /// The dtype, as numpy spells it. Cut if it is long.
        dtype: String,
        /// The shape as given.
        shape: Vec<u32>,
        /// Bytes that the shape needs.
        needed: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// There are more dimensions than numpy supports.
    #[error("a shape has more than {DIMENSIONS} dimensions")]
    TooManyDimensions,
    /// The number of elements does not fit in 64 bits.
    #[error("shape {shape:?} has more elements than a 64-bit number can count")]
    Overflow {
        /// The shape as given.
        shape: Vec<u32>,
    },
}

pub(crate) fn check_dims(shape: &[u32]) -> Result<(), ShapeError> {
    match shape.len() {
        0..=DIMENSIONS => Ok(()),
        _ => Err(ShapeError::TooManyDimensions),
    }
}

/// A dense array in row-major order, whose shape fits its bytes.
///
/// A dtype whose element size is not known (see [`item_size`]) is carried
/// through unchecked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dense {
    dtype: ByteString,
    shape: Vec<u32>,
    buffer: Bytes,
}

impl Dense {
    /// An array of `shape` elements of `dtype`, which is numpy's spelling with
    /// byte order: `<f4`, `<i8`, `|u1`.
    ///
    /// # Errors
    /// If the shape needs another number of bytes than `buffer` has, or has more
    /// than 64 dimensions.
    pub fn new(dtype: ByteString, shape: Vec<u32>, buffer: Bytes) -> Result<Self, ShapeError> {
        check_dims(&shape)?;
        if let Some(size) = item_size(&dtype) {
            let needed = shape
                .iter()
                .try_fold(size, |product, dim| product.checked_mul(u64::from(*dim)));
            let Some(needed) = needed else {
                return Err(ShapeError::Overflow { shape });
            };
            if needed != buffer.len() as u64 {
                return Err(ShapeError::Mismatch {
                    dtype: cut(&dtype).into_owned(),
                    shape,
                    needed,
                    actual: buffer.len() as u64,
                });
            }
        }
        Ok(Dense {
            dtype,
            shape,
            buffer,
        })
    }

    /// A vector of 32-bit floats, shape `[values.len()]`.
    pub fn from_f32(values: &[f32]) -> Self {
        let mut buffer = Vec::with_capacity(values.len() * 4);
        for value in values {
            buffer.extend_from_slice(&value.to_le_bytes());
        }
        Dense {
            dtype: ByteString::from_static("<f4"),
            shape: vec![values.len() as u32],
            buffer: buffer.into(),
        }
    }

    /// The element type, as numpy spells it.
    pub fn dtype(&self) -> &ByteString {
        &self.dtype
    }

    /// The size of each dimension; empty for a scalar.
    pub fn shape(&self) -> &[u32] {
        &self.shape
    }

    /// The elements' bytes in row-major order.
    pub fn buffer(&self) -> &Bytes {
        &self.buffer
    }
}

/// A sparse array in coordinate form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sparse {
    /// Where the values are.
    pub indices: Dense,
    /// The values.
    pub values: Dense,
    /// The size of each dimension.
    pub shape: Vec<u32>,
}

/// What an array holds.
#[derive(Debug, Clone, PartialEq)]
pub enum NdArrayData {
    /// Every element.
    Dense(Dense),
    /// The elements that are not zero.
    Sparse(Sparse),
}

/// An array as docarray sends it.
#[derive(Debug, Clone, PartialEq)]
pub struct NdArray {
    /// The numbers. `None` is what an empty `NdArrayProto` decodes to.
    pub data: Option<NdArrayData>,
    /// The library that the client's array came from: `numpy`, `torch`, ...
    pub cls_name: ByteString,
    /// What that library needs in addition.
    pub parameters: Option<Struct>,
}

impl NdArray {
    /// A dense array that a Python client sees as a numpy array.
    pub fn numpy(dense: Dense) -> Self {
        NdArray {
            data: Some(NdArrayData::Dense(dense)),
            cls_name: ByteString::from_static("numpy"),
            parameters: None,
        }
    }

    /// The size of each dimension; empty for a scalar, and if there is no array.
    pub fn shape(&self) -> &[u32] {
        match &self.data {
            Some(NdArrayData::Dense(dense)) => dense.shape(),
            Some(NdArrayData::Sparse(sparse)) => &sparse.shape,
            None => &[],
        }
    }

    /// The dense array, if it is one.
    pub fn dense(&self) -> Option<&Dense> {
        match &self.data {
            Some(NdArrayData::Dense(dense)) => Some(dense),
            _ => None,
        }
    }
}

/// Bytes of one element of a numpy dtype, or `None` if that is not known
/// (objects, structured types, anything else).
///
/// Reads both spellings, `<f4` and `float32`. A `U` counts 4 bytes a character.
pub fn item_size(dtype: &str) -> Option<u64> {
    let named = match dtype {
        "bool" | "int8" | "uint8" => Some(1),
        "int16" | "uint16" | "float16" | "bfloat16" => Some(2),
        "int32" | "uint32" | "float32" => Some(4),
        "int64" | "uint64" | "float64" | "complex64" => Some(8),
        "complex128" => Some(16),
        _ => None,
    };
    if named.is_some() {
        return named;
    }
    let code = dtype.strip_prefix(['<', '>', '|', '=']).unwrap_or(dtype);
    if code == "?" {
        return Some(1);
    }
    let mut chars = code.chars();
    let kind = chars.next()?;
    // `M8[ns]`: the unit in brackets says nothing about the size.
    let digits = chars.as_str().split('[').next()?;
    let size: u64 = digits.parse().ok()?;
    match kind {
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'V' | 'm' | 'M' if size > 0 => Some(size),
        'U' if size > 0 => size.checked_mul(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_both_spellings() {
        for (dtype, size) in [
            ("<f4", Some(4)),
            (">f8", Some(8)),
            ("|u1", Some(1)),
            ("|b1", Some(1)),
            ("?", Some(1)),
            ("<c16", Some(16)),
            ("<U5", Some(20)),
            ("|S3", Some(3)),
            ("<M8[ns]", Some(8)),
            ("float32", Some(4)),
            ("|O", None),
            ("|O8", None),
            ("", None),
            ("é4", None),
            ("<f", None),
            ("<f99999999999999999999", None),
        ] {
            assert_eq!(item_size(dtype), size, "{dtype}");
        }
    }

    #[test]
    fn a_shape_must_fit_its_bytes() {
        let bytes = Bytes::from_static(&[0; 24]);
        assert!(Dense::new("<f4".into(), vec![2, 3], bytes.clone()).is_ok());
        let error = Dense::new("<f4".into(), vec![2, 4], bytes.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "shape [2, 4] of dtype <f4 needs 32 bytes, but there are 24"
        );
        let error = Dense::new("<f4".into(), vec![u32::MAX; 3], bytes.clone()).unwrap_err();
        assert!(matches!(error, ShapeError::Overflow { .. }));
        // Its size is known, whatever stands in the brackets.
        let long = format!("<M8[{}]", "n".repeat(1 << 20));
        let error = Dense::new(long.into(), vec![2], bytes.clone()).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
        assert!(Dense::new("|O".into(), vec![7], bytes.clone()).is_ok());
        assert!(Dense::new("|O".into(), vec![1; 64], bytes.clone()).is_ok());
        let error = Dense::new("|O".into(), vec![1; 65], bytes).unwrap_err();
        assert_eq!(error, ShapeError::TooManyDimensions);
    }
}
