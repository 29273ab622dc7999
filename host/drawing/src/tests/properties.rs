//! What has to hold of every drawing.

use roxmltree::{Document, Node};
use unicode_width::UnicodeWidthStr as _;

use super::flows;
use crate::Drawing;
use crate::measure::{Face, Font};

/// Drawings of all kinds.
fn drawings() -> Vec<Drawing> {
    let mut drawings = vec![
        flows::chain(),
        flows::branches(),
        flows::everything(),
        flows::timed(),
        flows::all_floating(),
        flows::hostile(),
    ];
    for seed in 0..30 {
        drawings.push(flows::random(seed, 6, 5));
    }
    drawings.push(flows::random(1, 30, 12));
    drawings
}

/// How many lines there are in a drawing, with those to the gateway.
fn edges(drawing: &Drawing) -> usize {
    let needs = drawing.graph.iter().map(|(_, node)| node.needs.len());
    needs.sum::<usize>() + drawing.answer().len()
}

#[test]
fn an_svg_is_xml_without_anything_that_acts() {
    for drawing in drawings() {
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let title = root.first_element_child().unwrap();
        assert_eq!(title.tag_name().name(), "title");
        assert!(root.children().any(|child| child.has_tag_name("desc")));
        for node in document.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                [
                    "svg", "title", "desc", "style", "rect", "g", "text", "path", "circle",
                    "ellipse"
                ]
                .contains(&name),
                "<{name}>"
            );
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(!name.starts_with("on") && !name.contains("href") && name != "id");
                assert!(!attribute.value().contains("url("));
            }
        }
        // The namespace is no link.
        assert!(
            !svg.replacen("http://www.w3.org/2000/svg", "", 1)
                .contains("http")
        );
    }
}

#[test]
fn no_text_is_wider_than_its_box() {
    let number = |node: Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name).unwrap_or("0").parse().unwrap()
    };
    for drawing in drawings() {
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap();
        let mut seen = 0;
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
        {
            let class = node.attribute("class").unwrap();
            let font = Font {
                size: match class {
                    "heading" => 16.0,
                    "name" => 14.0,
                    _ => 11.0,
                },
                face: match class.starts_with("mono") {
                    true => Face::Mono,
                    false => Face::Sans,
                },
            };
            let width = font.width(node.text().unwrap_or_default());
            let (from, to) = match node.attribute("text-anchor") {
                Some(_) => (-width / 2.0, width / 2.0),
                None => (0.0, width),
            };
            let x = number(node, "x");
            let inside = node
                .ancestors()
                .find(|node| node.has_tag_name("svg"))
                .unwrap();
            assert!(x + from >= 0.0, "{node:?}");
            assert!(x + to <= number(inside, "width"), "{node:?}");
            seen += 1;
        }
        assert!(seen > 2 * drawing.graph.len());
    }
}

#[test]
fn every_executor_is_in_every_form() {
    for drawing in drawings() {
        let svg = drawing.svg();
        let document = Document::parse(&svg).unwrap();
        let boxes = document.descendants().filter(|node| {
            let class = node.attribute("class").unwrap_or_default();
            node.has_tag_name("svg") && class.is_empty()
        });
        assert_eq!(boxes.count(), drawing.graph.len());

        let mermaid = drawing.mermaid();
        let arrows = mermaid.matches("-->").count() + mermaid.matches("-.->").count();
        assert_eq!(arrows, edges(&drawing), "{mermaid}");
        assert!(mermaid.matches("<br/>").count() >= drawing.graph.len());

        let text = drawing.text(None);
        let marks = text.matches(['●', '◆', '◌']).count();
        assert_eq!(marks, drawing.graph.len(), "{text}");
        assert_eq!(text.matches('○').count(), 2);

        let json = drawing.json();
        assert_eq!(json["nodes"].as_array().unwrap().len(), drawing.graph.len());
        assert_eq!(json["edges"].as_array().unwrap().len(), edges(&drawing));
    }
}

#[test]
fn text_keeps_to_the_width() {
    for drawing in drawings() {
        for width in [48, 60, 80, 120] {
            for line in drawing.text(Some(width)).lines() {
                assert!(line.width() <= width, "{width}:\n{line}");
            }
        }
    }
}

/// What a terminal would act on is in none of them.
#[test]
fn no_form_has_control_characters() {
    let drawing = flows::hostile();
    for form in [drawing.svg(), drawing.mermaid(), drawing.text(None)] {
        let bad = form
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
        assert_eq!(bad, None);
    }
}

/// In a label of Mermaid, only letters, a few marks and our own tags stand by themselves.
#[test]
fn nothing_leaves_a_label_of_mermaid() {
    let mermaid = flows::hostile().mermaid();
    let labels = mermaid
        .lines()
        .filter(|line| line.starts_with("    n") && line.contains('"'));
    let mut seen = 0;
    for line in labels {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        let label = line.split('"').nth(1).unwrap();
        let label = label
            .replace("<br/>", "")
            .replace("<b>", "")
            .replace("</b>", "");
        let meant = ['<', '>', '`', '{', '}', '[', ']', '|', ':', '&', '\\', '*'];
        assert!(!label.contains(meant), "{label}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn the_same_flow_is_drawn_in_the_same_way() {
    for seed in 0..5 {
        let draw = || flows::random(seed, 12, 6);
        let (one, two) = (draw(), draw());
        assert_eq!(one.svg(), two.svg());
        assert_eq!(one.text(Some(90)), two.text(Some(90)));
        assert_eq!(one.mermaid(), two.mermaid());
    }
}
