//! The order of each layer's vertices, with few crossings: sweeps to and fro, each of
//! which puts the vertices where their neighbours are, and then exchanges of two that
//! stand beside each other. The best order that was seen counts.

use super::layers::Network;
use super::{ByVertex, Vertex};
use crate::bounds::SWEEP_EFFORT;

/// The most sweeps.
const SWEEPS: usize = 24;
/// Sweeps without a better order after which there are no more.
const PATIENCE: usize = 8;
/// Rounds of exchanges in one sweep.
const EXCHANGES: usize = 8;

/// Puts the vertices of each layer in an order with few crossings.
pub(super) fn reduce_crossings(network: &mut Network) {
    network.layers = depth_first(network);
    let lines = network.vertices.vertices();
    let lines: usize = lines
        .map(|vertex| network.vertices[vertex].down.len())
        .sum();
    let sweeps = SWEEP_EFFORT / (network.vertices.len() + lines).max(1);
    let mut best = network.layers.clone();
    let mut fewest = crossings(network);
    let mut without = 0;
    for sweep in 0..sweeps.clamp(2, SWEEPS) {
        if fewest == 0 || without == PATIENCE {
            break;
        }
        let side = match sweep % 2 {
            0 => Side::Up,
            _ => Side::Down,
        };
        let target = match sweep / 2 % 2 {
            0 => median,
            _ => mean,
        };
        arrange(network, side, target);
        exchange(network);
        let now = crossings(network);
        if now < fewest {
            fewest = now;
            best.clone_from(&network.layers);
            without = 0;
        } else {
            without += 1;
        }
    }
    network.layers = best;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Up,
    Down,
}

impl Network {
    fn beside(&self, vertex: Vertex, side: Side) -> &[Vertex] {
        match side {
            Side::Up => &self.vertices[vertex].up,
            Side::Down => &self.vertices[vertex].down,
        }
    }
}

/// The layers in the order in which a walk meets their vertices, so that what belongs
/// together begins together.
fn depth_first(network: &Network) -> Vec<Vec<Vertex>> {
    let mut seen = network.vertices.values(|_| false);
    let mut order = network.vertices.values(|_| 0_usize);
    let mut next = 0;
    let mut stack: Vec<Vertex> = network.vertices.vertices().rev().collect();
    while let Some(vertex) = stack.pop() {
        if std::mem::replace(&mut seen[vertex], true) {
            continue;
        }
        order[vertex] = next;
        next += 1;
        stack.extend(network.vertices[vertex].down.iter().rev());
    }
    let mut layers = network.layers.clone();
    for layer in &mut layers {
        layer.sort_by_key(|&vertex| order[vertex]);
    }
    layers
}

/// Each vertex's place in its layer.
pub(super) fn places(network: &Network) -> ByVertex<usize> {
    let mut places = network.vertices.values(|_| 0);
    for layer in &network.layers {
        for (place, &vertex) in layer.iter().enumerate() {
            places[vertex] = place;
        }
    }
    places
}

/// Puts each vertex where its neighbours on one side are, from that side on.
fn arrange(network: &mut Network, side: Side, target: fn(&mut [usize]) -> Option<f64>) {
    let mut layers = std::mem::take(&mut network.layers);
    let mut places = network.vertices.values(|_| 0);
    let mut rearrange = |layer: &mut Vec<Vertex>| {
        let targets: Vec<(Option<f64>, Vertex)> = layer
            .iter()
            .map(|&vertex| {
                let beside = network.beside(vertex, side).iter();
                let mut beside: Vec<usize> = beside.map(|&other| places[other]).collect();
                (target(&mut beside), vertex)
            })
            .collect();
        // Those without neighbours stay where they are.
        let mut moved: Vec<(f64, Vertex)> = targets
            .iter()
            .filter_map(|&(target, vertex)| Some((target?, vertex)))
            .collect();
        moved.sort_by(|(one, _), (two, _)| one.total_cmp(two));
        let mut moved = moved.into_iter().map(|(_, vertex)| vertex);
        for ((target, _), slot) in targets.iter().zip(layer.iter_mut()) {
            if target.is_some()
                && let Some(vertex) = moved.next()
            {
                *slot = vertex;
            }
        }
        for (place, &vertex) in layer.iter().enumerate() {
            places[vertex] = place;
        }
    };
    match side {
        Side::Up => layers.iter_mut().for_each(&mut rearrange),
        Side::Down => layers.iter_mut().rev().for_each(&mut rearrange),
    }
    network.layers = layers;
}

