//! Vertices, and what is kept for each of them.

use std::ops::{Index, IndexMut};

/// A vertex of one network. Only that network makes it, and it means nothing to
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Vertex(usize);

/// A value for each vertex of a network.
#[derive(Debug, Clone)]
pub(crate) struct ByVertex<T>(Vec<T>);

impl<T> Default for ByVertex<T> {
    fn default() -> Self {
        ByVertex(Vec::new())
    }
}

impl<T> ByVertex<T> {
    /// Adds a vertex with its value.
    pub(super) fn add(&mut self, value: T) -> Vertex {
        self.0.push(value);
        Vertex(self.0.len() - 1)
    }

    /// A value for each vertex of the same network.
    pub(super) fn values<U>(&self, mut value: impl FnMut(Vertex) -> U) -> ByVertex<U> {
        ByVertex(self.vertices().map(&mut value).collect())
    }

    /// The vertices, in the order that they were added in.
    pub(super) fn vertices(&self) -> impl DoubleEndedIterator<Item = Vertex> + use<T> {
        (0..self.0.len()).map(Vertex)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Vertex, &T)> {
        self.vertices().zip(&self.0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "vertices are numbered without gaps, and every map has one value for each"
)]
impl<T> Index<Vertex> for ByVertex<T> {
    type Output = T;

    fn index(&self, vertex: Vertex) -> &T {
        &self.0[vertex.0]
    }
}

#[expect(clippy::indexing_slicing, reason = "as for `Index`")]
impl<T> IndexMut<Vertex> for ByVertex<T> {
    fn index_mut(&mut self, vertex: Vertex) -> &mut T {
        &mut self.0[vertex.0]
    }
}
