//! How much CPU detections cost per event: our side of `./x bench detect`.
//!
//! `bench_detect CONTENT EVENTS LOGTYPE MODE WORKERS PACKAGES…`: the rules of a log type in a folder of content, over events in their
//! normal form, one a line, by that many workers in a mode of optimisation. The CPU seconds are those of this process and of its workers together, from the
//! moment when the rules are loaded, as the peer's are. The last line is JSON, with matches and errors per rule.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use uncia_detection::{
    Content, ContentRoot, DetectionKind, Engine, EngineConfig, EventBatch, MemoryCache, Optimise, Program,
};
use uncia_model::LogType;

/// Events given to the engine at once, as a batch of the walk has them.
const BATCH: usize = 5_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("CONTENT EVENTS LOGTYPE MODE WORKERS PACKAGES…");
    let (content, events, log_type) = (PathBuf::from(next()), next(), LogType::new(next()));
    let optimise: Optimise = next().parse().expect("off, index or full");
    let workers = next().parse().expect("a number of workers");
    let python_path: Vec<PathBuf> = arguments.map(PathBuf::from).collect();

    let text = Bytes::from(std::fs::read(events).expect("the events can be read"));
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let events: Vec<Bytes> = lines.map(|line| text.slice_ref(line)).collect();
    let program = of_log_type(Program::from(&Content::load([ContentRoot::from(content)])), &log_type);
    let rules = program.detections.len();
    let config = EngineConfig { workers, python_path, optimise, ..EngineConfig::default() };
    let engine = Engine::start(program, config, Arc::new(MemoryCache::default())).await.expect("the engine starts");
    let broken = engine.setup_errors().into_iter().map(|(id, error)| (id.as_str().to_owned(), error.message));
    let broken: BTreeMap<String, String> = broken.collect();

    let before = cpu_seconds();
    let (mut matches, mut errors) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    for batch in events.chunks(BATCH) {
        let evaluation = engine.evaluate(EventBatch { log_type: log_type.clone(), events: batch.to_vec() }).await;
        for matched in evaluation.matches {
            *matches.entry(matched.detection.as_str().to_owned()).or_default() += 1;
        }
        for error in evaluation.errors {
            *errors.entry(error.detection.as_str().to_owned()).or_default() += 1;
        }
    }
    let cpu_seconds = cpu_seconds() - before;
    let stats = engine.totals();
    engine.shutdown().await;
    print(&serde_json::json!({
        "events": events.len(), "rules": rules, "calls": stats.calls, "cpu_seconds": cpu_seconds,
        "pairs": stats.pairs, "pruned": stats.pruned, "decided": stats.native_false + stats.native_true, "diverged": stats.diverged,
        "matches": matches, "errors": errors, "broken": broken,
    }));
}

/// Only the enabled rules of a log type: the others would cost memory and a second at the start. The peer has no rules in
/// YAML alone.
fn of_log_type(mut program: Program, log_type: &LogType) -> Program {
    program.detections.retain(|detection| {
        detection.kind == DetectionKind::Rule && detection.enabled && detection.log_types.contains(log_type)
    });
    program.simple.clear();
    program
}

/// CPU seconds, user and system, of this process and its living descendants. Loaded workers do not end during a run.
fn cpu_seconds() -> f64 {
    let mut ticks = HashMap::new();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").expect("Linux shows processes").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may hold spaces: state, parent, …, user and system time as the 12th and 13th.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        ticks.insert(id, number(11) + number(12));
        children.entry(number(1) as u32).or_default().push(id);
    }
    let mut open = vec![std::process::id()];
    let mut sum = 0;
    while let Some(id) = open.pop() {
        sum += ticks.get(&id).copied().unwrap_or(0);
        open.extend(children.get(&id).into_iter().flatten());
    }
    // 100 ticks a second on every Linux that runs programs today.
    sum as f64 / 100.0
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print(line: &serde_json::Value) {
    println!("{line}");
}
