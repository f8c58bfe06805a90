//! Filters on the way from records to events: what they drop is counted beside what becomes of the rest.

use std::collections::{BTreeMap, HashMap};

use uncia_document::Timestamp;
use uncia_model::{LogType, Payload, Record, SourceId};
use uncia_processing::{Filters, Processed, Processor};

/// The filters of all sources that have some.
pub type SourceFilters = HashMap<SourceId, Filters>;

/// What filters dropped, by source and log type; without one, records that were never parsed.
pub(crate) type FilteredCounts = BTreeMap<(SourceId, Option<LogType>), FilteredCount>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilteredCount {
    pub(crate) records: u64,
    /// Of the records.
    pub(crate) bytes: u64,
}

/// Processes a record, unless the source's filters drop it or its event.
pub(crate) fn process(
    processor: &mut Processor,
    filters: &SourceFilters,
    (record, payload, parse_time): (Record, &Payload, Timestamp),
    out: &mut Processed,
    filtered: &mut FilteredCounts,
) {
    let source = &payload.origin.source;
    let Some(filters) = filters.get(source) else { return processor.process(record, payload, parse_time, out) };
    let mut count = |log_type: Option<&LogType>, bytes: usize| {
        let count = filtered.entry((source.clone(), log_type.cloned())).or_default();
        count.records += 1;
        count.bytes += bytes as u64;
    };
    if filters.drops_record(&record.bytes) {
        return count(None, record.bytes.len());
    }
    let before = out.events.len();
    processor.process(record, payload, parse_time, out);
    while out.events.len() > before
        && let Some(event) = out.events.last()
        && filters.drops_event(event)
    {
        count(Some(&event.log_type), event.raw_bytes);
        out.events.pop();
    }
}

/// Adds counts to counts.
pub(crate) fn add(total: &mut FilteredCounts, more: FilteredCounts) {
    for (key, count) in more {
        let total = total.entry(key).or_default();
        total.records += count.records;
        total.bytes += count.bytes;
    }
}