fn mean(places: &mut [usize]) -> Option<f64> {
    let sum: usize = places.iter().sum();
    (!places.is_empty()).then(|| sum as f64 / places.len() as f64)
}

/// Of an even number the middle between the two in the middle, and nearer to the one on
/// whose side the others lie closer together.
fn median(places: &mut [usize]) -> Option<f64> {
    places.sort_unstable();
    let first = *places.first()? as f64;
    let last = *places.last()? as f64;
    let upper = *places.get(places.len() / 2)? as f64;
    if places.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *places.get(places.len() / 2 - 1)? as f64;
    let (before, behind) = (lower - first, last - upper);
    Some(match before + behind {
        0.0 => f64::midpoint(lower, upper),
        spread => (lower * behind + upper * before) / spread,
    })
}

/// Exchanges vertices that stand beside each other, as long as there are fewer crossings
/// for it.
fn exchange(network: &mut Network) {
    let mut places = places(network);
    let mut layers = std::mem::take(&mut network.layers);
    let mut effort = 0;
    for _ in 0..EXCHANGES {
        let mut changed = false;
        for layer in &mut layers {
            for index in 1..layer.len() {
                let Some(&mut [ref mut one, ref mut two]) = layer.get_mut(index - 1..=index) else {
                    continue;
                };
                let mut gain = |side| {
                    let (one, two) = (network.beside(*one, side), network.beside(*two, side));
                    effort += one.len() * two.len();
                    let (now, then) = pair(one, two, &places);
                    now as isize - then as isize
                };
                if gain(Side::Up) + gain(Side::Down) > 0 {
                    std::mem::swap(one, two);
                    places[*one] = index - 1;
                    places[*two] = index;
                    changed = true;
                }
            }
        }
        if !changed || effort > SWEEP_EFFORT {
            break;
        }
    }
    network.layers = layers;
}

/// The crossings between the lines of two vertices to one side: as the first stands
/// before the second, and the other way round.
fn pair(one: &[Vertex], two: &[Vertex], places: &ByVertex<usize>) -> (usize, usize) {
    let (mut now, mut then) = (0, 0);
    for &first in one {
        for &second in two {
            match places[first].cmp(&places[second]) {
                std::cmp::Ordering::Greater => now += 1,
                std::cmp::Ordering::Less => then += 1,
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    (now, then)
}

/// How many crossings there are.
pub(super) fn crossings(network: &Network) -> usize {
    let places = places(network);
    let mut sum = 0;
    for layer in &network.layers {
        // The places that lines from here lead to, in the order of where they begin: a
        // crossing is a pair in the wrong order.
        let mut ends = Vec::new();
        for &vertex in layer {
            let from = ends.len();
            let down = network.vertices[vertex].down.iter();
            ends.extend(down.map(|&other| places[other]));
            if let Some(own) = ends.get_mut(from..) {
                own.sort_unstable();
            }
        }
        sum += inversions(&mut ends);
    }
    sum
}

/// Sorts, and counts the pairs that were in the wrong order.
fn inversions(list: &mut [usize]) -> usize {
    if list.len() < 2 {
        return 0;
    }
    let (left, right) = list.split_at_mut(list.len() / 2);
    let mut sum = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut ones, mut twos) = (left.iter().peekable(), right.iter().peekable());
    loop {
        match (ones.peek(), twos.peek()) {
            (Some(one), Some(two)) if one > two => {
                // It was behind all that are left of the first half.
                sum += ones.len();
                merged.extend(twos.next());
            }
            (Some(_), _) => merged.extend(ones.next()),
            (None, Some(_)) => merged.extend(twos.next()),
            (None, None) => break,
        }
    }
    list.copy_from_slice(&merged);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_in_the_wrong_order_are_counted() {
        for (list, expected) in [
            (vec![], 0),
            (vec![1, 2, 2, 3], 0),
            (vec![2, 1], 1),
            (vec![3, 2, 1], 3),
            (vec![1, 3, 0, 2, 0], 6),
        ] {
            let mut sorted = list.clone();
            assert_eq!(inversions(&mut sorted), expected, "{list:?}");
            assert!(sorted.is_sorted());
        }
    }

    #[test]
    fn medians() {
        for (places, expected) in [
            (vec![], None),
            (vec![4], Some(4.0)),
            (vec![5, 1], Some(3.0)),
            (vec![9, 1, 2], Some(2.0)),
            // The two upper ones are closer together.
            (vec![0, 1, 4, 9], Some(1.5)),
        ] {
            assert_eq!(median(&mut places.clone()), expected, "{places:?}");
        }
    }
}
