//! Records to events on all cores, in order.
//!
//! A batch is cut into chunks that flow on one by one: a chunk's events are judged and stand in columns before the memory
//! of the last but few is needed again, so a batch costs the memory of its columns and not of its documents. Chunks are
//! processed side by side and come out in the records' order, so the order of rows does not depend on who was faster.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt as _, stream};
use uncia_document::{Interner, Timestamp};
use uncia_model::SourceId;
use uncia_processing::{Processed, Processor, SchemaSet};

use crate::batch::RawBatch;
use crate::walk::WalkError;

/// Records that are processed at a time.
const CHUNK: usize = 512;

/// Keeps one processor per thread, warm.
pub(crate) struct Processors {
    idle: Mutex<Vec<Processor>>,
    schemas: Arc<SchemaSet>,
    interner: Arc<Interner>,
    threads: usize,
}

/// What became of records of one source.
pub(crate) struct Chunk {
    pub(crate) source: SourceId,
    pub(crate) processed: Processed,
}

impl Processors {
    pub(crate) fn new(schemas: Arc<SchemaSet>, interner: Arc<Interner>, threads: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), schemas, interner, threads: threads.max(1) }
    }

    /// Processes the batch; the records stay, so that a batch whose commit met a conflict can be walked again.
    pub(crate) fn process(
        self: &Arc<Self>,
        batch: &Arc<RawBatch>,
        parse_time: Timestamp,
    ) -> impl Stream<Item = Result<Chunk, WalkError>> + Send + use<> {
        let chunks: Vec<(usize, Range<usize>)> = (0..)
            .zip(&batch.pieces)
            .flat_map(|(place, piece)| {
                let starts = (0..piece.items.len()).step_by(CHUNK);
                starts.map(move |start| (place, start..piece.items.len().min(start + CHUNK)))
            })
            .collect();
        let (processors, batch) = (self.clone(), batch.clone());
        let process = move |(place, items): (usize, Range<usize>)| {
            let (processors, batch) = (processors.clone(), batch.clone());
            let work = move || processors.chunk(&batch, place, items, parse_time);
            async move { tokio::task::spawn_blocking(work).await.map_err(|_| WalkError::Thread) }
        };
        stream::iter(chunks).map(process).buffered(self.threads)
    }

    fn chunk(&self, batch: &RawBatch, place: usize, items: Range<usize>, parse_time: Timestamp) -> Chunk {
        let piece = &batch.pieces[place];
        let mut processor = self.take();
        let mut processed = Processed::default();
        for item in &piece.items[items] {
            match item {
                Ok(record) => processor.process(record.clone(), &piece.payload, parse_time, &mut processed),
                Err(failure) => processed.failures.push(failure.clone()),
            }
        }
        self.give_back(processor);
        Chunk { source: piece.payload.origin.source.clone(), processed }
    }

    fn take(&self) -> Processor {
        let idle = lock(&self.idle).pop();
        idle.unwrap_or_else(|| Processor::new(self.schemas.clone(), self.interner.clone()))
    }

    fn give_back(&self, processor: Processor) {
        lock(&self.idle).push(processor);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
