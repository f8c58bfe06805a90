//! How samples and the public sample events fare among the log types of their vendor; the tests judge by the same.
//!
//! The public events are abbreviated, so no field is required of them: each event, without its `p_` fields, is a raw record
//! of a source with all log types of its vendor, and must come out as its own log type with every field kept. Full samples,
//! those in the schema files, are held to the strict rules.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use uncia_document::{Interner, Timestamp};
use uncia_model::{Event, Failure, LogType, Origin, Payload, Record};
use uncia_processing::{Processed, Processor, Sample, Schema, SchemaSet, Splitter, StreamType};

const NOW: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

/// A full sample, and who takes it.
pub(crate) struct Judged {
    pub(crate) log_type: LogType,
    pub(crate) sample: String,
    /// The types of its vendor that take it, each asked alone.
    pub(crate) takers: Vec<String>,
    /// What it becomes where all of them are asked at once.
    pub(crate) became: Option<String>,
}

impl Judged {
    /// Whether nobody but its own type takes it.
    pub(crate) fn is_unique(&self) -> bool {
        *self.takers == [self.log_type.to_string()]
    }
}

/// An event that became something else.
pub(crate) struct Miss {
    pub(crate) log_type: LogType,
    /// Detection and test.
    pub(crate) test: String,
    /// Another log type, or why it became nothing.
    pub(crate) became: String,
}

#[derive(Default)]
pub(crate) struct Report {
    /// Events and those of them that became what they are, by log type.
    pub(crate) counts: BTreeMap<LogType, (usize, usize)>,
    pub(crate) misses: Vec<Miss>,
    /// Fields of records that their events do not have, by log type and path.
    pub(crate) lost: BTreeMap<(LogType, String), usize>,
    /// Events of other vendors or of log types without a schema.
    pub(crate) unknown: usize,
}

pub(crate) fn vendor_of(log_type: &LogType) -> &str {
    log_type.as_str().split('.').next().unwrap_or_default()
}

fn vendors_types(schemas: &SchemaSet, log_type: &LogType) -> Vec<LogType> {
    let all = schemas.iter().map(|schema| schema.log_type());
    all.filter(|other| vendor_of(other) == vendor_of(log_type)).cloned().collect()
}

pub(crate) fn full_samples(schemas: &Arc<SchemaSet>, wanted: impl Fn(&LogType) -> bool) -> Vec<Judged> {
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut judged = Vec::new();
    for schema in schemas.iter().filter(|schema| wanted(schema.log_type())) {
        let all = vendors_types(schemas, schema.log_type());
        for sample in schema.samples() {
            let takes =
                |log_type: &&LogType| taken_by(&mut processor, schema, sample, vec![(*log_type).clone()]).is_some();
            let takers = all.iter().filter(takes).map(ToString::to_string).collect();
            let became = taken_by(&mut processor, schema, sample, all.clone());
            judged.push(Judged { log_type: schema.log_type().clone(), sample: sample.name.clone(), takers, became });
        }
    }
    judged
}

/// What a sample becomes among these log types, if they take all of it; one of lines is a small file with its header.
fn taken_by(processor: &mut Processor, schema: &Schema, sample: &Sample, log_types: Vec<LogType>) -> Option<String> {
    let raw = sample.raw.trim();
    let payload = payload(raw, log_types);
    let mut processed = Processed::default();
    if schema.reads_lines() {
        for record in Splitter::default().records(&payload, &StreamType::Lines) {
            processor.process(record.ok()?, &payload, NOW, &mut processed);
        }
    } else {
        processor.process(Record::alone(0, payload.bytes.clone()), &payload, NOW, &mut processed);
    }
    let (first, others) = processed.events.split_first()?;
    let is_one = processed.failures.is_empty() && others.iter().all(|event| event.log_type == first.log_type);
    is_one.then(|| first.log_type.to_string())
}

