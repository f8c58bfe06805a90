//! Records to events on all cores, in order.
//!
//! Threads take chunks of records by a shared counter and put the results back at the chunk's place, so that the order of
//! rows does not depend on who was faster.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use uncia_document::{Interner, Timestamp};
use uncia_model::{Event, Failure, Payload, Record};
use uncia_processing::{Processed, Processor, SchemaSet};

use crate::batch::RawBatch;

/// Records a thread takes at a time.
const CHUNK: usize = 512;

/// Keeps one processor per thread, warm.
pub(crate) struct Processors {
    idle: Mutex<Vec<Processor>>,
    schemas: Arc<SchemaSet>,
    interner: Arc<Interner>,
    threads: usize,
}

/// The events of a batch and failures of a batch, in the records' order.
#[derive(Default)]
pub(crate) struct ProcessedBatch {
    pub(crate) events: Vec<Event>,
    pub(crate) failures: Vec<Failure>,
}

impl Processors {
    pub(crate) fn new(schemas: Arc<SchemaSet>, interner: Arc<Interner>, threads: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), schemas, interner, threads: threads.max(1) }
    }

    /// Processes the batch; the records stay, so that a batch whose commit met a conflict can be walked again.
    pub(crate) fn process(&self, batch: &RawBatch, parse_time: Timestamp) -> ProcessedBatch {
        let chunks: Vec<(&Payload, &[Result<Record, Failure>])> = batch
            .pieces
            .iter()
            .flat_map(|piece| piece.items.chunks(CHUNK).map(|chunk| (&*piece.payload, chunk)))
            .collect();
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Processed>> = chunks.iter().map(|_| Mutex::default()).collect();
        let work = || {
            let mut processor = self.take();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some((payload, chunk)) = chunks.get(place) else { break };
                let mut processed = Processed::default();
                for item in *chunk {
                    match item {
                        Ok(record) => processor.process(record.clone(), payload, parse_time, &mut processed),
                        Err(failure) => processed.failures.push(failure.clone()),
                    }
                }
                *lock(&results[place]) = processed;
            }
            self.give_back(processor);
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(chunks.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut all = ProcessedBatch::default();
        for result in results {
            let Processed { events, failures, .. } = std::mem::take(&mut *lock(&result));
            all.events.extend(events);
            all.failures.extend(failures);
        }
        all
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
