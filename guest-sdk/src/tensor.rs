//! n-dimensional arrays: embeddings and tensors.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::{Error, Result, raw};

/// A number that an [`NdArray`] can hold.
///
/// Implemented for `f32`, `f64` and the integers from `i8` to `u64`.
pub trait Element: bytemuck::Pod + fmt::Debug + private::Number {
    /// The dtype in numpy's notation, with byte order: `<f4`.
    const DTYPE: &'static str;
}

mod private {
    /// The form through which the elements of an array are converted.
    #[derive(Clone, Copy)]
    pub enum Scalar {
        Float(f64),
        Signed(i64),
        Unsigned(u64),
    }

    pub trait Number: Sized {
        fn of(scalar: Scalar) -> Self;
    }
}

use private::Scalar;

macro_rules! elements {
    ($($number:ty: $dtype:literal,)*) => {$(
        impl private::Number for $number {
            fn of(scalar: Scalar) -> Self {
                match scalar {
                    Scalar::Float(value) => value as $number,
                    Scalar::Signed(value) => value as $number,
                    Scalar::Unsigned(value) => value as $number,
                }
            }
        }

        impl Element for $number {
            const DTYPE: &'static str = $dtype;
        }
    )*};
}

elements! {
    f32: "<f4", f64: "<f8",
    i8: "|i1", i16: "<i2", i32: "<i4", i64: "<i8",
    u8: "|u1", u16: "<u2", u32: "<u4", u64: "<u8",
}

/// Bytes from which numbers can be read in place: they are aligned for any
/// [`Element`] that they may hold.
trait Storage {
    fn bytes(&self) -> &[u8];
}

impl<T: bytemuck::Pod> Storage for Vec<T> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

/// A copy of bytes with the alignment of 8-byte numbers.
struct Aligned {
    words: Vec<u64>,
    len: usize,
}

impl Storage for Aligned {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
            .get(..self.len)
            .unwrap_or_default()
    }
}

#[derive(Clone)]
struct Buffer {
    storage: Rc<dyn Storage>,
    start: usize,
    len: usize,
}

impl Buffer {
    fn of<T: bytemuck::Pod>(values: Vec<T>) -> Self {
        let len = size_of_val(values.as_slice());
        Buffer {
            storage: Rc::new(values),
            start: 0,
            len,
        }
    }

    /// Bytes from the host, which may have any alignment.
    fn aligned(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        if bytes.as_ptr().align_offset(8) == 0 {
            return Buffer::of(bytes);
        }
        let mut words = vec![0u64; len.div_ceil(8)];
        if let Some(target) = bytemuck::cast_slice_mut(&mut words).get_mut(..len) {
            target.copy_from_slice(&bytes);
        }
        Buffer {
            storage: Rc::new(Aligned { words, len }),
            start: 0,
            len,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.storage
            .bytes()
            .get(self.start..self.start + self.len)
            .unwrap_or_default()
    }
}

#[derive(Clone)]
struct Dense {
    dtype: Rc<str>,
    shape: Rc<[u32]>,
    buffer: Buffer,
}

impl From<raw::Dense> for Dense {
    fn from(dense: raw::Dense) -> Self {
        Dense {
            dtype: dense.dtype.into(),
            shape: dense.shape.into(),
            buffer: Buffer::aligned(dense.buffer),
        }
    }
}

impl From<&Dense> for raw::Dense {
    fn from(dense: &Dense) -> Self {
        raw::Dense {
            dtype: dense.dtype.to_string(),
            shape: dense.shape.to_vec(),
            buffer: dense.buffer.bytes().to_vec(),
        }
    }
}

#[derive(Clone)]
enum Data {
    Dense(Dense),
    Sparse(Rc<SparseData>),
}

struct SparseData {
    indices: Dense,
    values: Dense,
    shape: Rc<[u32]>,
}

/// An n-dimensional array of numbers: a document's embedding or tensor.
///
/// `into()` makes one from a `Vec`, a slice or an array of numbers, and
/// [`from_shape`](NdArray::from_shape) makes one with several dimensions. Cheap to
/// clone: the numbers are shared.
///
/// ```
/// use wasm_flow_sdk::prelude::*;
/// # fn main() -> Result<()> {
/// let image = NdArray::from_shape(&[2, 3], vec![1u8, 2, 3, 4, 5, 6])?;
/// assert_eq!(image.shape(), [2, 3]);
/// assert_eq!(image.as_slice::<u8>()?, [1, 2, 3, 4, 5, 6]);
/// assert_eq!(image.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
///
/// let embedding: NdArray = [0.1f32, 0.2].into();
/// assert_eq!(embedding.dtype(), "<f4");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NdArray {
    data: Data,
    cls_name: Rc<str>,
    parameters: Rc<str>,
}

