//! The lines between boxes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Canvas, Px};
use crate::layout::{Layout, Line, Point, Rect, Vertex};
use crate::xml::escaped;

/// An arrow's length, and half its width.
const ARROW: f64 = 8.0;
const HALF_ARROW: f64 = 4.0;
/// How far before a box lines come together, and the dot where they do.
const JUNCTION: f64 = 20.0;
const DOT: f64 = 3.5;
/// Lines that stay apart end so far from each other, if the box has room for that.
const BETWEEN_ENDS: f64 = 14.0;

/// How the lines to a box end.
pub(super) enum End {
    /// In one arrow.
    One,
    /// They come together, with what there is to say of that, and end in one arrow.
    Joined(String),
    /// Each in an arrow of its own.
    Apart,
}

/// The lines that lead to each box. Those that come from one box share segments, which
/// are drawn once.
pub(super) struct Lines<'l> {
    layout: &'l Layout,
    to: BTreeMap<Vertex, Vec<&'l Line>>,
    drawn: BTreeSet<(bool, [i64; 4])>,
}

impl<'l> Lines<'l> {
    pub(super) fn new(layout: &'l Layout) -> Lines<'l> {
        let mut to: BTreeMap<Vertex, Vec<&Line>> = BTreeMap::new();
        for line in &layout.lines {
            to.entry(line.to).or_default().push(line);
        }
        Lines {
            layout,
            to,
            drawn: BTreeSet::new(),
        }
    }

    /// Draws the lines that lead to a box.
    pub(super) fn draw(&mut self, canvas: &mut Canvas, to: Vertex, end: &End) {
        let mut lines = self.to.remove(&to).unwrap_or_default();
        let rect = canvas.placed(&self.layout.boxes[to]);
        match end {
            End::Apart => {
                // In the order in which they come, so that they do not cross here.
                lines.sort_by(|one, two| height_before(one).total_cmp(&height_before(two)));
                let gaps = lines.len().saturating_sub(1).max(1) as f64;
                let step = BETWEEN_ENDS.min(rect.height * 0.7 / gaps);
                let first = rect.middle() - step * gaps / 2.0;
                for (index, line) in lines.into_iter().enumerate() {
                    let y = first + step * index as f64;
                    self.line(
                        canvas,
                        line,
                        Point {
                            x: rect.x - ARROW,
                            y,
                        },
                    );
                    arrow(canvas, rect.x, y);
                }
            }
            End::One | End::Joined(_) => {
                let y = rect.middle();
                let back = match end {
                    End::Joined(_) => JUNCTION,
                    _ => ARROW,
                };
                let at = Point {
                    x: rect.x - back,
                    y,
                };
                for line in lines {
                    self.line(canvas, line, at);
                }
                if let End::Joined(title) = end {
                    junction(canvas, at, &rect, title);
                }
                arrow(canvas, rect.x, y);
            }
        }
    }

    /// Draws what was not drawn yet of a line that ends there.
    fn line(&mut self, canvas: &mut Canvas, line: &Line, end: Point) {
        let mut points: Vec<Point> = line
            .points
            .iter()
            .map(|point| canvas.placed_point(*point))
            .collect();
        if let Some(last) = points.last_mut() {
            *last = end;
        }
        let mut path = String::new();
        let mut is_open = false;
        for pair in points.windows(2) {
            let &[from, to] = pair else { continue };
            let key = [from.x, from.y, to.x, to.y].map(|number| (number * 10.0).round() as i64);
            if !self.drawn.insert((line.apart, key)) {
                is_open = false;
                continue;
            }
            if !is_open {
                path += &format!("M{} {}", Px(from.x), Px(from.y));
                is_open = true;
            }
            let [_, from_y, _, to_y] = key;
            if from_y == to_y {
                path += &format!("H{}", Px(to.x));
            } else {
                let middle = Px(f64::midpoint(from.x, to.x));
                path += &format!(
                    "C{middle} {} {middle} {} {} {}",
                    Px(from.y),
                    Px(to.y),
                    Px(to.x),
                    Px(to.y)
                );
            }
        }
        if !path.is_empty() {
            let class = if line.apart { "line dashed" } else { "line" };
            canvas.push(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
        }
    }
}

/// The height from which a line comes to its end.
fn height_before(line: &Line) -> f64 {
    line.points.iter().rev().nth(1).map_or(0.0, |point| point.y)
}

/// The head of an arrow that ends there.
fn arrow(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.push(format_args!(
        "<path class=\"arrow\" d=\"M{} {}l-{ARROW} -{HALF_ARROW}v{}z\"/>",
        Px(x),
        Px(y),
        2.0 * HALF_ARROW
    ));
}

/// Where lines come together before a box.
fn junction(canvas: &mut Canvas, at: Point, to: &Rect, title: &str) {
    canvas.push(format_args!(
        "<g><title>{}</title><path class=\"line\" d=\"M{} {}H{}\"/>\
         <circle class=\"arrow\" cx=\"{}\" cy=\"{}\" r=\"{DOT}\"/></g>",
        escaped(title),
        Px(at.x),
        Px(at.y),
        Px(to.x - ARROW),
        Px(at.x),
        Px(at.y)
    ));
}
