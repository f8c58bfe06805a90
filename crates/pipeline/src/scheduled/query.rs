//! A scheduled query, and the rules that judge its rows.

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use uncia_detection::{Engine, EventBatch};
use uncia_document::Timestamp;
use uncia_lake::LakeError;
use uncia_model::{DetectionError, DetectionErrorKind, DetectionId, Event, LogType, RowId, SourceId, fields};

use super::SOURCE;
use crate::detect::JudgedEvents;
use crate::land::{EventColumns, FoundTable};
use crate::walk::Walk;

/// The log type of a query's rows in the tables of matches.
pub(super) const LOG_TYPE: &str = "Uncia.ScheduledQuery";
/// Where an event of that log type holds the query's row.
pub(super) const ROW: &str = "row";
/// Rows of one run that are judged.
const MAX_ROWS: usize = 100_000;

/// Runs the statement as of the run's instant and judges each row: a run that is made up for later looks back from the time it
/// is for.
pub(super) async fn evaluate(
    walk: &Walk,
    engine: Option<&Engine>,
    name: &str,
    sql: &str,
    at: Timestamp,
) -> Result<(JudgedEvents, FoundTable), LakeError> {
    let mut rows: Vec<Bytes> = Vec::new();
    let mut answer = walk.lake().query_at(sql, at).await?.rows;
    while let Some(row) = answer.next().await {
        let mut json = Vec::new();
        row?.write_json(&mut json);
        rows.push(json.into());
        if rows.len() > MAX_ROWS {
            return Err(LakeError::Sql(format!("it gives more than {MAX_ROWS} rows; add a LIMIT, or group them")));
        }
    }
    let mut group = empty();
    if let Some(engine) = engine {
        let batch = EventBatch { log_type: LogType::from(name), events: rows.clone() };
        let evaluation = engine.evaluate(batch).await;
        (group.matches, group.errors) = (evaluation.matches, evaluation.errors);
    }
    let parse_time = walk.clock().now();
    for (ordinal, row) in rows.iter().enumerate() {
        group.events.push(event(walk, name, ordinal as u64, row, at, parse_time));
    }
    Ok((group, FoundTable::ScheduledQuery))
}

/// What is told when there is nothing to judge: each rule fails, on a row that names the query and its fault.
pub(super) fn failed(
    walk: &Walk,
    name: &str,
    detections: Vec<DetectionId>,
    problem: &str,
    at: Timestamp,
) -> (JudgedEvents, FoundTable) {
    let mut group = empty();
    let row = json!({ "problem": problem }).to_string();
    group.events.push(event(walk, name, 0, row.as_bytes(), at, walk.clock().now()));
    let error = |detection| DetectionError {
        event: 0,
        detection,
        kind: DetectionErrorKind::Raised,
        exception: "QueryError".to_owned(),
        message: problem.to_owned(),
    };
    group.errors = detections.into_iter().map(error).collect();
    (group, FoundTable::ScheduledQuery)
}

/// What is told when there are no rows.
pub(super) fn nothing() -> (JudgedEvents, FoundTable) {
    (empty(), FoundTable::ScheduledQuery)
}

fn empty() -> JudgedEvents {
    let log_type = LogType::from(LOG_TYPE);
    JudgedEvents { log_type, events: Vec::new(), matches: Vec::new(), errors: Vec::new() }
}

/// A row with the standard fields of a row of its own; what it had under their names stands under `row`.
fn event(walk: &Walk, name: &str, ordinal: u64, row: &[u8], at: Timestamp, parse_time: Timestamp) -> Event {
    let row: Value = serde_json::from_slice(row).unwrap_or_default();
    let mut body = Map::new();
    body.insert("query_name".to_owned(), name.into());
    body.insert("scheduled_time".to_owned(), at.to_string().into());
    body.insert(ROW.to_owned(), row.clone());
    if let Value::Object(members) = row {
        for column in fields::ANY {
            if let Some(values) = members.get(*column) {
                body.insert((*column).to_owned(), values.clone());
            }
        }
    }
    let minute = at.seconds().div_euclid(60).to_string();
    let origin = [name, &minute].join("\u{1f}");
    let row_id = RowId::of(&SourceId::from(SOURCE), &origin, ordinal, 0);
    let columns = EventColumns { log_type: LOG_TYPE, row_id, time: at, parse_time, source: SOURCE };
    walk.rows().event(&columns, &Value::Object(body))
}