impl NdArray {
    /// An array of this shape, with its elements in row-major order.
    ///
    /// # Errors
    /// If the shape has another number of elements.
    pub fn from_shape<T: Element>(shape: &[u32], elements: Vec<T>) -> Result<Self> {
        let needed = shape
            .iter()
            .try_fold(1usize, |product, dim| product.checked_mul(*dim as usize));
        if needed != Some(elements.len()) {
            return Err(failed(format!(
                "shape {shape:?} does not have {} elements",
                elements.len()
            )));
        }
        Ok(NdArray::dense(T::DTYPE, shape, Buffer::of(elements)))
    }

    /// A sparse array: coordinates and values, with zero everywhere else. The
    /// client sees a `scipy` matrix in coordinate form.
    ///
    /// `values` has the shape `[n]`, and `indices` has the shape
    /// `[n, shape.len()]`: one row for each value.
    ///
    /// # Errors
    /// If `indices` or `values` has another shape, or is sparse itself.
    pub fn sparse(indices: &NdArray, values: &NdArray, shape: &[u32]) -> Result<Self> {
        let (Data::Dense(indices), Data::Dense(values)) = (&indices.data, &values.data) else {
            return Err(failed(
                "the indices and values of a sparse array must be dense",
            ));
        };
        let fit = match *values.shape {
            [count] => *indices.shape == [count, shape.len() as u32],
            _ => false,
        };
        if !fit {
            return Err(failed(format!(
                "indices of shape {:?} and values of shape {:?} do not fit an array of shape \
                 {shape:?}: it needs {} indices for each value",
                indices.shape,
                values.shape,
                shape.len()
            )));
        }
        let data = SparseData {
            indices: indices.clone(),
            values: values.clone(),
            shape: shape.into(),
        };
        Ok(NdArray {
            data: Data::Sparse(Rc::new(data)),
            cls_name: "scipy".into(),
            parameters: r#"{"sparse_format":"coo"}"#.into(),
        })
    }

    fn dense(dtype: &str, shape: &[u32], buffer: Buffer) -> Self {
        NdArray {
            data: Data::Dense(Dense {
                dtype: dtype.into(),
                shape: shape.into(),
                buffer,
            }),
            // With this, docarray gives the client a numpy array.
            cls_name: "numpy".into(),
            parameters: "".into(),
        }
    }

    /// Whether the array is sparse: coordinates and values.
    pub fn is_sparse(&self) -> bool {
        matches!(self.data, Data::Sparse(_))
    }

    /// The coordinates of a sparse array's values.
    pub fn indices(&self) -> Option<NdArray> {
        match &self.data {
            Data::Dense(_) => None,
            Data::Sparse(sparse) => Some(self.part(&sparse.indices)),
        }
    }

    /// The values of a sparse array.
    pub fn values(&self) -> Option<NdArray> {
        match &self.data {
            Data::Dense(_) => None,
            Data::Sparse(sparse) => Some(self.part(&sparse.values)),
        }
    }

    fn part(&self, dense: &Dense) -> NdArray {
        NdArray {
            data: Data::Dense(dense.clone()),
            cls_name: self.cls_name.clone(),
            parameters: "".into(),
        }
    }

