//! The place of each vertex across the layers, after Brandes and Köpf, "Fast and Simple
//! Horizontal Coordinate Assignment" (2001).
//!
//! Vertices are put in line with a neighbour that is the median of theirs, long lines
//! before all others. Then lines of vertices are pushed together as far as they go. This
//! is done four times: from the left and from the right, from the top and from the
//! bottom. Each vertex gets the middle of the two places in the middle.

use std::collections::BTreeSet;

use super::layers::Network;
use super::order::places;
use super::{ByVertex, Vertex, least_distance};

/// The middle of each vertex.
pub(super) fn middles(network: &Network) -> ByVertex<f64> {
    let conflicts = conflicts(network);
    let mut runs = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(backwards, upwards)| Run::new(network, &conflicts, backwards, upwards).middles());
    align(network, &mut runs);
    network.vertices.values(|vertex| {
        let mut four = runs.each_ref().map(|run| run[vertex]);
        four.sort_unstable_by(f64::total_cmp);
        let [_, second, third, _] = four;
        f64::midpoint(second, third)
    })
}

/// Moves all vertices, so that the first of them begins at 0.
pub(super) fn begin_at_zero(network: &Network, middles: &mut ByVertex<f64>) {
    let (top, _) = extent(network, middles);
    for vertex in network.vertices.vertices() {
        middles[vertex] -= top;
    }
}

/// Where the vertices begin and end.
fn extent(network: &Network, middles: &ByVertex<f64>) -> (f64, f64) {
    let mut extent = (f64::INFINITY, f64::NEG_INFINITY);
    for (vertex, placed) in network.vertices.iter() {
        let half = placed.size.height / 2.0;
        extent.0 = extent.0.min(middles[vertex] - half);
        extent.1 = extent.1.max(middles[vertex] + half);
    }
    match extent.0.is_finite() {
        true => extent,
        false => (0.0, 0.0),
    }
}

/// Moves the runs to the one that takes the least room: those from the top to its top,
/// those from the bottom to its bottom.
fn align(network: &Network, runs: &mut [ByVertex<f64>; 4]) {
    let extents = runs.each_ref().map(|run| extent(network, run));
    let smallest = extents.iter().copied().min_by(|one, two| {
        let (one, two) = (one.1 - one.0, two.1 - two.0);
        one.total_cmp(&two)
    });
    let Some(smallest) = smallest else { return };
    for (index, (run, own)) in runs.iter_mut().zip(extents).enumerate() {
        let by = match index % 2 {
            0 => smallest.0 - own.0,
            _ => smallest.1 - own.1,
        };
        for vertex in network.vertices.vertices() {
            run[vertex] += by;
        }
    }
}

/// The lines that give way, because they cross one between two bends: that is to be
/// straight.
fn conflicts(network: &Network) -> BTreeSet<(Vertex, Vertex)> {
    let places = places(network);
    let is_bend = |vertex: Vertex| network.vertices[vertex].is_bend;
    let mut conflicts = BTreeSet::new();
    for layer in &network.layers {
        let mut from = 0;
        let mut waiting = Vec::new();
        let mut flush = |waiting: &mut Vec<Vertex>, from: usize, to: usize| {
            for vertex in waiting.drain(..) {
                for &up in &network.vertices[vertex].up {
                    let crosses = places[up] < from || places[up] > to;
                    if crosses && !(is_bend(vertex) && is_bend(up)) {
                        conflicts.insert((up, vertex));
                    }
                }
            }
        };
        for &vertex in layer {
            waiting.push(vertex);
            let inner = match network.vertices[vertex].up.as_slice() {
                [up] if is_bend(vertex) && is_bend(*up) => *up,
                _ => continue,
            };
            flush(&mut waiting, from, places[inner]);
            from = places[inner];
        }
        flush(&mut waiting, from, usize::MAX);
    }
    conflicts
}

