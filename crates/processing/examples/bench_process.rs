//! How much CPU gzip NDJSON costs on its way to events: our side of `./x bench process`.
//!
//! Takes `NAME=FILE:LOGTYPE[,LOGTYPE…]` for each file and prints one line of JSON for it. One thread; the CPU seconds are
//! the kernel's for that thread. Each figure is the best of [`PASSES`] passes after a warm one.
//!
//! `steps` are the walk cut short after each stage, so that a stage costs the difference to the one before it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uncia_document::{Interner, Parser, Timestamp};
use uncia_model::{LogType, Origin, Payload};
use uncia_processing::{Processed, Processor, SchemaSet, Splitter, StreamType};

const PASSES: usize = 2;

fn main() {
    let schemas = load_schemas(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/schemas"));
    for argument in std::env::args().skip(1) {
        let (name, rest) = argument.split_once('=').expect("NAME=FILE:LOGTYPE,…");
        let (file, log_types) = rest.rsplit_once(':').expect("NAME=FILE:LOGTYPE,…");
        let gzip = Bytes::from(std::fs::read(file).expect("the file can be read"));
        let log_types: Vec<LogType> = log_types.split(',').map(LogType::new).collect();
        print(&measure(name, &gzip, &log_types, &schemas).to_string());
    }
}

fn measure(name: &str, gzip: &Bytes, log_types: &[LogType], schemas: &Arc<SchemaSet>) -> serde_json::Value {
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut parser = Parser::new(Interner::new());
    let mut json = Vec::new();
    let (bytes, inflate) = best(|| inflated_bytes(gzip));
    let (_, split) = best(|| records(gzip).count());
    let (_, parse) = best(|| records(gzip).for_each(|record| drop(parser.parse(&record))));
    let (_, process) = best(|| events(&mut processor, gzip, log_types, |_| {}));
    let ((events_seen, written), write) = best(|| {
        let mut written = 0;
        let events = events(&mut processor, gzip, log_types, |out| {
            for event in &out.events {
                json.clear();
                event.document.write_json(&mut json);
                written += json.len();
            }
        });
        (events, written)
    });
    let (_, classified) = best(|| events(&mut processor, gzip, &[], |_| {}));
    serde_json::json!({
        "name": name, "bytes": bytes, "events": events_seen, "written": written, "cpu_seconds": write,
        "steps": [["inflate", inflate], ["split", split], ["parse", parse], ["process", process], ["write", write]],
        "classified_cpu_seconds": classified - process + write,
    })
}

/// What a pass returns, and the CPU seconds of the cheapest one.
fn best<T>(mut pass: impl FnMut() -> T) -> (T, f64) {
    let mut result = pass();
    let mut least = f64::INFINITY;
    for _ in 0..PASSES {
        let before = thread_cpu_seconds();
        result = pass();
        least = least.min(thread_cpu_seconds() - before);
    }
    (result, least)
}

/// CPU seconds, user and system, that the kernel counted for this thread.
fn thread_cpu_seconds() -> f64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts threads' time");
    let nanoseconds: u64 =
        line.split(' ').next().and_then(|word| word.parse().ok()).expect("the first word is a number");
    nanoseconds as f64 / 1e9
}

fn inflated_bytes(gzip: &Bytes) -> usize {
    let mut reader = BufReader::with_capacity(64 * 1024, flate2::bufread::MultiGzDecoder::new(&**gzip));
    let mut bytes = 0;
    loop {
        let piece = reader.fill_buf().expect("the file is sound").len();
        if piece == 0 {
            return bytes;
        }
        bytes += piece;
        reader.consume(piece);
    }
}

fn payload(bytes: &Bytes, log_types: &[LogType]) -> Payload {
    let origin = Origin {
        source: "bench".into(),
        source_label: "bench".into(),
        key: "blake3:bench".into(),
        place: Some("bench.json.gz".into()),
    };
    Payload {
        origin,
        bytes: bytes.clone(),
        received: Timestamp::from_micros(0),
        log_types: log_types.to_vec(),
        head: None,
    }
}

fn records(gzip: &Bytes) -> impl Iterator<Item = Bytes> + use<> {
    Splitter::default()
        .records(&payload(gzip, &[]), &StreamType::Lines)
        .map(|item| item.map_err(|failure| failure.message).expect("the file is sound").bytes)
}

fn events(processor: &mut Processor, gzip: &Bytes, log_types: &[LogType], mut each: impl FnMut(&Processed)) -> usize {
    let payload = payload(gzip, log_types);
    let mut out = Processed::default();
    let mut count = 0;
    for item in Splitter::default().records(&payload, &StreamType::Lines) {
        let record = item.map_err(|failure| failure.message).expect("the file is sound");
        processor.process(record, &payload, Timestamp::from_micros(0), &mut out);
        assert!(out.failures.is_empty(), "{:?}", out.failures);
        each(&out);
        count += out.events.len();
        // As the walk does.
        processor.recycle(out.events.drain(..).map(|event| event.document));
    }
    count
}

fn load_schemas(folder: &Path) -> Arc<SchemaSet> {
    let mut files: Vec<PathBuf> = Vec::new();
    for vendor in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        files.extend(std::fs::read_dir(vendor.path()).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    files.sort();
    let texts = files.into_iter().map(|path| {
        let mut text = String::new();
        let opened = std::fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut text));
        opened.expect("a schema file can be read");
        (path.display().to_string(), text)
    });
    let (schemas, errors) = SchemaSet::load(texts);
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(schemas)
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print(line: &str) {
    println!("{line}");
}
