//! Records to batches: the unit that is committed.
//!
//! A batch is bounded by bytes and records, never by time alone, so that a second run over the same input cuts the same
//! batches. Who wants freshness calls [`Batcher::flush`].

use std::io;
use std::sync::Arc;

use uncia_model::{BatchId, Failure, Payload, Record, RowId};
use uncia_processing::Splitter;
use uncia_wal::Position;

use crate::input::{End, Input};

/// How large a batch may grow before it is sealed.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Decompressed bytes of records.
    pub bytes: usize,
    pub records: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: 32 * 1024 * 1024, records: 50_000 }
    }
}

/// Records of one payload within a batch.
pub struct Piece {
    pub payload: Arc<Payload>,
    pub items: Vec<Result<Record, Failure>>,
    /// Records of the origin that are done once this batch is committed.
    pub done: u64,
    /// Nothing of the payload is left.
    pub complete: bool,
    pub end: End,
}

/// A sealed run of records, with the progress its commit stands for.
pub struct RawBatch {
    pub id: BatchId,
    pub pieces: Vec<Piece>,
    pub bytes: usize,
    pub records: usize,
    /// The WAL is consumed up to here once this batch is committed.
    pub wal: Option<Position>,
    /// Of records that failed once: the identity of each piece's record. Empty for records that come for the first time.
    pub replayed: Vec<RowId>,
}

/// Collects records until a batch is full.
pub struct Batcher {
    limits: BatchLimits,
    splitter: Splitter,
    pieces: Vec<Piece>,
    bytes: usize,
    records: usize,
    wal: Option<Position>,
}

impl Batcher {
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, splitter: Splitter::default(), pieces: Vec::new(), bytes: 0, records: 0, wal: None }
    }

    /// Cuts with this one.
    #[must_use]
    pub fn splitting(mut self, splitter: Splitter) -> Self {
        self.splitter = splitter;
        self
    }

    /// Cuts the input into records and hands over each batch that gets full. `emit` says false to stop, and so does the
    /// answer then. An error is one of reading: the records before it are kept, and the input is not noted as done.
    pub fn add(&mut self, input: Input, emit: &mut dyn FnMut(RawBatch) -> bool) -> io::Result<bool> {
        if let End::Rows { exchange: Some(_), .. } = input.end {
            return Ok(self.add_whole(input, emit));
        }
        if let End::Rows { .. } = input.end {
            let Input { payload, cut, end, .. } = input;
            let Some(mut piece) = self.collect(&payload, 0, &end, &mut cut.into_iter().map(Ok), emit) else {
                return Ok(false);
            };
            piece.complete = true;
            self.pieces.push(piece);
            return Ok(true);
        }
        let mut records = input.records(&self.splitter);
        let Input { payload, skip, end, .. } = input;
        let Some(mut piece) = self.collect(&payload, skip, &end, &mut records, emit) else { return Ok(false) };
        let error = records.take_error();
        piece.complete = error.is_none();
        self.pieces.push(piece);
        if let Some(error) = error {
            return Err(error);
        }
        if let End::Log(position) = end {
            self.wal = Some(position);
        }
        Ok(true)
    }

    /// Adds records that become visible together, however many they are.
    fn add_whole(&mut self, input: Input, emit: &mut dyn FnMut(RawBatch) -> bool) -> bool {
        let Input { payload, cut, end, .. } = input;
        self.bytes += cut.iter().map(|record| record.bytes.len()).sum::<usize>();
        self.records += cut.len();
        let done = cut.len() as u64;
        let items = cut.into_iter().map(Ok).collect();
        self.pieces.push(Piece { payload, items, done, complete: true, end });
        if self.bytes < self.limits.bytes && self.records < self.limits.records {
            return true;
        }
        self.flush().is_none_or(emit)
    }

    /// Adds the records from `skip` on; what is left for the next batch is a piece that nobody has yet. `None` if nobody
    /// listens any more.
    fn collect(
        &mut self,
        payload: &Arc<Payload>,
        skip: u64,
        end: &End,
        records: &mut dyn Iterator<Item = Result<Record, Failure>>,
        emit: &mut dyn FnMut(RawBatch) -> bool,
    ) -> Option<Piece> {
        let new_piece =
            |done| Piece { payload: payload.clone(), items: Vec::new(), done, complete: false, end: end.clone() };
        let mut piece = new_piece(skip);
        for item in records {
            let (ordinal, size) = match &item {
                Ok(record) => (record.ordinal, record.bytes.len()),
                Err(failure) => (failure.ordinal, failure.payload.len()),
            };
            if ordinal < skip {
                continue;
            }
            piece.items.push(item);
            piece.done = ordinal + 1;
            self.bytes += size;
            self.records += 1;
            if self.bytes >= self.limits.bytes || self.records >= self.limits.records {
                let next = new_piece(piece.done);
                self.pieces.push(std::mem::replace(&mut piece, next));
                if let Some(batch) = self.flush()
                    && !emit(batch)
                {
                    return None;
                }
            }
        }
        Some(piece)
    }

    /// Seals what there is.
    pub fn flush(&mut self) -> Option<RawBatch> {
        let pieces = std::mem::take(&mut self.pieces);
        let first = pieces.first()?;
        let last = pieces.last()?;
        let id = BatchId::of(&[
            first.payload.origin.source.as_str(),
            &first.payload.origin.key,
            &(first.done - first.items.len() as u64).to_string(),
            last.payload.origin.source.as_str(),
            &last.payload.origin.key,
            &last.done.to_string(),
            &last.complete.to_string(),
        ]);
        let batch = RawBatch {
            id,
            bytes: self.bytes,
            records: self.records,
            wal: self.wal.take(),
            pieces,
            replayed: Vec::new(),
        };
        self.bytes = 0;
        self.records = 0;
        Some(batch)
    }

    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
