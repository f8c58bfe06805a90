//! What workers cost beside their work: our side of the figures on workers in `./x bench detect`.
//!
//! `bench_workers CONTENT PACKAGES…`: a whole repository in two workers. How long until the first answers and until both do,
//! how long it takes until an event is judged after all workers were killed, and the memory of each process. The last line
//! is JSON.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uncia_detection::{Content, ContentRoot, Engine, EngineConfig, EventBatch, MemoryCache, Program};

/// How often workers are killed.
const TURNS: usize = 15;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let content = arguments.next().expect("CONTENT PACKAGES…");
    let program = Program::from(&Content::load([ContentRoot::from(content)]));
    let detections = program.detections.len();
    let config = EngineConfig { workers: 2, python_path: arguments.collect(), ..EngineConfig::default() };
    let begun = Instant::now();
    let engine = Engine::start(program, config, Arc::new(MemoryCache::default())).await.expect("the engine starts");
    let started = begun.elapsed();
    engine.ready().await;
    let ready = begun.elapsed();

    let (mut calm, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        // Both seats judge something, so that neither has been started anew already.
        one_event(&engine).await;
        calm.push(one_event(&engine).await);
        // What workers are copied from is the first of them.
        let kept = usize::from(engine.uncopied().is_none());
        for worker in children().into_iter().skip(kept) {
            let done = Command::new("kill").args(["-KILL", &worker.to_string()]).status();
            assert!(done.is_ok_and(|status| status.success()), "a worker cannot be killed");
        }
        killed.push(one_event(&engine).await);
        engine.evaluate(events(64)).await;
    }
    let processes = children();
    let memory: Vec<_> = processes.iter().map(|id| (kilobytes(*id, "Rss:"), kilobytes(*id, "Pss:"))).collect();
    let uncopied = engine.uncopied();
    engine.shutdown().await;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    print(&serde_json::json!({
        "detections": detections, "uncopied": uncopied,
        "start_ms": milliseconds(started), "ready_ms": milliseconds(ready),
        "calm_ms": milliseconds(median(calm)), "killed_ms": milliseconds(median(killed)),
        "processes": memory.len(),
        "rss_mib": memory.iter().map(|(rss, _)| rss / 1024).collect::<Vec<_>>(),
        "pss_mib": memory.iter().map(|(_, pss)| pss / 1024).collect::<Vec<_>>(),
    }));
}

fn events(count: usize) -> EventBatch {
    let event = Bytes::from_static(br#"{"eventName":"ConsoleLogin","p_log_type":"AWS.CloudTrail"}"#);
    EventBatch { log_type: "AWS.CloudTrail".into(), events: vec![event; count] }
}

async fn one_event(engine: &Engine) -> Duration {
    let begun = Instant::now();
    engine.evaluate(events(1)).await;
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Our children, the oldest first.
fn children() -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("Linux shows processes").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id().to_string();
    let started = |id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Behind the name, which may hold spaces: state, parent, …, and the time of the start as the 20th.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let time: u64 = fields.get(19)?.parse().ok()?;
        (fields.get(1) == Some(&own.as_str())).then_some((time, id))
    };
    let mut found: Vec<_> = ids.filter_map(started).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, id)| id).collect()
}

fn kilobytes(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print(line: &serde_json::Value) {
    println!("{line}");
}