    /// The element type in numpy's notation, with byte order: `<f4`, `<i8`,
    /// `|u1`. For a sparse array, that of its values.
    pub fn dtype(&self) -> &str {
        match &self.data {
            Data::Dense(dense) => &dense.dtype,
            Data::Sparse(sparse) => &sparse.values.dtype,
        }
    }

    /// The size of each dimension; empty for a single number.
    pub fn shape(&self) -> &[u32] {
        match &self.data {
            Data::Dense(dense) => &dense.shape,
            Data::Sparse(sparse) => &sparse.shape,
        }
    }

    /// The library that the client's array came from: `numpy`, `torch`, ...
    pub fn cls_name(&self) -> &str {
        &self.cls_name
    }

    /// The elements' bytes in row-major order. For a sparse array, those of its
    /// values.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.data {
            Data::Dense(dense) => dense.buffer.bytes(),
            Data::Sparse(sparse) => sparse.values.buffer.bytes(),
        }
    }

    /// The elements in row-major order, without a copy.
    ///
    /// # Errors
    /// If the dtype is not `T`'s, which [`to_vec`](NdArray::to_vec) converts, or if
    /// the array is sparse.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        let Data::Dense(dense) = &self.data else {
            return Err(failed("the array is sparse: it has `indices` and `values`"));
        };
        let same = match (DType::parse(&dense.dtype), DType::parse(T::DTYPE)) {
            (Some(dtype), Some(wanted)) => dtype == wanted,
            _ => false,
        };
        if !same {
            return Err(failed(format!(
                "the array's dtype is {}, not {}: use `to_vec` to convert",
                dense.dtype,
                T::DTYPE
            )));
        }
        bytemuck::try_cast_slice(dense.buffer.bytes()).map_err(|error| {
            failed(format!(
                "{} bytes are not {}: {error}",
                dense.buffer.len,
                T::DTYPE
            ))
        })
    }

    /// The elements in row-major order, converted to `T` as with `as`.
    ///
    /// # Errors
    /// If the dtype is not a known type of number, or if the array is sparse.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if let Ok(slice) = self.as_slice::<T>() {
            return Ok(slice.to_vec());
        }
        let Data::Dense(dense) = &self.data else {
            return Err(failed("the array is sparse: it has `indices` and `values`"));
        };
        let Some(dtype) = DType::parse(&dense.dtype) else {
            return Err(failed(format!(
                "elements of dtype {} cannot be read as numbers",
                dense.dtype
            )));
        };
        Ok(dense
            .buffer
            .bytes()
            .chunks_exact(dtype.size)
            .map(|bytes| T::of(dtype.read(bytes)))
            .collect())
    }

    /// This array with bytes of its own if it shares those of others.
    pub(crate) fn detached(&self) -> NdArray {
        let own = |dense: &Dense| Dense {
            buffer: Buffer::aligned(dense.buffer.bytes().to_vec()),
            ..dense.clone()
        };
        NdArray {
            data: match &self.data {
                Data::Dense(dense) => Data::Dense(own(dense)),
                Data::Sparse(sparse) => Data::Sparse(sparse.clone()),
            },
            ..self.clone()
        }
    }

    /// The elements as an array of the `ndarray` crate, without a copy.
    ///
    /// # Errors
    /// If the dtype is not `T`'s, or if the array is sparse.
    #[cfg(feature = "ndarray")]
    pub fn view<T: Element>(&self) -> Result<ndarray::ArrayViewD<'_, T>> {
        let shape: Vec<usize> = self.shape().iter().map(|dim| *dim as usize).collect();
        Ok(ndarray::ArrayViewD::from_shape(shape, self.as_slice()?)?)
    }
}

fn failed(message: impl fmt::Display) -> Error {
    Error::named("TensorError", message)
}

