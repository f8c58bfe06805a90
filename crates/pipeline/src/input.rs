//! A payload on its way into the walk: how it is cut into records, and where to go on after a restart.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::mpsc;
use uncia_model::{Payload, Record};
use uncia_processing::{Records, Splitter, StreamType};
use uncia_sources::Body;
use uncia_store::PulledRow;
use uncia_wal::Position;

use crate::state::Exchange;

/// A payload still to be cut.
pub struct Input {
    pub payload: Arc<Payload>,
    /// Where the payload's bytes are read from, if it does not hold them.
    pub body: Option<Body>,
    /// The payload's records, if it came as records.
    pub cut: Vec<Record>,
    pub stream: StreamType,
    /// Records already committed by an earlier run.
    pub skip: u64,
    /// What is noted, besides the records done, once all of it is committed.
    pub end: End,
}

/// How the end of a payload is noted, so that it is not read again.
#[derive(Clone, Debug)]
pub enum End {
    /// By the payload's own origin: a file with its content's hash.
    Origin,
    /// By the log's position behind its entry.
    Log(Position),
    /// By how far the file it is a part of was taken; the part itself needs no note.
    Mark { key: Arc<str>, offset: u64 },
    /// By each record as a row of a view, in the records' order.
    Rows {
        rows: Arc<[PulledRow]>,
        /// They are history: they land, and detections do not judge them.
        quiet: bool,
        /// What becomes visible with the last of them.
        exchange: Option<Arc<Exchange>>,
        /// Held until the records are committed, or given up.
        held: mpsc::Sender<Infallible>,
    },
}

impl Input {
    #[must_use]
    pub fn new(payload: Payload, stream: &StreamType, skip: u64) -> Self {
        Self { payload: Arc::new(payload), body: None, cut: Vec::new(), stream: stream.clone(), skip, end: End::Origin }
    }

    /// Rows of a view, each a record.
    #[must_use]
    pub fn rows(
        payload: Payload,
        records: Vec<Record>,
        rows: Arc<[PulledRow]>,
        quiet: bool,
        held: mpsc::Sender<Infallible>,
    ) -> Self {
        Self {
            cut: records,
            end: End::Rows { rows, quiet, exchange: None, held },
            ..Self::new(payload, &StreamType::Lines, 0)
        }
    }

    /// With an exchange of rows that is committed with the last of the records.
    #[must_use]
    pub fn exchanging(mut self, with: Arc<Exchange>) -> Self {
        if let End::Rows { exchange, .. } = &mut self.end {
            *exchange = Some(with);
        }
        self
    }

    /// The bytes are read on the way.
    #[must_use]
    pub fn reading(mut self, body: Option<Body>) -> Self {
        self.body = body;
        self
    }

    #[must_use]
    pub fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// Lazily cut; at most a few records are held.
    pub(crate) fn records(&self, splitter: &Splitter) -> Records {
        match &self.body {
            Some(body) => splitter.read(&self.payload, body.reader(), Some(body.size), &self.stream),
            None => splitter.records(&self.payload, &self.stream),
        }
    }
}
