//! A payload on its way into the walk: its records, lazily, and where to go on after a restart.

use std::sync::Arc;

use uncia_model::{Failure, Payload, Record};
use uncia_processing::{Splitter, StreamType};
use uncia_wal::Position;

/// A payload with its records.
pub struct Input {
    pub payload: Arc<Payload>,
    /// Lazily cut; at most a few records are held.
    pub records: Box<dyn Iterator<Item = Result<Record, Failure>> + Send>,
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
}

impl Input {
    #[must_use]
    pub fn new(payload: Payload, stream: &StreamType, skip: u64) -> Self {
        let records = Box::new(Splitter::records(&payload, stream));
        Self { payload: Arc::new(payload), records, skip, end: End::Origin }
    }

    #[must_use]
    pub fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}
