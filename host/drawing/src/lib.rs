//! A flow as a picture: as text for a terminal, as Mermaid and as SVG; and where the
//! time of its requests went.
//!
//! A [`Drawing`] has a flow's shape, which is the contract's [`Graph`], and a [`Card`]
//! for each executor. Nothing is loaded or run for it. What a card shows of an
//! executor's options is in one place, [`Card::new`].
//!
//! All that is drawn was written by others: names, paths and conditions come from a
//! file. Each form escapes what it shows, and a test draws hostile ones.
//!
//! | module | what it has |
//! | --- | --- |
//! | `card` | what is shown of an executor |
//! | [`times`], `histogram` | where the time of requests went |
//! | `layout` | where boxes stand and how lines run |
//! | `svg`, `measure`, `xml` | the drawing as SVG |
//! | `mermaid` | as Mermaid |
//! | `text`, `lanes` | as text |
//! | `json` | for programs |
//! | `shown` | numbers and words that the forms share |
//! | [`bounds`] | what one drawing may take |

pub mod bounds;
mod card;
mod histogram;
mod json;
mod lanes;
mod layout;
mod measure;
mod mermaid;
mod shown;
mod svg;
mod text;
pub mod times;
mod xml;

use wasm_flow_contract::Graph;
use wasm_flow_contract::graph::{Node, Upstream};

#[cfg(test)]
mod tests;

pub use card::{Badge, Card, Source};
pub use shown::{Percent, Time};

use times::Times;

/// A flow that is to be drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    name: String,
    graph: Graph<Card>,
    times: Option<Times>,
}

impl Drawing {
    /// The drawing of a flow of this name.
    pub fn new(name: impl Into<String>, graph: Graph<Card>) -> Drawing {
        Drawing {
            name: name.into(),
            graph,
            times: None,
        }
    }

    /// The same, with where the time of requests went. They are those of this graph.
    #[must_use]
    pub fn with_times(mut self, times: Times) -> Drawing {
        self.times = Some(times);
        self
    }

    /// As text of lines that are at most so wide, as far as that is possible. None: as
    /// wide as it takes.
    pub fn text(&self, width: Option<usize>) -> String {
        text::draw(self, width)
    }

    /// As a flowchart in Mermaid.
    pub fn mermaid(&self) -> String {
        mermaid::draw(self)
    }

    /// As an SVG document.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// As JSON: nodes, with their options, and edges.
    pub fn json(&self) -> serde_json::Value {
        json::draw(self)
    }

    /// The names of what a node needs, in their order.
    fn needs<'d>(&'d self, node: &'d Node<Card>) -> impl Iterator<Item = &'d str> {
        node.needs
            .iter()
            .map(|edge| self.graph.upstream_name(edge.from))
    }

    /// What the flow answers with: the documents of its ends, or the request's if it has
    /// none.
    fn answer(&self) -> Vec<Upstream> {
        let ends: Vec<Upstream> = self.graph.ends().into_iter().map(Upstream::Node).collect();
        match ends.is_empty() {
            true => vec![Upstream::Gateway],
            false => ends,
        }
    }
}
