//! Test files beside schemas, in pantherlog's form: YAML documents with an input and the events that it must become.
//!
//! Compared is what an event says, not how: `p_row_id` and `p_parse_time` are the run's, instants are equal in any of
//! their written forms, and what only this product adds need not be expected.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use uncia_document::{Interner, Timestamp};
use uncia_model::{LogType, Origin, Payload, fields};

use super::{PARSE_TIME, compare};
use crate::process::{Processed, Processor};
use crate::schema::{SchemaError, SchemaSet, TestCase};
use crate::stream::{Splitter, StreamType};
use crate::time::TimeFormat;

/// How a test fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    #[error("there is no log type {0}")]
    UnknownLogType(LogType),
    #[error("the result number {place} is no JSON object: {message}")]
    Result { place: usize, message: String },
    #[error("no event: {0}")]
    Failure(String),
    #[error("{events} events instead of {expected}")]
    Count { events: usize, expected: usize },
    #[error("event number {place} is not the expected one: {}", .differences.join("; "))]
    Different { place: usize, differences: Vec<String> },
}

/// Standard fields that an expectation may leave out.
const OWN_FIELDS: &[&str] =
    &[fields::LOG_TYPE, fields::SCHEMA_VERSION, fields::SOURCE_ID, fields::SOURCE_LABEL, fields::SOURCE_FILE];
const NEVER_COMPARED: &[&str] = &[fields::ROW_ID, fields::PARSE_TIME];

/// The tests of a file.
pub fn read_test_cases(file: &str, text: &str) -> Result<Vec<TestCase>, Vec<SchemaError>> {
    crate::schema::read_cases(file, text)
}

/// Checks that a test's input becomes the expected events.
pub fn check_case(schemas: &Arc<SchemaSet>, case: &TestCase) -> Result<(), CaseError> {
    if schemas.get(&case.log_type).is_none() {
        return Err(CaseError::UnknownLogType(case.log_type.clone()));
    }
    let actual = events(schemas, case)?;
    let expected = expected(case)?;
    if actual.len() != expected.len() {
        return Err(CaseError::Count { events: actual.len(), expected: expected.len() });
    }
    for (place, (mut actual, mut expected)) in (1..).zip(actual.into_iter().zip(expected)) {
        align(&mut actual, &mut expected);
        let mut differences = Vec::new();
        compare("", &actual, &expected, &mut differences);
        if !differences.is_empty() {
            return Err(CaseError::Different { place, differences });
        }
    }
    Ok(())
}

fn events(schemas: &Arc<SchemaSet>, case: &TestCase) -> Result<Vec<Json>, CaseError> {
    let origin = Origin { source: "test".into(), source_label: "test".into(), key: "test".into(), place: None };
    let bytes = Bytes::copy_from_slice(case.input.as_bytes());
    let payload = Payload { origin, bytes, received: PARSE_TIME, log_types: vec![case.log_type.clone()], head: None };
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut processed = Processed::default();
    for record in Splitter::default().records(&payload, &StreamType::Auto) {
        match record {
            Ok(record) => processor.process(record, &payload, PARSE_TIME, &mut processed),
            Err(failure) => processed.failures.push(failure),
        }
    }
    if let Some(failure) = processed.failures.pop() {
        return Err(CaseError::Failure(failure.message));
    }
    let json = |event: uncia_model::Event| {
        serde_json::from_str(&event.document.to_json()).map_err(|error| CaseError::Failure(error.to_string()))
    };
    processed.events.into_iter().map(json).collect()
}

fn expected(case: &TestCase) -> Result<Vec<Json>, CaseError> {
    let read = |(place, text): (usize, &String)| {
        let text = text.replace("{{.LogType}}", case.log_type.as_str());
        match serde_json::from_str(&text) {
            Ok(object @ Json::Object(_)) => Ok(object),
            Ok(_) => Err(CaseError::Result { place, message: "it is something else".to_owned() }),
            Err(error) => Err(CaseError::Result { place, message: error.to_string() }),
        }
    };
    (1..).zip(&case.results).map(read).collect()
}

