//! Engines for tests: the extension built, limits short, a program of a few lines.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uncia_detection::{
    Engine, EngineConfig, Evaluation, EventBatch, MemoryCache, Program, ProgramDetection, TestCase, TestOutcome,
};

/// The extension that `UNCIA_EXTENSION` names; otherwise it is built, once a process.
pub(crate) fn extension() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(named) = std::env::var_os("UNCIA_EXTENSION") {
        return named.into();
    }
    let build = || {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.parent().and_then(|deps| deps.parent()).expect("tests lie in <target>/<profile>/deps");
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "-p", "uncia-pyworker", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            command.arg("--release");
        }
        assert!(command.status().unwrap().success(), "cannot build the extension: cargo build -p uncia-pyworker");
        profile.join("lib_uncia.so")
    };
    BUILT.get_or_init(build).clone()
}

/// Two workers, two seconds to interrupt, four to kill.
pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        extension: Some(extension()),
        workers: 2,
        soft_limit: Duration::from_secs(2),
        hard_limit: Duration::from_secs(4),
        memory_bytes: 256 * 1024 * 1024,
        ..EngineConfig::default()
    }
}

pub(crate) async fn engine(program: Program) -> Engine {
    Engine::start(program, config(), Arc::new(MemoryCache::default())).await.unwrap()
}

/// Rules by id and source, all of log type `T`.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Program {
    let detections = rules.iter().map(|(id, source)| ProgramDetection::rule(id, "T", source)).collect();
    Program { detections, ..Program::default() }
}

pub(crate) fn batch(events: impl IntoIterator<Item = String>) -> EventBatch {
    EventBatch { log_type: "T".into(), events: events.into_iter().map(Into::into).collect() }
}

/// Events `{"n": 0}` to `{"n": count - 1}`.
pub(crate) fn numbered(count: usize) -> EventBatch {
    batch((0..count).map(|n| format!(r#"{{"n":{n}}}"#)))
}

pub(crate) async fn evaluate(program: Program, events: EventBatch) -> Evaluation {
    let engine = engine(program).await;
    let evaluation = engine.evaluate(events).await;
    engine.shutdown().await;
    evaluation
}

/// Runs all functions of one rule on one event.
pub(crate) async fn test(program: Program, event: &str) -> TestOutcome {
    let engine = engine(program).await;
    let detection = engine.program().detections[0].id.clone();
    let outcome = engine.run_test(TestCase { detection, event: event.to_owned().into(), mocks: Vec::new() }).await;
    engine.shutdown().await;
    outcome
}