/// Rows of a matrix: arrays that share one buffer.
pub(crate) fn from_matrix(matrix: raw::Matrix, rows: usize) -> Vec<NdArray> {
    let dtype: Rc<str> = matrix.dtype.into();
    let shape: Rc<[u32]> = matrix.shape.into();
    let cls_name: Rc<str> = matrix.cls_name.into();
    let parameters: Rc<str> = "".into();
    let buffer = Buffer::aligned(matrix.buffer);
    let len = buffer.len.checked_div(rows).unwrap_or(0);
    (0..rows)
        .map(|row| NdArray {
            data: Data::Dense(Dense {
                dtype: dtype.clone(),
                shape: shape.clone(),
                buffer: Buffer {
                    storage: buffer.storage.clone(),
                    start: row * len,
                    len,
                },
            }),
            cls_name: cls_name.clone(),
            parameters: parameters.clone(),
        })
        .collect()
}

/// Rows of `columns` numbers each, which share one buffer.
pub(crate) fn from_rows<T: Element>(columns: usize, rows: usize, values: Vec<T>) -> Vec<NdArray> {
    let whole = NdArray::dense(T::DTYPE, &[columns as u32], Buffer::of(values));
    let len = columns * size_of::<T>();
    (0..rows)
        .map(|row| {
            let mut array = whole.clone();
            if let Data::Dense(dense) = &mut array.data {
                dense.buffer.start = row * len;
                dense.buffer.len = len;
            }
            array
        })
        .collect()
}

/// The arrays stacked, if they are all dense and have the same shape, dtype and
/// library.
pub(crate) fn stack<'a>(
    mut arrays: impl Iterator<Item = Option<&'a NdArray>>,
    rows: usize,
) -> Option<raw::Matrix> {
    let first = arrays.next()??;
    let Data::Dense(dense) = &first.data else {
        return None;
    };
    if !first.parameters.is_empty() {
        return None;
    }
    let mut buffer = Vec::with_capacity(dense.buffer.len.saturating_mul(rows));
    buffer.extend_from_slice(dense.buffer.bytes());
    for array in arrays {
        let array = array?;
        let Data::Dense(next) = &array.data else {
            return None;
        };
        let alike = next.dtype == dense.dtype
            && next.shape == dense.shape
            && array.cls_name == first.cls_name
            && array.parameters.is_empty();
        if !alike {
            return None;
        }
        buffer.extend_from_slice(next.buffer.bytes());
    }
    Some(raw::Matrix {
        dtype: dense.dtype.to_string(),
        shape: dense.shape.to_vec(),
        buffer,
        cls_name: first.cls_name.to_string(),
    })
}

/// The numbers of these arrays as one buffer, if they lie end to end in one.
pub(crate) fn contiguous<'a, T: Element>(
    mut arrays: impl Iterator<Item = &'a NdArray>,
) -> Option<Numbers<T>> {
    let first = arrays.next()?;
    let Data::Dense(start) = &first.data else {
        return None;
    };
    let mut whole = start.buffer.clone();
    for array in arrays {
        let Data::Dense(dense) = &array.data else {
            return None;
        };
        let end = whole.start + whole.len;
        if !Rc::ptr_eq(&dense.buffer.storage, &whole.storage) || dense.buffer.start != end {
            return None;
        }
        whole.len += dense.buffer.len;
    }
    Numbers::of(whole)
}

/// Numbers that may be shared.
#[derive(Clone)]
pub(crate) struct Numbers<T> {
    buffer: Buffer,
    element: PhantomData<T>,
}

impl<T: Element> Numbers<T> {
    /// None if the bytes are not whole numbers in their place.
    fn of(buffer: Buffer) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(buffer.bytes()).ok()?;
        Some(Numbers {
            buffer,
            element: PhantomData,
        })
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        bytemuck::try_cast_slice(self.buffer.bytes()).unwrap_or_default()
    }
}

impl<T: Element> From<Vec<T>> for Numbers<T> {
    fn from(values: Vec<T>) -> Self {
        Numbers {
            buffer: Buffer::of(values),
            element: PhantomData,
        }
    }
}

