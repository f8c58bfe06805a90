//! Every field that a public rule reads is a field of its log type's schema, or kept as an unknown one under its name.
//!
//! The optimiser tells the paths. Each is put into an event of the schema's own sample, which goes through the schema as a
//! record; a value must stand at the path afterwards. So a rename, a change of a name or a scalar in the way is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use uncia_detection::{Content, ContentRoot, DetectionKind, Engine, EngineConfig, MemoryCache, Probe, Program};
use uncia_document::{Interner, Timestamp};
use uncia_model::{Column, ColumnType, LogType, Origin, Payload, Record};
use uncia_processing::{Processed, Processor, SchemaSet};

use crate::corpus::corpus;
use crate::workers;

/// What no schema keeps at its place, and why that is right.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

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

/// The paths that each rule reads, by its log type.
async fn read_paths(program: Program) -> BTreeMap<LogType, BTreeMap<Vec<String>, String>> {
    let log_types: BTreeMap<String, Vec<LogType>> =
        program.detections.iter().map(|rule| (rule.id.to_string(), rule.log_types.clone())).collect();
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
        for log_type in &log_types[id.as_str()] {
            for (path, _) in &explanation.reads {
                paths.entry(log_type.clone()).or_default().entry(path.clone()).or_insert_with(|| id.to_string());
            }
        }
    }
    paths
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    let is_it = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
    members.get(name).or_else(|| members.iter().find(is_it).map(|(_, value)| value))
}

/// Puts a value at a path; lists on the way are replaced by an object where the path goes on by name.
fn put(event: &mut Value, path: &[String], value: &Value) {
    let [name, rest @ ..] = path else { return *event = value.clone() };
    if !event.is_object() {
        *event = json!({});
    }
    let members = event.as_object_mut().unwrap();
    let known = members.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    put(members.entry(known.unwrap_or_else(|| name.clone())).or_insert(Value::Null), rest, value);
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
    let own = path.iter().try_fold(base, |value, name| member(value, name)).cloned();
    own.into_iter().chain(values).any(|value| {
        let mut record = base.clone();
        put(&mut record, path, &value);
        let bytes = Bytes::from(record.to_string());
        let origin = Origin { source: "paths".into(), source_label: "paths".into(), key: "paths".into(), place: None };
        let received = Timestamp::from_seconds(1_700_000_000, 0);
        let payload = Payload { origin, bytes: bytes.clone(), received, log_types: vec![log_type.clone()], head: None };
        let mut processed = Processed::default();
        processor.process(Record::alone(0, bytes), &payload, received, &mut processed);
        let Some(event) = processed.events.pop() else { return false };
        let event: Value = serde_json::from_str(&event.document.to_json()).unwrap();
        path.iter().try_fold(&event, |value, name| member(value, name)).is_some()
    })
}

#[tokio::test]
async fn every_path_that_a_public_rule_reads_is_kept() {
    let Some(folder) = corpus() else { return };
    let mut program = Program::from(&Content::load([ContentRoot::Disk(folder)]));
    program.detections.retain(|detection| detection.kind == DetectionKind::Rule);
    program.detections.iter_mut().for_each(|detection| detection.enabled = true);
    let rules = program.detections.len();
    let schemas = Arc::new(schemas());
    let mut processor = Processor::relaxed(schemas.clone(), Interner::new());
    let (mut fields, mut unknown, mut standard) = (0, 0, 0);
    let (mut lost, mut without) = (Vec::new(), BTreeSet::new());
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
    lost.retain(|(log_type, path, _)| !EXCEPTIONS.iter().any(|(of, at, _)| of == log_type && at == path));
    assert!(lost.is_empty(), "{}", lost.iter().map(|lost| format!("{lost:?}\n")).collect::<String>());
    assert!(fields > 1_000, "the rules' paths are told");
}
