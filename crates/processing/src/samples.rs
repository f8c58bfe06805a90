//! Samples of schemas, checked: what `uncia schema test` and the content test run.

mod cases;
mod update;

use bytes::Bytes;
use serde_json::Value as Json;
use uncia_document::Timestamp;
use uncia_model::{LogType, Origin, Payload, Record, fields};

use crate::process::{Processed, Processor};
use crate::schema::{Sample, Schema};
use crate::stream::{Splitter, StreamType};

pub use cases::{CaseError, check_case, read_test_cases};
pub use update::{UpdateError, update_expected};

/// How a sample's event differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    #[error("no event: {0}")]
    NoEvent(String),
    #[error("not the expected event: {}", .0.join("; "))]
    Different(Vec<String>),
    #[error("among all log types it becomes a {0}")]
    OtherLogType(LogType),
}

/// Fields that say nothing of the schema.
const RUN_FIELDS: &[&str] =
    &[fields::ROW_ID, fields::PARSE_TIME, fields::SOURCE_ID, fields::SOURCE_LABEL, fields::SOURCE_FILE];
/// Fields that a sample may leave out.
const OPTIONAL_FIELDS: &[&str] = &[fields::LOG_TYPE, fields::SCHEMA_VERSION];
/// A parse time that no sample has as its event time.
const PARSE_TIME: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

/// Checks that the sample's record becomes the expected event, alone and among all log types of the processor.
pub fn check_sample(processor: &mut Processor, schema: &Schema, sample: &Sample) -> Result<(), SampleError> {
    let log_types = vec![schema.log_type().clone()];
    let actual = comparable(event(processor, schema, log_types, sample)?, &sample.expected);
    let mut differences = Vec::new();
    compare("", &actual, &sample.expected, &mut differences);
    if !differences.is_empty() {
        return Err(SampleError::Different(differences));
    }
    let among_all = self::event(processor, schema, Vec::new(), sample)?;
    match among_all.get(fields::LOG_TYPE).and_then(Json::as_str) {
        Some(name) if name != schema.log_type().as_str() => Err(SampleError::OtherLogType(name.into())),
        _ => Ok(()),
    }
}

/// What the sample's record becomes, as its `expected` would say it.
pub fn sample_event(processor: &mut Processor, schema: &Schema, sample: &Sample) -> Result<Json, SampleError> {
    let log_types = vec![schema.log_type().clone()];
    Ok(comparable(event(processor, schema, log_types, sample)?, &sample.expected))
}

/// The event without what depends on the run, and without what the expectation may leave out and does.
fn comparable(mut event: Json, expected: &Json) -> Json {
    let Json::Object(members) = &mut event else { return event };
    members.retain(|name, _| {
        let is_left_out = OPTIONAL_FIELDS.contains(&&**name) && expected.get(name).is_none();
        !RUN_FIELDS.contains(&&**name) && !is_left_out
    });
    let is_parse_time = members.get(fields::EVENT_TIME).and_then(Json::as_str) == Some(&PARSE_TIME.to_string());
    if is_parse_time && expected.get(fields::EVENT_TIME).is_none() {
        members.shift_remove(fields::EVENT_TIME);
    }
    event
}

/// The one event of a sample. A sample of a text format is a stream of lines, so that it can show the header, too.
fn event(
    processor: &mut Processor,
    schema: &Schema,
    log_types: Vec<LogType>,
    sample: &Sample,
) -> Result<Json, SampleError> {
    let origin = Origin { source: "sample".into(), source_label: "sample".into(), key: "sample".into(), place: None };
    let bytes = Bytes::copy_from_slice(sample.raw.trim().as_bytes());
    let payload = Payload { origin, bytes: bytes.clone(), received: PARSE_TIME, log_types, head: None };
    let mut processed = Processed::default();
    if schema.reads_lines() {
        for item in Splitter::default().records(&payload, &StreamType::Lines) {
            match item {
                Ok(record) => processor.process(record, &payload, PARSE_TIME, &mut processed),
                Err(failure) => processed.failures.push(failure),
            }
        }
    } else {
        processor.process(Record::alone(0, bytes), &payload, PARSE_TIME, &mut processed);
    }
    if processed.events.len() > 1 {
        return Err(SampleError::NoEvent(format!("a sample is one event, but this is {}", processed.events.len())));
    }
    match (processed.events.pop(), processed.failures.pop()) {
        (_, Some(failure)) => Err(SampleError::NoEvent(failure.message)),
        (Some(event), _) => {
            let json = event.document.to_json();
            serde_json::from_str(&json).map_err(|error| SampleError::NoEvent(format!("the event is no JSON: {error}")))
        }
        (None, None) => Err(SampleError::NoEvent("only headers and comments".to_owned())),
    }
}

/// Where two JSON values differ.
fn compare(path: &str, actual: &Json, expected: &Json, out: &mut Vec<String>) {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            for (key, value) in expected {
                match actual.get(key) {
                    Some(found) => compare(&within(key), found, value, out),
                    None => out.push(format!("`{}` is missing, expected {value}", within(key))),
                }
            }
            for (key, value) in actual {
                if !expected.contains_key(key) {
                    out.push(format!("`{}` is {value}, expected nothing", within(key)));
                }
            }
        }
        (Json::Array(actual), Json::Array(expected)) if actual.len() == expected.len() => {
            for (place, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                compare(&format!("{path}[{place}]"), actual, expected, out);
            }
        }
        _ if actual == expected => {}
        _ => out.push(format!("`{path}` is {actual}, expected {expected}")),
    }
}
