//! From a file's text to a tree, within bounds.
//!
//! Written over the parser's events and not over a library's tree: those expand
//! aliases without a bound, or know no places.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use wasm_flow_contract::units::Size;
use wasm_flow_manifest::Problem;

use super::{Content, Node, Scalar, ScalarKind};
use crate::bounds::{MAX_DEPTH, MAX_TEXT, MAX_VALUES};

/// The value that a file holds. None if it is empty.
///
/// # Errors
/// With what is wrong with the file, and where.
pub(crate) fn load(text: &str) -> Result<Option<Node>, Problem> {
    let offsets = Offsets::of(text);
    let mut loader = Loader {
        offsets: &offsets,
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        values: 0,
        bytes: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => loader.event(event, span)?,
            Err(error) => {
                let at = offsets.of_marker(error.marker());
                return Err(Problem::new(
                    at..at,
                    format!("not valid YAML: {}", error.info()),
                ));
            }
        }
    }
    Ok(loader.root)
}

/// Where each character is in the text: the parser counts characters.
struct Offsets(Option<Vec<usize>>);

impl Offsets {
    fn of(text: &str) -> Offsets {
        let places = || text.char_indices().map(|(at, _)| at);
        Offsets((!text.is_ascii()).then(|| places().chain([text.len()]).collect()))
    }

    fn of_marker(&self, marker: &Marker) -> usize {
        let Some(offsets) = &self.0 else {
            return marker.index();
        };
        let end = offsets.last().copied().unwrap_or_default();
        offsets.get(marker.index()).copied().unwrap_or(end)
    }

    fn of_span(&self, span: &Span) -> Range<usize> {
        self.of_marker(&span.start)..self.of_marker(&span.end)
    }
}

/// A list or a table that is not at its end yet.
struct Open {
    span: Range<usize>,
    tag: Option<Rc<str>>,
    /// 0 for none.
    anchor: usize,
    inner: Inner,
    weight: Weight,
}

enum Inner {
    List(Vec<Node>),
    Map {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
    },
}

/// What a value comes to, for when an alias stands for it.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    values: usize,
    bytes: usize,
    depth: usize,
}

struct Loader<'o> {
    offsets: &'o Offsets,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, Weight)>,
    root: Option<Node>,
    documents: usize,
    values: usize,
    bytes: usize,
}