/// One of the four ways.
struct Run<'n> {
    network: &'n Network,
    conflicts: &'n BTreeSet<(Vertex, Vertex)>,
    /// From the last layer to the first.
    backwards: bool,
    /// From the bottom to the top.
    upwards: bool,
    layers: Vec<Vec<Vertex>>,
    places: ByVertex<usize>,
}

impl<'n> Run<'n> {
    fn new(
        network: &'n Network,
        conflicts: &'n BTreeSet<(Vertex, Vertex)>,
        backwards: bool,
        upwards: bool,
    ) -> Run<'n> {
        let mut layers = network.layers.clone();
        if backwards {
            layers.reverse();
        }
        let mut places = places(network);
        if upwards {
            for layer in &mut layers {
                layer.reverse();
                for (place, &vertex) in layer.iter().enumerate() {
                    places[vertex] = place;
                }
            }
        }
        Run {
            network,
            conflicts,
            backwards,
            upwards,
            layers,
            places,
        }
    }

    fn middles(&self) -> ByVertex<f64> {
        let roots = self.roots();
        let mut middles = self.pushed(&roots);
        if self.upwards {
            for vertex in self.network.vertices.vertices() {
                middles[vertex] = -middles[vertex];
            }
        }
        middles
    }

    fn gives_way(&self, before: Vertex, vertex: Vertex) -> bool {
        self.conflicts.contains(&match self.backwards {
            false => (before, vertex),
            true => (vertex, before),
        })
    }

    /// Puts vertices in line: the first of its line for each.
    fn roots(&self) -> ByVertex<Vertex> {
        let mut roots = self.network.vertices.values(|vertex| vertex);
        for layer in &self.layers {
            let mut last = None;
            for &vertex in layer {
                let placed = &self.network.vertices[vertex];
                let mut before = match self.backwards {
                    false => placed.up.clone(),
                    true => placed.down.clone(),
                };
                before.sort_unstable_by_key(|&other| self.places[other]);
                let middle = before.len().saturating_sub(1) / 2;
                let count = 2 - before.len() % 2;
                for &other in before.iter().skip(middle).take(count) {
                    let place = self.places[other];
                    // One that is in line with another is at or before the last place.
                    let is_free = last.is_none_or(|last| last < place);
                    if roots[vertex] == vertex && is_free && !self.gives_way(other, vertex) {
                        roots[vertex] = roots[other];
                        last = Some(place);
                    }
                }
            }
        }
        roots
    }

    /// Pushes lines together: each as near to the start as it goes, and then each that
    /// something lies behind as near to that as it goes.
    fn pushed(&self, roots: &ByVertex<Vertex>) -> ByVertex<f64> {
        let vertices = &self.network.vertices;
        // Which line lies before which, with their least distance.
        let mut behind: ByVertex<Vec<(Vertex, f64)>> = vertices.values(|_| Vec::new());
        let mut missing = vertices.values(|_| 0_usize);
        for layer in &self.layers {
            for pair in layer.windows(2) {
                let &[one, two] = pair else { continue };
                behind[roots[one]].push((roots[two], least_distance(self.network, one, two)));
                missing[roots[two]] += 1;
            }
        }
        let mut order: Vec<Vertex> = vertices
            .vertices()
            .filter(|&vertex| roots[vertex] == vertex && missing[vertex] == 0)
            .collect();
        let mut places = vertices.values(|_| 0.0_f64);
        let mut next = 0;
        while let Some(&root) = order.get(next) {
            next += 1;
            for &(other, distance) in &behind[root] {
                places[other] = places[other].max(places[root] + distance);
                missing[other] -= 1;
                if missing[other] == 0 {
                    order.push(other);
                }
            }
        }
        for &root in order.iter().rev() {
            let room = behind[root].iter();
            let room = room.map(|&(other, distance)| places[other] - distance);
            let room = room.fold(f64::INFINITY, f64::min);
            if room.is_finite() {
                places[root] = places[root].max(room);
            }
        }
        vertices.values(|vertex| places[roots[vertex]])
    }
}
