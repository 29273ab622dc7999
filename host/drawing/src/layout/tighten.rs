//! Vertices nearer to those that they are connected to, where there is room for it. What
//! is in a straight line with each other moves as one, so that it stays straight.

use super::layers::Network;
use super::{ByVertex, Vertex, least_distance};
use crate::bounds::TIGHTEN_EFFORT;

/// The most rounds.
const ROUNDS: usize = 32;
/// The shortest way that is worth it: what is symmetric should not be spoilt for less.
const WORTH: f64 = 48.0;
/// What counts as the same place.
const SAME: f64 = 0.05;

/// Moves vertices so that lines become shorter. No two come nearer to each other than they
/// may be.
pub(super) fn tighten(network: &Network, middles: &mut ByVertex<f64>) {
    let lines = network.vertices.vertices();
    let lines: usize = lines
        .map(|vertex| network.vertices[vertex].down.len())
        .sum();
    let rounds = TIGHTEN_EFFORT / (network.vertices.len() + lines).max(1);
    let beside = Beside::of(network);
    for round in 0..rounds.min(ROUNDS) {
        let mut blocks = blocks(network, middles);
        // From both sides by turns: what is to follow has moved before.
        if round % 2 == 1 {
            blocks.reverse();
        }
        let mut has_moved = false;
        for block in &blocks {
            let by = step(network, &beside, block, middles);
            if by.abs() < WORTH {
                continue;
            }
            for &vertex in block {
                middles[vertex] += by;
            }
            has_moved = true;
        }
        if !has_moved {
            break;
        }
    }
}

/// What stands beside a vertex in its layer, before it and behind it.
struct Beside {
    before: ByVertex<Option<Vertex>>,
    behind: ByVertex<Option<Vertex>>,
}

impl Beside {
    fn of(network: &Network) -> Beside {
        let mut beside = Beside {
            before: network.vertices.values(|_| None),
            behind: network.vertices.values(|_| None),
        };
        for layer in &network.layers {
            for pair in layer.windows(2) {
                let &[one, two] = pair else { continue };
                beside.before[two] = Some(one);
                beside.behind[one] = Some(two);
            }
        }
        beside
    }
}

/// The vertices in groups that are connected by straight lines, from the top to the
/// bottom.
fn blocks(network: &Network, middles: &ByVertex<f64>) -> Vec<Vec<Vertex>> {
    let mut seen = network.vertices.values(|_| false);
    let mut blocks = Vec::new();
    for layer in &network.layers {
        for &vertex in layer {
            if seen[vertex] {
                continue;
            }
            let place = middles[vertex];
            let mut block = Vec::new();
            let mut stack = vec![vertex];
            while let Some(vertex) = stack.pop() {
                if std::mem::replace(&mut seen[vertex], true) {
                    continue;
                }
                block.push(vertex);
                let placed = &network.vertices[vertex];
                let lines = placed.up.iter().chain(&placed.down);
                stack.extend(lines.filter(|&&other| (middles[other] - place).abs() < SAME));
            }
            blocks.push((place, block));
        }
    }
    blocks.sort_by(|(one, _), (two, _)| one.total_cmp(two));
    blocks.into_iter().map(|(_, block)| block).collect()
}

/// How far a block is to move, and can.
fn step(network: &Network, beside: &Beside, block: &[Vertex], middles: &ByVertex<f64>) -> f64 {
    let mut ways = Vec::new();
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for &vertex in block {
        let placed = &network.vertices[vertex];
        let lines = placed.up.iter().chain(&placed.down);
        let place = middles[vertex];
        ways.extend(
            lines
                .map(|&other| middles[other] - place)
                .filter(|way| way.abs() >= SAME),
        );
        if let Some(before) = beside.before[vertex] {
            least = least.max(middles[before] + least_distance(network, before, vertex) - place);
        }
        if let Some(behind) = beside.behind[vertex] {
            most = most.min(middles[behind] - least_distance(network, vertex, behind) - place);
        }
    }
    ways.sort_unstable_by(f64::total_cmp);
    // Between these two, all places are equally good.
    let lower = ways.get(ways.len().saturating_sub(1) / 2);
    let upper = ways.get(ways.len() / 2);
    let (Some(&lower), Some(&upper)) = (lower, upper) else {
        return 0.0;
    };
    // It keeps what room it has, also where rounding made that a little less than none.
    0.0_f64
        .clamp(lower, upper)
        .max(least.min(0.0))
        .min(most.max(0.0))
}
