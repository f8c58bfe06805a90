//! How well the schemas know the public sample events: `corpus SCHEMAS EVENTS.ndjson.gz [VENDOR]` prints every miss.

mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use uncia_model::LogType;
use uncia_processing::SchemaSet;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, events, rest @ ..] = &*arguments else {
        print("corpus SCHEMAS EVENTS.ndjson.gz [VENDOR]");
        return ExitCode::from(2);
    };
    let schemas = Arc::new(load_schemas(Path::new(folder)));
    let wanted = |log_type: &LogType| rest.is_empty() || rest.iter().any(|vendor| vendor == judge::vendor_of(log_type));
    let judged = judge::full_samples(&schemas, wanted);
    let unclear: Vec<_> = judged.iter().filter(|judged| !judged.is_unique()).collect();
    for judged in &unclear {
        let became = judged.became.as_deref().unwrap_or("nothing");
        print(&format!(
            "{}: sample `{}` is taken by {:?}, and becomes {became}",
            judged.log_type, judged.sample, judged.takers
        ));
    }
    let (seen, others) = (judged.len(), unclear.len());
    print(&format!("{seen} full samples, {others} not taken by exactly their own log type among their vendor's\n"));
    let missed = show(&judge::public_events(&schemas, Path::new(events), wanted));
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the report; returns how many events and fields it misses.
fn show(report: &judge::Report) -> usize {
    print(&format!("{} events are of other vendors or of log types without a schema", report.unknown));
    for (log_type, (events, right)) in &report.counts {
        print(&format!("{log_type}: {right} of {events}"));
        let mut instead: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for miss in report.misses.iter().filter(|miss| miss.log_type == *log_type) {
            instead.entry(&miss.became).or_default().push(&miss.test);
        }
        for (what, tests) in instead {
            print(&format!("    {} became {what}: {}", tests.len(), tests.join(", ")));
        }
        for ((_, path), count) in report.lost.iter().filter(|((other, _), _)| other == log_type) {
            print(&format!("    lost {count} x {path}"));
        }
    }
    let events: usize = report.counts.values().map(|(events, _)| events).sum();
    let losses: usize = report.lost.values().sum();
    let misses = report.misses.len();
    print(&format!("\n{} of {events} events right, {misses} others, {losses} fields lost", events - misses));
    misses + losses
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
