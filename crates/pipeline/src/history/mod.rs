//! Detections over the lake's history: what they would have found, without a trace.
//!
//! ```text
//!  tables ─slices of time─▶ rows ─event─▶ the bytes that rules see ─engine─▶ matches ─windows, by event time─▶ would-be alerts
//! ```
//!
//! Events are enriched as live ones are, with what the tables know now: what they knew then is not kept.
//!
//! Nothing is written: no alert, no row, no cached value of a rule. Events come in slices of time, so that what is held at
//! once does not grow with the history. Windows open and close by the events' own times, as if each had been judged when
//! it happened.

mod event;
mod forecast;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use uncia_alerting::Deduplicator;
use uncia_detection::{Engine, Evaluation, EventBatch};
use uncia_document::{Document, Interner, Parser, Ref, Timestamp};
use uncia_enrichment::Enricher;
use uncia_lake::{Lake, LakeError};
use uncia_model::{Database, DetectionError, LogType, Match, SourceId, TableRef, fields};

use crate::enrich;

pub use forecast::{Forecast, OfDetection};

/// Events that a slice of time aims at.
const SLICE_EVENTS: u64 = 500_000;
/// Slices are no shorter.
const SHORTEST_SLICE_MICROS: i64 = 60_000_000;
/// Events of one log type that are judged together.
const CHUNK_EVENTS: usize = 1_000;
const CHUNK_BYTES: usize = 2 * 1024 * 1024;
/// Chunks that are judged at a time.
const CHUNKS_AT_ONCE: usize = 4;

/// Which events are judged.
#[derive(Clone, Debug)]
pub struct Period {
    /// By `p_event_time`: from here …
    pub from: Timestamp,
    /// … to before here.
    pub to: Timestamp,
    pub log_types: Vec<LogType>,
}

/// Where a run over history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub events: u64,
    /// Events of the period.
    pub of: u64,
}

/// A match that was found, and the event it was found in.
#[derive(Clone, Debug)]
pub struct HistoricMatch {
    pub time: Timestamp,
    pub row_id: String,
    pub log_type: LogType,
    pub matched: Match,
}

/// What hears of a run as it goes.
pub trait Listener {
    /// Events were judged.
    fn passed(&mut self, passed: Passed);
    /// In the order of event times within a slice.
    fn found(&mut self, found: &HistoricMatch);
}

/// A chunk on its way through the engine.
struct Chunk {
    log_type: LogType,
    /// Times and row ids of the events.
    times: Vec<(Timestamp, String)>,
    events: Vec<Bytes>,
    bytes: usize,
}

/// The events of a table in the period.
struct Extent {
    table: TableRef,
    events: u64,
    first: i64,
    last: i64,
}

/// What judges the events.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    pub engine: &'a Engine,
    pub deduplicator: &'a Deduplicator,
    pub enricher: &'a Arc<Enricher>,
}

/// Judges the events of the period by the engine's detections.
pub async fn over_history(
    lake: &dyn Lake,
    Judges { engine, deduplicator, enricher }: Judges<'_>,
    period: &Period,
    listener: &mut dyn Listener,
) -> Result<Forecast, LakeError> {
    let extents = extents(lake, period).await?;
    let of: u64 = extents.iter().map(|extent| extent.events).sum();
    let mut forecast = Forecast::default();
    let mut passed = Passed { events: 0, of };
    listener.passed(passed);
    for (from, to) in slices(&extents) {
        let mut found: Vec<HistoricMatch> = Vec::new();
        for extent in extents.iter().filter(|extent| extent.first < to && extent.last >= from) {
            let sql = format!("SELECT * FROM {} WHERE {}", extent.table, within(from, to));
            let rows = lake.query(&sql).await?.rows;
            let judged = chunks(rows, enricher.clone())
                .map(|chunk| async move {
                    let mut chunk = chunk?;
                    let batch =
                        EventBatch { log_type: chunk.log_type.clone(), events: std::mem::take(&mut chunk.events) };
                    Ok::<_, LakeError>((engine.evaluate_part(batch).await, chunk))
                })
                .buffered(CHUNKS_AT_ONCE);
            let mut judged = std::pin::pin!(judged);
            while let Some(done) = judged.next().await {
                let (evaluation, chunk) = done?;
                passed.events += chunk.times.len() as u64;
                listener.passed(passed);
                take_in(&mut forecast, &mut found, evaluation, chunk);
            }
        }
        found.sort_by(|a, b| (a.time, &a.row_id).cmp(&(b.time, &b.row_id)));
        for found in &found {
            listener.found(found);
            forecast.admit(deduplicator, found);
        }
        forecast.forget_windows_before(to.saturating_sub(deduplicator.longest_period_micros()));
    }
    Ok(forecast)
}

fn take_in(forecast: &mut Forecast, found: &mut Vec<HistoricMatch>, evaluation: Evaluation, chunk: Chunk) {
    *forecast.events.entry(chunk.log_type.clone()).or_default() += chunk.times.len() as u64;
    let Evaluation { matches, errors, stats } = evaluation;
    forecast.pairs += stats.pairs;
    errors.iter().for_each(|error: &DetectionError| forecast.fail(error));
    found.extend(matches.into_iter().map(|matched| {
        let (time, row_id) = chunk.times[matched.event].clone();
        HistoricMatch { time, row_id, log_type: chunk.log_type.clone(), matched }
    }));
}