/// Makes two events differ only where they say different things.
fn align(actual: &mut Json, expected: &mut Json) {
    if let (Json::Object(actual), Json::Object(expected)) = (&mut *actual, &mut *expected) {
        for name in NEVER_COMPARED {
            actual.shift_remove(*name);
            expected.shift_remove(*name);
        }
        for name in OWN_FIELDS {
            if !expected.contains_key(*name) {
                actual.shift_remove(*name);
            }
        }
        // Without an expected time, it is the time of parsing.
        let parse_time = || Json::from(PARSE_TIME.to_string());
        expected.entry(fields::EVENT_TIME).or_insert_with(parse_time);
    }
    align_times(actual, expected);
}

/// Writes expected instants in the normal form, where the event has an instant.
fn align_times(actual: &Json, expected: &mut Json) {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            for (name, value) in expected {
                if let Some(actual) = actual.get(name) {
                    align_times(actual, value);
                }
            }
        }
        (Json::Array(actual), Json::Array(expected)) => {
            for (actual, expected) in actual.iter().zip(expected) {
                align_times(actual, expected);
            }
        }
        (Json::String(actual), Json::String(expected)) if *actual != *expected => {
            if let (Some(_), Some(stamp)) = (instant(actual), instant(expected)) {
                *expected = stamp.to_string();
            }
        }
        _ => {}
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    let with_zone = || format!("{}Z", text.replacen(' ', "T", 1));
    TimeFormat::Rfc3339.read_text(text, 0).or_else(|| TimeFormat::Rfc3339.read_text(&with_zone(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "schema: Custom.Door\nfields:\n  - {name: door, type: string, required: true, indicators: [ip]}\n  - {name: at, type: timestamp, timeFormats: [rfc3339], isEventTime: true}\n";

    fn check(tests: &str) -> Vec<Result<(), String>> {
        let (set, errors) = SchemaSet::load([("s.yml".to_owned(), SCHEMA.to_owned())]);
        assert!(errors.is_empty(), "{errors:?}");
        let set = Arc::new(set);
        let cases = read_test_cases("t.yml", tests).unwrap();
        cases.iter().map(|case| check_case(&set, case).map_err(|error| format!("{}: {error}", case.name))).collect()
    }

    #[test]
    fn documents_are_tests() {
        let tests = r#"
name: one
logType: Custom.Door
input: |
  {
    "door": "10.0.0.1",
    "at": "2021-03-26T21:40:41Z"
  }
result: |
  {"door": "10.0.0.1", "at": "2021-03-26T21:40:41Z", "p_log_type": "{{.LogType}}",
   "p_event_time": "2021-03-26 21:40:41", "p_any_ip_addresses": ["10.0.0.1"], "p_row_id": "any"}
---
name: two
logType: Custom.Door
input: |
  {"door": "a"}
  {"door": "b"}
results:
  - '{"door": "a"}'
  - '{"door": "c"}'
---
name: none
logType: Custom.Door
input: ''
---
name: failure
logType: Custom.Door
input: '{"window": 1}'
---
name: unknown
logType: Custom.Window
input: '{"window": 1}'
---
name: fewer
logType: Custom.Door
input: '{"door": "a"}'
result: '{"door": "a", "p_event_time": "2021-01-01T00:00:00Z"}'
"#;
        let said: Vec<String> = check(tests).into_iter().map(|said| said.err().unwrap_or_default()).collect();
        assert_eq!(
            said,
            [
                "",
                "two: event number 2 is not the expected one: `door` is \"b\", expected \"c\"",
                "",
                "failure: no event: not Custom.Door: field `door`: required, but missing or null",
                "unknown: there is no log type Custom.Window",
                "fewer: event number 1 is not the expected one: `p_event_time` is \"2100-01-01 00:00:00.000000000\", expected \"2021-01-01 00:00:00.000000000\"",
            ]
        );
    }

    #[test]
    fn mistakes_have_lines() {
        for (tests, message) in [
            (
                "name: a\nlogType: A.B\ninput: x\n---\nname: b\nlogType: A.B\ninputs: y\n",
                "t.yml:7: unknown key `inputs`, did you mean `input`?",
            ),
            ("name: a\ninput: x\n", "t.yml:1: key `logType` is missing"),
            ("name: a\nlogType: A.B\ninput: x\nresults: y\n", "t.yml:4: results: expected a list, found a scalar"),
        ] {
            let errors = read_test_cases("t.yml", tests).unwrap_err();
            assert_eq!(errors[0].to_string(), message);
        }
    }
}
