//! How well the schemas know the public sample events: `corpus SCHEMAS EVENTS.ndjson.gz [VENDOR]`.
//!
//! Each line of the file is `{"log_types": […], "event": {…}}`, as the unit tests of public detections have them. They are
//! abbreviated, so no field is required of them: each event, without its `p_` fields, is a raw record of a source with all
//! log types of its vendor, and must come out as its own log type with every field kept. Full samples, those in the schema
//! files, are held to the strict rules: each must be taken by its own schema alone among its vendor's.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use uncia_document::{Interner, Timestamp};
use uncia_model::{Event, Failure, LogType, Origin, Payload, Record};
use uncia_processing::{Processed, Processor, SchemaSet, Splitter, StreamType};

const NOW: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, events, rest @ ..] = &*arguments else {
        print("corpus SCHEMAS EVENTS.ndjson.gz [VENDOR]");
        return ExitCode::from(2);
    };
    let schemas = Arc::new(load_schemas(Path::new(folder)));
    let wanted = |log_type: &LogType| rest.is_empty() || rest.iter().any(|vendor| vendor == vendor_of(log_type));
    let unclear = check_full_samples(&schemas, &wanted);
    let missed = check_events(&schemas, Path::new(events), &wanted);
    if unclear + missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn vendor_of(log_type: &LogType) -> &str {
    log_type.as_str().split('.').next().unwrap_or_default()
}

fn vendors_types(schemas: &SchemaSet, log_type: &LogType) -> Vec<LogType> {
    let all = schemas.iter().map(|schema| schema.log_type());
    all.filter(|other| vendor_of(other) == vendor_of(log_type)).cloned().collect()
}

/// Samples that another type of the vendor takes as well, or that its own does not.
fn check_full_samples(schemas: &Arc<SchemaSet>, wanted: &impl Fn(&LogType) -> bool) -> usize {
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let (mut seen, mut unclear) = (0, 0);
    for schema in schemas.iter().filter(|schema| wanted(schema.log_type())) {
        for sample in schema.samples() {
            seen += 1;
            let takers: Vec<String> = vendors_types(schemas, schema.log_type())
                .into_iter()
                .filter(|log_type| takes(&mut processor, sample.raw.trim(), schema.reads_lines(), log_type))
                .map(|log_type| log_type.to_string())
                .collect();
            if takers != [schema.log_type().to_string()] {
                unclear += 1;
                print(&format!("{}: sample `{}` is taken by {takers:?}", schema.log_type(), sample.name));
            }
        }
    }
    print(&format!("{seen} full samples, {unclear} not taken by exactly their own log type among their vendor's\n"));
    unclear
}

#[derive(Default)]
struct Tally {
    events: usize,
    right: usize,
    /// What they became instead, or why nothing.
    instead: BTreeMap<String, Vec<String>>,
    lost: BTreeMap<String, usize>,
}

fn check_events(schemas: &Arc<SchemaSet>, file: &Path, wanted: &impl Fn(&LogType) -> bool) -> usize {
    let file = std::fs::File::open(file).expect("the events can be read");
    let mut processor = Processor::relaxed(schemas.clone(), Interner::new());
    let mut tallies: BTreeMap<LogType, Tally> = BTreeMap::new();
    let mut unknown = 0;
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let line: Json = serde_json::from_str(&line.expect("lines of text")).expect("a JSON object");
        let mut event = line["event"].clone();
        let Json::Object(members) = &mut event else { continue };
        members.retain(|name, _| !name.starts_with("p_"));
        let said = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let test = format!("{} / {}", said("detection"), said("test"));
        // Tests of rules for many log types say in the event itself which it is, or it may be any of them.
        let own = line["event"]["p_log_type"].as_str().map(LogType::new);
        let ruled = line["log_types"].as_array().into_iter().flatten().filter_map(Json::as_str).map(LogType::new);
        let expected: Vec<LogType> = match own {
            Some(own) if own.as_str().contains('.') => vec![own],
            _ => ruled.collect(),
        };
        if !expected.iter().any(wanted) || !expected.iter().any(|log_type| schemas.get(log_type).is_some()) {
            unknown += 1;
            continue;
        }
        let title = if expected.len() == 1 { expected[0].clone() } else { LogType::new("(any of several)") };
        let tally = tallies.entry(title).or_default();
        tally.events += 1;
        let candidates = expected.iter().flat_map(|log_type| vendors_types(schemas, log_type)).collect();
        match process(&mut processor, &event.to_string(), candidates) {
            Ok(found) if expected.contains(&found.log_type) => {
                tally.right += 1;
                let found: Json = serde_json::from_str(&found.document.to_json()).expect("events are JSON");
                lost("", &event, &found, &mut tally.lost);
            }
            Ok(found) => tally.instead.entry(found.log_type.to_string()).or_default().push(test),
            Err(failure) => tally.instead.entry(failure.message).or_default().push(test),
        }
    }
    print(&format!("{unknown} events are of other vendors or of log types without a schema"));
    report(&tallies)
}

