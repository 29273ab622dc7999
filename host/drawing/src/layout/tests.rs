//! What every layout has to keep, over graphs of all kinds.

use super::order::crossings;
use super::*;

/// A graph of boxes of these heights, each with the ones before it that it comes from.
fn sketch(boxes: &[(f64, &[usize])]) -> (Sketch, Vec<Vertex>) {
    let mut sketch = Sketch::default();
    let mut vertices: Vec<Vertex> = Vec::new();
    for (height, links) in boxes {
        let links = links.iter().map(|&from| Link {
            from: vertices[from],
            apart: false,
        });
        let size = Size {
            width: 100.0,
            height: *height,
        };
        let links = links.collect();
        vertices.push(sketch.vertex(size, Column::Next, links));
    }
    (sketch, vertices)
}

/// A random graph with one beginning. Most links are to those just before.
fn random(random: &mut fastrand::Rng, count: usize) -> Sketch {
    let mut sketch = Sketch::default();
    let mut vertices: Vec<Vertex> = Vec::new();
    for index in 0..count {
        let mut links: Vec<Link> = Vec::new();
        for _ in 0..random.usize(1..4) {
            let reach = match random.u8(0..4) {
                0 => index,
                _ => index.min(6),
            };
            if reach > 0 {
                let from = vertices[index - 1 - random.usize(0..reach)];
                let apart = random.u8(0..10) == 0;
                if links.iter().all(|link| link.from != from) {
                    links.push(Link { from, apart });
                }
            }
        }
        let size = Size {
            width: f64::from(random.u16(40..300)),
            height: f64::from(random.u16(20..140)),
        };
        let column = match index + 1 == count {
            true => Column::Last,
            false => Column::Next,
        };
        vertices.push(sketch.vertex(size, column, links));
    }
    sketch
}

fn y(rect: &Rect) -> f64 {
    rect.middle()
}

/// What has to hold of every layout.
#[track_caller]
fn holds(sketch: &Sketch, layout: &Layout) {
    let boxes: Vec<Rect> = layout.boxes.iter().map(|(_, rect)| *rect).collect();
    for (index, one) in boxes.iter().enumerate() {
        assert!(one.x >= 0.0 && one.y >= -0.001, "{one:?}");
        assert!(one.right() <= layout.size.width + 0.001);
        assert!(one.bottom() <= layout.size.height + 0.001);
        for two in &boxes[index + 1..] {
            let beside = one.right() < two.x || two.right() < one.x;
            let apart = one.bottom() + BETWEEN_BOXES - 0.001 <= two.y
                || two.bottom() + BETWEEN_BOXES - 0.001 <= one.y;
            assert!(beside || apart, "{one:?} and {two:?} overlap");
        }
    }
    let links: usize = sketch
        .vertices
        .iter()
        .map(|(_, sketched)| sketched.links.len())
        .sum();
    assert_eq!(layout.lines.len(), links);
    for line in &layout.lines {
        let (from, to) = (layout.boxes[line.from], layout.boxes[line.to]);
        assert!(
            from.right() + BETWEEN_COLUMNS <= to.x,
            "{line:?} leads back"
        );
        assert_eq!(line.points.len() % 2, 0);
        let (first, last) = (line.points[0], line.points[line.points.len() - 1]);
        assert_eq!((first.x, first.y), (from.right(), y(&from)));
        assert_eq!((last.x, last.y), (to.x, y(&to)));
        for pair in line.points.windows(2) {
            assert!(pair[0].x <= pair[1].x, "{line:?} leads back");
        }
        // Through a column it runs straight, and meets no box there.
        for pass in line.points[1..line.points.len() - 1].chunks(2) {
            assert_eq!(pass[0].y, pass[1].y);
            for rect in &boxes {
                let beside = rect.right() < pass[0].x || pass[1].x < rect.x;
                let clear = pass[0].y <= rect.y - BETWEEN_LINES + 0.001
                    || rect.bottom() + BETWEEN_LINES - 0.001 <= pass[0].y;
                assert!(beside || clear, "{line:?} crosses {rect:?}");
            }
        }
        // What is between two columns is between all boxes.
        for climb in line.points.chunks(2) {
            for rect in &boxes {
                assert!(rect.right() <= climb[0].x || climb[1].x <= rect.x);
            }
        }
    }
}

#[test]
fn no_two_boxes_overlap_and_every_line_leads_forward() {
    let mut source = fastrand::Rng::with_seed(11);
    for count in (1..40).chain([60, 100, 150]) {
        let sketch = random(&mut source, count);
        let layout = sketch.layout();
        holds(&sketch, &layout);
    }
}

#[test]
fn the_same_graph_has_the_same_layout() {
    for seed in 0..10 {
        let layout = || random(&mut fastrand::Rng::with_seed(seed), 60).layout();
        let (one, two) = (layout(), layout());
        assert_eq!(one.lines, two.lines);
        assert!(one.boxes.iter().eq(two.boxes.iter()));
    }
}

