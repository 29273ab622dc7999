//! The drawing as an SVG document: no scripts, no links, no fonts of others, and no ids,
//! so that several may stand in one page.

mod face;
mod lines;

use std::fmt;

use wasm_flow_contract::graph::{GATEWAY, Join, Node, NodeMap, Upstream};

use crate::Drawing;
use crate::card::Card;
use crate::layout::{Column, Link, Point, Rect, Size, Sketch, Vertex};
use crate::measure::{self, Cut, Font};
use crate::shown::{Percent, Time, count, joins};
use crate::times::Times;
use crate::xml::escaped;
use face::Face;
use lines::{End, Lines};

const STYLE: &str = include_str!("style.css");

// The sizes that `style.css` sets.
const HEADING: Font = Font {
    size: 16.0,
    face: measure::Face::Sans,
};
const NAME: Font = Font {
    size: 14.0,
    face: measure::Face::Sans,
};
const SMALL: Font = Font {
    size: 11.0,
    face: measure::Face::Sans,
};
const MONO: Font = Font {
    size: 11.0,
    face: measure::Face::Mono,
};

/// Around the picture.
const MARGIN: f64 = 24.0;
/// Between the side of a box and what is in it.
const PADDING: f64 = 12.0;
const GATEWAY_HEIGHT: f64 = 44.0;
/// The most room for the flow's name.
const MOST_HEADING: f64 = 640.0;

pub(crate) fn draw(drawing: &Drawing) -> String {
    let graph = &drawing.graph;
    let times = |id| drawing.times.as_ref().map(|times| &times.executors[id]);
    // In the order of the nodes, as the values are made.
    let mut ids = graph.iter().map(|(id, _)| id);
    let faces = graph.values(|node| Face::new(drawing, node, ids.next().and_then(times)));

    let mut sketch = Sketch::default();
    let pill = Size {
        width: NAME.width(GATEWAY) + 2.0 * PADDING,
        height: GATEWAY_HEIGHT,
    };
    let entry = sketch.vertex(pill, Column::Next, Vec::new());
    let mut vertices = graph.values(|_| entry);
    let vertex = |vertices: &NodeMap<Vertex>, from| match from {
        Upstream::Gateway => entry,
        Upstream::Node(id) => vertices[id],
    };
    for &id in graph.order() {
        let node = &graph[id];
        let links = node.needs.iter().map(|edge| Link {
            from: vertex(&vertices, edge.from),
            apart: node.options.floating,
        });
        let links = links.collect();
        vertices[id] = sketch.vertex(faces[id].size(), Column::Next, links);
    }
    let links = drawing.answer().into_iter().map(|from| Link {
        from: vertex(&vertices, from),
        apart: false,
    });
    let exit = sketch.vertex(pill, Column::Last, links.collect());
    let layout = sketch.layout();

    let mut canvas = Canvas::default();
    let heading = canvas.heading(drawing);
    canvas.origin = Point {
        x: MARGIN,
        y: heading.height,
    };
    // Boxes lie over the ends of lines.
    let mut lines = Lines::new(&layout);
    for (id, node) in graph.iter() {
        lines.draw(&mut canvas, vertices[id], &end(drawing, node));
    }
    lines.draw(&mut canvas, exit, &End::One);
    canvas.gateway(&layout.boxes[entry], "requests");
    for (id, _) in graph.iter() {
        faces[id].draw(&mut canvas, &layout.boxes[vertices[id]]);
    }
    canvas.gateway(&layout.boxes[exit], "answers");
    let size = Size {
        width: layout.size.width.max(heading.width) + 2.0 * MARGIN,
        height: heading.height + layout.size.height + MARGIN,
    };
    document(drawing, size, &canvas.elements)
}

/// How the lines to an executor end: documents that become one come in one arrow.
fn end(drawing: &Drawing, node: &Node<Card>) -> End {
    match (joins(node), node.options.join) {
        (false, _) => End::One,
        (true, Join::Concat) => End::Apart,
        (true, Join::Reduce) => {
            let needs: Vec<&str> = drawing.needs(node).collect();
            End::Joined(format!(
                "documents of one id become one; the first that has a field counts, in this \
                 order: {}",
                needs.join(", ")
            ))
        }
    }
}

