//! How much CPU detections cost per event: our side of `./x bench detect`.
//!
//! `bench_detect CONTENT EVENTS LOGTYPE MODE WORKERS PACKAGES…`: the rules of a log type in a folder of content, over events in their
//! normal form, one a line, by that many workers in a mode of optimisation. The CPU seconds are those of this process and of its workers together, from the
//! moment when the rules are loaded, as the peer's are. The last line is JSON, with matches and errors per rule.

use std::collections::BTreeMap;
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
    // The engine has started when one worker has; loading in the others would count as judging.
    engine.ready().await;
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

/// CPU seconds of this process and its living children. None ends during a run.
fn cpu_seconds() -> f64 {
    let own = std::process::id();
    children(own).into_iter().chain([own]).map(nanoseconds).sum::<u64>() as f64 / 1e9
}

/// The workers, and what they are copied from: all children are of one generation.
fn children(of: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux shows processes").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Behind the name, which may hold spaces: state, parent, …
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    ids.filter(|id| parent(id) == Some(of)).collect()
}

/// What a process has run, over its threads: the kernel counts ticks of 10 ms elsewhere, too coarse to compare runs with.
fn nanoseconds(process: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return 0 };
    let run = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(run).sum()
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print(line: &serde_json::Value) {
    println!("{line}");
}
