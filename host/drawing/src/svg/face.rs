//! An executor's box.

use wasm_flow_contract::graph::Node;

use super::{Canvas, MONO, NAME, PADDING, Px, SMALL};
use crate::Drawing;
use crate::card::Card;
use crate::layout::{Point, Rect, Size};
use crate::measure::Cut;
use crate::shown::{Percent, Time, badges, condition, count, heat, joins};
use crate::times::ExecutorTimes;
use crate::xml::escaped;

/// What is in a box is at least and at most so wide.
const LEAST: f64 = 104.0;
const MOST: f64 = 264.0;
/// A row of several badges is at most so wide.
const MOST_ROW: f64 = 220.0;
/// An icon, and the space behind it.
const ICON: f64 = 21.0;
/// How far each sheet of a stack shows below the one before it, and how many do.
const SHEET: f64 = 5.0;
const MOST_SHEETS: u32 = 2;
/// The heights of the lines in a box.
const WHEN_LINE: f64 = 19.0;
const TEXT_LINE: f64 = 17.0;
const NAME_LINE: f64 = 21.0;
const BADGE_LINE: f64 = 24.0;
const BAR_LINE: f64 = 10.0;
/// A badge, the room beside its text, and the room between two.
const BADGE: f64 = 18.0;
const BADGE_PADDING: f64 = 7.0;
const BETWEEN_BADGES: f64 = 6.0;

/// What is in an executor's box.
pub(super) struct Face {
    /// Whole, for who points at it.
    title: String,
    class: String,
    is_elsewhere: bool,
    sheets: u32,
    when: Option<String>,
    name: String,
    source: String,
    badges: Vec<Vec<Shown>>,
    times: Option<ShownTimes>,
    width: f64,
}

/// A badge, as it fits.
struct Shown {
    text: String,
    title: String,
    width: f64,
}

/// How long it took, in two lines, and its share.
struct ShownTimes {
    lines: [String; 2],
    share: f64,
}

impl Face {
    pub(super) fn new(drawing: &Drawing, node: &Node<Card>, times: Option<&ExecutorTimes>) -> Face {
        let card = &node.value;
        let when = condition(node);
        let when = when.map(|when| MONO.fitted(&when, MOST - ICON, Cut::End).into_owned());
        let name = NAME.fitted(&node.name, MOST - ICON, Cut::End).into_owned();
        let source = card.source.as_str();
        let source = MONO.fitted(source, MOST, Cut::Beginning).into_owned();
        let badges: Vec<Shown> = badges(node)
            .map(|(text, title)| {
                let text = SMALL.fitted(text, MOST - 2.0 * BADGE_PADDING, Cut::End);
                Shown {
                    width: SMALL.width(&text) + 2.0 * BADGE_PADDING,
                    text: text.into_owned(),
                    title: title.to_owned(),
                }
            })
            .collect();
        let shown_times = times.map(|times| ShownTimes::new(node, times));

        let badges = rows(badges);
        let widths = badges.iter().map(|row| row_width(row));
        let times_lines = shown_times.iter().flat_map(|times| &times.lines);
        let times_width = times_lines.map(|line| SMALL.width(line));
        let width = widths
            .chain(times_width)
            .chain(when.iter().map(|when| MONO.width(when) + ICON))
            .chain([NAME.width(&name) + ICON, MONO.width(&source)])
            .fold(LEAST, f64::max);
        let mut class = String::from("card");
        if card.source.is_elsewhere() {
            class += " elsewhere";
        }
        if node.options.floating {
            class += " floating";
        }
        if let Some(times) = times {
            class += &format!(" heat{}", heat(times.share));
        }
        Face {
            title: title(drawing, node, times),
            class,
            is_elsewhere: card.source.is_elsewhere(),
            sheets: card.copies.saturating_sub(1).min(MOST_SHEETS),
            when,
            name,
            source,
            badges,
            times: shown_times,
            width,
        }
    }

    /// How much room it takes, with the stack below it.
    pub(super) fn size(&self) -> Size {
        Size {
            width: self.width + 2.0 * PADDING,
            height: self.height() + f64::from(self.sheets) * SHEET,
        }
    }

    /// The height of the card itself.
    fn height(&self) -> f64 {
        let when = if self.when.is_some() { WHEN_LINE } else { 0.0 };
        let times = match self.times {
            Some(_) => 2.0 * TEXT_LINE + BAR_LINE,
            None => 0.0,
        };
        2.0 * PADDING - 4.0
            + when
            + NAME_LINE
            + TEXT_LINE
            + self.badges.len() as f64 * BADGE_LINE
            + times
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, rect: &Rect) {
        let rect = canvas.placed(rect);
        let front = Rect {
            height: self.height(),
            ..rect
        };
        canvas.push(format_args!("<g><title>{}</title>", escaped(&self.title)));
        for sheet in (1..=self.sheets).rev() {
            let inset = f64::from(sheet) * SHEET;
            let sheet = Rect {
                x: front.x + inset,
                y: front.y + inset,
                width: front.width - 2.0 * inset,
                height: front.height,
            };
            canvas.rect(&self.class, &sheet, 8.0);
        }
        canvas.rect(&self.class, &front, 8.0);
        // What is in it is cut off at its sides, in whatever font it is shown.
        canvas.push(format_args!(
            "<svg x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">",
            Px(front.x),
            Px(front.y),
            Px(front.width),
            Px(front.height),
        ));
        self.draw_inside(canvas, front.width);
        canvas.push("</svg></g>");
    }