impl Loader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let span = self.offsets.of_span(&span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::new(span, "the file has several YAML documents")
                        .label("the second one begins here")
                        .help("a Flow is one document: put each into a file of its own"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = match (style, &tag) {
                    (ScalarStyle::Plain, None) => ScalarKind::of(&text),
                    (_, Some(tag)) if tag.is_yaml_core_schema() && tag.suffix != "str" => {
                        ScalarKind::of(&text)
                    }
                    _ => ScalarKind::Text,
                };
                let weight = Weight {
                    values: 1,
                    bytes: text.len(),
                    depth: 1,
                };
                let node = Node {
                    span,
                    tag: own_tag(tag.as_deref()),
                    content: Content::Scalar(Scalar {
                        text: text.into(),
                        kind,
                    }),
                };
                self.count(&node, weight)?;
                self.add(node, anchor, weight)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(span, anchor, tag, Inner::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let map = Inner::Map {
                    entries: Vec::new(),
                    key: None,
                };
                self.open(span, anchor, tag, map)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some((mut node, weight)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::new(span, "an alias to what it is a part of"));
                };
                // What is wrong with it is wrong here.
                node.span = span;
                self.count(&node, weight)?;
                self.add(node, 0, weight)
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => Ok(()),
        }
    }

    fn open(
        &mut self,
        span: Range<usize>,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        inner: Inner,
    ) -> Result<(), Problem> {
        let weight = Weight {
            values: 1,
            bytes: 0,
            depth: 1,
        };
        let open = Open {
            // A block's end is not known yet, and its first line is enough.
            span: span.start..span.end.max(span.start),
            tag: own_tag(tag.as_deref()),
            anchor,
            inner,
            weight,
        };
        self.check(&open.span, weight)?;
        self.values += 1;
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let content = match open.inner {
            Inner::List(items) => Content::List(Rc::new(items)),
            Inner::Map { entries, .. } => Content::Map(Rc::new(merged(entries))),
        };
        let node = Node {
            span: open.span,
            tag: open.tag,
            content,
        };
        self.add(node, open.anchor, open.weight)
    }

    /// Counts a value that is complete, before it is kept.
    fn count(&mut self, node: &Node, weight: Weight) -> Result<(), Problem> {
        self.check(&node.span, weight)?;
        self.values += weight.values;
        self.bytes += weight.bytes;
        Ok(())
    }

    fn check(&self, span: &Range<usize>, weight: Weight) -> Result<(), Problem> {
        let too_much = |what: String| {
            Err(Problem::new(span.clone(), what)
                .label("here it becomes too much")
                .help("what an alias (`*name`) stands for counts each time"))
        };
        if self.stack.len() + weight.depth > MAX_DEPTH {
            return Err(Problem::new(
                span.clone(),
                format!("lists and tables are nested deeper than {MAX_DEPTH}"),
            ));
        }
        if self.values + weight.values > MAX_VALUES {
            return too_much(format!("the file has more than {MAX_VALUES} values"));
        }
        if self.bytes + weight.bytes > MAX_TEXT {
            let most = Size(MAX_TEXT as u64);
            return too_much(format!("the texts of the file come to more than {most}"));
        }
        Ok(())
    }

    /// Puts a value where it belongs. It has been counted.
    fn add(&mut self, node: Node, anchor: usize, weight: Weight) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight.values += weight.values;
        open.weight.bytes += weight.bytes;
        open.weight.depth = open.weight.depth.max(weight.depth + 1);
        match &mut open.inner {
            Inner::List(items) => items.push(node),
            Inner::Map { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

/// The tag of an application. Those of YAML itself have done their part.
fn own_tag(tag: Option<&Tag>) -> Option<Rc<str>> {
    let tag = tag.filter(|tag| !tag.is_yaml_core_schema() && !tag.suffix.is_empty())?;
    Some(tag.suffix.as_str().into())
}

/// The entries of a table, with those that `<<` brings in.
fn merged(entries: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node| key.text() == Some("<<");
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| is_merge(key));
    let mut known: HashSet<String> = own
        .iter()
        .filter_map(|(key, _)| key.text().map(str::to_owned))
        .collect();
    for (_, value) in merges {
        for (key, value) in value.items().iter().flat_map(Node::entries) {
            if key.text().is_some_and(|key| known.insert(key.to_owned())) {
                own.push((key.clone(), value.clone()));
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Node {
        load(text).unwrap().unwrap()
    }

    fn refused(text: &str) -> Problem {
        load(text).unwrap_err()
    }

    /// The tree in one line.
    fn shown(node: &Node) -> String {
        let tag = node.tag.as_ref().map(|tag| format!("!{tag} "));
        let content = match &node.content {
            Content::Scalar(scalar) => match scalar.kind {
                ScalarKind::Text => format!("{:?}", scalar.text),
                kind => format!("{kind:?}"),
            },
            Content::List(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Map(entries) => {
                let entries = entries.iter();
                let entries =
                    entries.map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        };
        tag.unwrap_or_default() + &content
    }

    #[test]
    fn values() {
        for (text, expected) in [
            (
                "a: 1\nb: [x, '2', \"\\u0041\", yes]",
                r#"{"a": Int(1), "b": ["x", "2", "A", Bool(true)]}"#,
            ),
            ("- a\n-\n- {b: }", r#"["a", Null, {"b": Null}]"#),
            (
                "a: |\n  x\n  y\nb: >-\n  z\n  z",
                r#"{"a": "x\ny\n", "b": "z z"}"#,
            ),
            (
                "!Flow\na: !!str 1\nb: !Own {c: 1}",
                r#"!Flow {"a": "1", "b": !Own {"c": Int(1)}}"#,
            ),
            (
                "a: &x {b: 1, c: 2}\nd: *x",
                r#"{"a": {"b": Int(1), "c": Int(2)}, "d": {"b": Int(1), "c": Int(2)}}"#,
            ),
            (
                "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}",
                r#"{"x": {"a": Int(1), "b": Int(1)}, "y": {"b": Int(2), "c": Int(2)}, "z": {"c": Int(3), "a": Int(1), "b": Int(1)}}"#,
            ),
            ("\"a\" : 'b''c' # d", r#"{"a": "b'c"}"#),
        ] {
            assert_eq!(shown(&loaded(text)), expected, "{text}");
        }
        assert!(
            load("# nothing\n")
                .unwrap()
                .is_none_or(|node| node.is_null())
        );
    }

    /// Places are those of bytes, also behind characters of several.
    #[test]
    fn places() {
        for end in ["\n", "\r\n"] {
            let text = format!("ä: ö{end}b: {{c: [1, '€'], d: x}}{end}");
            let root = loaded(&text);
            let inner = root.get("b").unwrap();
            let at = |node: &Node| text.get(node.span.clone()).unwrap().to_owned();
            assert_eq!(at(root.get("ä").unwrap()), "ö");
            assert_eq!(at(inner.get("d").unwrap()), "x");
            let items = inner.get("c").unwrap().items();
            assert_eq!((at(&items[0]), at(&items[1])), ("1".into(), "'€'".into()));
            let (key, _) = &inner.entries()[1];
            assert_eq!(at(key), "d");
        }
    }

    #[test]
    fn what_is_not_yaml() {
        for text in [
            "a: [1",
            "a: b: c",
            "{a: 1",
            "a:\n\t- b",
            "'x",
            "*x",
            "a: 1\n b: 2",
            "%x",
        ] {
            let problem = refused(text);
            assert!(
                problem.title().starts_with("not valid YAML: "),
                "{text}: {problem:?}"
            );
        }
        assert_eq!(
            refused("a: 1\n---\nb: 2").title(),
            "the file has several YAML documents"
        );
        assert_eq!(
            refused("a: &x [1, *x]").title(),
            "an alias to what it is a part of"
        );
    }

    #[test]
    fn what_a_file_can_become_is_bounded() {
        let depth = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        loaded(&depth(MAX_DEPTH - 1));
        let deeper = format!("lists and tables are nested deeper than {MAX_DEPTH}");
        assert_eq!(refused(&depth(MAX_DEPTH)).title(), deeper);
        // The parser has a bound of its own.
        load(&"[".repeat(100_000)).unwrap_err();
        load(&"{a: ".repeat(100_000)).unwrap_err();
        load(&"- ".repeat(100_000)).unwrap_err();

        // Aliases of aliases.
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (letter, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
            let ten = format!("*{before}, ").repeat(10);
            laughs += &format!("{letter}: &{letter} [{ten}]\n");
        }
        let many = format!("the file has more than {MAX_VALUES} values");
        assert_eq!(refused(&laughs).title(), many);
        let nested: String = (1..MAX_DEPTH)
            .map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1))
            .collect();
        assert_eq!(refused(&format!("a0: &a0 x\n{nested}")).title(), deeper);

        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 16), "*a, ".repeat(64));
        assert!(refused(&long).title().starts_with("the texts of the file"));
        loaded(&format!("[{}]", "x, ".repeat(MAX_VALUES - 2)));
        assert_eq!(
            refused(&format!("[{}]", "x, ".repeat(MAX_VALUES))).title(),
            many
        );
    }
}
