//! Every field that a public rule reads is a field of its log type's schema, or kept as an unknown one under its name.
//!
//! The optimiser tells the paths. Each is put into an event of the schema's own sample, which goes through the schema as a
//! record; a value must stand at the path afterwards. So a rename, a change of a name or a scalar in the way is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use uncia_detection::{
    Content, ContentRoot, DetectionKind, Engine, EngineConfig, MemoryCache, Probe, Program, ProgramDetection,
};
use uncia_document::{Interner, Timestamp};
use uncia_model::{Column, ColumnType, LogType, Origin, Payload, Record};
use uncia_processing::{Processed, Processor, SchemaSet};

use crate::corpus::corpus;
use crate::workers;

/// Between a rule and the log type it is asked for.
const SEPARATOR: &str = " of ";

fn schemas() -> SchemaSet {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let (schemas, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    schemas
}

/// The paths that rules read of each log type, with a rule that does. Data models differ by log type, so each rule is asked
/// once for each of its types.
async fn read_paths(mut program: Program) -> BTreeMap<LogType, BTreeMap<Vec<String>, String>> {
    let of_one_type = program.detections.iter().flat_map(|rule| {
        rule.log_types.iter().map(|log_type| {
            let id = format!("{}{SEPARATOR}{log_type}", rule.id);
            ProgramDetection {
                id: id.as_str().into(),
                log_types: vec![log_type.clone()],
                enabled: true,
                ..rule.clone()
            }
        })
    });
    program.detections = of_one_type.collect();
    let config = EngineConfig {
        extension: Some(workers::extension()),
        workers: 1,
        probe: Probe { explain: true, fault: None },
        ..EngineConfig::default()
    };
    let engine = Engine::start(program, config, Arc::new(MemoryCache::default())).await.unwrap();
    let told = engine.explanations();
    engine.shutdown().await;
    let mut paths = BTreeMap::<LogType, BTreeMap<Vec<String>, String>>::new();
    for (id, explanation) in told {
        let (rule, log_type) = id.as_str().rsplit_once(SEPARATOR).unwrap();
        for (path, _) in explanation.reads {
            paths.entry(LogType::new(log_type)).or_default().entry(path).or_insert_with(|| rule.to_owned());
        }
    }
    paths
}

/// Whether something stands at the path; lists on the way stand for their items.
fn stands(value: &Value, path: &[String]) -> bool {
    let [name, rest @ ..] = path else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| stands(item, path)),
        Value::Object(members) => {
            members.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && stands(value, rest))
        }
        _ => false,
    }
}

/// Puts a value at a path, into the first item of lists on the way. What is not there yet becomes an object, or a list of
/// one.
fn put(event: &mut Value, path: &[String], value: &Value, as_list: bool) {
    let [name, rest @ ..] = path else { return *event = value.clone() };
    if let Some(first) = event.as_array_mut().and_then(|items| items.first_mut()) {
        return put(first, path, value, as_list);
    }
    if !event.is_object() {
        *event = if as_list { json!([{}]) } else { json!({}) };
        return put(event, path, value, as_list);
    }
    let members = event.as_object_mut().unwrap();
    let known = members.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    put(members.entry(known.unwrap_or_else(|| name.clone())).or_insert(Value::Null), rest, value, as_list);
}

/// Whether the schema has a field at the path.
fn is_field(columns: &[Column], path: &[String]) -> bool {
    let [name, rest @ ..] = path else { return true };
    let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)) else { return false };
    let mut kind = &column.kind;
    while let ColumnType::List(inner) = kind {
        kind = inner;
    }
    match kind {
        ColumnType::Struct(columns) => is_field(columns, rest),
        ColumnType::Json => true,
        _ => rest.is_empty(),
    }
}

/// Whether some value that is put there comes through.
fn is_kept(processor: &mut Processor, log_type: &LogType, base: &Value, path: &[String]) -> bool {
    let values = [
        json!("x"),
        json!(1),
        json!(true),
        json!("2024-01-02T03:04:05Z"),
        json!(1_704_164_645),
        json!({"x": 1}),
        json!(["x"]),
        json!([{"x": 1}]),
    ];
    // Validation may allow certain words at the place only; the sample has one of them.
    let is_there = stands(base, path).then(|| base.clone());
    let made = values.iter().flat_map(|value| [false, true].map(|as_list| (value, as_list))).map(|(value, as_list)| {
        let mut record = base.clone();
        put(&mut record, path, value, as_list);
        record
    });
    is_there.into_iter().chain(made).any(|record| {
        let bytes = Bytes::from(record.to_string());
        let origin = Origin { source: "paths".into(), source_label: "paths".into(), key: "paths".into(), place: None };
        let received = Timestamp::from_seconds(1_700_000_000, 0);
        let payload = Payload { origin, bytes: bytes.clone(), received, log_types: vec![log_type.clone()], head: None };
        let mut processed = Processed::default();
        processor.process(Record::alone(0, bytes), &payload, received, &mut processed);
        let event = processed.events.pop().map(|event| event.document.to_json());
        event.is_some_and(|event| stands(&serde_json::from_str(&event).unwrap(), path))
    })
}

#[tokio::test]
async fn every_path_that_a_public_rule_reads_is_kept() {
    let Some(folder) = corpus() else { return };
    let mut program = Program::from(&Content::load([ContentRoot::Disk(folder)]));
    program.detections.retain(|detection| detection.kind == DetectionKind::Rule);
    let rules = program.detections.len();
    let schemas = Arc::new(schemas());
    let mut processor = Processor::relaxed(schemas.clone(), Interner::new());
    let (mut fields, mut unknown, mut standard) = (0, 0, 0);
    let (mut lost, mut without) = (Vec::<(String, String, String)>::new(), BTreeSet::new());
    for (log_type, paths) in read_paths(program).await {
        let Some(schema) = schemas.get(&log_type) else {
            without.insert(log_type);
            continue;
        };
        let mut base = schema.samples()[0].expected.clone();
        base.as_object_mut().unwrap().retain(|name, _| !name.starts_with("p_"));
        for (path, rule) in paths {
            if path[0].starts_with("p_") {
                standard += 1;
            } else if !is_kept(&mut processor, &log_type, &base, &path) {
                lost.push((log_type.to_string(), path.join("."), rule));
            } else if is_field(&schema.table_schema().columns, &path) {
                fields += 1;
            } else {
                unknown += 1;
                println!("unknown but kept: {log_type} {} ({rule})", path.join("."));
            }
        }
    }
    println!(
        "{rules} rules read {} paths of log types with a schema: {fields} are fields, {unknown} are kept as unknown ones, \
         {standard} are standard fields, {} are lost; log types without a schema: {without:?}",
        fields + unknown + standard + lost.len(),
        lost.len()
    );
    assert!(lost.is_empty(), "{}", lost.iter().map(|lost| format!("{lost:?}\n")).collect::<String>());
    assert!(without.is_empty());
    assert!(fields > 600, "the rules' paths are told");
}
