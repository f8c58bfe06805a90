//! What a run did, counted: nothing is lost silently.

use std::collections::BTreeMap;

use serde::Serialize;
use uncia_model::{LogType, Severity};

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub batches: u64,
    pub records: u64,
    /// Decompressed bytes of records.
    pub bytes: u64,
    /// Rows landed, by log type.
    pub events: BTreeMap<LogType, u64>,
    /// Rows of `monitor.classification_failures`, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Records and events that filters dropped.
    pub filtered: u64,
    /// Files of which an earlier run had committed all.
    pub files_done_before: u64,
    pub matches: u64,
    pub detection_errors: u64,
    /// Alerts that became visible, by severity.
    pub alerts: BTreeMap<Severity, u64>,
}

impl Summary {
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.events.values().sum()
    }

    #[must_use]
    pub fn failure_count(&self) -> u64 {
        self.failures.values().sum()
    }

    #[must_use]
    pub fn alert_count(&self) -> u64 {
        self.alerts.values().sum()
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
        self.filtered += other.filtered;
        self.files_done_before += other.files_done_before;
        self.matches += other.matches;
        self.detection_errors += other.detection_errors;
        for (log_type, count) in &other.events {
            *self.events.entry(log_type.clone()).or_default() += count;
        }
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
        for (severity, count) in &other.alerts {
            *self.alerts.entry(*severity).or_default() += count;
        }
    }
}
