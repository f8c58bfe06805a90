//! How fast gzip NDJSON becomes events, beside serde_json parsing and writing the same bytes: `./x bench process`.
//!
//! Takes folders of sample logs as arguments. CPU of one thread; each figure is the best of several rounds, taken in
//! turn so that a busy machine slows both sides. The last line is JSON for machines.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uncia_document::{Interner, Parser, Timestamp};
use uncia_model::{LogType, Origin, Payload};
use uncia_processing::{Processed, Processor, SchemaSet, Splitter, StreamType};

/// NDJSON bytes each corpus is repeated to.
const CORPUS_BYTES: usize = 16 * 1024 * 1024;
const ROUNDS: usize = 5;

fn main() {
    let folders: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let schemas = load_schemas(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/schemas"));
    let mut results = Vec::new();
    print("corpus                  step                              MB/s   k events/s   ratio to peer");
    for folder in folders {
        let Some((name, ndjson)) = corpus(&folder) else { continue };
        measure(&name, &ndjson, &schemas, &mut results);
    }
    print(&serde_json::json!({"bench": "process", "machine": {"threads": 1}, "results": results}).to_string());
}

fn measure(name: &str, ndjson: &[u8], schemas: &Arc<SchemaSet>, results: &mut Vec<serde_json::Value>) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(ndjson).expect("memory takes all writes");
    let gzip = Bytes::from(encoder.finish().expect("memory takes all writes"));
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut parser = Parser::new(Interner::new());
    let log_type: Vec<LogType> = {
        let mut processed = Processed::default();
        process(&mut processor, &gzip, &[], &mut |out| processed.events.append(&mut out.events));
        processed.events.first().map(|event| event.log_type.clone()).into_iter().collect()
    };
    let mut events = 0;
    let mut json = Vec::new();
    type Step<'a> = (&'a str, Box<dyn FnMut() + 'a>);
    let processor = std::cell::RefCell::new(processor);
    let mut steps: Vec<Step<'_>> = vec![
        ("serde_json parse and write", Box::new(|| peer(&gzip))),
        ("gunzip and lines", Box::new(|| records(&gzip).for_each(drop))),
        ("document parse", Box::new(|| records(&gzip).for_each(|record| drop(parser.parse(&record))))),
        ("events, log type given", Box::new(|| process(&mut processor.borrow_mut(), &gzip, &log_type, &mut |_| {}))),
        (
            "events, classified",
            Box::new(|| process(&mut processor.borrow_mut(), &gzip, &[], &mut |out| events += out.events.len())),
        ),
        (
            "events, classified, and written",
            Box::new(|| {
                process(&mut processor.borrow_mut(), &gzip, &[], &mut |out| {
                    for event in &out.events {
                        json.clear();
                        event.document.write_json(&mut json);
                    }
                });
            }),
        ),
    ];
    let mut best = vec![Duration::MAX; steps.len()];
    for _ in 0..ROUNDS {
        for (step, best) in steps.iter_mut().zip(&mut best) {
            let start = cpu_time();
            (step.1)();
            *best = (*best).min(cpu_time() - start);
        }
    }
    let labels: Vec<&str> = steps.iter().map(|(label, _)| *label).collect();
    drop(steps);
    let count = ndjson.iter().filter(|&&byte| byte == b'\n').count() as f64;
    let rate = |time: Duration| ndjson.len() as f64 / 1e6 / time.as_secs_f64();
    let peer_rate = rate(best[0]);
    for (label, time) in labels.iter().zip(&best) {
        let ratio = rate(*time) / peer_rate;
        print(&format!(
            "{name:<22}  {label:<32}  {:>6.0}  {:>11.0}  {ratio:>13.2}",
            rate(*time),
            count / time.as_secs_f64() / 1e3
        ));
        results.push(serde_json::json!({
            "name": format!("{name}: {label}"), "value": rate(*time), "unit": "MB/s", "peer": labels[0], "peer_value": peer_rate, "ratio": ratio,
        }));
    }
    assert_eq!(events, count as usize * ROUNDS, "every record becomes an event");
}

/// CPU time of this thread, so that other work on the machine counts less.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts a thread's CPU time");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the first number is nanoseconds"))
}

fn payload(bytes: &Bytes, log_types: &[LogType]) -> Payload {
    let origin = Origin {
        source: "bench".into(),
        source_label: "bench".into(),
        key: "blake3:bench".into(),
        place: Some("bench.json.gz".into()),
    };
    Payload { origin, bytes: bytes.clone(), received: Timestamp::from_micros(0), log_types: log_types.to_vec() }
}

fn records(gzip: &Bytes) -> impl Iterator<Item = Bytes> + use<> {
    Splitter::records(&payload(gzip, &[]), &StreamType::Lines)
        .map(|item| item.map_err(|failure| failure.message).expect("the corpus is sound").bytes)
}

fn process(processor: &mut Processor, gzip: &Bytes, log_types: &[LogType], each: &mut dyn FnMut(&mut Processed)) {
    let payload = payload(gzip, log_types);
    let mut out = Processed::default();
    for item in Splitter::records(&payload, &StreamType::Lines) {
        let record = item.map_err(|failure| failure.message).expect("the corpus is sound");
        processor.process(record, &payload, Timestamp::from_micros(0), &mut out);
        assert!(out.failures.is_empty(), "{:?}", out.failures);
        each(&mut out);
        out.events.clear();
    }
}

fn peer(gzip: &Bytes) {
    let mut reader = std::io::BufReader::with_capacity(512 * 1024, flate2::read::MultiGzDecoder::new(&**gzip));
    let (mut line, mut json) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).expect("the corpus is sound") > 0 {
        let value: serde_json::Value = serde_json::from_slice(&line).expect("the corpus is JSON");
        json.clear();
        serde_json::to_writer(&mut json, &value).expect("memory takes all writes");
        line.clear();
    }
}

/// The folder's records as NDJSON, compact, repeated.
fn corpus(folder: &Path) -> Option<(String, Vec<u8>)> {
    let mut once = Vec::new();
    let mut files: Vec<PathBuf> = if folder.is_dir() {
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect()
    } else {
        vec![folder.to_owned()]
    };
    files.sort();
    let mut parser = Parser::new(Interner::new());
    for file in files {
        let bytes = Bytes::from(std::fs::read(file).ok()?);
        for item in Splitter::records(&payload(&bytes, &[]), &StreamType::Auto).flatten() {
            parser.parse(&item.bytes).ok()?.write_json(&mut once);
            once.push(b'\n');
        }
    }
    let times = CORPUS_BYTES.div_ceil(once.len().max(1));
    let name = folder.file_name()?.to_string_lossy().into_owned();
    Some((name, once.repeat(times)))
}

fn load_schemas(folder: &Path) -> Arc<SchemaSet> {
    let mut files = Vec::new();
    for vendor in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(vendor.path()).into_iter().flatten().flatten() {
            let mut text = String::new();
            let opened = std::fs::File::open(file.path()).and_then(|mut file| file.read_to_string(&mut text));
            if opened.is_ok() {
                files.push((file.path().display().to_string(), text));
            }
        }
    }
    let (schemas, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(schemas)
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print(line: &str) {
    println!("{line}");
}
