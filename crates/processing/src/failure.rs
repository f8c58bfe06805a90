//! Failures as rows: `monitor.classification_failures`, where the user sees what was not understood and why.

use bytes::Bytes;
use std::sync::Arc;

use uncia_document::{Document, Interner, Scratch, Timestamp, Value};
use uncia_model::limits::{MAX_EVENT_BYTES, MAX_FAILURE_PAYLOAD_BYTES};
use uncia_model::{
    Column, ColumnType, Database, Failure, FailureReason, LogType, Origin, RowId, TableRef, TableSchema,
};

use crate::process::{Facts, StandardKeys};
use crate::schema::standard_columns;

/// What `p_log_type` of a failure says.
const LOG_TYPE: &str = "Uncia.ClassificationFailure";

/// A failure of a record. `payload` is the whole record wherever it can be had; if a row cannot show all of it (too
/// large, or not UTF-8), the failure names the blob that is to keep it, and the pipeline writes it.
pub(crate) fn failure_of(
    reason: FailureReason,
    message: String,
    origin: &Origin,
    ordinal: u64,
    time: Timestamp,
    payload: Bytes,
) -> Failure {
    let row_id = RowId::of(&origin.source, &origin.key, ordinal, 0);
    let is_shown_whole = payload.len() <= MAX_EVENT_BYTES && std::str::from_utf8(&payload).is_ok();
    Failure {
        reason,
        message,
        candidates: Vec::new(),
        origin: origin.clone(),
        row_id,
        ordinal,
        time,
        size: payload.len() as u64,
        payload,
        blob: (!is_shown_whole).then(|| row_id.to_string()),
        head: None,
        head_place: None,
    }
}

/// The table of failures.
#[must_use]
pub fn failure_table() -> (TableRef, Arc<TableSchema>) {
    let column = |name: &str, kind, doc: &str| Column {
        name: name.to_owned(),
        kind,
        required: false,
        doc: Some(doc.to_owned()),
    };
    let error = ColumnType::Struct(vec![
        Column::new("log_type", ColumnType::String),
        Column::new("message", ColumnType::String),
    ]);
    let mut columns = vec![
        column("reason", ColumnType::String, "What kind of failure it is."),
        column("id", ColumnType::String, "The log type that failed, where only one was possible."),
        column("error", ColumnType::String, "What is wrong, and where."),
        column("errors", ColumnType::List(Box::new(error)), "What each candidate log type said."),
        column("payload", ColumnType::String, "The record, or the first part of it."),
        column("payload_truncated", ColumnType::Bool, "Whether `payload` is less than the record."),
        column("payload_size", ColumnType::Long, "Bytes of the whole record."),
        column("payload_blob", ColumnType::String, "Name of the blob that keeps the whole record."),
        column("record_ordinal", ColumnType::Long, "Place among the records of its file or request, from 0."),
        column("head_blob", ColumnType::String, "Name of the blob that keeps the first lines of its file or request."),
        column("head_start", ColumnType::Long, "Where in the blob they begin."),
        column("head_size", ColumnType::Long, "Bytes of them."),
        column("head_ordinal", ColumnType::Long, "Place of the record that is the first of them, if it is known."),
    ];
    columns.extend(standard_columns());
    let description = "Records that became no event, and why.".to_owned();
    (TableRef::new(Database::Monitor, "classification_failures"), Arc::new(TableSchema { columns, description }))
}