/// The tables of the log types, with what they have of the period.
async fn extents(lake: &dyn Lake, period: &Period) -> Result<Vec<Extent>, LakeError> {
    let mut extents = Vec::new();
    let wanted: Vec<TableRef> =
        period.log_types.iter().map(|log_type| TableRef::new(Database::Logs, log_type.table_name())).collect();
    for info in lake.tables().await?.into_iter().filter(|info| wanted.contains(&info.table)) {
        let range = within(period.from.micros, period.to.micros);
        let sql = format!(
            "SELECT count(*) AS n, min(p_event_time) AS a, max(p_event_time) AS z FROM {} WHERE {range}",
            info.table
        );
        let mut rows = lake.query(&sql).await?.rows;
        let Some(row) = rows.next().await.transpose()? else { continue };
        let time = |name| row.root().get(name).and_then(Ref::as_timestamp).map(|time| time.micros);
        let events = row.root().get("n").and_then(Ref::as_i64).and_then(|n| u64::try_from(n).ok());
        if let (Some(events @ 1..), Some(first), Some(last)) = (events, time("a"), time("z")) {
            extents.push(Extent { table: info.table, events, first, last });
        }
    }
    Ok(extents)
}

/// Cuts the time of all events into parts of about as many events each, if they come evenly.
fn slices(extents: &[Extent]) -> Vec<(i64, i64)> {
    let first = extents.iter().map(|extent| extent.first).min();
    let last = extents.iter().map(|extent| extent.last).max();
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let events: u64 = extents.iter().map(|extent| extent.events).sum();
    let end = last.saturating_add(1);
    let parts = i64::try_from(events.div_ceil(SLICE_EVENTS)).unwrap_or(i64::MAX).max(1);
    let length = (end.saturating_sub(first) / parts + 1).max(SHORTEST_SLICE_MICROS);
    let mut slices = Vec::new();
    let mut from = first;
    while from < end {
        let to = from.saturating_add(length).min(end);
        slices.push((from, to));
        from = to;
    }
    slices
}

fn within(from: i64, to: i64) -> String {
    let instant = |micros: i64| format!("'{}'::timestamp", Timestamp::from_micros(micros));
    format!("p_event_time >= {} AND p_event_time < {}", instant(from), instant(to))
}

/// Rows to chunks of one log type each.
fn chunks(
    rows: stream::BoxStream<'static, Result<Document, LakeError>>,
    enricher: Arc<Enricher>,
) -> impl stream::Stream<Item = Result<Chunk, LakeError>> {
    let making = Making { parser: Parser::new(Interner::new()), enricher, open: BTreeMap::new() };
    stream::unfold(Some((rows, making)), |state| async {
        let (mut rows, mut making) = state?;
        loop {
            match rows.next().await {
                Some(Ok(row)) => {
                    let Some(full) = making.add(&row) else { continue };
                    return Some((Ok(full), Some((rows, making))));
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    let (_, last) = making.open.pop_first()?;
                    return Some((Ok(last), Some((rows, making))));
                }
            }
        }
    })
}

/// Chunks in the making.
struct Making {
    parser: Parser,
    enricher: Arc<Enricher>,
    open: BTreeMap<String, Chunk>,
}

impl Making {
    /// Adds a row to its log type's chunk; the chunk if it is full.
    fn add(&mut self, row: &Document) -> Option<Chunk> {
        let root = row.root();
        let text = |name: &str| root.get(name).and_then(Ref::as_str).unwrap_or_default();
        let log_type = text(fields::LOG_TYPE);
        let time = root.get(fields::EVENT_TIME).and_then(Ref::as_timestamp)?;
        if !self.open.contains_key(log_type) {
            let chunk = Chunk { log_type: LogType::from(log_type), times: Vec::new(), events: Vec::new(), bytes: 0 };
            self.open.insert(log_type.to_owned(), chunk);
        }
        let chunk = self.open.get_mut(log_type)?;
        let mut event = event::rule_bytes(root, &mut self.parser);
        if self.enricher.concerns(&chunk.log_type)
            && let Ok(document) = self.parser.parse(&event)
        {
            let source = SourceId::from(text(fields::SOURCE_ID));
            enrich::append(&self.enricher, &chunk.log_type, &source, document.root(), &mut event);
        }
        chunk.bytes += event.len();
        chunk.times.push((time, text(fields::ROW_ID).to_owned()));
        chunk.events.push(event.into());
        if chunk.events.len() < CHUNK_EVENTS && chunk.bytes < CHUNK_BYTES {
            return None;
        }
        self.open.remove(log_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_all_events_once() {
        let extent = |events, first, last| Extent { table: TableRef::new(Database::Logs, "t"), events, first, last };
        let hour = 3_600_000_000;
        for extents in [
            vec![extent(1, 7, 7)],
            vec![extent(10, 0, 5 * hour), extent(3_000_000, hour, 9 * hour)],
            vec![extent(u64::MAX / 4, 0, hour)],
        ] {
            let slices = slices(&extents);
            assert_eq!(slices[0].0, extents.iter().map(|extent| extent.first).min().unwrap());
            assert_eq!(slices[slices.len() - 1].1, extents.iter().map(|extent| extent.last).max().unwrap() + 1);
            assert!(slices.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].0 < pair[0].1));
        }
        assert_eq!(slices(&[]), []);
    }
}
