//! Records to events on all cores, in order.
//!
//! A batch is cut into chunks that flow on one by one: a chunk's events are judged and stand in columns before the memory
//! of the last but few is needed again, so a batch costs the memory of its columns and not of its documents. Chunks are
//! processed side by side and come out in the records' order, so the order of rows does not depend on who was faster.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt as _, stream};
use uncia_document::{Document, Interner, Timestamp};
use uncia_model::SourceId;
use uncia_processing::{Observed, Processed, Processor};

use crate::batch::RawBatch;
use crate::filter::{self, FilteredCounts, SourceFilters};
use crate::input::End;
use crate::schemas::{GrowingSchemas, InForce};
use crate::walk::WalkError;

/// Records that are processed at a time.
const CHUNK: usize = 512;
/// Chunks whose documents are kept for their memory.
const MAX_SPARE_CHUNKS: usize = 8;

/// Keeps one processor per thread, warm.
pub(crate) struct Processors {
    /// With the schemas that they were made of.
    idle: Mutex<Vec<(Arc<InForce>, Processor)>>,
    schemas: Arc<GrowingSchemas>,
    interner: Arc<Interner>,
    filters: Arc<SourceFilters>,
    threads: usize,
    /// Of events that stand in columns, a chunk each. Memory that one thread takes and another gives back is dear.
    spare: Mutex<Vec<Vec<Document>>>,
}

/// What became of records of one source.
pub(crate) struct Chunk {
    pub(crate) source: SourceId,
    /// No detection judges it.
    pub(crate) quiet: bool,
    pub(crate) processed: Processed,
    pub(crate) filtered: FilteredCounts,
}

impl Processors {
    pub(crate) fn new(
        schemas: Arc<GrowingSchemas>,
        interner: Arc<Interner>,
        filters: Arc<SourceFilters>,
        threads: usize,
    ) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            schemas,
            interner,
            filters,
            threads: threads.max(1),
            spare: Mutex::default(),
        }
    }

    /// Processes the batch; the records stay, so that a batch whose commit met a conflict can be walked again.
    pub(crate) fn process(
        self: &Arc<Self>,
        batch: &Arc<RawBatch>,
        in_force: &Arc<InForce>,
        parse_time: Timestamp,
    ) -> impl Stream<Item = Result<Chunk, WalkError>> + Send + use<> {
        let chunks: Vec<(usize, Range<usize>)> = (0..)
            .zip(&batch.pieces)
            .flat_map(|(place, piece)| {
                let starts = (0..piece.items.len()).step_by(CHUNK);
                starts.map(move |start| (place, start..piece.items.len().min(start + CHUNK)))
            })
            .collect();
        let (processors, batch, in_force) = (self.clone(), batch.clone(), in_force.clone());
        let process = move |(place, items): (usize, Range<usize>)| {
            let (processors, batch, in_force) = (processors.clone(), batch.clone(), in_force.clone());
            let work = move || processors.chunk(&batch, &in_force, (place, items), parse_time);
            async move { tokio::task::spawn_blocking(work).await.map_err(|_| WalkError::Thread) }
        };
        stream::iter(chunks).map(process).buffered(self.threads)
    }

    fn chunk(
        &self,
        batch: &RawBatch,
        in_force: &Arc<InForce>,
        (place, items): (usize, Range<usize>),
        parse_time: Timestamp,
    ) -> Chunk {
        let piece = &batch.pieces[place];
        let mut processor = self.take(in_force);
        let spare = lock(&self.spare).pop();
        processor.recycle(spare.into_iter().flatten());
        let mut processed = Processed::default();
        let mut filtered = FilteredCounts::new();
        let mut observed = Observed::default();
        for item in &piece.items[items] {
            match item {
                Ok(record) => {
                    let before = processed.events.len();
                    let taken = (record.clone(), &*piece.payload, parse_time);
                    filter::process(&mut processor, &self.filters, taken, &mut processed, &mut filtered);
                    for event in &processed.events[before..] {
                        in_force.observer.observe(event, &record.bytes, &mut observed);
                    }
                }
                Err(failure) => processed.failures.push(failure.clone()),
            }
        }
        self.give_back(in_force.clone(), processor);
        if !in_force.observer.is_idle() {
            self.schemas.absorb(observed);
        }
        let quiet = matches!(piece.end, End::Rows { quiet: true, .. });
        Chunk { source: piece.payload.origin.source.clone(), quiet, processed, filtered }
    }

    /// Takes the documents of events that nobody needs any more.
    pub(crate) fn recycle(&self, documents: Vec<Document>) {
        let mut spare = lock(&self.spare);
        if spare.len() < MAX_SPARE_CHUNKS {
            spare.push(documents);
        }
    }

    fn take(&self, in_force: &Arc<InForce>) -> Processor {
        let mut idle = lock(&self.idle);
        while let Some((made_of, processor)) = idle.pop() {
            if Arc::ptr_eq(&made_of, in_force) {
                return processor;
            }
        }
        drop(idle);
        Processor::new(in_force.schemas.clone(), self.interner.clone())
    }

    fn give_back(&self, made_of: Arc<InForce>, processor: Processor) {
        lock(&self.idle).push((made_of, processor));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