impl From<raw::Ndarray> for NdArray {
    fn from(array: raw::Ndarray) -> Self {
        let data = match array.data {
            raw::NdarrayData::Dense(dense) => Data::Dense(dense.into()),
            raw::NdarrayData::Sparse(sparse) => Data::Sparse(Rc::new(SparseData {
                indices: sparse.indices.into(),
                values: sparse.values.into(),
                shape: sparse.shape.into(),
            })),
        };
        NdArray {
            data,
            cls_name: array.cls_name.into(),
            parameters: array.parameters.into(),
        }
    }
}

impl From<&NdArray> for raw::Ndarray {
    fn from(array: &NdArray) -> Self {
        let data = match &array.data {
            Data::Dense(dense) => raw::NdarrayData::Dense(dense.into()),
            Data::Sparse(sparse) => raw::NdarrayData::Sparse(raw::Sparse {
                indices: (&sparse.indices).into(),
                values: (&sparse.values).into(),
                shape: sparse.shape.to_vec(),
            }),
        };
        raw::Ndarray {
            data,
            cls_name: array.cls_name.to_string(),
            parameters: array.parameters.to_string(),
        }
    }
}

impl<T: Element> From<Vec<T>> for NdArray {
    fn from(elements: Vec<T>) -> Self {
        let shape = [elements.len() as u32];
        NdArray::dense(T::DTYPE, &shape, Buffer::of(elements))
    }
}

