//! Documents on their way from the thread that reads them.

use std::cell::RefCell;

use tokio::sync::mpsc;
use wasm_flow_document::Document;

use super::error::InputError;
use super::stop::Stop;

/// A document that was read.
pub(super) struct ReadDocument {
    pub(super) doc: Document,
    /// Bytes of input that it was made from, and [`ReadDocument::OVERHEAD`].
    pub(super) cost: usize,
    /// The input's position behind it.
    pub(super) position: u64,
}

impl ReadDocument {
    /// What a document without any content costs, with its share of what is kept
    /// for a request.
    pub(super) const OVERHEAD: usize = 1 << 10;
}

/// Documents that were read together, or why no more can be.
pub(super) type Piece = Result<Vec<ReadDocument>, InputError>;

/// Documents that were read and are not handed on yet.
pub(super) struct Pending {
    docs: RefCell<Vec<ReadDocument>>,
    sender: mpsc::Sender<Piece>,
}

impl Pending {
    pub(super) fn new(sender: mpsc::Sender<Piece>) -> Pending {
        Pending {
            docs: RefCell::default(),
            sender,
        }
    }

    /// Takes a document, made from `length` bytes, that ends at `position`.
    pub(super) fn push(&self, doc: Document, length: usize, position: u64) {
        self.docs.borrow_mut().push(ReadDocument {
            doc,
            cost: ReadDocument::OVERHEAD + length,
            position,
        });
    }

    /// Waits until there is room for them.
    pub(super) fn hand_on(&self) -> Result<(), Stop> {
        let docs = self.docs.take();
        if self.sender.is_closed() {
            return Err(Stop::Unwanted);
        }
        if docs.is_empty() {
            return Ok(());
        }
        self.sender
            .blocking_send(Ok(docs))
            .map_err(|_| Stop::Unwanted)
    }
}