/// A failure as a row of [`failure_table`]. Its row id is the one that the event of a later replay will carry.
#[must_use]
pub fn failure_row(failure: &Failure, interner: &Interner) -> Document {
    let mut row = Document::new();
    let mut scratch = Scratch::default();
    let shown = if failure.blob.is_some() { MAX_FAILURE_PAYLOAD_BYTES } else { MAX_EVENT_BYTES };
    let payload = &failure.payload[..failure.payload.len().min(shown)];
    let errors: Vec<Value> =
        failure.candidates.iter().map(|said| error_item(&mut row, &mut scratch, interner, said)).collect();
    scratch.items.extend(errors);
    let errors = row.close_array(&mut scratch, 0);
    let id = match &*failure.candidates {
        [(log_type, _)] => row.push_string(log_type.as_str()),
        _ => Value::Null,
    };
    let blob = match &failure.blob {
        Some(blob) => row.push_string(blob),
        None => Value::Null,
    };
    let kept_head = failure.head.as_ref().zip(failure.head_place.as_ref());
    let mut number = |number: Option<u64>| number.map_or(Value::Null, |number| row.push_number(number));
    let head_numbers = [
        number(kept_head.map(|(_, place)| place.start)),
        number(kept_head.map(|(head, _)| head.lines.len() as u64)),
        number(kept_head.and_then(|(head, _)| head.first)),
    ];
    let head_blob = kept_head.map_or(Value::Null, |(_, place)| row.push_string(&place.blob));
    let members = [
        ("reason", row.push_string(failure.reason.as_str())),
        ("id", id),
        ("error", row.push_string(&failure.message)),
        ("errors", if failure.candidates.is_empty() { Value::EmptyArray } else { errors }),
        ("payload", row.push_string(&String::from_utf8_lossy(payload))),
        ("payload_truncated", Value::Bool((payload.len() as u64) < failure.size)),
        ("payload_size", row.push_number(failure.size)),
        ("payload_blob", blob),
        ("record_ordinal", row.push_number(failure.ordinal)),
        ("head_blob", head_blob),
        ("head_start", head_numbers[0]),
        ("head_size", head_numbers[1]),
        ("head_ordinal", head_numbers[2]),
    ];
    for (name, value) in members {
        if value != Value::Null {
            let key = row.push_key(interner, name);
            scratch.members.push(uncia_document::Member { key, value });
        }
    }
    let facts = Facts {
        log_type: &LogType::new(LOG_TYPE),
        revision: 0,
        row_id: failure.row_id,
        event_time: failure.time,
        parse_time: failure.time,
        origin: &failure.origin,
        header: None,
    };
    StandardKeys::new(interner).append(&mut row, &mut scratch, &facts);
    let root = row.close_object(&mut scratch, 0);
    row.set_root(root);
    row
}

fn error_item(row: &mut Document, scratch: &mut Scratch, interner: &Interner, said: &(LogType, String)) -> Value {
    let from = scratch.members.len();
    for (name, text) in [("log_type", said.0.as_str()), ("message", &said.1)] {
        let key = row.push_key(interner, name);
        let value = row.push_string(text);
        scratch.members.push(uncia_document::Member { key, value });
    }
    row.close_object(scratch, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(payload: &'static [u8]) -> Failure {
        let origin =
            Origin { source: "s".into(), source_label: "S".into(), key: "k".into(), place: Some("a.log".into()) };
        failure_of(FailureReason::NotJson, "not JSON".to_owned(), &origin, 3, Timestamp::from_micros(0), payload.into())
    }

    #[test]
    fn a_row_has_what_the_user_needs() {
        let mut failure = failure(b"oops");
        failure.candidates = vec![("A.B".into(), "why".to_owned())];
        insta::assert_snapshot!(
            failure_row(&failure, &Interner::default()).to_json(),
            @r#"{"reason":"not_json","id":"A.B","error":"not JSON","errors":[{"log_type":"A.B","message":"why"}],"payload":"oops","payload_truncated":false,"payload_size":4,"record_ordinal":3,"p_log_type":"Uncia.ClassificationFailure","p_row_id":"034c5151dc1586b95dfcbdaec598f9b2","p_event_time":"1970-01-01 00:00:00.000000000","p_parse_time":"1970-01-01 00:00:00.000000000","p_schema_version":0,"p_source_id":"s","p_source_label":"S","p_source_file":{"path":"a.log"}}"#
        );
    }

    #[test]
    fn rows_fit_the_table() {
        let row = failure_row(&failure(b"\xff"), &Interner::default());
        let (_, table) = failure_table();
        for ((_, key), _) in row.root().members() {
            assert!(table.columns.iter().any(|column| column.name == key), "{key}");
        }
        assert_eq!(row.root().get("payload_blob").unwrap().as_str().unwrap().len(), 32);
        assert_eq!(row.root().get("payload").unwrap().as_str(), Some("\u{fffd}"));
    }
}
