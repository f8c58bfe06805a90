//! What is run on the fuzzer's bytes.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use uncia_document::{Interner, Parser, Ref, Timestamp};
use uncia_model::{Failure, FailureReason, Origin, Payload, Record};
use uncia_processing::{Processed, Processor, SchemaSet, Splitter, StreamType};

#[cfg(feature = "columnar")]
use crate::columnar::{Avro, Parquet};
use crate::learning::{Grow, Infer, InferRows};
use crate::plant;
use crate::seeds::PARSERS;

pub(crate) trait Target: Send + Sync {
    fn run(&self, data: &[u8]);

    /// Whether a panic that is caught is no finding.
    fn forgives_panics(&self) -> bool {
        false
    }
}

type Make = fn() -> Box<dyn Target>;

/// All targets by name.
pub(crate) const TARGETS: &[(&str, Make)] = &[
    ("document", || Box::new(Document)),
    ("auto", || Box::new(Stream("auto"))),
    ("lines", || Box::new(Stream("lines"))),
    ("json", || Box::new(Stream("json"))),
    ("json_array", || Box::new(Stream("json_array:a.1"))),
    ("cloudwatch_logs", || Box::new(Stream("cloudwatch_logs:retain_envelope_fields"))),
    ("xml", || Box::new(Stream("xml"))),
    ("xml_root", || Box::new(Stream("xml:a"))),
    ("inflate", || Box::new(Inflate)),
    ("time", || Box::new(Time)),
    ("schema", || Box::new(Schema)),
    ("csv", || TextParser::make("csv")),
    ("csv_header", || TextParser::make("csv_header")),
    ("fastmatch", || TextParser::make("fastmatch")),
    ("regex", || TextParser::make("regex")),
    ("script", || TextParser::make("script")),
    ("xml_record", || TextParser::make("xml_record")),
    ("syslog", || TextParser::make("syslog")),
    ("keyvalue", || TextParser::make("keyvalue")),
    ("cef", || TextParser::make("cef")),
    ("leef", || TextParser::make("leef")),
    ("auditd", || TextParser::make("auditd")),
    ("zeek", || TextParser::make("zeek")),
    ("vpcflow", || TextParser::make("vpcflow")),
    ("windows_event", || TextParser::make("windows_event")),
    ("coercion", || TextParser::make("coercion")),
    ("infer", || Box::new(Infer)),
    ("infer_rows", || Box::new(InferRows)),
    ("discovery", || Box::new(Grow)),
    #[cfg(feature = "columnar")]
    ("parquet", || Box::new(Parquet)),
    #[cfg(feature = "columnar")]
    ("avro", || Box::new(Avro)),
    ("processor", || Box::new(Whole::new())),
];

pub(crate) fn payload(bytes: Bytes) -> Payload {
    let origin = Origin { source: "fuzz".into(), source_label: "fuzz".into(), key: "fuzz".into(), place: None };
    Payload { origin, bytes, received: Timestamp::from_micros(0), log_types: Vec::new(), head: None }
}

/// What is written as JSON reads back as the same.
struct Document;

impl Target for Document {
    fn run(&self, data: &[u8]) {
        let mut parser = Parser::new(Interner::new());
        let Ok(document) = parser.parse(data) else { return };
        let text = document.to_json();
        let again = parser.parse(text.as_bytes()).expect("what is written can be read");
        assert_eq!(again.to_json(), text);
        if let Some(value) = document.root().get("k").and_then(|value| value.items().nth(1)).and_then(Ref::as_str) {
            plant::bug(value.as_bytes(), b"buy");
        }
    }
}

/// Records do not depend on the pieces that the stream comes in.
struct Stream(&'static str);

/// Gives at most so many bytes at a time.
struct Trickle(Bytes, usize);

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(out.len()).min(self.0.len());
        out[..count].copy_from_slice(&self.0.split_to(count));
        Ok(count)
    }
}

type Item = Result<Record, Failure>;

fn shown(item: &Item) -> (bool, u64, &[u8], Option<&str>) {
    match item {
        Ok(record) => (true, record.ordinal, &record.bytes, record.header.as_deref()),
        Err(failure) => (false, failure.ordinal, &failure.payload, Some(&failure.message)),
    }
}

impl Target for Stream {
    fn run(&self, data: &[u8]) {
        let Some((&step, bytes)) = data.split_first() else { return };
        let stream: StreamType = self.0.parse().expect("a stream type");
        let bytes = Bytes::copy_from_slice(bytes);
        let payload = payload(bytes.clone());
        let whole: Vec<Item> = Splitter::default().records(&payload, &stream).collect();
        let reader = Box::new(Trickle(bytes.clone(), usize::from(step) + 1));
        let pieces: Vec<Item> = Splitter::default().read(&payload, reader, Some(bytes.len() as u64), &stream).collect();
        assert_eq!(whole.len(), pieces.len());
        for (place, (one, other)) in whole.iter().zip(&pieces).enumerate() {
            assert_eq!(shown(one), shown(other));
            assert_eq!(shown(one).1, place as u64);
        }
        let mut parser = Parser::new(Interner::new());
        for record in whole.iter().flatten() {
            plant::bug(&record.bytes, b"buy");
            let Ok(document) = parser.parse(&record.bytes) else { continue };
            for value in [document.root().get("k"), Some(document.root())].into_iter().flatten() {
                plant::bug(value.as_str().unwrap_or_default().as_bytes(), b"buy");
            }
        }
    }
}

/// Packed streams of all kinds. The product's guards bound what comes out.
struct Inflate;