#[test]
fn a_chain_is_straight() {
    let chain: Vec<Vec<usize>> = (0..12_usize)
        .map(|at| at.checked_sub(1).into_iter().collect())
        .collect();
    let boxes: Vec<(f64, &[usize])> = chain
        .iter()
        .enumerate()
        .map(|(at, links)| (20.0 + 7.0 * at as f64, links.as_slice()))
        .collect();
    let (sketch, _) = sketch(&boxes);
    let layout = sketch.layout();
    holds(&sketch, &layout);
    let middle = layout.boxes.iter().map(|(_, rect)| y(rect));
    let (least, most) = middle.fold((f64::MAX, f64::MIN), |(least, most), y| {
        (least.min(y), most.max(y))
    });
    assert!(most - least < 0.001, "from {least} to {most}");
}

#[test]
fn a_diamond_is_symmetric_and_its_chains_are_straight() {
    //      1 - 2
    //  0 <       > 5
    //      3 - 4
    let (sketch, v) = sketch(&[
        (40.0, &[]),
        (40.0, &[0]),
        (40.0, &[1]),
        (40.0, &[0]),
        (40.0, &[3]),
        (40.0, &[2, 4]),
    ]);
    let layout = sketch.layout();
    holds(&sketch, &layout);
    let at = |index: usize| y(&layout.boxes[v[index]]);
    assert_eq!((at(1), at(3)), (at(2), at(4)));
    assert_eq!(at(0), at(5));
    assert_eq!(at(0), f64::midpoint(at(1), at(3)));
    assert!(at(1) < at(3), "in the order that they were added in");
}

#[test]
fn long_lines_are_straight_and_shared() {
    // 0 - 1 - 2 - 3 - 4, and from 0 to 3 and to 4.
    let (sketch, v) = sketch(&[
        (40.0, &[]),
        (40.0, &[0]),
        (40.0, &[1]),
        (40.0, &[2, 0]),
        (40.0, &[3, 0]),
    ]);
    let layout = sketch.layout();
    holds(&sketch, &layout);
    let long = |to: usize| {
        let mut lines = layout.lines.iter();
        let line = lines.find(|line| line.from == v[0] && line.to == v[to]);
        line.unwrap().points.clone()
    };
    let (shorter, longer) = (long(3), long(4));
    let bends = &longer[1..longer.len() - 1];
    assert_eq!(bends.len(), 6);
    assert!(bends.iter().all(|point| point.y == bends[0].y), "{bends:?}");
    assert_eq!(shorter[..5], longer[..5], "they share what they can");
}

#[test]
fn crossings_that_can_be_avoided_are() {
    // Two beginnings of trees whose leaves are added in the wrong order.
    let (sketch, _) = sketch(&[
        (20.0, &[]),
        (20.0, &[0]),
        (20.0, &[0]),
        (20.0, &[2]),
        (20.0, &[1]),
        (20.0, &[2]),
        (20.0, &[1]),
        (20.0, &[3, 5]),
        (20.0, &[4, 6]),
    ]);
    let mut network = Network::of(&sketch.vertices);
    order::reduce_crossings(&mut network);
    assert_eq!(crossings(&network), 0);
}

/// A walk gives 1, 2, 3 and then 4, 5: two lines cross until 2 and 3 are exchanged.
#[test]
fn crossings_that_a_walk_leaves_are_exchanged_away() {
    let (sketch, _) = sketch(&[
        (20.0, &[]),
        (20.0, &[0]),
        (20.0, &[0]),
        (20.0, &[0]),
        (20.0, &[1, 3]),
        (20.0, &[2]),
    ]);
    let mut network = Network::of(&sketch.vertices);
    assert_eq!(crossings(&network), 1);
    order::reduce_crossings(&mut network);
    assert_eq!(crossings(&network), 0);
}

#[test]
fn nothing_has_a_layout_too() {
    let layout = Sketch::default().layout();
    assert_eq!((layout.size.width, layout.size.height), (0.0, 0.0));
}

/// Far more lines than people draw.
#[test]
fn a_graph_of_many_lines_has_a_layout() {
    let mut source = fastrand::Rng::with_seed(5);
    let mut sketch = Sketch::default();
    let mut vertices: Vec<Vertex> = Vec::new();
    for _ in 0..120 {
        let links = vertices.iter().filter(|_| source.u8(0..4) == 0);
        let links = links.chain(vertices.last());
        let mut links: Vec<Link> = links.map(|&from| Link { from, apart: false }).collect();
        links.dedup();
        let size = Size {
            width: 100.0,
            height: 40.0,
        };
        vertices.push(sketch.vertex(size, Column::Next, links));
    }
    let layout = sketch.layout();
    assert!(layout.lines.len() > 1500);
    holds(&sketch, &layout);
}