/// `file`: lines of `{"log_types": […], "detection": …, "test": …, "event": {…}}`, gzip.
pub(crate) fn public_events(schemas: &Arc<SchemaSet>, file: &Path, wanted: impl Fn(&LogType) -> bool) -> Report {
    let file = std::fs::File::open(file).expect("the events can be read");
    let mut processor = Processor::relaxed(schemas.clone(), Interner::new());
    let mut report = Report::default();
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let line: Json = serde_json::from_str(&line.expect("lines of text")).expect("a JSON object");
        let mut event = line["event"].clone();
        let Json::Object(members) = &mut event else { continue };
        members.retain(|name, _| !name.starts_with("p_"));
        let said = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let test = format!("{} / {}", said("detection"), said("test"));
        // Tests of rules for many log types say in the event itself which it is, or it may be any of them. Some name a type
        // that nobody has; the rule's own are meant.
        let own = line["event"]["p_log_type"].as_str().map(LogType::new);
        let own = own.filter(|log_type| schemas.get(log_type).is_some());
        let ruled = line["log_types"].as_array().into_iter().flatten().filter_map(Json::as_str).map(LogType::new);
        let expected: Vec<LogType> = match own {
            Some(own) => vec![own],
            None => ruled.collect(),
        };
        if !expected.iter().any(&wanted) || !expected.iter().any(|log_type| schemas.get(log_type).is_some()) {
            report.unknown += 1;
            continue;
        }
        let log_type = if expected.len() == 1 { expected[0].clone() } else { LogType::new("(any of several)") };
        let counts = report.counts.entry(log_type.clone()).or_default();
        counts.0 += 1;
        let candidates = expected.iter().flat_map(|log_type| vendors_types(schemas, log_type)).collect();
        let became = match process(&mut processor, &event.to_string(), candidates) {
            Ok(found) if expected.contains(&found.log_type) => {
                counts.1 += 1;
                let found: Json = serde_json::from_str(&found.document.to_json()).expect("events are JSON");
                lost("", &event, &found, &mut |path| *report.lost.entry((log_type.clone(), path)).or_default() += 1);
                continue;
            }
            Ok(found) => found.log_type.to_string(),
            Err(failure) => failure.message,
        };
        report.misses.push(Miss { log_type, test, became });
    }
    report
}

/// Paths of the record that the event does not have. Nulls and empty arrays go by design; values may be written otherwise.
fn lost(path: &str, record: &Json, event: &Json, note: &mut impl FnMut(String)) {
    let is_nothing = |value: &Json| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (record, event) {
        (Json::Object(record), Json::Object(event)) => {
            // Names change where a column cannot have them; the place in the object stays.
            let unnamed = record.keys().filter(|name| !event.contains_key(*name)).count();
            let renamed = event.keys().filter(|name| !record.contains_key(*name) && !name.starts_with("p_")).count();
            for (name, value) in record {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match event.get(name) {
                    Some(found) => lost(&path, value, found, note),
                    None if is_nothing(value) || value == "" || renamed >= unnamed => {}
                    None => note(path),
                }
            }
        }
        (Json::Array(record), Json::Array(event)) => {
            for (record, event) in record.iter().zip(event) {
                lost(&format!("{path}[]"), record, event, note);
            }
        }
        _ => {}
    }
}

fn payload(raw: &str, log_types: Vec<LogType>) -> Payload {
    let bytes = Bytes::copy_from_slice(raw.as_bytes());
    let origin = Origin { source: "corpus".into(), source_label: "corpus".into(), key: "corpus".into(), place: None };
    Payload { origin, bytes, received: NOW, log_types, head: None }
}

#[expect(clippy::result_large_err, reason = "a failure is as good an answer as an event here")]
fn process(processor: &mut Processor, raw: &str, log_types: Vec<LogType>) -> Result<Event, Failure> {
    let payload = payload(raw, log_types);
    let mut processed = Processed::default();
    processor.process(Record::alone(0, payload.bytes.clone()), &payload, NOW, &mut processed);
    match processed.events.pop() {
        Some(event) => Ok(event),
        None => Err(processed.failures.pop().expect("a record becomes an event or a failure")),
    }
}
