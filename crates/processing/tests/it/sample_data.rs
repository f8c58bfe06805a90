//! Real logs that nobody here wrote, by classification among all bundled schemas. The folder is `UNCIA_SAMPLE_DATA`, or
//! `../shared/data` beside the checkout; without it these tests say so and pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uncia_document::{Interner, Timestamp};
use uncia_model::{Failure, Origin, Payload};
use uncia_processing::{Processed, Processor, Splitter, StreamType};

pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let data = match std::env::var_os("UNCIA_SAMPLE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => crate::root().join("../shared/data"),
    };
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    {
        println!("skipped: no sample logs at {}", folder.display());
    }
    None
}

/// Events per log type, and the failures.
fn ingest(folder: &Path) -> (BTreeMap<String, usize>, Vec<Failure>, Processed) {
    let (schemas, errors) = crate::load_content();
    assert!(errors.is_empty(), "{errors:?}");
    let mut processor = Processor::new(schemas, Interner::new());
    let mut all = Processed::default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    files.sort();
    for path in files {
        let place = path.display().to_string();
        let origin = Origin {
            source: "test".into(),
            source_label: "test".into(),
            key: place.as_str().into(),
            place: Some(place.as_str().into()),
        };
        let bytes = std::fs::read(&path).expect("a file can be read").into();
        let payload = Payload { origin, bytes, received: Timestamp::from_micros(0), log_types: Vec::new(), head: None };
        for item in Splitter::default().records(&payload, &StreamType::Auto) {
            match item {
                Ok(record) => processor.process(record, &payload, Timestamp::from_micros(0), &mut all),
                Err(failure) => all.failures.push(failure),
            }
        }
    }
    let mut counts = BTreeMap::new();
    for event in &all.events {
        *counts.entry(event.log_type.to_string()).or_default() += 1;
    }
    let failures = std::mem::take(&mut all.failures);
    (counts, failures, all)
}

fn show(failures: &[Failure]) -> String {
    let shown = failures.iter().take(5).map(|failure| {
        format!("{} {:?} {}", failure.message, failure.candidates, String::from_utf8_lossy(&failure.payload))
    });
    format!("{} failures\n{}", failures.len(), shown.collect::<Vec<_>>().join("\n"))
}

#[test]
fn cloudtrail() {
    let Some(folder) = folder("cloudtrail-stratus") else { return };
    let (counts, failures, _) = ingest(&folder);
    assert!(failures.is_empty(), "{}", show(&failures));
    assert_eq!(counts, BTreeMap::from([("AWS.CloudTrail".to_owned(), 2_900)]));
}

#[test]
fn zeek() {
    let Some(folder) = folder("zeek-json") else { return };
    let (counts, failures, all) = ingest(&folder);
    assert!(failures.is_empty(), "{}", show(&failures));
    // The log types' names are the schemas' choice; the counts are the captures'.
    let mut by_path: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for event in &all.events {
        let path = event.document.root().get("_path").and_then(|path| path.as_str()).unwrap_or_default().to_owned();
        let entry = by_path.entry(path).or_insert_with(|| (event.log_type.to_string(), 0));
        assert_eq!(entry.0, event.log_type.as_str());
        entry.1 += 1;
    }
    let expected = [
        ("dns", 53_615),
        ("notice", 207),
        ("rdp", 4_122),
        ("smtp", 1_188),
        ("software", 376),
        ("ssh", 22),
        ("ssl", 49_474),
        ("weird", 24_202),
        ("x509", 348),
    ];
    let found: Vec<(&str, usize)> = by_path.iter().map(|(path, (_, count))| (&**path, *count)).collect();
    assert_eq!(found, expected);
    assert_eq!(counts.len(), 9, "{counts:?}");
}

#[test]
fn suricata() {
    let Some(folder) = folder("suricata-alerts") else { return };
    let (counts, failures, all) = ingest(&folder);
    assert!(failures.is_empty(), "{}", show(&failures));
    assert_eq!(counts, BTreeMap::from([("Suricata.Alert".to_owned(), 548)]));
    // Two captures from the files' beginnings: one with a zone, one without.
    let has = |time: &str| all.events.iter().any(|event| event.time.to_string() == time);
    assert!(has("2015-03-29 17:01:38.221126000"));
    assert!(has("2019-01-02 03:50:11.315110000"));
}
