//! The walk over a lake that forgets nothing and fails on command, a real store, and a log on a simulated disk.

#![expect(clippy::unwrap_used, reason = "tests")]

mod alarms;
mod dedup;
mod lake;
mod scheduled;
mod serving;

use std::sync::Arc;

use uncia_alerting::{Deduplicator, Facts, Routes};
use uncia_document::{Interner, Timestamp};
use uncia_model::ManualClock;
use uncia_pipeline::{Generation, Parts, Walk};
use uncia_processing::SchemaSet;
use uncia_store::Store;

use crate::lake::FakeLake;

const DOOR: &str = "schema: Custom.Door\nfields:\n  - name: door\n    type: string\n    required: true\n  - name: at\n    type: timestamp\n    timeFormats: [rfc3339]\n    isEventTime: true\n";

/// A walk without detections.
pub(crate) fn walk(store: Arc<Store>, lake: Arc<FakeLake>, blobs: &std::path::Path) -> Walk {
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000, 0)));
    walk_by(clock, Routes::default(), store, lake, blobs)
}

/// The same by a clock that the test sets, with somebody to tell.
pub(crate) fn walk_by(
    clock: Arc<ManualClock>,
    routes: Routes,
    store: Arc<Store>,
    lake: Arc<FakeLake>,
    blobs: &std::path::Path,
) -> Walk {
    let (schemas, errors) = SchemaSet::load([("door.yml".to_owned(), DOOR.to_owned())]);
    assert!(errors.is_empty(), "{errors:?}");
    Walk::new(Parts {
        lake,
        store,
        generation: Generation {
            number: 1,
            detections: None,
            deduplicator: Deduplicator::new(Facts::new(), routes),
            controls: Arc::default(),
        },
        schemas: Arc::new(schemas),
        discovered: Vec::new(),
        filters: Arc::default(),
        interner: Interner::new(),
        clock,
        blobs: blobs.to_owned(),
        threads: 2,
    })
}

/// Lines of doors `from..to`.
pub(crate) fn doors(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("{{\"door\":\"d{n}\",\"at\":\"2024-01-01T00:00:00Z\"}}\n")).collect()
}
