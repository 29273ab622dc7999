//! The layers of a graph, and bends for lines that pass some of them.

use std::collections::BTreeMap;

use super::{ByVertex, Column, Size, Sketched, Vertex};

/// A graph in layers, in which every line leads from one layer to the next.
#[derive(Debug)]
pub(super) struct Network {
    /// Those of the sketch, with the same numbers, and then the bends.
    pub(super) vertices: ByVertex<Placed>,
    /// From left to right, each from top to bottom.
    pub(super) layers: Vec<Vec<Vertex>>,
    /// Each line's way.
    pub(super) routes: Vec<Route>,
}

/// A box or a bend.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) size: Size,
    pub(super) is_bend: bool,
    /// Its neighbours in the layer before.
    pub(super) up: Vec<Vertex>,
    /// Those in the layer behind.
    pub(super) down: Vec<Vertex>,
}

/// A line's way through the layers.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) from: Vertex,
    pub(super) to: Vertex,
    pub(super) apart: bool,
    /// One for each layer between.
    pub(super) bends: Vec<Vertex>,
}

impl Network {
    pub(super) fn of(sketch: &ByVertex<Sketched>) -> Network {
        let numbers = numbers(sketch);
        let mut vertices = ByVertex::default();
        let depth = sketch.vertices().map(|vertex| numbers[vertex] + 1).max();
        let mut layers = vec![Vec::new(); depth.unwrap_or(0)];
        for (vertex, sketched) in sketch.iter() {
            vertices.add(Placed {
                size: sketched.size,
                is_bend: false,
                up: Vec::new(),
                down: Vec::new(),
            });
            if let Some(layer) = layers.get_mut(numbers[vertex]) {
                layer.push(vertex);
            }
        }
        let mut network = Network {
            vertices,
            layers,
            routes: Vec::new(),
        };
        // The bends of a vertex's lines, by whether they are apart and by their layer.
        let mut bends: BTreeMap<(Vertex, bool, usize), Vertex> = BTreeMap::new();
        for (to, sketched) in sketch.iter() {
            for link in &sketched.links {
                let mut at = link.from;
                let mut passed = Vec::new();
                for number in numbers[link.from] + 1..numbers[to] {
                    let key = (link.from, link.apart, number);
                    let bend = *bends.entry(key).or_insert_with(|| network.bend(at, number));
                    passed.push(bend);
                    at = bend;
                }
                network.connect(at, to);
                network.routes.push(Route {
                    from: link.from,
                    to,
                    apart: link.apart,
                    bends: passed,
                });
            }
        }
        network
    }

    /// A new bend of a line that comes from there.
    fn bend(&mut self, from: Vertex, number: usize) -> Vertex {
        let bend = self.vertices.add(Placed {
            size: Size {
                width: 0.0,
                height: 0.0,
            },
            is_bend: true,
            up: Vec::new(),
            down: Vec::new(),
        });
        if let Some(layer) = self.layers.get_mut(number) {
            layer.push(bend);
        }
        self.connect(from, bend);
        bend
    }

    fn connect(&mut self, from: Vertex, to: Vertex) {
        self.vertices[from].down.push(to);
        self.vertices[to].up.push(from);
    }
}

/// The number of each vertex's layer: the longest way to it.
fn numbers(sketch: &ByVertex<Sketched>) -> ByVertex<usize> {
    let mut numbers = sketch.values(|_| 0);
    let mut last = 0;
    // Each comes after those that it comes from.
    for (vertex, sketched) in sketch.iter() {
        let before = sketched.links.iter().map(|link| numbers[link.from] + 1);
        numbers[vertex] = before.max().unwrap_or(0);
        last = last.max(numbers[vertex]);
    }
    for (vertex, sketched) in sketch.iter() {
        if sketched.column == Column::Last {
            numbers[vertex] = last;
        }
    }
    numbers
}
