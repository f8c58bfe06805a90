//! The engine against plain CPython: the same rules on the same events must give the same matches and errors.
//!
//! `tests/oracle/plain_run.py` shares no code with the engine. It runs as a process of its own, needs Python's yaml, and is
//! compared on the events of the corpus's own unit tests, every rule of a log type on every event of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uncia_detection::{AnalysisType, Content, ContentRoot, Engine, EngineConfig, EventBatch, Logic, MemoryCache};
use uncia_model::LogType;

use crate::corpus::corpus;
use crate::workers;

/// Taken unless `UNCIA_ORACLE_LOG_TYPES` names others, separated by commas, or says `all`.
const LOG_TYPES: &str = "AWS.CloudTrail,Okta.SystemLog,GitHub.Audit,Snowflake.QueryHistory,Amazon.EKS.Audit";

/// Their texts depend on the order of a set in ways that letters do not show (one unpacks `{name, value}`).
const ARBITRARY: [&str; 1] = ["Okta.Anonymizing.VPN.Login"];

/// (event, rule) to title, dedup and severity, or the exception.
type Verdicts = BTreeMap<(String, String), [String; 3]>;

#[tokio::test]
async fn matches_are_those_of_plain_cpython() {
    let Some(folder) = corpus() else { return };
    if !Command::new("python3").args(["-c", "import yaml"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: the oracle needs PyYAML (python3 -m pip install pyyaml)");
        return;
    }
    let content = Content::load([ContentRoot::Disk(folder.clone())]);
    let packages = std::env::var_os("UNCIA_TEST_PACKAGES");
    // One worker: rules that remember what they saw see the events in the oracle's order.
    let config = EngineConfig {
        extension: Some(workers::extension()),
        python_path: packages.iter().map(Into::into).collect(),
        workers: 1,
        ..EngineConfig::default()
    };
    let mut differences = Vec::new();
    for log_type in log_types(&content) {
        let events = events_of(&content, &log_type);
        // A cache and modules of its own for each log type, as the oracle has.
        let mut part = content.clone();
        // Plain Python knows nothing of rules in YAML alone.
        part.rules.retain(|rule| rule.log_types.contains(&log_type) && matches!(rule.logic, Logic::Python(_)));
        let engine = Engine::start(&part, config.clone(), Arc::new(MemoryCache::default())).await.unwrap();
        let mut ours = verdicts_of(&engine, &log_type, &events).await;
        engine.shutdown().await;
        let (theirs, unloaded) = plain_run(&folder, &log_type, &events, packages.as_deref().map(Path::new));
        ours.retain(|(_, rule), _| !unloaded.contains(rule));
        let reordered = compare(&log_type, &ours, &theirs, &mut differences);
        println!("{log_type}: {} events, {} verdicts, {reordered} in another order", events.len(), theirs.len());
        assert!(!theirs.is_empty() || events.is_empty(), "{log_type}: the oracle saw nothing");
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn log_types(content: &Content) -> Vec<LogType> {
    let wanted = std::env::var("UNCIA_ORACLE_LOG_TYPES").unwrap_or_else(|_| LOG_TYPES.to_owned());
    if wanted != "all" {
        return wanted.split(',').map(LogType::new).collect();
    }
    let rules = content.rules.iter().filter(|rule| {
        rule.analysis_type == AnalysisType::Rule && (rule.enabled && matches!(rule.logic, Logic::Python(_)))
    });
    rules.flat_map(|rule| rule.log_types.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The events of all tests, and the lines of `<UNCIA_ORACLE_EVENTS>/<log type>.ndjson` if there is such a file; each gets
/// a row id of its own, because many tests share one.
fn events_of(content: &Content, log_type: &LogType) -> Vec<Bytes> {
    let rules = content.rules.iter().filter(|rule| rule.log_types.contains(log_type));
    let mut events: Vec<Bytes> = rules.flat_map(|rule| rule.tests.iter().map(|test| test.event.clone())).collect();
    if let Some(folder) = std::env::var_os("UNCIA_ORACLE_EVENTS").map(PathBuf::from) {
        let more = std::fs::read_to_string(folder.join(format!("{log_type}.ndjson"))).unwrap_or_default();
        events.extend(more.lines().map(|line| Bytes::from(line.to_owned())));
    }
    let with_row = |(number, event): (usize, Bytes)| {
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        event["p_row_id"] = row(number).into();
        Bytes::from(event.to_string())
    };
    events.into_iter().enumerate().map(with_row).collect()
}

fn row(number: usize) -> String {
    format!("row {number}")
}

async fn verdicts_of(engine: &Engine, log_type: &LogType, events: &[Bytes]) -> Verdicts {
    let found = engine.evaluate(EventBatch { log_type: log_type.clone(), events: events.to_vec() }).await;
    let mut verdicts = Verdicts::new();
    for matched in &found.matches {
        let said = [matched.title.clone(), matched.dedup.clone(), matched.severity.to_string()];
        verdicts.insert((row(matched.event), matched.detection.to_string()), said);
    }
    for error in &found.errors {
        let said = ["error".to_owned(), error.exception.clone(), String::new()];
        verdicts.insert((row(error.event), error.detection.to_string()), said);
    }
    verdicts
}

/// What plain CPython says, and the rules that it has not the packages for: the engine has stand-ins for some, so these
/// are compared only where `UNCIA_TEST_PACKAGES` names a folder that has them.
fn plain_run(
    folder: &Path,
    log_type: &LogType,
    events: &[Bytes],
    packages: Option<&Path>,
) -> (Verdicts, BTreeSet<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<u8> = events.iter().flat_map(|event| [&event[..], b"\n"].concat()).collect();
    std::fs::write(file.path(), lines).unwrap();
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/plain_run.py");
    let mut command = Command::new("python3");
    command.arg(oracle).args(["--log-type", log_type.as_str()]);
    for part in ["rules", "global_helpers", "data_models"] {
        command.arg("--rules").arg(folder.join(part));
    }
    command.env("PYTHONPATH", packages.unwrap_or(Path::new(""))).arg(file.path());
    let output = command.output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    print!("{talk}");
    let mut verdicts = Verdicts::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let said = match line.get("error") {
            Some(_) => ["error".to_owned(), text("error"), String::new()],
            None => [text("title"), text("dedup"), text("severity")],
        };
        verdicts.insert((text("p_row_id"), text("rule")), said);
    }
    let unloaded = talk.lines().filter_map(|line| {
        let (rule, _) = line.split_once(" cannot load: ModuleNotFoundError")?;
        rule.rsplit(' ').next().map(str::to_owned)
    });
    (verdicts, unloaded.collect())
}

/// Texts made of Python sets come in any order; such a pair differs in the order of its letters alone.
fn compare(log_type: &LogType, ours: &Verdicts, theirs: &Verdicts, differences: &mut Vec<String>) -> usize {
    let letters = |said: &[String; 3]| {
        let mut letters: Vec<char> = said.iter().flat_map(|text| text.chars()).collect();
        letters.sort_unstable();
        letters
    };
    let mut reordered = 0;
    for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        match (ours.get(key), theirs.get(key)) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(ours), Some(theirs)) if letters(ours) == letters(theirs) => reordered += 1,
            (Some(ours), Some(theirs)) if ARBITRARY.contains(&key.1.as_str()) && ours[2] == theirs[2] => reordered += 1,
            (ours, theirs) => {
                differences.push(format!("{log_type} {key:?}\n  engine: {ours:?}\n  oracle: {theirs:?}"));
            }
        }
    }
    reordered
}