fn report(tallies: &BTreeMap<LogType, Tally>) -> usize {
    let (mut events, mut right, mut losses) = (0, 0, 0);
    for (log_type, tally) in tallies {
        events += tally.events;
        right += tally.right;
        losses += tally.lost.values().sum::<usize>();
        print(&format!("{log_type}: {} of {}", tally.right, tally.events));
        for (what, tests) in &tally.instead {
            print(&format!("    {} became {what}; e.g. {}", tests.len(), tests[0]));
        }
        for (path, count) in &tally.lost {
            print(&format!("    lost {count} x {path}"));
        }
    }
    let misses = events - right;
    print(&format!("\n{right} of {events} events right, {misses} others, {losses} fields lost"));
    misses + losses
}

/// Paths of the record that the event does not have. Nulls and empty arrays go by design; values may be written otherwise.
fn lost(path: &str, record: &Json, event: &Json, out: &mut BTreeMap<String, usize>) {
    let is_nothing = |value: &Json| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (record, event) {
        (Json::Object(record), Json::Object(event)) => {
            // Names change where a column cannot have them; the place in the object stays.
            let unnamed = record.keys().filter(|name| !event.contains_key(*name)).count();
            let renamed = event.keys().filter(|name| !record.contains_key(*name) && !name.starts_with("p_")).count();
            for (name, value) in record {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match event.get(name) {
                    Some(found) => lost(&path, value, found, out),
                    None if is_nothing(value) || value == "" || renamed >= unnamed => {}
                    None => *out.entry(path).or_default() += 1,
                }
            }
        }
        (Json::Array(record), Json::Array(event)) => {
            for (record, event) in record.iter().zip(event) {
                lost(&format!("{path}[]"), record, event, out);
            }
        }
        _ => {}
    }
}

/// Whether a sample is of this log type alone; one of lines is a small file with its header.
fn takes(processor: &mut Processor, raw: &str, is_lines: bool, log_type: &LogType) -> bool {
    if !is_lines {
        return process(processor, raw, vec![log_type.clone()]).is_ok();
    }
    let payload = payload(raw, vec![log_type.clone()]);
    let mut processed = Processed::default();
    for record in Splitter::default().records(&payload, &StreamType::Lines) {
        match record {
            Ok(record) => processor.process(record, &payload, NOW, &mut processed),
            Err(failure) => processed.failures.push(failure),
        }
    }
    processed.failures.is_empty() && !processed.events.is_empty()
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

fn load_schemas(folder: &Path) -> SchemaSet {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "yml" => {
                    let text = std::fs::read_to_string(&path).expect("a schema file is text");
                    files.push((path.display().to_string(), text));
                }
                _ => {}
            }
        }
    }
    let (schemas, errors) = SchemaSet::load(files);
    for error in &errors {
        print(&error.to_string());
    }
    schemas
}

#[expect(clippy::print_stdout, reason = "an example program talks on stdout")]
fn print(line: &str) {
    println!("{line}");
}