/// The document around these elements.
fn document(drawing: &Drawing, size: Size, elements: &str) -> String {
    let (width, height) = (Px(size.width.ceil()), Px(size.height.ceil()));
    let name = escaped(&drawing.name);
    let description = escaped(&description(drawing));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wf\" role=\"img\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title>{name}</title>\n<desc>{description}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>\n\
         {elements}</svg>\n"
    )
}

/// The flow in words, for who does not see it.
fn description(drawing: &Drawing) -> String {
    let mut text = format!(
        "A flow of {}.",
        count(drawing.graph.len() as u64, "executor")
    );
    for (_, node) in drawing.graph.iter() {
        let needs: Vec<&str> = drawing.needs(node).collect();
        text += &format!(" {} needs {}.", node.name, needs.join(", "));
    }
    let answer = drawing.answer();
    let answer = answer
        .iter()
        .map(|from| drawing.graph.upstream_name(*from))
        .collect::<Vec<_>>();
    text += &format!(" The answer is what comes from {}.", answer.join(", "));
    text
}

/// What has been drawn.
#[derive(Default)]
struct Canvas {
    elements: String,
    /// Where the layout begins.
    origin: Point,
}

impl Canvas {
    fn push(&mut self, element: impl fmt::Display) {
        self.elements += &element.to_string();
        self.elements.push('\n');
    }

    /// A box of the layout in its place in the picture.
    fn placed(&self, rect: &Rect) -> Rect {
        Rect {
            x: rect.x + self.origin.x,
            y: rect.y + self.origin.y,
            ..*rect
        }
    }

    fn placed_point(&self, point: Point) -> Point {
        Point {
            x: point.x + self.origin.x,
            y: point.y + self.origin.y,
        }
    }

    fn text(&mut self, class: &str, at: Point, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{text}</text>",
            Px(at.x),
            Px(at.y),
        ));
    }

    fn centred(&mut self, class: &str, at: Point, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
            Px(at.x),
            Px(at.y),
        ));
    }

    fn rect(&mut self, class: &str, rect: &Rect, radius: f64) {
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
            Px(rect.x),
            Px(rect.y),
            Px(rect.width),
            Px(rect.height),
            Px(radius),
        ));
    }

    /// The flow's name, and how its requests were. Returns how much room that takes.
    fn heading(&mut self, drawing: &Drawing) -> Size {
        let name = HEADING.fitted(&drawing.name, MOST_HEADING, Cut::End);
        let at = |y| Point { x: MARGIN, y };
        self.text("heading", at(MARGIN + 14.0), &name);
        let mut size = Size {
            width: HEADING.width(&name),
            height: MARGIN + 40.0,
        };
        if let Some(Times {
            requests,
            mean,
            p95,
            own,
            executors: _,
        }) = &drawing.times
        {
            let text = format!(
                "{} · mean {} · 95 % within {} · {} of their time is the flow's own",
                count(*requests, "request"),
                Time(*mean),
                Time(*p95),
                Percent(*own)
            );
            self.text("plain", at(MARGIN + 34.0), &text);
            size.width = size.width.max(SMALL.width(&text));
            size.height += 18.0;
        }
        size
    }

    /// A gateway, and what goes through it.
    fn gateway(&mut self, rect: &Rect, what: &str) {
        let rect = self.placed(rect);
        self.rect("gateway", &rect, rect.height / 2.0);
        let x = rect.x + rect.width / 2.0;
        for (class, y, text) in [("name", -2.0, GATEWAY), ("plain", 12.0, what)] {
            let y = rect.middle() + y;
            self.centred(class, Point { x, y }, text);
        }
    }
}

/// A number of pixels, with one digit behind the point if it needs one.
struct Px(f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // There is no need to write a zero below zero.
        write!(f, "{}", if tenths == 0.0 { 0.0 } else { tenths })
    }
}