impl Target for Inflate {
    fn run(&self, data: &[u8]) {
        let payload = payload(Bytes::copy_from_slice(data));
        let mut bytes = 0;
        for item in Splitter::default().records(&payload, &StreamType::Lines) {
            if let Ok(record) = item {
                plant::bug(&record.bytes, b"buy");
                bytes += record.bytes.len();
            }
            // The guards let a small bomb grow to 256 MiB, which takes too long here.
            if bytes > 1 << 20 {
                break;
            }
        }
    }
}

/// A line with a format of timestamps, and a text.
struct Time;

impl Target for Time {
    fn run(&self, data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let Some((format, value)) = text.split_once('\n') else { return };
        let format = serde_json::to_string(format).expect("texts have a JSON form");
        let schema = format!(
            "schema: Fuzz.Time\nfields:\n  - {{name: t, type: timestamp, timeFormats: [{format}], isEventTime: true, required: true}}\n"
        );
        let (schemas, _) = SchemaSet::load([("fuzz.yml".to_owned(), schema)]);
        let record = serde_json::json!({ "t": value }).to_string();
        for event in run(&mut Processor::new(Arc::new(schemas), Interner::new()), record.into_bytes()).events {
            plant::bug(event.time.to_string()[..4].as_bytes(), b"2077");
        }
    }
}

pub(crate) fn run(processor: &mut Processor, record: Vec<u8>) -> Processed {
    let mut processed = Processed::default();
    let bytes = Bytes::from(record);
    let payload = payload(bytes.clone());
    let stamp = Timestamp::from_seconds(1_700_000_000, 0);
    processor.process(Record::alone(0, bytes), &payload, stamp, &mut processed);
    check(&processed);
    processed
}

/// One event or one failure, and no parser broke.
pub(crate) fn check(processed: &Processed) {
    for failure in &processed.failures {
        assert_ne!(failure.reason, FailureReason::ParserPanic, "{}", failure.message);
    }
    for event in &processed.events {
        let text = event.document.to_json();
        let again = Parser::new(Interner::new()).parse(text.as_bytes()).expect("an event's text can be read");
        assert_eq!(again.to_json(), text);
    }
}

/// The reader of schema files.
struct Schema;

impl Target for Schema {
    fn run(&self, data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let (schemas, _) = SchemaSet::load([("fuzz.yml".to_owned(), text.to_owned())]);
        for schema in schemas.iter() {
            let name = schema.log_type().as_str();
            plant::bug(name.rsplit('.').next().unwrap_or_default().as_bytes(), b"Buy");
        }
        drop(Processor::new(Arc::new(schemas), Interner::new()));
    }
}

/// One parser of text records, by a schema that uses it.
struct TextParser {
    processor: Mutex<Processor>,
    fresh: Arc<SchemaSet>,
}

impl TextParser {
    fn make(name: &str) -> Box<dyn Target> {
        let (_, schema, _) = PARSERS.iter().find(|(parser, ..)| *parser == name).expect("a parser with a schema");
        let (schemas, errors) = SchemaSet::load([("fuzz.yml".to_owned(), (*schema).to_owned())]);
        assert!(errors.is_empty(), "{errors:?}");
        let fresh = Arc::new(schemas);
        Box::new(Self { processor: Mutex::new(Processor::new(fresh.clone(), Interner::new())), fresh })
    }
}

impl Target for TextParser {
    fn run(&self, data: &[u8]) {
        let mut processor = self.processor.lock().expect("a panic ends the run");
        let payload = payload(Bytes::copy_from_slice(data));
        let mut processed = Processed::default();
        for item in Splitter::default().records(&payload, &StreamType::Lines) {
            match item {
                Ok(record) => processor.process(record, &payload, Timestamp::from_micros(0), &mut processed),
                Err(failure) => processed.failures.push(failure),
            }
        }
        check(&processed);
        for event in &processed.events {
            let value = event.document.root().get("b").and_then(Ref::as_str);
            plant::bug(value.unwrap_or_default().as_bytes(), b"buy");
        }
        // What came before changes nothing.
        if processed.events.len() + processed.failures.len() == 1 {
            let mut again = Processed::default();
            let mut fresh = Processor::new(self.fresh.clone(), Interner::new());
            for record in Splitter::default().records(&payload, &StreamType::Lines).flatten() {
                fresh.process(record, &payload, Timestamp::from_micros(0), &mut again);
            }
            let texts = |processed: &Processed| -> Vec<String> {
                processed.events.iter().map(|event| event.document.to_json()).collect()
            };
            if processed.failures.is_empty() {
                assert_eq!(texts(&processed), texts(&again));
            }
        }
    }
}

/// All bundled log types at once, from the bytes of a file.
struct Whole {
    processor: Mutex<Processor>,
}

impl Whole {
    fn new() -> Self {
        let (schemas, _) = SchemaSet::load(bundled());
        Self { processor: Mutex::new(Processor::new(Arc::new(schemas), Interner::new())) }
    }
}

impl Target for Whole {
    fn run(&self, data: &[u8]) {
        let mut processor = self.processor.lock().expect("a panic ends the run");
        let payload = payload(Bytes::copy_from_slice(data));
        let mut processed = Processed::default();
        for record in Splitter::default().records(&payload, &StreamType::Auto).flatten().take(64) {
            processor.process(record, &payload, Timestamp::from_micros(0), &mut processed);
        }
        check(&processed);
        for event in &processed.events {
            // Samples are of 2025 and before; among hundreds of them no word of one would be hit.
            let is_future = event.time.to_string()[..4] > *"2030";
            plant::bug(if is_future { b"buy" } else { b"" }, b"buy");
        }
    }
}

/// The files of the bundled schemas.
pub(crate) fn bundled() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../content/schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("bundled schemas").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml") {
                let text = std::fs::read_to_string(&path).expect("a schema file");
                files.push((path.display().to_string(), text));
            }
        }
    }
    files.sort();
    files
}