impl<T: Element> From<&[T]> for NdArray {
    fn from(elements: &[T]) -> Self {
        elements.to_vec().into()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for NdArray {
    fn from(elements: [T; N]) -> Self {
        elements.to_vec().into()
    }
}

impl<T: Element, const N: usize> From<&[T; N]> for NdArray {
    fn from(elements: &[T; N]) -> Self {
        elements.to_vec().into()
    }
}

#[cfg(feature = "ndarray")]
impl<T: Element, D: ndarray::Dimension> From<ndarray::Array<T, D>> for NdArray {
    fn from(array: ndarray::Array<T, D>) -> Self {
        let shape: Vec<u32> = array.shape().iter().map(|dim| *dim as u32).collect();
        let elements = if array.is_standard_layout() {
            let (elements, offset) = array.into_raw_vec_and_offset();
            let len = shape.iter().map(|dim| *dim as usize).product();
            match offset {
                Some(0) | None if elements.len() == len => elements,
                offset => elements
                    .get(offset.unwrap_or(0)..)
                    .and_then(|rest| rest.get(..len))
                    .unwrap_or_default()
                    .to_vec(),
            }
        } else {
            array.iter().copied().collect()
        };
        NdArray::dense(T::DTYPE, &shape, Buffer::of(elements))
    }
}

/// Equal if dtype, shape and bytes are.
impl PartialEq for NdArray {
    fn eq(&self, other: &Self) -> bool {
        let indices = match (&self.data, &other.data) {
            (Data::Dense(_), Data::Dense(_)) => true,
            (Data::Sparse(one), Data::Sparse(two)) => {
                one.indices.dtype == two.indices.dtype
                    && one.indices.shape == two.indices.shape
                    && one.indices.buffer.bytes() == two.indices.buffer.bytes()
            }
            _ => false,
        };
        indices
            && self.dtype() == other.dtype()
            && self.shape() == other.shape()
            && self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Debug for NdArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let mut out = f.debug_struct("NdArray");
        out.field("dtype", &self.dtype())
            .field("shape", &self.shape());
        if let Ok(mut elements) = self.to_vec::<f64>() {
            let more = elements.len() > SHOWN;
            elements.truncate(SHOWN);
            out.field("elements", &elements);
            if more {
                return out.finish_non_exhaustive();
            }
        }
        out.finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct DType {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

impl DType {
    /// Reads both of numpy's notations, `<f4` and `float32`.
    fn parse(dtype: &str) -> Option<DType> {
        let (kind, size) = match dtype {
            "float16" => (Kind::Float, 2),
            "float32" => (Kind::Float, 4),
            "float64" => (Kind::Float, 8),
            "int8" => (Kind::Signed, 1),
            "int16" => (Kind::Signed, 2),
            "int32" => (Kind::Signed, 4),
            "int64" => (Kind::Signed, 8),
            "bool" | "?" | "|b1" => (Kind::Unsigned, 1),
            "uint8" => (Kind::Unsigned, 1),
            "uint16" => (Kind::Unsigned, 2),
            "uint32" => (Kind::Unsigned, 4),
            "uint64" => (Kind::Unsigned, 8),
            _ => return DType::parse_code(dtype),
        };
        Some(DType {
            kind,
            size,
            big_endian: false,
        })
    }

    fn parse_code(dtype: &str) -> Option<DType> {
        let code = dtype.strip_prefix(['<', '>', '|', '=']).unwrap_or(dtype);
        let (kind, size) = match code {
            "f2" => (Kind::Float, 2),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            "i1" => (Kind::Signed, 1),
            "i2" => (Kind::Signed, 2),
            "i4" => (Kind::Signed, 4),
            "i8" => (Kind::Signed, 8),
            "u1" | "b1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            _ => return None,
        };
        Some(DType {
            kind,
            size,
            big_endian: size > 1 && dtype.starts_with('>'),
        })
    }

    /// One element, of `self.size` bytes.
    fn read(self, bytes: &[u8]) -> Scalar {
        let mut word = [0u8; 8];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        if self.big_endian
            && let Some(read) = word.get_mut(..self.size)
        {
            read.reverse();
        }
        let bits = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (Kind::Unsigned, _) => Scalar::Unsigned(bits),
            (Kind::Signed, 1) => Scalar::Signed(i64::from(bits as i8)),
            (Kind::Signed, 2) => Scalar::Signed(i64::from(bits as i16)),
            (Kind::Signed, 4) => Scalar::Signed(i64::from(bits as i32)),
            (Kind::Signed, _) => Scalar::Signed(bits as i64),
            (Kind::Float, 2) => Scalar::Float(half(bits as u16)),
            (Kind::Float, 4) => Scalar::Float(f64::from(f32::from_bits(bits as u32))),
            (Kind::Float, _) => Scalar::Float(f64::from_bits(bits)),
        }
    }
}

/// A 16-bit float: 1 bit for the sign, 5 for the exponent, 10 for the fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_convert() {
        let array: NdArray = vec![1.5f32, -2.0, 300.0].into();
        assert_eq!(array.shape(), [3]);
        assert_eq!(array.as_slice::<f32>().unwrap(), [1.5, -2.0, 300.0]);
        assert_eq!(array.to_vec::<i32>().unwrap(), [1, -2, 300]);
        assert_eq!(array.to_vec::<u8>().unwrap(), [1, 0, 255]);
        let error = array.as_slice::<f64>().unwrap_err();
        assert_eq!(error.name(), "TensorError");
        assert_eq!(
            error.message(),
            "the array's dtype is <f4, not <f8: use `to_vec` to convert"
        );
    }

    #[test]
    fn other_byte_orders_and_spellings_are_read() {
        let of = |dtype: &str, buffer: Vec<u8>, count: u32| {
            NdArray::from(raw::Ndarray {
                data: raw::NdarrayData::Dense(raw::Dense {
                    dtype: dtype.to_owned(),
                    shape: vec![count],
                    buffer,
                }),
                cls_name: String::new(),
                parameters: String::new(),
            })
        };
        let big = of(">i4", vec![0, 0, 1, 2, 255, 255, 255, 255], 2);
        assert_eq!(big.to_vec::<i64>().unwrap(), [258, -1]);
        assert!(big.as_slice::<i32>().is_err());
        let named = of("float32", 1.5f32.to_le_bytes().to_vec(), 1);
        assert_eq!(named.as_slice::<f32>().unwrap(), [1.5]);
        let halves = of("<f2", vec![0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00], 3);
        assert_eq!(
            halves.to_vec::<f64>().unwrap(),
            [1.0, -2.0, 5.960_464_477_539_063e-8]
        );
        assert!(of("<U4", vec![0; 16], 1).to_vec::<u8>().is_err());
        assert_eq!(of("|b1", vec![1, 0], 2).to_vec::<u8>().unwrap(), [1, 0]);
    }

    #[test]
    fn bytes_that_lie_anywhere_are_read_in_place() {
        for offset in 0..8 {
            let mut bytes = vec![0u8; offset];
            bytes.extend(7.0f64.to_le_bytes());
            bytes.drain(..offset);
            let array = NdArray::from(raw::Ndarray {
                data: raw::NdarrayData::Dense(raw::Dense {
                    dtype: "<f8".to_owned(),
                    shape: vec![1],
                    buffer: bytes,
                }),
                cls_name: String::new(),
                parameters: String::new(),
            });
            assert_eq!(array.as_slice::<f64>().unwrap(), [7.0]);
        }
    }

    #[test]
    fn a_shape_must_fit() {
        assert!(NdArray::from_shape(&[2, 2], vec![1i64, 2, 3]).is_err());
        assert!(NdArray::from_shape(&[u32::MAX, u32::MAX, u32::MAX], vec![1u8]).is_err());
        assert!(NdArray::from_shape(&[], vec![1u8]).is_ok());
    }

    #[test]
    fn rows_of_one_buffer_are_contiguous() {
        let rows = from_rows(2, 2, vec![1.0f32, 2.0, 3.0, 4.0]);
        assert_eq!(
            contiguous::<f32>(rows.iter()).unwrap().as_slice(),
            [1.0, 2.0, 3.0, 4.0]
        );
        let reversed = rows.iter().rev();
        assert!(contiguous::<f32>(reversed).is_none());
        let stacked = stack(rows.iter().rev().map(Some), 2).unwrap();
        assert_eq!(stacked.shape, [2]);
        let stacked = from_matrix(stacked, 2);
        assert_eq!(
            contiguous::<f32>(stacked.iter()).unwrap().as_slice(),
            [3.0, 4.0, 1.0, 2.0]
        );
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn arrays_of_ndarray_go_there_and_back() {
        use ndarray::{Axis, arr2, s};

        let rows = arr2(&[[1f32, 2., 3.], [4., 5., 6.]]);
        let array = NdArray::from(rows.clone());
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.view::<f32>().unwrap(), rows.clone().into_dyn());
        assert!(array.view::<f64>().is_err());
        // Whatever the elements' order in memory.
        let turned = NdArray::from(rows.clone().reversed_axes());
        assert_eq!(turned.shape(), [3, 2]);
        assert_eq!(turned.as_slice::<f32>().unwrap(), [1., 4., 2., 5., 3., 6.]);
        let mut part = rows.clone();
        part.slice_collapse(s![1.., ..]);
        assert_eq!(NdArray::from(part).as_slice::<f32>().unwrap(), [4., 5., 6.]);
        let mut mirrored = rows;
        mirrored.invert_axis(Axis(0));
        assert_eq!(
            NdArray::from(mirrored).as_slice::<f32>().unwrap(),
            [4., 5., 6., 1., 2., 3.]
        );
    }

    #[test]
    fn sparse_arrays_keep_their_parts() {
        let indices = NdArray::from_shape(&[1, 2], vec![0i64, 3]).unwrap();
        let values: NdArray = [1.0f32].into();
        assert!(NdArray::sparse(&indices, &values, &[4]).is_err());
        let array = NdArray::sparse(&indices, &values, &[1, 4]).unwrap();
        assert!(array.is_sparse());
        assert_eq!(array.shape(), [1, 4]);
        assert_eq!(array.values().unwrap().as_slice::<f32>().unwrap(), [1.0]);
        assert_eq!(array.indices().unwrap().shape(), [1, 2]);
        assert!(array.as_slice::<f32>().is_err());
        let back = NdArray::from(raw::Ndarray::from(&array));
        assert_eq!(back, array);
    }
}
