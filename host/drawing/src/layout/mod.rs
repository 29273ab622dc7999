//! Where the boxes of a graph stand and how the lines between them run: a layered
//! layout, from left to right, after Sugiyama.
//!
//! | step | file |
//! | --- | --- |
//! | each vertex goes to a layer behind those that it comes from; a line over several layers has a bend in each between | `layers` |
//! | the vertices of a layer are put in an order with few crossings | `order` |
//! | each gets its place across the layers, so that chains and long lines are straight | `place` |
//! | what is connected comes nearer to each other where there is room | `tighten` |
//!
//! A layer is a column. Lines bend between columns only, and through a column they
//! run straight in a place of their own, so they cross no box. All lines of one
//! vertex share their bends: they carry the same documents.
//!
//! Crates that lay graphs out were tried. rust-sugiyama 0.4 gives lines no bends, and
//! dagre 0.1, a port of dagre.js, lets them run across boxes; both panic at many places.

mod layers;
mod order;
mod place;
mod tighten;
mod vertex;

#[cfg(test)]
mod tests;

pub(crate) use vertex::{ByVertex, Vertex};

use layers::Network;

/// The least room between two boxes of a column.
const BETWEEN_BOXES: f64 = 24.0;
/// The least room between a box and a line that passes it, or between two lines.
const BETWEEN_LINES: f64 = 14.0;
/// The least width between two columns.
const BETWEEN_COLUMNS: f64 = 56.0;
/// How much wider that is for each unit that a line climbs there, so that lines do not
/// become steep; and the most that it is.
const PER_CLIMB: f64 = 0.2;
const MOST_BETWEEN_COLUMNS: f64 = 220.0;

/// A box's extent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A box in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Rect {
    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(crate) fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// A line that comes to a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) from: Vertex,
    /// It shares no bend with the vertex's lines that are not.
    pub(crate) apart: bool,
}

/// A graph that is to be laid out.
///
/// A vertex names those that it comes from, which are there already. So there is no
/// cycle.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    vertices: ByVertex<Sketched>,
}

#[derive(Debug)]
struct Sketched {
    size: Size,
    column: Column,
    links: Vec<Link>,
}

/// Which column a vertex stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The first one behind all that it comes from. It is as wide as its column.
    Next,
    /// The last one of all. It keeps its width, and no line may come from it.
    Last,
}

impl Sketch {
    /// Adds a vertex.
    pub(crate) fn vertex(&mut self, size: Size, column: Column, links: Vec<Link>) -> Vertex {
        self.vertices.add(Sketched {
            size,
            column,
            links,
        })
    }

    /// The layout. The same graph always has the same one.
    pub(crate) fn layout(&self) -> Layout {
        let mut network = Network::of(&self.vertices);
        order::reduce_crossings(&mut network);
        let mut middles = place::middles(&network);
        tighten::tighten(&network, &mut middles);
        place::begin_at_zero(&network, &mut middles);
        finish(&self.vertices, &network, &middles)
    }
}

/// Boxes and lines in their places. The left upper corner is (0, 0).
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) size: Size,
    pub(crate) boxes: ByVertex<Rect>,
    pub(crate) lines: Vec<Line>,
}

/// A line from one box to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) from: Vertex,
    pub(crate) to: Vertex,
    pub(crate) apart: bool,
    /// From the right side of a box to the left side of another. Between two points the
    /// line changes its height, between the next two it passes a column straight, and
    /// so on. Their number is even.
    pub(crate) points: Vec<Point>,
}

/// A column's left and right side.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    left: f64,
    right: f64,
}

/// The least distance between the middles of two that stand beside each other.
fn least_distance(network: &Network, one: Vertex, two: Vertex) -> f64 {
    let (one, two) = (&network.vertices[one], &network.vertices[two]);
    let between = match one.is_bend || two.is_bend {
        true => BETWEEN_LINES,
        false => BETWEEN_BOXES,
    };
    f64::midpoint(one.size.height, two.size.height) + between
}

/// The column of each vertex.
fn columns(network: &Network, middles: &ByVertex<f64>) -> ByVertex<Span> {
    let mut spans = network.vertices.values(|_| Span::default());
    let mut before: Option<Span> = None;
    for layer in &network.layers {
        let widths = layer.iter();
        let widths = widths.map(|&vertex| network.vertices[vertex].size.width);
        let left = before.map_or(0.0, |before| {
            let climbs = layer.iter().flat_map(|&vertex| {
                let from = network.vertices[vertex].up.iter();
                from.map(move |&from| (middles[from] - middles[vertex]).abs())
            });
            let climb = climbs.fold(0.0, f64::max);
            before.right + (BETWEEN_COLUMNS + PER_CLIMB * climb).min(MOST_BETWEEN_COLUMNS)
        });
        let span = Span {
            left,
            right: left + widths.fold(0.0, f64::max),
        };
        for &vertex in layer {
            spans[vertex] = span;
        }
        before = Some(span);
    }
    spans
}

/// The places in the picture, from the middles of the vertices.
fn finish(sketch: &ByVertex<Sketched>, network: &Network, middles: &ByVertex<f64>) -> Layout {
    let spans = columns(network, middles);
    let boxes = sketch.values(|vertex| {
        let Sketched { size, column, .. } = &sketch[vertex];
        let span = spans[vertex];
        Rect {
            x: span.left,
            y: middles[vertex] - size.height / 2.0,
            width: match column {
                Column::Next => span.right - span.left,
                Column::Last => size.width,
            },
            height: size.height,
        }
    });
    let lines = network.routes.iter().map(|route| {
        let start = Point {
            x: boxes[route.from].right(),
            y: middles[route.from],
        };
        let bends = route.bends.iter().flat_map(|&bend| {
            let Span { left, right } = spans[bend];
            [left, right].map(|x| Point {
                x,
                y: middles[bend],
            })
        });
        let end = Point {
            x: boxes[route.to].x,
            y: middles[route.to],
        };
        Line {
            from: route.from,
            to: route.to,
            apart: route.apart,
            points: std::iter::once(start).chain(bends).chain([end]).collect(),
        }
    });
    let lines: Vec<Line> = lines.collect();
    let bottoms = boxes.iter().map(|(_, rect)| rect.bottom());
    let points = lines.iter().flat_map(|line| &line.points);
    let height = bottoms
        .chain(points.map(|point| point.y))
        .fold(0.0, f64::max);
    Layout {
        size: Size {
            width: spans.iter().map(|(_, span)| span.right).fold(0.0, f64::max),
            height,
        },
        boxes,
        lines,
    }
}