    fn draw_inside(&self, canvas: &mut Canvas, width: f64) {
        let x = PADDING;
        // The base of the line that is next.
        let mut y = PADDING - 2.0;
        if let Some(when) = &self.when {
            y += WHEN_LINE;
            funnel(canvas, x + 2.0, y - 11.0);
            let at = Point {
                x: x + ICON,
                y: y - 5.0,
            };
            canvas.text("mono when", at, when);
        }
        y += NAME_LINE;
        match self.is_elsewhere {
            true => globe(canvas, x, y - 18.0),
            false => component(canvas, x, y - 18.0),
        }
        let at = Point {
            x: x + ICON,
            y: y - 6.0,
        };
        canvas.text("name", at, &self.name);
        y += TEXT_LINE;
        canvas.text("mono", Point { x, y: y - 5.0 }, &self.source);
        for row in &self.badges {
            let mut x = x;
            for badge in row {
                let rect = Rect {
                    x,
                    y: y + BADGE_LINE - BADGE,
                    width: badge.width,
                    height: BADGE,
                };
                canvas.push(format_args!("<g><title>{}</title>", escaped(&badge.title)));
                canvas.rect("badge", &rect, BADGE / 2.0);
                let at = Point {
                    x: x + badge.width / 2.0,
                    y: rect.bottom() - 5.0,
                };
                canvas.centred("plain", at, &badge.text);
                canvas.push("</g>");
                x += badge.width + BETWEEN_BADGES;
            }
            y += BADGE_LINE;
        }
        if let Some(ShownTimes { lines, share }) = &self.times {
            for line in lines {
                y += TEXT_LINE;
                canvas.text("plain", Point { x, y: y - 1.0 }, line);
            }
            let whole = Rect {
                x,
                y: y + 5.0,
                width: width - 2.0 * PADDING,
                height: 4.0,
            };
            let part = Rect {
                width: whole.width * share.clamp(0.0, 1.0),
                ..whole
            };
            canvas.rect("bar", &whole, 2.0);
            canvas.rect("part", &part, 2.0);
        }
    }
}

/// Badges in rows. One that is wider than a row has one of its own.
fn rows(badges: Vec<Shown>) -> Vec<Vec<Shown>> {
    let mut rows: Vec<Vec<Shown>> = Vec::new();
    for badge in badges {
        match rows.last_mut() {
            Some(row) if row_width(row) + BETWEEN_BADGES + badge.width <= MOST_ROW => {
                row.push(badge);
            }
            _ => rows.push(vec![badge]),
        }
    }
    rows
}

fn row_width(row: &[Shown]) -> f64 {
    let widths: f64 = row.iter().map(|badge| badge.width).sum();
    widths + row.len().saturating_sub(1) as f64 * BETWEEN_BADGES
}

impl ShownTimes {
    fn new(node: &Node<Card>, times: &ExecutorTimes) -> ShownTimes {
        let lines = match times.calls {
            0 if node.options.floating => ["not measured", "nobody waits for it"].map(String::from),
            0 => ["not called", "passed by"].map(String::from),
            calls => [
                format!("{} · {}", Percent(times.share), count(calls, "call")),
                format!("mean {} · p95 {}", Time(times.mean), Time(times.p95)),
            ],
        };
        ShownTimes {
            lines,
            share: times.share,
        }
    }
}

/// All that there is to say of an executor.
fn title(drawing: &Drawing, node: &Node<Card>, times: Option<&ExecutorTimes>) -> String {
    let needs: Vec<&str> = drawing.needs(node).collect();
    let mut parts = vec![
        format!("{}: {}", node.name, node.value.source.as_str()),
        format!("needs {}", needs.join(", ")),
    ];
    if joins(node) {
        parts.push("the first need counts where documents of one id differ".to_owned());
    }
    parts.extend(condition(node).map(|when| format!("when {when}")));
    parts.extend(badges(node).map(|(_, title)| title.to_owned()));
    if let Some(times) = times
        && times.calls > 0
    {
        parts.push(format!(
            "{}, mean {}, 95 % within {}, {} of the requests' time on the critical path",
            count(times.calls, "call"),
            Time(times.mean),
            Time(times.p95),
            Percent(times.share)
        ));
    }
    parts.join("; ")
}

/// A component that runs here: a square with a notch, as WebAssembly's own sign.
fn component(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.push(format_args!(
        "<path class=\"icon\" d=\"M{} {}h4.6a2.4 2.4 0 0 0 4.8 0h4.6v14h-14z\"/>",
        Px(x),
        Px(y)
    ));
}

/// One that runs elsewhere.
fn globe(canvas: &mut Canvas, x: f64, y: f64) {
    let (x, y) = (Px(x + 7.0), Px(y + 7.0));
    canvas.push(format_args!(
        "<g class=\"globe\" transform=\"translate({x} {y})\"><circle r=\"6.5\"/>\
         <ellipse rx=\"2.8\" ry=\"6.5\"/><path d=\"M-6.5 0h13\"/></g>"
    ));
}

/// A condition lets some documents pass.
fn funnel(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.push(format_args!(
        "<path class=\"funnel\" d=\"M{} {}h10l-3.8 4.2v4.3l-2.4-1.4v-2.9z\"/>",
        Px(x),
        Px(y - 3.0)
    ));
}
