//! The detections in force. A batch is judged by one generation from its first event to its alerts.
//!
//! Edited content becomes a new generation beside the one that works; once its workers are ready it takes over between
//! two batches. A batch that has begun ends with the generation it began with, whose workers end behind the last such
//! batch. Windows and alerts are in the store, so that they go on as if nothing had happened.

use std::sync::{Arc, Mutex, PoisonError};

use uncia_alerting::Deduplicator;
use uncia_detection::Control;

use crate::detect::Detections;

/// Detections with what alerting knows of them, loaded together.
pub struct Generation {
    /// Counts from 1 since the start of the process.
    pub number: u64,
    /// `None`: no detections are loaded.
    pub detections: Option<Detections>,
    pub deduplicator: Deduplicator,
    /// Judge the state of accounts.
    pub controls: Arc<[Control]>,
}

/// The generation that the next batch gets.
pub(crate) struct Generations(Mutex<Arc<Generation>>);

impl Generations {
    pub(crate) fn new(generation: Generation) -> Self {
        Self(Mutex::new(Arc::new(generation)))
    }

    pub(crate) fn get(&self) -> Arc<Generation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, generation: Generation) {
        let new = Arc::new(generation);
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), new);
        // Outside of the lock: the last one to let go of a generation waits for its workers to end.
        drop(old);
    }
}
